// The map beside the list of vehicles. The list is what is known: live values are written into its rows, and whatever changes
// there moves the marks here, so that both say the same and the list is enough where no map can be drawn.
import { hundredths, isSilent, now, span, t } from "./fresh.js";
import { grouped } from "./map-groups.js";
import { tileStyle } from "./map-tiles.js";
import { colours, graticule, worldStyle } from "./map-world.js";

const frame = document.getElementById("map");
// A row without a place is of a vehicle whose receiver told none on earth.
const rows = () => document.querySelectorAll("tr[data-key][data-lat]");
const row = (key) => document.querySelector(`tr[data-key="${CSS.escape(key)}"]`);

const signs = { alarm: "▲", attention: "◆", silence: "?", ok: "" };
const order = { alarm: 0, attention: 1, silence: 2, ok: 3 };
const markSize = { width: 170, height: 26 };
const repaintMs = 1000;
const closeZoom = 12;
const mostZoom = 17;
const trackMs = 12 * 3_600_000;
// Between two positions further apart in time nobody knows where it went.
const gapMs = 5 * 60_000;

const dark = matchMedia("(prefers-color-scheme: dark)");
const marks = new Map();
let map = null;
let chosen = frame.dataset.device;
let track = { type: "FeatureCollection", features: [] };

// -- what is known of a vehicle ------------------------------------------------------------------------------------------

function vehicle(element) {
  const { key, lat, lon, at, level } = element.dataset;
  const figure = element.querySelector("[data-sensor]")?.dataset;
  const silent = isSilent(Number(element.querySelector("[data-contact]")?.dataset.contact ?? 0));
  // The rest was judged by the hub; only silence comes and goes without a word.
  const told = silent && level === "ok" ? "silence" : !silent && level === "silence" ? "ok" : level;
  if (told !== level) element.dataset.level = told;
  return { key, lat: Number(lat), lon: Number(lon), at: Number(at), level: told, figure };
}

function temperature(figure) {
  if (!figure?.at) return "";
  return figure.value === "" ? t("fault") : `${hundredths(Number(figure.value))}\u00a0°C`;
}

function words({ key, level, figure, at }) {
  const parts = [`${signs[level]} ${key}`.trim(), temperature(figure), span(now() - at)];
  return parts.filter(Boolean).join("  ");
}

// -- marks ---------------------------------------------------------------------------------------------------------------

function mark(name, lngLat, level, text, label, press) {
  let there = marks.get(name);
  if (!there) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "pin";
    there = { button, marker: new maplibregl.Marker({ element: button, anchor: "left", offset: [-6, 0] }).setLngLat(lngLat).addTo(map) };
    button.addEventListener("click", (event) => { event.stopPropagation(); there.press(); });
    marks.set(name, there);
  }
  there.press = press;
  there.marker.setLngLat(lngLat);
  const { button } = there;
  if (button.dataset.level !== level) button.dataset.level = level;
  if (button.textContent !== text) button.textContent = text;
  if (button.getAttribute("aria-label") !== label) button.setAttribute("aria-label", label);
  button.toggleAttribute("data-chosen", name === chosen);
}

function paint() {
  const { clientWidth: width, clientHeight: height } = map.getContainer();
  const points = [...rows()].map(vehicle).map((one) => ({ ...one, ...screen(one), order: one.key === chosen ? -1 : order[one.level] }));
  const seen = points.filter(({ x, y }) => x > -markSize.width && x < width + 20 && y > -20 && y < height + 20);
  const left = new Set(marks.keys());
  for (const { members } of grouped(seen, markSize.width, markSize.height)) {
    const [first] = members;
    left.delete(first.key);
    if (members.length === 1) {
      mark(first.key, [first.lon, first.lat], first.level, words(first), `${words(first)}, ${t(`level ${first.level}`)}`, () => choose(first.key));
    } else {
      const worst = members.reduce((a, b) => (order[b.level] < order[a.level] ? b : a));
      const text = `${signs[worst.level]} ${t("{n} vehicles", { n: members.length })}`.trim();
      mark(first.key, [first.lon, first.lat], worst.level, text, `${text}, ${t(`level ${worst.level}`)}`, () => approach(members));
    }
  }
  for (const name of left) {
    marks.get(name).marker.remove();
    marks.delete(name);
  }
}

