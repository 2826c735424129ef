"""Connections to Redis, and what its errors mean to us.

Three kinds: a pool for calls that answer at once; one connection a queue that blocks until a job may have come; and a
blocking-I/O one for the renewal thread. None of them retries by itself: an add is not safe to repeat, and what is
safe to repeat is repeated where the meaning of the call is known.
"""

import asyncio
import base64
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis
import redis.asyncio
import structlog
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from barback.bullmq.direct import Direct
from barback.bullmq.keys import Keys
from barback.bullmq.numbers import whole_number
from barback.bullmq.scripts import Script, load_scripts
from barback.bullmq.server_state import ServerState, read_state
from barback.errors import BrokerError, BrokerUnavailable, SettingsError
from barback.settings import mask_url

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.bullmq")

OPEN_WITHIN_S = 4.5
CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 2.0
"""After it a server that has gone without a word is given up. Work resumes so long after it is back at the latest, and
a rest more (P20). What a slow server did all the same is told by the answers to the next try."""
TURN_TIMEOUT_S = 3.0
"""How long a call waits for one of our connections to be free."""
CONNECTIONS = 32
"""Calls on their way at a time; the others wait their turn. A pool would refuse them (100 in redis-py)."""
LONGEST_BLOCK_S = 5.0
"""Shorter than any read timeout (redis-py's default equals BullMQ's drain delay and always times out: B1)."""

REFUSALS = (
    "MISCONF",
    "NOREPLICAS",
    "OOM ",
    "BUSY ",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "TRYAGAIN",
    "UNKILLABLE",
    "UNBLOCKED ",
)
PROTECTED = "DENIED "
NO_DATABASE = "DB index is out of range"

Command = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Call:
    """Commands that belong together; a script missing in Redis repeats them all. `answers[i]` answers `commands[i]`."""

    commands: Sequence[Command]


