"""What `why` must know is gathered from the queue, from beats, and from what apps declare."""

import asyncio

from barback.broker import Lease, NewFlow, NewJob, QueueLimits
from barback.control.waiting import gather, who_works, whys_of_page
from barback.control.why import LiveWorkers, Why, why
from barback.options import Deduplication, JobOptions
from barback.telemetry.beat import KIND, WorkerBeat
from barback.telemetry.published import KIND as APP
from barback.telemetry.published import PublishedApp, PublishedJob

from .conftest import Store


def beat_of(queue: str, *, app: str = "shop", release: str = "2") -> WorkerBeat:
    return WorkerBeat(
        name=f"w-{app}-{release}", host="h", pid=1, version="0", release=release, app=app, started_at=1, at=1,
        queues={queue: 4},
    )  # fmt: skip


def app_of(queue: str, *names: str, release: str = "2") -> PublishedApp:
    return PublishedApp("shop", release, 1.0, tuple(PublishedJob(name, queue, None) for name in names))


async def live(store: Store, *names: str) -> None:
    """A worker of this queue that knows these jobs."""
    beat, app = beat_of(store.queue), app_of(store.queue, *names)
    await store.broker.board.put_document(KIND, beat.name, beat.encode(), 60)
    await store.broker.board.put_document(APP, app.name, app.encode(), 60)


async def told(store: Store, job_id: str) -> Why | None:
    record = await store.broker.get(store.queue, job_id)
    assert record is not None
    return why(await gather(store.broker, record))


async def add(store: Store, job_id: str, **options: object) -> None:
    await store.broker.add([NewJob(store.queue, "any", "{}", JobOptions(job_id=job_id, **options))])  # pyright: ignore[reportArgumentType]


# ── over Redis ──────────────────────────────────────────────────────────────────────────────────────────


async def test_what_keeps_a_job_is_told_one_after_another_as_it_is_put_right(store: Store) -> None:
    for name in ("a", "b", "c"):
        await add(store, name)
    await store.broker.pause(store.queue)
    assert (cause := await told(store, "c"))
    assert cause.cause == "paused"
    await store.broker.resume(store.queue)
    assert (cause := await told(store, "c"))
    assert cause.cause == "no-worker"
    await live(store, "other")
    assert (cause := await told(store, "c"))
    assert cause.cause == "unknown-name"
    await live(store, "any", "other")
    assert await told(store, "c") == Why("behind", "Behind 2 jobs.")
    assert (cause := await told(store, "a"))
    assert cause.cause == "next"


async def test_limits_of_the_queue_are_told(store: Store) -> None:
    await live(store, "any")
    for name in ("a", "b", "c"):
        await add(store, name)
    await store.broker.set_limits(store.queue, QueueLimits(concurrency=1))
    [running] = (await store.broker.exchange(store.queue, [], 5, Lease("w", 30.0))).jobs
    assert (cause := await told(store, "c"))
    assert cause.sentence == f"1 job runs already, and queue '{store.queue}' may run 1 at a time."
    assert await told(store, running.id) is None


async def test_the_rate_limit_is_told(store: Store) -> None:
    await live(store, "any")
    await store.broker.set_limits(store.queue, QueueLimits(rate=(1, 60.0)))
    for name in ("a", "b"):
        await add(store, name)
    await store.broker.exchange(store.queue, [], 5, Lease("w", 30.0))
    assert (cause := await told(store, "b"))
    assert cause.cause == "rate"


async def test_a_delayed_one_is_told_with_its_moment_and_a_prioritized_one_with_all_before_it(store: Store) -> None:
    await live(store, "any")
    await add(store, "later", delay_s=600.0)
    for name in ("a", "b"):
        await add(store, name)
    await add(store, "last", priority=9)
    assert (cause := await told(store, "later"))
    assert cause.cause == "delay"
    assert cause.until
    assert cause.until > store.broker.now() + 500
    assert (cause := await told(store, "last"))
    assert cause.sentence == "Behind 2 jobs that run before its priority 9."


