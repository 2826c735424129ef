"""How queues did over time: how many jobs ended how, how long they waited and ran."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from barback.board import Board, Bucket, buckets_of
from barback.control.kept import ask_each
from barback.telemetry.histogram import quantile
from barback.telemetry.meter import RUN, SCHEMA, WAIT

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
    other_schemas: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """Jobs whose client knew another schema of their payload than their worker: by that one's hash and their name."""


@dataclass(frozen=True, slots=True)
class Series:
    """`points` oldest first, `step_s` seconds each; `whole`: all of them as one, `at` the first's."""

    span: Span
    step_s: int
    points: Sequence[Point]
    whole: Point


@dataclass(frozen=True, slots=True)
class Histories:
    """What all workers counted, ours and Node's; durations are ours alone. `whole`: of all queues together."""

    by_queue: Mapping[str, Series]
    whole: Series


class Past:
    """What was counted of one span, remembered: of each queue only the buckets are asked for that may still grow.

    What a worker writes later than `SETTLED_S` after its bucket's end, after an outage, is not seen. BullMQ's workers
    in Node count only if its own metrics are switched on there.
    """

    def __init__(self, board: Board, span: Span) -> None:
        self._board = board
        self._span: Span = span
        self._tracks: dict[str, _Track] = {}
        self._whole = _Track()

    async def look(self, queues: Sequence[str], now: float) -> Histories:
        """Of these queues, in the span that ends `now`. One at a time."""
        step_s, count = STEPS[self._span]
        starts = buckets_of(step_s, now - (count - 1) * step_s, now)
        settled_to = now - SETTLED_S - step_s
        tracks = {queue: self._tracks.get(queue) or _Track() for queue in queues}
        asked = await ask_each(queues, lambda queue: self._ask(queue, tracks[queue].missing(starts), now))
        for track, buckets in zip(tracks.values(), asked, strict=True):
            track.take(buckets, starts, settled_to)
        if tracks.keys() != self._tracks.keys():
            self._whole = _Track()
        self._tracks = tracks
        missing = self._whole.missing(starts)
        self._whole.take([_sum(at, [one.bucket(at) for one in tracks.values()]) for at in missing], starts, settled_to)
        by_queue = {queue: track.series(self._span, starts) for queue, track in tracks.items()}
        return Histories(by_queue, self._whole.series(self._span, starts))

    async def _ask(self, queue: str, starts: range, now: float) -> list[Bucket]:
        asked = queue, starts.step, starts[0], now
        both = await asyncio.gather(self._board.counts(*asked), self._board.counts_of_others(*asked))
        return [_sum(at, same) for at, *same in zip(starts, *both, strict=True)]


class _Track:
    """The buckets of a span, oldest first. Of those that are settled their points and their sum are kept too."""

    def __init__(self) -> None:
        self._settled: dict[float, Bucket] = {}
        self._points: dict[float, Point] = {}
        self._sum = Counter[str]()
        self._open: dict[float, Bucket] = {}

    def missing(self, starts: range) -> range:
        """Those of these that are not settled; all if the first is missing, as after a clock was put back."""
        return starts[len([at for at in starts if at in self._settled]) :] if starts[0] in self._settled else starts

    def take(self, buckets: Sequence[Bucket], starts: range, settled_to: float) -> None:
        """Exactly what was `missing`. What begins at `settled_to` or before it does not grow any more."""
        kept = set(starts) - {bucket.at for bucket in buckets}
        for at in self._settled.keys() - kept:
            self._sum.subtract(self._settled.pop(at).counts)
            del self._points[at]
        for bucket in buckets:
            if bucket.at <= settled_to:
                self._settled[bucket.at] = bucket
                self._points[bucket.at] = _point(bucket)
                self._sum.update(bucket.counts)
        self._open = {bucket.at: bucket for bucket in buckets if bucket.at > settled_to}

    def bucket(self, at: float) -> Bucket:
        return self._settled.get(at) or self._open[at]

    def series(self, span: Span, starts: range) -> Series:
        points = [self._points.get(at) or _point(self._open[at]) for at in starts]
        whole = _sum(starts[0], [Bucket(starts[0], self._sum), *self._open.values()])
        return Series(span, starts.step, points, _point(whole))


def _sum(at: float, buckets: Iterable[Bucket]) -> Bucket:
    total = Counter[str]()
    for bucket in buckets:
        total.update(bucket.counts)
    return Bucket(at, total)


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
        {_hash_and_name(name): count for name, count in counts.items() if name.startswith(SCHEMA)},
    )


def _hash_and_name(counted: str) -> tuple[str, str]:
    known, _, name = counted.removeprefix(SCHEMA).partition(":")
    return known, name


def _durations(counts: Iterable[tuple[str, int]], prefix: str) -> Durations | None:
    bins = {int(name.removeprefix(prefix)): count for name, count in counts if name.startswith(prefix)}
    p50_s, p95_s = quantile(bins, 0.5), quantile(bins, 0.95)
    return None if p50_s is None or p95_s is None else Durations(p50_s, p95_s)
