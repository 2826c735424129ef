"""Asks Redis for all that the checks want to know."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from barback.app import AnyApp
from barback.broker import Broker, ListedState
from barback.control import waiting
from barback.control.attention import Situation
from barback.control.failures import group
from barback.control.kept import ask_each
from barback.control.schedules import list_schedules
from barback.control.why import Why, why
from barback.control.workers import live_workers, published_apps
from barback.doctor.facts import Facts, QueueFacts, ScheduleFacts
from barback.errors import BarbackError, BrokerUnavailable, BrokerUnfit
from barback.examiner import ExaminedBroker
from barback.inspector import Glance

WAIT_IN: tuple[ListedState, ...] = ("waiting", "prioritized", "delayed")
NAMES_OF = 1_000
"""Jobs of each state whose names are looked at, and failed ones that are grouped."""
ACTIVE_LOOKED_AT = 1_000
QUEUES_AT_ONCE = 8


async def gather_facts(broker: ExaminedBroker, app: AnyApp) -> Facts:
    """All of it.

    :raises BrokerUnavailable: the server is away, or does not allow what is asked.
    """
    declared = declared_names(app)
    names = sorted({*declared, *await broker.inspector.queues()})
    queues = await ask_each(names, lambda name: gather_queue_facts(broker, name), QUEUES_AT_ONCE)
    sound = [one.queue for one in queues if one.broken is None]
    return Facts(
        now=broker.now(),
        place=broker.examiner.place,
        database=broker.examiner.database,
        declared=declared,
        situation=await _situation(broker),
        unfit=await _unfit(broker, list(declared)),
        queues=queues,
        leftovers=await broker.examiner.leftovers(sound),
        libraries=await broker.examiner.libraries(sound),
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


async def _situation(broker: ExaminedBroker) -> Situation:
    """Of the server and its workers: what becomes of each queue is looked at more closely here."""
    workers, apps, server = await asyncio.gather(
        live_workers(broker.board), published_apps(broker.board), broker.inspector.server()
    )
    return Situation(broker.now(), server, workers=workers, apps=apps)


async def gather_queue_facts(broker: ExaminedBroker, queue: str) -> QueueFacts:
    """All of one. Whatever keeps it from being read makes it `broken`, and no other one.

    :raises BrokerUnavailable: the server is away, or does not allow what is asked.
    """
    odd_keys = await broker.examiner.odd_keys(queue)
    try:
        return replace(await _look_at(broker, queue), odd_keys=odd_keys)
    except BrokerUnavailable:
        raise
    except BarbackError as error:
        return QueueFacts(queue, odd_keys=odd_keys, broken=str(error))
    except Exception as error:  # noqa: BLE001 — anybody may have written anything there
        return QueueFacts(queue, odd_keys=odd_keys, broken=f"{type(error).__name__}: {error}")


async def _look_at(broker: ExaminedBroker, queue: str) -> QueueFacts:
    [glance] = await broker.inspector.glance([queue])
    around = await waiting.gather_queue(broker, queue)
    return QueueFacts(
        queue=queue,
        glance=glance,
        why=await _why_first_waits(broker, glance, around),
        names=await _names(broker, queue),
        workers=around.workers,
        unheld=await broker.examiner.unheld(queue, ACTIVE_LOOKED_AT),
        failures=(await group(broker.inspector, queue, NAMES_OF)).groups,
        schedules=await gather_schedules(broker, queue),
    )


async def _why_first_waits(broker: ExaminedBroker, glance: Glance, around: waiting.QueueFacts) -> Why | None:
    for state in WAIT_IN[:2]:
        if glance.counts[state] and (records := await broker.list_jobs(glance.queue, state, 0, 1)):
            return why(await waiting.gather(broker, records[0], around))
    return None


async def _names(broker: ExaminedBroker, queue: str) -> Counter[str]:
    scanned = [await broker.inspector.scan(queue, state, 0, NAMES_OF) for state in WAIT_IN]
    return Counter(seen.record.name for one in scanned for seen in one.jobs)
