"""The Protocol Examiner over Redis, on the connection of a `BullMQBroker`."""

from collections.abc import Sequence
from typing import Any

from barback.bullmq import elsewhere
from barback.bullmq.connection import Call, Connection
from barback.bullmq.keys import Keys, keys_of
from barback.bullmq.leftovers import find_leftovers
from barback.bullmq.numbers import whole_number
from barback.bullmq.odd_keys import find_odd_keys
from barback.bullmq.rights import commands_beside, commands_on, find_refused
from barback.examiner import Elsewhere, Leftovers, Library, OddKey, Unheld


class BullMQExaminer:
    """An `Examiner`; made by `BullMQBroker.examiner`, and open as long as that is."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix

    @property
    def database(self) -> int:
        return self._connection.database

    @property
    def place(self) -> str:
        return f"{self._connection.address}, database {self._connection.database}, prefix '{self._prefix}'"

    async def refused(self, queues: Sequence[str]) -> list[str] | None:
        keys = [*(self._keys(queue)["wait"] for queue in queues), f"barback:{self._prefix}:documents"]
        return await find_refused(self._connection, [*commands_on(keys), *commands_beside(keys[0])])

    async def elsewhere(self, queues: Sequence[str]) -> list[Elsewhere]:
        return await elsewhere.find(self._connection, self._prefix, frozenset(queues))

    async def libraries(self, queues: Sequence[str]) -> list[Library]:
        names = [self._keys(queue) for queue in queues]
        calls = [Call([("HGET", keys["meta"], "version"), ("EXISTS", keys["paused"])]) for keys in names]
        answers = await self._connection.run_all(calls) if calls else []
        return [Library(queue, name, bool(apart)) for queue, (name, apart) in zip(queues, answers, strict=True)]

    async def unheld(self, queue: str, most: int) -> list[Unheld]:
        keys = self._keys(queue)
        ids: list[str] = await self._connection.run("LRANGE", keys["active"], -most, -1)
        if not ids:
            return []
        calls = [Call([("EXISTS", keys.job(i) + ":lock"), ("HMGET", keys.job(i), "name", "processedOn")]) for i in ids]
        # One MULTI: a job that ends meanwhile has neither a lock nor a place in the list.
        *answers, [still] = await self._connection.run_all(
            [*calls, Call([("LRANGE", keys["active"], 0, -1)])], atomic=True
        )
        active = frozenset[str](still)
        return [
            Unheld(queue, job_id, name or "", _seconds(started))
            for job_id, (held, (name, started)) in zip(ids, answers, strict=True)
            if not held and job_id in active
        ]

    async def odd_keys(self, queue: str) -> list[OddKey]:
        return await find_odd_keys(self._connection, self._keys(queue))

    async def leftovers(self, queues: Sequence[str]) -> list[Leftovers]:
        return await find_leftovers(self._connection, self._prefix, queues)

    def _keys(self, queue: str) -> Keys:
        return keys_of(self._prefix, queue)


def _seconds(text: Any) -> float | None:
    number = whole_number(text)
    return None if number is None else number / 1000
