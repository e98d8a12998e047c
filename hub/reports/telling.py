"""What `holdfast-hub verify-report` says of a file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, to_builtins

from hub.errors import Refused
from hub.reports.check import Checked, check_report
from hub.requests import FindReport, Request
from hub.web.formats import clock


class Told(Struct, frozen=True):
    """What was found, for scripts and for people; `wrong` has a sentence for each thing that is not as it was made."""

    said: dict[str, Any]
    words: str
    wrong: tuple[str, ...]


def told(file: Path, hub: Callable[[Request], Any] | None) -> Told:
    """Check a file, and ask a hub too where one is given.

    Raises:
        Refused: the file cannot be read.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error
    checked = check_report(data)
    wrong = [f"{file}: {each.part}: {each.why}" for each in checked.wrong]
    said = {"file": str(file), "valid": checked.valid, **to_builtins(checked)}
    if hub is not None and checked.seal:
        heads = tuple((head.device, head.lane, head.n, head.hash) for head in checked.heads)
        trail = (checked.trail.number, checked.trail.hash) if checked.trail else None
        answer = hub(FindReport(checked.seal, heads, trail))
        strange = list(_strange(checked, answer))
        wrong += [f"{file}: hub: {why}" for why in strange]
        said |= {"hub": answer, "valid": not wrong}
    return Told(said, "\n".join(map(_harmless, _words(file, checked))), tuple(map(_harmless, wrong)))


def _harmless(line: str) -> str:
    """Without control characters: the file may be anybody's, and a terminal obeys them."""
    return "".join(char if char.isprintable() else "\ufffd" for char in line)


def _strange(checked: Checked, answer: dict[str, Any]) -> Iterator[str]:
    if not any(made["pdf"] == checked.pdf for made in answer["made"]):
        yield "This hub has no record of having made this report."
    for head in answer["unknown_heads"]:
        yield f"The head of {head['device']} ({head['lane']}) at position {head['n']} is not in this hub's chain."
    if checked.trail and not answer["trail_known"]:
        number = checked.trail.number
        yield f"The audit trail of this hub has another row {number}: it was written anew since, or is another hub's."


def _words(file: Path, checked: Checked) -> Iterator[str]:
    made = "" if checked.made_ms is None else f", made {clock(checked.made_ms)} UTC by {checked.made_by}"
    yield f"{file}: unaltered; {checked.title} ({checked.subject}){made}"
    withheld = f", and {checked.withheld} of which personal data is withheld" if checked.withheld else ""
    yield f"seal {checked.seal}; {checked.facts} facts{withheld}"
    for head in checked.heads:
        yield f"head {head.device} {head.lane} {head.n} {head.hash}"
    if checked.trail:
        yield f"audit trail {checked.trail.number} {checked.trail.hash}"
    for what in checked.unproven:
        yield f"only the seal holds, no fact shows: {what}"