const screen = ({ lon, lat }) => map.project([lon, lat]);

let due = null;
function repaintSoon() {
  due ??= setTimeout(() => { due = null; if (map && !document.hidden) paint(); }, repaintMs);
}

// -- looking -------------------------------------------------------------------------------------------------------------

const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function bounds(points) {
  const lons = points.map(({ lon }) => lon);
  const lats = points.map(({ lat }) => lat);
  return [[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]];
}

function fit(points, zoom = closeZoom) {
  if (points.length) map.fitBounds(bounds(points), { padding: { top: 40, bottom: 40, left: 40, right: markSize.width }, maxZoom: zoom, animate: !still() });
}

function approach(members) {
  const { zoom } = map.cameraForBounds(bounds(members), { maxZoom: mostZoom });
  fit(members, mostZoom);
  // Vehicles at one place cannot be drawn apart: the list has them.
  for (const element of rows()) element.toggleAttribute("data-together", members.some(({ key }) => key === element.dataset.key));
  if (zoom >= mostZoom) row(members[0].key)?.querySelector("a").focus();
}

function choose(key) {
  chosen = key;
  for (const element of rows()) element.toggleAttribute("data-chosen", element.dataset.key === key);
  const element = row(key);
  history.replaceState(null, "", `/map?device=${encodeURIComponent(key)}`);
  if (!map || !element?.dataset.lat) return;
  const { lon, lat } = vehicle(element);
  map.easeTo({ center: [lon, lat], zoom: Math.max(map.getZoom(), closeZoom), animate: !still() });
  paint();
  showTrack(key);
}

// What was asked for later may come earlier.
let asks = 0;
async function showTrack(key) {
  const mine = ++asks;
  const from = new Date(now() - trackMs).toISOString();
  const answer = await fetch(`/api/v1/devices/${encodeURIComponent(key)}/track?from=${from}`);
  if (!answer.ok || chosen !== key) return;
  const { items } = await answer.json();
  if (mine !== asks) return;
  const runs = [];
  let last = -Infinity;
  for (const { at, longitude, latitude } of items) {
    const ms = Date.parse(at);
    if (ms - last > gapMs) runs.push([]);
    runs.at(-1).push([longitude, latitude]);
    last = ms;
  }
  const coordinates = runs.filter((run) => run.length > 1);
  track = { type: "Feature", properties: {}, geometry: { type: "MultiLineString", coordinates } };
  map?.getSource(trackId)?.setData(track);
  frame.dataset.track = String(items.length);
}

// -- putting it together -------------------------------------------------------------------------------------------------

// Styles of others have sources and layers of any name.
const trackId = "holdfast-track";

function addTrack() {
  map.addSource(trackId, { type: "geojson", data: track });
  map.addLayer({ id: trackId, type: "line", source: trackId, layout: { "line-join": "round", "line-cap": "round" }, paint: { "line-color": colours().track, "line-width": 3 } });
}

function drawGraticule() {
  if (base !== "world") return;
  const view = map.getBounds();
  map.getSource("graticule")?.setData(graticule({ west: view.getWest(), east: view.getEast(), south: view.getSouth(), north: view.getNorth() }));
}

function markPlace() {
  const { lat, lon } = frame.dataset;
  if (lat === undefined) return;
  const sign = document.createElement("span");
  sign.className = "place-mark";
  sign.textContent = "+";
  sign.title = `${lat}, ${lon}`;
  new maplibregl.Marker({ element: sign }).setLngLat([Number(lon), Number(lat)]).addTo(map);
  sign.setAttribute("aria-label", t("marked place"));
  sign.setAttribute("role", "img");
}

