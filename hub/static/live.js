// Live changes are put into the cells that are there; nothing is sorted anew under the pointer. What is not on the page is
// counted in a strip. After a gap, or when no stream can be had, the page's own address is fetched and its parts are exchanged.
import { acting } from "./act.js";
import { now, paintAll, paintMoments, paintReading, setServerTime, span, t } from "./fresh.js";

const quietMs = 30_000;
const pollMs = 30_000;
const totalsMs = 60_000;
const lateKnownMs = Number(document.body.dataset.lateKnown);

let main = null;
let index = new Map();
let heard = 0;
let state = "waiting";
let elsewhere = new Set();
let asked = false;

function put(key, element) {
  const there = index.get(key);
  if (there) there.push(element);
  else index.set(key, [element]);
}

// The page's parts by what they show; made anew when they were exchanged.
function elements(topic, key) {
  if (main !== document.getElementById("main") || main.dataset.stale) {
    main = document.getElementById("main");
    delete main.dataset.stale;
    index = new Map();
    for (const e of main.querySelectorAll("[data-sensor]")) put(`sensor ${e.dataset.sensor}`, e);
    for (const e of main.querySelectorAll("[data-device]")) put(`device ${e.dataset.device}`, e);
    const list = main.querySelector("table[data-list]")?.dataset.list;
    for (const e of main.querySelectorAll("tr[data-key]")) put(`${list}-row ${e.dataset.key}`, e);
  }
  return index.get(`${topic} ${key}`) ?? [];
}

function mark(element) {
  element.classList.remove("changed");
  void element.offsetWidth;
  element.classList.add("changed");
}

function cell(row, name, text) {
  const field = row.querySelector(`[data-f="${name}"]`);
  if (field && field.textContent !== text) field.textContent = text;
}

function hearFrom(element, contact) {
  const said = element?.querySelector(".contact");
  if (!said || !contact || Number(said.dataset.contact ?? 0) >= contact) return;
  said.dataset.contact = contact;
}

const show = {
  sensor(key, value, kept) {
    if (!value) return;
    document.dispatchEvent(new CustomEvent("reading", { detail: { key, kept, at: value.at_ms, value: value.value } }));
    for (const element of elements("sensor", key)) {
      // Late readings come after newer ones; the latest stays.
      if (Number(element.dataset.at ?? 0) > value.at_ms) continue;
      element.dataset.at = value.at_ms;
      element.dataset.known = value.known_ms;
      element.dataset.value = value.value ?? "";
      element.dataset.kept = kept ? "yes" : "no";
      if (value.every_ms) element.dataset.every = value.every_ms;
      hearFrom(element.closest("[data-device]"), Math.max(value.contact_ms ?? 0, value.known_ms));
      if (value.contact_ms && "contactMs" in element.dataset) element.dataset.contactMs = value.contact_ms;
      paintReading(element);
      for (const [name, ms] of [["measured", value.at_ms], ["known", value.known_ms]]) {
        const time = (element.closest("tr") ?? element.parentElement).querySelector(`[data-f="${name}"] time`);
        if (time) time.dataset.age = ms;
      }
    }
  },
  device(key, value) {
    if (!value) return;
    for (const element of elements("device", key)) {
      hearFrom(element, value.contact_ms);
      const row = element.querySelector("[data-contact-ms]");
      if (row && value.contact_ms) row.dataset.contactMs = Math.max(value.contact_ms, Number(row.dataset.contactMs));
    }
    if (elements("device", key).some((e) => e.matches(".findings li, [data-awaits]"))) refetchSoon();
    // A sign of life that ran ahead says nothing of the rest.
    if (value.backlog === undefined) return;
    for (const row of elements("device-row", key)) {
      cell(row, "backlog", String(value.backlog ?? ""));
      const told = row.querySelector('[data-f="told"]');
      if (told) {
        told.hidden = !value.backlog;
        told.firstElementChild.dataset.age = value.told_ms;
      }
      cell(row, "incidents", value.incidents ? String(value.incidents) : "");
    }
  },
  parcel(key, value) {
    document.dispatchEvent(new CustomEvent("parcel", { detail: key }));
    const rows = elements("parcel-row", key);
    for (const element of value ? elements("device", value.device) : []) hearFrom(element, value.contact_ms);
    for (const row of rows) {
      if (!value) continue;
      const word = row.querySelector(".state");
      word.dataset.state = value.status;
      word.textContent = t(`state ${value.status}`);
      cell(row, "step", value.step ? t(`step ${value.step}`) : t("counted only"));
      cell(row, "place", value.place);
      cell(row, "by", value.actor || value.device);
      const late = value.known_ms - value.happened_ms;
      cell(row, "known", late > lateKnownMs ? t("{age} later", { age: span(late) }) : "");
      row.querySelector(".ago").dataset.age = value.happened_ms;
      mark(row);
    }
    if (document.querySelector(`[data-live-key="${CSS.escape(key)}"]`)) refetchSoon();
    if (rows.length === 0) count(key);
  },
  incident() {
    if (document.querySelector('[data-topics~="incident"]')) refetchSoon();
  },
  excursion(key, value) {
    if (value) document.dispatchEvent(new CustomEvent("excursion", { detail: value }));
    if (document.querySelector('[data-topics~="excursion"]')) refetchSoon();
  },
  delivery() {
    if (document.querySelector('[data-topics~="delivery"]')) refetchSoon();
  },
  route() {
    if (document.querySelector('[data-topics~="route"]')) refetchSoon();
  },
  position(key, value) {
    if (value) document.dispatchEvent(new CustomEvent("position", { detail: { key, ...value } }));
  },
};

