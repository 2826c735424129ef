"""What every store does, and refuses to do: on Postgres, over Supabase's API, and on a real project if one is named."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator
from uuid import uuid4

import psycopg
import pytest

from barback.errors import BarbackError
from cafes.errors import StoreError, StoreUnavailable
from cafes.rules import RawCafe, Verdict, clean
from cafes.store import NOBODY, CityStatistics, Gone, ImportRow, Overtaken, Recorded, Stale, Store, StoredCafe
from cafes.store.wire import cleaned_to_json, verdict_to_json

from ..backends import AnyStore, Backend, Restricted, restricted_role
from ..databases import name_in
from ..eventually import eventually
from ..rows import cafe, insert, process, process_all, read, run


@pytest.fixture
def database(backend: Backend) -> str:
    return backend.database


@pytest.fixture
async def store(backend: Backend) -> AsyncGenerator[AnyStore]:
    async with backend.open() as one:
        yield one


async def load(store: Store, raw: RawCafe) -> StoredCafe:
    (cafe_id,) = await insert(store, raw)
    loaded = await store.load(cafe_id)
    assert loaded is not None
    return loaded


async def record(store: Store, loaded: StoredCafe, seen: str = "") -> object:
    return await store.record(loaded, clean(loaded.raw), [Verdict(loaded.id, "PUBLISHED")], seen)


# ── reading and importing ───────────────────────────────────────────────────────────────────────────


async def test_a_cafe_is_loaded_as_it_was_handed_in(store: AnyStore) -> None:
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


async def test_a_cafe_that_does_not_exist_loads_as_none(store: AnyStore) -> None:
    assert await store.load(uuid4()) is None


async def test_age_is_the_order_of_the_file(store: AnyStore, database: str) -> None:
    await store.import_rows([ImportRow(str(number), cafe(f"Café {number}")) for number in range(300)])
    names = [row["name"] for row in read(database, "select name from cafes order by position")]
    assert names == [f"Café {number}" for number in range(300)]


async def test_the_same_key_again_updates_and_keeps_id_and_age(store: AnyStore, database: str) -> None:
    first = await store.import_rows([ImportRow("a", cafe()), ImportRow("b", cafe("Café Rot"))])
    again = await store.import_rows([ImportRow("b", cafe("Café Rot", website="rot.example")), ImportRow("a", cafe())])
    assert set(again) == set(first)
    stored = read(database, "select id, website from cafes order by position")
    assert [row["id"] for row in stored] == first
    assert [row["website"] for row in stored] == ["", "rot.example"]


async def test_text_that_postgres_cannot_hold_is_stored_without_it(store: AnyStore) -> None:
    loaded = await load(store, cafe("Ca\x00fé \ud800Blau"))
    assert loaded.raw.name == "Café Blau"


async def test_one_import_at_a_time(store: AnyStore, database: str) -> None:
    """Two that share rows in another order would each wait for what the other holds."""
    with psycopg.connect(database) as other:
        other.execute("select import_cafes('[]')")
        waiting = asyncio.create_task(store.import_rows([ImportRow("a", cafe())]))
        await eventually(lambda: _is_waiting(database))
        other.commit()
    assert len(await waiting) == 1


async def test_is_empty_until_there_is_a_cafe(store: AnyStore) -> None:
    assert await store.is_empty()
    await insert(store, cafe())
    assert not await store.is_empty()


# ── recording ───────────────────────────────────────────────────────────────────────────────────────


async def test_recording_writes_what_was_cleaned_and_creates_the_city(store: AnyStore, database: str) -> None:
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


async def test_recording_the_same_again_changes_no_numbers(store: AnyStore) -> None:
    loaded = await load(store, cafe())
    await record(store, loaded)
    assert await record(store, loaded) == Recorded("cafe-blau", [], 0)


async def test_neighbours_that_were_not_decided_on_refuse_the_record(store: AnyStore, database: str) -> None:
    """C2."""
    first, second = await load(store, cafe()), await load(store, cafe())
    await record(store, first)
    answer = await record(store, second, NOBODY.seen)
    assert isinstance(answer, Overtaken)
    assert [neighbour.member.id for neighbour in answer.neighbourhood.neighbours] == [first.id]
    assert read(database, "select status from cafes where id = %s", second.id) == [{"status": "PENDING"}]


async def test_a_cafe_that_was_changed_after_it_was_loaded_is_not_overwritten(store: AnyStore, database: str) -> None:
    loaded = await load(store, cafe())
    run(database, "update cafes set website = 'neu.example'")
    assert await record(store, loaded) == Stale()


async def test_a_cafe_that_was_removed_after_it_was_loaded_is_gone(store: AnyStore, database: str) -> None:
    loaded = await load(store, cafe())
    run(database, "delete from cafes")
    assert await record(store, loaded) == Gone()


async def test_a_removed_original_does_not_hold_its_duplicate(store: AnyStore, database: str) -> None:
    first, second = await insert(store, cafe(), cafe())
    await process_all(store, [first, second])
    run(database, "delete from cafes where id = %s", first)
    await process(store, second)
    assert read(database, "select status from cafes") == [{"status": "PUBLISHED"}]


# ── slugs ───────────────────────────────────────────────────────────────────────────────────────────


async def test_slugs_that_collide_get_a_suffix(store: AnyStore, database: str) -> None:
    names = ["Bar 2", "Bar", "Bar", "Bär", "bar", "Bar 2"]
    for number, name in enumerate(names):
        (cafe_id,) = await insert(store, cafe(name, f"Weg {number}"))
        await process(store, cafe_id)
    slugs = [row["slug"] for row in read(database, "select slug from cafes order by position")]
    assert slugs == ["bar-2", "bar", "bar-3", "baer", "bar-4", "bar-2-2"]


async def test_a_slug_stays_when_the_cafe_is_processed_again(store: AnyStore, database: str) -> None:
    ids = await insert(store, *(cafe("Bar", f"Weg {number}") for number in range(4)))
    await process_all(store, ids)
    before = read(database, "select id, slug from cafes order by id")
    run(database, "delete from cafes where slug = 'bar-2'")
    await process_all(store, [each["id"] for each in before if each["slug"] != "bar-2"])
    assert read(database, "select id, slug from cafes order by id") == [b for b in before if b["slug"] != "bar-2"]


async def test_a_cafe_that_is_renamed_gets_a_slug_that_fits(store: AnyStore, database: str) -> None:
    (cafe_id,) = await insert(store, cafe("Alt"))
    await process(store, cafe_id)
    run(database, "update cafes set name = 'Neu'")
    await process(store, cafe_id)
    assert read(database, "select slug from cafes") == [{"slug": "neu"}]


async def test_workers_that_want_the_same_slugs_at_once_all_get_their_own(
    store: AnyStore, backend: Backend, database: str
) -> None:
    names = ["Bar", "Bar 2", "Bar-2-2", "bar"] * 15
    ids = await insert(store, *(cafe(name, f"Weg {number}") for number, name in enumerate(names)))
    async with backend.open() as other:
        await asyncio.gather(
            *(process(one, cafe_id) for number, cafe_id in enumerate(ids) for one in [(store, other)[number % 2]])
        )
    assert read(database, "select count(distinct slug) as n from cafes") == [{"n": len(names)}]


async def test_a_slug_that_another_worker_is_about_to_take_is_waited_for(store: AnyStore, database: str) -> None:
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


async def test_a_cafe_that_got_another_slug_meanwhile_is_loaded_again(store: AnyStore, database: str) -> None:
    """Its new stem is not the one that is locked, so another cafe may be about to take the slug."""
    loaded = await load(store, cafe("Bar"))
    with psycopg.connect(database) as other:
        other.execute("select pg_advisory_xact_lock(hashtextextended('cafes.stem:bar', 0))")
        waiting = asyncio.create_task(record(store, loaded))
        await eventually(lambda: _is_waiting(database))
        other.execute("update cafes set slug = 'elsewhere'")
        other.commit()
    assert await waiting == Stale()


# ── statistics ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_recount_counts_each_status_and_leaves_pending_out(store: AnyStore, database: str) -> None:
    """C2."""
    ids = await insert(store, cafe(), cafe(), cafe("Café Rot", address=""), cafe("Café Grün"))
    await process_all(store, ids[:3])
    assert await store.recount(["koeln", "atlantis"]) == [CityStatistics("koeln", 1, 1, 1)]
    (city,) = read(database, "select * from cities")
    assert (city["cafes_published"], city["cafes_needs_review"], city["cafes_duplicate"]) == (1, 1, 1)
    assert city["stats_updated_at"] is not None


async def test_a_city_that_lost_all_cafes_counts_nothing(store: AnyStore, database: str) -> None:
    await process_all(store, await insert(store, cafe()))
    await store.recount(["koeln"])
    run(database, "delete from cafes")
    assert await store.recount(["koeln"]) == [CityStatistics("koeln", 0, 0, 0)]


async def test_a_recount_that_waited_for_another_counts_after_it(store: AnyStore, database: str) -> None:
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


# ── cities, claims, functions of one's own ──────────────────────────────────────────────────────────


async def test_all_city_slugs_are_told_however_many_there_are(store: AnyStore, database: str) -> None:
    """C2. Supabase's API cuts off after 1,000 rows; a city beyond would never be counted at night."""
    run(database, "insert into cities (slug, name) select 'city-' || n, 'City' from generate_series(1, 2500) n")
    slugs = await store.city_slugs()
    assert len(slugs) == 2_500
    assert slugs == sorted(slugs)


