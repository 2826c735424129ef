"""How a queue did over time: how many jobs ended how, how long they waited and ran."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from barback.board import Board, Bucket, bucket_of, buckets_of
from barback.telemetry.histogram import quantile
from barback.telemetry.meter import RUN, WAIT

Span = Literal["1h", "24h", "7d"]
STEPS: Mapping[Span, tuple[int, int]] = {"1h": (60, 60), "24h": (3600, 24), "7d": (3600, 7 * 24)}
"""Seconds of a point, and how many points."""
SETTLED_S = 60.0
"""After the end of a bucket: workers write every 5 s."""


@dataclass(frozen=True, slots=True)
class Durations:
    """Half of them took no longer than `p50_s`, 95 of 100 no longer than `p95_s`; each exact to a fifth."""

    p50_s: float
    p95_s: float


@dataclass(frozen=True, slots=True)
class Point:
    """From `at` on until the next point; the last one is not over yet. Durations None: there were none.

    `retried`: attempts that failed and will be made again. `wait`: from when a job was due to its first start.
    """

    at: float
    completed: int = 0
    failed: int = 0
    retried: int = 0
    stalled: int = 0
    wait: Durations | None = None
    run: Durations | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """`points` oldest first, `step_s` seconds each; `whole`: all of them as one, `at` the first's."""

    span: Span
    step_s: int
    points: Sequence[Point]
    whole: Point


async def series(board: Board, queue: str, span: Span, now: float) -> Series:
    """What barback's workers counted of a queue in the span that ends `now`."""
    return _series(span, await board.counts(queue, *_asked(span, now)))


async def bullmq_metrics(board: Board, queue: str, span: Span, now: float) -> Series:
    """What Node's workers counted: jobs completed and failed, if BullMQ's own metrics are switched on there."""
    return _series(span, await board.counts_of_others(queue, *_asked(span, now)))


@dataclass(frozen=True, slots=True)
class Histories:
    """What all workers counted, ours and Node's; durations are ours alone. `whole`: of all queues together."""

    by_queue: Mapping[str, Series]
    whole: Series


class Past:
    """What was counted of one span, remembered: of each queue only the buckets are asked for that may still grow.

    What a worker writes later than `SETTLED_S` after its bucket's end, after an outage, is not seen.
    """

    def __init__(self, board: Board, span: Span) -> None:
        self._board = board
        self._span: Span = span
        self._settled: dict[str, dict[float, Bucket]] = {}

    async def look(self, queues: Sequence[str], now: float) -> Histories:
        """Of these queues, in the span that ends `now`."""
        asked = _asked(self._span, now)
        each = await asyncio.gather(*(self._buckets(queue, *asked) for queue in queues))
        self._settled = {queue: self._settled[queue] for queue in queues}
        nothing = [Bucket(start, {}) for start in buckets_of(*asked)]
        by_queue = {queue: _series(self._span, buckets) for queue, buckets in zip(queues, each, strict=True)}
        return Histories(by_queue, _series(self._span, _added([nothing, *each])))

    async def _buckets(self, queue: str, step_s: int, since: float, until: float) -> list[Bucket]:
        first = bucket_of(step_s, since)
        known = {at: bucket for at, bucket in self._settled.get(queue, {}).items() if at >= first}
        if first not in known:
            known = {}
        missing = max(known) + step_s if known else since
        counted = await asyncio.gather(
            self._board.counts(queue, step_s, missing, until),
            self._board.counts_of_others(queue, step_s, missing, until),
        )
        buckets = known | {bucket.at: bucket for bucket in _added(counted)}
        self._settled[queue] = {at: one for at, one in buckets.items() if at + step_s + SETTLED_S <= until}
        return list(buckets.values())


def _added(series: Sequence[Sequence[Bucket]]) -> list[Bucket]:
    """The same buckets of several, each as one."""
    return [_sum(same) for same in zip(*series, strict=True)]


def _asked(span: Span, now: float) -> tuple[int, float, float]:
    step_s, count = STEPS[span]
    return step_s, now - (count - 1) * step_s, now


def _series(span: Span, buckets: Sequence[Bucket]) -> Series:
    return Series(span, STEPS[span][0], [_point(bucket) for bucket in buckets], _point(_sum(buckets)))


def _sum(buckets: Sequence[Bucket]) -> Bucket:
    total: Counter[str] = Counter()
    for bucket in buckets:
        total.update(bucket.counts)
    return Bucket(buckets[0].at, total)


def _point(bucket: Bucket) -> Point:
    counts = bucket.counts
    return Point(
        bucket.at,
        counts.get("completed", 0),
        counts.get("failed", 0),
        counts.get("retried", 0),
        counts.get("stalled", 0),
        _durations(counts.items(), WAIT),
        _durations(counts.items(), RUN),
    )


def _durations(counts: Iterable[tuple[str, int]], prefix: str) -> Durations | None:
    bins = {int(name.removeprefix(prefix)): count for name, count in counts if name.startswith(prefix)}
    p50_s, p95_s = quantile(bins, 0.5), quantile(bins, 0.95)
    return None if p50_s is None or p95_s is None else Durations(p50_s, p95_s)
