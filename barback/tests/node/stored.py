"""A queue as it lies in Redis, read without BullMQ."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import redis.asyncio

LISTS = ("wait", "paused", "active")
_SLOT = re.compile(r"repeat:[^:]+:\d+")
"""The id of a job that a schedule made."""
SETS = ("prioritized", "delayed", "completed", "failed", "waiting-children")


@dataclass(frozen=True, slots=True)
class Stored:
    """One queue's keys."""

    client: redis.asyncio.Redis
    queue: str

    async def places(self) -> dict[str, list[str]]:
        """In which lists and sets each job is that has a hash or is in one of them."""
        pipe = cast("Any", self.client.pipeline(transaction=True))
        for name in LISTS:
            pipe.lrange(self.key(name), 0, -1)
        for name in SETS:
            pipe.zrange(self.key(name), 0, -1)
        places: dict[str, list[str]] = {job_id: [] for job_id in await self.hashes()}
        for name, ids in zip((*LISTS, *SETS), await pipe.execute(), strict=True):
            for job_id in ids:
                places.setdefault(job_id, []).append(name)
        return places

    async def misplaced(self) -> dict[str, list[str]]:
        """Jobs in no place, in two, or in one without a hash (P6). Empty: all is well."""
        places, hashes = await self.places(), await self.hashes()
        return {
            job_id: where if job_id in hashes else [*where, "but no hash"]
            for job_id, where in places.items()
            if len(where) != 1 or job_id not in hashes
        }

    async def ids(self, name: str) -> list[str]:
        """The ids in one list or set, in its own order."""
        if name in LISTS:
            return await self.run("LRANGE", self.key(name), 0, -1)
        return await self.run("ZRANGE", self.key(name), 0, -1)

    async def hashes(self) -> set[str]:
        """The ids of all job hashes."""
        start = self.key("")
        keys = cast("Any", self.client).scan_iter(match=f"{start}*", count=1000, _type="HASH")
        ids = [str(key).removeprefix(start) async for key in keys]
        return {job_id for job_id in ids if job_id != "meta" and (":" not in job_id or _SLOT.fullmatch(job_id))}

    async def fields(self, job_id: str) -> dict[str, str]:
        """A job's hash."""
        return await cast("Any", self.client).hgetall(self.key(job_id))

    async def opts(self, job_id: str) -> Mapping[str, Any]:
        """A job's options as they lie there, short names and all."""
        return json.loads((await self.fields(job_id))["opts"])

    async def run(self, *command: Any) -> Any:
        return await cast("Any", self.client).execute_command(*command)

    def key(self, name: str) -> str:
        return f"bull:{self.queue}:{name}"
