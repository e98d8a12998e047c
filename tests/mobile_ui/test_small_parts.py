"""Words, tones, signature, van, sync, configuration."""

import io
import signal
import string
import time
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.cold_verdict import ColdVerdict
from contract.coldchain.assignments import Assignment, ColdChainDocument
from contract.coldchain.presets import PRESETS
from contract.errors import Malformed
from contract.signature import MAX_POINTS, PAD_WIDTH, Signature, decode_signature, encode_signature, svg_of
from mobile_ui.agent_config import ConfigUnusable, data_folder
from mobile_ui.app import _Ending, main
from mobile_ui.core.say import say
from mobile_ui.core.scan_check import Tone
from mobile_ui.core.settings import Settings, decode_settings
from mobile_ui.core.shown import ago, celsius, clock, duration, megabytes
from mobile_ui.core.signature_picture import png_of
from mobile_ui.core.sync import Sync, sync_of
from mobile_ui.core.tones import NOTES, SAMPLE_HZ, wave_of
from mobile_ui.core.van import STALE_MS, Van
from mobile_ui.core.words import Words, catalogue, read_po
from mobile_ui.look import FONTS, LATIN_ONLY, PALETTES, find_font
from tests.mobile_ui.kit import COLD, NOON_MS, READING, SENSOR, WARM, FakeAgent, scan_event
from tests.mobile_ui.sentences import said

# -- words ---------------------------------------------------------------------------------------------------------------


def test_every_sentence_has_chinese_and_the_catalogue_nothing_else() -> None:
    assert set(said()) == set(catalogue("zh"))


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_translation_fills_the_same_places() -> None:
    assert {key: text for key, text in catalogue("zh").items() if _places(key) != _places(text)} == {}


def test_a_sentence_in_a_sentence_is_put_into_the_language_too() -> None:
    assert Words("zh")(say("{time} ago", time=duration(180))) == "3 分钟前"
    assert Words("en")(say("{time} ago", time=duration(180))) == "3 min ago"
    assert Words("xx").language == "en"


def test_words_of_people_stay_as_they_are() -> None:
    assert Words("zh")("Kept") == "Kept"
    assert Words("en")(say("{why}", why="{x} %s")) == "{x} %s"


def test_a_catalogue_is_read_with_long_lines_and_without_what_is_not_translated() -> None:
    text = 'msgid ""\nmsgstr "header"\n\n#: a.py\nmsgid "one "\n"two\\n"\nmsgstr "eins "\n"zwei"\n\nmsgid "none"\nmsgstr ""\n'

    assert read_po(text) == {"one two\n": "eins zwei"}


def test_every_character_of_the_app_is_in_the_font() -> None:
    from PIL import ImageFont  # noqa: PLC0415 only here

    font = find_font()
    if font == LATIN_ONLY:
        pytest.fail(f"no font with Chinese: install fonts-wqy-microhei; looked at {FONTS}")
    face = ImageFont.truetype(font, 32)
    blank = bytes(face.getmask("\uffff")), bytes(face.getmask("\U0010fffd"))
    shown = {c for text in (*said(), *catalogue("zh").values(), "○√◆←↑□■▲▼?·x°") for c in text if not c.isspace()}

    assert {c for c in shown if bytes(face.getmask(c)) in blank} == set()


# -- tones ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tone", Tone)
def test_each_tone_is_a_sound_of_its_length_without_clipping(tone: Tone) -> None:
    with wave.open(io.BytesIO(wave_of(tone))) as file:
        frames = file.readframes(file.getnframes())
        seconds = file.getnframes() / file.getframerate()

    assert seconds == pytest.approx(sum(s for _, s in NOTES[tone]), abs=2 / SAMPLE_HZ)
    loudest = max(abs(int.from_bytes(frames[i : i + 2], "little", signed=True)) for i in range(0, len(frames), 2))
    assert 10_000 < loudest < 32_767


# -- signature -----------------------------------------------------------------------------------------------------------

POINT = st.tuples(st.integers(0, PAD_WIDTH), st.integers(0, 5_000), st.integers(0, 60_000))


@given(st.lists(st.lists(POINT, max_size=20).map(tuple), max_size=8).map(tuple))
def test_a_signature_is_read_as_it_was_drawn(strokes: tuple[tuple[tuple[int, int, int], ...], ...]) -> None:
    drawn = Signature(5_000, strokes)

    assert decode_signature(encode_signature(drawn)) == drawn


@pytest.mark.parametrize(
    "data", [b"", b"{}", b'{"height":1,"strokes":[[[-1,0,0]]]}', b'{"height":1,"strokes":[],"kind":"x"}']
)
def test_what_is_no_signature_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match="not a signature"):
        decode_signature(data)


def test_more_points_than_a_name_has_are_refused() -> None:
    endless = encode_signature(Signature(5_000, (((0, 0, 0),) * (MAX_POINTS + 1),)))

    with pytest.raises(Malformed, match="points"):
        decode_signature(endless)


