"""Job process-cafe: clean one cafe, decide it among those of its name, and have its city counted again.

    load ──► clean ──► decide ──► record ──► enqueue update-cafe-stats, if a city's numbers changed
                          ▲          │
                          └──────────┘  somebody else recorded a neighbour meanwhile

Safe to run twice and beside other workers: what is stored in the end depends on the cafes alone (C2).
"""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from barback import Context, Exponential, Payload, Unrecoverable, job
from cafes.jobs.outage import outages_waited_out
from cafes.jobs.result import Result
from cafes.jobs.update_cafe_stats import UpdateCafeStats, update_cafe_stats
from cafes.rules import CleanedCafe, Member, Status, Verdict, clean, decide_group
from cafes.services import Services
from cafes.settings import QUEUES
from cafes.store import NOBODY, Gone, Neighbour, Overtaken, Recorded, Stale, Store, StoredCafe

GATHER_S = 1.0
"""How long a city's count waits for more cafes: a burst of them makes one job, not one after the other."""


class ProcessCafe(Payload, frozen=True):
    """Which cafe; `{"cafeId": "…"}` on the wire."""

    cafe_id: UUID


class CafeProcessed(Result, frozen=True):
    """What was decided. `others_changed`: how many other cafes' verdicts changed because of this one."""

    cafe_id: UUID
    status: Status
    reasons: Sequence[str]
    duplicate_of: UUID | None
    slug: str
    city_slug: str | None
    others_changed: int


@job(
    "process-cafe",
    queue=QUEUES.cafe_processing,
    attempts=5,
    backoff=Exponential(first_s=2.0, jitter=0.5),
    timeout_s=60.0,
)
async def process_cafe(payload: ProcessCafe, ctx: Context[Services]) -> CafeProcessed:
    with outages_waited_out(ctx):
        result, cities = await _process(payload.cafe_id, ctx.services)

    # After the commit: a statistics job that starts from here on sees what was written. An earlier start may have
    # written it too and died before it told anyone, in which case `cities` is empty now (C3).
    for city in (None,) if ctx.starts > 1 else cities:
        await ctx.enqueue(update_cafe_stats, UpdateCafeStats(city_slug=city), delay_s=GATHER_S)
    return result


async def _process(cafe_id: UUID, services: Services) -> tuple[CafeProcessed, Sequence[str]]:
    """The result, and the slugs of the cities whose numbers changed."""
    while True:
        cafe = await services.store.load(cafe_id)
        if cafe is None:
            raise _missing(cafe_id)
        cleaned = clean(cafe.raw)
        # A chain's cafes come one after the other: each would overtake all that run beside it.
        async with services.turns.of((cleaned.city_slug, cleaned.name_key)):
            verdicts, answer = await _decide_and_record(cafe, cleaned, services.store)
        match answer:
            case Recorded() as recorded:
                mine = next(verdict for verdict in verdicts if verdict.id == cafe_id)
                return _result(mine, cleaned, recorded), recorded.cities
            case Gone():
                raise _missing(cafe_id)
            case Stale():
                pass  # what was cleaned is not what is stored any more: from the beginning


async def _decide_and_record(
    cafe: StoredCafe, cleaned: CleanedCafe, store: Store
) -> tuple[list[Verdict], Recorded | Stale | Gone]:
    """Until nobody overtakes, which ends: whoever does has recorded a cafe. The attempt's timeout bounds it."""
    neighbourhood = NOBODY
    while True:
        verdicts = _decide(cafe, cleaned, neighbourhood.neighbours)
        answer = await store.record(cafe, cleaned, verdicts, neighbourhood.seen)
        if not isinstance(answer, Overtaken):
            return verdicts, answer
        neighbourhood = answer.neighbourhood


def _missing(cafe_id: UUID) -> Unrecoverable:
    return Unrecoverable(f"There is no cafe {cafe_id}. It was removed, or never committed before it was enqueued.")


def _decide(cafe: StoredCafe, cleaned: CleanedCafe, neighbours: Sequence[Neighbour]) -> list[Verdict]:
    """Verdicts on this cafe and all its neighbours: those of its own group, and of the one that it may be leaving."""
    problems = tuple(str(problem) for problem in cleaned.problems)
    groups: defaultdict[tuple[str | None, str | None], list[Member]] = defaultdict(list)
    groups[cleaned.city_slug, cleaned.name_key].append(
        Member(cafe.id, cafe.position, cleaned.address_key, cleaned.coordinates, problems)
    )
    for neighbour in neighbours:
        groups[neighbour.city_slug, neighbour.name_key].append(neighbour.member)
    return [verdict for members in groups.values() for verdict in decide_group(members)]


def _result(verdict: Verdict, cleaned: CleanedCafe, recorded: Recorded) -> CafeProcessed:
    return CafeProcessed(
        cafe_id=verdict.id,
        status=verdict.status,
        reasons=verdict.reasons,
        duplicate_of=verdict.duplicate_of,
        slug=recorded.slug,
        city_slug=cleaned.city_slug,
        others_changed=recorded.others,
    )
