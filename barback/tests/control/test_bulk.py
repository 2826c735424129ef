"""Bulk actions go on by themselves, can be stopped, are bounded, and leave both of their ends in the audit log."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from barback.board import Board
from barback.control import audit
from barback.control.actions import Matching
from barback.control.bulk import KEPT, MOST_RUNNING, Bulk, BulkActions
from barback.control.orders import Order
from barback.control.query import EVERY, Query, parse
from barback.control.search import Listing
from barback.errors import BrokerError, BrokerUnavailable, UsageError
from barback.inspector import Action, Operator, Retry, Target

from .conftest import Store


class Held:
    """A store whose actions wait until they are let through, or fail."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.free = asyncio.Event()
        self.error: Exception | None = None
        self.acts = 0

    @property
    def board(self) -> Board:
        return self._store.broker.board

    @property
    def inspector(self) -> Operator:
        held: Any = self
        return held

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store.inspector, name)

    async def act(self, queue: str, state: Any, action: Action, targets: Sequence[Target]) -> Any:
        self.acts += 1
        await self.free.wait()
        if self.error:
            raise self.error
        return await self._store.inspector.act(queue, state, action, targets)


@pytest.fixture
async def held(store: Store) -> AsyncIterator[Held]:
    made = Held(store)
    yield made
    made.free.set()


def order(store: Store, text: str = "") -> Order:
    query = parse(text) if text else EVERY
    assert isinstance(query, Query)
    return Order(Matching(Listing(store.queue, "failed", query)), Retry(), "retry", "ada", f"all failed {text}".strip())


async def until(probe: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not probe():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def ended(bulk: Bulk) -> None:
    await until(lambda: bulk.end)


async def fail(store: Store, count: int) -> None:
    await store.put_many({f"j{n}": {"failedReason": "A: no", "data": f'{{"n":{n}}}'} for n in range(count)})


async def audited(store: Store) -> list[tuple[str, str, str, int, int]]:
    """Who did what to this queue, the oldest first."""
    found = [one.action for one in await audit.recorded(store.broker.board, 100)]
    return [(it.who, it.did, it.subject, it.count, it.refused) for it in found if it.queue == store.queue][::-1]


async def test_all_that_match_are_acted_on_and_both_ends_are_written_down(store: Store) -> None:
    await fail(store, 12)
    actions = BulkActions(store.broker)
    bulk = await actions.start(order(store, "payload.n:>=10"))
    await ended(bulk)
    assert (bulk.end, bulk.progress.done, bulk.progress.total) == ("finished", 2, 2)
    assert await store.inspector.count(store.queue, "waiting") == 2
    assert await audited(store) == [
        ("ada", "begin retry", "all failed payload.n:>=10", 0, 0),
        ("ada", "retry", "all failed payload.n:>=10", 2, 0),
    ]


async def test_it_goes_on_while_nobody_listens_and_anybody_sees_how_far_it_is(store: Store, held: Held) -> None:
    await fail(store, 3)
    actions = BulkActions(held)
    bulk = await actions.start(order(store))
    await until(lambda: held.acts)
    assert actions.running(store.queue) == [bulk]
    assert actions.running("another") == []
    assert actions.get(bulk.id) is bulk
    assert bulk.progress.total == 3
    held.free.set()
    await ended(bulk)
    assert actions.running(store.queue) == []
    assert actions.all() == [bulk]


async def test_one_that_is_stopped_ends_after_what_it_is_busy_with(
    store: Store, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barback.control.actions.CHUNK", 2)
    await fail(store, 6)
    actions = BulkActions(held)
    bulk = await actions.start(order(store))
    await until(lambda: held.acts)
    assert actions.stop(bulk.id)
    held.free.set()
    await ended(bulk)
    assert (bulk.end, bulk.progress.done) == ("stopped", 2)
    assert await store.inspector.count(store.queue, "failed") == 4
    assert not actions.stop(bulk.id)
    assert (await audited(store))[-1][3:] == (2, 0)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (BrokerUnavailable("away"), "Redis went away"),
        (BrokerError("it says so"), "it says so"),
        (RuntimeError("s3cret"), "in its log"),
    ],
)
async def test_one_that_fails_says_why_and_no_secret(store: Store, held: Held, error: Exception, why: str) -> None:
    await fail(store, 1)
    held.error = error
    held.free.set()
    bulk = await BulkActions(held).start(order(store))
    await ended(bulk)
    assert bulk.end == "failed"
    assert why in bulk.why
    assert "s3cret" not in bulk.why


async def test_so_many_run_at_once_and_no_more(store: Store, held: Held) -> None:
    await fail(store, 1)
    actions = BulkActions(held)
    running = [await actions.start(order(store)) for _ in range(MOST_RUNNING)]
    with pytest.raises(UsageError, match="wait for one of them to end"):
        await actions.start(order(store))
    held.free.set()
    for bulk in running:
        await ended(bulk)
    await ended(await actions.start(order(store)))


@pytest.mark.parametrize("busy", [False, True], ids=["ends-soon", "hangs"])
async def test_when_the_dashboard_ends_so_does_what_runs(store: Store, held: Held, busy: bool) -> None:
    await fail(store, 1)
    actions = BulkActions(held)
    bulk = await actions.start(order(store))
    await until(lambda: held.acts)
    if not busy:
        held.free.set()
    await actions.close(0.05 if busy else 5.0)
    assert bulk.end == ("failed" if busy else "finished")
    assert [it[1] for it in await audited(store)] == ["begin retry", "retry"]


async def test_the_newest_that_ended_are_remembered(store: Store) -> None:
    actions = BulkActions(store.broker)
    bulks: list[Bulk] = []
    for _ in range(KEPT + 2):
        bulks.append(await actions.start(order(store)))
        await ended(bulks[-1])
    assert actions.all() == bulks[:1:-1]
    assert actions.get(bulks[0].id) is None


async def test_without_redis_nothing_begins(store: Store, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise BrokerUnavailable("away")

    monkeypatch.setattr("barback.control.audit.record", away)
    actions = BulkActions(held)
    with pytest.raises(BrokerUnavailable):
        await actions.start(order(store))
    assert actions.all() == []
