"""Finds the jobs of an app and looks them up by name."""

import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import cast

from barback.errors import DeclarationError, NoJobs, UnknownJob, UnknownQueue, UsageError
from barback.job import AnyJob, Job


class Registry:
    """The jobs of an app by name, and by those they had before. Names are unique over all queues.

    :raises DeclarationError: two different jobs bear one name, or Python works one of a queue and TypeScript another.
    """

    def __init__(self, jobs: Iterable[AnyJob]) -> None:
        self.jobs: tuple[AnyJob, ...] = tuple(dict.fromkeys(jobs))
        self._by_name: dict[str, AnyJob] = {}
        for job in self.jobs:
            for name in job.names:
                first = self._by_name.setdefault(name, job)
                if first is not job:
                    raise DeclarationError(
                        f"Two jobs are named '{name}': {_where(first)} and {_where(job)}. "
                        "Names, former ones too, are unique in an app."
                    )
        self._check_queues_are_not_shared()

    def _check_queues_are_not_shared(self) -> None:
        for queue in self.external_queues:
            if queue in self.queues:
                of_queue = {job.external: job.name for job in self.jobs if job.queue == queue}
                raise DeclarationError(
                    f"Queue '{queue}' holds '{of_queue[True]}', which is external, and '{of_queue[False]}', which is "
                    "not: workers of both languages would take each other's jobs. Give them queues of their own."
                )

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that Python works, in the order of their declaration."""
        return tuple(dict.fromkeys(job.queue for job in self.jobs if not job.external))

    @property
    def external_queues(self) -> tuple[str, ...]:
        """The queues that TypeScript works."""
        return tuple(dict.fromkeys(job.queue for job in self.jobs if job.external))

    def get(self, name: str) -> AnyJob | None:
        """The job of that name, now or before, if there is one."""
        return self._by_name.get(name)

    def find(self, name: str, queue: str | None = None) -> AnyJob:
        """The job of that name; with `queue`, only if that is its queue.

        :raises UnknownJob: names the closest one.
        """
        job = self._by_name.get(name)
        if job is None or (queue is not None and job.queue != queue):
            raise UnknownJob(name, self._names(queue), queue)
        return job

    @property
    def all_queues(self) -> tuple[str, ...]:
        """Those that Python works, and then those that TypeScript does."""
        return self.queues + self.external_queues

    def check_queue(self, name: str) -> str:
        """The name itself.

        :raises UnknownQueue: no job of the app is in it; names the closest one.
        """
        if name not in self.all_queues:
            raise UnknownQueue(name, self.all_queues)
        return name

    def check_worked_queue(self, name: str) -> str:
        """The name itself.

        :raises UnknownQueue: no job of the app is in it; names the closest one.
        :raises UsageError: TypeScript works it.
        """
        if self.check_queue(name) in self.external_queues:
            raise UsageError(f"Queue '{name}' is worked in TypeScript: its jobs are declared with external=True.")
        return name

    def _names(self, queue: str | None) -> list[str]:
        return [job.name for job in self.jobs if queue is None or job.queue == queue]


def find_jobs(package: ModuleType) -> tuple[AnyJob, ...]:
    """Import every module of a package and take the jobs declared in it, in the order of the modules' names.

    :raises DeclarationError: it is not a package, holds no job, or has a folder of modules that is no package.
    """
    paths: Iterable[str] | None = getattr(package, "__path__", None)
    if paths is None:
        raise DeclarationError(
            f"App(jobs=…): '{package.__name__}' is a module; expected the package that holds the job files."
        )
    _check_folders_are_packages(paths)
    names = sorted(info.name for info in pkgutil.walk_packages(paths, package.__name__ + "."))
    modules = [package, *(importlib.import_module(name) for name in names)]
    jobs: dict[AnyJob, None] = {}
    for module in modules:
        jobs.update((cast("AnyJob", value), None) for value in vars(module).values() if isinstance(value, Job))
    if not jobs:
        raise NoJobs(package)
    return tuple(jobs)


def _check_folders_are_packages(paths: Iterable[str]) -> None:
    """Nobody looks into the others, and their jobs would be missing without a word."""
    for file in sorted(file for path in paths for file in Path(path).rglob("*.py")):
        if not (file.parent / "__init__.py").is_file() and file.parent not in map(Path, paths):
            raise DeclarationError(f"{file.parent} has no __init__.py, so the jobs in it are not found: write one.")


def _where(job: AnyJob) -> str:
    return f"{job.handler.__module__}.{job.handler.__qualname__}"
