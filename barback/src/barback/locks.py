"""Keeps the locks of running jobs, from a thread of its own: a handler that blocks the loop keeps its job (B11)."""

from collections import defaultdict
from collections.abc import Callable
from threading import Event, Lock, Thread

import structlog

from barback.broker import Broker, FetchedJob

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.locks")


class LockKeeper:
    """Renews every `lock_s` / 3 the locks of the jobs it holds. `on_lost` is called from its thread."""

    def __init__(self, broker: Broker, lock_s: float, on_lost: Callable[[FetchedJob], object]) -> None:
        self._broker = broker
        self._lock_s = lock_s
        self._on_lost = on_lost
        self._held: dict[str, FetchedJob] = {}
        self._guard = Lock()
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="barback-locks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing; does not wait for an answer that is on its way."""
        self._stopped.set()

    def hold(self, job: FetchedJob) -> None:
        with self._guard:
            self._held[job.token] = job

    def release(self, job: FetchedJob) -> None:
        with self._guard:
            self._held.pop(job.token, None)

    def _run(self) -> None:
        rest_s = self._lock_s / 3
        while not self._stopped.wait(rest_s):
            renewed = [self._renew(queue, jobs) for queue, jobs in self._by_queue().items()]
            # A lock must not run out while we rest from a failure.
            rest_s = self._lock_s / (3 if all(renewed) else 20)

    def _by_queue(self) -> dict[str, list[FetchedJob]]:
        jobs: dict[str, list[FetchedJob]] = defaultdict(list)
        with self._guard:
            for job in self._held.values():
                jobs[job.queue].append(job)
        return jobs

    def _renew(self, queue: str, jobs: list[FetchedJob]) -> bool:
        try:
            lost = self._broker.extend_locks(queue, jobs, self._lock_s)
            self._tell(lost)
        except Exception as error:  # noqa: BLE001 — the thread must live as long as there are locks to keep
            log.warning("locks not renewed", queue=queue, jobs=len(jobs), error=f"{type(error).__name__}: {error}")
            return False
        return True

    def _tell(self, lost: list[FetchedJob]) -> None:
        for job in lost:
            with self._guard:
                # It may have been settled while we asked: then its lock is gone as it should be, and its token may
                # hold the next job already.
                still_held = self._held.get(job.token) is job
                if still_held:
                    del self._held[job.token]
            if still_held:
                self._on_lost(job)
