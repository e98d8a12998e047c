"""What the product promises and the faults it must survive, each by its number, and which of them tests have shown.

A test shows a row by its name: `test_f037_...` fault 37, `test_p3_...` promise 3, `test_p3_f023_...` both.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

PROMISES: dict[int, str] = {
    1: "kept is said only after the commit is on disk",
    2: "no custody fact is lost while one live disk holds it",
    3: "one ledger row and one effect a fact, for ever",
    4: "no silent gap: what cannot come is a row with its cause",
    5: "one bad fact delays others by at most a round trip",
    6: "clone, restored device and restored hub show as incidents by themselves",
    7: "only the hub's authenticated word on this content frees storage",
    8: "order and time can be reconstructed, raw values stay",
}

FAULTS: dict[int, str] = {
    # the device
    1: "device dies before the capture commit",
    2: "device dies between commit and confirmation",
    3: "power fails right after the confirmation",
    4: "device dies between sending and acknowledgement",
    5: "device dies while it applies a welcome",
    6: "device dies while it releases content",
    7: "second agent on the same folder",
    8: "disk full during a capture",
    9: "disk so full that only deletes help",
    10: "disk full of facts that must not go",
    11: "thirty days offline overflow telemetry",
    12: "file system turns read-only",
    13: "bits flip in a kept fact",
    14: "write-ahead log deleted or cut short",
    15: "device database gone",
    16: "fsync reports an I/O error",
    17: "database stays locked by another",
    18: "no file handles or memory left",
    19: "upgrade interrupted in the middle",
    # the network and the broker
    20: "broker killed with messages queued",
    21: "hub away until the broker's queue overflows",
    22: "broker took it, hub never saw it",
    23: "message delivered many times",
    24: "batches arrive out of order",
    25: "connection half open, peer silent",
    26: "very slow link with long delay",
    27: "link comes and goes every few seconds",
    28: "whole fleet reconnects at once",
    29: "acknowledgement lost, doubled or very late",
    30: "acknowledgement from before a hub restore",
    31: "certificate expires or is renewed in service",
    32: "name leads to a false broker",
    33: "captive portal answers instead of a broker",
    34: "broker restored with old messages",
    # the hub
    35: "hub dies before its commit",
    36: "hub dies between commit and acknowledgement",
    37: "hub dies between projection and effect",
    38: "hub's disk full",
    39: "hub's database read-only or restarting",
    40: "PostgreSQL set to lose commits",
    41: "SQLite too old for two writers",
    42: "commit reports an error after it was done",
    43: "two hubs on one database",
    44: "hub's clock jumps",
    45: "hub's disk very slow",
    46: "webhook target away for days",
    # restore, clone, identity
    47: "hub restored by its own tool",
    48: "hub restored by copying files",
    49: "hub restored from an older backup",
    50: "database and blobs from different times",
    51: "every hub backup lost",
    52: "lagging replica promoted",
    53: "device restored from an image",
    54: "device cloned, both scan offline",
    55: "device cloned before its first contact",
    56: "phone data moved to a new phone",
    57: "clone hears the other's acknowledgements",
    58: "one serial number enrols twice",
    59: "enrolment claim leaked",
    60: "revoked device stays connected",
    # data and parsers
    61: "fact breaks its schema",
    62: "fact kills its projector",
    63: "batch cannot be decoded",
    64: "compression bomb",
    65: "declared size is a lie",
    66: "numbers outside every range",
    67: "position jumps ahead",
    68: "duplicate keys, lone surrogates, NUL, byte order mark",
    69: "nesting without end",
    70: "same identity, other content",
    71: "fact of another device",
    72: "recorded batch played again",
    73: "control characters in a barcode",
    74: "scanner configuration barcode",
    75: "longest possible barcode",
    76: "markup in a barcode",
    77: "spreadsheet formula in a barcode",
    78: "SQL and wildcards in a search",
    79: "barcode forges log lines",
    80: "look-alike and invisible characters in an id",
    # blobs
    81: "upload cut at any byte",
    82: "blob chunk corrupted",
    83: "blob's whole hash wrong",
    84: "picture that explodes when decoded",
    85: "page or script sent as a photo",
    86: "path hidden in a blob name",
    87: "photo without proof, proof without photo",
    88: "photo tells where it was taken",
    89: "one device uploads without end",
    # time
    90: "device clock far off or jumping",
    91: "clock set back to hide an excursion",
    92: "time source is false",
    93: "welcome slow, so its time is vague",
    94: "reboot offline without any time",
    95: "leap seconds and time zones",
    # broker access
    96: "device subscribes to others' topics",
    97: "wildcards in a device id",
    98: "device uses another's client id",
    99: "retained messages planted",
    100: "malicious last will",
    101: "answer forged at the broker",
    102: "batch forged at the broker",
    103: "broker suppresses some messages",
    104: "floods of connections, topics and packets",
    105: "hub key rotation",
    106: "default or empty credentials",
    # web, tracking, webhooks
    107: "tracking links guessed",
    108: "short links walked through",
    109: "parcel number and postcode guessed",
    110: "map, arrival time or photo gives the place away",
    111: "tracking token leaks by referrer, log or cache",
    112: "tracking page after delivery",
    113: "operator reaches another depot's things",
    114: "forged request, fixed session, framed page",
    115: "webhook aimed at the inside",
    116: "webhook forged or repeated to the customer",
    117: "webhooks repeat after a hub restore",
    118: "query of boundless cost",
    119: "spreadsheet import bomb",
    # records
    120: "record altered in the database",
    121: "delivery corrected later",
    122: "export for an inspection",
    123: "request to erase a person",
    124: "audit trail cannot be written",
}

# What must be shown of the way of a fact from capture to ledger, on SQLite. Open by intent: a fleet's load, certificates and
# names (TLS), a broker's own backup, PostgreSQL, phones, and what belongs to enrolment and revocation.
DELIVERY_CORE: frozenset[int] = frozenset(
    {
        *range(1, 28), 29, 30, 33,
        *range(35, 40), *range(42, 46),
        *range(47, 56), 57,
        *range(61, 76), 81, 82, 83,
        *range(90, 96),
        96, *range(98, 103),
    }
)  # fmt: skip

BROKERS = ("embedded", "mosquitto")
# What depends on the broker: shown only when a test of it passed on each.
ON_EACH_BROKER: frozenset[int] = frozenset({*range(20, 28), 29, 30, 33, 96, *range(98, 103)})

_ROW = re.compile(r"(?P<kind>[fp])(?P<number>\d+)")
_PARAMETERS = re.compile(r"\[(.*)\]$")

Row = tuple[str, int]


def rows_of(test_name: str) -> tuple[Row, ...]:
    """The rows that a test says it shows, such as `("f", 37)`; empty for a test that names none."""
    words = test_name.removeprefix("test_").split("_")
    rows: list[Row] = []
    for word in words:
        match = _ROW.fullmatch(word)
        if match is None:
            break
        rows.append((match["kind"], int(match["number"])))
    return tuple(rows)


def broker_of(test_name: str) -> str | None:
    """The broker that a test ran on, from its parameters, such as `[mosquitto-7]`."""
    found = _PARAMETERS.search(test_name)
    return next((b for b in BROKERS if found and b in found[1].split("-")), None)


class Coverage:
    """Which rows the tests of one run have shown: at least one test passed and none failed."""

    def __init__(self) -> None:
        self._passed: set[Row] = set()
        self._failed: set[Row] = set()
        self._brokers: defaultdict[int, set[str]] = defaultdict(set)

    def note(self, test_name: str, *, passed: bool) -> None:
        rows = rows_of(test_name)
        (self._passed if passed else self._failed).update(rows)
        if passed and (broker := broker_of(test_name)) is not None:
            for kind, number in rows:
                if kind == "f":
                    self._brokers[number].add(broker)

    def lines(self, *, whole_run: bool) -> list[str]:
        """The report; rows that nothing has shown are named only after a run that could have shown them."""
        return [
            *self._summary("p", "promises", "P{}", PROMISES, required=PROMISES, whole_run=whole_run),
            *self._summary("f", "faults", "f{:03}", FAULTS, required=DELIVERY_CORE, whole_run=whole_run),
            *self._broker_lines(whole_run=whole_run),
        ]

    def _broker_lines(self, *, whole_run: bool) -> list[str]:
        """On which brokers the rows that depend on one were shown."""
        lines = []
        for broker in BROKERS:
            shown = sorted(n for n in ON_EACH_BROKER if broker in self._brokers[n] and ("f", n) not in self._failed)
            if shown or whole_run:
                numbers = " ".join(map("f{:03}".format, shown))
                lines.append(f"on {broker}: {len(shown)} of {len(ON_EACH_BROKER)}  {numbers}".rstrip())
            if whole_run:
                missing = sorted(ON_EACH_BROKER - {*shown})
                lines += [f"  not shown  f{n:03}  {FAULTS[n]}, on {broker}" for n in missing]
        return lines

    def _summary(
        self,
        kind: str,
        plural: str,
        form: str,
        titles: Mapping[int, str],
        *,
        required: Iterable[int],
        whole_run: bool,
    ) -> list[str]:
        failed = sorted(n for k, n in self._failed if k == kind)
        shown = sorted(n for k, n in self._passed - self._failed if k == kind)
        if not (whole_run or shown or failed):
            return []
        lines = [f"{plural} shown: {len(shown)} of {len(titles)}  {' '.join(map(form.format, shown))}".rstrip()]
        lines += [f"  failed     {form.format(n)}  {titles[n]}" for n in failed]
        if whole_run:
            open_rows = sorted({*required} - {*shown} - {*failed})
            lines += [f"  not shown  {form.format(n)}  {titles[n]}" for n in open_rows]
            if others := sorted({*titles} - {*required} - {*shown} - {*failed}):
                lines.append(f"  not yet shown, beyond delivery: {' '.join(map(form.format, others))}")
        return lines
