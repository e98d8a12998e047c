"""Takes a picture of every screen: `python -m tests.mobile_ui.pictures FOLDER LANGUAGE THEME [SCALE [DENSITY]]`."""

# ruff: noqa: PLC0415 kivy is imported when its environment is set, and opens a window

import sys
import tempfile
from pathlib import Path

from tests.mobile_ui.kit import WARM, FakeAgent, parcel, route
from tests.mobile_ui.stage import Stage, on_stage, prepare


def main(out: Path, language: str, theme: str, scale: float = 1.0, density: float = 1.0) -> None:
    prepare(mock=False, width=round(480 * density), height=round(800 * density), density=density)
    out.mkdir(parents=True, exist_ok=True)
    settings = f'{{"language":"{language}","theme":"{theme}","font_scale":{scale}}}'.encode()

    def settle(agent: FakeAgent) -> None:
        agent.drafts["settings"] = settings

    with tempfile.TemporaryDirectory() as folder, on_stage(route(42), Path(folder), agent=settle) as stage:
        story(stage, out)


def story(stage: Stage, out: Path) -> None:
    """Through all screens."""
    from kivy.core.window import Window

    count = iter(range(100))

    def shoot(name: str) -> None:
        stage.frames(4)
        Window.dispatch("on_draw")
        shot = Path(Window.screenshot(str(out / "shot.png")))
        shot.replace(out / f"{next(count):02d}-{name}.png")

    app = stage.app
    shoot("sign-on")
    app.courier.sign_on("陈伟 W. Chen")
    stage.frames(8)
    shoot("today")
    app._pages["today"].as_map = True
    app.go("today")
    shoot("map")
    app._pages["today"].as_map = False
    app.go("load")
    stage.frames()
    for n in (1, 2):
        app.courier.scan_typed(parcel(n, 0))
        stage.frames(4)
    stage.agent.vehicles["OTHER"] = "van 31"
    app.courier.scan_typed("OTHER")
    shoot("load-wrong-van")
    app._unsay()
    app.open_stop("s1")
    shoot("stop")
    app.open_stop("s2")
    shoot("stop-long-chinese")
    app.open_stop("s1")
    stop = app.courier.day.find("s1").stop
    app.courier.begin_proof(stop, hands_over=True)
    app.go("proof")
    stage.frames()
    app.courier.scan_typed(parcel(2, 0))
    shoot("proof-wrong-stop")
    for k in (0, 1):
        app.courier.scan_typed(parcel(1, k))
        stage.frames(4)
    shoot("proof-scanned")
    app._unsay()
    app.courier.van = type(app.courier.van)(app.courier.van.latest, (WARM,), app.courier.van.profiles)
    app.courier.forward()
    stage.frames(6)
    shoot("proof-checks-cold")
    from contract.route import Check
    from mobile_ui.core import proof_draft

    app.courier.change(lambda d: proof_draft.check(d, Check.COLD, done=True))
    app.courier.change(
        lambda d: proof_draft.acknowledge_cold(proof_draft.give_cold_reason(d, "recipient_accepts"), done=True)
    )
    app.courier.forward()
    stage.frames(6)
    app.courier.change(lambda d: proof_draft.give_reason(proof_draft.refuse(d, parcel(1, 1), refused=True), "damaged"))
    shoot("proof-outcome-partly")
    app.courier.forward()
    stage.frames(6)
    app._pages["proof"].name_typed = "Wang Xiaoming 王小明"
    app.courier.change(lambda d: proof_draft.receive(d, "Wang Xiaoming 王小明", "neighbour"))
    shoot("proof-recipient")
    app.courier.forward()
    stage.frames(6)
    stage.draw([(0.1, 0.3), (0.2, 0.8), (0.3, 0.3), (0.4, 0.8), (0.5, 0.3)], [(0.6, 0.4), (0.7, 0.7), (0.85, 0.35)])
    shoot("proof-signature")
    app.courier.forward()
    stage.frames(6)
    app._pages["proof"]._take_photo()
    stage.frames(6)
    shoot("proof-photos")
    app.courier.forward()
    stage.frames(6)
    shoot("proof-review")
    app.courier.keep()
    stage.frames(12)
    shoot("today-kept")
    stage.agent.waiting.clear()
    app.open_stop("s1")
    shoot("stop-kept")
    app.courier.begin_proof(app.courier.day.find("s3").stop, hands_over=False)
    app.go("proof")
    shoot("proof-cannot-deliver")
    app.go("van")
    shoot("van")
    app.go("sync")
    shoot("sync")
    app._pages["load"]._ask_why(app.courier.day.scans[0])
    shoot("dialog")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], *(float(a) for a in sys.argv[4:]))
