"""What a server counts, as Prometheus reads it from ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from fitloom_core.wire import FitResult

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)

Reading = GaugeMetricFamily | CounterMetricFamily


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        """Start all counters at zero."""
        self.registry = CollectorRegistry()
        self.points = Counter("fitloom_points", "Points answered.", ["status"], registry=self.registry)
        self.failures = Counter("fitloom_failures", "Points that failed.", ["code"], registry=self.registry)
        self.refused = Counter("fitloom_refused", "Requests refused.", ["code"], registry=self.registry)
        self.seconds = Histogram(
            "fitloom_task_seconds",
            "Time from a task's arrival to its answer.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.point_seconds = Histogram(
            "fitloom_point_seconds", "Fitting time a point.", buckets=_SECONDS, registry=self.registry
        )

    def count(self, results: Iterable[FitResult]) -> None:
        """Count results that are on their way out."""
        for result in results:
            self.points.labels(result.status).inc()
            self.point_seconds.observe(result.seconds)
            if result.error is not None:
                self.failures.labels(result.error.code).inc()

    def watch(self, read: Callable[[], Iterable[Reading]]) -> None:
        """Add figures that are read off at the moment somebody asks."""
        self.registry.register(_Readings(read))

    def page(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)


class _Readings(Collector):
    def __init__(self, read: Callable[[], Iterable[Reading]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Reading]:
        return self._read()


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    """One figure that goes up and down."""
    return GaugeMetricFamily(f"fitloom_{name}", text, value=value)


def counter(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> CounterMetricFamily:
    """A family of figures that only grow."""
    family = CounterMetricFamily(f"fitloom_{name}", text, labels=[label])
    for key, value in values:
        family.add_metric([key], value)
    return family
