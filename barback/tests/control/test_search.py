"""Pages: with and without a query, within a budget, while jobs come and go (B4)."""

import json
from dataclasses import replace
from typing import Any

import pytest

from barback.broker import ListedState
from barback.bullmq.inspector import BullMQInspector
from barback.control.query import Query, parse
from barback.control.search import START, Budget, Cursor, Listing, search
from barback.control.secrets import Secrets
from barback.inspector import Scanned

from .conftest import Store

PAGE = Budget(found=10)


def listing(store: Store, query: str = "", state: ListedState = "failed") -> Listing:
    parsed = parse(query)
    assert isinstance(parsed, Query)
    return Listing(store.queue, state, parsed)


async def all_ids(store: Store, wanted: Listing, budget: Budget = PAGE) -> list[list[str]]:
    """Page by page."""
    pages: list[list[str]] = []
    cursor = START
    while True:
        page = await search(store.inspector, wanted, cursor, budget)
        pages.append([seen.record.id for seen in page.jobs])
        if page.next_cursor is None:
            return pages
        cursor = Cursor.parse(str(page.next_cursor))


async def fill(store: Store, count: int = 25, state: str = "failed") -> list[str]:
    """Ids in the order in which they are listed."""
    ids = [f"j{number}" for number in range(count)]
    await store.put_many({job_id: {"data": f'{{"n":{job_id[1:]}}}'} for job_id in ids}, state)
    return ids[::-1] if state in ("failed", "completed") else ids


@pytest.mark.parametrize("state", ["failed", "completed", "waiting", "delayed", "prioritized", "waiting-children"])
async def test_pages_follow_each_other_without_a_gap(store: Store, state: ListedState) -> None:
    ids = await fill(store, state=state)
    pages = await all_ids(store, listing(store, state=state))
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [job_id for page in pages for job_id in page] == ids
    assert [record.id for record in await store.broker.list_jobs(store.queue, state, 0, 100)] == ids
    assert await store.inspector.ids(store.queue, state, 3, 4) == ids[3:7]


async def test_jobs_of_a_paused_queue_are_waiting_and_come_before_those_added_since(store: Store) -> None:
    """Of a queue that Node 5 paused."""
    await fill(store, 4, "waiting")
    await store.broker._connection.run("RENAME", f"bull:{store.queue}:wait", f"bull:{store.queue}:paused")
    await store.put("late", "waiting")
    assert await all_ids(store, listing(store, state="waiting"), Budget(found=3)) == [
        ["j0", "j1", "j2"],
        ["j3", "late"],
    ]
    assert await store.inspector.count(store.queue, "waiting") == 5
    assert await store.inspector.place(store.queue, "waiting", "late") == 4
    assert await store.inspector.ids(store.queue, "waiting", 2, 3) == ["j2", "j3", "late"]
    assert await store.inspector.ids(store.queue, "waiting", 4, 3) == ["late"]


async def test_an_empty_state_is_one_empty_page(store: Store) -> None:
    page = await search(store.inspector, listing(store))
    assert (list(page.jobs), page.looked, page.total, page.exhausted) == ([], 0, 0, True)


async def test_a_page_says_how_far_it_looked_and_goes_on_from_there(store: Store) -> None:
    await fill(store)
    wanted = listing(store, "payload.n:3")
    first = await search(store.inspector, wanted, START, Budget(jobs=15))
    assert (list(first.jobs), first.looked, first.total) == ([], 15, 25)
    assert first.next_cursor is not None
    second = await search(store.inspector, wanted, first.next_cursor, Budget(jobs=15))
    assert [seen.record.id for seen in second.jobs] == ["j3"]
    assert (second.looked, second.exhausted) == (10, True)


async def test_a_page_ends_when_its_seconds_are_over(store: Store) -> None:
    await fill(store)
    page = await search(store.inspector, listing(store), START, Budget(seconds=0.0))
    assert (page.looked, page.exhausted, page.next_cursor) == (0, False, START)


async def test_a_match_behind_the_last_one_of_a_full_page_is_on_the_next(store: Store) -> None:
    await fill(store)
    pages = await all_ids(store, listing(store, "payload.n:>4"), Budget(found=7))
    assert [len(page) for page in pages] == [7, 7, 6]


async def test_new_failures_neither_hide_nor_repeat_what_is_on_the_next_page(store: Store) -> None:
    ids = await fill(store)
    first = await search(store.inspector, listing(store), START, PAGE)
    await store.put_many({f"new{number}": {} for number in range(7)})
    await store.broker._connection.run("ZADD", f"bull:{store.queue}:failed", *_scores("new", 7))
    assert first.next_cursor is not None
    second = await search(store.inspector, listing(store), first.next_cursor, PAGE)
    assert [seen.record.id for seen in second.jobs] == ids[10:20]


def _scores(name: str, count: int) -> list[str | int]:
    return [part for number in range(count) for part in (1_800_000_000_000 + number, f"{name}{number}")]


