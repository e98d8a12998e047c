// The chart of one sensor. Gaps stay blank under a hatched strip; no line is drawn across them.
import { now, t } from "./fresh.js";

const box = document.getElementById("chart");
const caption = box.querySelector("figcaption");
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

function drawGaps(plot, gaps) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = hatch(ctx);
  for (const [from, to] of gaps) {
    const left = Math.max(bbox.left, plot.valToPos(from, "x", true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(to, "x", true));
    if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

function options(data) {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--rule"), width: 1 }, ticks: { show: false }, font: `${0.75 * rem}px system-ui` };
  return {
    width: box.clientWidth, height: Math.max(280, Math.min(innerHeight * 0.5, 30 * rem)),
    legend: { show: false }, cursor: { y: false, points: { size: 7 } },
    scales: { x: { time: true, min: data.from, max: data.to }, y: { range: (_, low, high) => low === null ? [0, 10] : [Math.floor(low - 0.5), Math.ceil(high + 0.5)] } },
    axes: [{ ...axis, size: 2.25 * rem, values: times }, { ...axis, size: 3.5 * rem }],
    series: [{}, { stroke: colour("--accent"), width: 1.5, spanGaps: false, points: { show: data.times.length < 120, size: 4 } }],
    hooks: { drawClear: [(plot) => drawGaps(plot, data.gaps)], setCursor: [(plot) => read(plot, data)] },
  };
}

function times(plot, splits) {
  const wide = plot.scales.x.max - plot.scales.x.min > 2 * 86400;
  const form = new Intl.DateTimeFormat(document.documentElement.lang, wide ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return splits.map((s) => form.format(s * 1000));
}

const moment = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

function summary(data) {
  const values = data.values.filter((v) => v !== null);
  if (!values.length) return t("No readings in this stretch.");
  const low = Math.min(...values).toFixed(1), high = Math.max(...values).toFixed(1);
  return t("{n} readings, lowest {low}, highest {high}, {gaps} gaps", { n: data.readings, low, high, gaps: data.gaps.length });
}

function read(plot, data) {
  const at = plot.cursor.idx;
  const value = at === null || at === undefined ? null : data.values[at];
  caption.textContent = value === null ? summary(data) : `${value.toFixed(1)} ${box.dataset.unit} · ${moment.format(data.times[at] * 1000)}`;
}

async function draw() {
  const answer = await fetch(box.dataset.source);
  if (!answer.ok) {
    caption.textContent = t("The chart could not be loaded.");
    return;
  }
  const data = await answer.json();
  caption.textContent = summary(data);
  const plot = new uPlot(options(data), [data.times, data.values], box);
  addEventListener("resize", () => plot.setSize({ width: box.clientWidth, height: plot.height }));
}

if (now()) draw();
