"""What the routes share: `barback.control`, bound to one broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from barback.broker import JobRecord, ListedState
from barback.control import audit
from barback.control.bulk import BulkActions
from barback.control.failures import RecentFailures
from barback.control.kept import Kept
from barback.control.overview import Overviews
from barback.control.workers import published_apps
from barback.errors import UnknownQueue
from barback.inspector import InspectedBroker

FOUND_FOR_S = 1.0
"""Finding the queues may be a look through many keys: one for all who ask at the same time."""


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """A queue as it is now."""

    name: str
    paused: bool
    counts: Mapping[ListedState, int]


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
        return QueueStatus(queue, await self._broker.is_paused(queue), await self._broker.counts(queue))

    async def job(self, queue: str, job_id: str) -> JobRecord | None:
        """None: there is no such job. Raises as `status`."""
        await self.check(queue)
        return await self._broker.get(queue, job_id)

    async def check(self, queue: str) -> None:
        """:raises UnknownQueue: it is not one of those that are shown."""
        known = await self.queues()
        if queue not in known:
            raise UnknownQueue(queue, known)
