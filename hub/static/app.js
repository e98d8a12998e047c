// What moves on a page: ages, live values, the search key and the scanner.
import { setServerTime, startClock } from "./fresh.js";
import { listenToKeys } from "./keys.js";
import { follow } from "./live.js";

setServerTime(Number(document.body.dataset.now));
startClock();
listenToKeys();
if (document.body.dataset.liveAfter) follow(document.body.dataset.liveAfter);
