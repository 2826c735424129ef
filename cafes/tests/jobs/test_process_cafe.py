"""Job process-cafe, called as the function it is, on a real Postgres."""

import asyncio
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barback import RetryLater, Unrecoverable
from barback.testing import make_context
from cafes.errors import StoreUnavailable
from cafes.jobs.process_cafe import ProcessCafe, process_cafe
from cafes.jobs.update_cafe_stats import UpdateCafeStats
from cafes.rules import CleanedCafe, Member, RawCafe, Verdict, clean, decide_group
from cafes.services import Services
from cafes.store import RecordAnswer, StoredCafe
from cafes.store.audit import audit
from cafes.store.postgres import PostgresStore

from ..rows import cafe, final_state, insert, process, process_all, read, run

OpenStore = Callable[[], AbstractAsyncContextManager[PostgresStore]]


def test_the_payload_is_camel_case_on_the_wire() -> None:
    """P18."""
    payload = ProcessCafe(cafe_id=UUID(int=1))
    assert payload.model_dump_json() == '{"cafeId":"00000000-0000-0000-0000-000000000001"}'


async def test_a_good_cafe_is_published_and_its_city_told(store: PostgresStore) -> None:
    """C3."""
    (cafe_id,) = await insert(store, cafe())
    result, ctx = await process(store, cafe_id)
    assert (result.status, result.slug, result.city_slug, result.reasons) == ("PUBLISHED", "cafe-blau", "koeln", ())
    (told,) = ctx.enqueued
    assert told.payload == UpdateCafeStats(city_slug="koeln")


async def test_a_cafe_with_problems_needs_review_and_says_why(store: PostgresStore, database: str) -> None:
    """C5."""
    (cafe_id,) = await insert(store, cafe(address="", latitude="951", longitude="1", website="javascript:x"))
    result, _ = await process(store, cafe_id)
    assert result.status == "NEEDS_REVIEW"
    (row,) = read(database, "select status, reasons, clean_latitude from cafes")
    codes = [reason.partition(":")[0] for reason in row["reasons"]]
    assert codes == ["address_missing", "website_scheme", "coordinates_out_of_range"]
    assert row["clean_latitude"] is None


async def test_a_cafe_without_a_city_needs_review_and_nobody_is_told(store: PostgresStore, database: str) -> None:
    run(database, "insert into cafes (name) values ('Café Nirgends')")
    (row,) = read(database, "select id from cafes")
    result, ctx = await process(store, row["id"])
    assert (result.status, result.city_slug) == ("NEEDS_REVIEW", None)
    assert ctx.enqueued == []
    assert read(database, "select * from cities") == []


async def test_a_cafe_that_does_not_exist_fails_at_once(store: PostgresStore) -> None:
    with pytest.raises(Unrecoverable, match="There is no cafe"):
        await process(store, uuid4())


async def test_the_second_of_two_alike_is_a_duplicate(store: PostgresStore, database: str) -> None:
    first, second = await insert(store, cafe("Café Blau"), cafe("CAFE BLAU", "Domplatz  1, 50667 Köln"))
    await process_all(store, [first, second])
    rows = read(database, "select id, status, duplicate_of from cafes order by position")
    assert [tuple(row.values()) for row in rows] == [(first, "PUBLISHED", None), (second, "DUPLICATE", first)]


async def test_the_older_one_is_the_original_even_if_it_is_processed_later(store: PostgresStore, database: str) -> None:
    """C2."""
    first, second = await insert(store, cafe(), cafe())
    await process(store, second)
    result, ctx = await process(store, first)
    assert (result.status, result.others_changed) == ("PUBLISHED", 1)
    assert read(database, "select status from cafes where id = %s", second) == [{"status": "DUPLICATE"}]
    assert [each.payload for each in ctx.enqueued] == [UpdateCafeStats(city_slug="koeln")]