class Connection:
    """What the broker's rooms run their commands through.

    :raises SettingsError: `url` cannot be read.
    """

    def __init__(self, url: str, db: int) -> None:
        self.address = mask_url(url)
        self.database = db
        self._url = url
        self._options: dict[str, Any] = {
            "db": db,
            "decode_responses": True,
            # Text that is not UTF-8 must not break the connection: it arrives as \xNN, leaves as \udNNN.
            "encoding_errors": "backslashreplace",
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            # With them redis-py no longer looks, before it uses a connection of the pool, whether it is still there:
            # the first call after a restart of Redis would fail.
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        }
        self._client = self._make()
        self._direct = Direct(self._client)
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._blocking: dict[str, redis.asyncio.Redis] = {}
        self._threaded: redis.Redis | None = None
        self.scripts = load_scripts()

    async def open(self) -> None:
        """Connect and load the scripts.

        :raises BrokerUnavailable: within 5 s; says what to check.
        """
        with self.translated():
            async with asyncio.timeout(OPEN_WITHIN_S):
                await self._client.ping()  # pyright: ignore[reportUnknownMemberType]
                await self._load_scripts()
                await self._warn_of_eviction()

    async def close(self) -> None:
        """Close every connection, whatever state it is in."""
        for client in (self._client, *self._blocking.values()):
            try:
                async with asyncio.timeout(1):
                    await client.aclose(close_connection_pool=True)
            except (RedisError, OSError, TimeoutError):
                continue
        self._blocking.clear()
        if self._threaded is not None:
            self._threaded.close()

    def to_database(self, db: int) -> "Connection":
        """Another one, to another database of the same server; to be closed. Whether it is there shows with its use."""
        parts = urlsplit(self._url)
        # What names a database in the address would win over ours.
        query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name != "db"])
        path = parts.path if parts.scheme == "unix" else ""
        return Connection(urlunsplit((parts.scheme, parts.netloc, path, query, "")), db)

    def script(self, name: str, keys: Sequence[str], *args: Any) -> Command:
        """The command that runs a script."""
        script = self.scripts[name]
        assert len(keys) == script.keys, f"{name} takes {script.keys} keys, got {len(keys)}"  # noqa: S101
        return ("EVALSHA", script.sha, len(keys), *keys, *args)

    async def run(self, *command: Any) -> Any:
        """One command, its answer."""
        return (await self.run_all([Call([command])]))[0][0]

    async def run_all(
        self, calls: Sequence[Call], *, atomic: bool = False, errors_as_answers: bool = False
    ) -> list[list[Any]]:
        """All calls in one round trip; the answers of each. With `atomic` nobody else's command runs in between.

        :raises BrokerError: an answer is an error (the others may have been carried out); with `errors_as_answers`
            it is the answer instead.
        """
        with self.translated():
            answers = await self._send(calls, atomic)
            missing = [i for i, answer in enumerate(answers) if any(isinstance(a, NoScriptError) for a in answer)]
            if missing:
                # Redis was restarted or its scripts flushed: what did not run is run again.
                await self._load_scripts()
                again = await self._send([calls[i] for i in missing], atomic)
                for i, answer in zip(missing, again, strict=True):
                    answers[i] = answer
            for answer in answers:
                for i, value in enumerate(answer):
                    if isinstance(value, Exception):
                        answer[i] = await self._error_as_answer(value, errors_as_answers)
            return answers

    async def run_script(self, command: Command) -> Any:
        """One script's answer; an error that concerns this call alone is the answer, as a `BrokerError`."""
        with self.translated():
            answer = await self._send_script(command)
            if isinstance(answer, NoScriptError):
                await self._load_scripts()
                answer = await self._send_script(command)
            return await self._error_as_answer(answer, True) if isinstance(answer, Exception) else answer

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The answers; None where we may not ask that, or a provider does not have it."""
        with self.translated():
            [answers] = await self._send([Call(commands)], atomic=False)
        return [None if isinstance(answer, ResponseError) else answer for answer in answers]

    async def wait_for_marker(self, key: str, client_name: str) -> bool:
        """Block until the queue's marker is set and take it; False if it was not for `LONGEST_BLOCK_S`."""
        client = self._blocking.get(client_name)
        if client is None:
            client = self._make(client_name=client_name, single=True)
            self._blocking[client_name] = client
        with self.translated():
            try:
                async with asyncio.timeout(LONGEST_BLOCK_S + ANSWER_TIMEOUT_S):
                    taken: Any = await client.bzpopmin(key, LONGEST_BLOCK_S)  # pyright: ignore[reportUnknownMemberType]
            except ReadOnlyError:
                await self._reconnect()
                raise
        return taken is not None

    async def read_state(self, queues: Mapping[str, Keys]) -> ServerState | None:
        """Which server answers; None: it does not let us ask."""
        counters = [("GET", keys["id"]) for keys in queues.values()]
        server, replication, *counted = await self.ask([("INFO", "server"), ("INFO", "replication"), *counters])
        if server is None or replication is None:
            return None
        counters = {queue: whole_number(text or "0") for queue, text in zip(queues, counted, strict=True)}
        return read_state(server | replication, counters)

    def run_in_thread(self, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        """Commands over blocking I/O, from a thread of the caller's. The first call's timeout holds for all."""
        if self._threaded is None:
            options = self._options | {"socket_connect_timeout": timeout_s, "socket_timeout": timeout_s}
            self._threaded = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
                self._url, **options, retry=Retry(NoBackoff(), 0)
            )
        with self.translated():
            try:
                return _execute(self._threaded, commands)
            except NoScriptError:
                for script in self.scripts.values():
                    self._threaded.script_load(script.text)
                return _execute(self._threaded, commands)
            except ReadOnlyError:
                self._threaded.connection_pool.disconnect()
                raise

    @contextmanager
    def translated(self) -> Generator[None]:
        """Redis's errors as ours."""
        try:
            yield
        except AuthenticationError:
            raise BrokerUnavailable(
                f"Redis at {self.address} refused the password or user. Check REDIS_URL (redis://user:password@host:port)."
            ) from None
        except BusyLoadingError:
            raise BrokerUnavailable(
                f"Redis at {self.address} is still loading its data. Try again in a moment."
            ) from None
        except ReadOnlyError:
            raise BrokerUnavailable(
                f"Redis at {self.address} is a read-only replica. Point REDIS_URL at the master."
            ) from None
        except NoPermissionError as error:
            raise BrokerUnavailable(
                f"Redis at {self.address} does not allow the user of REDIS_URL what is needed: {_told(error)}"
            ) from None
        except (RedisConnectionError, RedisTimeoutError, OSError, TimeoutError) as error:
            raise BrokerUnavailable(
                f"Redis at {self.address} cannot be reached ({_reason(error)}). Is it running, and is REDIS_URL right?"
            ) from None
        except RedisError as error:
            if PROTECTED in str(error):
                raise BrokerUnavailable(
                    f"Redis at {self.address} is in protected mode: without a password it answers its own machine only."
                ) from None
            if _refuses_everybody(error):
                raise BrokerUnavailable(f"Redis at {self.address} takes no writes for now: {_told(error)}") from None
            if NO_DATABASE in str(error):
                raise BrokerUnavailable(
                    f"Redis at {self.address} has no database {self._options['db']}. Set REDIS_DB to one that it has "
                    "(0 to 15 unless it is set up otherwise; a cluster has only 0)."
                ) from None
            raise BrokerError(f"Redis at {self.address} answered: {_told(error)}") from error

    def _make(self, *, client_name: str | None = None, single: bool = False) -> redis.asyncio.Redis:
        try:
            return redis.asyncio.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
                self._url,
                **self._options,
                # Ours are set where it is used: redis-py's goes through wait_for, which in Python 3.11 swallows a
                # cancellation that comes just as it ends (15 to 80 of 400).
                socket_timeout=None,
                retry=AsyncRetry(NoBackoff(), 0),
                client_name=client_name,
                single_connection_client=single,
            )
        except ValueError:
            # Its message may hold a part of the password.
            raise SettingsError(
                "REDIS_URL cannot be read. Expected redis://user:password@host:port; "
                "in the password write / as %2F, ? as %3F, # as %23, [ as %5B."
            ) from None

    async def _send_script(self, command: Command) -> Any:
        await self._take_turn()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await self._direct.run(command)
        finally:
            self._free.release()

    async def _take_turn(self) -> None:
        """Wait until a connection is free; `_free.release()` gives it back."""
        if self._free.locked():
            async with asyncio.timeout(TURN_TIMEOUT_S):
                await self._free.acquire()
        else:
            await self._free.acquire()

    async def _error_as_answer(self, error: Exception, wanted: bool) -> BrokerError:
        """The error as a value, if it is wanted and concerns one call only; else it is raised."""
        if isinstance(error, ReadOnlyError):
            await self._reconnect()
        if not (wanted and _concerns_one_call(error)):
            raise error
        return BrokerError(f"Redis at {self.address} answered: {_told(error)}")

    async def _send(self, calls: Sequence[Call], atomic: bool) -> list[list[Any]]:
        pipe = self._client.pipeline(transaction=atomic)
        for call in calls:
            for command in call.commands:
                pipe.execute_command(*command)  # pyright: ignore[reportUnknownMemberType]
        await self._take_turn()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                flat: list[Any] = await pipe.execute(raise_on_error=False)
        finally:
            self._free.release()
        if len(flat) != sum(len(call.commands) for call in calls):
            raise RedisConnectionError("fewer answers than commands")
        answers = iter(flat)
        return [[next(answers) for _ in call.commands] for call in calls]

    async def _reconnect(self) -> None:
        """Ask again who the master is: the address may name another server by now."""
        for client in (self._client, *self._blocking.values()):
            await client.connection_pool.disconnect()

    async def _warn_of_eviction(self) -> None:
        try:
            memory: dict[str, Any] = await self._client.info("memory")  # pyright: ignore[reportUnknownMemberType]
        except ResponseError:
            # Not allowed, or a provider that does not have it.
            return
        policy = memory.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            log.warning(
                "Redis may drop jobs when its memory is full: set its maxmemory-policy to noeviction",
                address=self.address,
                policy=policy,
            )

    async def _load_scripts(self) -> None:
        pipe = self._client.pipeline(transaction=False)
        for script in self.scripts.values():
            pipe.script_load(script.text)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await pipe.execute()


