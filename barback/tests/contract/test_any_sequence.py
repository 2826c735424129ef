"""Any sequence of operations: both brokers answer the same and hold the same, and no job is ever in two places (P6).

Nothing here becomes due by itself, so that the one's clock does not matter to the other: delays are of minutes and end
by promotion, a lock is either long or already lost when the worker dies.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar, cast

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from barback.answers import Created
from barback.broker import (
    LISTED_STATES,
    Broker,
    Completed,
    Failed,
    FetchedJob,
    HandedBack,
    JobRecord,
    Lease,
    ListedState,
    NewFlow,
    NewJob,
    Outcome,
    QueueLimits,
    Retry,
    Settlement,
)
from barback.bullmq import BullMQBroker
from barback.errors import BrokerError
from barback.memory import MemoryBroker
from barback.options import Deduplication, JobOptions, OnFailure, Retention

ValueT = TypeVar("ValueT")
Pair = tuple[FetchedJob, FetchedJob]
"""One job as either broker gave it."""

LEASE = Lease("tester", lock_s=600)
DYING = Lease("mayfly", lock_s=0.001)
WITHIN_S = 5.0

KEPT = st.sampled_from([Retention(), Retention(count=0)])
ON_FAILURE: st.SearchStrategy[OnFailure | None] = st.sampled_from(
    [None, "fail-parent", "continue-parent", "ignore", "remove"]
)
DEDUPLICATION = st.sampled_from(
    [
        None,
        None,
        Deduplication.simple("k"),
        Deduplication.keep_last("k"),
        Deduplication("k", replace=True),
        Deduplication("k", replace=True, keep_last_if_active=True),
        Deduplication.debounce("t", ttl_s=600),
        Deduplication.throttle("t", ttl_s=600),
    ]
)


def without_overwriting(options: JobOptions) -> JobOptions:
    """BullMQ writes a kept add of a custom id over whatever job has that id by then, and leaves it in two places."""
    kept = options.deduplicate is not None and options.deduplicate.keep_last_if_active
    return replace(options, job_id=None) if kept else options


OPTIONS = st.builds(
    JobOptions,
    job_id=st.sampled_from([None, None, None, "a", "b"]),
    priority=st.sampled_from([0, 0, 1, 2]),
    delay_s=st.sampled_from([0.0, 0.0, 300.0, 600.0]),
    lifo=st.booleans(),
    deduplicate=DEDUPLICATION,
    keep_completed=KEPT,
    keep_failed=KEPT,
    keep_stacktraces=st.sampled_from([0, 2]),
).map(without_overwriting)
CHILD_OPTIONS = st.builds(
    JobOptions,
    priority=st.sampled_from([0, 2]),
    delay_s=st.sampled_from([0.0, 300.0]),
    keep_completed=KEPT,
    keep_failed=KEPT,
    on_failure=ON_FAILURE,
)
OUTCOMES: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Completed, st.sampled_from(["null", '{"n": 1}'])),
    st.just(Failed("no milk", "trace")),
    st.builds(Retry, st.sampled_from([0.0, 300.0]), st.just("again"), st.sampled_from(["", "trace"])),
    st.builds(Retry, st.just(600.0), st.just("later"), uses_attempt=st.just(False)),
    st.just(HandedBack()),
)
FITTING: dict[str, tuple[ListedState, ...]] = {
    "promote": ("delayed",),
    "retry": ("completed", "failed"),
    "remove": LISTED_STATES,
}
OFTEN = [True, True, True, False]


class AnySequence(RuleBasedStateMachine):
    """The same operations on both brokers, side by side."""

    url: ClassVar[str]
    runner: ClassVar[asyncio.Runner]
    real: ClassVar[BullMQBroker]
    client: ClassVar[Any]

    @initialize()
    def start(self) -> None:
        self.queue = f"q{uuid.uuid4().hex[:12]}"
        self.memory = MemoryBroker()
        self.held: list[Pair] = []
        self.known: set[str] = set()
        self.flows = 0

    # ── operations ──────────────────────────────────────────────────────────────────────────────────

    @rule(options=OPTIONS, data=st.sampled_from(["{}", '"ä"']))
    def add(self, options: JobOptions, data: str) -> None:
        answers = self.both(lambda broker: broker.add([NewJob(self.queue, "any", data, options)]))
        self.known |= {answer.job_id for answer in answers if isinstance(answer, Created)}

    @rule(parent=CHILD_OPTIONS, children=st.lists(CHILD_OPTIONS, min_size=1, max_size=3))
    def add_flow(self, parent: JobOptions, children: Sequence[JobOptions]) -> None:
        self.flows += 1
        ids = [f"f{self.flows}-{n}" for n in range(len(children) + 1)]
        nodes = [
            NewJob(self.queue, "any", "{}", replace(options, job_id=job_id))
            for job_id, options in zip(ids, [parent, *children], strict=True)
        ]
        self.both(lambda broker: broker.add_flow(NewFlow(nodes[0], [NewFlow(node) for node in nodes[1:]])))
        self.known |= set(ids)

    @rule(options=OPTIONS)
    def add_once_more_while_it_runs(self, options: JobOptions) -> None:
        self.add(options, "{}")
        self.fetch(1)
        self.add(options, '"again"')

    @rule(count=st.integers(0, 3))
    def fetch(self, count: int) -> None:
        self.hold(self.both_raw(lambda broker: broker.exchange(self.queue, [], count, LEASE)))

    @precondition(lambda self: self.held)
    @rule(pick=st.randoms(use_true_random=False), outcome=OUTCOMES, count=st.integers(0, 1))
    def settle_and_fetch(self, pick: Any, outcome: Outcome, count: int) -> None:
        pair: Pair = pick.choice(self.held)
        foreign = cast("Pair", tuple(replace(job, token="foreign") for job in pair))
        assert self.exchange_pair(foreign, outcome, 0) in ("lock lost", "children")
        settled = self.exchange_pair(pair, outcome, count)
        if settled != "children":
            self.held.remove(pair)

    @rule(alone=st.booleans())
    def die_and_be_recovered(self, alone: bool) -> None:
        """P8: found without a lock; a crash that it was alone in is its own."""
        lease = LEASE if alone else DYING
        in_memory, really = self.both_raw(lambda broker: broker.exchange(self.queue, [], 1, lease))
        assert [job.id for job in in_memory.jobs] == [job.id for job in really.jobs]
        if not in_memory.jobs:
            return
        pair = (in_memory.jobs[0], really.jobs[0])
        if alone:
            for broker, job in zip((self.memory, self.real), pair, strict=True):
                if job.crashes:
                    assert self.run(broker.set_alone(job, True))
                self.run(asyncio.to_thread(broker.extend_locks, self.queue, [job], 0.001))
        self.recover(pair[0].id)

    @precondition(lambda self: self.held)
    @rule(pick=st.randoms(use_true_random=False), fitting=st.sampled_from(OFTEN))
    def cancel(self, pick: Any, fitting: bool) -> None:
        """The one who holds it is told once, and may settle it as it likes."""
        pair: Pair = pick.choice(self.held)
        job_id = pair[0].id if fitting else "never-there"
        self.both(lambda broker: broker.cancel(self.queue, job_id, "because"))
        for broker, job in zip((self.memory, self.real), pair, strict=True):
            renewal = self.run(asyncio.to_thread(broker.extend_locks, self.queue, [job], 600))
            assert [reason for _, reason in renewal.cancelled] == ["because"] * fitting

    @precondition(lambda self: self.known)
    @rule(pick=st.randoms(use_true_random=False), what=st.sampled_from(list(FITTING)), fitting=st.sampled_from(OFTEN))
    def act(self, pick: Any, what: str, fitting: bool) -> None:
        states = FITTING[what] if fitting else LISTED_STATES
        job_ids = [job_id for state in states for job_id in self.ids(self.memory, state)] or sorted(self.known)
        job_id: str = pick.choice(job_ids)
        self.both(lambda broker: getattr(broker, what)(self.queue, job_id))

    @rule(what=st.sampled_from(["pause", "resume", "resume", "resume"]))
    def pause_or_resume(self, what: str) -> None:
        self.both(lambda broker: getattr(broker, what)(self.queue))

    @rule(concurrency=st.sampled_from([None, None, None, 1, 2]))
    def limit(self, concurrency: int | None) -> None:
        self.both(lambda broker: broker.set_limits(self.queue, QueueLimits(concurrency)))

    # ── what holds after each ───────────────────────────────────────────────────────────────────────

    @invariant()
    def each_job_is_in_one_place_and_it_is_the_same_one(self) -> None:
        """P6."""
        listed: list[str] = []
        counts = self.both(lambda broker: broker.counts(self.queue))
        for state in LISTED_STATES:
            in_memory, really = (self.ids(broker, state) for broker in (self.memory, self.real))
            in_order = state in ("waiting", "prioritized", "delayed", "active")
            assert in_memory == really if in_order else set(in_memory) == set(really), state
            assert counts[state] == len(in_memory)
            listed += in_memory
        assert len(listed) == len(set(listed))

    @invariant()
    def only_active_jobs_are_locked(self) -> None:
        """P10."""
        active = set(self.ids(self.memory, "active"))
        assert {key.split(":")[-2] for key in self.client.keys(f"bull:{self.queue}:*:lock")} <= active
        assert set(self.memory._queues[self.queue].locks) <= active

    def teardown(self) -> None:
        """Let the queue run empty: the same jobs in the same order, and the same left of each."""
        if not hasattr(self, "queue"):
            return
        self.both(lambda broker: broker.resume(self.queue))
        self.both(lambda broker: broker.set_limits(self.queue, QueueLimits()))
        for pair in self.held:
            self.exchange_pair(pair, Failed("the end"), 0)
        self.held.clear()
        self.fetch(1)
        while self.held:
            self.exchange_pair(self.held.pop(), Failed("the end"), 1)
        for job_id in sorted(self.known):
            assert self.shown(self.memory, job_id) == self.shown(self.real, job_id)

    # ── both brokers ────────────────────────────────────────────────────────────────────────────────

    def both_raw(self, ask: Callable[[Broker], Awaitable[ValueT]]) -> tuple[ValueT, ValueT]:
        return self.run(ask(self.memory)), self.run(ask(self.real))

    def both(self, ask: Callable[[Broker], Awaitable[ValueT]]) -> ValueT:
        """Ask both; their answers, or refusals, must be equal."""
        answers: list[Any] = []
        for broker in (self.memory, self.real):
            try:
                answers.append(self.run(ask(broker)))
            except BrokerError as error:
                answers.append(str(error))
        assert answers[0] == answers[1]
        return answers[0]

    def run(self, ask: Awaitable[ValueT]) -> ValueT:
        async def answer() -> ValueT:
            return await ask

        # Not `Runner.run`: it takes the signals and gives them back each time, which costs more than most answers.
        return self.runner.get_loop().run_until_complete(answer())

    def exchange_pair(self, pair: Pair, outcome: Outcome, count: int) -> str:
        exchanges = [
            self.run(broker.exchange(self.queue, [Settlement(job, outcome)], count, LEASE))
            for broker, job in zip((self.memory, self.real), pair, strict=True)
        ]
        in_memory, really = exchanges
        assert list(in_memory.settled) == list(really.settled)
        self.hold((in_memory, really))
        return in_memory.settled[0].value

    def hold(self, exchanges: tuple[Any, Any]) -> None:
        in_memory, really = exchanges
        assert [comparable(job) for job in in_memory.jobs] == [comparable(job) for job in really.jobs]
        assert (in_memory.next_at is None) == (really.next_at is None)
        self.held += zip(in_memory.jobs, really.jobs, strict=True)

    def recover(self, job_id: str) -> None:
        for broker in (self.memory, self.real):
            deadline = time.monotonic() + WITHIN_S
            while job_id not in self.run(broker.recover_stalled(self.queue, 0.001)).waiting:
                assert time.monotonic() < deadline
                self.run(self.memory.move_clock(0.002) if broker is self.memory else asyncio.sleep(0.002))

    def ids(self, broker: Broker, state: Any) -> list[str]:
        ids = [record.id for record in self.run(broker.list_jobs(self.queue, state, 0, 1000))]
        self.known |= set(ids)
        return ids

    def shown(self, broker: Broker, job_id: str) -> JobRecord | None:
        """What is stored of a job, without the times, and without what Redis keeps otherwise."""
        record = self.run(broker.get(self.queue, job_id))
        if record is None:
            return None
        options = replace(record.options, job_id=None)
        reason = without_prefix(record.failed_reason)
        return replace(record, added_at=0, started_at=None, finished_at=None, options=options, failed_reason=reason)


def comparable(job: FetchedJob) -> FetchedJob:
    options = replace(job.options, job_id=None)
    deferred = without_prefix(job.deferred_failure)
    return replace(job, token="", added_at=0, started_at=0, options=options, deferred_failure=deferred)


def without_prefix(reason: str | None) -> str | None:
    return reason.replace("child bull:", "child ") if reason else None


@pytest.fixture
def machine(valkey_url: str) -> Iterator[type[AnySequence]]:
    with (
        asyncio.Runner() as runner,
        contextlib.closing(cast("Any", redis.Redis).from_url(valkey_url, db=1, decode_responses=True)) as client,
    ):
        AnySequence.runner, AnySequence.real, AnySequence.client = runner, BullMQBroker(valkey_url), client
        runner.run(AnySequence.real.open())
        yield AnySequence
        runner.run(AnySequence.real.close())


def test_both_brokers_answer_any_sequence_of_operations_alike(machine: type[AnySequence]) -> None:
    """P5, P6, P10."""
    limits = settings(max_examples=12, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow])
    run_state_machine_as_test(machine, settings=limits)
