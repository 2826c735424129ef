"""Watches the event loop from a thread: says which job blocks it, and ends a process whose loop is stuck (P19).

The locks of a worker's jobs are renewed by another thread, so a job that blocks the loop keeps its lock, and nobody
else would ever take the queue's work from a worker that is stuck for good.
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from barback.telemetry.histogram import Durations

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.loop")

WARN_S = 1.0
END_AFTER_LOCKS = 3
SAY_S = 1.0
"""How long the last line may take to be written."""


def end_process() -> None:
    """At once and with exit code 1: a stuck loop can close nothing. Its jobs are recovered as after a kill."""
    os._exit(1)


class LoopWatch:
    """`running` names the jobs that run. `end` is called, from the thread, when the loop is silent for three locks.

    `lags`: how late the loop came each time is added to them.
    """

    def __init__(
        self,
        lock_s: float,
        running: Callable[[], Sequence[str]],
        end: Callable[[], object] = end_process,
        lags: Durations | None = None,
    ) -> None:
        self._tick_s = min(0.25, lock_s / 20)
        self._warn_s = min(WARN_S, lock_s / 3)
        # A block of just three locks is survived: it is over before a third of one more has passed.
        self._end_s = (END_AFTER_LOCKS + 1 / 3) * lock_s
        self._running = running
        self._end = end
        self._beats = 0
        self._lag_s = 0.0
        self._lags = lags or Durations()
        self._seen_at = time.monotonic()
        self._stopped = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()

    async def run(self) -> None:
        """Let the thread see that the loop goes on; for ever."""
        threading.Thread(target=self._watch, name="barback-loop-watch", daemon=True).start()
        try:
            while True:
                self._beats += 1
                due_at = self._loop.time() + self._tick_s / 2
                await asyncio.sleep(self._tick_s / 2)
                lag_s = self._loop.time() - due_at
                self._lag_s = max(self._lag_s, lag_s)
                self._lags.add(lag_s)
                self._seen_at = time.monotonic()
        finally:
            self._stopped.set()

    def lag_s(self) -> float:
        """How late the loop came to what was due, at worst since this was asked last."""
        worst, self._lag_s = self._lag_s, 0.0
        return worst

    def silent_s(self) -> float:
        """Seconds since the loop was seen to go on. From any thread."""
        return time.monotonic() - self._seen_at

    def _watch(self) -> None:
        seen, silent_s, looked_at = self._beats, 0.0, time.monotonic()
        while not self._stopped.wait(self._tick_s):
            gap_s, looked_at = time.monotonic() - looked_at, time.monotonic()
            if gap_s > self._warn_s:
                self._tell_standstill(gap_s)
            if self._beats != seen:
                seen, silent_s = self._beats, 0.0
                continue
            # What this thread did not see is no silence: then all of the process stood still.
            before_s, silent_s = silent_s, silent_s + min(gap_s, 2 * self._tick_s)
            if before_s < self._warn_s <= silent_s:
                self._tell_block(silent_s)
            if silent_s > self._end_s:
                said = _say(
                    log.critical, "event loop stuck, ending the process", silent_s=round(silent_s, 1), **self._blame()
                )
                said.join(SAY_S)
                self._end()
                return

    def _tell_block(self, silent_s: float) -> None:
        _say(
            log.warning,
            "event loop blocked: nothing else runs meanwhile; declare the handler as a plain def, or await",
            silent_s=round(silent_s, 1),
            **self._blame(),
        )

    def _tell_standstill(self, gap_s: float) -> None:
        _say(
            log.warning,
            "process stood still: a C call kept the GIL (declare the job with runs_in='process'), or it was stopped",
            for_s=round(gap_s, 1),
            jobs=list(self._running()),
        )

    def _blame(self) -> dict[str, str]:
        """The job, by the name of its asyncio task, and the line at which it is."""
        current = asyncio.current_task(self._loop)
        frame = sys._current_frames().get(self._loop_thread)  # pyright: ignore[reportPrivateUsage]
        code = frame.f_code if frame else None
        return {
            "job": current.get_name() if current else "none",
            "at": f"{code.co_filename}:{frame.f_lineno} in {code.co_name}" if frame and code else "unknown",
        }


def _say(write: Callable[..., object], event: str, **facts: object) -> threading.Thread:
    """Log from another thread: what blocks the loop may be the log itself, whose reader has gone."""
    saying = threading.Thread(target=partial(write, event, **facts), name="barback-loop-says", daemon=True)
    saying.start()
    return saying