function count(key) {
  if (strip()?.dataset.topic !== "parcel") return;
  elsewhere.add(key);
  strip().hidden = false;
  strip().firstElementChild.textContent = t("New or moved outside this page: {n}. Show the latest", { n: elsewhere.size });
}

let soon = null;
export function refetchSoon() {
  // Many pages hear of a gap at once; they ask one after the other.
  soon ??= setTimeout(() => { soon = null; refetch(); }, 300 + Math.random() * 1500);
}

// What was asked for before something was changed here may be older than what is shown; it is not waited for.
let asking = null;
function outdate() {
  asking?.abort();
  asking = null;
}

// Takes the parts that may change from a fresh copy of this page, and leaves everything else, focus and selection included.
async function refetch() {
  if (document.hidden) return;
  // What was told meanwhile is not in the answer that comes.
  if (asking) return refetchSoon();
  const mine = new AbortController();
  asking = mine;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: mine.signal });
    if (answer.redirected && new URL(answer.url).pathname === "/login") return say("closed");
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (asking !== mine) return;
    setServerTime(Number(fresh.body.dataset.now));
    if (document.documentElement.classList.contains("wall")) main.innerHTML = fresh.getElementById("main").innerHTML;
    else exchange(fresh);
    main.dataset.stale = "yes";
    paintMoments(document);
    paintAll();
  } catch {
    // The hub is away; the next beat or poll tries again.
  } finally {
    if (asking === mine) asking = null;
  }
}

// A form of this page was answered with the page as it is now.
document.addEventListener("htmx:after:swap", () => {
  if (!asking) return;
  outdate();
  refetchSoon();
});

// Rows must not move under a pointer or the focus: then a button says that there is something new.
const inUse = (part) => part.contains(document.activeElement) || part.matches(":hover") || acting();
const strip = () => document.getElementById("strip");
// What is told of a list, without what only counts on.
const told = (part) => [...part.children].map((e) => `${e.dataset.level} ${e.dataset.key}`);

// Says how many findings there are that the list in use does not show.
function offer(there, fresh) {
  const button = strip()?.querySelector("button");
  if (!button) return;
  const known = new Set(there);
  const added = fresh.filter((one) => !known.has(one)).length;
  strip().hidden = there.join("\n") === fresh.join("\n");
  button.textContent = added ? t("New: {n}. Show", { n: added }) : t("This list has changed. Show it");
}

// A list whose rows come and go; while it is in use a strip counts what is new, and rows stay where they are.
function exchangeList(fresh) {
  const list = document.querySelector("table[data-whole] tbody");
  const other = fresh.querySelector("table[data-whole] tbody");
  if (asked && !list !== !other) location.reload();
  if (!list || !other) return;
  const known = new Set([...list.rows].map((row) => row.dataset.key));
  const added = [...other.rows].filter((row) => !known.has(row.dataset.key)).length;
  if (asked || !inUse(list)) list.innerHTML = other.innerHTML;
  else if (added) strip().firstElementChild.textContent = t("New: {n}. Show", { n: added });
  strip().hidden = asked || !inUse(list) || !added;
}

