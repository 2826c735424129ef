"""Keeps so many worker processes running: a dead one is started again, later each time; a stop is passed on to all.

    a place ──► start ──► its worker runs ──► ended: recycled ──► start at once
                                                     died ──────► start after 0.1 s, 0.2 s, … 30 s
    asked to stop ──► SIGTERM: all drain; again ──► SIGINT: they hand back; again, or out of patience ──► SIGKILL

The first worker is started alone. If it cannot work as things are set up (exit code 2), it has said why, and that once.
"""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from barback.retry import Exponential

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.supervisor")

POLL_S = 0.05
ALONE_S = 30.0
"""How long the others wait for the first worker to work: its services may take their time, but not all of ours."""
BACKOFF = Exponential(first_s=0.1, longest_s=30.0)
LONG_LIVED_S = 60.0
"""Who lived so long did not die of what killed the one before."""

UNUSABLE = 2
DRAINED = frozenset({0, 128 + signal.SIGTERM, 128 + signal.SIGINT})
"""How workers end that were asked to. By a signal: it came before the worker had begun to listen to it."""
STEPS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)


class Child(Protocol):
    """A worker process."""

    def works(self) -> bool:
        """It has begun to work: it is connected and its services are open. Still true once it has ended."""
        ...

    def exit_code(self) -> int | None:
        """None while it runs; 128 + n if signal n ended it."""
        ...

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens if it has ended."""
        ...


@dataclass(slots=True)
class Place:
    """One of the processes, over all that are started for it. `deaths`: in a row."""

    number: int
    child: Child | None = None
    started_at: float = 0.0
    deaths: int = 0
    start_at: float = 0.0


class Supervisor:
    """Runs `processes` workers, each started by `start`, which is told its number.

    Numbers go from 1, and who takes the place of a dead one has the same. `patience_s`: how long they may take to end
    once they are asked to. `clock` and `sleep` are seconds.
    """

    def __init__(
        self,
        start: Callable[[int], Child],
        processes: int,
        patience_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._start_child = start
        self._places = [Place(number) for number in range(1, processes + 1)]
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        self._began_at = clock()
        self._proven = False

    def run(self, stops: Callable[[], int]) -> int:
        """Until a stop is asked for; `stops` says how often it was. 0: all drained; 1: not all; 2: none can work."""
        while not stops():
            if not self._look():
                return UNUSABLE
            self._sleep(POLL_S)
        return self._stop(stops)

    def _look(self) -> bool:
        """Start what is due, and see what has ended; False if none can work."""
        children = [place.child for place in self._places if place.child]
        self._proven = self._proven or any(child.works() for child in children) or self._waited_long()
        for place in self._places if self._proven else self._places[:1]:
            code = place.child.exit_code() if place.child else None
            if code is not None:
                if code == UNUSABLE and not self._proven:
                    return False
                self._ended(place, code)
            if place.child is None and self._clock() >= place.start_at:
                place.child, place.started_at = self._start_child(place.number), self._clock()
        return True

    def _waited_long(self) -> bool:
        return self._clock() - self._began_at >= ALONE_S

    def _ended(self, place: Place, code: int) -> None:
        assert place.child is not None  # noqa: S101 — it has ended
        recycled = code == 0 and place.child.works()
        lived_s = self._clock() - place.started_at
        after_s, place.deaths = next_start(recycled, lived_s, place.deaths)
        place.child, place.start_at = None, self._clock() + after_s
        (log.info if recycled else log.error)(
            "worker ended, another is started",
            process=place.number,
            ended=describe_exit(code),
            lived_s=round(lived_s, 1),
            after_s=after_s,
        )

    def _stop(self, stops: Callable[[], int]) -> int:
        """Each request takes all that still run one step further; out of patience, all steps are taken."""
        began_at, sent, failed = self._clock(), 0, False
        running = {place.number: place.child for place in self._places if place.child}
        while running:
            wanted = len(STEPS) if self._clock() - began_at >= self._patience_s else min(stops(), len(STEPS))
            for step in STEPS[sent:wanted]:
                for child in running.values():
                    child.send(step)
            sent = max(sent, wanted)
            self._sleep(POLL_S)
            for number, child in list(running.items()):
                code = child.exit_code()
                if code is not None:
                    del running[number]
                    failed |= not _drained(number, code)
        return 1 if failed else 0


def _drained(number: int, code: int) -> bool:
    if code in DRAINED:
        return True
    log.error("worker did not drain", process=number, ended=describe_exit(code))
    return False


def next_start(recycled: bool, lived_s: float, deaths: int) -> tuple[float, int]:
    """Seconds until the next start, and the deaths in a row with this one, of a worker that lived `lived_s`."""
    if recycled:
        return 0.0, 0
    deaths = 1 if lived_s >= LONG_LIVED_S else deaths + 1
    return BACKOFF.after(deaths), deaths


def describe_exit(code: int) -> str:
    """`exit code 1`, `SIGKILL`. Both 128 + n, as a shell has it, and -n, as Python does, are signal n."""
    try:
        return signal.Signals(code - 128 if code > 128 else -code).name
    except ValueError:
        return f"exit code {code}"