def _execute(client: redis.Redis, commands: Sequence[Command]) -> list[Any]:
    pipe = client.pipeline(transaction=False)  # pyright: ignore[reportUnknownMemberType]
    for command in commands:
        pipe.execute_command(*command)  # pyright: ignore[reportUnknownMemberType]
    return pipe.execute()


def client_name(prefix: str, queue: str) -> str:
    """How Node's `getWorkers()` knows a worker's connection (B18)."""
    return f"{prefix}:{base64.b64encode(queue.encode()).decode()}"


def _concerns_one_call(error: Exception) -> bool:
    """A script that broke on what it found, as against a server that refuses everybody."""
    return (
        isinstance(error, ResponseError)
        and not isinstance(error, ReadOnlyError | BusyLoadingError | NoPermissionError)
        and not _refuses_everybody(error)
    )


def _refuses_everybody(error: Exception) -> bool:
    """Full, cannot persist, lacks its replicas, is busy with a script: no fault of what was asked."""
    refusals = (OutOfMemoryError, ClusterDownError, MasterDownError, TryAgainError)
    return isinstance(error, refusals) or any(code in str(error) for code in REFUSALS)


def _told(error: Exception) -> str:
    """What Redis said, without the command that redis-py puts in front, which may hold anything."""
    text = re.sub(r"^Command # \d+ \(.*?\) of pipeline caused error: ", "", str(error), flags=re.DOTALL)
    # Of some it puts all arguments there, as a tuple.
    return re.sub(r"^\(([\"'])(.*)\1,\)$", r"\2", text, flags=re.DOTALL)


def _reason(error: BaseException) -> str:
    return str(error).rstrip(".") or "no answer in time"


__all__ = ["Call", "Command", "Connection", "Script", "client_name"]
