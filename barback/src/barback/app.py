"""What an application consists of. A value: declares, opens nothing."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar

from barback.broker import QueueLimits
from barback.errors import DeclarationError, did_you_mean
from barback.finding import Check
from barback.job import AnyJob
from barback.registry import Registry, find_jobs
from barback.schedule import Schedule
from barback.settings import EnvSettings

ServicesT = TypeVar("ServicesT")


def no_services() -> AbstractAsyncContextManager[None]:
    """For apps whose handlers need nothing opened."""
    return nullcontext()


class Prepare(Protocol):
    """Called by `barback dev` once its servers run and their addresses are in the environment."""

    def __call__(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Development:
    """What `barback dev` does for this app besides an embedded Redis.

    `postgres_url`: the variable that names the app's database; if neither it nor one of `instead` is set, an embedded
    Postgres is started and the variable set. `prepare` is then called in its own process (migrations, sample data).
    """

    postgres_url: str | None = None
    instead: tuple[str, ...] = ()
    prepare: Prepare | None = None


@dataclass(frozen=True, slots=True)
class App(Generic[ServicesT]):
    """Jobs, schedules, and the services their handlers are given.

    `jobs`: a package (every module in it is imported and its jobs taken) or the jobs themselves. `services`: opens what
    handlers need, once a worker. `queues`: concurrency of one worker by queue name (default: the settings').
    `limits`: bounds over all workers, by queue name. `settings`: the app's own kinds, checked together with barback's
    before a command begins; what `barback dev` brings must not be required in them. `checks`: what `barback doctor`
    looks at for this app, its database for one.

    :raises DeclarationError: two jobs of one name, a schedule of a job or a queue that is not the app's.
    """

    jobs: ModuleType | Iterable[AnyJob]
    services: Callable[[], AbstractAsyncContextManager[ServicesT]]
    schedules: tuple[Schedule, ...] = ()
    queues: Mapping[str, int] = field(default_factory=dict[str, int])
    limits: Mapping[str, QueueLimits] = field(default_factory=dict[str, QueueLimits])
    settings: tuple[type[EnvSettings], ...] = ()
    checks: tuple[Check, ...] = ()
    name: str = "app"
    development: Development = Development()
    registry: Registry = field(init=False)

    def __post_init__(self) -> None:
        jobs = find_jobs(self.jobs) if isinstance(self.jobs, ModuleType) else tuple(self.jobs)
        object.__setattr__(self, "registry", Registry(jobs))
        self._check_queues()
        self._check_schedules()

    def _check_queues(self) -> None:
        for argument, names in (("queues", self.queues), ("limits", self.limits)):
            for name in names:
                if name not in self.registry.queues:
                    hint = did_you_mean(name, self.registry.queues)
                    raise DeclarationError(f"App({argument}=…): no job of the app is in queue '{name}'.{hint}")
        for name, concurrency in self.queues.items():
            if concurrency < 1:
                raise DeclarationError(
                    f"App(queues=…): '{name}' expected a concurrency of 1 or more, got {concurrency}."
                )

    def _check_schedules(self) -> None:
        seen: set[str] = set()
        for schedule in self.schedules:
            if schedule.job not in self.registry.jobs:
                raise DeclarationError(
                    f"Schedule '{schedule.id}': its job '{schedule.job.name}' is not one of the app's."
                )
            if schedule.id in seen:
                raise DeclarationError(f"Schedule '{schedule.id}' is declared twice.")
            if schedule.job.external:
                raise DeclarationError(
                    f"Schedule '{schedule.id}': its job '{schedule.job.name}' is external, and no worker of Python "
                    "ticks its queue. Schedule a job here that enqueues it, or use upsertJobScheduler in TypeScript."
                )
            seen.add(schedule.id)


AnyApp = App[Any]
