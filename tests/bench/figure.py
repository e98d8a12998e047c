"""One measured figure beside its limit or peer, measured in the same run."""

from dataclasses import asdict, dataclass
from math import isfinite


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of `build/bench.json`.

    A bench module is `bench_<area>.py` with a tuple `IDS` of all ids that it gives, and a function
    `figures(folder: Path) -> Iterator[Figure]`; `folder` is empty and its own.
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
    note: str = ""
    """What else was seen in this run and helps to read the figure."""

    @property
    def ratio(self) -> float:
        """The value over what it stands beside."""
        return self.value / self.against_value if self.against_value else float("inf")

    def as_json(self) -> dict[str, object]:
        """All of it with the ratio; null where there is none."""
        numbers = {"value": self.value, "against_value": self.against_value, "ratio": self.ratio}
        return asdict(self) | {name: float(f"{n:.6g}") if isfinite(n) else None for name, n in numbers.items()}
