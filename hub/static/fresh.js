// How fresh every figure is. Ages count by the hub's clock, carried on by the browser's monotonic clock, so a browser whose
// wall clock is wrong still tells the truth. The rules are those of hub/coldchain/freshness.py, the forms those of hub/web/formats.py.

const words = JSON.parse(document.getElementById("words").textContent);
export const t = (text, values = {}) => [words[text] ?? text].flat().at(values.n === 1 ? 0 : -1).replace(/\{(\w+)\}/g, (_, name) => values[name]);

const silentAfterMs = Number(document.body.dataset.silentAfter);
const missedReadings = Number(document.body.dataset.missedReadings);
const onItsWayMs = Number(document.body.dataset.onItsWay);

let offset = 0;
export const now = () => performance.now() + offset;

// What the hub said took time to come, so the largest offset is the truest; a step means that this machine slept.
export function setServerTime(ms) {
  const fresh = ms - performance.now();
  if (fresh > offset || offset - fresh > 5_000) offset = fresh;
}

export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return t("{n} s", { n: s });
  if (s < 3600) return t("{n} min", { n: Math.floor(s / 60) });
  if (s < 172800) return t("{n} h", { n: Math.floor(s / 3600) });
  return t("{n} d", { n: Math.floor(s / 86400) });
}

// To the minute, for what is counted against an allowance.
export function duration(ms) {
  const minutes = Math.floor(Math.max(0, ms) / 60_000);
  const hours = Math.floor(minutes / 60);
  if (!hours || hours >= 48) return hours % 24 && hours ? t("{n} d {h} h", { n: Math.floor(hours / 24), h: hours % 24 }) : span(ms);
  return minutes % 60 ? t("{n} h {m} min", { n: hours, m: minutes % 60 }) : t("{n} h", { n: hours });
}

export function hundredths(value) {
  const tenths = Math.floor((Math.abs(value) + 5) / 10);
  return `${value < 0 && tenths ? "\u2212" : ""}${Math.floor(tenths / 10)}.${tenths % 10}`;
}