async def test_the_same_name_in_another_city_is_no_duplicate(store: PostgresStore) -> None:
    first, second = await insert(store, cafe(city="Köln"), cafe(city="Bonn"))
    await process(store, first)
    result, _ = await process(store, second)
    assert result.status == "PUBLISHED"


async def test_city_names_in_any_spelling_are_one_city(store: PostgresStore, database: str) -> None:
    """C4."""
    spellings = ["düsseldorf", "Düsseldorf", "duesseldorf", "Du\u0308sseldorf", "DÜSSELDORF "]
    ids = await insert(store, *(cafe(f"Café {n}", city=city) for n, city in enumerate(spellings)))
    await asyncio.gather(*(process(store, cafe_id) for cafe_id in ids))
    assert read(database, "select slug from cities") == [{"slug": "duesseldorf"}]


async def test_a_cafe_that_moved_tells_both_cities(store: PostgresStore, database: str) -> None:
    """C3."""
    (cafe_id,) = await insert(store, cafe(city="Köln"))
    await process(store, cafe_id)
    run(database, "update cafes set city = 'Bonn'")
    _, ctx = await process(store, cafe_id)
    told = {each.payload for each in ctx.enqueued}
    assert told == {UpdateCafeStats(city_slug="bonn"), UpdateCafeStats(city_slug="koeln")}


async def test_a_cafe_that_leaves_its_group_frees_its_duplicate(store: PostgresStore, database: str) -> None:
    """C2."""
    first, second = await insert(store, cafe(), cafe())
    await process_all(store, [first, second])
    run(database, "update cafes set name = 'Café Neu' where id = %s", first)
    result, ctx = await process(store, first)
    assert result.others_changed == 1
    assert [row["status"] for row in read(database, "select status from cafes")] == ["PUBLISHED", "PUBLISHED"]
    assert [each.payload for each in ctx.enqueued] == [UpdateCafeStats(city_slug="koeln")]


async def test_processing_again_changes_nothing_and_tells_nobody(store: PostgresStore, database: str) -> None:
    """P2."""
    ids = await insert(store, cafe(), cafe(), cafe(address=""))
    await process_all(store, ids)
    before = final_state(database)
    for cafe_id in ids:
        _, ctx = await process(store, cafe_id)
        assert ctx.enqueued == []
    assert final_state(database) == before


async def test_a_second_start_has_all_cities_counted(store: PostgresStore) -> None:
    """C3. The first one may have committed and died before it told anyone."""
    (cafe_id,) = await insert(store, cafe())
    await process(store, cafe_id)
    _, ctx = await process(store, cafe_id, starts=2)
    assert [each.payload for each in ctx.enqueued] == [UpdateCafeStats(city_slug=None)]


async def test_an_outage_uses_up_no_attempt() -> None:
    """P7."""

    class Down(PostgresStore):
        async def load(self, cafe_id: UUID) -> StoredCafe | None:
            raise StoreUnavailable("down")

    ctx = make_context(Services(store=Down("postgresql://127.0.0.1:1/cafes")))
    with pytest.raises(RetryLater):
        await process_cafe(ProcessCafe(cafe_id=uuid4()), ctx)
    assert ctx.enqueued == []


async def test_input_that_changes_during_the_job_is_what_counts(database: str) -> None:
    class EditedMeanwhile(PostgresStore):
        edited = False

        async def record(
            self, cafe: StoredCafe, cleaned: CleanedCafe, verdicts: Sequence[Verdict], seen: str
        ) -> RecordAnswer:
            if not self.edited:
                self.edited = True
                run(database, "update cafes set name = 'Café Neu'")
            return await super().record(cafe, cleaned, verdicts, seen)

    store = EditedMeanwhile(database)
    await store.open()
    (cafe_id,) = await insert(store, cafe("Café Alt"))
    result, _ = await process(store, cafe_id)
    await store.close()
    assert result.slug == "cafe-neu"
    assert read(database, "select clean_name from cafes") == [{"clean_name": "Café Neu"}]


# ── order and concurrency ───────────────────────────────────────────────────────────────────────────

