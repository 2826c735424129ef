"""The Broker Protocol over Redis, by BullMQ's own keys and scripts."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from barback.answers import Answer, State
from barback.broker import (
    AddedFlow,
    Exchange,
    FetchedJob,
    JobRecord,
    Lease,
    ListedState,
    Loss,
    NewFlow,
    NewJob,
    QueueLimits,
    Recovered,
    Renewal,
    Settlement,
    StoredSchedule,
)
from barback.bullmq import adding, checks, looking, repeatables, scheduling, tending
from barback.bullmq.board import RedisBoard
from barback.bullmq.codec import ms
from barback.bullmq.connection import Connection, client_name
from barback.bullmq.examining import BullMQExaminer
from barback.bullmq.inspector import BullMQInspector
from barback.bullmq.keys import Keys, keys_of
from barback.bullmq.last_events import read_last_events
from barback.bullmq.layout import run_keeping_layout
from barback.bullmq.odd_keys import naming_odd_keys
from barback.bullmq.server_state import ServerState, find_loss
from barback.bullmq.waiting import MarkerWait
from barback.bullmq.working import Exchanger
from barback.errors import BrokerError, BrokerUnavailable


class BullMQBroker:
    """A `Broker` over Redis or Valkey. Opens nothing until `open`.

    `url`: `redis://`, `rediss://` or `unix://`. `prefix`: BullMQ's key prefix; Node must use the same.
    """

    def __init__(self, url: str, db: int = 1, prefix: str = "bull") -> None:
        self._connection = Connection(url, db)
        self._prefix = prefix
        self.board = RedisBoard(self._connection, prefix, self.now)
        self._waiting: dict[str, MarkerWait] = {}
        self._server: ServerState | None = None
        self.inspector = BullMQInspector(self._connection, prefix)
        """What faces ask beyond a `Broker`, over the same connections."""
        self.examiner = BullMQExaminer(self._connection, prefix)
        """And what the doctor asks."""

    async def open(self) -> None:
        await self._connection.open()

    async def close(self) -> None:
        for waiting in self._waiting.values():
            await waiting.close()
        await self._connection.close()

    async def check(self, queues: Sequence[str]) -> None:
        await checks.check(self._connection, self._prefix, queues, self.now)

    def now(self) -> float:
        return time.time()

    # ── adding ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def add(self, jobs: Sequence[NewJob]) -> list[Answer]:
        return await adding.add_jobs(self._connection, self._prefix, jobs, self.now())

    async def add_flow(self, flow: NewFlow) -> AddedFlow:
        return await adding.add_flow(self._connection, self._prefix, flow, self.now())

    # ── working ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def exchange(self, queue: str, settlements: Sequence[Settlement], fetch: int, lease: Lease) -> Exchange:
        return await Exchanger(self._connection, self._keys(queue), lease, self.now()).exchange(settlements, fetch)

    async def wait_for_jobs(self, queue: str, until: float | None) -> None:
        for_s = None if until is None else until - self.now()
        if for_s is not None and for_s <= 0:
            return
        waiting = self._waiting.get(queue)
        if waiting is None:
            name = client_name(self._prefix, queue)
            waiting = self._waiting[queue] = MarkerWait(self._connection, self._keys(queue)["marker"], name)
        await waiting.wait(for_s)

    def extend_locks(self, queue: str, jobs: Sequence[FetchedJob], lock_s: float) -> Renewal:
        return tending.extend_locks(self._connection, self._keys(queue), jobs, lock_s)

    async def recover_stalled(self, queue: str, every_s: float) -> Recovered:
        return await tending.recover_stalled(self._connection, self._keys(queue), every_s, self.now())

    async def set_alone(self, job: FetchedJob, alone: bool) -> bool:
        command = tending.set_alone(self._connection, self._keys(job.queue), job, job.crashes - 1 + alone)
        return bool(await self._connection.run(*command))

    async def cancel(self, queue: str, job_id: str, reason: str) -> None:
        await tending.cancel(self._connection, self._keys(queue), job_id, reason)

    async def pulse(self, queues: Sequence[str]) -> Loss:
        try:
            state = await self._connection.read_state({queue: self._keys(queue) for queue in queues})
        except BrokerUnavailable:
            for waiting in self._waiting.values():
                waiting.interrupt()
            raise
        before, self._server = self._server, state or self._server
        return find_loss(before, state) if before and state else Loss()

    async def repair(self, queue: str) -> list[str]:
        return await tending.restore_orphans(self._connection, self._keys(queue))

    async def set_progress(self, queue: str, job_id: str, progress: str) -> None:
        keys = self._keys(queue)
        await self._script("updateProgress", [keys.job(job_id), keys["events"], keys["meta"]], job_id, progress)

    async def add_log(self, queue: str, job_id: str, line: str, keep: int) -> None:
        key = self._keys(queue).job(job_id)
        await self._script("addLog", [key, f"{key}:logs"], job_id, line, keep)

    async def logs(self, queue: str, job_id: str) -> list[str]:
        return await looking.read_logs(self._connection, self._keys(queue), job_id)

    async def children_results(self, queue: str, job_id: str) -> Mapping[str, str]:
        results: dict[str, str] = await self._connection.run("HGETALL", self._keys(queue).job(job_id) + ":processed")
        return {key.removeprefix(f"{self._prefix}:"): result for key, result in results.items()}

    # ── looking and acting ──────────────────────────────────────────────────────────────────────────────────────

    async def counts(self, queue: str) -> dict[ListedState, int]:
        return await looking.read_counts(self._connection, self._keys(queue))

    async def state(self, queue: str, job_id: str) -> State:
        async with self._naming_odd_keys(queue):
            return await looking.read_state(self._connection, self._keys(queue), job_id)

    async def get(self, queue: str, job_id: str) -> JobRecord | None:
        return await looking.read_record(self._connection, self._keys(queue), job_id)

    async def list_jobs(self, queue: str, state: ListedState, start: int, count: int) -> list[JobRecord]:
        return await looking.read_records(self._connection, self._keys(queue), state, start, count)

    async def last_events(self, queues: Sequence[str]) -> dict[str, str]:
        """The id of each queue's last event: another one than before, if anything happened there."""
        return await read_last_events(self._connection, self._prefix, queues)

    async def remove(self, queue: str, job_id: str) -> bool:
        keys = self._keys(queue)
        if not await self._connection.run("EXISTS", keys.job(job_id)):
            return False
        # A parent whose last child goes may wait from now on; here, if it is in the same queue (P6).
        command = self._connection.script("removeJob", [keys.job(job_id), keys["repeat"]], job_id, 1, keys.base)
        [answer] = await run_keeping_layout(self._connection, keys, [command])
        if answer != 1:
            reason = "a schedule owns it" if answer == -8 else "it, or a child of it, is being worked"
            raise BrokerError(f"Job {job_id} of '{queue}' was not removed: {reason}.")
        return True

    async def retry(self, queue: str, job_id: str) -> None:
        state = await self.state(queue, job_id)
        if state not in ("failed", "completed"):
            raise BrokerError(f"Job {job_id} of '{queue}' cannot be retried: it is {state}, not failed or completed.")
        keys = self._keys(queue)
        names = [
            keys.job(job_id),
            *keys.many("events", state, "wait", "meta", "active", "marker", "prioritized", "pc"),
        ]
        field = "failedReason" if state == "failed" else "returnvalue"
        await self._act("retried", queue, "reprocessJob", names, job_id, "LPUSH", field, state, "1", "0")

    async def promote(self, queue: str, job_id: str) -> None:
        keys = self._keys(queue)
        names = keys.many("delayed", "wait", "paused", "meta", "prioritized", "active", "pc", "events", "marker")
        await self._act("promoted", queue, "promote", names, keys.base, job_id)

    async def pause(self, queue: str) -> None:
        await self._pause(queue, "wait", "paused", "paused")

    async def resume(self, queue: str) -> None:
        # BullMQ puts back at most 7,000 jobs a call, and says how many are left.
        while await self._pause(queue, "paused", "wait", "resumed"):
            continue

    async def is_paused(self, queue: str) -> bool:
        return bool(await self._connection.run("HEXISTS", self._keys(queue)["meta"], "paused"))

    async def set_limits(self, queue: str, limits: QueueLimits) -> None:
        meta = self._keys(queue)["meta"]
        rate = limits.rate
        wanted = {
            "concurrency": limits.concurrency,
            "max": rate[0] if rate else None,
            "duration": ms(rate[1]) if rate else None,
        }
        async with self._naming_odd_keys(queue):
            for field, value in wanted.items():
                await self._connection.run(*(("HDEL", meta, field) if value is None else ("HSET", meta, field, value)))
            # Who waits because of the old limits shall look again.
            await self._connection.run("ZADD", self._keys(queue)["marker"], 0, "0")

    async def schedules(self, queue: str, *, until: float | None = None) -> list[StoredSchedule]:
        return await scheduling.read_schedules(self._connection, self._keys(queue), until)

    async def schedule(self, queue: str, schedule_id: str) -> StoredSchedule | None:
        return await scheduling.read_schedule(self._connection, self._keys(queue), schedule_id)

    async def put_schedule(self, queue: str, schedule: StoredSchedule) -> None:
        async with self._naming_odd_keys(queue):
            await scheduling.put_schedule(self._connection, self._keys(queue), schedule, self.now())

    async def advance_schedule(self, queue: str, schedule: StoredSchedule, next_at: float) -> bool:
        async with self._naming_odd_keys(queue):
            return await scheduling.advance_schedule(self._connection, self._keys(queue), schedule, next_at, self.now())

    async def remove_schedule(self, queue: str, schedule_id: str) -> bool:
        return await scheduling.remove_schedule(self._connection, self._keys(queue), schedule_id)

    async def repeatables(self, queue: str) -> list[StoredSchedule]:
        return await repeatables.read_repeatables(self._connection, self._keys(queue))

    async def continue_repeatable(self, job: FetchedJob) -> float | None:
        return await repeatables.continue_repeatable(self._connection, self._keys(job.queue), job, self.now())

    async def notes(self, queue: str, *names: str) -> dict[str, str]:
        return await scheduling.read_notes(self._connection, self._keys(queue), names)

    async def set_notes(
        self, queue: str, notes: Mapping[str, str | None], *, expected: Mapping[str, str | None] | None = None
    ) -> bool:
        return await scheduling.set_notes(self._connection, self._keys(queue), notes, expected or {})

    def _keys(self, queue: str) -> Keys:
        return keys_of(self._prefix, queue)

    def _naming_odd_keys(self, queue: str) -> AbstractAsyncContextManager[None]:
        return naming_odd_keys(self._connection, self._keys(queue))

    async def _script(self, name: str, keys: Sequence[str], *args: Any) -> Any:
        return await self._connection.run(*self._connection.script(name, keys, *args))

    async def _act(self, done: str, queue: str, script: str, keys: Sequence[str], *args: Any) -> None:
        command = self._connection.script(script, keys, *args)
        [answer] = await run_keeping_layout(self._connection, self._keys(queue), [command])
        if isinstance(answer, int) and answer < 0:
            reason = "it does not exist" if answer == -1 else "it is not in the state for that"
            raise BrokerError(f"The job of '{queue}' was not {done}: {reason}.")

    async def _pause(self, queue: str, source: str, target: str, event: str) -> int:
        names = self._keys(queue).many(source, target, "meta", "prioritized", "events", "delayed", "marker")
        command = self._connection.script("pause", names, event)
        [left] = await run_keeping_layout(self._connection, self._keys(queue), [command])
        return int(left or 0)
