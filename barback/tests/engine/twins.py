"""One queue twice: jobs are added, settled and fetched by BullMQ's own scripts in one, by ours in the other."""

import difflib
import pprint
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from typing import Any

import pytest

from barback.answers import Answer, Swallowed
from barback.broker import Exchange, FetchedJob, Lease, NewFlow, NewJob, Settlement
from barback.bullmq.adding import add_by_bullmq, add_flow, add_jobs
from barback.bullmq.adding_many import batches
from barback.bullmq.batch import fits
from barback.bullmq.connection import Call, Connection
from barback.bullmq.keys import Keys, keys_of
from barback.bullmq.one_by_one import Fetch, OneByOne
from barback.bullmq.working import MISSING_LOCK, Exchanger, _settled
from barback.options import JobOptions

PREFIX = "bull"
LEASE = Lease("twin", lock_s=600.0)
START_AT = 1_700_000_000.0


@dataclass(slots=True)
class Twin:
    """One of the two queues."""

    connection: Connection
    queue: str
    held: list[FetchedJob] = field(default_factory=list[FetchedJob])
    tokens: list[str] = field(default_factory=list[str])
    """Of all fetched jobs: what is compared of a token is its place here."""

    @property
    def keys(self) -> Keys:
        return keys_of(PREFIX, self.queue)

    async def run(self, *command: Any) -> Any:
        return await self.connection.run(*command)

    async def names(self) -> list[str]:
        """Its keys, without what they have in common."""
        return sorted(key.removeprefix(self.keys.base) for key in await self.run("KEYS", self.keys.base + "*"))

    async def stored(self) -> dict[str, Any]:
        """All that lies in Redis, with nothing in it that differs from twin to twin."""
        names = await self.names()
        kinds = await self._all([("TYPE", self.keys[name]) for name in names])
        values = await self._all([_read(kind, self.keys[name]) for name, kind in zip(names, kinds, strict=True)])
        lives = await self._all([("PTTL", self.keys[name]) for name in names])
        return {
            name: (kind, self._plain(_unordered(kind, value)), "for ever" if ms == -1 else f"{ceil(ms / 60_000)} min")
            for name, kind, value, ms in zip(names, kinds, values, lives, strict=True)
        }

    async def _all(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        return (await self.connection.run_all([Call(commands)]))[0] if commands else []

    def comparable(self, jobs: Sequence[FetchedJob]) -> list[dict[str, Any]]:
        return [self._plain(asdict(job) | {"queue": "", "fresh": False}) for job in jobs]

    def _plain(self, value: Any) -> Any:
        if isinstance(value, str):
            if value.startswith("twin:") and value in self.tokens:
                return f"token {self.tokens.index(value)}"
            return value.replace(self.keys.base, "base:").replace(self.keys.qualified_name, "base")
        if isinstance(value, dict):
            return {self._plain(k): self._plain(v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, Sequence):
            return [self._plain(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
        return value


def _read(kind: str, key: str) -> Sequence[Any]:
    match kind:
        case "string":
            return ("GET", key)
        case "hash":
            return ("HGETALL", key)
        case "list":
            return ("LRANGE", key, 0, -1)
        case "set":
            return ("SMEMBERS", key)
        case "zset":
            return ("ZRANGE", key, 0, -1, "WITHSCORES")
        case _:
            return ("XRANGE", key, "-", "+")


def _unordered(kind: str, value: Any) -> Any:
    """Without the order of a set and the ids of a stream. (A client may have made pairs of a hash.)"""
    match kind:
        case "set":
            return sorted(value)
        case "hash":
            return value if isinstance(value, dict) else dict(zip(value[::2], value[1::2], strict=True))  # pyright: ignore[reportUnknownVariableType]
        case "stream":
            return [fields for _, fields in value]
        case _:
            return value


@dataclass(slots=True)
class Twins:
    """Both, and their clock."""

    theirs: Twin
    ours: Twin
    now: float = START_AT
    late: set[str] = field(default_factory=set[str])
    """Jobs of which only our script sees that they are BullMQ's: they are settled after what it fetched."""
    damaged: set[str] = field(default_factory=set[str])
    """Of those, the ones that BullMQ's scripts would break on half-way."""
    ordered: bool = True
    """False: the order of events is not compared: where the next job is broken ours begins anew in small steps."""

    async def add(self, options: JobOptions, data: str = "{}") -> None:
        await self.add_many([options], data)

    async def add_many(self, options: Sequence[JobOptions], data: str = "{}", name: str = "any") -> None:
        """One call of BullMQ's scripts for each in one, as many in a call as fit in the other; same answers."""
        theirs, ours = ([NewJob(twin.queue, name, data, o) for o in options] for twin in (self.theirs, self.ours))
        connection = self.theirs.connection
        by_bullmq: list[Answer] = []
        for batch in batches(theirs):
            by_bullmq += await add_by_bullmq(connection, PREFIX, batch, self.now)
        by_ours = await add_jobs(self.ours.connection, PREFIX, ours, self.now)
        _same("answers", [_stateless(answer) for answer in by_ours], by_bullmq)

    async def add_family(self, name: str, child: JobOptions) -> None:
        """A parent and two children, with ids made of `name`."""
        for twin in (self.theirs, self.ours):
            options = [replace(child, job_id=f"{name}-child-{n}") for n in range(2)]
            children = [NewFlow(NewJob(twin.queue, "child", "{}", one)) for one in options]
            parent = NewJob(twin.queue, "parent", "{}", JobOptions(job_id=name))
            await add_flow(twin.connection, PREFIX, NewFlow(parent, children), self.now)

    async def run(self, command: Callable[[Keys], Sequence[Any]]) -> None:
        """The same command on both."""
        for twin in (self.theirs, self.ours):
            await twin.run(*command(twin.keys))

    async def add_beside(self, job_id: str) -> None:
        """A log line, a deferred failure, and the sign that somebody looked whether it stalled."""
        await self.run(lambda keys: ("RPUSH", keys.job(job_id) + ":logs", "a line"))
        await self.run(lambda keys: ("HSET", keys.job(job_id), "defa", "a child failed"))
        await self.run(lambda keys: ("SADD", keys["stalled"], job_id))

    async def exchange(self, settle: Sequence[tuple[int, Any]], fetch: int) -> None:
        """Settle the held jobs at these places so, fetch, and compare answers and all that is left in Redis."""
        places = [place for place, _ in settle]
        told: list[Exchange] = []
        for twin in (self.theirs, self.ours):
            settlements = [Settlement(twin.held[place], outcome) for place, outcome in settle]
            twin.held = [job for place, job in enumerate(twin.held) if place not in places]
            if twin is self.ours:
                exchange = await Exchanger(twin.connection, twin.keys, LEASE, self.now).exchange(settlements, fetch)
            else:
                exchange = await self.one_by_one(settlements, fetch)
            twin.held += exchange.jobs
            twin.tokens += [job.token for job in exchange.jobs]
            told.append(exchange)
        theirs, ours = told
        _same("settled", ours.settled, theirs.settled)
        _same("jobs", self.ours.comparable(ours.jobs), self.theirs.comparable(theirs.jobs))
        _same("next_at", ours.next_at, theirs.next_at)
        _same("limited", ours.limited_until is None, theirs.limited_until is None)
        await self.compare()

    async def one_by_one(self, settlements: Sequence[Settlement], fetch: int) -> Exchange:
        """As BullMQ's own worker would: one call of its scripts for each outcome, and one for each job fetched."""
        twin = self.theirs
        scripts = OneByOne(twin.connection, twin.keys, LEASE, self.now)
        exchanger = Exchanger(twin.connection, twin.keys, LEASE, self.now)
        told: list[Any] = [None] * len(settlements)
        late = [i for i, s in enumerate(settlements) if s.job.id in self.late and fits(s)]
        first = [i for i in range(len(settlements)) if i not in late]
        await exchanger._settle_again(settlements, told, sorted(first, key=lambda i: fits(settlements[i])))
        if len(settlements) > fetch:
            await twin.run("ZADD", twin.keys["marker"], 0, "0")
        fetches: list[Fetch] = []
        await self._fetch(scripts, fetches, fetch)
        for i in late:
            if settlements[i].job.id in self.damaged:
                settlements[i].job.damaged = True
                settlements[i].job.unreadable = "Job cannot be read: its hash was damaged while it ran"
        await exchanger._settle_again(settlements, told, late)
        unlocked = MISSING_LOCK in told
        await exchanger._settle_unlocked(settlements, told)
        if late or unlocked:
            # They freed slots, and may have let jobs wait: it looks again.
            fetches = [f for f in fetches if f.job]
            await self._fetch(scripts, fetches, fetch)
        last = fetches[-1] if fetches else Fetch()
        jobs = [f.job for f in fetches if f.job]
        settled = [_settled(s, answer) for s, answer in zip(settlements, told, strict=True)]
        return Exchange(settled, jobs, last.next_at, last.limited_until)

    async def _fetch(self, scripts: OneByOne, fetches: list[Fetch], count: int) -> None:
        while len(fetches) < count and all(f.job for f in fetches):
            await scripts.fetch(fetches, len(fetches) + 1)

    async def compare(self) -> None:
        """Everything in Redis."""
        theirs, ours = await self.theirs.stored(), await self.ours.stored()
        if not self.ordered:
            for stored in (theirs, ours):
                stored["events"] = sorted(map(str, stored["events"][1]))
        for name in sorted(theirs.keys() | ours.keys()):
            _same(name, ours.get(name), theirs.get(name))


def _stateless(answer: Answer) -> Answer:
    return Swallowed(answer.by, "unknown") if isinstance(answer, Swallowed) else answer


def _same(what: str, ours: Any, theirs: Any) -> None:
    if ours != theirs:
        differing = difflib.ndiff(_lines(theirs), _lines(ours))
        pytest.fail(f"{what}: - theirs + ours\n" + "\n".join(line for line in differing if line[0] != " "))


def _lines(value: Any) -> list[str]:
    return pprint.pformat(value, width=160).splitlines()
