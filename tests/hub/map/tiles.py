"""Hosts of base maps: plain-coloured tiles over HTTP, and PMTiles archives of one tile, written by hand."""

import json
import struct
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Final

Colour = tuple[int, int, int]
TILE_PIXELS: Final = 256
MVT: Final = 1
PNG: Final = 2
"""PMTiles version 3, section 3: tile types."""


def png(colour: Colour) -> bytes:
    """A square tile of one colour (PNG third edition, section 5)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(colour) * TILE_PIXELS) * TILE_PIXELS
    head = struct.pack(">IIBBBBB", TILE_PIXELS, TILE_PIXELS, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def first_pixel(image: bytes) -> Colour:
    """The upper left pixel of a PNG without a palette: no filter changes that one."""
    at, data = 8, b""
    while at < len(image):
        (length,) = struct.unpack_from(">I", image, at)
        if image[at + 4 : at + 8] == b"IDAT":
            data += image[at + 8 : at + 8 + length]
        at += length + 12
    red, green, blue = zlib.decompress(data)[1:4]
    return red, green, blue


def archive(tile: bytes, tile_type: int, metadata: Mapping[str, object]) -> bytes:
    """A PMTiles archive whose one tile is the whole world (version 3, sections 3 and 4)."""
    told = json.dumps(metadata).encode()
    entries = bytes([1, 0, 1]) + _varint(len(tile)) + _varint(1)
    root_at = 127
    told_at = root_at + len(entries)
    data_at = told_at + len(told)
    places = (root_at, len(entries), told_at, len(told), data_at, 0, data_at, len(tile), 1, 1, 1)
    bounds = (-1_800_000_000, -850_000_000, 1_800_000_000, 850_000_000)
    plain = 1
    head = struct.pack("<11Q6B", *places, 1, plain, plain, tile_type, 0, 0) + struct.pack("<4iB2i", *bounds, 0, 0, 0)
    return b"PMTiles\x03" + head + entries + told + tile


def vector_tile(layer: str) -> bytes:
    """A vector tile that one polygon of one layer fills (Mapbox Vector Tile 2.1, section 4)."""
    corners = [(0, 0), (4096, 0), (4096, 4096), (0, 4096)]
    steps = [(x - u, y - v) for (u, v), (x, y) in pairwise(corners)]
    numbers = [9, 0, 0, 26, *(step * 2 if step >= 0 else -step * 2 - 1 for pair in steps for step in pair), 15]
    geometry = b"".join(map(_varint, numbers))
    feature = b"\x18\x03" + _field(4, geometry)
    return _field(3, b"\x78\x02" + _field(1, layer.encode()) + _field(2, feature) + b"\x28" + _varint(4096))


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


@dataclass
class TileHost:
    """What a host of tiles has, by path, and what it was asked for."""

    netloc: str
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tile: bytes = b""
    asked: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://{self.netloc}"


@contextmanager
def tile_host() -> Iterator[TileHost]:
    """One on this machine that answers any origin, any tile, and ranges of files."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.asked.append(self.path)
            kind, body = host.files.get(self.path, ("image/png", host.tile if self.path.endswith(".png") else b""))
            status = 200 if body else 404
            asked = self.headers.get("Range", "")
            if body and asked.startswith("bytes="):
                start, _, end = asked.removeprefix("bytes=").partition("-")
                status, body = 206, body[int(start) : int(end) + 1]
            self.send_response(status)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Expose-Headers", "ETag")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_OPTIONS(self) -> None:
            self.send_response(204)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "Range")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    host = TileHost(f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
