"""A million jobs in a state: pages stay fast, searches and bulk actions keep their budget. Prints what it measured."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from barback.broker import ListedState
from barback.bullmq import BullMQBroker
from barback.control.actions import Matching, Progress, apply, preview
from barback.control.failures import group
from barback.control.query import Query, parse
from barback.control.search import START, Budget, Cursor, Listing, search
from barback.inspector import EVERYTHING, Needle, Retry, Sieve
from drills.a_million import MILLION, seed
from drills.servers import Valkey

pytestmark = pytest.mark.slow

QUEUE = "million"
STATES: Sequence[ListedState] = ("waiting", "failed")


PAGE_S = 0.3
STEP_MS = 10.0
"""Of the time of the server's one thread, all that belongs to the call included."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a million waiting and a million failed jobs of some 200 bytes."""
    server = Valkey(Path(tmp_path_factory.mktemp("million")), "--save", "", "--appendonly", "no")
    server.start()
    began = time.perf_counter()
    for state in STATES:
        seed(server.url, f"{QUEUE}-{state}", state)
    print(f"\nseeded in {time.perf_counter() - began:.0f} s")
    yield server.url
    server.stop()


@pytest.fixture
async def broker(url: str) -> AsyncIterator[BullMQBroker]:
    opened = BullMQBroker(url)
    await opened.open()
    yield opened
    await opened.close()


def read(text: str) -> Query:
    query = parse(text)
    assert isinstance(query, Query)
    return query


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("start", [0, MILLION // 2, MILLION - 50])
async def test_any_page_is_there_in_less_than_300_ms(broker: BullMQBroker, state: ListedState, start: int) -> None:
    began = time.perf_counter()
    page = await search(broker.inspector, Listing(f"{QUEUE}-{state}", state), Cursor(start))
    took_s = time.perf_counter() - began
    print(f"\n{state}, page at {start:,}: {took_s * 1000:.0f} ms")
    assert (len(page.jobs), page.total) == (50, MILLION)
    assert took_s < PAGE_S


async def _main_thread_s(broker: BullMQBroker) -> float:
    """The time that the server's one thread has worked so far."""
    info = await broker._connection.run("INFO", "cpu")
    return float(info["used_cpu_user_main_thread"]) + float(info["used_cpu_sys_main_thread"])


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("name", "sieve"),
    [
        ("everything", EVERYTHING),
        ("a word anywhere", Sieve([Needle("absent")])),
        ("a number in the payload", Sieve([Needle("cafeid", "data"), Needle("7777777", "data", number=True)])),
    ],
)
async def test_one_step_holds_the_server_up_for_some_milliseconds(
    broker: BullMQBroker, state: ListedState, name: str, sieve: Sieve
) -> None:
    before_s = await _main_thread_s(broker)
    for step in range(100):
        await broker.inspector.scan(f"{QUEUE}-{state}", state, step * 9_000, 500, sieve, wanted=50)
    step_ms = (await _main_thread_s(broker) - before_s) * 1000 / 100
    print(f"\n{state}, {name}: {step_ms:.1f} ms a step of 500")
    assert step_ms < STEP_MS


@pytest.mark.parametrize("state", STATES)
async def test_a_match_in_the_last_percent_is_found_by_going_on(broker: BullMQBroker, state: ListedState) -> None:
    wanted = MILLION - 5 if state == "waiting" else 5
    listing = Listing(f"{QUEUE}-{state}", state, read(f"payload.cafeId:{wanted}"))
    budget = Budget()
    cursor, pages, longest_s, began = START, 0, 0.0, time.perf_counter()
    while True:
        page_began = time.perf_counter()
        page = await search(broker.inspector, listing, cursor, budget)
        longest_s = max(longest_s, time.perf_counter() - page_began)
        pages += 1
        if page.jobs or page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert [seen.record.id for seen in page.jobs] == [str(wanted)]
    took_s = time.perf_counter() - began
    print(f"\n{state}: found in {took_s:.1f} s, {pages} pages, the longest {longest_s:.2f} s")
    assert longest_s < budget.seconds + 1


async def test_the_newest_failures_are_grouped(broker: BullMQBroker) -> None:
    began = time.perf_counter()
    found = await group(broker.inspector, f"{QUEUE}-failed")
    print(f"\n{found.looked:,} failures grouped in {time.perf_counter() - began:.1f} s")
    assert [(one.count, one.fingerprint.shape) for one in found.groups] == [(20_000, "no answer in <n> ms")]


async def test_queues_are_found_among_millions_of_keys(broker: BullMQBroker) -> None:
    began = time.perf_counter()
    assert await broker.inspector.queues() == [f"{QUEUE}-failed", f"{QUEUE}-waiting"]
    print(f"\nqueues found among 2,000,000 keys in {time.perf_counter() - began:.1f} s")


async def test_a_hundred_thousand_that_match_are_retried(broker: BullMQBroker) -> None:
    """Last: it changes what the others look at."""
    selection = Matching(Listing(f"{QUEUE}-failed", "failed", read("payload.cafeId:>=900000")))
    began = time.perf_counter()
    found = await preview(broker.inspector, selection)
    print(f"\npreview: {found} in {time.perf_counter() - began:.1f} s")
    assert time.perf_counter() - began < 3
    assert found.count <= 100_000
    began, longest_s, last = time.perf_counter(), 0.0, time.perf_counter()
    told: list[Progress] = []
    async for progress in apply(broker.inspector, selection, Retry()):
        told.append(progress)
        now = time.perf_counter()
        longest_s, last = max(longest_s, now - last), now
    progress = told[-1]
    print(f"\n{progress} in {time.perf_counter() - began:.1f} s, told every {longest_s:.2f} s at least")
    assert (progress.done, progress.skipped, progress.failed) == (100_000, 0, 0)
    assert await broker.inspector.count(f"{QUEUE}-failed", "waiting") == 100_000
