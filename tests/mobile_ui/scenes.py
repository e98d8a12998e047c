"""Every screen in every state worth a look, one after the other, on a day of 140 stops with the longest names and codes."""

from collections.abc import Iterator

import msgspec

from contract.coldchain.findings import Budget
from contract.event import Outcome, Proof, Quantity
from contract.local import ColdHappened, ColdState, OpenAlarm, ReadingsHappened, SensorCold
from contract.messages import LatestReading
from contract.route import Check, Route, Stop, StopParcel, Task, TaskKind, Window, encode_route
from mobile_ui.core import proof_draft
from mobile_ui.core.day_keeper import SEEN_DRAFT, gist
from tests.mobile_ui.kit import COLD, HOUR_MS, NOON_MS, WARM, parcel, route, stop
from tests.mobile_ui.stage import FakeLink, Stage

STOPS = 140
LONG_CODE = "00340123450000200990011223344556677889900ABCDEFG"
LONG_ADDRESS = (
    "新疆维吾尔自治区伊犁哈萨克自治州察布查尔锡伯自治县孙扎齐牛录镇乌珠牛录村"
    "东大街一百二十八号锡伯民族风情园北区三号楼二单元十二层一二〇三室"
)
LONG_NAME = "伊犁哈萨克自治州察布查尔锡伯自治县人民医院药剂科冷链收货处"
REAR, DOOR = "van-12.probe.rear", "van-12.probe.door"