function look() {
  const { lat, lon } = frame.dataset;
  const all = [...rows()].map(vehicle);
  if (lat !== undefined) map.jumpTo({ center: [Number(lon), Number(lat)], zoom: closeZoom });
  else if (row(chosen)?.dataset.lat) choose(chosen);
  else if (all.length) map.fitBounds(bounds(all), { padding: { top: 40, bottom: 40, left: 40, right: markSize.width }, maxZoom: closeZoom, animate: false });
}

// What lies under the vehicles: as it is set, or the built-in world where that cannot be had.
let base = frame.dataset.kind;
let styled = false;

const baseStyle = () => (base === "world" ? worldStyle(colours()) : tileStyle(base, frame.dataset.url, colours()));

async function fallBack(why) {
  base = "world";
  tell("no-base", why);
  return baseStyle();
}

function tell(id, why) {
  const note = document.getElementById(id);
  note.hidden = false;
  note.title = String(why?.message ?? why);
}

function escaped(text) {
  const element = document.createElement("span");
  element.textContent = text;
  return element.innerHTML;
}

async function restyle(style = baseStyle()) {
  styled = false;
  map.setStyle(await style, { diff: false });
}

async function open() {
  maplibregl.setWorkerUrl("/static/vendor/maplibre-gl-csp-worker.js");
  map = new maplibregl.Map({
    container: frame,
    style: await baseStyle().catch(fallBack),
    center: [0, 30],
    zoom: 1,
    maxZoom: mostZoom,
    attributionControl: base === "world" ? false : { customAttribution: escaped(frame.dataset.credit) },
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    locale: {
      "AttributionControl.ToggleAttribution": t("Who made the map"),
      "NavigationControl.ZoomIn": t("Zoom in"),
      "NavigationControl.ZoomOut": t("Zoom out"),
      "Map.Title": t("Map"),
      "Marker.Title": "",
    },
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibregl.ScaleControl({ unit: "metric" }), "bottom-left");
  map.on("moveend", () => { paint(); drawGraticule(); });
  map.on("style.load", () => { styled = true; addTrack(); drawGraticule(); frame.dataset.state = "drawn"; });
  map.on("error", ({ error }) => {
    if (styled) tell("no-part", error);
    else if (base !== "world") restyle(fallBack(error));
  });
  map.on("sourcedata", ({ tile }) => { if (tile?.state === "loaded") document.getElementById("no-part").hidden = true; });
  dark.addEventListener("change", () => restyle());
  // Vehicles wait for nobody: a host of tiles may answer late or never.
  markPlace();
  look();
  paint();
}

function withoutMap(why) {
  map?.remove();
  map = null;
  frame.hidden = true;
  tell("no-map", why);
}

const onEarth = ({ lat, lon }) => Math.abs(lat) <= 90 && Math.abs(lon) <= 180;

document.addEventListener("position", ({ detail }) => {
  const element = row(detail.key);
  if (!onEarth(detail)) return;
  // One that had no position before has no row; the strip says so.
  if (!element) document.getElementById("strip").hidden = false;
  else if (Number(element.dataset.at) <= detail.at_ms) {
    Object.assign(element.dataset, { lat: detail.lat, lon: detail.lon, at: detail.at_ms });
    element.querySelector('[data-f="at"] time').dataset.age = detail.at_ms;
    const said = element.querySelector(".contact");
    if (detail.contact_ms > Number(said.dataset.contact ?? 0)) said.dataset.contact = detail.contact_ms;
    if (detail.key === chosen && map) showTrack(chosen);
  }
});

document.querySelector(".vehicles tbody")?.addEventListener("click", (event) => {
  const link = event.target.closest("a.find");
  if (!link || !map || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  choose(link.closest("tr").dataset.key);
});

// The list is what is known; whoever changes it moves the marks.
const list = document.querySelector(".vehicles tbody");
if (list) new MutationObserver(repaintSoon).observe(list, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-lat", "data-lon", "data-at", "data-level", "data-value", "data-contact", "data-state"] });
setInterval(repaintSoon, 10_000);

open().catch(withoutMap);
