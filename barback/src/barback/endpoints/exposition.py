"""What a worker counts, as Prometheus reads it. Labels are bounded: queues and names are those that are declared."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from barback.telemetry.histogram import EDGES_S, Durations
from barback.worker import Worker

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
EVERY = 2
"""Each so many edges of ours are one of Prometheus's: a factor of two apart."""

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily | InfoMetricFamily


class WorkerCollector(Collector):
    """Of one worker. Nothing is added up before somebody asks."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def collect(self) -> Iterator[Family]:  # pyright: ignore[reportIncompatibleMethodOverride]
        yield from self._condition()
        yield from self._jobs()
        yield from self._times()

    def _condition(self) -> Iterator[Family]:
        now = self._worker.condition()
        about = InfoMetricFamily("barback_worker", "Which worker this is.")
        about.add_metric([], {"worker": now.name, "app": now.app, "release": now.release})
        yield about
        yield GaugeMetricFamily("barback_ready", "1: it takes jobs.", value=not now.why_not_ready())
        yield GaugeMetricFamily("barback_draining", "1: it was told to stop.", value=now.draining)
        yield GaugeMetricFamily("barback_redis_up", "1: Redis answered what was asked last.", value=now.redis_is_there)
        for name, text, by_queue in (
            ("barback_concurrency", "Jobs that may run at a time.", now.concurrency),
            ("barback_jobs_running", "Jobs that run.", now.running),
        ):
            gauge = GaugeMetricFamily(name, text, labels=["queue"])
            for queue, value in by_queue.items():
                gauge.add_metric([queue], value)
            yield gauge

    def _jobs(self) -> Iterator[Family]:
        ended = CounterMetricFamily(
            "barback_jobs", "Attempts that ended, by outcome.", labels=["queue", "name", "outcome"]
        )
        stalled = CounterMetricFamily(
            "barback_jobs_stalled", "Jobs found without a lock and put back.", labels=["queue"]
        )
        for queue, meter in self._worker.readings.meters.items():
            for (name, outcome), count in dict(meter.by_name).items():
                ended.add_metric([queue, name, outcome], count)
            stalled.add_metric([queue], meter.stalled)
        yield ended
        yield stalled

    def _times(self) -> Iterator[Family]:
        readings = self._worker.readings
        waits = HistogramMetricFamily(
            "barback_job_wait_seconds", "From when a job was due to its first start.", labels=["queue"]
        )
        runs = HistogramMetricFamily(
            "barback_job_run_seconds", "From an attempt's first step to its outcome.", labels=["queue"]
        )
        for queue, meter in readings.meters.items():
            waits.add_metric([queue], buckets(meter.waits()), meter.wait_s)
            runs.add_metric([queue], buckets(meter.runs()), meter.run_s)
        yield waits
        yield runs
        yield _of("barback_event_loop_lag_seconds", "How late the event loop came to what was due.", readings.loop_lag)
        yield _of(
            "barback_redis_latency_seconds", "How long Redis took to answer, once a second.", readings.redis_latency
        )
        yield _of(
            "barback_schedule_lateness_seconds", "How long after its slot a job was made.", readings.schedule_lateness
        )


class Exposition:
    """The text of all that is counted, of the process (memory, CPU, open files) too."""

    def __init__(self, worker: Worker) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(WorkerCollector(worker))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """As of now. From any thread."""
        return generate_latest(self._registry)


def buckets(bins: Sequence[int]) -> list[tuple[str, float]]:
    """Prometheus's buckets, each the number of all that did not take longer, of our bins."""
    sums = list(accumulate(bins))
    told = [(f"{EDGES_S[i]:.6g}", float(sums[i])) for i in range(0, len(EDGES_S), EVERY)]
    return [*told, ("+Inf", float(sums[-1]))]


def _of(name: str, text: str, durations: Durations) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=())
    no_labels: Sequence[Any] = []
    family.add_metric(no_labels, buckets(durations.bins), durations.sum_s)
    return family
