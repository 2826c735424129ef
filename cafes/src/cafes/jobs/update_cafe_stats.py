"""Job update-cafe-stats: count the cafes of one city, or of all, by status. After all of them, forget old claims."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from barback import Context, Exponential, Payload, Unrecoverable, job
from cafes.jobs.outage import outages_waited_out
from cafes.jobs.result import Result
from cafes.rules import slugify
from cafes.services import Services
from cafes.settings import QUEUES
from cafes.store import CityStatistics, Store

CITIES_A_BATCH = 100
"""Counted by one statement, which locks their rows until it ends."""

CLAIMS_A_BATCH = 10_000
"""Removed by one statement."""


class UpdateCafeStats(Payload, frozen=True):
    """Which city, by its slug. None: all of them."""

    # One waiting job a city; an add while one runs is kept, so that nothing goes uncounted (P4, C3).
    unique_by = ("city_slug",)

    # In any spelling: a person who enqueues 'Düsseldorf' means duesseldorf (C4).
    city_slug: Annotated[str, Field(min_length=1), AfterValidator(slugify)] | None = None


class CafeStatsUpdated(Result, frozen=True):
    """What was counted. `processed`: cafes, all statuses together."""

    success: Literal[True] = True
    processed: int
    cities_processed: int
    published: int
    needs_review: int
    duplicates: int


@job(
    "update-cafe-stats",
    queue=QUEUES.cron_jobs,
    attempts=5,
    backoff=Exponential(first_s=2.0, jitter=0.5),
    timeout_s=600.0,
)
async def update_cafe_stats(payload: UpdateCafeStats, ctx: Context[Services]) -> CafeStatsUpdated:
    with outages_waited_out(ctx):
        if payload.city_slug is None:
            counted = await _all_cities(ctx)
            await _forget_claims(ctx.services.store)
        else:
            counted = await _one_city(payload.city_slug, ctx.services.store)
    await ctx.progress(100)
    return _sum(counted)


async def _one_city(city_slug: str, store: Store) -> list[CityStatistics]:
    counted = await store.recount([city_slug])
    if not counted:
        raise Unrecoverable(f"There is no city with the slug '{city_slug}'.")
    return counted


async def _all_cities(ctx: Context[Services]) -> list[CityStatistics]:
    store = ctx.services.store
    slugs = await store.city_slugs()
    counted: list[CityStatistics] = []
    for start in range(0, len(slugs), CITIES_A_BATCH):
        await ctx.progress(100 * start // len(slugs))
        counted += await store.recount(slugs[start : start + CITIES_A_BATCH])
    return counted


async def _forget_claims(store: Store) -> None:
    while await store.forget_claims(at_most=CLAIMS_A_BATCH) == CLAIMS_A_BATCH:
        pass


def _sum(counted: list[CityStatistics]) -> CafeStatsUpdated:
    return CafeStatsUpdated(
        processed=sum(city.total for city in counted),
        cities_processed=len(counted),
        published=sum(city.published for city in counted),
        needs_review=sum(city.needs_review for city in counted),
        duplicates=sum(city.duplicate for city in counted),
    )
