"""What handlers log says in which job, wherever they run; what is hostile in a job forges no line (P41)."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from barback.answers import Created
from barback.broker import NewJob
from barback.bullmq import BullMQBroker

Start = Callable[..., Any]

JOBS = """
import asyncio
import logging
import os

import structlog

from barback import Context, NoPayload, job

QUEUE = os.environ["SHOP_QUEUE"]
log = logging.getLogger("shop")
events = structlog.get_logger("shop")

def say(where: str) -> None:
    log.info("standard %s", where)
    logging.getLogger("library").info("of a library")
    logging.getLogger("acme").info("acme %s", where)
    events.info("structured", where=where)

async def later() -> None:
    say("task")

@job("on-the-loop", queue=QUEUE)
async def on_the_loop(payload: NoPayload, ctx: Context[None]) -> None:
    say("loop")
    await asyncio.create_task(later())

@job("in-a-thread", queue=QUEUE, timeout_s=20)
def in_a_thread(payload: NoPayload, ctx: Context[None]) -> None:
    say("thread")

@job("in-a-process", queue=QUEUE, runs_in="process")
def in_a_process(payload: NoPayload, ctx: Context[None]) -> None:
    say("process")

@job("fail", queue=QUEUE)
async def fail(payload: NoPayload, ctx: Context[None]) -> None:
    raise ValueError('x\\r\\n{"event": "forged", "level": "info"}\\n\\x1b[2J')
"""
WHERE = {"loop": "on-the-loop", "task": "on-the-loop", "thread": "in-a-thread", "process": "in-a-process"}
HOSTILE = 'x\r\n{"event": "forged", "level": "info"}\n\x1b[2J'


async def add(url: str, queue: str, *names: str) -> dict[str, str]:
    """The ids of jobs, by name."""
    broker = BullMQBroker(url)
    await broker.open()
    try:
        answers = await broker.add([NewJob(queue, name, "{}") for name in names])
    finally:
        await broker.close()
    return {name: one.job_id for name, one in zip(names, answers, strict=True) if isinstance(one, Created)}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    package = tmp_path / "src" / "shop"
    package.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.barback]\napp = "shop.app:app"\n')
    (package / "__init__.py").touch()
    (package / "work.py").write_text(JOBS)
    (package / "app.py").write_text(
        "import logging\nfrom barback import App, no_services\nfrom shop import work\n"
        "logging.getLogger('acme').setLevel(logging.INFO)\n"
        "app = App(jobs=[work.on_the_loop, work.in_a_thread, work.in_a_process, work.fail], services=no_services)\n"
    )
    return tmp_path


def test_each_line_of_a_handler_names_its_job_and_hostile_ones_stay_one_line(
    start: Start, environment: Mapping[str, str], queue_name: str
) -> None:
    names = (*dict.fromkeys(WHERE.values()), "fail", HOSTILE)
    ids = asyncio.run(add(environment["REDIS_URL"], queue_name, *names))
    worker = start("work", environment=environment)
    waiting = {"standard process", "standard thread", "standard task", "x\\r\\n", "No job named"}
    while waiting:
        line = worker.wait_for("")
        waiting = {words for words in waiting if words not in line}
    worker.stop()
    events = [json.loads(line) for line in worker.lines]
    for where, name in WHERE.items():
        for told in (
            [event for event in events if event["event"] == f"standard {where}"],
            [event for event in events if event["event"] == f"acme {where}"],
            [event for event in events if event["event"] == "structured" and event["where"] == where],
        ):
            assert [(one["job"], one["job_id"], one["attempt"]) for one in told] == [(name, ids[name], 1)]
    assert not any(event["event"] in ("forged", "of a library") for event in events)
    assert "job" not in next(event for event in events if event["event"] == "worker started")