async def test_old_claims_are_forgotten_so_many_at_most(store: AnyStore, database: str) -> None:
    run(database, "insert into claims select 'old-' || n, now() - interval '31 days' from generate_series(1, 5) n")
    run(database, "insert into claims values ('young')")
    assert await store.forget_claims(at_most=3) == 3
    assert await store.forget_claims() == 2
    assert await store.forget_claims() == 0


CHARGE = """
    create table charges (job text, cents integer check (cents > 0));
    create function charge_once(job text, cents integer, notes jsonb default null) returns boolean
    language plpgsql volatile set search_path = '' as $f$
    begin
        if not public.once('charge:' || job) then
            return false;
        end if;
        insert into public.charges (job, cents) values (charge_once.job, charge_once.cents);
        return true;
    end
    $f$;
"""
GRANTS = "grant all on charges to service_role"


@pytest.fixture
def charging(backend: Backend) -> Iterator[Backend]:
    """A function that claims an effect and does it, there before the API first looks."""
    run(backend.database, CHARGE)
    if read(backend.database, "select from pg_roles where rolname = 'service_role'"):
        run(backend.database, GRANTS)
    run(backend.database, "notify pgrst, 'reload schema'")
    yield backend
    run(backend.database, "drop table charges; drop function charge_once")


async def test_a_function_claims_an_effect_and_does_it_once(charging: Backend) -> None:
    """P3. It is all in one request, and so in one transaction, whichever store this is."""
    async with charging.open() as store:
        # What it is depends on the API: lite takes it for an error of its own.
        with pytest.raises(BarbackError, match="charges_cents_check"):
            await store.call("charge_once", {"job": "7", "cents": -1})
        calls = [store.call("charge_once", {"job": "7", "cents": 300, "notes": {"a": [1]}}) for _ in range(10)]
        assert sorted(await asyncio.gather(*calls)) == [False] * 9 + [True]
    assert read(charging.database, "select * from charges") == [{"job": "7", "cents": 300}]