function exchange(fresh) {
  for (const part of document.querySelectorAll("[data-refresh]")) {
    const other = fresh.querySelector(`[data-refresh="${part.dataset.refresh}"]`);
    if (!other) continue;
    // What a person moves just now stays in their hand.
    if ("busy" in part.dataset) continue;
    const list = part.matches(".findings");
    const focused = "keepsFocus" in part.dataset && part.contains(document.activeElement) ? document.activeElement.id : "";
    if (list && inUse(part) && !asked) {
      offer(told(part), told(other));
    } else if (list || asked || focused || !part.contains(document.activeElement)) {
      if (part.innerHTML !== other.innerHTML) part.innerHTML = other.innerHTML;
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
      if (list) offer([], []);
    }
    if ("due" in other.dataset) part.dataset.due = other.dataset.due;
  }
  exchangeList(fresh);
  document.dispatchEvent(new Event("exchanged"));
  // Whoever decided something goes on with what is left.
  if (asked) (document.querySelector("main .findings a, main tbody a") ?? main).focus({ preventScroll: true });
  asked = false;
  // A row is exchanged whole, so what it holds needs no turn of its own.
  const moving = "[data-sensor]:not(tr *), tr[data-key]";
  const others = new Map([...fresh.querySelectorAll(moving)].map((e) => [e.dataset.sensor ?? e.dataset.key, e]));
  for (const element of document.querySelectorAll(moving)) {
    const other = others.get(element.dataset.sensor ?? element.dataset.key);
    if (!other) continue;
    for (const [name, value] of Object.entries(other.dataset)) element.dataset[name] = value;
    if (element.matches("tr") && element.innerHTML !== other.innerHTML && !element.contains(document.activeElement)) element.innerHTML = other.innerHTML;
  }
  const groups = new Map([...fresh.querySelectorAll("section[data-device] .contact")].map((e) => [e.closest("section").dataset.device, e]));
  for (const section of document.querySelectorAll("section[data-device]")) {
    hearFrom(section, Number(groups.get(section.dataset.device)?.dataset.contact ?? 0));
  }
}

function say(next) {
  const told = document.getElementById("live");
  if (!told || state === next) return;
  state = next;
  told.dataset.state = next === "open" ? "on" : next === "waiting" ? "waiting" : "off";
  told.textContent = t({ open: "live", waiting: "connecting", retrying: "not live, connecting again", closed: "not live: sign in again" }[next]);
}

function receive(message) {
  heard = now();
  if (message.type === "beat") {
    setServerTime(message.ms);
    say("open");
  } else if (message.type === "refetch") refetchSoon();
  else if (message.type === "change") show[message.topic](message.key, message.value, message.kept);
  else say(message.type);
}

function direct(after) {
  const source = new EventSource(`/api/v1/live?after=${encodeURIComponent(after)}`);
  source.onopen = () => receive({ type: "open" });
  source.onerror = () => say(source.readyState === EventSource.CLOSED ? "closed" : "retrying");
  source.addEventListener("beat", (event) => receive({ type: "beat", ms: Number(event.data) }));
  source.addEventListener("refetch", () => receive({ type: "refetch" }));
  for (const topic of Object.keys(show)) {
    source.addEventListener(topic, (event) => receive({ type: "change", topic, ...JSON.parse(event.data) }));
  }
}

function shared(after) {
  const worker = new SharedWorker("/static/live-worker.js", { name: "holdfast-live" });
  worker.port.onmessage = ({ data }) => receive(data);
  worker.onerror = () => direct(after);
  worker.port.start();
  worker.port.postMessage({ type: "join", after });
  addEventListener("pagehide", () => worker.port.postMessage({ type: "leave" }));
  // Back from the browser's page cache, whatever happened meanwhile is missing.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    worker.port.postMessage({ type: "join", after });
    refetchSoon();
  });
}

// Nobody tells that a device has fallen silent: nothing comes. The page knows when the next one would, and asks.
function lookAtDue() {
  const part = document.querySelector("[data-due]");
  if (!part?.dataset.due || now() < Number(part.dataset.due)) return;
  part.dataset.due = "";
  refetchSoon();
}

// After somebody decided something here, what they look at is exchanged at once.
export function refresh() {
  asked = true;
  outdate();
  refetch();
}

export function follow(after) {
  heard = now();
  elements("", "");
  if ("SharedWorker" in window) shared(after);
  else direct(after);
  setInterval(() => {
    if (now() - heard > quietMs) {
      say("retrying");
      refetch();
    }
  }, pollMs);
  setInterval(() => { if (state === "open") refetch(); }, totalsMs);
  setInterval(lookAtDue, 1000);
  strip()?.querySelector("button")?.addEventListener("click", refresh);
  document.querySelector(".findings")?.addEventListener("pointerleave", () => { if (strip() && !strip().hidden) refetchSoon(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refetchSoon(); });
}

