"""A module of kivy's own kind that tells what a window shows, and where; copied into the `mods` of the app under test.

A person sees the screen and needs no seam; a test that moves a real pointer must know where the words are. It is told in the
file `HOLDFAST_SHOWN`; nothing here touches anything. Beside it one ending in `.still` was changed as many seconds after the
epoch as there were looks that found nothing moving. With `HOLDFAST_TRAP` the app is killed when the answer to a proof has
come and nobody has read it yet.
"""

# ruff: noqa: PLC0415 kivy loads this module while it is being imported itself

import json
import os
import signal
from pathlib import Path
from typing import Any

LOOK_S = 0.03


def start(window: Any, _context: Any) -> None:
    """The window is there."""
    from kivy.clock import Clock

    path = Path(os.environ["HOLDFAST_SHOWN"])
    looks = ["", ""]
    still_looks = 0
    still = path.with_suffix(".still")
    still.touch()
    os.utime(still, (0, 0))

    def look(_dt: float) -> None:
        nonlocal still_looks
        seen = json.dumps(_seen(window))
        # What is still moving is not told.
        if seen == looks[0] and seen != looks[1]:
            fresh = path.with_name(path.name + ".new")
            fresh.write_text(seen)
            fresh.replace(path)
            looks[1] = seen
        if seen == looks[0]:
            still_looks += 1
            os.utime(still, (still_looks, still_looks))
        looks[0] = seen

    Clock.schedule_interval(look, LOOK_S)
    if "HOLDFAST_TRAP" in os.environ:
        _set_trap()


def stop(_window: Any, _context: Any) -> None:
    """The window goes."""


def _seen(window: Any) -> list[dict[str, Any]]:
    from kivy.uix.label import Label
    from kivy.uix.modalview import ModalView
    from kivy.uix.textinput import TextInput

    tops = list(window.children)
    # A question hides what is behind it.
    tops = [top for top in tops if isinstance(top, ModalView)][:1] or tops
    found = []
    for top in tops:
        for widget in top.walk():
            kind = type(widget).__name__
            if isinstance(widget, (Label, TextInput)) or kind == "SignaturePad":
                found.append(_one(window, widget, kind))
    return found


def _one(window: Any, widget: Any, kind: str) -> dict[str, Any]:
    from kivy.uix.scrollview import ScrollView

    x, y = widget.to_window(widget.x, widget.y)
    low, high = y, y + widget.height
    parent = widget.parent
    while parent is not None and parent is not window:
        if isinstance(parent, ScrollView):
            _, bottom = parent.to_window(parent.x, parent.y)
            low, high = max(low, bottom), min(high, bottom + parent.height)
        parent = parent.parent
    return {
        "kind": kind,
        "text": getattr(widget, "text", ""),
        "x": round(x),
        "y": round(window.height - y - widget.height),
        "width": round(widget.width),
        "height": round(widget.height),
        "ink": [round(part, 2) for part in getattr(widget, "color", ())],
        "focus": getattr(widget, "focus", False),
        "whole": high - low >= widget.height - 1 and low >= 0 and high <= window.height,
    }


def _set_trap() -> None:
    from contract.local import Kept, RecordProof
    from mobile_ui.core import agent_link

    real_frame, real_decode = agent_link.frame, agent_link.decode_answer
    asked: list[RecordProof] = []

    def frame(request: Any) -> bytes:
        if isinstance(request, RecordProof):
            asked.append(request)
        return real_frame(request)

    def decode_answer(body: bytes) -> Any:
        answer = real_decode(body)
        if asked and isinstance(answer, Kept):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    agent_link.frame, agent_link.decode_answer = frame, decode_answer
