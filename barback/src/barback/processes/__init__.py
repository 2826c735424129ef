"""Jobs with `runs_in="process"`: children of the worker, each with one job at a time (`pool`, `process`, `child`)."""

from barback.processes.pool import START_S, Processes
from barback.processes.process import Process

__all__ = ["START_S", "Process", "Processes"]
