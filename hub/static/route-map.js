// The stops of a route on the map, in their order, with the van where it was last. The list beside it is what is known; both
// show the same stops as chosen.
import { t } from "./fresh.js";
import { tileStyle } from "./map-tiles.js";
import { colours, graticule, worldStyle } from "./map-world.js";
import { choose, chosen, pick } from "./route-hand.js";

// So many are drawn as buttons with their numbers; more would make the map slow, so they are drawn as dots.
const mostPins = 300;

const dark = matchMedia("(prefers-color-scheme: dark)");
let map = null;
let pins = new Map();
let others = [];
let van = null;

const rows = () => [...document.querySelectorAll("tr[data-stop][data-lat]")];
const placeOf = ({ dataset }) => [Number(dataset.lon), Number(dataset.lat)];
const depotOf = ({ dataset }) => [Number(dataset.depotLon), Number(dataset.depotLat)];
const frame = () => document.getElementById("map");

function mark(place, came, text, label, press) {
  const element = document.createElement(press ? "button" : "span");
  element.className = "stop-pin";
  element.dataset.came = came;
  element.textContent = text;
  element.setAttribute("aria-label", label);
  if (press) {
    element.type = "button";
    element.addEventListener("click", press);
  } else element.setAttribute("role", "img");
  return new maplibregl.Marker({ element }).setLngLat(place).addTo(map);
}

const point = (row) => ({ type: "Feature", properties: { stop: row.dataset.stop, came: row.dataset.came, chosen: chosen.has(row.dataset.stop) }, geometry: { type: "Point", coordinates: placeOf(row) } });

function drawChosen() {
  if (frame()?.dataset.state !== "drawn") return;
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

function fit() {
  const places = [depotOf(frame()), ...rows().map(placeOf)];
  const [lons, lats] = [0, 1].map((i) => places.map((place) => place[i]));
  map.fitBounds([[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]], { padding: 40, maxZoom: 15, animate: false });
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

function styleOf() {
  const { kind, url } = frame().dataset;
  return kind === "world" ? worldStyle(colours()) : tileStyle(kind, url, colours());
}

function lines() {
  const view = map.getBounds();
  map.getSource("graticule")?.setData(graticule({ west: view.getWest(), east: view.getEast(), south: view.getSouth(), north: view.getNorth() }));
}

async function open() {
  const { kind } = frame().dataset;
  maplibregl.setWorkerUrl("/static/vendor/maplibre-gl-csp-worker.js");
  const style = await styleOf();
  map = new maplibregl.Map({
    container: frame(),
    style,
    center: depotOf(frame()),
    zoom: 9,
    maxZoom: 17,
    attributionControl: kind === "world" ? false : { compact: true },
    dragRotate: false,
    pitchWithRotate: false,
    locale: { "NavigationControl.ZoomIn": t("Zoom in"), "NavigationControl.ZoomOut": t("Zoom out"), "Map.Title": t("Map"), "Marker.Title": "" },
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibregl.ScaleControl({ unit: "metric" }), "bottom-left");
  chooseMany();
  map.on("moveend", lines);
  map.on("style.load", () => {
    layers(colours());
    if (frame().dataset.state !== "drawn") {
      fit();
      findVan();
    }
    frame().dataset.state = "drawn";
    draw();
    lines();
  });
}

// The map follows the theme of the page.
async function restyle() {
  if (frame()?.dataset.state === "drawn") map.setStyle(await styleOf(), { diff: false });
}

function begin() {
  const here = frame();
  if (!here || here.dataset.begun) return;
  here.dataset.begun = "yes";
  map?.remove();
  pins = new Map();
  others = [];
  van = null;
  open().catch((why) => {
    here.hidden = true;
    const note = document.getElementById("no-map");
    note.hidden = false;
    note.title = String(why?.message ?? why);
  });
}

begin();
dark.addEventListener("change", restyle);
// A change by hand brings a new frame; what devices say brings new rows, and moves the van.
document.addEventListener("htmx:after:swap", begin);
document.addEventListener("exchanged", () => { if (frame()?.dataset.state === "drawn") draw(); });
document.addEventListener("chosen", drawChosen);
document.addEventListener("position", ({ detail }) => {
  if (frame()?.dataset.state === "drawn" && detail.key === frame().dataset.device) putVan([detail.lon, detail.lat]);
});
