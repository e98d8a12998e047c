// A route adjusted by hand: stops are chosen in the list or on the map and moved together, or dragged by their handles with a
// pointer or with keys. The hub does what is asked and answers with the page; nothing here is true before.
import { t } from "./fresh.js";
import { refetchSoon } from "./live.js";

const edgePx = 60;
const stepPx = 14;

export const chosen = new Set();
let last = null;
let held = null;
let parcels = null;

const part = () => document.querySelector("[data-refresh=stops]");
const rows = () => [...document.querySelectorAll("tr[data-stop]")];
const openRows = () => rows().filter((row) => "open" in row.dataset);
const rowOf = (key) => document.getElementById(`stop-${key}`);
const nameOf = (row) => row.querySelector(".who b").textContent;
const form = () => document.getElementById("hand");
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// -- what is chosen ---------------------------------------------------------------------------------------------------------

export function choose(keys, on = true) {
  for (const key of keys) if (on) chosen.add(key);
    else chosen.delete(key);
  show();
}

// From the map: one more or one less; who may not change anything looks at one at a time.
export function pick(key) {
  const row = rowOf(key);
  const on = !chosen.has(key);
  if (!form() || !("open" in row.dataset)) {
    chosen.clear();
    if (form()) return row.scrollIntoView({ block: "center" });
  }
  choose([key], on);
  row.scrollIntoView({ block: "nearest", behavior: still() ? "auto" : "smooth" });
}

function show() {
  parcels = null;
  const open = new Set((form() ? openRows() : rows()).map((row) => row.dataset.stop));
  for (const key of [...chosen]) if (!open.has(key)) chosen.delete(key);
  for (const row of rows()) {
    const on = chosen.has(row.dataset.stop);
    row.toggleAttribute("data-chosen", on);
    const box = row.querySelector(".pick input");
    if (box) box.checked = on;
  }
  const all = document.querySelector("[data-all]");
  if (all) {
    all.checked = open.size > 0 && chosen.size === open.size;
    all.indeterminate = chosen.size > 0 && chosen.size < open.size;
  }
  if (form()) {
    form().hidden = chosen.size === 0;
    document.getElementById("chosen").textContent = chosen.size ? t("{n} stops chosen", { n: chosen.size }) : "";
    if (chosen.size) fillPlaces();
  }
  document.dispatchEvent(new Event("chosen"));
}

// -- where they may go ------------------------------------------------------------------------------------------------------

const theirs = new Map();

async function openStops(route) {
  if (route === document.querySelector(".stops")?.dataset.route) return openRows().map((row) => [row.dataset.stop, `${row.dataset.n} ${nameOf(row)}`]);
  if (!theirs.has(route)) {
    const answer = await fetch(`/api/v1/routes/${encodeURIComponent(route)}`);
    if (!answer.ok) return [];
    const { items } = await answer.json();
    theirs.set(route, items.map((one, n) => [one, n]).filter(([one]) => one.status === "open").map(([one, n]) => [one.stop, `${n + 1} ${one.name}`]));
  }
  return theirs.get(route);
}

async function fillPlaces() {
  const { to, before } = form().elements;
  const route = to.value;
  const stops = await openStops(route);
  if (!form() || form().elements.to.value !== route) return;
  const was = before.value;
  before.replaceChildren(...[...before.options].slice(0, 2), ...stops.filter(([key]) => !chosen.has(key)).map(([key, text]) => new Option(text, key)));
  before.value = [...before.options].some((one) => one.value === was) ? was : "best";
}

// -- what is sent -----------------------------------------------------------------------------------------------------------

let focused = "";

function fields(where, values) {
  for (const old of where.querySelectorAll("[data-made]")) old.remove();
  for (const [name, value] of values) {
    const field = Object.assign(document.createElement("input"), { type: "hidden", name, value });
    field.dataset.made = "";
    where.append(field);
  }
}

function place(keys, to, before) {
  const drop = document.getElementById("drop");
  const act = to === "off" ? "off" : "place";
  fields(drop, [["act", act], ["to", act === "off" ? "" : to], ["before", before], ...keys.map((key) => ["stop", key])]);
  focused = `grip-${keys[0]}`;
  drop.requestSubmit();
}

// -- dragging ---------------------------------------------------------------------------------------------------------------

const moved = (key) => (chosen.has(key) ? openRows().map((row) => row.dataset.stop).filter((one) => chosen.has(one)) : [key]);

function lift(grip, keys, pointer) {
  held = { grip, keys, pointer, to: null, next: rowOf(keys[0]).nextElementSibling };
  part().dataset.busy = "";
  for (const key of keys) rowOf(key).dataset.held = "";
  const vans = document.getElementById("vans-to");
  vans.hidden = !pointer;
}

function letGo() {
  for (const row of rows()) {
    delete row.dataset.held;
    delete row.dataset.drop;
  }
  document.getElementById("vans-to").hidden = true;
  for (const van of document.querySelectorAll("[data-van]")) delete van.dataset.drop;
  delete part().dataset.busy;
  held = null;
}

function aim(x, y) {
  for (const target of document.querySelectorAll("[data-drop]")) delete target.dataset.drop;
  held.to = null;
  const under = document.elementFromPoint(x, y);
  const van = under?.closest("[data-van]");
  if (van) {
    van.dataset.drop = "in";
    held.to = { to: van.dataset.van, before: "best" };
    return;
  }
  const open = openRows().filter((row) => !held.keys.includes(row.dataset.stop));
  const next = open.find((row) => { const box = row.getBoundingClientRect(); return y < box.top + box.height / 2; });
  const list = part().getBoundingClientRect();
  if (y < list.top - edgePx || y > list.bottom + edgePx || open.length === 0) return;
  if (next) next.dataset.drop = "before";
  else open.at(-1).dataset.drop = "after";
  held.to = { to: part().querySelector("table").dataset.route, before: next?.dataset.stop ?? "" };
}

