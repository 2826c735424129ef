"""Who may do what in Redis: each user exactly what it needs (P44)."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import pytest
import redis
from redis.exceptions import NoPermissionError

from barback import App, Context, NoPayload, Worker, job, no_services
from barback.broker import NewJob
from barback.bullmq import BullMQBroker
from barback.bullmq.rights import BESIDE, ON_KEYS, OPTIONAL
from barback.embedded import EmbeddedValkey

from .compose import ROOT
from .running import ENV, Running

WORKS = {"-@all", *(f"+{command.lower()}" for command in (*ON_KEYS, *BESIDE, *OPTIONAL))}
RIGHTS: dict[str, tuple[str, set[str]]] = {
    "default": ("", {"-@all", "+ping"}),
    "worker": ("~bull:* ~barback:*", WORKS),
    "dashboard": ("~bull:* ~barback:*", WORKS),
    "app": ("~bull:*", WORKS | {"+eval", "+xread", "+xlen", "+xrange", "+hincrbyfloat", "+client|list"}),
}
"""Keys and commands, all of them: a right that is added here is one that somebody thought of."""


@pytest.fixture(scope="module")
def own_redis(server: Running) -> Iterator[Any]:
    """Somebody's own Redis, into which the lines are loaded by `ACL SETUSER`, asked by a user who may see all."""
    lines = (server.folder / "users.acl").read_text().splitlines()
    with (
        EmbeddedValkey(port=0) as own,
        closing(cast("Any", redis.Redis)(port=own.port, decode_responses=True)) as client,
    ):
        client.execute_command("ACL", "SETUSER", "all", "on", "nopass", "+@all", "~*")
        client.execute_command("AUTH", "all", "")
        for line in lines:
            client.execute_command("ACL", "SETUSER", *line.split()[1:])
        yield client


def test_the_commands_that_are_allowed_are_those_that_are_sent() -> None:
    allowed = (ROOT / "deploy" / "redis-commands.txt").read_text().split()
    assert allowed == [f"+{command.lower()}" for command in (*ON_KEYS, *BESIDE, *OPTIONAL)]


def test_there_are_no_other_users(own_redis: Any) -> None:
    assert set(own_redis.execute_command("ACL", "USERS")) == {*RIGHTS, "all"}


@pytest.mark.parametrize("user", RIGHTS)
def test_each_user_has_exactly_its_rights(own_redis: Any, user: str) -> None:
    keys, commands = RIGHTS[user]
    rights = own_redis.acl_getuser(user)
    assert {*rights["categories"], *rights["commands"]} == commands
    assert " ".join(rights["keys"]) == keys
    assert not rights["channels"]
    assert not rights["selectors"]
    assert ("nopass" in rights["flags"], len(rights["passwords"])) == ((True, 0) if user == "default" else (False, 1))


@pytest.mark.parametrize("user", ["worker", "dashboard", "app", None])
@pytest.mark.parametrize(
    "command",
    [
        ["FLUSHALL"], ["FLUSHDB"], ["CONFIG", "GET", "*"], ["CONFIG", "SET", "save", ""], ["KEYS", "*"], ["SHUTDOWN"],
        ["SCRIPT", "FLUSH"], ["ACL", "LIST"], ["MONITOR"], ["FUNCTION", "LIST"], ["BGREWRITEAOF"],
        ["GET", "session:1"], ["SET", "other:1", "x"], ["DEL", "session:1"], ["PUBLISH", "x", "y"], ["SAVE"],
        ["REPLICAOF", "NO", "ONE"], ["MIGRATE", "h", "1", "bull:x", "0", "1"], ["RESTORE", "bull:x", "0", "x"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_nobody_needs_is_refused_to_everybody(server: Running, user: str | None, command: list[str]) -> None:
    with closing(server.client(user, db=1 if user else 0)) as client, pytest.raises(NoPermissionError):
        client.execute_command(*command)


@pytest.mark.parametrize("user", ["worker", "dashboard", None])
def test_texts_of_scripts_are_run_for_the_app_alone(server: Running, user: str | None) -> None:
    with closing(server.client(user, db=1 if user else 0)) as client, pytest.raises(NoPermissionError):
        client.execute_command("EVAL", "return 1", 0)


@pytest.mark.parametrize(
    "call",
    ["'GET', 'session:1'", "'GET', 'barback:bull:document:worker:x'", "'FLUSHALL'", "'KEYS', '*'"],
)
def test_a_script_of_the_app_may_no_more_than_the_app(server: Running, call: str) -> None:
    with closing(server.client("app")) as client, pytest.raises(redis.ResponseError, match="ACL failure"):
        client.eval(f"return redis.call({call})", 0)


def test_who_brings_no_password_may_ask_whether_it_is_there_and_a_wrong_one_is_refused(server: Running) -> None:
    with closing(server.client(db=0)) as client:
        assert client.ping()
        with pytest.raises(NoPermissionError):
            client.get("bull:x:meta")
    guess = cast("Any", redis.Redis)(port=server.port, username="worker", password="guess")
    with closing(guess), pytest.raises(redis.AuthenticationError):
        guess.ping()


@job("any", queue="any", attempts=2)
async def any_job(payload: NoPayload, ctx: Context[None]) -> None:
    if ctx.attempt == 1 and int(ctx.job_id) % 3 == 0:
        raise ValueError


async def test_what_the_worker_works_is_written_and_in_no_list_is_nothing_missing(server: Running) -> None:
    """A command that is refused within a script ends it half-way: jobs would be in no list."""
    broker = BullMQBroker(f"redis://worker:{ENV['REDIS_WORKER_PASSWORD']}@127.0.0.1:{server.port}/1")
    await broker.open()
    await broker.check(["any"])
    await broker.add([NewJob("any", "any", "{}", any_job.options) for _ in range(300)])
    report = await Worker(App([any_job], no_services), broker).run(until_drained=True)
    assert (report.completed, report.retried, report.refused) == (300, 100, 0)
    assert (await broker.counts("any"))["completed"] == 300
    await broker.close()
    server.clear()


def test_the_app_sees_the_queues_and_nothing_that_barback_keeps(server: Running) -> None:
    with closing(server.client("app")) as client:
        assert client.get("bull:x:id") is None
        with pytest.raises(NoPermissionError):
            client.get("barback:bull:document:worker:x")
