"""The map of the day: the route as a line with its stops, drawn from the route itself."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from kivy.core.text import Label as Glyphs
from kivy.graphics import Color, Line, Mesh, Rectangle, SmoothEllipse
from kivy.metrics import dp, sp
from kivy.uix.widget import Widget

from mobile_ui.core.day import Day
from mobile_ui.core.map_points import MapPoint, map_points
from mobile_ui.look import TARGET_DP, Colour, Look

MESH_VERTICES: Final = 30_000
NUMBERED: Final = 250
"""With more stops the numbers would cover each other."""


@lru_cache(2 * NUMBERED)
def _glyphs(text: str, size: float, font: str, ink: Colour) -> Any:
    """The texture of a number; making 200 takes a third of a second."""
    glyphs = Glyphs(text=text, font_size=size, font_name=font, color=ink)
    glyphs.refresh()
    return glyphs.texture


class RouteMap(Widget):  # type: ignore[misc] # kivy ships without types
    """Shows all stops; a tap opens the nearest one."""

    def __init__(self, look: Look, day: Day, chosen: Callable[[str], None]) -> None:
        super().__init__()
        self._look = look
        self._day = day
        self._chosen = chosen
        self._points: tuple[MapPoint, ...] = () if day.route is None else map_points(day.route)
        self.bind(pos=self._draw, size=self._draw)

    def _place(self, point: MapPoint) -> tuple[float, float]:
        edge = dp(28)
        side = max(min(self.width, self.height) - 2 * edge, 1)
        left, bottom = self.center_x - side / 2, self.center_y - side / 2
        return left + point.x * side, bottom + point.y * side

    def _draw(self, *_: object) -> None:
        palette = self._look.palette
        self.canvas.clear()
        placed = [(point, *self._place(point)) for point in self._points]
        with self.canvas:
            Color(*palette.panel)
            Rectangle(pos=self.pos, size=self.size)
            Color(*palette.quiet)
            for i in range(0, max(len(placed) - 1, 0), MESH_VERTICES):
                some = placed[i : i + MESH_VERTICES + 1]
                vertices = [v for _, x, y in some for v in (x, y, 0, 0)]
                Mesh(vertices=vertices, indices=list(range(len(some))), mode="line_strip")
        current = self._day.next_stop
        for point, x, y in placed:
            self._dot(point, x, y, is_next=current is not None and point.number == current.number)

    def _dot(self, point: MapPoint, x: float, y: float, *, is_next: bool) -> None:
        palette = self._look.palette
        done = point.number > 0 and not self._day.stops[point.number - 1].is_open
        radius = dp(13 if is_next else 10)
        fill = palette.accent if is_next else palette.rule if done else palette.panel
        ink = palette.on_accent if is_next else palette.quiet if done else palette.text
        text = "■" if point.number == 0 else "√" if done else str(point.number)
        with self.canvas:
            Color(*fill)
            SmoothEllipse(pos=(x - radius, y - radius), size=(2 * radius, 2 * radius))
            Color(*(palette.rule if done else palette.accent))
            Line(circle=(x, y, radius), width=dp(1))
            if len(self._points) <= NUMBERED:
                texture = _glyphs(text, sp(12), self._look.font, ink)
                Color(1, 1, 1, 1)
                width, height = texture.size
                Rectangle(texture=texture, pos=(x - width / 2, y - height / 2), size=(width, height))

    def on_touch_up(self, touch: Any) -> bool:
        """Open the stop that is nearest to the tap."""
        if not self.collide_point(*touch.pos) or not self._points:
            return False
        far = [
            ((x - touch.x) ** 2 + (y - touch.y) ** 2, point.number)
            for point in self._points
            if point.number
            for x, y in [self._place(point)]
        ]
        square, number = min(far, default=(0.0, 0))
        if number and square <= dp(TARGET_DP) ** 2:
            self._chosen(self._day.stops[number - 1].stop.stop)
        return True
