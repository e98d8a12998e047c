from collections import Counter

from contract.event import Fix, Outcome
from contract.identity import identify
from firmware_sim.demo.handheld import Promise
from firmware_sim.demo.parcels import DockShift, Shift, VanShift
from firmware_sim.demo.visits import Deed, Visit
from firmware_sim.physics.codes import Code, code_stream


class App:
    """A handheld that keeps at once, or when it is told to."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.deeds: list[Deed] = []
        self.promises: list[Promise] = []
        self._at_once = at_once

    def prove(self, deed: Deed) -> Promise:
        self.deeds.append(deed)
        promise = Promise(deed)
        self.promises.append(promise)
        if self._at_once:
            promise.kept.set()
        return promise

    @property
    def outcomes(self) -> list[tuple[str, Outcome]]:
        return [(deed.proof.stop, deed.proof.outcome) for deed in self.deeds]


def visit(stop: str, *codes: str) -> Visit:
    scanned = tuple(Code(code.encode()) for code in codes)
    keys = tuple(identify(code.data, code.aim).key for code in scanned)
    return Visit(0, stop, f"Consignee {stop}", Fix(1, 2), scanned, keys, frozenset())


def scan(shift: Shift, *, heard: bool = True) -> tuple[bytes, str | None]:
    """What the person scans next, and means by it."""
    number, code = next(shift)
    step = shift.step
    if heard:
        shift.beeped(number)
    return code.data, step


def has_work_soon(shift: Shift) -> bool:
    """Whether there is something to scan now, or once proofs that are kept already have been noticed."""
    return any(shift.has_work for _ in range(6))


def scan_all(shift: Shift) -> list[tuple[bytes, str | None]]:
    """Until there is nothing to scan."""
    scans = []
    while has_work_soon(shift):
        scans.append(scan(shift))
    return scans


def van_with(app: App, *stops: Visit, load: int = 2, skip: int = 0) -> VanShift:
    """A van whose parcels stand at the dock; its first stop has the number `skip`."""
    van = VanShift("w.chen", app.prove, load=load)
    van.take([visit("-")] * skip)
    van._tour.clear()
    van.take(stops)
    van.waiting.extend(code for stop in stops for code in stop.codes)
    return van


def test_van_loads_a_round_takes_each_stop_its_parcels_and_proves_it() -> None:
    app = App()
    van = van_with(app, visit("a", "P0", "P1"), load=2)

    assert scan_all(van) == [
        (b"HF:ACTOR:w.chen", None),
        (b"HF:STEP:loaded", None),
        (b"P0", "loaded"),
        (b"P1", "loaded"),
        (b"HF:STEP:out_for_delivery", None),
        (b"P0", "out_for_delivery"),
        (b"P1", "out_for_delivery"),
    ]
    assert app.outcomes == [("a", Outcome.DELIVERED)]
    assert van.is_done


def test_van_waits_until_all_parcels_of_its_round_stand_there() -> None:
    van = van_with(App(), visit("a", "P0", "P1"))
    missing = van.waiting.pop()
    scan(van)

    assert not van.has_work
    assert not van.is_done
    van.waiting.append(missing)
    assert van.has_work


def test_van_drives_before_it_delivers() -> None:
    now_s = 100.0
    van = VanShift("w.chen", App().prove, load=1, drive_s=10, now_s=lambda: now_s)
    stop = visit("a", "P0")
    van.take([stop])
    van.waiting.extend(stop.codes)
    assert [step for _, step in scan_all(van)] == [None, None, "loaded"]

    now_s += 9
    assert not van.has_work
    now_s += 1
    assert scan_all(van)[-1] == (b"P0", "out_for_delivery")


def test_courier_stays_at_a_door_until_the_proof_is_kept() -> None:
    app = App(at_once=False)
    van = van_with(app, visit("a", "P0"), visit("b", "P1"), load=2, skip=3)

    assert scan_all(van)[-1] == (b"P0", "out_for_delivery")
    app.promises[0].kept.set()
    assert scan_all(van) == [(b"P1", "out_for_delivery")]
    assert not van.is_done
    app.promises[1].kept.set()
    assert scan_all(van) == []
    assert van.is_done


def test_who_was_not_at_home_is_met_again_at_the_end_of_the_round() -> None:
    app = App()
    scan_all(van_with(app, visit("a", "P0"), visit("b", "P1"), load=2, skip=2))

    assert app.outcomes == [("a", Outcome.ATTEMPTED), ("b", Outcome.DELIVERED), ("a", Outcome.DELIVERED)]
    assert app.deeds[0].proof.refused == app.deeds[2].proof.delivered


def test_what_is_refused_goes_back_and_is_scanned_at_the_dock() -> None:
    app = App()
    van = van_with(app, visit("a", "P0"), load=1, skip=1)
    dock = DockShift("s.okafor", [van])
    scan_all(van)

    assert app.outcomes == [("a", Outcome.REFUSED), ("a", Outcome.RETURNED)]
    assert not van.is_done
    assert scan_all(dock) == [(b"HF:ACTOR:s.okafor", None), (b"HF:STEP:returned", None), (b"P0", "returned")]
    assert van.is_done


def test_the_next_round_begins_when_the_dock_has_scanned_what_came_back() -> None:
    van = van_with(App(), visit("a", "P0"), visit("b", "P1"), load=1, skip=1)
    dock = DockShift("s.okafor", [van])
    scan_all(van)

    assert not has_work_soon(van)
    scan_all(dock)

    assert scan(van) == (b"HF:STEP:loaded", None)


def test_a_damaged_parcel_is_brought_back_and_the_others_are_handed_over() -> None:
    app = App()
    van = van_with(app, visit("a", "P0", "P1"), load=2, skip=5)
    scan_all(van)

    [deed] = app.deeds
    assert (deed.proof.outcome, deed.proof.delivered, deed.proof.refused) == (Outcome.DELIVERED, ("P0",), ("P1",))
    assert [code.data for code in van.brought] == [b"P1"]


def test_code_that_did_not_beep_is_scanned_again_under_a_new_number() -> None:
    van = van_with(App(), visit("a", "P0"), visit("b", "P1"))
    scan(van)
    scan(van)

    assert scan(van, heard=False) == (b"P0", "loaded")
    assert scan(van) == (b"P0", "loaded")
    assert scan(van) == (b"P1", "loaded")


def test_beep_for_an_earlier_send_changes_nothing() -> None:
    van = van_with(App(), visit("a", "P0"))
    number, _ = next(van)
    next(van)

    assert van.beeped(number) is None
    assert scan(van) == (b"HF:ACTOR:w.chen", None)


def test_step_card_is_shown_again_after_the_device_was_away() -> None:
    van = van_with(App(), visit("a", "P0"), visit("b", "P1"))
    for _ in range(3):
        scan(van)

    van.came_back()

    assert scan(van) == (b"HF:STEP:loaded", None)
    assert scan(van) == (b"P1", "loaded")


def test_no_card_is_shown_twice_in_a_row_after_the_device_was_away() -> None:
    van = van_with(App(), visit("a", "P0"))
    for _ in range(3):
        scan(van)
    assert van.has_work

    van.came_back()

    assert scan(van) == (b"HF:STEP:out_for_delivery", None)
    assert scan(van) == (b"P0", "out_for_delivery")


def test_dock_receives_for_each_van_what_is_its_own_where_the_fewest_stand() -> None:
    vans = [VanShift(name, App().prove) for name in "ab"]
    dock = DockShift("s.okafor", vans, room=2)
    codes = [code for _, code in zip(range(6), (code for _, code in code_stream(1)), strict=False)]
    dock.expect(vans[0], codes[:3])
    dock.expect(vans[1], codes[3:])

    steps = [step for _, step in scan_all(dock)]

    assert steps == [None, None, *["received"] * 4]
    assert [list(van.waiting) for van in vans] == [codes[:2], codes[3:5]]


def test_parcel_reaches_a_van_only_after_it_beeped_at_the_dock() -> None:
    van = VanShift("a", App().prove)
    dock = DockShift("s.okafor", [van])
    dock.expect(van, [Code(b"P0")])
    scan(dock)
    scan(dock)

    first = scan(dock, heard=False)
    assert not van.waiting
    again = scan(dock)

    assert first == again == (b"P0", "received")
    assert [code.data for code in van.waiting] == [b"P0"]


def test_every_parcel_of_a_tour_is_received_loaded_taken_out_and_proved_or_brought_back() -> None:
    apps = [App(), App()]
    vans = [VanShift("a", apps[0].prove, load=4), VanShift("b", apps[1].prove, load=4)]
    dock = DockShift("s.okafor", vans, room=8)
    for van, name in zip(vans, "ab", strict=True):
        tour = [visit(f"{name}{n}", *(f"{name}{n}-{k}" for k in range(1 + n % 3))) for n in range(40)]
        van.take(tour)
        dock.expect(van, (code for stop in tour for code in stop.codes))
    steps: Counter[str | None] = Counter()
    while any(has_work_soon(shift) for shift in (*vans, dock)):
        for shift in (dock, *vans):
            if shift.has_work:
                steps[scan(shift)[1]] += 1

    parcels = sum(1 + n % 3 for n in range(40)) * 2
    given = [parcel for app in apps for deed in app.deeds for parcel in deed.proof.delivered]
    assert all(van.is_done for van in vans)
    assert steps["received"] == steps["loaded"] == steps["out_for_delivery"] == parcels
    assert len(given) == len(set(given)) == parcels - steps["returned"]
    assert 0 < steps["returned"] < parcels / 4
    assert {outcome for app in apps for _, outcome in app.outcomes} == set(Outcome) - {Outcome.PICKED_UP}
