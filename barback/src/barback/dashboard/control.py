"""What the routes share: `barback.control`, bound to one broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from barback.broker import JobRecord, ListedState
from barback.control import audit
from barback.control.bulk import BulkActions
from barback.control.failures import RecentFailures
from barback.control.kept import Kept
from barback.control.overview import Overviews
from barback.control.workers import published_apps
from barback.errors import BrokerError, UnknownQueue
from barback.inspector import InspectedBroker

FOUND_FOR_S = 1.0
"""Finding the queues may be a look through many keys: one for all who ask at the same time."""

Action = Literal["retry", "promote", "remove"]
ACTIONS: Mapping[Action, str] = {"retry": "retried", "promote": "promoted", "remove": "removed"}
"""What can be done to jobs, and how it is said when it is done."""

ACTIONS_IN: Mapping[ListedState, Sequence[Action]] = {
    "waiting": ("remove",),
    "prioritized": ("remove",),
    "delayed": ("promote", "remove"),
    "active": (),
    "completed": ("retry", "remove"),
    "failed": ("retry", "remove"),
    "waiting-children": ("remove",),
}
"""Which of them a job in this state allows."""


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """A queue as it is now."""

    name: str
    paused: bool
    counts: Mapping[ListedState, int]


@dataclass(frozen=True, slots=True)
class JobDetails:
    """One job, and what it wrote to its log, oldest line first."""

    record: JobRecord
    logs: Sequence[str]


@dataclass(frozen=True, slots=True)
class Acted:
    """How many jobs an action was done to, and why not to the others, by id."""

    done: int = 0
    refused: Mapping[str, str] = field(default_factory=dict[str, str])


class Control:
    """What the routes ask: `barback.control`, bound to one broker.

    Every method raises `BrokerUnavailable` while Redis is away. `queues`: those that are shown; None: all that the apps
    of live workers declare, and all others that are stored.
    """

    def __init__(self, broker: InspectedBroker, queues: Sequence[str] | None = None) -> None:
        self._broker = broker
        self._queues = None if queues is None else tuple(queues)
        self._found = Kept(self._find_queues, FOUND_FOR_S)
        self.overviews = Overviews(broker, self.queues)
        self.bulk = BulkActions(broker)
        self.failures = RecentFailures(lambda: broker.inspector)

    async def close(self) -> None:
        """Before the broker is closed: end what still goes on."""
        await self.bulk.close()

    @property
    def broker(self) -> InspectedBroker:
        """For functions of `barback.control`; routes call no method of it."""
        return self._broker

    async def queues(self) -> Sequence[str]:
        """Their names, in the order in which they are shown."""
        return await self._found.get() if self._queues is None else self._queues

    async def _find_queues(self) -> Sequence[str]:
        apps = await published_apps(self._broker.board)
        declared = [job.queue for app in apps for job in app.jobs]
        return list(dict.fromkeys([*declared, *await self._broker.inspector.queues()]))

    async def record(self, action: audit.Action) -> None:
        """Write down what somebody did."""
        await audit.record(self._broker.board, action)

    async def status(self, queue: str) -> QueueStatus:
        """One of them.

        :raises UnknownQueue: it is not one of those that are shown.
        """
        await self.check(queue)
        return await self._status(queue)

    async def job(self, queue: str, job_id: str) -> JobDetails | None:
        """None: there is no such job. Raises as `status`."""
        await self.check(queue)
        record = await self._broker.get(queue, job_id)
        return record and JobDetails(record, await self._broker.logs(queue, job_id))

    async def act(self, action: Action, queue: str, job_ids: Sequence[str]) -> Acted:
        """Do it to each of these jobs, and say to which it could not be done. Raises as `status`."""
        await self.check(queue)
        done, refused = 0, dict[str, str]()
        for job_id in job_ids:
            try:
                await self._act(action, queue, job_id)
                done += 1
            except BrokerError as error:
                refused[job_id] = str(error)
        return Acted(done, refused)

    async def pause(self, queue: str) -> None:
        """Let no worker start jobs of it; those that run go on. Raises as `status`."""
        await self.check(queue)
        await self._broker.pause(queue)

    async def resume(self, queue: str) -> None:
        await self.check(queue)
        await self._broker.resume(queue)

    async def _act(self, action: Action, queue: str, job_id: str) -> None:
        if action == "remove":
            if not await self._broker.remove(queue, job_id):
                raise BrokerError(f"Job {job_id} of '{queue}' was not removed: it does not exist any more.")
        elif action == "retry":
            await self._broker.retry(queue, job_id)
        else:
            await self._broker.promote(queue, job_id)

    async def _status(self, queue: str) -> QueueStatus:
        return QueueStatus(queue, await self._broker.is_paused(queue), await self._broker.counts(queue))

    async def check(self, queue: str) -> None:
        """:raises UnknownQueue: it is not one of those that are shown."""
        known = await self.queues()
        if queue not in known:
            raise UnknownQueue(queue, known)
