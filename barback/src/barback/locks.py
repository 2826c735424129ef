"""Keeps the locks of running jobs, from a thread of its own: a handler that blocks the loop keeps its job (B11)."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event, Lock, Thread

import structlog

from barback.broker import Broker, FetchedJob, Renewal
from barback.errors import BarbackError
from barback.outage import Outage

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.locks")


class LockKeeper:
    """Renews every `lock_s` / 3 the locks of the jobs it holds.

    A job that is held longer than it may be is lost too: nothing else would ever take it from a handler that does not
    end.
    """

    def __init__(self, broker: Broker, lock_s: float, outage: Outage | None = None) -> None:
        self._broker = broker
        self._lock_s = lock_s
        self._outage = outage or Outage()
        self._held: dict[str, FetchedJob] = {}
        """By token."""
        self._until: dict[str, float] = {}
        """Of those that are not kept for ever, by the monotonic clock."""
        self._guard = Lock()
        self._stopped = Event()

    def start(self, on_lost: Callable[[FetchedJob], object], on_cancelled: Callable[[FetchedJob, str], object]) -> None:
        """Begin; both are called on the running event loop, the second with the reason that somebody gave."""
        loop = asyncio.get_running_loop()
        self._on_lost = partial(loop.call_soon_threadsafe, on_lost)
        self._on_cancelled = partial(loop.call_soon_threadsafe, on_cancelled)
        Thread(target=self._run, name="barback-locks", daemon=True).start()

    def stop(self) -> None:
        """Stop renewing; does not wait for an answer that is on its way."""
        self._stopped.set()

    def hold(self, job: FetchedJob) -> None:
        """Keep its lock until it is released."""
        with self._guard:
            self._held[job.token] = job
            self._until.pop(job.token, None)

    def bound(self, job: FetchedJob, for_s: float) -> None:
        """Keep the lock of a held job for so long from now at most; `inf`: again until it is released."""
        with self._guard:
            if self._held.get(job.token) is job:
                self._until[job.token] = time.monotonic() + for_s

    def release(self, job: FetchedJob) -> None:
        with self._guard:
            self._forget(job)

    def _run(self) -> None:
        rest_s = self._lock_s / 3
        while not self._stopped.wait(rest_s):
            self._give_up_overdue()
            renewed = [self._renew(queue, jobs) for queue, jobs in self._by_queue().items()]
            # A lock must not run out while we rest from a failure.
            rest_s = self._lock_s / (3 if all(renewed) else 20)

    def _by_queue(self) -> dict[str, list[FetchedJob]]:
        jobs: dict[str, list[FetchedJob]] = defaultdict(list)
        with self._guard:
            for job in self._held.values():
                jobs[job.queue].append(job)
        return jobs

    def _give_up_overdue(self) -> None:
        now = time.monotonic()
        with self._guard:
            overdue = [self._held[token] for token, until in self._until.items() if until < now]
        for job in overdue:
            what = "lock given up: the job went on beyond its timeout and the grace time"
            log.error(what, queue=job.queue, job=job.name, job_id=job.id)
        self._lose(overdue)

    def _renew(self, queue: str, jobs: list[FetchedJob]) -> bool:
        try:
            self._tell(self._broker.extend_locks(queue, jobs, self._lock_s))
        except BarbackError as error:
            self._outage.failed("renew locks", error, queue=queue, jobs=len(jobs))
            return False
        except Exception:
            # The thread must live as long as there are locks to keep.
            log.exception("locks not renewed", queue=queue, jobs=len(jobs))
            return False
        return True

    def _tell(self, renewal: Renewal) -> None:
        self._lose(renewal.lost)
        for job, reason in renewal.cancelled:
            self._on_cancelled(job, reason)

    def _lose(self, lost: Sequence[FetchedJob]) -> None:
        for job in lost:
            with self._guard:
                # It may have been settled while we asked: then its lock is gone as it should be, and its token may
                # hold the next job, as Node's do.
                still_held = self._forget(job)
            if still_held:
                self._on_lost(job)

    def _forget(self, job: FetchedJob) -> bool:
        """Whether it was held."""
        if self._held.get(job.token) is not job:
            return False
        del self._held[job.token]
        self._until.pop(job.token, None)
        return True
