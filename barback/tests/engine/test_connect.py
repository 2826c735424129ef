"""The front door for code that enqueues."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from barback import NoPayload, Payload, Producer, connect, job
from barback.answers import Created
from barback.connect import open_broker
from barback.errors import BrokerUnavailable, InvalidPayload, SettingsError
from barback.job import Context, Job
from barback.settings import Settings, load_settings
from drills.servers import Valkey, free_port

SETTINGS = ("REDIS_URL", "REDIS_DB", "BARBACK_PREFIX", "NODE_ENV", "BARBACK_PAYLOAD_LIMIT_KB")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable, and no file in the working directory."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def greet(queue: str) -> Job[NoPayload, None, Any]:
    @job("greet", queue=queue)
    async def greets(payload: NoPayload, ctx: Context[None]) -> None: ...

    return greets


async def test_it_enqueues_where_the_environment_says(
    valkey_url: str, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1."""
    monkeypatch.setenv("REDIS_URL", valkey_url)
    async with connect() as enqueue:
        assert isinstance(enqueue, Producer)
        assert await enqueue(greet(queue_name), NoPayload()) == Created("1")
    async with open_broker() as broker:
        assert (await broker.counts(queue_name))["waiting"] == 1


async def test_the_database_and_the_prefix_are_those_of_the_settings(
    valkey_url: str, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", valkey_url)
    places = [("1", "bull"), ("2", "bull"), ("1", "other")]
    for db, prefix in places:
        monkeypatch.setenv("REDIS_DB", db)
        monkeypatch.setenv("BARBACK_PREFIX", prefix)
        async with connect() as enqueue:
            assert await enqueue(greet(queue_name), NoPayload()) == Created("1")
            assert await enqueue(greet(queue_name), NoPayload()) == Created("2")
    for db, prefix in places:
        monkeypatch.setenv("REDIS_DB", db)
        monkeypatch.setenv("BARBACK_PREFIX", prefix)
        async with open_broker() as broker:
            assert (await broker.counts(queue_name))["waiting"] == 2


async def test_settings_that_are_given_win_over_the_environment(
    valkey_url: str, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", valkey_url)
    given = load_settings(Settings)
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}")
    async with connect(given) as enqueue:
        assert await enqueue(greet(queue_name), NoPayload()) == Created("1")


async def test_without_a_redis_it_says_what_to_set_and_what_brings_one() -> None:
    with pytest.raises(SettingsError) as refused:
        async with connect():
            pytest.fail("it opened")
    assert str(refused.value) == (
        "REDIS_URL is not set. Set it to your Redis (redis://host:6379), "
        "or run 'barback dev', which brings a Redis of its own."
    )
    assert refused.value.exit_code == 2


async def test_a_redis_that_is_not_there_is_told_before_anything_is_enqueued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://:s3cret@127.0.0.1:{free_port()}")
    with pytest.raises(BrokerUnavailable, match="cannot be reached") as refused:
        async with connect():
            pytest.fail("it opened")
    assert "s3cret" not in str(refused.value)


async def test_nothing_is_left_open_if_it_cannot_be_opened(
    start_valkey: Callable[..., Valkey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", start_valkey("--requirepass", "s3cret").url)
    before = open_sockets()
    with pytest.raises(BrokerUnavailable):
        await open_and_break()
    assert open_sockets() == before


async def test_nothing_is_left_open_if_the_body_breaks(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", valkey_url)
    before = open_sockets()
    with pytest.raises(ZeroDivisionError):
        await open_and_break()
    assert open_sockets() == before


async def open_and_break() -> None:
    async with open_broker() as broker:
        await broker.wait_for_jobs("any", broker.now() + 0.02)
        raise ZeroDivisionError


def open_sockets() -> int:
    return sum(1 for file in Path("/proc/self/fd").iterdir() if _target(file).startswith("socket:"))


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""


async def test_the_limits_of_payloads_are_those_of_the_settings(
    valkey_url: str, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Letter(Payload, frozen=True):
        text: str

    @job("send", queue=queue_name)
    async def send(payload: Letter, ctx: Context[None]) -> None: ...

    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("BARBACK_PAYLOAD_LIMIT_KB", "1")
    for given in (None, load_settings(Settings)):
        async with connect(given) as enqueue:
            with pytest.raises(InvalidPayload, match="the limit is 1 KB"):
                await enqueue(send, Letter(text="x" * 1024))
