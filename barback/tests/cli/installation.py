"""A project with its Redis that a set-up breaks, and what the doctor says of it."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from barback.answers import Created
from barback.broker import NewJob
from barback.bullmq import BullMQBroker

Call = Callable[..., Any]

PASSWORD = "correct-horse-battery"


@dataclass
class Installation:
    """A project, its environment, and its Redis: sound, until a set-up breaks it."""

    url: str
    queue: str
    server: Any
    """A client on the database that the worker looks at."""
    project: Path
    call: Call
    environment: dict[str, str] = field(default_factory=dict[str, str])

    def key(self, name: str) -> str:
        return f"bull:{self.queue}:{name}"

    def barback(self, *arguments: str, **more: str) -> Any:
        environment = {"REDIS_URL": self.url, "SHOP_QUEUE": self.queue, **self.environment, **more}
        return self.call(*arguments, environment=environment)

    def enqueue(self, name: str = "greet", *, queue: str | None = None, prefix: str = "bull") -> str:
        """The id of a job that waits."""
        return asyncio.run(add(self.url, prefix, NewJob(queue or self.queue, name, '{"name": "Ada"}')))

    def other_user(self, *rights: str) -> str:
        """The address for a user with these rights alone."""
        self.server.execute_command("ACL", "SETUSER", "clerk", "reset", "on", f">{PASSWORD}", *rights)
        return self.url.replace("redis://", f"redis://clerk:{PASSWORD}@")


async def add(url: str, prefix: str, job: NewJob) -> str:
    broker = BullMQBroker(url, prefix=prefix)
    await broker.open()
    try:
        [answer] = await broker.add([job])
    finally:
        await broker.close()
    assert isinstance(answer, Created)
    return answer.job_id


@dataclass(frozen=True)
class SetUp:
    """How it is broken, and what the doctor has to say: the check, its level, and words of the text and the advice."""

    break_: Callable[[Installation], object]
    check: str
    level: str
    text: tuple[str, ...]
    advice: str


def findings(shop: Installation) -> tuple[int, list[dict[str, str]]]:
    asked = shop.barback("doctor", "--json")
    return asked.code, json.loads(asked.out)["findings"]


def check_named(shop: Installation, set_up: SetUp) -> None:
    """Broken so, the doctor tells of it once, and shows no secret."""
    set_up.break_(shop)
    code, found = findings(shop)
    told = [one for one in found if one["check"] == set_up.check and set_up.text[0] in one["text"]]
    assert len(told) == 1, found
    [finding] = told
    assert finding["level"] == set_up.level
    assert all(words in finding["text"] for words in set_up.text), finding
    assert set_up.advice in finding["advice"]
    assert code == (1 if any(one["level"] == "error" for one in found) else 0)
    assert PASSWORD not in json.dumps(found)
