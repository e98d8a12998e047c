// The map under routes: its ground, controls and marks. What is on it is drawn by route-map.js, of one route, and by
// route-board.js, of a day.
import { t } from "./fresh.js";
import { tileStyle } from "./map-tiles.js";
import { colours, graticule, worldStyle } from "./map-world.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
let map = null;

export const frame = () => document.getElementById("map");
export const drawn = () => frame()?.dataset.state === "drawn";

export function mark(place, came, text, label, press) {
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

export function fit(places) {
  const [lons, lats] = [0, 1].map((i) => places.map((place) => place[i]));
  map.fitBounds([[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]], { padding: 40, maxZoom: 15, animate: false });
}

function styleOf() {
  const { kind, url } = frame().dataset;
  return kind === "world" ? worldStyle(colours()) : tileStyle(kind, url, colours());
}

function lines() {
  const view = map.getBounds();
  map.getSource("graticule")?.setData(graticule({ west: view.getWest(), east: view.getEast(), south: view.getSouth(), north: view.getNorth() }));
}

async function open(center, begun, styled) {
  const { kind } = frame().dataset;
  maplibregl.setWorkerUrl("/static/vendor/maplibre-gl-csp-worker.js");
  const style = await styleOf();
  map = new maplibregl.Map({
    container: frame(),
    style,
    center,
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
  begun(map);
  map.on("moveend", lines);
  map.on("style.load", () => {
    const first = !drawn();
    frame().dataset.state = "drawn";
    styled(map, colours(), first);
    lines();
  });
}

// `begun` gets the map when it is made; `styled` gets it with the colours whenever it has its ground, and whether that is the first time.
export function openSheet(center, begun, styled) {
  const here = frame();
  map?.remove();
  open(center, begun, styled).catch((why) => {
    here.hidden = true;
    const note = document.getElementById("no-map");
    note.hidden = false;
    note.title = String(why?.message ?? why);
  });
}

// The map follows the theme of the page.
dark.addEventListener("change", async () => { if (drawn()) map.setStyle(await styleOf(), { diff: false }); });
