"""Jobs with `runs_in="process"`: children of the worker, each with one job at a time (`pool`, `process`, `child`)."""

from barback.processes.pool import Processes
from barback.processes.process import Process

__all__ = ["Process", "Processes"]
