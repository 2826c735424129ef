"""Asks Redis for all that the checks want to know."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from barback.app import AnyApp
from barback.broker import Broker, ListedState
from barback.control import waiting
from barback.control.attention import Situation
from barback.control.failures import group
from barback.control.metrics import Past
from barback.control.schedules import list_schedules
from barback.control.why import Why, why
from barback.control.workers import live_workers, published_apps
from barback.doctor.facts import Facts, QueueFacts, ScheduleFacts
from barback.errors import BrokerError, BrokerUnfit
from barback.examiner import ExaminedBroker
from barback.inspector import Glance

WAIT_IN: tuple[ListedState, ...] = ("waiting", "prioritized", "delayed")
NAMES_OF = 1_000
"""Jobs of each state whose names are looked at, and failed ones that are grouped."""
ACTIVE_LOOKED_AT = 1_000


async def gather_facts(broker: ExaminedBroker, app: AnyApp) -> Facts:
    """All of it.

    :raises BrokerUnavailable: the server is away, or does not allow what is asked.
    """
    declared = declared_names(app)
    names = sorted({*declared, *await broker.inspector.queues()})
    queues = [await gather_queue_facts(broker, name) for name in names]
    sound = [one for one in queues if one.broken is None]
    return Facts(
        now=broker.now(),
        place=broker.examiner.place,
        declared=declared,
        situation=await _situation(broker, sound),
        unfit=await _unfit(broker, list(declared)),
        queues=queues,
        libraries=await broker.examiner.libraries([one.queue for one in sound]),
        elsewhere=await broker.examiner.elsewhere(list(declared)),
    )


def declared_names(app: AnyApp) -> dict[str, frozenset[str]]:
    """The names of the app's jobs, former ones too, by queue."""
    jobs = app.registry.jobs
    return {
        queue: frozenset(name for job in jobs if job.queue == queue for name in job.names)
        for queue in app.registry.queues
    }


async def gather_schedules(broker: Broker, queue: str) -> list[ScheduleFacts]:
    """All of a queue, whoever made them."""
    views = await list_schedules(broker, [queue])
    states = [await broker.state(queue, view.stored.job_id) if view.stored else "unknown" for view in views]
    return [
        ScheduleFacts(view, view.stored is not None and state == "unknown")
        for view, state in zip(views, states, strict=True)
    ]


async def _unfit(broker: Broker, queues: Sequence[str]) -> list[str]:
    try:
        await broker.check(queues)
    except BrokerUnfit as error:
        return str(error).splitlines()
    return []


async def _situation(broker: ExaminedBroker, queues: Sequence[QueueFacts]) -> Situation:
    board, names = broker.board, [one.queue for one in queues]
    workers, apps, server, past = await asyncio.gather(
        live_workers(board),
        published_apps(board),
        broker.inspector.server(),
        Past(board, "1h").look(names, broker.now()),
    )
    last_hour = {queue: series.whole for queue, series in past.by_queue.items()}
    schedules = [facts.view for one in queues for facts in one.schedules]
    glances = [one.glance for one in queues if one.glance is not None]
    return Situation(broker.now(), server, glances, workers, apps, schedules, last_hour)


async def gather_queue_facts(broker: ExaminedBroker, queue: str) -> QueueFacts:
    """All of one. What another kind of key than expected keeps from being read is `broken`."""
    try:
        [glance] = await broker.inspector.glance([queue])
        around = await waiting.gather_queue(broker, queue)
        return QueueFacts(
            queue=queue,
            glance=glance,
            why=await _why_first_waits(broker, glance, around),
            names=await _names(broker, queue),
            workers=around.workers,
            unheld=await broker.examiner.unheld(queue, ACTIVE_LOOKED_AT),
            leftovers=await broker.examiner.leftovers(queue),
            failures=(await group(broker.inspector, queue, NAMES_OF)).groups,
            schedules=await gather_schedules(broker, queue),
        )
    except BrokerError as error:
        return QueueFacts(queue, broken=str(error))


async def _why_first_waits(broker: ExaminedBroker, glance: Glance, around: waiting.QueueFacts) -> Why | None:
    for state in WAIT_IN[:2]:
        if glance.counts[state] and (records := await broker.list_jobs(glance.queue, state, 0, 1)):
            return why(await waiting.gather(broker, records[0], around))
    return None


async def _names(broker: ExaminedBroker, queue: str) -> Counter[str]:
    scanned = [await broker.inspector.scan(queue, state, 0, NAMES_OF) for state in WAIT_IN]
    return Counter(seen.record.name for one in scanned for seen in one.jobs)
