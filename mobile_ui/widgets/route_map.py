"""The map of the day: the route as a line with its stops, drawn from the route itself; nearer and farther by buttons."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from kivy.core.text import Label as Glyphs
from kivy.graphics import Color, Line, Mesh, PopMatrix, PushMatrix, Rectangle, SmoothEllipse, Translate
from kivy.metrics import dp, sp
from kivy.uix.stencilview import StencilView

from mobile_ui.core.day import Day
from mobile_ui.core.map_points import MapPoint, map_points
from mobile_ui.look import TARGET_DP, Colour, Look
from mobile_ui.widgets.press import Press

MESH_VERTICES: Final = 30_000
EDGE_DP: Final = 32
"""Between the outermost stop and the edge."""
NUMBER_DP: Final = 11
DOT_DP: Final = 4
"""Radius of a stop with its number, and of one for which there is no room or that is done."""
AHEAD: Final = 6
"""The way to so many stops is drawn in the colour of what comes next."""
NEARER: Final = 2.0
NEAREST: Final = 32.0
DRAG_DP: Final = 10
"""A finger that moved so far does not tap."""


@lru_cache(1_024)
def _glyphs(text: str, size: float, font: str, ink: Colour) -> Any:
    """The texture of a number; making 200 takes a third of a second."""
    glyphs = Glyphs(text=text, font_size=size, font_name=font, color=ink)
    glyphs.refresh()
    return glyphs.texture


@dataclass
class View:
    """Which part of the map is shown; it outlives the drawing."""

    zoom: float = 1.0
    middle: tuple[float, float] | None = None
    """The point in the middle of the screen; None for that of the route."""


class RouteMap(Press, StencilView):  # type: ignore[misc] # kivy ships without types
    """Shows all stops, and their numbers where there is room; a tap opens the nearest one, a finger moves the map."""

    def __init__(self, look: Look, day: Day, chosen: Callable[[str], None], view: View) -> None:
        super().__init__()
        self._look = look
        self._day = day
        self._chosen = chosen
        self._points: tuple[MapPoint, ...] = () if day.route is None else map_points(day.route)
        self._view = view
        xs, ys = [p.x for p in self._points] or [0.5], [p.y for p in self._points] or [0.5]
        self._spans = max(max(xs) - min(xs), 1e-3), max(max(ys) - min(ys), 1e-3)
        self._whole = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
        self._moved = 0.0, 0.0
        self._shift: Any = None
        self.bind(pos=self._draw, size=self._draw)

    # -- where things are ------------------------------------------------------------------------------------------

    @property
    def _side(self) -> float:
        """How many pixels the unit of the points is."""
        edge = 2 * dp(EDGE_DP)
        fits = min((self.width - edge) / self._spans[0], (self.height - edge) / self._spans[1])
        return float(max(fits, 1.0) * self._view.zoom)

    def _place(self, point: MapPoint) -> tuple[float, float]:
        side, (x, y) = self._side, self._view.middle or self._whole
        return self.center_x + (point.x - x) * side, self.center_y + (point.y - y) * side

    def nearer(self) -> None:
        """Show less of it larger, first around the next stop."""
        current = self._day.next_stop
        if self._view.middle is None and current is not None:
            here = next((p for p in self._points if p.number == current.number), None)
            self._view.middle = None if here is None else (here.x, here.y)
        self._view.zoom = min(self._view.zoom * NEARER, NEAREST)
        self._draw()

    def farther(self) -> None:
        """Show more of it, at last all."""
        self._view.zoom = max(self._view.zoom / NEARER, 1.0)
        if self._view.zoom == 1.0:
            self._view.middle = None
        self._draw()

    # -- drawing ---------------------------------------------------------------------------------------------------

    def _draw(self, *_: object) -> None:
        palette = self._look.palette
        self.canvas.clear()
        placed = [(point, *self._place(point)) for point in self._points]
        current = self._day.next_stop
        number = 0 if current is None else current.number
        with self.canvas:
            Color(*palette.panel)
            Rectangle(pos=self.pos, size=self.size)
            PushMatrix()
            self._shift = Translate(0, 0)
            Color(*palette.rule)
            self._way(placed)
            Color(*palette.accent)
            ahead = [one for one in placed if number - 1 <= one[0].number < number + AHEAD]
            Line(points=[c for _, x, y in ahead for c in (x, y)], width=dp(1.2))
            for point, x, y, shown in reversed(self._with_room(placed, number)):
                self._stop(point, x, y, numbered=shown, is_next=point.number == number and number > 0)
            PopMatrix()

    def _way(self, placed: list[tuple[MapPoint, float, float]]) -> None:
        for i in range(0, max(len(placed) - 1, 0), MESH_VERTICES):
            some = placed[i : i + MESH_VERTICES + 1]
            vertices = [v for _, x, y in some for v in (x, y, 0, 0)]
            Mesh(vertices=vertices, indices=list(range(len(some))), mode="line_strip")

    def _is_done(self, point: MapPoint) -> bool:
        return point.number > 0 and not self._day.stops[point.number - 1].is_open

    def _with_room(
        self, placed: list[tuple[MapPoint, float, float]], number: int
    ) -> list[tuple[MapPoint, float, float, bool]]:
        """What is on the screen, and whether its number fits; depot and next stops first."""

        def rank(one: tuple[MapPoint, float, float]) -> tuple[bool, bool, int]:
            n = one[0].number
            return n > 0 and n != number, self._is_done(one[0]), n

        room, reach = 2 * dp(NUMBER_DP), dp(NUMBER_DP)
        taken: set[tuple[int, int]] = set()
        shown: list[tuple[MapPoint, float, float, bool]] = []
        for point, x, y in sorted(placed, key=rank):
            if not (self.x - reach <= x <= self.right + reach and self.y - reach <= y <= self.top + reach):
                continue
            column, row = int(x // room), int(y // room)
            near = {(column + i, row + j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
            fits = not self._is_done(point) and not taken & near
            if fits:
                taken.add((column, row))
            shown.append((point, x, y, fits))
        return shown

    def _stop(self, point: MapPoint, x: float, y: float, *, numbered: bool, is_next: bool) -> None:
        palette = self._look.palette
        done = self._is_done(point)
        radius = dp((NUMBER_DP + 3 if is_next else NUMBER_DP) if numbered else DOT_DP)
        Color(*(palette.accent if is_next or not (numbered or done) else palette.quiet if done else palette.panel))
        SmoothEllipse(pos=(x - radius, y - radius), size=(2 * radius, 2 * radius))
        if not numbered:
            return
        Color(*palette.accent)
        Line(circle=(x, y, radius), width=max(1.0, dp(0.6)))
        text = str(point.number) if point.number else "■"
        texture = _glyphs(text, sp(12), self._look.font, palette.on_accent if is_next else palette.text)
        Color(1, 1, 1, 1)
        width, height = texture.size
        Rectangle(texture=texture, pos=(x - width / 2, y - height / 2), size=(width, height))

    # -- fingers ---------------------------------------------------------------------------------------------------

    def on_touch_down(self, touch: Any) -> bool:
        """A finger comes."""
        self._moved = 0.0, 0.0
        return bool(super().on_touch_down(touch))

    def on_touch_move(self, touch: Any) -> bool:
        """It moves the map with it."""
        if touch.grab_current is not self:
            return False
        self._moved = self._moved[0] + touch.dx, self._moved[1] + touch.dy
        self._shift.x, self._shift.y = self._moved if self._is_dragged else (0.0, 0.0)
        return True

    @property
    def _is_dragged(self) -> bool:
        return bool(math.hypot(*self._moved) > dp(DRAG_DP))

    def on_release(self) -> None:
        """Open the stop that is nearest to the tap, or leave the map where it was moved to."""
        if self._is_dragged:
            side, (x, y) = self._side, self._view.middle or self._whole
            self._view.middle = x - self._moved[0] / side, y - self._moved[1] / side
            self._draw()
            return
        touch = self.last_touch
        far = [
            (math.dist((x, y), touch.pos), point.number)
            for point in self._points
            if point.number
            for x, y in [self._place(point)]
        ]
        distance, number = min(far, default=(0.0, 0))
        if number and distance <= dp(TARGET_DP):
            self._chosen(self._day.stops[number - 1].stop.stop)
