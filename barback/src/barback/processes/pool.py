"""The processes of one worker: one for each running job that wants one, made when needed, used again."""

import asyncio
import sys
from concurrent.futures import Executor as Pool

from barback.errors import DeclarationError, ProcessDied
from barback.job import AnyJob
from barback.processes.process import Process
from barback.processes.wire import Load
from barback.registry import Registry

START_S = 60.0
"""How long a process may take to start and to import its job; not part of the job's `timeout_s`."""


class Processes:
    """Opens nothing until a job needs it. Used on the worker's event loop.

    :raises DeclarationError: a process could not import one of the jobs.
    """

    def __init__(self, registry: Registry) -> None:
        self._places = {job.name: find_place(job) for job in registry.jobs if job.runs_in == "process"}
        self._idle: list[Process] = []
        self._all: set[Process] = set()

    async def take(self, job: AnyJob, threads: Pool) -> Process:
        """A process that has imported the job; to be given back.

        :raises ProcessDied: it died of that, or was not ready within `START_S`.
        :raises BarbackError: the import failed.
        """
        process = self._take_idle() or self._start()
        try:
            async with asyncio.timeout(START_S):
                await asyncio.wrap_future(threads.submit(process.load, self._places[job.name]))
        except TimeoutError:
            process.kill()
            raise ProcessDied(f"Its process was not ready within {START_S:g} s.") from None
        except BaseException:
            process.kill()
            raise
        return process

    def give_back(self, process: Process, used_up: bool) -> None:
        """For the next job. It is killed if it is `used_up`, or still at work."""
        if process.idle and not used_up:
            self._idle.append(process)
        else:
            process.kill()

    def close(self) -> None:
        """Kill all, and wait until they are gone."""
        alive = [process for process in self._all if process.alive]
        for process in alive:
            process.kill()
        for process in alive:
            process.wait()
        self._all.clear()
        self._idle.clear()

    def _take_idle(self) -> Process | None:
        while self._idle:
            process = self._idle.pop()
            if process.alive:
                return process
        return None

    def _start(self) -> Process:
        # To look is what takes a dead one off the system's list.
        self._all = {process for process in self._all if process.alive}
        process = Process()
        self._all.add(process)
        return process


def find_place(job: AnyJob) -> Load:
    """Where a process imports a job from.

    :raises DeclarationError: it cannot.
    """
    module = job.handler.__module__
    attributes = vars(sys.modules[module]) if module in sys.modules else {}
    attribute = next((name for name, value in attributes.items() if value is job), None)
    if attribute is not None and module != "__main__":
        return Load(module, attribute)
    where = "in the program's main module" if module == "__main__" else f"not at the top level of '{module}'"
    raise DeclarationError(
        f"Job '{job.name}' runs in a process, which must import it, but it is {where}. "
        "Declare it at the top level of a module of its own."
    )
