// The chart of one sensor: its line over what is allowed, its excursions, and gaps blank under a hatched strip.
import { duration, hundredths, now, t } from "./fresh.js";

const box = document.getElementById("chart");
const caption = box.querySelector("figcaption");
const unit = box.dataset.unit;
const keptMs = 20_000;

let plot = null;
let data = null;
let drawn = 0;
let again = null;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function hatch(context) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.strokeStyle = colour("--rule");
  pen.lineWidth = 2;
  pen.beginPath();
  for (const x of [-8, 0, 8]) { pen.moveTo(x, 8); pen.lineTo(x + 8, 0); }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

// The part of a stretch that the chart shows, as left and width.
function seen(plot, from, to) {
  const { bbox } = plot;
  const left = Math.max(bbox.left, plot.valToPos(from, "x", true));
  const right = Math.min(bbox.left + bbox.width, plot.valToPos(to, "x", true));
  return right > left ? [left, right - left] : null;
}

// Under the line: what is allowed, what was found, and where nothing is known.
function drawUnder(plot) {
  const { ctx, bbox } = plot;
  const bottom = bbox.top + bbox.height;
  ctx.save();
  ctx.fillStyle = colour("--band");
  for (const { fromS, toS, low, high } of data.bands) {
    const across = seen(plot, fromS, toS);
    if (!across) continue;
    const top = high === null ? bbox.top : Math.max(bbox.top, plot.valToPos(high, "y", true));
    const foot = low === null ? bottom : Math.min(bottom, plot.valToPos(low, "y", true));
    if (foot > top) ctx.fillRect(across[0], top, across[1], foot - top);
  }
  for (const { fromS, toS, extreme, alarm } of data.excursions) {
    const across = seen(plot, fromS, toS);
    if (!across || extreme === null) continue;
    ctx.globalAlpha = alarm ? 0.2 : 0.25;
    ctx.fillStyle = colour(alarm ? "--alarm" : "--attention");
    ctx.fillRect(across[0], bbox.top, Math.max(2, across[1]), bbox.height);
  }
  ctx.globalAlpha = 1;
  ctx.fillStyle = hatch(ctx);
  const silent = data.excursions.filter((e) => e.extreme === null).map((e) => [e.fromS, e.toS]);
  for (const [from, to] of [...data.gaps, ...silent]) {
    const across = seen(plot, from, to);
    if (across) ctx.fillRect(across[0], bbox.top, across[1], bbox.height);
  }
  ctx.restore();
}

