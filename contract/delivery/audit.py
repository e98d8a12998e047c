"""What follows from the hub's answers to a device's questions about its contents."""

from collections.abc import Iterable, Sequence

from contract.limits import MAX_BATCH_ITEMS
from contract.messages import AUDIT_SAFE


def joined(first: tuple[bytes, ...], more: Sequence[bytes]) -> tuple[bytes, ...]:
    """Both in order, each once."""
    return tuple(dict.fromkeys((*first, *more)))


def named_safe(
    wished: tuple[bytes, ...], asked: tuple[bytes, ...], answers: bytes, safe: tuple[bytes, ...]
) -> tuple[bytes, ...]:
    """P7: what was wished to go, was asked about, was answered `safe`, and is named in full."""
    in_full = frozenset(safe)
    answered = {i for i, answer in zip(asked, answers, strict=False) if answer == AUDIT_SAFE}
    return tuple(i for i in wished if i in answered and i in in_full)


def parcel(cores: Iterable[bytes], most_bytes: int) -> tuple[bytes, ...]:
    """The first of these cores, as many as fit one message."""
    taken: list[bytes] = []
    room = most_bytes
    for core in cores:
        room -= len(core)
        if room < 0 or len(taken) == MAX_BATCH_ITEMS:
            break
        taken.append(core)
    return tuple(taken)
