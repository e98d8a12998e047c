// The chart of one sensor. Gaps stay blank under a hatched strip; no line is drawn across them.
import { hundredths, now, t } from "./fresh.js";

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

function drawGaps(plot) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = hatch(ctx);
  for (const [from, to] of data.gaps) {
    const left = Math.max(bbox.left, plot.valToPos(from, "x", true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(to, "x", true));
    if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

function options() {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--rule"), width: 1 }, ticks: { show: false }, font: `${0.75 * rem}px system-ui` };
  return {
    width: box.clientWidth, height: Math.max(280, Math.min(innerHeight * 0.5, 30 * rem)),
    legend: { show: false }, cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: true, min: data.from, max: data.to }, y: { range: (_, low, high) => low === null ? [0, 10] : [Math.floor(low - 0.5), Math.ceil(high + 0.5)] } },
    axes: [{ ...axis, size: 2.25 * rem, values: times }, { ...axis, size: 4 * rem, values: (_, splits) => splits.map((v) => `${v} ${unit}`) }],
    series: [{}, { stroke: colour("--accent"), width: 1.5, spanGaps: false, points: { show: data.times.length < 120, size: 4 } }],
    hooks: { drawClear: [drawGaps], setCursor: [read] },
  };
}

function times(plot, splits) {
  const wide = plot.scales.x.max - plot.scales.x.min > 2 * 86400;
  const form = new Intl.DateTimeFormat(document.documentElement.lang, wide ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return splits.map((s) => form.format(s * 1000));
}

const moment = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

function summary() {
  const values = data.values.filter((v) => v !== null);
  if (!values.length) return t("No readings in this stretch.");
  const low = figure(Math.min(...values)), high = figure(Math.max(...values));
  return t("{n} readings, lowest {low}, highest {high}, {gaps} gaps", { n: data.readings, low, high, gaps: data.gaps.length });
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

async function load() {
  const answer = await fetch(box.dataset.source);
  if (!answer.ok) {
    caption.textContent = t("The chart could not be loaded.");
    return;
  }
  data = await answer.json();
  drawn = now();
  caption.textContent = summary();
  if (plot === null) {
    plot = new uPlot(options(), [data.times, data.values], box);
    plot.over.append(label);
    addEventListener("resize", () => plot.setSize({ width: box.clientWidth, height: plot.height }));
    return;
  }
  plot.setData([data.times, data.values], false);
  plot.setScale("x", { min: data.from, max: data.to });
}

// A live value lengthens the line. When its fact is here, or after a gap, the chart is fetched again, and not more than that.
function live({ detail: { key, kept, at, value } }) {
  if (key !== box.dataset.sensorChart || data === null) return;
  const last = data.times.at(-1) ?? 0;
  if (kept || (data.allowed && at / 1000 - last > data.allowed)) {
    again ??= setTimeout(() => { again = null; load(); }, Math.max(0, drawn + keptMs - now()));
    return;
  }
  if (at / 1000 <= last) return;
  data.times.push(at / 1000);
  data.values.push(value === null ? null : value / 100);
  plot.setData([data.times, data.values], false);
  plot.setScale("x", { min: at / 1000 - Number(box.dataset.hours) * 3600, max: at / 1000 });
}

document.addEventListener("reading", live);
if (now()) load();
