"""bull-board 9 beside the dashboard, on the same Redis: the same counts, the same jobs (P18)."""

import asyncio
import json
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from barback.broker import Completed, Failed, Lease, NewFlow, NewJob, Settlement
from barback.bullmq import BullMQBroker
from barback.control.query import Query
from barback.control.search import START, Budget, Listing, search
from barback.dashboard import Control
from barback.options import JobOptions

from .process import Node

LEASE = Lease("w", 60.0)
STATES = ("waiting", "prioritized", "active", "delayed", "completed", "failed", "waiting-children")


async def fill(broker: BullMQBroker, queue: str) -> None:
    """Jobs in every state, and a paused queue."""
    await broker.add([NewJob(queue, "send", json.dumps({"n": n})) for n in range(5)])
    [done, failed, runs] = (await broker.exchange(queue, [], 3, LEASE)).jobs
    await broker.set_progress(queue, runs.id, "40")
    outcomes = [
        Settlement(done, Completed('{"sent":true}')),
        Settlement(failed, Failed("SMTPError: no such box", "Traceback:\n  at the bar")),
    ]
    await broker.exchange(queue, outcomes, 0, LEASE)
    await broker.add([NewJob(queue, "later", "{}", JobOptions(delay_s=600.0))])
    await broker.add([NewJob(queue, "first", "{}", JobOptions(priority=n)) for n in (7, 3)])
    child = NewFlow(NewJob(queue, "child", "{}"))
    await broker.add_flow(NewFlow(NewJob(queue, "parent", "{}"), [child]))
    await broker.pause(f"{queue}-paused")
    await broker.add([NewJob(f"{queue}-paused", "send", "{}")])


async def shown_by_bull_board(url: str, version: Literal[5, 6], queues: list[str]) -> dict[str, Any]:
    asked = {"connection": {"host": "127.0.0.1", "port": urlsplit(url).port, "db": 1}, "version": version}
    program = Path(__file__).parent / "bull_board.cjs"
    process = await asyncio.create_subprocess_exec(
        "node", program, json.dumps(asked | {"queues": queues}), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    return json.loads(said)


async def test_bull_board_shows_the_counts_and_jobs_that_the_dashboard_shows(
    node: Node, version: Literal[5, 6], valkey_url: str, queue_name: str
) -> None:
    broker = BullMQBroker(valkey_url)
    await broker.open()
    queues = [queue_name, f"{queue_name}-paused"]
    await fill(broker, queue_name)
    theirs, control = await shown_by_bull_board(valkey_url, version, queues), Control(broker, queues)
    for name in queues:
        status = await control.status(name)
        assert theirs[name]["isPaused"] == status.paused
        for state in STATES:
            page = await search(broker.inspector, Listing(name, state, Query()), START, Budget())
            jobs = theirs[name]["jobs"][state]
            assert theirs[name]["counts"].get(state, 0) == status.counts[state] == len(page.jobs) == len(jobs), state
            # bull-board begins with the newest, the dashboard with what is next.
            ours = {
                seen.record.id: (seen.record.name, json.loads(seen.record.data), seen.record.failed_reason)
                for seen in page.jobs
            }
            assert {job["id"]: (job["name"], job["data"], job.get("failedReason")) for job in jobs} == ours, state
    await broker.close()
