"""The store on a real Postgres: what it writes, what it refuses to write, and what it says when it cannot."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from uuid import uuid4

import psycopg
import pytest

from cafes.errors import StoreError, StoreUnavailable
from cafes.rules import RawCafe, Verdict, clean
from cafes.store import NOBODY, CityStatistics, Gone, ImportRow, Overtaken, Recorded, Stale, Store, StoredCafe
from cafes.store.postgres import PostgresStore
from cafes.store.wire import cleaned_to_json, verdict_to_json

from ..eventually import eventually
from ..rows import cafe, insert, process, process_all, read, run

OpenStore = Callable[[], AbstractAsyncContextManager[PostgresStore]]


async def load(store: Store, raw: RawCafe) -> StoredCafe:
    (cafe_id,) = await insert(store, raw)
    loaded = await store.load(cafe_id)
    assert loaded is not None
    return loaded


async def record(store: Store, loaded: StoredCafe, seen: str = "") -> object:
    return await store.record(loaded, clean(loaded.raw), [Verdict(loaded.id, "PUBLISHED")], seen)


# ── reading and importing ───────────────────────────────────────────────────────────────────────────


async def test_a_cafe_is_loaded_as_it_was_handed_in(store: PostgresStore) -> None:
    raw = RawCafe(
        name=" Café\tBlau ",
        city="Köln",
        city_slug="koeln",
        address="Straße 1",
        comments="nett",
        latitude="51,2",
        longitude="x",
        website="y",
        postcode="z",
    )
    loaded = await load(store, raw)
    assert loaded.raw == raw


async def test_a_cafe_that_does_not_exist_loads_as_none(store: PostgresStore) -> None:
    assert await store.load(uuid4()) is None


async def test_age_is_the_order_of_the_file(store: PostgresStore, database: str) -> None:
    await store.import_rows([ImportRow(str(number), cafe(f"Café {number}")) for number in range(300)])
    names = [row["name"] for row in read(database, "select name from cafes order by position")]
    assert names == [f"Café {number}" for number in range(300)]


async def test_the_same_key_again_updates_and_keeps_id_and_age(store: PostgresStore, database: str) -> None:
    first = await store.import_rows([ImportRow("a", cafe()), ImportRow("b", cafe("Café Rot"))])
    again = await store.import_rows([ImportRow("b", cafe("Café Rot", website="rot.example")), ImportRow("a", cafe())])
    assert set(again) == set(first)
    stored = read(database, "select id, website from cafes order by position")
    assert [row["id"] for row in stored] == first
    assert [row["website"] for row in stored] == ["", "rot.example"]


async def test_text_that_postgres_cannot_hold_is_stored_without_it(store: PostgresStore) -> None:
    loaded = await load(store, cafe("Ca\x00fé \ud800Blau"))
    assert loaded.raw.name == "Café Blau"


async def test_is_empty_until_there_is_a_cafe(store: PostgresStore) -> None:
    assert await store.is_empty()
    await insert(store, cafe())
    assert not await store.is_empty()


# ── recording ───────────────────────────────────────────────────────────────────────────────────────


async def test_recording_writes_what_was_cleaned_and_creates_the_city(store: PostgresStore, database: str) -> None:
    loaded = await load(store, cafe("Café  Blau", "Domplatz 1,  50667 Köln", latitude="50,9", longitude="6,9"))
    assert await record(store, loaded) == Recorded("cafe-blau", ["koeln"], 0)
    (row,) = read(database, "select * from cafes")
    assert (row["status"], row["clean_name"], row["clean_address"]) == (
        "PUBLISHED",
        "Café Blau",
        "Domplatz 1, 50667 Köln",
    )
    assert (row["clean_postcode"], row["clean_latitude"], row["slug"]) == ("50667", 50.9, "cafe-blau")
    assert read(database, "select slug, name from cities") == [{"slug": "koeln", "name": "Köln"}]


async def test_recording_the_same_again_changes_no_numbers(store: PostgresStore) -> None:
    loaded = await load(store, cafe())
    await record(store, loaded)
    assert await record(store, loaded) == Recorded("cafe-blau", [], 0)


async def test_neighbours_that_were_not_decided_on_refuse_the_record(store: PostgresStore, database: str) -> None:
    """C2."""
    first, second = await load(store, cafe()), await load(store, cafe())
    await record(store, first)
    answer = await record(store, second, NOBODY.seen)
    assert isinstance(answer, Overtaken)
    assert [neighbour.member.id for neighbour in answer.neighbourhood.neighbours] == [first.id]
    assert read(database, "select status from cafes where id = %s", second.id) == [{"status": "PENDING"}]


async def test_a_cafe_that_was_changed_after_it_was_loaded_is_not_overwritten(
    store: PostgresStore, database: str
) -> None:
    loaded = await load(store, cafe())
    run(database, "update cafes set website = 'neu.example'")
    assert await record(store, loaded) == Stale()


async def test_a_cafe_that_was_removed_after_it_was_loaded_is_gone(store: PostgresStore, database: str) -> None:
    loaded = await load(store, cafe())
    run(database, "delete from cafes")
    assert await record(store, loaded) == Gone()


async def test_a_removed_original_does_not_hold_its_duplicate(store: PostgresStore, database: str) -> None:
    first, second = await insert(store, cafe(), cafe())
    await process_all(store, [first, second])
    run(database, "delete from cafes where id = %s", first)
    await process(store, second)
    assert read(database, "select status from cafes") == [{"status": "PUBLISHED"}]


# ── slugs ───────────────────────────────────────────────────────────────────────────────────────────


async def test_slugs_that_collide_get_a_suffix(store: PostgresStore, database: str) -> None:
    names = ["Bar 2", "Bar", "Bar", "Bär", "bar", "Bar 2"]
    for number, name in enumerate(names):
        (cafe_id,) = await insert(store, cafe(name, f"Weg {number}"))
        await process(store, cafe_id)
    slugs = [row["slug"] for row in read(database, "select slug from cafes order by position")]
    assert slugs == ["bar-2", "bar", "bar-3", "baer", "bar-4", "bar-2-2"]


async def test_a_slug_stays_when_the_cafe_is_processed_again(store: PostgresStore, database: str) -> None:
    ids = await insert(store, *(cafe("Bar", f"Weg {number}") for number in range(4)))
    await process_all(store, ids)
    before = read(database, "select id, slug from cafes order by id")
    run(database, "delete from cafes where slug = 'bar-2'")
    await process_all(store, [each["id"] for each in before if each["slug"] != "bar-2"])
    assert read(database, "select id, slug from cafes order by id") == [b for b in before if b["slug"] != "bar-2"]


async def test_a_cafe_that_is_renamed_gets_a_slug_that_fits(store: PostgresStore, database: str) -> None:
    (cafe_id,) = await insert(store, cafe("Alt"))
    await process(store, cafe_id)
    run(database, "update cafes set name = 'Neu'")
    await process(store, cafe_id)
    assert read(database, "select slug from cafes") == [{"slug": "neu"}]


async def test_workers_that_want_the_same_slugs_at_once_all_get_their_own(
    store: PostgresStore, open_store: OpenStore, database: str
) -> None:
    names = ["Bar", "Bar 2", "Bar-2-2", "bar"] * 15
    ids = await insert(store, *(cafe(name, f"Weg {number}") for number, name in enumerate(names)))
    async with open_store() as other:
        await asyncio.gather(
            *(process(one, cafe_id) for number, cafe_id in enumerate(ids) for one in [(store, other)[number % 2]])
        )
    assert read(database, "select count(distinct slug) as n from cafes") == [{"n": len(names)}]


async def test_a_slug_that_another_worker_is_about_to_take_is_waited_for(store: PostgresStore, database: str) -> None:
    """'Bar' may become 'bar-2', which is what 'Bar 2' is called: names that differ compete for slugs."""
    first, second, third = await insert(store, cafe("Bar"), cafe("Bar", "Weg 2"), cafe("Bar 2", "Weg 3"))
    await process(store, first)
    loaded = await store.load(third)
    assert loaded is not None
    parameters = (third, loaded.input_hash, "", json.dumps(cleaned_to_json(clean(loaded.raw))))
    verdicts = json.dumps([verdict_to_json(Verdict(third, "PUBLISHED"))])
    with psycopg.connect(database) as other:
        other.execute("select record_cafe(%s, %s, %s, %s, %s)", (*parameters, verdicts))
        waiting = asyncio.create_task(process(store, second))
        await eventually(lambda: _is_waiting(database))
        other.commit()
    assert (await waiting)[0].slug == "bar-3"


# ── statistics ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_recount_counts_each_status_and_leaves_pending_out(store: PostgresStore, database: str) -> None:
    """C2."""
    ids = await insert(store, cafe(), cafe(), cafe("Café Rot", address=""), cafe("Café Grün"))
    await process_all(store, ids[:3])
    assert await store.recount(["koeln", "atlantis"]) == [CityStatistics("koeln", 1, 1, 1)]
    (city,) = read(database, "select * from cities")
    assert (city["cafes_published"], city["cafes_needs_review"], city["cafes_duplicate"]) == (1, 1, 1)
    assert city["stats_updated_at"] is not None


async def test_a_city_that_lost_all_cafes_counts_nothing(store: PostgresStore, database: str) -> None:
    await process_all(store, await insert(store, cafe()))
    await store.recount(["koeln"])
    run(database, "delete from cafes")
    assert await store.recount(["koeln"]) == [CityStatistics("koeln", 0, 0, 0)]


async def test_a_recount_that_waited_for_another_counts_after_it(store: PostgresStore, database: str) -> None:
    """C2. Read before the wait, its numbers would be older than those it overwrites."""
    await process_all(store, await insert(store, cafe()))
    with psycopg.connect(database) as other:
        other.execute("select recount_cities('{koeln}')")
        waiting = asyncio.create_task(store.recount(["koeln"]))
        await eventually(lambda: _is_waiting(database))
        await process_all(store, await insert(store, cafe("Café Rot")))
        other.commit()
    assert await waiting == [CityStatistics("koeln", 2, 0, 0)]


async def _is_waiting(url: str) -> bool:
    return bool(read(url, "select 1 from pg_locks where not granted"))


# ── when it cannot ──────────────────────────────────────────────────────────────────────────────────


async def test_a_database_that_is_down_is_named_at_once_and_without_its_password() -> None:
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"postgresql://worker:\*\*\*@127\.0\.0\.1:1/cafes") as raised:
        await PostgresStore("postgresql://worker:geheim@127.0.0.1:1/cafes").open()
    assert time.monotonic() - started < 6
    assert "geheim" not in str(raised.value)


async def test_a_database_that_is_not_migrated_is_named(empty_database: str) -> None:
    with pytest.raises(StoreError, match="run `cafes migrate`"):
        await PostgresStore(empty_database).open()


async def test_a_connection_that_the_server_closed_under_a_statement_is_an_outage_and_then_replaced(
    store: PostgresStore, database: str
) -> None:
    with psycopg.connect(database) as other:
        other.execute("lock table cities in access exclusive mode")
        waiting = asyncio.create_task(store.recount(["koeln"]))
        await eventually(lambda: _is_waiting(database))
        run(database, "select pg_terminate_backend(pid) from pg_locks where not granted")
        with pytest.raises(StoreUnavailable, match="terminating connection"):
            await waiting
    assert await store.recount(["koeln"]) == []


async def test_a_statement_that_takes_too_long_is_cancelled_on_the_server(database: str) -> None:
    store = PostgresStore(database, statement_timeout_s=0.2)
    await store.open()
    try:
        with psycopg.connect(database) as other:
            other.execute("lock table cities in access exclusive mode")
            with pytest.raises(StoreError, match="took longer"):
                await store.recount(["koeln"])
            await eventually(lambda: _nobody_waits(database))
        assert await store.recount(["koeln"]) == []
    finally:
        await store.close()


async def _nobody_waits(url: str) -> bool:
    return not await _is_waiting(url)
