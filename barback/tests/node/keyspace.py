"""All that lies in Redis of one queue, so that two queues can be compared key by key.

Left out is only what cannot be equal: the queue's name in keys and values, ids of events (Redis's own clock makes
them), and which token a lock holds (it is told whether it is that of who holds the job). JSON is compared by what it
says: Lua writes the members of a table in any order, and Python a space after each comma.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import redis.asyncio

_JSON_FIELDS = ("opts", "parent", "stacktrace", "pd")
_READ: Mapping[str, Sequence[Any]] = {
    "string": ("GET",),
    "hash": ("HGETALL",),
    "list": ("LRANGE", 0, -1),
    "set": ("SMEMBERS",),
    "zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    "stream": ("XRANGE", "-", "+"),
}


@dataclass(frozen=True, slots=True)
class Keyspace:
    """One queue's keys."""

    client: redis.asyncio.Redis
    queue: str

    def key(self, name: str) -> str:
        return f"bull:{self.queue}:{name}"

    async def run(self, *command: Any) -> Any:
        return await cast("Any", self.client).execute_command(*command)

    async def empty(self) -> None:
        """But for what BullMQ notes of a queue once, when it opens it."""
        names = [key for key in await self.run("KEYS", self.key("*")) if key != self.key("meta")]
        await self._all([("DEL", key) for key in names])
        await self.run("HDEL", self.key("meta"), "paused", "concurrency", "max", "duration")

    async def remove_job(self, job_id: str) -> None:
        """With all that hangs on it, but for its events."""
        await self.run("DEL", *(self.key(job_id) + end for end in ("", ":lock", ":logs", ":unreadable")))
        await self.run("LREM", self.key("active"), 0, job_id)
        await self.run("ZREM", self.key("failed"), job_id)
        await self.run("SREM", self.key("stalled"), job_id)

    async def read(self, tokens: Mapping[str, str]) -> dict[str, Any]:
        """By name without the queue's: kind, value and life of each key. `tokens`: of who holds each job, by its id."""
        keys = sorted(await self.run("KEYS", self.key("*")))
        kinds = await self._all([("TYPE", key) for key in keys])
        values = await self._all(
            [(_READ[kind][0], key, *_READ[kind][1:]) for key, kind in zip(keys, kinds, strict=True)]
        )
        lives = await self._all([("PTTL", key) for key in keys])
        read: dict[str, Any] = {}
        for key, kind, value, life in zip(keys, kinds, values, lives, strict=True):
            name = key.removeprefix(self.key(""))
            is_holders = name.endswith(":lock") and value == tokens.get(name.removesuffix(":lock"))
            told = "its holder's" if is_holders else self._plain(_comparable(kind, value))
            read[name] = (kind, told, _life(life))
        return read

    async def _all(self, commands: Iterable[Sequence[Any]]) -> list[Any]:
        pipe = cast("Any", self.client.pipeline(transaction=False))
        for command in commands:
            pipe.execute_command(*command)
        return await pipe.execute()

    def _plain(self, value: Any) -> Any:
        match value:
            case str():
                return re.sub(rf"\bbull:{re.escape(self.queue)}\b", "base", value)
            case dict():
                return {self._plain(k): self._plain(v) for k, v in cast("dict[Any, Any]", value).items()}
            case list() | tuple():
                return [self._plain(one) for one in cast("Sequence[Any]", value)]
            case _:
                return value


def _comparable(kind: str, value: Any) -> Any:
    match kind:
        case "set":
            return sorted(value)
        case "stream":
            return [fields for _, fields in value]
        case "hash":
            return {name: json.loads(text) if name in _JSON_FIELDS else text for name, text in value.items()}
        case _:
            return value


def _life(ms: int) -> str:
    """Minutes: keys that were written one after the other in a test end as far apart."""
    return "for ever" if ms == -1 else f"{round(ms / 60_000)} min"