async def test_a_function_that_is_not_there_is_named(store: AnyStore) -> None:
    with pytest.raises(StoreError, match="no_such_function"):
        await store.call("no_such_function", {"job": "7"})


# ── the start ───────────────────────────────────────────────────────────────────────────────────────


async def refusal(backend: Backend, kind: type[BarbackError]) -> str:
    """What opening a store says."""
    with pytest.raises(kind) as raised:
        async with backend.open():
            pass
    return str(raised.value)


@pytest.fixture
def breakable(backend: Backend, request: pytest.FixtureRequest) -> Backend:
    if "real project" in request.node.name:
        pytest.skip("not ours to break")
    return backend


async def test_a_database_that_is_not_migrated_is_named(breakable: Backend) -> None:
    run(breakable.database, "drop function worker_lacks()")
    newest = "(select max(version) from supabase_migrations.schema_migrations)"
    run(breakable.database, f"delete from supabase_migrations.schema_migrations where version = {newest}")
    assert "run `cafes migrate`" in await refusal(breakable, StoreError)


@pytest.mark.parametrize(
    ("statement", "gone"),
    [("drop table claims", "table claims"), ("drop function no_cafes()", "function no_cafes")],
)
async def test_a_database_of_which_a_part_is_gone_is_named(breakable: Backend, statement: str, gone: str) -> None:
    run(breakable.database, statement)
    said = await refusal(breakable, StoreError)
    assert f"these are gone: {gone}." in said
    assert "Restore the database" in said


