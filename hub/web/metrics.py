"""`/metrics` for Prometheus: requests as they are answered, and the state of the fleet read when asked."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from starlette.types import Scope

from hub.context import HubContext
from hub.fleet.queries import fleet_totals, roll_call
from hub.tables import fact


class RequestMetrics:
    """Counts answers by route; a registry of its own, so that several hubs can live in one process."""

    def __init__(self, context: HubContext) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_HubState(context))
        self._answers = Counter(
            "holdfast_http_answers",
            "Answers by route and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "holdfast_http_seconds", "Seconds to the first byte of an answer.", ("route",), registry=self.registry
        )

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one answer. Only names of routes become labels, never what a visitor typed."""
        route = getattr(scope.get("route"), "path", "none")
        self._answers.labels(scope["method"], route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self.registry)


class _HubState(Collector):
    def __init__(self, context: HubContext) -> None:
        self._context = context

    def describe(self) -> Iterable[GaugeMetricFamily]:
        # Nothing is read before somebody asks.
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        with self._context.database.read() as reader:
            roll = roll_call(reader, self._context.ahead, self._context.now_ms())
            totals = fleet_totals(reader, roll)
            last_seq = reader.scalar(select(func.max(fact.c.seq))) or 0
        for name, text, value in (
            ("devices", "Devices in use.", totals.devices),
            ("devices_silent", "Devices not heard for longer than their schedule allows.", totals.silent),
            ("incidents_open", "Open incidents.", totals.open_incidents),
            ("quarantine_held", "Facts and statements that wait for a person.", totals.held),
            ("ledger_seq", "Number of the newest fact.", last_seq),
            ("live_pages", "Open event streams.", self._context.live.viewers),
        ):
            yield GaugeMetricFamily(f"holdfast_{name}", text, value)
