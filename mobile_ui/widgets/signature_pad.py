"""The pad for a signature. What it keeps are strokes; what it shows is drawn from them."""

from collections.abc import Callable
from typing import Any, Final

from kivy.graphics import Color, Line, Rectangle, SmoothLine
from kivy.metrics import dp
from kivy.uix.widget import Widget

from contract.signature import MAX_AFTER_MS, MAX_POINTS, PAD_WIDTH, Point, Signature, Stroke
from mobile_ui.look import Look

LEAST_MOVE: Final = 20
"""In the pad's units: a resting finger makes no points."""


class SignaturePad(Widget):  # type: ignore[misc] # kivy ships without types
    """Takes strokes of a finger or pen; `signed` gets the signature after each stroke."""

    def __init__(
        self,
        look: Look,
        signed: Callable[[Signature], None],
        *,
        signature: Signature | None = None,
        now_ms: Callable[[], int],
    ) -> None:
        super().__init__(size_hint_y=None, height=dp(240))
        self._signed = signed
        self._now_ms = now_ms
        self._strokes: list[Stroke] = [] if signature is None else list(signature.strokes)
        self._drawing: list[Point] = []
        self._began_ms = now_ms() - max((s[-1][2] for s in self._strokes if s), default=0)
        self._pen = look.palette.text
        with self.canvas.before:
            Color(*look.palette.panel)
            self._ground = Rectangle()
            Color(*look.palette.quiet)
            # Thicker lines have no dashes, and are twice as thick as their width.
            self._edge = Line(width=max(1.0, dp(0.5)))
            self._base = Line(width=1, dash_length=dp(4), dash_offset=dp(4))
        self.bind(pos=self._place, size=self._place)

    @property
    def _pad_height(self) -> int:
        width, height = float(self.width), float(self.height)
        return max(1, round(height / max(width, 1) * PAD_WIDTH))

    @property
    def signature(self) -> Signature:
        """What was drawn so far."""
        return Signature(self._pad_height, tuple(self._strokes))

    def clear(self) -> None:
        """Begin anew."""
        self._strokes = []
        self._drawing = []
        self._draw()
        self._signed(self.signature)

    def _place(self, *_: object) -> None:
        self._ground.pos, self._ground.size = self.pos, self.size
        self._edge.rectangle = (*self.pos, *self.size)
        y = self.y + self.height * 0.25
        self._base.points = [self.x + dp(16), y, self.right - dp(16), y]
        self._draw()

    def _draw(self) -> None:
        self.canvas.clear()
        with self.canvas:
            Color(*self._pen)
            for stroke in (*self._strokes, tuple(self._drawing)):
                if stroke:
                    SmoothLine(points=self._on_screen(stroke), width=dp(1.6))

    def _on_screen(self, stroke: Stroke) -> list[float]:
        scale = self.width / PAD_WIDTH
        points = [c for x, y, _ in stroke for c in (self.x + x * scale, self.top - y * scale)]
        # A dot is a short line.
        return points if len(stroke) > 1 else [*points, points[0] + dp(1), points[1]]

    def _point(self, touch: Any) -> Point:
        scale = PAD_WIDTH / max(self.width, 1)
        x = min(max(round((touch.x - self.x) * scale), 0), PAD_WIDTH)
        y = min(max(round((self.top - touch.y) * scale), 0), self._pad_height)
        # A clock may be set between two strokes; a draft with a time beyond its bounds could not be read again.
        return (x, y, min(max(self._now_ms() - self._began_ms, 0), MAX_AFTER_MS))

    def on_touch_down(self, touch: Any) -> bool:
        """A stroke begins."""
        if not self.collide_point(*touch.pos):
            return False
        touch.grab(self)
        if not self._strokes:
            self._began_ms = self._now_ms()
        self._drawing = [self._point(touch)]
        return True

    def on_touch_move(self, touch: Any) -> bool:
        """It goes on."""
        if touch.grab_current is not self or not self._drawing:
            return False
        point = self._point(touch)
        x, y, _ = self._drawing[-1]
        room = sum(map(len, self._strokes)) + len(self._drawing) < MAX_POINTS
        if room and abs(point[0] - x) + abs(point[1] - y) >= LEAST_MOVE:
            self._drawing.append(point)
            self._draw()
        return True

    def on_touch_up(self, touch: Any) -> bool:
        """It ended."""
        if touch.grab_current is not self:
            return False
        touch.ungrab(self)
        self.end_stroke()
        return True

    def end_stroke(self) -> None:
        """Keep the stroke that is being drawn, because the pen is up or this pad is about to be replaced."""
        if self._drawing:
            self._strokes.append(tuple(self._drawing))
            self._drawing = []
            self._draw()
            self._signed(self.signature)
