// The stops of a route on the map, in their order, with the van where it was last. The list beside it is what is known; both
// show the same stops as chosen.
import { t } from "./fresh.js";
import { choose, chosen, pick } from "./route-hand.js";
import { drawn, fit, frame, mark, openSheet } from "./route-sheet.js";

// So many are drawn as buttons with their numbers; more would make the map slow, so they are drawn as dots.
const mostPins = 300;

let map = null;
let pins = new Map();
let others = [];
let van = null;

const rows = () => [...document.querySelectorAll("tr[data-stop][data-lat]")];
const placeOf = ({ dataset }) => [Number(dataset.lon), Number(dataset.lat)];
const depotOf = ({ dataset }) => [Number(dataset.depotLon), Number(dataset.depotLat)];

const point = (row) => ({ type: "Feature", properties: { stop: row.dataset.stop, came: row.dataset.came, chosen: chosen.has(row.dataset.stop) }, geometry: { type: "Point", coordinates: placeOf(row) } });

function drawChosen() {
  if (!drawn()) return;
  for (const [key, pin] of pins) {
    pin.getElement().toggleAttribute("data-chosen", chosen.has(key));
    pin.getElement().setAttribute("aria-pressed", chosen.has(key));
  }
  const all = rows();
  map.getSource("dots").setData({ type: "FeatureCollection", features: all.length > mostPins ? all.map(point) : [] });
}

function draw() {
  for (const one of [...pins.values(), ...others]) one.remove();
  pins = new Map();
  others = [];
  const all = rows();
  if (all.length <= mostPins) {
    for (const row of all) {
      const { stop, n, came } = row.dataset;
      pins.set(stop, mark(placeOf(row), came, n, `${n}: ${row.querySelector(".who b").textContent}`, () => pick(stop)));
    }
  }
  others.push(mark(depotOf(frame()), "depot", "◼", t("depot")));
  const coordinates = [depotOf(frame()), ...all.filter((row) => !row.classList.contains("withdrawn")).map(placeOf), depotOf(frame())];
  map.getSource("track").setData({ type: "Feature", properties: {}, geometry: { type: "LineString", coordinates } });
  drawChosen();
}

function putVan(place) {
  van?.remove();
  van = mark(place, "van", "●", frame().dataset.device);
}

async function findVan() {
  const { device } = frame().dataset;
  if (!device) return;
  const answer = await fetch("/api/v1/positions?cursor=&limit=1000");
  if (!answer.ok) return;
  const found = (await answer.json()).items.find((one) => one.device === device);
  if (found) putVan([found.longitude, found.latitude]);
}

// Shift and dragging chooses all stops within a rectangle.
function chooseMany() {
  map.boxZoom.disable();
  map.on("mousedown", (event) => {
    if (!event.originalEvent.shiftKey || !document.getElementById("hand")) return;
    event.preventDefault();
    const from = event.point;
    const box = document.createElement("div");
    box.className = "choosing";
    map.getContainer().append(box);
    // The button may be let go outside the map.
    const frame = map.getContainer().getBoundingClientRect();
    const corners = ({ clientX, clientY }) => {
      const [x, y] = [clientX - frame.left, clientY - frame.top];
      return [Math.min(from.x, x), Math.min(from.y, y), Math.max(from.x, x), Math.max(from.y, y)];
    };
    const size = (moved) => {
      const [left, top, right, bottom] = corners(moved);
      Object.assign(box.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
    };
    addEventListener("mousemove", size);
    addEventListener("mouseup", (up) => {
      removeEventListener("mousemove", size);
      box.remove();
      const [left, top, right, bottom] = corners(up);
      const within = rows().filter((row) => {
        const { x, y } = map.project(placeOf(row));
        return "open" in row.dataset && x >= left && x <= right && y >= top && y <= bottom;
      });
      choose(within.map((row) => row.dataset.stop));
    }, { once: true });
  });
}

function layers(colour) {
  map.addSource("track", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
  map.addLayer({ id: "track", type: "line", source: "track", layout: { "line-join": "round" }, paint: { "line-color": colour.track, "line-width": 2, "line-dasharray": [2, 1] } });
  map.addSource("dots", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
  const late = ["==", ["get", "came"], "attention"];
  map.addLayer({
    id: "dots",
    type: "circle",
    source: "dots",
    paint: {
      "circle-radius": ["case", ["get", "chosen"], 8, late, 6, 4],
      "circle-color": ["case", ["get", "chosen"], colour.track, late, "#e69f00", ["==", ["get", "came"], "open"], colour.track, "#8a929b"],
      "circle-stroke-width": ["case", ["get", "chosen"], 3, 1],
      "circle-stroke-color": "#ffffff",
    },
  });
  map.on("click", "dots", ({ features }) => pick(features[0].properties.stop));
}

function begin() {
  const here = frame();
  if (!here || here.dataset.begun) return;
  here.dataset.begun = "yes";
  pins = new Map();
  others = [];
  van = null;
  const begun = (made) => {
    map = made;
    chooseMany();
  };
  openSheet(depotOf(here), begun, (_, colour, first) => {
    layers(colour);
    if (first) {
      fit([depotOf(here), ...rows().map(placeOf)]);
      findVan();
    }
    draw();
  });
}

begin();
// A change by hand brings a new frame; what devices say brings new rows, and moves the van.
document.addEventListener("htmx:after:swap", begin);
document.addEventListener("exchanged", () => { if (drawn()) draw(); });
document.addEventListener("chosen", drawChosen);
document.addEventListener("position", ({ detail }) => {
  if (drawn() && detail.key === frame().dataset.device) putVan([detail.lon, detail.lat]);
});
