// What moves on a page: ages, live values, the search key and the scanner.
import { listenToActs } from "./act.js";
import { paintMoments, setServerTime, startClock } from "./fresh.js";
import { listenToKeys } from "./keys.js";
import { follow, refresh } from "./live.js";

setServerTime(Number(document.body.dataset.now));
startClock();
listenToKeys();
listenToActs(refresh);
if (document.body.dataset.liveAfter) follow(document.body.dataset.liveAfter);
// A choice in a filter is made by choosing.
document.addEventListener("change", ({ target }) => { if ("submit" in target.dataset) target.form.requestSubmit(); });
// Parts that come later tell times as the rest of the page does.
document.addEventListener("htmx:after:swap", () => paintMoments(document));