a_cafe = st.builds(
    cafe,
    name=st.sampled_from(["Bar", "BAR", "Bär", "Bar 2"]),
    city=st.sampled_from(["Köln", "koeln", "Bonn", "???"]),
    address=st.sampled_from(["", "Weg 1", "Weg 2"]),
    latitude=st.sampled_from(["", "50.9300", "50.9305", "50.9310", "951"]),
    longitude=st.sampled_from(["6.95"]),
)


def expected(raws: Sequence[RawCafe]) -> dict[int, tuple[object, ...]]:
    """The final state by the rules alone: no database, no order."""
    groups: defaultdict[tuple[object, object], list[Member]] = defaultdict(list)
    cleaned = [clean(raw) for raw in raws]
    for age, each in enumerate(cleaned):
        key = (each.city_slug, each.name_key) if each.city_slug else (None, age)
        problems = tuple(map(str, each.problems))
        groups[key].append(Member(UUID(int=age), age, each.address_key, each.coordinates, problems))
    verdicts = {v.id.int: v for members in groups.values() for v in decide_group(members)}
    return {
        age: (
            verdicts[age].status,
            each.city_slug,
            each.name,
            original.int if (original := verdicts[age].duplicate_of) else None,
        )
        for age, each in enumerate(cleaned)
    }


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(a_cafe, min_size=2, max_size=7), st.randoms(use_true_random=False))
async def test_any_order_of_processing_ends_in_the_same_state(
    store: PostgresStore, database: str, raws: list[RawCafe], rng: random.Random
) -> None:
    """C2."""
    run(database, "truncate cafes, cities restart identity")
    ids = await insert(store, *raws)
    order = rng.sample(ids, len(ids)) + rng.choices(ids, k=2)
    await process_all(store, order)
    await store.recount(await store.city_slugs())
    by_age = {age: (row[0], row[1], row[2], row[3]) for age, row in final_state(database).items()}
    assert by_age == expected(raws)
    assert audit(database).wrong_cities == ()


async def test_workers_side_by_side_end_in_the_same_state_as_one(
    store: PostgresStore, open_store: OpenStore, database: str
) -> None:
    """C2. Many alike, so that everybody overtakes everybody; some of them edited to and fro."""
    places = [("", ""), ("50.9300", "6.95"), ("50.9305", "6.95"), ("50.9310", "6.95"), ("50.9400", "6.95")]
    combinations = itertools.product(["Bar", "bar", "Bar 2"], ["Weg 1", "Weg 2"], places, ["Köln", "koeln"])
    raws = [
        cafe(name, address, city, latitude=latitude, longitude=longitude)
        for name, address, (latitude, longitude), city in combinations
    ]
    ids = await insert(store, *raws)
    async with open_store() as other:
        twice = [(one, cafe_id) for cafe_id in ids for one in (store, other)]
        random.Random(3).shuffle(twice)
        await asyncio.gather(*(process(one, cafe_id) for one, cafe_id in twice))
    assert final_state(database) == expected(raws)


@pytest.mark.parametrize("order", ["as handed in", "backwards", "any"])
async def test_a_cafe_handed_in_a_hundred_times_is_one_cafe(store: PostgresStore, database: str, order: str) -> None:
    """C2."""
    ids = await insert(store, *(cafe() for _ in range(100)))
    ordered = {"as handed in": ids, "backwards": ids[::-1], "any": random.Random(5).sample(ids, 100)}[order]
    services = Services(store=store)
    await asyncio.gather(*(process_cafe(ProcessCafe(cafe_id=cafe_id), make_context(services)) for cafe_id in ordered))
    found = read(database, "select status, count(*), min(position) from cafes group by status order by status")
    assert [tuple(row.values()) for row in found] == [("PUBLISHED", 1, 1), ("DUPLICATE", 99, 2)]
    assert read(database, "select distinct duplicate_of from cafes where status = 'DUPLICATE'") == [
        {"duplicate_of": ids[0]}
    ]
