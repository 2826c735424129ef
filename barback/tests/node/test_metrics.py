"""BullMQ's own metrics, as Node's workers keep them once they are switched on."""

from barback.control.metrics import Point, bullmq_metrics, series

from .pair import eventually
from .python import PythonQueue
from .side import NodeQueue


async def whole(ours: PythonQueue) -> Point:
    return (await bullmq_metrics(ours.broker.board, ours.name, "1h", ours.broker.now())).whole


async def test_what_nodes_workers_completed_and_failed_is_read(theirs: NodeQueue, ours: PythonQueue) -> None:
    for name in ("any", "any", "any", "fail"):
        await theirs.enqueue(name, {"reason": "no milk"})
    await theirs.start_worker(metrics={"maxDataPoints": 60})

    async def all_counted() -> bool:
        told = await whole(ours)
        return (told.completed, told.failed) == (3, 1)

    await eventually(all_counted)
    now = ours.broker.now()
    assert (await series(ours.broker.board, ours.name, "1h", now)).whole.completed == 0


async def test_nothing_is_told_of_what_ours_worked_which_is_counted_apart(theirs: NodeQueue, ours: PythonQueue) -> None:
    await theirs.start_worker(metrics={"maxDataPoints": 60})
    await theirs.stop_workers()
    await theirs.enqueue("any", {})
    await ours.work()

    async def completed() -> bool:
        return (await ours.broker.counts(ours.name))["completed"] == 1

    await eventually(completed)
    await ours.stop_workers()
    assert (await whole(ours)).completed == 0
    now = ours.broker.now()
    assert (await series(ours.broker.board, ours.name, "1h", now)).whole.completed == 1