async def test_a_parent_is_told_its_child(store: Store) -> None:
    child = NewFlow(NewJob(store.queue, "any", "{}", JobOptions(job_id="child")))
    await store.broker.add_flow(NewFlow(NewJob(store.queue, "any", "{}", JobOptions(job_id="parent")), [child]))
    assert (cause := await told(store, "parent"))
    assert cause.sentence == f"Waits for its child {store.queue}:child to finish."


async def test_a_worker_of_any_language_is_known_by_its_connection(store: Store) -> None:
    """And in a queue with a name that begins like it there is none."""
    waiting = asyncio.create_task(store.broker.wait_for_jobs(store.queue, None))
    try:
        async with asyncio.timeout(10):
            while await store.inspector.listeners(store.queue) != 1:
                pass  # Each look lets the other go on.
        assert await store.inspector.listeners(store.queue[:-1]) == 0
        await add(store, "a", delay_s=60.0)
        await store.broker.promote(store.queue, "a")
        assert (cause := await told(store, "a"))
        assert cause.cause == "next"
    finally:
        waiting.cancel()


async def test_the_job_that_stands_for_a_key_is_known(store: Store) -> None:
    await add(store, "a", deduplicate=Deduplication.simple("one"))
    await add(store, "b", deduplicate=Deduplication.simple("one"))
    assert await store.inspector.stands_for(store.queue, "one") == "a"
    assert await store.inspector.stands_for(store.queue, "two") is None


async def test_each_row_of_a_list_is_told_by_its_place_alone(store: Store) -> None:
    await live(store, "any")
    for name in ("a", "b", "c"):
        await add(store, name)
    records = await store.broker.list_jobs(store.queue, "waiting", 1, 2)
    whys = await whys_of_page(store.broker, store.queue, records, 1)
    assert {job_id: told.sentence for job_id, told in whys.items()} == {"b": "Behind 1 job.", "c": "Behind 2 jobs."}
    assert await whys_of_page(store.broker, store.queue, records, None) == {}


async def test_rows_that_wait_for_a_moment_or_for_children_are_told_by_that(store: Store) -> None:
    child = NewFlow(NewJob(store.queue, "any", "{}", JobOptions(job_id="child", delay_s=600.0)))
    await store.broker.add_flow(NewFlow(NewJob(store.queue, "any", "{}", JobOptions(job_id="parent")), [child]))
    told = dict[str, Why]()
    for state in ("delayed", "waiting-children"):
        records = await store.broker.list_jobs(store.queue, state, 0, 9)
        told |= await whys_of_page(store.broker, store.queue, records, None)
    assert {job_id: one.cause for job_id, one in told.items()} == {"child": "delay", "parent": "children"}
    assert told["child"].until is not None


# ── who works ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_published_counts_for_workers_of_that_release_alone() -> None:
    known = app_of("q", "a", release="2")
    assert who_works("q", [beat_of("q")], [known], 1) == LiveWorkers({"q": frozenset("a")})
    older = who_works("q", [beat_of("q"), beat_of("q", release="1")], [known], 2)
    assert older == LiveWorkers({"q": frozenset("a")}, frozenset("q"))


def test_a_name_that_a_job_had_before_is_known_too() -> None:
    renamed = PublishedApp("shop", "2", 1.0, (PublishedJob("greet", "q", None, former_names=("hello",)),))
    assert who_works("q", [beat_of("q")], [renamed], 1) == LiveWorkers({"q": frozenset({"greet", "hello"})})


def test_more_connections_than_beats_are_workers_that_say_nothing() -> None:
    assert who_works("q", [], [], 1) == LiveWorkers({}, frozenset("q"))
    assert who_works("q", [], [], 0) == LiveWorkers()
    assert who_works("q", [], [], None) == LiveWorkers()
    assert who_works("q", [beat_of("other")], [app_of("other", "a")], 0) == LiveWorkers()
