// The stops of a route on the map, in their order, with the van where it was last. The list beside it is what is known.
import { t } from "./fresh.js";
import { tileStyle } from "./map-tiles.js";
import { colours, graticule, recolour, worldStyle } from "./map-world.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
let map = null;
let marks = [];

const rows = () => [...document.querySelectorAll("tr[data-stop][data-lat]")];
const placeOf = ({ dataset }) => [Number(dataset.lon), Number(dataset.lat)];
const depotOf = ({ dataset }) => [Number(dataset.depotLon), Number(dataset.depotLat)];

function mark(place, came, text, label, press) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "stop-pin";
  button.dataset.came = came;
  button.textContent = text;
  button.setAttribute("aria-label", label);
  button.addEventListener("click", press);
  marks.push(new maplibregl.Marker({ element: button }).setLngLat(place).addTo(map));
}

function choose(row) {
  for (const other of rows()) other.toggleAttribute("data-chosen", other === row);
  row.scrollIntoView({ block: "nearest", behavior: still() ? "auto" : "smooth" });
}

function draw(frame) {
  for (const one of marks) one.remove();
  marks = [];
  const all = rows();
  for (const row of all) mark(placeOf(row), row.dataset.came, row.dataset.n, `${row.dataset.n}: ${row.querySelector(".who b").textContent}`, () => choose(row));
  mark(depotOf(frame), "depot", "◼", t("depot"), () => {});
  const coordinates = [depotOf(frame), ...all.filter((row) => !row.classList.contains("withdrawn")).map(placeOf), depotOf(frame)];
  map.getSource("track")?.setData({ type: "Feature", properties: {}, geometry: { type: "LineString", coordinates } });
}

async function drawVan({ dataset: { device } }) {
  if (!device) return;
  const answer = await fetch(`/api/v1/positions?cursor=&limit=1000`);
  if (!answer.ok) return;
  const found = (await answer.json()).items.find((one) => one.device === device);
  if (found) mark([found.longitude, found.latitude], "van", "●", device, () => {});
}

function fit(frame) {
  const places = [depotOf(frame), ...rows().map(placeOf)];
  const [lons, lats] = [0, 1].map((i) => places.map((place) => place[i]));
  map.fitBounds([[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]], { padding: 40, maxZoom: 15, animate: false });
}

async function open(frame) {
  const colour = colours();
  const { kind, url } = frame.dataset;
  maplibregl.setWorkerUrl("/static/vendor/maplibre-gl-csp-worker.js");
  const style = kind === "world" ? await worldStyle(colour) : await tileStyle(kind, url, colour);
  map = new maplibregl.Map({
    container: frame,
    style,
    center: depotOf(frame),
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
  const lines = () => {
    const view = map.getBounds();
    map.getSource("graticule")?.setData(graticule({ west: view.getWest(), east: view.getEast(), south: view.getSouth(), north: view.getNorth() }));
  };
  map.on("moveend", lines);
  map.on("load", () => {
    map.addSource("track", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
    map.addLayer({ id: "track", type: "line", source: "track", layout: { "line-join": "round" }, paint: { "line-color": colour.track, "line-width": 2, "line-dasharray": [2, 1] } });
    fit(frame);
    draw(frame);
    drawVan(frame);
    lines();
    frame.dataset.state = "drawn";
  });
  dark.addEventListener("change", () => recolour(map, colours()));
}

function begin() {
  const frame = document.getElementById("map");
  if (!frame || frame.dataset.begun) return;
  frame.dataset.begun = "yes";
  map?.remove();
  marks = [];
  open(frame).catch((why) => {
    frame.hidden = true;
    const note = document.getElementById("no-map");
    note.hidden = false;
    note.title = String(why?.message ?? why);
  });
}

begin();
// A change by hand brings a new frame; what devices say brings new rows.
let due = null;
new MutationObserver((changes) => {
  begin();
  if (!changes.some(({ target }) => target.closest?.("[data-refresh=stops]"))) return;
  due ??= setTimeout(() => { due = null; const frame = document.getElementById("map"); if (frame?.dataset.state === "drawn") { draw(frame); drawVan(frame); } }, 500);
}).observe(document.body, { childList: true, subtree: true });
