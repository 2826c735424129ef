"""BullMQ's own metrics, as Node's workers keep them once they are switched on."""

from collections import Counter

from barback.control.metrics import Past

from .pair import eventually
from .python import PythonQueue
from .side import NodeQueue


async def counted(ours: PythonQueue) -> tuple[int, int]:
    """What workers of both languages completed and failed in the last hour, as faces are told."""
    told = await Past(ours.broker.board, "1h").look([ours.name], ours.broker.now())
    return told.whole.whole.completed, told.whole.whole.failed


async def counted_by_node(ours: PythonQueue) -> Counter[str]:
    now, total = ours.broker.now(), Counter[str]()
    for bucket in await ours.broker.board.counts_of_others(ours.name, 60, now - 600, now):
        total.update(bucket.counts)
    return total


async def test_what_nodes_workers_completed_and_failed_is_read(theirs: NodeQueue, ours: PythonQueue) -> None:
    for name in ("any", "any", "any", "fail"):
        await theirs.enqueue(name, {"reason": "no milk"})
    await theirs.start_worker(metrics={"maxDataPoints": 60})

    async def all_counted() -> bool:
        return await counted(ours) == (3, 1)

    await eventually(all_counted)
    assert await counted_by_node(ours) == {"completed": 3, "failed": 1}


async def test_nothing_is_told_of_what_ours_worked_which_is_counted_apart(theirs: NodeQueue, ours: PythonQueue) -> None:
    await theirs.start_worker(metrics={"maxDataPoints": 60})
    await theirs.stop_workers()
    await theirs.enqueue("any", {})
    await ours.work()

    async def completed() -> bool:
        return (await ours.broker.counts(ours.name))["completed"] == 1

    await eventually(completed)
    await ours.stop_workers()
    assert not +await counted_by_node(ours)
    assert await counted(ours) == (1, 0)