// Over the line: limits, and what each excursion used of what is allowed.
function drawOver(plot) {
  const { ctx, bbox } = plot;
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize) * devicePixelRatio;
  ctx.save();
  ctx.font = `${0.6875 * rem}px system-ui`;
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  ctx.strokeStyle = colour("--alarm");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([6 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const { fromS, toS, value } of data.limits) {
    const across = seen(plot, fromS, toS);
    const y = Math.round(plot.valToPos(value, "y", true)) + 0.5;
    if (!across || y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.beginPath();
    ctx.moveTo(across[0], y);
    ctx.lineTo(across[0] + across[1], y);
    ctx.stroke();
  }
  ctx.fillStyle = colour("--text");
  let free = -Infinity;
  for (const { fromS, toS, usedMs, allowedMs, extreme, alarm } of [...data.excursions].reverse()) {
    const across = seen(plot, fromS, toS);
    const text = `${extreme === null ? "?" : alarm ? "▲" : "◆"} ${allowedMs ? t("{used} of {allowed}", { used: duration(usedMs), allowed: duration(allowedMs) }) : duration(usedMs)}`;
    const wide = ctx.measureText(text).width;
    if (!across) continue;
    const left = Math.min(across[0] + 0.2 * rem, bbox.left + bbox.width - wide - 0.2 * rem);
    if (left < free) continue;
    ctx.fillText(text, left, bbox.top + 0.2 * rem);
    free = left + wide + rem;
  }
  ctx.restore();
}

// Limits belong into the picture as long as they do not flatten the line.
function heights(_, low, high) {
  const bounds = data.limits.map((limit) => limit.value);
  if (low === null) [low, high] = bounds.length ? [Math.min(...bounds), Math.max(...bounds)] : [0, 10];
  const room = Math.max(4, 1.5 * (high - low));
  for (const value of bounds) {
    if (value < low && low - value <= room) low = value;
    if (value > high && value - high <= room) high = value;
  }
  return [Math.floor(low - 0.5), Math.ceil(high + 0.5)];
}

function options() {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--rule"), width: 1 }, ticks: { show: false }, font: `${0.75 * rem}px system-ui` };
  const line = { stroke: colour("--accent"), width: 1.5, spanGaps: false, points: { show: data.times.length < 120, size: 4 } };
  return {
    width: box.clientWidth, height: Math.max(280, Math.min(innerHeight * 0.5, 30 * rem)),
    legend: { show: false }, cursor: { y: false, drag: { x: "zoom" in box.dataset, y: false, setScale: false }, points: { size: 7 } },
    scales: { x: { time: true, min: data.fromS, max: data.toS }, y: { range: heights } },
    axes: [{ ...axis, size: 2.25 * rem, space: 5 * rem, values: times }, { ...axis, size: 4 * rem, values: (_, splits) => splits.map((v) => `${v} ${unit}`) }],
    series: [{}, line, { ...line, stroke: colour("--late"), width: 2.5 }],
    hooks: { drawClear: [drawUnder], draw: [drawOver], setCursor: [read], setSelect: [zoom] },
  };
}

// Whoever draws over a stretch looks at it closer, at an address of its own.
function zoom(plot) {
  const { left, width } = plot.select;
  if (width < 8) return;
  const at = (x) => new Date(plot.posToVal(x, "x") * 1000).toISOString();
  location.assign(`?from=${at(left)}&to=${at(left + width)}`);
}

// What came late is a line of its own; both meet where it begins and ends.
function columns() {
  const isLate = data.times.map((at) => data.late.some(([from, to]) => at >= from && at <= to));
  const beside = (i) => isLate[i] || isLate[i - 1] || isLate[i + 1];
  return [data.times, data.values.map((v, i) => (isLate[i] ? null : v)), data.values.map((v, i) => (beside(i) ? v : null))];
}

function times(plot, splits) {
  const shownFor = plot.scales.x.max - plot.scales.x.min;
  const clock = { hour: "2-digit", minute: "2-digit", second: shownFor < 600 ? "2-digit" : undefined, hourCycle: "h23" };
  const form = new Intl.DateTimeFormat(document.documentElement.lang, shownFor > 2 * 86400 ? { day: "numeric", month: "short" } : clock);
  return splits.map((s) => form.format(s * 1000));
}

const moment = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

function summary() {
  const values = data.values.filter((v) => v !== null);
  if (!values.length) return t("No readings in this stretch.");
  const low = figure(Math.min(...values)), high = figure(Math.max(...values));
  const told = t("{n} readings, lowest {low}, highest {high}, gaps: {gaps}", { n: data.readings, low, high, gaps: data.gaps.length });
  const alarms = data.excursions.filter((e) => e.alarm && e.extreme !== null).length;
  const silent = data.excursions.filter((e) => e.alarm && e.extreme === null).length;
  const found = [alarms && t("{n} excursions", { n: alarms }), silent && t("{n} stretches without data", { n: silent })];
  return [told, ...found.filter(Boolean)].join(`${t(";")} `);
}

const figure = (value) => `${hundredths(Math.round(value * 100))}\u00a0${unit}`;

// The crosshair's own label stays inside the chart; the summary stays where it is.
function read(plot) {
  const at = plot.cursor.idx;
  const value = at === null || at === undefined || plot.cursor.left < 0 ? null : data.values[at];
  label.hidden = value === null;
  if (value === null) return;
  label.textContent = `${figure(value)}  ${moment.format(data.times[at] * 1000)}`;
  const { width } = plot.over.getBoundingClientRect();
  const left = plot.valToPos(data.times[at], "x");
  label.style.left = `${Math.max(0, Math.min(left + 8, width - label.offsetWidth))}px`;
}

const label = document.createElement("output");
label.className = "crosshair";
label.hidden = true;

// What was asked for later may come earlier.
let asks = 0;
async function load() {
  const mine = ++asks;
  const answer = await fetch(box.dataset.source);
  if (!answer.ok) {
    caption.textContent = t("The chart could not be loaded.");
    return;
  }
  const fresh = await answer.json();
  if (mine !== asks) return;
  data = fresh;
  drawn = now();
  caption.textContent = summary();
  if (plot === null) {
    plot = new uPlot(options(), columns(), box);
    plot.over.append(label);
    return;
  }
  plot.setData(columns(), false);
  plot.setScale("x", { min: data.fromS, max: data.toS });
}

const loadSoon = () => { again ??= setTimeout(() => { again = null; load(); }, Math.max(0, drawn + keptMs - now())); };

// A live value lengthens the line. When its fact is here, or after a gap, the chart is fetched again, and not more than that.
function live({ detail: { key, kept, at, value } }) {
  if (key !== box.dataset.sensorChart || !data?.live) return;
  const last = data.times.at(-1) ?? 0;
  if (kept || (data.allowed && at / 1000 - last > data.allowed)) {
    loadSoon();
    return;
  }
  if (at / 1000 <= last) return;
  data.times.push(at / 1000);
  data.values.push(value === null ? null : value / 100);
  plot.setData(columns(), false);
  plot.setScale("x", { min: at / 1000 - (data.toS - data.fromS), max: at / 1000 });
}

document.addEventListener("reading", live);
document.addEventListener("excursion", ({ detail }) => { if (data && detail.sensor === box.dataset.sensorChart) loadSoon(); });
// The chart of a way belongs to no sensor: it is as new as the page around it.
document.addEventListener("exchanged", () => { if (data && !box.dataset.sensorChart) loadSoon(); });
addEventListener("resize", () => plot?.setSize({ width: box.clientWidth, height: plot.height }));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  plot?.destroy();
  plot = null;
  load();
});
if (now()) load();
