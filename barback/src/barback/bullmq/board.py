"""The Board Protocol over Redis, in keys of our own beside the queues: `barback:<prefix>:…`.

document:<kind>:<name>          a text with a time to live
documents:<kind>                the names of a kind, by when they expire: nobody looks through all keys of a database
counts:<queue>:<step>:<start>   a hash with a time to live
counted:<writer>                the number of its last write
journal:<name>                  a stream
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from barback.board import LONGEST_TTL_S, Bucket, Counted, Entry, bucket_of, buckets_of, check_entry_id, check_ttl
from barback.bullmq.codec import ms
from barback.bullmq.connection import Call, Connection
from barback.bullmq.keys import keys_of
from barback.bullmq.numbers import whole_number
from barback.bullmq.packing import pack

SLACK_S = 86_400.0
"""How far apart the clocks of those who put documents may be: a name stays in the list so long after it expired."""
REPEATED_WITHIN_S = 86_400.0
MINUTE_S = 60
KINDS_OF_METRICS = ("completed", "failed")


class RedisBoard:
    """What lies beside the queues of one prefix."""

    def __init__(self, connection: Connection, prefix: str, now: Callable[[], float]) -> None:
        self._connection = connection
        self._prefix = prefix
        self._now = now

    # ── documents ───────────────────────────────────────────────────────────────────────────────────────────────

    async def put_document(self, kind: str, name: str, text: str, ttl_s: float) -> None:
        ttl_ms, now, names = ms(check_ttl(ttl_s)), self._now(), self._key("documents", kind)
        commands = [
            ("SET", self._key("document", kind, name), text, "PX", ttl_ms),
            ("ZADD", names, ms(now) + ttl_ms, name),
            ("ZREMRANGEBYSCORE", names, "-inf", ms(now - SLACK_S)),
            ("PEXPIRE", names, ms(LONGEST_TTL_S + SLACK_S)),
        ]
        await self._connection.run_all([Call(commands)], atomic=True)

    async def documents(self, kind: str) -> dict[str, str]:
        names: list[str] = await self._connection.run("ZRANGE", self._key("documents", kind), 0, -1)
        if not names:
            return {}
        texts = await self._connection.run("MGET", *(self._key("document", kind, name) for name in names))
        return {name: text for name, text in zip(names, texts, strict=True) if text is not None}

    async def remove_document(self, kind: str, name: str) -> None:
        commands = [("DEL", self._key("document", kind, name)), ("ZREM", self._key("documents", kind), name)]
        await self._connection.run_all([Call(commands)], atomic=True)

    # ── counts ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def count(self, counted: Sequence[Counted], writer: str, number: int) -> None:
        told = [
            (self._bucket(one.queue, one.step_s, bucket_of(one.step_s, one.at)), ms(one.keep_s), dict(one.counts))
            for one in counted
        ]
        last = self._key("counted", writer)
        await self._connection.run(
            *self._connection.script("addCounts", [last], number, ms(REPEATED_WITHIN_S), pack(told))
        )

    async def counts(self, queue: str, step_s: int, since: float, until: float) -> list[Bucket]:
        starts = buckets_of(step_s, since, until)
        [found] = await self._connection.run_all(
            [Call([("HGETALL", self._bucket(queue, step_s, start)) for start in starts])]
        )
        return [
            Bucket(start, {name: whole_number(count) or 0 for name, count in fields.items()})
            for start, fields in zip(starts, found, strict=True)
        ]

    async def counts_of_others(self, queue: str, step_s: int, since: float, until: float) -> list[Bucket]:
        starts = buckets_of(step_s, since, until)
        keys = keys_of(self._prefix, queue)
        minutes = int(self._now() - since) // MINUTE_S + step_s // MINUTE_S
        found = await self._connection.run_all(
            [
                Call(
                    [
                        ("HMGET", keys[f"metrics:{kind}"], "count", "prevTS", "prevCount"),
                        ("LRANGE", keys[f"metrics:{kind}:data"], 0, max(0, minutes)),
                    ]
                )
                for kind in KINDS_OF_METRICS
            ]
        )
        sums: dict[int, dict[str, int]] = defaultdict(dict)
        for kind, (totals, data) in zip(KINDS_OF_METRICS, found, strict=True):
            for at, count in _by_minute(totals, data):
                bucket = sums[bucket_of(step_s, at)]
                bucket[kind] = bucket.get(kind, 0) + count
        return [Bucket(start, sums.get(start, {})) for start in starts]

    # ── journals ────────────────────────────────────────────────────────────────────────────────────────────────

    async def append(self, journal: str, text: str, keep: int) -> str:
        return await self._connection.run("XADD", self._key("journal", journal), "MAXLEN", keep, "*", "text", text)

    async def entries(self, journal: str, count: int, before: str | None = None) -> list[Entry]:
        if count <= 0:
            return []
        newest = "+" if before is None else f"({check_entry_id(before)}"
        found = await self._connection.run("XREVRANGE", self._key("journal", journal), newest, "-", "COUNT", count)
        return [Entry(entry_id, int(entry_id.partition("-")[0]) / 1000, _text(fields)) for entry_id, fields in found]

    def _key(self, *parts: str) -> str:
        return ":".join(("barback", self._prefix, *parts))

    def _bucket(self, queue: str, step_s: int, start: int) -> str:
        return self._key("counts", queue, str(step_s), str(start))


def _by_minute(totals: Sequence[str | None], data: Sequence[str]) -> list[tuple[int, int]]:
    """What BullMQ's metrics hold, by the minute's start.

    `data` is newest first and ends before the minute of `prevTS`, whose jobs are those counted since (`prevCount`).
    """
    count, written, before = map(whole_number, totals)
    if count is None or written is None:
        return []
    last = written // 1000 // MINUTE_S * MINUTE_S
    numbers = enumerate(map(whole_number, data), 1)
    older = [(last - i * MINUTE_S, number) for i, number in numbers if number is not None]
    return [(last, count - (before or 0)), *older]


def _text(fields: Any) -> str:
    return dict(fields).get("text", "")