async def test_a_database_that_only_reads_is_not_begun_on(store: AnyStore, breakable: Backend, database: str) -> None:
    """Opened once before: `@supabase/lite` grants everything at its first request."""
    assert await store.is_empty()
    run(database, f"alter database {name_in(database)} set default_transaction_read_only = on")
    run(database, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
        "and pid <> pg_backend_pid()")  # fmt: skip
    assert "The database only reads" in await refusal(breakable, StoreUnavailable)


@pytest.fixture
async def restricted(breakable: Backend) -> AsyncGenerator[Restricted]:
    """The same database for a role that may do all that a worker does, and no more. A store was opened already."""
    with restricted_role(breakable) as one:
        async with one.backend.open() as store:
            assert await store.is_empty()
        yield one


@pytest.mark.parametrize(
    ("right", "what"),
    [
        ("insert on cafes", "insert on cafes"),
        ("update on cities", "update on cities"),
        ("delete on claims", "delete on claims"),
        ("execute on function free_slug(text, uuid)", "execute on free_slug"),
    ],
)
async def test_a_role_that_lacks_a_right_is_not_begun_with(restricted: Restricted, right: str, what: str) -> None:
    run(restricted.backend.database, f"revoke {right} from {restricted.role}")
    said = await refusal(restricted.backend, StoreUnavailable)
    assert f"'{restricted.role}'" in said
    assert f"lacks rights: {what}." in said


async def test_a_role_that_may_not_even_ask_is_told_of_its_rights(restricted: Restricted) -> None:
    run(restricted.backend.database, f"revoke all on function worker_lacks() from {restricted.role}")
    assert re.search("lacks rights|neither the publishable nor", await refusal(restricted.backend, StoreUnavailable))


async def test_a_role_from_which_rows_are_hidden_is_not_begun_with(restricted: Restricted) -> None:
    """Each cafe would be none, and its job would fail for good."""
    run(restricted.backend.database, f"alter role {restricted.role} nobypassrls")
    said = await refusal(restricted.backend, StoreUnavailable)
    assert "Row-level security hides rows of 'cafes', 'cities', 'claims' from" in said
    assert f"'{restricted.role}'" in said


async def test_a_right_that_is_lost_later_is_waited_for(restricted: Restricted) -> None:
    """P7."""
    async with restricted.backend.open() as store:
        run(restricted.backend.database, f"revoke insert on cafes from {restricted.role}")
        with pytest.raises(StoreUnavailable, match="permission denied for table cafes") as raised:
            await insert(store, cafe())
    assert "address, user and password" not in str(raised.value)
