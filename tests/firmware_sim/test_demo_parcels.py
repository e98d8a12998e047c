from firmware_sim.demo.parcels import VAN_STEPS, DockShift, Shift, VanShift
from firmware_sim.physics.codes import Code, code_stream

PARCELS = [Code(f"P{i}".encode()) for i in range(6)]


def scan(shift: Shift, *, heard: bool = True) -> tuple[bytes, str | None]:
    """What the person scans next, and means by it."""
    number, code = next(shift)
    step = shift.step
    if heard:
        shift.beeped(number)
    return code.data, step


def van_with(parcels: list[Code]) -> VanShift:
    van = VanShift("w.chen", load=2)
    van.waiting.extend(parcels)
    return van


def test_van_loads_takes_out_and_delivers_a_round_of_parcels() -> None:
    van = van_with(PARCELS[:2])

    assert [scan(van) for _ in range(10)] == [
        (b"HF:ACTOR:w.chen", None),
        (b"HF:STEP:loaded", None),
        (b"P0", "loaded"),
        (b"P1", "loaded"),
        (b"HF:STEP:out_for_delivery", None),
        (b"P0", "out_for_delivery"),
        (b"P1", "out_for_delivery"),
        (b"HF:STEP:delivered", None),
        (b"P0", "delivered"),
        (b"P1", "delivered"),
    ]
    assert not van.has_work


def test_van_waits_until_a_round_is_full() -> None:
    van = van_with(PARCELS[:1])
    scan(van)

    assert not van.has_work
    van.waiting.append(PARCELS[1])
    assert van.has_work


def test_van_drives_before_it_delivers() -> None:
    now_s = 100.0
    van = VanShift("w.chen", load=1, drive_s=10, now_s=lambda: now_s)
    van.waiting.extend(PARCELS[:1])
    assert [scan(van)[1] for _ in range(5)] == [None, None, "loaded", None, "out_for_delivery"]

    assert not van.has_work
    now_s += 9
    assert not van.has_work
    now_s += 1
    assert [scan(van) for _ in range(2)] == [(b"HF:STEP:delivered", None), (b"P0", "delivered")]


def test_code_that_did_not_beep_is_scanned_again_under_a_new_number() -> None:
    van = van_with(PARCELS[:2])
    scan(van)
    scan(van)

    assert scan(van, heard=False) == (b"P0", "loaded")
    assert scan(van) == (b"P0", "loaded")
    assert scan(van) == (b"P1", "loaded")


def test_beep_for_an_earlier_send_changes_nothing() -> None:
    van = van_with(PARCELS[:2])
    number, _ = next(van)
    next(van)

    assert van.beeped(number) is None
    assert scan(van) == (b"HF:ACTOR:w.chen", None)


def test_step_card_is_shown_again_after_the_device_was_away() -> None:
    van = van_with(PARCELS[:2])
    for _ in range(3):
        scan(van)

    van.came_back()

    assert scan(van) == (b"HF:STEP:loaded", None)
    assert scan(van) == (b"P1", "loaded")


def test_no_card_is_shown_twice_in_a_row_after_the_device_was_away() -> None:
    van = van_with(PARCELS[:2])
    for _ in range(4):
        scan(van)

    van.came_back()

    assert scan(van) == (b"HF:STEP:out_for_delivery", None)
    assert scan(van) == (b"P0", "out_for_delivery")


def test_dock_puts_each_received_parcel_where_the_fewest_stand() -> None:
    vans = [VanShift("a"), VanShift("b")]
    dock = DockShift("s.okafor", code_stream(1), vans, room=2)

    steps = []
    while dock.has_work:
        steps.append(scan(dock)[1])

    assert steps == [None, None, *["received"] * 4]
    assert [len(van.waiting) for van in vans] == [2, 2]


def test_parcel_reaches_a_van_only_after_it_beeped_at_the_dock() -> None:
    van = VanShift("a")
    dock = DockShift("s.okafor", code_stream(1), [van])
    scan(dock)
    scan(dock)

    first = scan(dock, heard=False)
    assert not van.waiting
    again = scan(dock)

    assert first == again
    assert [code.data for code in van.waiting] == [first[0]]


def test_every_parcel_has_the_same_story() -> None:
    vans = [VanShift("a", load=2), VanShift("b", load=2)]
    dock = DockShift("s.okafor", code_stream(1), vans, room=4)
    stories: dict[bytes, list[str]] = {}
    for _ in range(300):
        for shift in (dock, *vans):
            if shift.has_work:
                data, step = scan(shift)
                if step is not None:
                    stories.setdefault(data, []).append(step)

    finished = [story for story in stories.values() if len(story) == 4]
    assert len(finished) > 50
    assert all(story == ["received", *VAN_STEPS][: len(story)] for story in stories.values())
