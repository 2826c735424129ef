"""How a worker is: what its heartbeat tells of it."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version

from barback.broker import Broker
from barback.loop_watch import LoopWatch
from barback.pumps import Pumps
from barback.recycling import resident_mb
from barback.telemetry.beat import WorkerBeat, longest_running
from barback.telemetry.published import PublishedApp


class Vitals:
    """Of one worker, which works `queues` (concurrency by name); `draining`: whether it was told to stop."""

    def __init__(
        self,
        name: str,
        app: PublishedApp,
        queues: Mapping[str, int],
        broker: Broker,
        pumps: Pumps,
        loop_watch: LoopWatch,
        draining: Callable[[], bool],
    ) -> None:
        self._broker = broker
        self._pumps = pumps
        self._loop_watch = loop_watch
        self._draining = draining
        self._at_start = WorkerBeat(
            name=name,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=version("barback"),
            release=app.release,
            app=app.name,
            started_at=app.at,
            at=app.at,
            queues=queues,
        )

    def look(self) -> WorkerBeat:
        """How it is now; the loop's lag is the worst since this was called last."""
        jobs = self._pumps.jobs()
        return replace(
            self._at_start,
            at=self._broker.now(),
            running=longest_running(jobs),
            jobs_running=len(jobs),
            memory_mb=round(resident_mb(), 1),
            loop_lag_s=round(self._loop_watch.lag_s(), 4),
            draining=self._draining(),
        )
