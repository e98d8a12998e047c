"""One measured figure beside its limit or peer, measured in the same run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of `build/bench.json`.

    A bench module is `bench_<area>.py` with a function `figures(folder: Path) -> Iterator[Figure]`; `folder` is empty and its own.
    """

    id: str
    """Stable; other systems compare by it."""
    value: float
    unit: str
    against: str
    """What the value stands beside: a peer or limit measured in this run, or the aim that was set."""
    against_value: float
    aim: str = ""
    """What was asked for, such as `at most 1.3`; empty for a figure that only informs."""
    met: bool = True

    @property
    def ratio(self) -> float:
        """The value over what it stands beside."""
        return self.value / self.against_value if self.against_value else float("inf")
