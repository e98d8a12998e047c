// All routes of a day on one map: a line and a name for each van, its stops by what came of them. A click goes to the route.
import { t } from "./fresh.js";
import { drawn, fit, frame, mark, openSheet } from "./route-sheet.js";

// Names further out lie apart, for vans begin at one depot; so many places are tried for one.
const placesTried = 20;
const nameWidth = 110;
const nameHeight = 28;
// More would cover each other from afar, so there they are drawn small.
const manyStops = 300;

const wide = matchMedia("(min-width: 60rem)");
const signs = { open: "", late: "◆", attention: "◆", ok: "✓", none: "↩", gone: "✕" };
// What needs a person lies on top.
const rank = ["match", ["get", "came"], "late", 5, "attention", 4, "open", 3, 1];

let map = null;
let names = [];
let told = "";
let routes = [];

const holder = () => document.getElementById("board-map");
const addressOf = (id) => `/routes/${encodeURIComponent(id)}`;
const wayOf = ({ depot, stops }) => [depot, ...stops.filter(([, , came]) => came !== "gone").map(([lon, lat]) => [lon, lat]), depot];

// Signs are drawn once and used by all stops: a map without a network has no letters of its own.
function sign(came) {
  const css = getComputedStyle(document.documentElement);
  const colour = (name) => css.getPropertyValue(`--${name}`).trim();
  const [fill, edge, ink] = {
    open: ["panel", "accent", "accent"],
    late: ["attention", "attention", "on-attention"],
    attention: ["attention-ground", "attention", "text"],
  }[came] ?? ["panel", "edge", "quiet"];
  const side = 40;
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const pen = canvas.getContext("2d");
  pen.beginPath();
  if (came === "late" || came === "attention") pen.rect(4, 4, side - 8, side - 8);
  else pen.arc(side / 2, side / 2, side / 2 - 4, 0, 2 * Math.PI);
  pen.fillStyle = colour(fill);
  pen.fill();
  pen.strokeStyle = colour(edge);
  pen.lineWidth = 3;
  pen.stroke();
  pen.fillStyle = colour(ink);
  if (came === "open") {
    pen.beginPath();
    pen.arc(side / 2, side / 2, 5, 0, 2 * Math.PI);
    pen.fill();
  }
  pen.font = "600 22px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(signs[came], side / 2, side / 2 + 1);
  return pen.getImageData(0, 0, side, side);
}

function layers(colour) {
  for (const came of Object.keys(signs)) map.addImage(came, sign(came), { pixelRatio: 2 });
  const empty = { type: "geojson", data: { type: "FeatureCollection", features: [] } };
  map.addSource("ways", empty);
  map.addSource("stops", empty);
  map.addLayer({ id: "ways", type: "line", source: "ways", layout: { "line-join": "round" }, paint: { "line-color": colour.track, "line-width": 2, "line-opacity": 0.5 } });
  map.addLayer({
    id: "stops",
    type: "symbol",
    source: "stops",
    layout: { "icon-image": ["get", "came"], "icon-allow-overlap": true, "icon-ignore-placement": true, "symbol-sort-key": rank, "icon-size": 1 },
  });
}

const place = (longest, taken) => {
  const free = longest.find((at) => {
    const { x, y } = map.project(at);
    return taken.every((other) => Math.abs(other.x - x) > nameWidth || Math.abs(other.y - y) > nameHeight);
  }) ?? longest[0];
  taken.push(map.project(free));
  return free;
};

function nameOf(route, at) {
  const element = document.createElement("a");
  element.className = "stop-pin route-pin";
  element.dataset.came = route.late ? "attention" : "";
  element.href = addressOf(route.id);
  element.setAttribute("role", "link");
  element.textContent = `${route.late ? "◆ " : ""}${route.name} ${route.done}/${route.wanted}`;
  element.setAttribute("aria-label", t("{name}: {done} of {all} stops, {n} late", { name: route.name, done: route.done, all: route.wanted, n: route.late }));
  const side = map.project(at).x > map.getContainer().clientWidth - nameWidth ? "right" : "left";
  return new maplibregl.Marker({ element, anchor: side, offset: [side === "left" ? 12 : -12, 0] }).setLngLat(at).addTo(map);
}

function draw() {
  for (const name of names) name.remove();
  const depots = new Map(routes.map(({ depot }) => [depot.join(), depot]));
  names = [...depots.values()].map((depot) => mark(depot, "depot", "◼", t("depot")));
  const taken = [];
  for (const route of routes.filter(({ stops }) => stops.length)) {
    const [lon, lat] = route.depot;
    const far = (at) => (at[0] - lon) ** 2 + (at[1] - lat) ** 2;
    const longest = route.stops.map((stop) => stop.slice(0, 2)).sort((a, b) => far(b) - far(a)).slice(0, placesTried);
    names.push(nameOf(route, place(longest, taken)));
  }
  const all = routes.flatMap(({ id, stops }) => stops.map(([x, y, came, n, key]) => ({ type: "Feature", properties: { id, came, n, key }, geometry: { type: "Point", coordinates: [x, y] } })));
  map.setLayoutProperty("stops", "icon-size", all.length > manyStops ? ["interpolate", ["linear"], ["zoom"], 10, 0.4, 14, 1] : 1);
  map.getSource("stops").setData({ type: "FeatureCollection", features: all });
  map.getSource("ways").setData({ type: "FeatureCollection", features: routes.map((route) => ({ type: "Feature", properties: { id: route.id }, geometry: { type: "LineString", coordinates: wayOf(route) } })) });
  map.once("idle", () => { frame().dataset.stops = all.length; });
}

// What was asked for later may come earlier.
let asks = 0;
async function fetchRoutes() {
  const mine = ++asks;
  const answer = await fetch(`/routes/map?day=${frame().dataset.day}`);
  if (!answer.ok) return false;
  const text = await answer.text();
  if (mine !== asks) return false;
  const changed = text !== told;
  told = text;
  routes = JSON.parse(text).routes;
  return changed;
}

function listen() {
  for (const layer of ["stops", "ways"]) {
    map.on("mouseenter", layer, () => { map.getCanvas().style.cursor = "pointer"; });
    map.on("mouseleave", layer, () => { map.getCanvas().style.cursor = ""; });
  }
  map.on("click", ({ point }) => {
    const near = [[point.x - 6, point.y - 6], [point.x + 6, point.y + 6]];
    const [stop] = map.queryRenderedFeatures(near, { layers: ["stops"] });
    const [way] = stop ? [] : map.queryRenderedFeatures(near, { layers: ["ways"] });
    if (stop) location.href = `${addressOf(stop.properties.id)}#stop-${stop.properties.key}`;
    else if (way) location.href = addressOf(way.properties.id);
  });
}

// Nothing is asked for before somebody opens it.
async function begin() {
  const here = frame();
  if (!here || !holder().open || here.dataset.begun) return;
  here.dataset.begun = "yes";
  names = [];
  await fetchRoutes();
  const places = routes.flatMap(wayOf);
  if (!places.length) return;
  const begun = (made) => {
    map = made;
    listen();
  };
  openSheet(places[0], begun, (_, colour, first) => {
    layers(colour);
    if (first) fit(places);
    draw();
  });
}

function show() {
  if (!holder()) return;
  if (wide.matches) holder().open = true;
  begin();
}

show();
document.addEventListener("toggle", ({ target }) => { if (target === holder()) begin(); }, true);
document.addEventListener("htmx:after:swap", show);
document.addEventListener("exchanged", async () => { if (drawn() && holder().open && (await fetchRoutes())) draw(); });