export const isSilent = (contact) => !contact || now() - contact > silentAfterMs;

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function set(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

function paintContact(element) {
  const contact = Number(element.dataset.contact);
  const age = span(now() - contact);
  const silent = isSilent(contact);
  set(element, "state", silent ? "silent" : "heard");
  setText(element, silent ? t("no contact for {age}, readings are kept on the device", { age }) : age);
}

// A reading is proof of contact too: it came from there.
function contactOf(element) {
  const said = element.closest("[data-device]")?.querySelector("[data-contact]");
  return Math.max(Number(said?.dataset.contact ?? 0), Number(element.dataset.contactMs ?? 0), Number(element.dataset.known ?? 0));
}

export function readingState({ at, value, every, contact }) {
  if (isSilent(contact)) return "silent";
  const allowed = missedReadings * every + onItsWayMs;
  if (!at || contact - at > allowed) return "lost";
  if (now() - at > allowed) return "late";
  return value === null ? "fault" : "fresh";
}

const signs = { fault: "◆ ", lost: "◆ ", silent: "? ", late: "", fresh: "" };

// How a row stands: as it was judged, unless its figure cannot be believed and that is worse. The ranks are those of
// hub/pages/standing.py.
const troubles = { fault: [3, "attention", "◆"], lost: [4, "attention", "◆"], silent: [5, "silence", "?"] };

function paintStanding(cell, state) {
  const [sign, word] = cell.children;
  const trouble = troubles[state];
  const worse = trouble && trouble[0] < Number(cell.dataset.rank);
  set(sign, "level", worse ? trouble[1] : cell.dataset.judged);
  setText(sign, worse ? trouble[2] : cell.dataset.sign);
  setText(word, worse || (state === "late" && Number(cell.dataset.rank) > 8) ? t(`reading ${state}`) : cell.dataset.word);
}

export function paintReading(element) {
  const { at, value, every, name, unit, kept } = element.dataset;
  const known = value === undefined || value === "" ? null : Number(value);
  const state = readingState({ at: Number(at ?? 0), value: known, every: Number(every ?? 0), contact: contactOf(element) });
  set(element, "state", state);
  const figure = known === null ? "–" : hundredths(known);
  if ("row" in element.dataset) {
    setText(element, figure);
    paintStanding(element.closest("tr").querySelector(".stands"), state);
    return;
  }
  if ("figure" in element.dataset) {
    setText(element, known === null ? figure : `${figure}\u00a0${unit}`);
    return;
  }
  if ("key" in element.dataset) {
    setText(element.firstElementChild, figure);
    setText(element.lastElementChild, kept === "no" && state === "fresh" ? t("on its way to the hub") : t(`reading ${state}`));
    return;
  }
  const shown = state === "fault" ? t("fault") : known === null ? figure : `${figure}\u00a0${unit}`;
  setText(element, `${signs[state] || (element.dataset.sign ? `${element.dataset.sign} ` : "")}${shown}\n${name}`);
  set(element, "aged", at ? span(now() - Number(at)) : "");
  const { sensor } = element.dataset;
  const title = kept === "no" ? t("{id}, on its way to the hub", { id: sensor }) : sensor;
  if (element.title !== title) element.title = title;
}

const clockForm = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const secondsForm = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const dayForm = new Intl.DateTimeFormat(document.documentElement.lang, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const exactForm = new Intl.DateTimeFormat(document.documentElement.lang, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const fullForm = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "full", timeStyle: "long" });

// A short stretch of time needs seconds, and the day needs to be said once.
const BRIEF_MS = 10 * 60_000;

function formInStretch(element, ms) {
  const [first, last] = element.parentElement.querySelectorAll("[data-moment]");
  const [from, to] = [first, last].map((end) => Number(end.dataset.moment));
  const brief = to - from < BRIEF_MS;
  const ends = element === last && new Date(from).toDateString() === new Date(ms).toDateString();
  return ends ? (brief ? secondsForm : clockForm) : brief ? exactForm : dayForm;
}

function paintMoment(element) {
  const ms = Number(element.dataset.moment);
  const today = now() - ms < 12 * 3_600_000;
  const form = "stretch" in element.parentElement.dataset ? formInStretch(element, ms) : "exact" in element.dataset ? exactForm : "seconds" in element.dataset ? secondsForm : "time" in element.dataset ? clockForm : "clock" in element.dataset && today ? clockForm : dayForm;
  setText(element, form.format(ms));
  element.dateTime = new Date(ms).toISOString();
  element.title = fullForm.format(ms);
}

function paintAge(element) {
  const ms = Number(element.dataset.age);
  const age = span(now() - ms);
  setText(element, "ago" in element.dataset ? t("{age} ago", { age }) : age);
  if (element.dataset.told === element.dataset.age) return;
  element.dataset.told = element.dataset.age;
  element.dateTime = new Date(ms).toISOString();
  element.title = fullForm.format(ms);
}

// What lasts, and what is left of an allowance while it does.
const paintLasting = (element) => setText(element, duration(now() - Number(element.dataset.since)));
const paintLeft = (element) => setText(element, duration(Number(element.dataset.until) - now()));

export function paintAll(root = document) {
  root.querySelectorAll("[data-contact]").forEach(paintContact);
  root.querySelectorAll("[data-sensor]").forEach(paintReading);
  root.querySelectorAll("[data-age]").forEach(paintAge);
  root.querySelectorAll("[data-since]").forEach(paintLasting);
  root.querySelectorAll("[data-until]").forEach(paintLeft);
}

export function startClock() {
  const tick = () => {
    paintAll();
    const clock = document.getElementById("clock");
    if (clock) setText(clock, clockForm.format(now()));
  };
  document.querySelectorAll("[data-moment]").forEach(paintMoment);
  tick();
  setInterval(tick, 1000);
}

export const paintMoments = (root) => root.querySelectorAll("[data-moment]").forEach(paintMoment);