def hard_route() -> Route:
    """140 stops, among them what is awkward to show."""
    plan = route(STOPS)
    stops = list(plan.stops)
    everything = (Check.SIGNATURE, Check.PHOTO, Check.AGE, Check.COLD)
    stops[0] = msgspec.structs.replace(stops[0], window=Window(NOON_MS - 2 * HOUR_MS, NOON_MS - HOUR_MS // 6))
    stops[1] = Stop(
        "s2",
        LONG_NAME,
        LONG_ADDRESS,
        lat_e7=312_400_000,
        lon_e7=1_214_900_000,
        window=Window(NOON_MS, NOON_MS + 2 * HOUR_MS),
        parcels=(StopParcel(LONG_CODE, "胰岛素注射液 2-8 °C", everything), StopParcel(parcel(2, 1), "", everything)),
        tasks=(Task("t1", TaskKind.TAKE_BACK, "退回的周转保温箱两只，请核对封签号", "RET-1"),),
        notes="门铃坏了，请打电话；从北门进，保安室登记后乘货梯到十二层。",
        phone="+86 999 5555 0101",
    )
    stops[3] = stop(4, cancelled=True)
    stops[9] = stop(10, cancelled=True)
    return msgspec.structs.replace(plan, stops=tuple(stops))


def settle(agent: FakeLink, language: str, theme: str, scale: float) -> None:
    """What the agent has before the app comes."""
    agent.drafts["settings"] = f'{{"language":"{language}","theme":"{theme}","font_scale":{scale}}}'.encode()
    plan = hard_route()
    agent.send_route(plan)
    before = list(plan.stops)
    before[10] = msgspec.structs.replace(before[10], window=None)
    before[3] = stop(4)
    seen = msgspec.structs.replace(plan, stops=(*before[:11], *before[12:]))
    agent.drafts[SEEN_DRAFT] = encode_route(gist(seen))
    for n, outcome, given, held in (
        (4, Outcome.DELIVERED, (parcel(4),), ()),
        (5, Outcome.DELIVERED, (parcel(5, 0),), (parcel(5, 1),)),
        (6, Outcome.ATTEMPTED, (), ()),
        (7, Outcome.REFUSED, (), (parcel(7),)),
        (8, Outcome.RETURNED, (), (parcel(8),)),
        (9, Outcome.PICKED_UP, (parcel(9),), ()),
    ):
        agent.actor = "陈伟 W. Chen"
        agent.keep(Proof(f"s{n}", outcome, given, held), b"%016d" % n)
    agent.actor = ""


def scenes(stage: Stage) -> Iterator[str]:
    """The name of each when it is shown."""
    yield "sign-on"
    yield from _day(stage)
    yield from _loading(stage)
    yield from _stops(stage)
    yield from _proof(stage)
    yield from _rest(stage)


def _go(stage: Stage, name: str) -> None:
    stage.app.go(name)
    stage.app._unsay()
    stage.frames(4)


def _day(stage: Stage) -> Iterator[str]:
    app = stage.app
    app.courier.sign_on("陈伟 W. Chen")
    stage.frames(8)
    yield "today-changed"
    app.courier.look_at_changes()
    stage.frames(4)
    yield "today"
    _map(stage, shown=True)
    yield "map"
    _map(stage, shown=False)


def _map(stage: Stage, *, shown: bool) -> None:
    stage.app._pages["today"].as_map = shown
    stage.app.go("today")
    stage.frames(4)


def _loading(stage: Stage) -> Iterator[str]:
    app = stage.app
    _go(stage, "load")
    yield "load"
    for code in (parcel(1, 0), LONG_CODE):
        app.courier.scan_typed(code)
        stage.frames(4)
    yield "load-kept"
    stage.agent.vehicles["OTHER"] = "van 31"
    app.courier.scan_typed("OTHER")
    stage.frames(4)
    yield "load-wrong-van"
    app._pages["load"]._ask_why(app.courier.day.scans[1])
    stage.frames(4)
    yield "load-dialog"
    _dismiss(stage)


def _dismiss(stage: Stage) -> None:
    from kivy.core.window import Window  # noqa: PLC0415 opens the window
    from kivy.uix.modalview import ModalView  # noqa: PLC0415 the same

    for top in [one for one in Window.children if isinstance(one, ModalView)]:
        top.dismiss(animation=False)
    stage.frames(4)


def _stops(stage: Stage) -> Iterator[str]:
    for key, name in {"s1": "stop", "s2": "stop-long", "s4": "stop-conflict", "s6": "stop-attempted"}.items():
        stage.app.open_stop(key)
        stage.app._unsay()
        stage.frames(4)
        yield name


def _proof(stage: Stage) -> Iterator[str]:
    app, courier = stage.app, stage.app.courier
    app.open_stop("s2")
    courier.begin_proof(courier.day.find("s2").stop, hands_over=True)
    _go(stage, "proof")
    yield "proof-scan"
    courier.scan_typed(parcel(5, 0))
    stage.frames(4)
    yield "proof-wrong-stop"
    courier.scan_typed("4006381333931")
    stage.frames(4)
    yield "proof-nobody-planned"
    for code in (LONG_CODE, parcel(2, 1)):
        courier.scan_typed(code)
        stage.frames(4)
    yield "proof-scanned"
    app._unsay()
    courier.forward()
    stage.frames(4)
    yield "proof-checks"
    yield from _warm(stage)
    courier.change(lambda d: proof_draft.give_reason(proof_draft.refuse(d, LONG_CODE, refused=True), "damaged"))
    stage.frames(4)
    yield "proof-outcome-partly"
    courier.forward()
    stage.frames(4)
    app._pages["proof"].name_typed = "Wang Xiaoming 王小明"
    courier.change(lambda d: proof_draft.receive(d, "Wang Xiaoming 王小明", "neighbour"))
    stage.frames(4)
    yield "proof-recipient"
    courier.forward()
    stage.frames(4)
    courier.forward()
    stage.frames(4)
    yield "proof-signature-wanted"
    app._unsay()
    stage.frames(2)
    stage.draw([(0.1, 0.3), (0.2, 0.8), (0.3, 0.3), (0.4, 0.8), (0.5, 0.3)], [(0.6, 0.4), (0.7, 0.7), (0.85, 0.35)])
    yield "proof-signature"
    courier.forward()
    stage.frames(4)
    for _ in range(2):
        app._pages["proof"]._take_photo()
        stage.frames(4)
    yield "proof-photos"
    courier.forward()
    stage.frames(4)
    yield "proof-review"
    courier.keep()
    stage.frames(12)
    yield "today-kept"
    app.open_stop("s2")
    app._unsay()
    stage.frames(4)
    yield "stop-kept"
    courier.begin_proof(courier.day.find("s3").stop, hands_over=False)
    _go(stage, "proof")
    yield "proof-cannot-deliver"


def _warm(stage: Stage) -> Iterator[str]:
    """The load has been warm for too long, and is handed over all the same."""
    courier = stage.app.courier
    courier.happened(ColdHappened((WARM,)))
    courier.change(lambda d: proof_draft.check(d, Check.AGE, done=True))
    courier.forward()
    stage.frames(4)
    # The verdict of now comes with the step.
    courier.change(lambda d: proof_draft.cold(d, courier.van.verdict, courier.van.left_s))
    courier.change(lambda d: proof_draft.check(d, Check.COLD, done=True))
    stage.frames(4)
    stage.app._pages["proof"].redraw()
    stage.frames(4)
    yield "proof-checks-cold"
    courier.change(
        lambda d: proof_draft.acknowledge_cold(proof_draft.give_cold_reason(d, "recipient_accepts"), done=True)
    )
    courier.forward()
    stage.app._unsay()
    stage.frames(4)


def _rest(stage: Stage) -> Iterator[str]:
    app = stage.app
    _go(stage, "van")
    yield "van-exceeded"
    alarm = OpenAlarm("a1", "above 8", NOON_MS - HOUR_MS, 912, acknowledged=False)
    app.courier.happened(ReadingsHappened(_readings()))
    app.courier.happened(
        ColdHappened(
            (
                SensorCold(REAR, "pharma-2-8", ColdState.ABOVE, (Budget("above 8", 20_000_000, 28_800_000),), (alarm,)),
                SensorCold(DOOR, "pharma-2-8", ColdState.NO_DATA, COLD.budgets),
            )
        )
    )
    stage.frames(4)
    yield "van-alarm"
    app._pages["van"]._ask_why(alarm)
    stage.frames(4)
    yield "van-dialog"
    _dismiss(stage)
    _go(stage, "sync")
    yield "sync"
    _bottom(stage)
    yield "sync-look"
    _go(stage, "sign-on")
    yield "sign-on-handover"


def _readings() -> tuple[LatestReading, ...]:
    return (
        LatestReading(REAR, Quantity.TEMPERATURE_C, NOON_MS, 912),
        LatestReading(DOOR, Quantity.TEMPERATURE_C, NOON_MS - HOUR_MS, 480),
        LatestReading("van-12.probe.ambient", Quantity.TEMPERATURE_C, NOON_MS, 2_140),
    )


def _bottom(stage: Stage) -> None:
    from mobile_ui.widgets.basics import Scroll  # noqa: PLC0415 opens the window

    for view in stage.widgets(Scroll):
        view.scroll_y = 0.0
    stage.frames(4)
