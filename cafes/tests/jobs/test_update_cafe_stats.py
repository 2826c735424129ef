"""Job update-cafe-stats, called as the function it is, on a real Postgres."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from pydantic import ValidationError

from barback import RetryLater, Unrecoverable
from barback.testing import RecordedContext, make_context
from cafes.errors import StoreUnavailable
from cafes.jobs import update_cafe_stats as module
from cafes.jobs.update_cafe_stats import CafeStatsUpdated, UpdateCafeStats, update_cafe_stats
from cafes.services import Services
from cafes.store import CityStatistics
from cafes.store.audit import audit
from cafes.store.postgres import PostgresStore

from ..rows import cafe, insert, process_all, read, run


class Counting(PostgresStore):
    """Remembers what it was asked to count."""

    asked: list[list[str]]

    async def recount(self, slugs: Sequence[str]) -> list[CityStatistics]:
        self.asked.append(list(slugs))
        return await super().recount(slugs)


async def update(store: PostgresStore, slug: str | None) -> tuple[CafeStatsUpdated, RecordedContext[Services]]:
    ctx = make_context(Services(store=store))
    return await update_cafe_stats(UpdateCafeStats(city_slug=slug), ctx), ctx


async def fill(store: PostgresStore) -> list[UUID]:
    ids = await insert(store, cafe(), cafe(), cafe("Café Rot", ""), cafe("Café Grün", city="Bonn"))
    await process_all(store, ids)
    return ids


def test_one_job_a_city_waits_and_one_for_all() -> None:
    """P4."""
    assert UpdateCafeStats(city_slug="koeln").unique() == '["koeln"]'
    assert UpdateCafeStats().unique() == "[null]"


async def test_one_city_is_counted_and_the_others_are_left_alone(store: PostgresStore, database: str) -> None:
    await fill(store)
    result, ctx = await update(store, "koeln")
    expected = {
        "success": True,
        "processed": 3,
        "citiesProcessed": 1,
        "published": 1,
        "needsReview": 1,
        "duplicates": 1,
    }
    assert result.model_dump() == expected
    assert ctx.reports[-1] == 100
    assert audit(database).wrong_cities == ("bonn",)


async def test_a_city_is_found_in_any_spelling(store: PostgresStore) -> None:
    """C4."""
    await fill(store)
    assert (await update(store, "Köln"))[0].processed == 3


async def test_all_cities_are_counted(store: PostgresStore, database: str) -> None:
    """C2."""
    await fill(store)
    result, _ = await update(store, None)
    assert (result.cities_processed, result.processed) == (2, 4)
    assert audit(database).wrong_cities == ()


async def test_cities_are_counted_in_batches_with_progress(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One statement a batch, never one a cafe."""
    monkeypatch.setattr(module, "CITIES_A_BATCH", 2)
    run(database, "insert into cities (slug, name) select 'c' || n, 'C' from generate_series(1, 5) n")
    store = Counting(database)
    store.asked = []
    await store.open()
    result, ctx = await update(store, None)
    await store.close()
    assert store.asked == [["c1", "c2"], ["c3", "c4"], ["c5"]]
    assert ctx.reports == [0, 40, 80, 100]
    assert (result.processed, result.cities_processed) == (0, 5)


async def test_no_city_at_all_is_no_error(store: PostgresStore) -> None:
    result, _ = await update(store, None)
    assert (result.success, result.processed, result.cities_processed) == (True, 0, 0)


async def test_a_city_that_does_not_exist_fails_at_once(store: PostgresStore, database: str) -> None:
    with pytest.raises(Unrecoverable, match="There is no city with the slug 'atlantis'"):
        await update(store, "atlantis")
    assert read(database, "select * from cities") == []


async def test_after_all_cities_old_claims_are_forgotten_however_many(
    store: PostgresStore, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P3."""
    monkeypatch.setattr(module, "CLAIMS_A_BATCH", 2)
    await fill(store)
    run(database, "insert into claims select 'old-' || n, now() - interval '31 days' from generate_series(1, 5) n")
    run(database, "insert into claims values ('young')")
    await update(store, "koeln")
    assert len(read(database, "select key from claims")) == 6
    await update(store, None)
    assert read(database, "select key from claims") == [{"key": "young"}]


async def test_an_outage_uses_up_no_attempt() -> None:
    """P7."""

    class Down(PostgresStore):
        async def city_slugs(self) -> list[str]:
            raise StoreUnavailable("down")

    with pytest.raises(RetryLater):
        await update(Down("postgresql://127.0.0.1:1/cafes"), None)


def test_all_spellings_of_a_city_are_one_waiting_job_and_no_spelling_is_all_cities() -> None:
    """C4, P4."""
    assert UpdateCafeStats(city_slug="Düsseldorf").unique() == UpdateCafeStats(city_slug="duesseldorf").unique()
    assert UpdateCafeStats().unique() == "[null]"
    with pytest.raises(ValidationError):
        UpdateCafeStats(city_slug="")
