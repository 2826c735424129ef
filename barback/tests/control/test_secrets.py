"""What is secret in a queue: in doubt all of it (B2)."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from barback.control.secrets import secrets_in, secrets_of
from barback.masking import Path
from barback.memory import MemoryBroker
from barback.outage import Outage
from barback.telemetry.beat import WorkerBeat
from barback.telemetry.heartbeat import Heartbeat
from barback.telemetry.published import PublishedApp, PublishedJob

TOKEN: tuple[Path, ...] = (("token",),)
DAY_S = 86_400.0


def app_of(jobs: Mapping[str, tuple[Path, ...]], name: str = "shop", queue: str = "mail") -> PublishedApp:
    return PublishedApp(name, "1", 0.0, tuple(PublishedJob(job, queue, None, paths) for job, paths in jobs.items()))


def changed(**values: Any) -> str:
    """An app whose jobs a release of another time wrote in a way that cannot be read."""
    app = json.loads(app_of({"send": TOKEN}).encode())
    return json.dumps(app | values)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"jobs": 7}', '{"jobs": [7]}', '{"jobs": [{}]}', "[" * 100_000, changed(name=7)],
)
def test_a_declaration_that_cannot_be_read_masks_all_of_the_queues_it_may_be_of(text: str) -> None:
    readable = app_of({"send": ()}, "other").encode()
    secrets = secrets_in([readable, text], [], "mail")
    assert secrets
    assert secrets.of("send") == ((),)


def test_one_that_cannot_be_read_but_names_its_queues_masks_no_others() -> None:
    assert not secrets_in([changed(name=7)], [], "invoices")


def test_kept_secrets_that_cannot_be_read_mask_all() -> None:
    assert secrets_in([], ["{"], "mail").of("send") == ((),)


def test_a_queue_that_nobody_declared_has_no_secrets() -> None:
    secrets = secrets_in([app_of({"send": TOKEN}).encode()], [], "nodes")
    assert not secrets
    assert secrets.of("send") == []


def test_a_job_declared_without_its_secrets_by_the_same_app_has_none_any_more_by_another_it_has() -> None:
    kept = [secrets.encode() for secrets in app_of({"send": TOKEN}).secrets()]
    assert secrets_in([app_of({"send": ()}).encode()], kept, "mail").of("send") == []
    assert secrets_in([app_of({"send": ()}, "other").encode()], kept, "mail").of("send") == [("token",)]
    assert secrets_in([app_of({"renamed": ()}).encode()], kept, "mail").of("send") == [("token",)]


async def test_secrets_are_known_for_thirty_days_after_the_last_worker_of_their_app() -> None:
    broker = MemoryBroker()
    beat = WorkerBeat(
        name="w", host="h", pid=1, version="1", release="1", app="shop",
        started_at=broker.now(), at=broker.now(), queues={"mail": 1},
    )  # fmt: skip
    heartbeat = Heartbeat(broker.board, lambda: beat, app_of({"send": TOKEN, "count": ()}), {}, Outage())
    await heartbeat.beat()
    assert (await secrets_of(broker.board, "mail")).of("count") == []
    # The app itself is known for a week.
    await broker.move_clock(30 * DAY_S - 60)
    secrets = await secrets_of(broker.board, "mail")
    assert (secrets.of("send"), secrets.of("count")) == ([("token",)], [("token",)])
    assert not await secrets_of(broker.board, "invoices")
    await broker.move_clock(61)
    assert not await secrets_of(broker.board, "mail")
