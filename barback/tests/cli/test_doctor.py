"""`barback doctor`: what is wrong, for people and for machines."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, cast

import pytest
import redis

from drills.servers import Valkey

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own: the doctor looks at all queues that are there, those of other tests too."""
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def barback(call: Call, environment: Mapping[str, str]) -> Call:
    return lambda *arguments, **more: call(*arguments, environment={**environment, **more})


def test_when_all_is_well_it_says_so(barback: Call) -> None:
    asked = barback("doctor")
    assert (asked.out, asked.code) == ("nothing is wrong\n", 0)
    assert json.loads(barback("doctor", "--json").out) == {"findings": []}


def test_an_error_is_told_with_what_to_do_and_exit_code_1(
    barback: Call, queue_name: str, environment: Mapping[str, str]
) -> None:
    barback("schedules", "apply")
    with closing(cast("Any", redis.Redis).from_url(environment["REDIS_URL"], db=1)) as server:
        server.zadd(f"bull:{queue_name}:repeat", {"nightly": (time.time() - 90) * 1000})
    asked = barback("doctor")
    assert asked.code == 1
    trouble, advice = asked.out.splitlines()[:2]
    assert trouble.startswith(f"error  schedules: Schedule 'nightly' of '{queue_name}' has been due for")
    assert advice.startswith(f"  → Start a worker of queue '{queue_name}'")
    [finding] = json.loads(barback("doctor", "--json").out)["findings"]
    assert set(finding) == {"check", "level", "text", "advice"}
