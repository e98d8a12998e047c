// Base maps that `serve --map` names: a style, raster tiles, or a PMTiles archive of either.

const archiveLayers = [
  // Names of layers as Protomaps and OpenMapTiles write them.
  [["earth"], "fill", "land"],
  [["water"], "fill", "sea"],
  [["buildings", "building"], "fill", "border"],
  [["roads", "transportation"], "line", "coast"],
  [["boundaries", "boundary"], "line", "border"],
];

const raster = (where) => ({
  version: 8,
  sources: { tiles: { type: "raster", tileSize: 256, ...where } },
  // Fading in can stop half-way where software draws, and an operator needs no show.
  layers: [{ id: "tiles", type: "raster", source: "tiles", paint: { "raster-fade-duration": 0 } }],
});

async function archive(url, colour) {
  // Who made it stands in the metadata, and must be told.
  const protocol = new pmtiles.Protocol({ metadata: true });
  const file = new pmtiles.PMTiles(url);
  protocol.add(file);
  maplibregl.addProtocol("pmtiles", protocol.tile);
  const { tileType } = await file.getHeader();
  const address = `pmtiles://${url}`;
  if (tileType !== pmtiles.TileType.Mvt) return raster({ url: address });
  const { vector_layers: there = [] } = await file.getMetadata();
  const layers = archiveLayers.flatMap(([names, type, use]) => {
    const name = names.find((one) => there.some(({ id }) => id === one));
    // Lines among buildings and the like would be filled across.
    const filter = type === "fill" ? ["==", ["geometry-type"], "Polygon"] : true;
    return name ? [{ id: name, type, source: "tiles", "source-layer": name, filter, paint: { [`${type}-color`]: colour[use] } }] : [];
  });
  return {
    version: 8,
    sources: { tiles: { type: "vector", url: address } },
    layers: [{ id: "sea", type: "background", paint: { "background-color": there.some(({ id }) => id === "earth") ? colour.sea : colour.land } }, ...layers],
  };
}

export async function tileStyle(kind, url, colour) {
  if (kind === "style") return url;
  if (kind === "raster") return raster({ tiles: [url] });
  return archive(new URL(url, location.href).href, colour);
}
