"""Which messages prove that a device is alive now: what an insider at the broker may have recorded and played back does not."""

from collections.abc import Collection, Iterable, Sequence

from contract.messages import Hello, LatestReading, Live, Up

Shown = tuple[str, Sequence[LatestReading]]


class SignsOfLife:
    """A fresh hello, a stream that grew, and live values newer than any since the last fresh hello.

    Used by the ingest thread alone. A hub that starts believes live values after the first hello, within a minute.
    """

    def __init__(self) -> None:
        self._newest_ms: dict[str, int] = {}

    def read(
        self, heard: Iterable[tuple[str, Up]], *, greeted: Collection[str], grown: Collection[str]
    ) -> tuple[list[str], list[Shown]]:
        """Read one committed group.

        Args:
            heard: its authentic messages, in order, with the device of each.
            greeted: devices whose hello was fresh.
            grown: devices of whose streams something new was kept.

        Returns:
            The devices that spoke beside their hellos, and the live values to show.
        """
        spoke = dict.fromkeys(grown)
        shown: list[Shown] = []
        for device, message in heard:
            match message:
                case Hello(snapshot=readings) if device in greeted:
                    self._newest_ms[device] = 0
                case Live(readings) if readings and device in self._newest_ms:
                    newest_ms = max(r.at_ms for r in readings)
                    if newest_ms <= self._newest_ms[device]:
                        continue
                    self._newest_ms[device] = newest_ms
                    spoke[device] = None
                case _:
                    continue
            if readings:
                shown.append((device, readings))
        return list(spoke), shown