let rolling = 0;
function roll(x, y) {
  cancelAnimationFrame(rolling);
  const by = y < edgePx ? -stepPx : y > innerHeight - edgePx ? stepPx : 0;
  if (!held || !by || document.elementFromPoint(x, y)?.closest("[data-van]")) return;
  rolling = requestAnimationFrame(() => { scrollBy(0, by); if (held) { aim(x, y); roll(x, y); } });
}

document.addEventListener("pointerdown", (event) => {
  const grip = event.target.closest?.(".grip");
  if (!grip || event.button !== 0 || held) return;
  event.preventDefault();
  grip.focus();
  grip.setPointerCapture(event.pointerId);
  lift(grip, moved(grip.closest("tr").dataset.stop), true);
});
document.addEventListener("pointermove", (event) => {
  if (!held?.pointer) return;
  aim(event.clientX, event.clientY);
  roll(event.clientX, event.clientY);
});
document.addEventListener("pointerup", () => {
  if (!held?.pointer) return;
  cancelAnimationFrame(rolling);
  const { keys, to } = held;
  letGo();
  if (to && !(to.to === part().querySelector("table").dataset.route && keys.length === 1 && following(keys[0]) === to.before)) place(keys, to.to, to.before);
});
document.addEventListener("pointercancel", () => { if (held?.pointer) letGo(); });

// The open stop behind one; nothing behind the last.
function following(key) {
  const open = openRows();
  return open[open.findIndex((row) => row.dataset.stop === key) + 1]?.dataset.stop ?? "";
}

// -- with keys --------------------------------------------------------------------------------------------------------------

const tell = (text) => { document.getElementById("moving").textContent = text; };

function step(by) {
  const row = rowOf(held.keys[0]);
  const open = openRows();
  const at = open.indexOf(row);
  const other = open[at + by];
  if (!other) return;
  if (by < 0) other.before(row);
  else other.after(row);
  held.grip.focus();
  row.scrollIntoView({ block: "nearest" });
  tell(t("{name}: place {n} of {all}", { name: nameOf(row), n: at + by + 1, all: open.length }));
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && held) {
    const { keys, next, pointer, grip } = held;
    if (!pointer) next ? next.before(rowOf(keys[0])) : part().querySelector("tbody").append(rowOf(keys[0]));
    letGo();
    grip.focus();
    tell(t("It is where it was."));
    return;
  }
  const grip = event.target.closest?.(".grip");
  if (!grip) return;
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat || held?.pointer) return;
    const key = grip.closest("tr").dataset.stop;
    if (!held) {
      lift(grip, [key], false);
      tell(t("{name} is lifted. Arrow keys move it, Enter puts it down, Escape leaves it.", { name: nameOf(rowOf(key)) }));
      return;
    }
    const before = following(key);
    const same = (held.next?.dataset.stop ?? "") === (rowOf(key).nextElementSibling?.dataset.stop ?? "");
    letGo();
    if (!same) place([key], part().querySelector("table").dataset.route, before);
  } else if (held && !held.pointer && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    event.preventDefault();
    step(event.key === "ArrowUp" ? -1 : 1);
  }
}, true);
document.addEventListener("focusout", (event) => {
  // A row that is moved in the list loses the focus for a moment.
  const grip = event.target;
  if (held && !held.pointer && grip === held.grip) setTimeout(() => { if (held && document.activeElement !== held.grip) document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" })); }, 0);
});

// -- choosing in the list ---------------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-none]")) {
    chosen.clear();
    show();
    return;
  }
  const box = event.target.closest?.(".stops .pick input");
  if (!box) return;
  if ("all" in box.dataset) {
    choose(openRows().map((row) => row.dataset.stop), box.checked);
    return;
  }
  const key = box.closest("tr").dataset.stop;
  const keys = openRows().map((row) => row.dataset.stop);
  const [from, to] = [keys.indexOf(last), keys.indexOf(key)].sort((a, b) => a - b);
  choose(event.shiftKey && from >= 0 ? keys.slice(from, to + 1) : [key], box.checked);
  last = key;
});
document.addEventListener("change", ({ target }) => { if (target.form?.id === "hand" && target.name === "to") fillPlaces(); });
document.addEventListener("submit", ({ target }) => {
  if (target.id !== "hand") return;
  fields(target, [...openRows()].map((row) => row.dataset.stop).filter((key) => chosen.has(key)).map((key) => ["stop", key]));
  focused = "";
}, true);
document.addEventListener("htmx:after:swap", () => {
  theirs.clear();
  held = null;
  show();
  if (focused) document.getElementById(focused)?.focus();
  focused = "";
});
// Whoever sees a change may build on it; what is sent after one that is not shown yet is refused, and says who made it.
document.addEventListener("exchanged", () => {
  const revision = document.querySelector(".stops")?.dataset.revision;
  if (revision) for (const field of document.querySelectorAll("input[data-seen]")) field.value = revision;
  show();
});
// What is scanned into a van is shown beside its stops.
document.addEventListener("parcel", ({ detail }) => {
  parcels ??= new Set(rows().flatMap((row) => row.dataset.parcels.split("\n")));
  if (parcels.has(detail)) refetchSoon();
});
show();