async def test_a_waiting_list_that_is_worked_meanwhile_is_continued_behind_the_last_one_shown(store: Store) -> None:
    ids = await fill(store, state="waiting")
    first = await search(store.inspector, listing(store, state="waiting"), START, PAGE)
    for _ in range(5):
        await store.broker._connection.run("RPOP", f"bull:{store.queue}:wait")
    assert first.next_cursor is not None
    second = await search(store.inspector, listing(store, state="waiting"), first.next_cursor, PAGE)
    assert [seen.record.id for seen in second.jobs] == ids[10:20]


async def test_where_the_last_one_shown_is_gone_its_place_counts(store: Store) -> None:
    ids = await fill(store)
    first = await search(store.inspector, listing(store), START, PAGE)
    await store.broker.remove(store.queue, ids[9])
    assert first.next_cursor is not None
    second = await search(store.inspector, listing(store), first.next_cursor, PAGE)
    assert [seen.record.id for seen in second.jobs] == ids[11:21]


async def test_what_is_long_is_cut_and_still_found_by_what_was_cut_off(store: Store) -> None:
    await store.put("long", data='{"a":"' + "é" * 40_000 + '","b":"needle"}')
    page = await search(store.inspector, listing(store, "payload.b:needle"))
    [seen] = page.jobs
    assert (seen.cut, seen.data_size) == (True, 80_000 + len('{"a":"","b":"needle"}'))
    assert seen.record.data.startswith('{"a":"éé')
    assert seen.record.data.endswith("é")
    assert len(seen.record.data.encode()) <= 16 * 1024
    assert not (await search(store.inspector, listing(store, "payload.b:other"))).jobs


async def test_a_job_that_was_removed_half_way_is_looked_at_and_not_shown(store: Store) -> None:
    await fill(store, 3)
    await store.broker._connection.run("DEL", f"bull:{store.queue}:j1")
    page = await search(store.inspector, listing(store))
    assert ([seen.record.id for seen in page.jobs], page.looked) == (["j2", "j0"], 3)


@pytest.mark.parametrize("text", ["", "x", "-1.a", "1", "9" * 30 + ".a"])
def test_a_cursor_that_is_none_is_the_beginning(text: str) -> None:
    assert Cursor.parse(text) == START


def test_a_cursor_survives_an_id_with_anything_in_it() -> None:
    assert Cursor.parse(str(Cursor(7, "a.b\n<é>"))) == Cursor(7, "a.b\n<é>")


@pytest.mark.parametrize(
    "query", ["payload.token:hunter2", "payload.token:h*", "hunter2", "name:send payload.token:hunter2"]
)
async def test_a_secret_is_not_found_by_guessing_it(store: Store, query: str) -> None:
    """Masking what is shown would be worth nothing."""
    await store.put("a", "failed", name="send", data='{"api_token":"hunter2","token":"hunter2","to":"ada"}')
    # As pages mask them, by either of a field's names.
    secrets = Secrets({"send": [("token",), ("apiToken",)]})
    assert await all_ids(store, listing(store, query)) == [["a"]]
    assert await all_ids(store, replace(listing(store, query), secrets=secrets)) == [[]]
    assert await all_ids(store, replace(listing(store, "payload.to:ada"), secrets=secrets)) == [["a"]]


@pytest.mark.parametrize("guess", ['"hunter2"', "payload.token:hunter2", "payload.token:h*2 payload.to:ada"])
async def test_how_far_a_search_came_does_not_tell_whether_a_secret_was_guessed(
    store: Store, guess: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B2: a sieve of payloads as they are stored would fetch those alone that hold the guess."""
    await store.put_many({f"j{n}": {"name": "send", "data": '{"token":"hunter2","to":"ada"}'} for n in range(30)})
    fetched: list[int] = []
    scan = BullMQInspector.scan

    async def counting(*args: Any, **options: Any) -> Scanned:
        scanned = await scan(*args, **options)
        fetched.append(len(scanned.jobs))
        return scanned

    monkeypatch.setattr(BullMQInspector, "scan", counting)
    for query in (guess, guess.replace("2", "3")):
        wanted = replace(listing(store, query), secrets=Secrets({"send": [("token",)]}))
        page = await search(store.inspector, wanted)
        assert (list(page.jobs), page.looked, page.exhausted) == ([], 30, True)
    assert fetched == [30, 0, 30, 0]


async def test_a_search_through_large_payloads_with_secrets_ends_in_time_too(store: Store) -> None:
    """B4: none of them is left to the sieve."""
    data = json.dumps({"token": "t", "rows": [{"n": n} for n in range(20_000)]})
    await store.put_many({f"j{n}": {"name": "send", "data": data} for n in range(30)})
    wanted = replace(listing(store, "payload.to:ada"), secrets=Secrets({"send": [("token",)]}))
    page = await search(store.inspector, wanted, START, Budget(seconds=0.1))
    assert 1 <= page.looked < 30
    assert page.next_cursor == Cursor(page.looked, f"j{30 - page.looked}")