def test_pictures_are_derived_from_the_strokes() -> None:
    from PIL import Image  # noqa: PLC0415 only here

    drawn = Signature(5_000, (((1_000, 1_000, 0), (9_000, 4_000, 300)), ((5_000, 2_500, 500),)))
    picture = Image.open(io.BytesIO(png_of(drawn)))

    assert picture.size == (600, 300)
    assert picture.getpixel((60, 60)) == 0
    assert picture.getpixel((590, 10)) == 255
    assert '<polyline points="1000,1000 9000,4000"/>' in svg_of(drawn)


# -- van, sync, shown ----------------------------------------------------------------------------------------------------


def test_the_van_tells_value_limits_and_time_left_of_its_worst_sensor() -> None:
    profiles = ColdChainDocument({SENSOR: Assignment(PRESETS["pharma-2-8"], 0)})
    van = Van(cold=(COLD,), profiles=profiles).measured((READING,))
    (probe,) = van.probes

    assert (probe.name, probe.value_c, probe.low_c, probe.high_c) == ("probe.rear", 5.4, 2.0, 8.0)
    assert (probe.used_s, probe.allowed_s, van.left_s, van.verdict) == (3_600, 28_800, 25_200, ColdVerdict.INSIDE)
    assert van.reading_c == 5.4
    assert not probe.stale(NOON_MS)
    assert probe.stale(NOON_MS + STALE_MS + 1)
    assert Van(cold=(WARM,)).verdict is ColdVerdict.EXCEEDED


def test_a_sensor_that_never_spoke_is_shown_as_such() -> None:
    (probe,) = Van(cold=(COLD,)).probes

    assert (probe.value_c, probe.stale(NOON_MS)) == (None, True)
    assert celsius(None) == "- °C"


def test_sync_counts_what_is_here_on_its_way_and_at_the_hub() -> None:
    agent = FakeAgent()
    for n in range(9):
        agent.keep(scan_event("a"), bytes([n]) * 16)
    sync = sync_of(agent.status(), connected=True)

    assert (sync.waiting, sync.on_its_way, sync.at_hub) == (6, 1, 3)
    assert sync.line == say("Kept on the device: {n}", n=6)
    assert Sync().line == say("The recorder does not answer; starting it")
    assert sync_of(None, connected=True).line == say("The recorder does not answer; starting it")
    assert Sync(connected=True, link="synced").line == say("Everything is at the hub")


def test_times_and_amounts_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    english = Words("en")

    assert clock(NOON_MS) == "12:00"
    assert [english(duration(s)) for s in (5, 65, 3_700, 200_000)] == ["5 s", "1 min", "1 h 1 min", "2 days"]
    left = say("Full in {time} at this rate", time=duration(5_693 * 86_400))
    assert (english(left), Words("zh")(left)) == ("Full in more than a year at this rate", "按当前速度，超过一年后存满")
    assert english(ago(None, 0)) == "never"
    assert (megabytes(5_000_000), megabytes(2_500_000_000)) == ("5 MB", "2.5 GB")


def test_settings_that_cannot_be_read_are_as_never_set() -> None:
    assert decode_settings(b'{"theme":"pink"}') == Settings()


# -- look ----------------------------------------------------------------------------------------------------------------


def _luminance(colour: tuple[float, ...]) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def _contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", PALETTES)
def test_texts_have_contrast_in_every_theme(theme: str) -> None:
    p = PALETTES[theme]  # type: ignore[index] # a theme
    least = 7.0 if theme == "sunlight" else 4.5
    pairs = [
        (p.text, p.ground),
        (p.quiet, p.ground),
        (p.quiet, p.panel),
        (p.on_accent, p.accent),
        (p.on_alarm, p.alarm),
    ]
    pairs += [(p.on_attention, p.attention), (p.alarm, p.ground)]

    assert [_contrast(a, b) for a, b in pairs if _contrast(a, b) < least] == []


def test_without_any_font_the_app_still_has_latin() -> None:
    assert find_font(("/nowhere.ttc",)) == LATIN_ONLY


# -- configuration and command line --------------------------------------------------------------------------------------


def test_the_data_folder_is_beside_the_configuration_or_where_it_says(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text('[device]\nid = "van-1"\n')
    assert data_folder(config) == tmp_path
    config.write_text('[device]\nid = "van-1"\ndata = "kept"\n')
    assert data_folder(config) == tmp_path / "kept"


@pytest.mark.parametrize("text", ["", "[device]\ndata = 7\n", "no toml", "device = 3\n"])
def test_what_is_no_configuration_is_told_in_a_sentence(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(text)
    with pytest.raises(ConfigUnusable):
        data_folder(config)

    assert main(["--config", str(config)]) == 1
    assert capsys.readouterr().err.startswith("holdfast-courier: ")
    assert main(["--config", str(tmp_path / "absent.toml")]) == 1


def test_who_ends_the_app_twice_while_it_starts_is_told_nothing_by_python() -> None:
    before = signal.getsignal(signal.SIGTERM)
    closed = []
    with _Ending() as ending:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        # While it waits for the agent that it ends.
        signal.raise_signal(signal.SIGINT)
        ending.close = lambda: closed.append("window")
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
    assert closed == ["window"]


@pytest.mark.parametrize("arguments", [["--size", "480"], ["--colour"]])
def test_a_wrong_command_line_is_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
