// The world that comes with the hub: land, coasts and borders from Natural Earth (npm world-atlas, TopoJSON), and a graticule
// that gets finer as one looks closer. Nothing of it is asked of another host.

const features = (type, coordinates) => ({ type: "Feature", properties: {}, geometry: { type, coordinates } });
const collection = (list) => ({ type: "FeatureCollection", features: list });

// TopoJSON 1.0, sections 2.1.4 and 4.1: arcs are quantized and delta-encoded, shared by neighbours, and ~n runs arc n backwards.
export function decodeWorld(topology) {
  const { scale: [kx, ky], translate: [dx, dy] } = topology.transform;
  const arcs = topology.arcs.map((arc) => {
    let x = 0;
    let y = 0;
    return arc.map(([stepX, stepY]) => [(x += stepX) * kx + dx, (y += stepY) * ky + dy]);
  });
  const ring = (ids) => ids.flatMap((id, i) => (id < 0 ? [...arcs[~id]].reverse() : arcs[id]).slice(i ? 1 : 0));
  const parts = ({ type, arcs: own, geometries }) =>
    type === "GeometryCollection" ? geometries.flatMap(parts) : type === "MultiPolygon" ? own : type === "Polygon" ? [own] : [];
  const countries = parts(topology.objects.countries);
  const used = new Map();
  for (const id of countries.flat(2)) used.set(id < 0 ? ~id : id, (used.get(id < 0 ? ~id : id) ?? 0) + 1);
  // Where polygons are cut at the edge of the sheet there is no coast.
  const atEdge = ([x, y]) => Math.abs(x) > 179.99 || y < -89.99;
  const coast = (arc) => arc.some((point, i) => i && !(atEdge(point) && atEdge(arc[i - 1])));
  const lines = (wanted) => arcs.filter((arc, id) => wanted(used.get(id), arc));
  return {
    land: collection(countries.map((rings) => features("Polygon", rings.map(ring)))),
    coasts: collection([features("MultiLineString", lines((n, arc) => n === 1 && coast(arc)))]),
    borders: collection([features("MultiLineString", lines((n) => n > 1))]),
  };
}

const steps = [30, 10, 5, 1, 0.5, 0.1, 0.05, 0.01];

// Lines of latitude and longitude in view, about eight across.
export function graticule({ west, east, south, north }) {
  const step = steps.find((degrees) => (east - west) / degrees > 5) ?? steps.at(-1);
  const every = (from, to) => Array.from({ length: Math.max(0, Math.floor(to / step) - Math.ceil(from / step) + 1) }, (_, i) => (Math.ceil(from / step) + i) * step);
  const low = Math.max(south, -85);
  const high = Math.min(north, 85);
  return collection([features("MultiLineString", [
    ...every(west, east).map((x) => [[x, low], [x, high]]),
    ...every(low, high).map((y) => [[west, y], [east, y]]),
  ])]);
}

// Colours are those of the page, so the map follows the theme.
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const own = getComputedStyle(document.getElementById("map"));
  return {
    sea: own.getPropertyValue("--sea").trim(),
    land: own.getPropertyValue("--land").trim(),
    coast: style.getPropertyValue("--edge").trim(),
    border: style.getPropertyValue("--rule").trim(),
    line: style.getPropertyValue("--rule").trim(),
    track: style.getPropertyValue("--accent").trim(),
  };
}

const empty = collection([]);

export async function worldStyle(colour) {
  const answer = await fetch("/static/vendor/countries-110m.json");
  const world = decodeWorld(await answer.json());
  const line = (id, source, paint, width) => ({ id, source, type: "line", paint: { "line-color": paint, "line-width": width } });
  return {
    version: 8,
    sources: {
      land: { type: "geojson", data: world.land, tolerance: 0.2 },
      coasts: { type: "geojson", data: world.coasts, tolerance: 0.2 },
      borders: { type: "geojson", data: world.borders, tolerance: 0.2 },
      graticule: { type: "geojson", data: empty },
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": colour.sea } },
      { id: "land", source: "land", type: "fill", paint: { "fill-color": colour.land, "fill-antialias": false } },
      line("graticule", "graticule", colour.line, 0.5),
      line("borders", "borders", colour.border, 1),
      line("coasts", "coasts", colour.coast, 0.75),
    ],
  };
}
