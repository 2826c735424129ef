"""All that may happen to a queue, and sequences of it for Hypothesis."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from hypothesis import strategies as st

from barback.options import Deduplication, JobOptions, OnFailure, Retention
from barback.retry import Exponential, Fixed

from .npm_twins import NpmTwins
from .steps import DAMAGE, SPOILS, Completes, Ending, Fails, GoesBack, Later, Step


@dataclass(frozen=True, slots=True)
class Add:
    options: Sequence[JobOptions]

    async def happen(self, twins: NpmTwins) -> None:
        await twins.add(self.options)


@dataclass(frozen=True, slots=True)
class AddByNpm:
    opts: Sequence[dict[str, Any]]

    async def happen(self, twins: NpmTwins) -> None:
        await twins.add_by_npm(self.opts)


@dataclass(frozen=True, slots=True)
class AddFamily:
    parent: JobOptions
    children: Sequence[JobOptions]

    async def happen(self, twins: NpmTwins) -> None:
        await twins.add_family(self.parent, self.children)


@dataclass(frozen=True, slots=True)
class ExchangeSome:
    steps: Sequence[Step]
    fetch: int
    chained: bool = False

    async def happen(self, twins: NpmTwins) -> None:
        await twins.exchange(self.steps, self.fetch, chained=self.chained)


@dataclass(frozen=True, slots=True)
class LetPass:
    ms: int

    async def happen(self, twins: NpmTwins) -> None:
        await twins.let_pass(self.ms)


@dataclass(frozen=True, slots=True)
class Limit:
    concurrency: int | None
    rate: int | None

    async def happen(self, twins: NpmTwins) -> None:
        await twins.limit(self.concurrency, self.rate)


@dataclass(frozen=True, slots=True)
class EndLimit:
    async def happen(self, twins: NpmTwins) -> None:
        await twins.end_limit()


@dataclass(frozen=True, slots=True)
class Pause:
    async def happen(self, twins: NpmTwins) -> None:
        await twins.pause()


@dataclass(frozen=True, slots=True)
class Resume:
    async def happen(self, twins: NpmTwins) -> None:
        await twins.resume()


@dataclass(frozen=True, slots=True)
class Log:
    place: int

    async def happen(self, twins: NpmTwins) -> None:
        await twins.log(self.place, "a line")


Operation = Add | AddByNpm | AddFamily | ExchangeSome | LetPass | Limit | EndLimit | Pause | Resume | Log


# ── options ─────────────────────────────────────────────────────────────────────────────────────────────────────────

RETENTIONS = st.sampled_from(
    [
        Retention(),
        Retention(count=0),
        Retention(count=2),
        Retention(count=1_000, age_s=24 * 3600),
        Retention(age_s=2),
        Retention(age_s=2, remove_at_most=2),
        Retention(count=3, age_s=2),
    ]
)
DEDUPLICATIONS = st.sampled_from(
    [Deduplication.simple("a"), Deduplication.keep_last("b"), Deduplication.throttle("c", 600)]
)
PLACES = st.integers(0, 30)


def _without_overwriting(options: JobOptions) -> JobOptions:
    """BullMQ writes a kept add of a custom id over whatever job has that id by then, and leaves it in two places."""
    kept = options.deduplicate is not None and options.deduplicate.keep_last_if_active
    return replace(options, job_id=None) if kept else options


OPTIONS = st.builds(
    JobOptions,
    job_id=st.sampled_from([None, None, None, None, None, "mine", "ours"]),
    priority=st.sampled_from([0, 0, 0, 1, 5]),
    delay_s=st.sampled_from([0.0, 0.0, 0.0, 0.001, 1.5]),
    attempts=st.sampled_from([1, 1, 3]),
    backoff=st.sampled_from([None, Fixed(1.0), Exponential(0.5, inf)]),
    lifo=st.booleans(),
    deduplicate=st.none() | st.none() | st.none() | DEDUPLICATIONS,
    keep_completed=RETENTIONS,
    keep_failed=RETENTIONS,
    keep_logs=st.sampled_from([1, 1_000]),
    keep_stacktraces=st.sampled_from([0, 2, 10]),
).map(_without_overwriting)
_ON_FAILURE: st.SearchStrategy[OnFailure | None] = st.sampled_from(
    [None, "fail-parent", "continue-parent", "ignore", "remove"]
)
CHILDREN = st.builds(
    JobOptions,
    priority=st.sampled_from([0, 2]),
    keep_completed=RETENTIONS,
    keep_failed=RETENTIONS,
    on_failure=_ON_FAILURE,
)
_KEEP_IN_NODE = st.sampled_from([True, False, 0, 1, 3, -1, {"count": 2}, {"age": 2}, {"age": 2, "limit": 1}])
OPTS_IN_NODE = st.fixed_dictionaries(
    # What Node's users do not say means something else in Node (all are kept) than in barback.
    {"removeOnComplete": _KEEP_IN_NODE, "removeOnFail": _KEEP_IN_NODE},
    optional={
        "attempts": st.just(2),
        "backoff": st.sampled_from([1000, {"type": "exponential", "delay": 500}]),
        "priority": st.just(3),
        "stackTraceLimit": st.just(1),
    },
)

# ── sequences ───────────────────────────────────────────────────────────────────────────────────────────────────────

ENDINGS: st.SearchStrategy[Ending] = st.one_of(
    st.just(Completes()),
    st.just(Completes()),
    st.builds(Completes, st.sampled_from([0, "täglich \u2028 \0", {"a": [1, None]}])),
    st.builds(
        Fails, st.sampled_from(["no milk", ""]), st.sampled_from(["Error: no milk\n  at line 1", ""]), st.booleans()
    ),
    st.just(Later(1.0)),
    st.just(GoesBack()),
)
SOUND = st.builds(Step, PLACES, ENDINGS)
SPOILT = st.builds(Step, PLACES, ENDINGS, st.sampled_from([spoil for spoil in SPOILS if spoil not in DAMAGE]))
# One that were fetched again would be told differently: Node takes "many" for a number of attempts.
DAMAGED = st.builds(Step, PLACES, st.just(Completes()) | st.just(Fails(final=True)), st.sampled_from(DAMAGE))
STEPS = SOUND | SOUND | SPOILT | DAMAGED
EXCHANGES = st.builds(
    ExchangeSome, st.lists(STEPS, min_size=1, max_size=8), st.sampled_from([10, 3, 1, 0]), st.booleans()
)


@st.composite
def sequences(draw: st.DrawFn) -> list[Operation]:
    """Each operation is followed by an exchange, so that there are jobs to settle.

    They have few different options each, so that jobs meet others that are kept by the same rule.
    """
    options = st.sampled_from(draw(st.lists(OPTIONS, min_size=2, max_size=3)))
    in_node = st.sampled_from(draw(st.lists(OPTS_IN_NODE, min_size=1, max_size=2)))
    adds = st.builds(Add, st.lists(options, min_size=2, max_size=5))
    operations: st.SearchStrategy[Operation] = st.one_of(
        adds,
        adds,
        st.builds(AddByNpm, st.lists(in_node, min_size=1, max_size=3)),
        st.builds(AddFamily, CHILDREN, st.lists(CHILDREN, min_size=1, max_size=2)),
        st.builds(LetPass, st.sampled_from([3_000, 1_000, 1])),
        st.builds(LetPass, st.sampled_from([3_000, 1_000, 1])),
        st.builds(Limit, st.sampled_from([None, None, 1, 3]), st.sampled_from([None, None, None, 2])),
        st.sampled_from([Resume(), Resume(), Pause(), EndLimit()]),
        st.builds(Log, PLACES),
    )
    rounds = draw(st.lists(st.tuples(operations, EXCHANGES), min_size=8, max_size=16))
    return [draw(adds), *(operation for happening in rounds for operation in happening)]
