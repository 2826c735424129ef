"""What is told of a queue's past."""

import pytest

from barback.board import Board, Counted
from barback.control.metrics import Durations, Past, Point, Series, Span
from barback.memory import MemoryBroker
from barback.telemetry.histogram import bin_of, seconds_of

NOW = 1_767_225_600.0 + 3600 * 100 + 90
"""A minute and a half after a full hour."""
WAIT, LONG_WAIT, RUN = (f"wait:{bin_of(1.0)}", f"wait:{bin_of(60.0)}", f"run:{bin_of(0.01)}")


def durations(p50_s: float, p95_s: float) -> Durations:
    return Durations(seconds_of(bin_of(p50_s)), seconds_of(bin_of(p95_s)))


async def series(board: Board, queue: str, span: Span, now: float) -> Series:
    return (await Past(board, span).look([queue], now)).by_queue[queue]


async def test_an_hour_is_told_by_the_minute_with_each_minutes_durations_and_the_wholes() -> None:
    board = MemoryBroker(NOW).board
    counts = [
        Counted("q", 60, NOW, {"completed": 9, "failed": 1, "retried": 2, WAIT: 9, LONG_WAIT: 1, RUN: 12}, 7200),
        Counted("q", 60, NOW - 120, {"completed": 10, "stalled": 1, WAIT: 10, RUN: 10}, 7200),
        Counted("q", 60, NOW - 3700, {"completed": 99}, 7200),
    ]
    await board.count(counts, "w", 1)
    told = await series(board, "q", "1h", NOW)
    assert (told.span, told.step_s, len(told.points)) == ("1h", 60, 60)
    minute = NOW - 30
    assert told.points[-3:] == [
        Point(minute - 120, 10, stalled=1, wait=durations(1, 1), run=durations(0.01, 0.01)),
        Point(minute - 60),
        Point(minute, 9, 1, 2, wait=durations(1, 60), run=durations(0.01, 0.01)),
    ]
    assert told.whole == Point(
        minute - 59 * 60, 19, 1, 2, 1, wait=durations(1, 1), run=durations(0.01, 0.01)
    )  # of 20 jobs one waited a minute


@pytest.mark.parametrize(("span", "points"), [("24h", 24), ("7d", 168)])
async def test_longer_spans_are_told_by_the_hour(span: Span, points: int) -> None:
    board = MemoryBroker(NOW).board
    counts = [Counted("q", 3600, NOW - 3600 * hours, {"completed": 1}, 8 * 86_400) for hours in range(200)]
    await board.count(counts, "w", 1)
    told = await series(board, "q", span, NOW)
    assert (told.step_s, told.whole.completed) == (3600, points)
    assert [point.completed for point in told.points] == [1] * points


async def test_of_a_queue_that_nobody_works_there_is_nothing_to_tell() -> None:
    board = MemoryBroker(NOW).board
    told = await series(board, "none", "1h", NOW)
    assert told.whole == Point(told.points[0].at)
    assert len(told.points) == 60


async def test_what_is_settled_is_remembered_and_what_may_grow_is_asked_for_again() -> None:
    board = MemoryBroker(NOW).board
    await board.count([Counted("q", 60, NOW - ago * 60, {"completed": 1}, 7200) for ago in range(60)], "w", 1)
    past = Past(board, "1h")
    assert (await past.look(["q"], NOW)).whole.whole.completed == 60
    await board.count([Counted("q", 60, NOW - ago * 60, {"completed": 10}, 7200) for ago in (0, 1, 30)], "w", 2)
    told = (await past.look(["q", "new"], NOW)).by_queue
    assert [point.completed for point in told["q"].points[-3:]] == [1, 11, 11]
    assert told["q"].points[-31].completed == 1
    assert told["new"].whole.completed == 0
    later = (await past.look(["q"], NOW + 600)).by_queue["q"]
    assert (len(later.points), later.points[0].at) == (60, told["q"].points[10].at)
    assert [point.completed for point in later.points[-12:]] == [11, 11, *[0] * 10]
    assert (await past.look(["q"], NOW + 7200)).whole.whole.completed == 0
