// A wall display: asks the hub every few seconds, turns its pages by itself, and says loudly when the hub does not answer.

const askMs = 5_000;
const turnMs = 10_000;
// Three questions without an answer.
const lostMs = 15_000;
// Whoever stands before it and pressed a key has gone by then.
const pausedMs = 120_000;
const wideEm = 44;

const words = JSON.parse(document.getElementById("words").textContent);
const t = (text, values = {}) => [words[text] ?? text].flat().at(values.n === 1 ? 0 : -1).replace(/\{(\w+)\}/g, (_, name) => values[name]);
const byId = (id) => document.getElementById(id);

let offset = Number(document.body.dataset.now) - performance.now();
let heardAt = performance.now();
let shownAt = Number(document.body.dataset.now);
let at = 0;
let pages = 1;
let paused = 0;
let ousted = false;

const now = () => offset + performance.now();

function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return t("{n} s", { n: s });
  if (s < 3600) return t("{n} min", { n: Math.floor(s / 60) });
  return s < 172_800 ? t("{n} h", { n: Math.floor(s / 3600) }) : t("{n} d", { n: Math.floor(s / 86_400) });
}

const clockOf = (ms) => new Date(ms).toTimeString().slice(0, 8);

// How many rows and columns fit decides what a page is; a phone shows all of it.
function layOut() {
  const turn = byId("turn");
  const items = [...turn.children];
  const row = items[0]?.offsetHeight || items.find((item) => item.offsetHeight)?.offsetHeight || 48;
  const small = matchMedia("(max-width: 700px)").matches;
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const rows = Math.max(1, Math.floor(turn.clientHeight / row));
  const columns = Math.max(1, Math.floor(turn.clientWidth / (wideEm * rem)));
  const fit = small ? Math.max(1, items.length) : rows * columns;
  pages = Math.max(1, Math.ceil(items.length / fit));
  at = Math.min(at, pages - 1);
  turn.style.setProperty("--rows", rows);
  items.forEach((item, i) => { item.hidden = Math.floor(i / fit) !== at; });
  const stay = byId("stay");
  // What is wrong stays; where it is more than fits, its own pages turn with the others.
  const wrong = [...stay.children];
  const height = wrong.find((item) => item.offsetHeight)?.offsetHeight ?? 1;
  const most = small ? wrong.length : Math.max(1, Math.floor((innerHeight * 0.45) / (height * 1.1)));
  const turns = Math.max(1, Math.ceil(wrong.length / most));
  wrong.forEach((item, i) => { item.hidden = Math.floor(i / most) !== turned % turns; });
  const page = byId("page");
  page.hidden = pages === 1 && turns === 1;
  page.firstElementChild.textContent = paused ? t("paused") : `${at + 1} / ${pages}`;
  page.toggleAttribute("data-paused", paused > 0);
}

let turned = 0;
function turnTo(next) {
  turned += 1;
  at = (next + pages) % pages;
  layOut();
  restart();
}

let turning = null;
function restart() {
  const bar = byId("page").lastElementChild;
  bar.replaceWith(bar.cloneNode());
  clearInterval(turning);
  turning = paused ? null : setInterval(() => turnTo(at + 1), turnMs);
}

function tick() {
  byId("clock").textContent = clockOf(now());
  for (const time of document.querySelectorAll("[data-age]")) time.textContent = span(now() - Number(time.dataset.age));
  if (paused && performance.now() - paused > pausedMs) { paused = 0; restart(); layOut(); }
  const lost = ousted || performance.now() - heardAt > lostMs;
  byId("lost").hidden = !lost;
  if (lost) {
    byId("lost").querySelector("h2").textContent = ousted ? t("This display is not let in any more") : t("This display has lost the hub");
    byId("lost").querySelector(".since").textContent = t("since {at}", { at: clockOf(shownAt) });
    byId("lost").querySelector(".now").textContent = ousted
      ? t("An administrator can make a new address for it.")
      : t("What it showed is {age} old. It asks again by itself.", { age: span(now() - shownAt) });
  }
}

async function ask() {
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, signal: AbortSignal.timeout(askMs * 2) });
    if (answer.redirected && new URL(answer.url).pathname === "/login") { ousted = true; return; }
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!fresh.body.dataset.now) return;
    ousted = false;
    heardAt = performance.now();
    shownAt = Number(fresh.body.dataset.now);
    offset = shownAt - heardAt;
    for (const id of ["figures", "stay", "turn"]) byId(id).innerHTML = fresh.getElementById(id).innerHTML;
    layOut();
  } catch {
    // The hub is away; `tick` says so when it lasts.
  } finally {
    tick();
    setTimeout(ask, askMs);
  }
}

addEventListener("keydown", (event) => {
  if (event.key === " ") {
    event.preventDefault();
    paused = paused ? 0 : performance.now();
    restart();
    layOut();
  } else if (event.key === "ArrowRight") turnTo(at + 1);
  else if (event.key === "ArrowLeft") turnTo(at - 1);
});
addEventListener("resize", layOut);
layOut();
restart();
tick();
setInterval(tick, 1_000);
setTimeout(ask, askMs);
