"""What cameras, disks, the hub and other couriers do to the app: each has a clear answer, and nothing that was kept is lost."""

import io
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec.structs import replace

from contract.event import Lane, Outcome
from contract.limits import MAX_BLOB_BYTES
from contract.local import DocumentHappened, DraftDrop, FrameReader, LaneStatus, RecordProof, decode_request, frame
from contract.picture import MAX_PIXELS
from contract.route import MAX_PARCELS_PER_STOP, MAX_STOPS, ROUTE_DOCUMENT, Route, StopChange
from mobile_ui.camera import FileCamera
from mobile_ui.core import proof_draft
from mobile_ui.core.courier import Courier
from mobile_ui.core.day import StopState
from mobile_ui.core.photos import NoPhoto, small
from mobile_ui.core.proof_draft import DraftStep
from mobile_ui.core.scan_check import Tone
from tests.mobile_ui.kit import NOON_MS, FakeAgent, parcel, route, stop
from tests.mobile_ui.stage import Stage, on_stage, prepare

OPEN_S = 10.0
"""What takes a second on a quiet machine."""


def png(width: int, height: int) -> bytes:
    """A whole black picture of one bit a pixel: a few kilobytes, however large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = zlib.compress(bytes((width + 7) // 8 + 1) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def frame_of_jpeg(width: int, height: int) -> bytes:
    return b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"


def jpeg(width: int = 640, height: int = 480) -> bytes:
    from PIL import Image  # noqa: PLC0415 only here

    body = io.BytesIO()
    Image.new("RGB", (width, height), (186, 140, 99)).save(body, "JPEG")
    return body.getvalue()


@pytest.fixture
def agent() -> FakeAgent:
    return FakeAgent(route())


@pytest.fixture
def courier(tmp_path: Path, agent: FakeAgent) -> Courier:
    made = Courier(agent, tmp_path, now_ms=lambda: NOON_MS)
    made.link_changed(True)
    return made


def attempt(courier: Courier, name: str = "s2") -> None:
    """Nobody was there."""
    found = courier.day.find(name)
    assert found is not None
    courier.begin_proof(found.stop, hands_over=False)
    courier.change(lambda d: proof_draft.give_reason(d, "nobody_home"))
    courier.forward()
    assert courier.draft is not None
    assert courier.draft.step is DraftStep.PHOTOS


def take(courier: Courier, camera: FileCamera) -> None:
    path = courier.photo_path()
    assert path is not None
    camera.take(path, courier.add_photo)


def finish(courier: Courier) -> None:
    courier.forward()
    courier.keep()


# -- photos ------------------------------------------------------------------------------------------------------------


def test_f084_a_pixel_bomb_is_kept_byte_for_byte_and_never_decoded(
    tmp_path: Path, courier: Courier, agent: FakeAgent
) -> None:
    source = tmp_path / "bomb.png"
    source.write_bytes(png(12_000, 12_000))
    attempt(courier)
    take(courier, FileCamera(source))
    assert courier.draft is not None
    (name,) = courier.draft.photos

    assert small(tmp_path / name) is None
    assert sha256((tmp_path / name).read_bytes()).digest() == sha256(source.read_bytes()).digest()
    finish(courier)
    assert [one.photos for one in agent.asked if isinstance(one, RecordProof)] == [(name,)]


@pytest.mark.parametrize(
    "data",
    [
        # Its first frame is small, and the one that decoders go by is not.
        b"\xff\xd8"
        + frame_of_jpeg(100, 100)
        + frame_of_jpeg(12_000, 12_000)
        + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00",
        b"GIF89a" + struct.pack("<HH", 60_000, 60_000),
        b"II*\0" + bytes(64),
        b"SIMPLE  =                    T" + b" " * 2_850,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        jpeg()[:300],
        png(640, 480)[:-40],
        b"\0",
    ],
    ids=["jpeg-of-two-sizes", "gif", "tiff", "fits", "svg", "cut-jpeg", "cut-png", "nothing"],
)
def test_f084_f085_what_cannot_be_shown_in_small_is_no_reason_to_stop(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)

    assert small(path) is None


@pytest.mark.parametrize(
    "data", [jpeg(), png(640, 480), png(5_000, MAX_PIXELS // 5_000)], ids=["jpeg", "png", "largest"]
)
def test_a_photo_is_shown_in_small(tmp_path: Path, data: bytes) -> None:
    from PIL import Image  # noqa: PLC0415 only here

    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    picture = small(path)

    assert picture is not None
    width, height = Image.open(io.BytesIO(picture)).size
    assert max(width, height) <= 640


@pytest.mark.parametrize(("size", "said"), [(100_000_000, "100 MB"), (MAX_BLOB_BYTES + 1, "17 MB"), (0, "empty")])
def test_f089_a_photo_that_no_agent_takes_is_refused_when_it_is_taken(
    tmp_path: Path, courier: Courier, size: int, said: str
) -> None:
    source, gallery = tmp_path / "source", tmp_path / "large.jpg"
    with source.open("wb") as file:
        file.truncate(size)
    attempt(courier)
    with pytest.raises(NoPhoto, match="The photo"):
        take(courier, FileCamera(source))

    # A camera that does not look itself.
    gallery.write_bytes(b"")
    with gallery.open("wb") as file:
        file.truncate(size)
    courier.add_photo(gallery)
    assert courier.draft is not None
    assert (courier.draft.photos, courier.tone, gallery.exists()) == ((), Tone.REFUSED, False)
    assert said in courier.said.key.format_map(courier.said.values)


def test_f089_the_largest_photo_is_taken(tmp_path: Path, courier: Courier) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(MAX_BLOB_BYTES)
    attempt(courier)
    take(courier, FileCamera(source))
    assert courier.draft is not None
    assert len(courier.draft.photos) == 1


def test_f087_a_photo_that_is_gone_before_it_counts_is_told(tmp_path: Path, courier: Courier) -> None:
    attempt(courier)
    courier.add_photo(tmp_path / "never-written.jpg")

    assert courier.draft is not None
    assert (courier.draft.photos, courier.tone) == ((), Tone.REFUSED)
    assert "No such file" in courier.said.values["why"]


# -- the hub and other couriers ----------------------------------------------------------------------------------------


def replan(courier: Courier, agent: FakeAgent, change: Callable[[Route], Route]) -> None:
    plan = courier.day.route
    assert plan is not None
    agent.send_route(change(plan))
    courier.happened(DocumentHappened(ROUTE_DOCUMENT, agent.documents[ROUTE_DOCUMENT][0]))


def cancelled(name: str) -> Callable[[Route], Route]:
    return lambda plan: replace(
        plan, stops=tuple(replace(one, cancelled=True) if one.stop == name else one for one in plan.stops)
    )


def test_a_proof_of_a_stop_that_was_cancelled_meanwhile_is_kept_and_the_contradiction_shown(
    courier: Courier, agent: FakeAgent
) -> None:
    courier.look_at_changes()
    attempt(courier)
    finish(courier)
    replan(courier, agent, cancelled("s2"))

    found = courier.day.find("s2")
    assert found is not None
    assert (found.state, found.conflict, found.change) == (StopState.ATTEMPTED, True, StopChange.CANCELLED)
    assert len(agent.proofs()) == 1


def test_a_proof_begun_before_its_stop_was_cancelled_or_taken_off_is_finished_and_kept(
    courier: Courier, agent: FakeAgent
) -> None:
    attempt(courier, "s2")
    replan(courier, agent, cancelled("s2"))
    finish(courier)
    attempt(courier, "s3")
    replan(courier, agent, lambda plan: replace(plan, stops=tuple(one for one in plan.stops if one.stop != "s3")))
    finish(courier)

    assert [(one.stop, one.outcome) for one in agent.proofs()] == [
        ("s2", Outcome.ATTEMPTED),
        ("s3", Outcome.ATTEMPTED),
    ]
    assert courier.drafts == {}


def test_a_draft_that_cannot_be_read_is_said_and_the_others_come_back(courier: Courier, agent: FakeAgent) -> None:
    attempt(courier, "s2")
    agent.drafts["proof-other"] = b"\xc1"
    again = Courier(agent, courier.incoming, now_ms=lambda: NOON_MS)
    again.link_changed(True)

    assert (set(again.drafts), again.tone) == ({"s2"}, Tone.UNEXPECTED)
    assert "proof-other" in agent.drafts


def test_a_proof_is_shown_at_the_hub_as_soon_as_nothing_waits(courier: Courier, agent: FakeAgent) -> None:
    attempt(courier, "s2")
    finish(courier)
    assert [one.committed for one in courier.day.stops[1].proofs] == [False]

    status = agent.status()
    agent.status = lambda: replace(status, lanes=(LaneStatus(Lane.CUSTODY, 1, 1, 1, 0),))  # type: ignore[method-assign] # all was sent
    courier.refresh()

    assert [one.committed for one in courier.day.stops[1].proofs] == [True]


def test_a_return_scanned_in_the_middle_of_a_hand_over_is_not_said_to_be_delivered(courier: Courier) -> None:
    where = courier.day.stops[2].stop
    for collects, keys in ((False, ("RET-1", parcel(3))), (True, (parcel(3), "RET-1"))):
        courier.begin_proof(where, hands_over=True, collects=collects)
        for key in keys:
            courier.scan_typed(key)
        assert courier.draft is not None
        assert courier.draft.parcels == {keys[1]}
        courier.drafts.clear()


def test_a_route_that_cannot_be_read_is_said_and_the_one_before_stays_also_after_a_restart(
    tmp_path: Path, courier: Courier, agent: FakeAgent
) -> None:
    before = courier.day.route
    # The agent has one of version 2 that it cannot read, and gives the one in force.
    courier.happened(DocumentHappened(ROUTE_DOCUMENT, 2))

    assert courier.said.key == "The route that came cannot be read; the one before stays"
    again = Courier(agent, tmp_path, now_ms=lambda: NOON_MS)
    again.link_changed(True)
    assert again.day.route == courier.day.route == before


def test_an_attempt_at_the_fullest_stop_fits_one_proof(tmp_path: Path) -> None:
    full = stop(2, parcels=MAX_PARCELS_PER_STOP)
    agent = FakeAgent(replace(route(), stops=(full,)))
    courier = Courier(agent, tmp_path, now_ms=lambda: NOON_MS)
    courier.link_changed(True)
    attempt(courier)
    finish(courier)

    (asked,) = [one for one in agent.asked if isinstance(one, RecordProof)]
    # What the agent reads of it.
    (body,) = FrameReader().feed(frame(asked))
    assert decode_request(body) == asked
    assert len(asked.proof.refused) == MAX_PARCELS_PER_STOP


# -- the window --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _prepared() -> None:
    prepare(mock=True)


@pytest.fixture
def stage(tmp_path: Path, _prepared: None) -> Iterator[Stage]:
    with on_stage(route(), tmp_path, camera=FileCamera(tmp_path / "source.jpg")) as stage:
        stage.app.courier.sign_on("w.chen")
        stage.frames(8)
        attempt(stage.app.courier)
        stage.app.open_stop("s2")
        stage.frames(8)
        stage.tap("Go on with the proof")
        yield stage


def said(stage: Stage, data: bytes | None, tmp_path: Path) -> str:
    """All that the screen says after a photo of this file was taken."""
    (tmp_path / "source.jpg").unlink(missing_ok=True)
    if data is not None:
        (tmp_path / "source.jpg").write_bytes(data)
    stage.tap("Take a photo")
    stage.frames(20)
    return "\n".join(stage.texts())


@pytest.mark.filterwarnings("default")
def test_f084_f089_the_photo_screen_says_what_became_of_each_photo(stage: Stage, tmp_path: Path) -> None:
    assert "The photo could not be stored (No such file or directory). Take it again" in said(stage, None, tmp_path)
    large = bytes(100_000_000)
    assert "The photo has 100 MB; at most 17 MB can be kept. Take it again, smaller" in said(stage, large, tmp_path)
    assert stage.app.courier.draft.photos == ()

    bomb = "Too large to be shown here, or no picture. It is kept and sent as it is"
    assert bomb in said(stage, png(12_000, 12_000), tmp_path)
    assert said(stage, jpeg(), tmp_path).count(bomb) == 1
    from kivy.uix.image import Image  # noqa: PLC0415 opens the window

    assert [picture.texture.size for picture in stage.widgets(Image)] == [(640, 480)]

    gone = stage.app.courier.draft.photos[1]
    (tmp_path / "incoming" / gone).unlink()
    stage.tap("Next")
    stage.tap("← Back")
    assert not any(isinstance(one, DraftDrop) for one in stage.agent.asked)
    assert len(stage.widgets(Image)) == 1


@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("_prepared")
def test_the_list_of_the_longest_route_opens_and_scrolls_to_its_end(tmp_path: Path) -> None:
    from mobile_ui.widgets.stop_rows import StopList, StopRow  # noqa: PLC0415 opens the window

    began_s = time.monotonic()
    with on_stage(route(MAX_STOPS), tmp_path) as stage:
        stage.app.courier.sign_on("w.chen")
        stage.frames(8)
        assert stage.app.shown == "today"
        assert stage.says(f"0 of {MAX_STOPS} done")
        # Only what is seen is drawn.
        assert 0 < len(stage.widgets(StopRow)) < 20
        (stops,) = stage.widgets(StopList)
        stops.scroll_y = 0
        stage.frames(8)
        assert stage.says(str(MAX_STOPS))
        assert 0 < len(stage.widgets(StopRow)) < 20
    assert time.monotonic() - began_s < OPEN_S


@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("_prepared")
def test_a_stop_that_was_cancelled_after_its_proof_says_so_on_its_screen(tmp_path: Path) -> None:
    with on_stage(route(), tmp_path) as stage:
        courier = stage.app.courier
        courier.sign_on("w.chen")
        stage.frames(8)
        attempt(courier)
        finish(courier)
        stage.frames(8)
        replan(courier, stage.agent, cancelled("s2"))
        stage.frames(8)
        assert stage.says("The route was changed")
        stage.app.open_stop("s2")
        stage.frames(8)
        assert stage.says("! The hub says: cancelled")
        assert stage.says("! Two people meant different things. Both are kept; the dispatcher decides.")


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("taken_off", [False, True])
def test_a_stop_that_is_cancelled_under_the_courier_s_pen_is_told_there(stage: Stage, taken_off: bool) -> None:
    told = "! The hub took this stop off meanwhile. What you keep is kept all the same"
    assert not stage.says(told)
    if taken_off:
        replan(
            stage.app.courier,
            stage.agent,
            lambda plan: replace(plan, stops=tuple(one for one in plan.stops if one.stop != "s2")),
        )
    else:
        replan(stage.app.courier, stage.agent, cancelled("s2"))
    stage.frames(8)

    assert stage.app.shown == "proof"
    assert stage.says(told)
    finish(stage.app.courier)
    stage.frames(8)
    assert [one.stop for one in stage.agent.proofs()] == ["s2"]


def test_no_news_show_a_step_as_finished_before_it_is_on_disk(tmp_path: Path) -> None:
    with on_stage(route(), tmp_path) as stage:
        stage.app.courier.sign_on("w.chen")
        stage.app.open_stop("s1")
        stage.frames()
        stage.tap("HAND OVER")
        stage.key_in(parcel(1, 0))
        stage.agent.silent = True
        stage.tap("Next")
        stage.app._pages["proof"].redraw()
        stage.frames()
        assert stage.says("Scan what you hand over")
        stage.agent.speak()
        stage.frames(8)

        assert not stage.says("Scan what you hand over")


def test_next_finishes_no_step_that_nobody_saw(tmp_path: Path) -> None:
    with on_stage(route(), tmp_path) as stage:
        stage.app.courier.sign_on("w.chen")
        stage.app.open_stop("s2")
        stage.frames()
        stage.tap("Cannot deliver")
        stage.tap("Nobody there")
        stage.agent.silent = True
        for _ in range(3):
            stage.tap("Next")
        stage.agent.speak()
        stage.frames(8)

        assert stage.says("Take a photo")
        stage.tap("Next")
        assert stage.says("KEEP")
