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
// Times in a file are those of whoever sends it, unless they say otherwise.
const fillZones = () => { for (const field of document.querySelectorAll("[data-zone]")) if (field.value === field.defaultValue) field.value = Intl.DateTimeFormat().resolvedOptions().timeZone; };
fillZones();
// A choice in a filter is made by choosing.
document.addEventListener("change", ({ target }) => { if ("submit" in target.dataset) target.form.requestSubmit(); });
// Parts that come later tell times as the rest of the page does; and whoever is refused something sees that, however far down
// they asked.
document.addEventListener("htmx:after:swap", () => {
  paintMoments(document);
  fillZones();
  [...document.querySelectorAll("main [role=alert]")].find((one) => one.checkVisibility())?.scrollIntoView({ block: "nearest" });
});
