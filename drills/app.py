"""What the drills' workers work: jobs that write into the ledger and do what they are told."""

import asyncio
import ctypes
import os
import random
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

from barback import App, Context, Exponential, Payload, Schedule, job
from cafes.store.once import once
from cafes.store.postgres import PostgresStore
from drills import ledger

QUEUE = os.environ.get("DRILLS_QUEUE", "drills")

Deed = Literal["none", "sleep", "jitter", "block", "spin", "segfault", "exit", "killed", "fail"]


class Note(Payload, frozen=True):
    """`for_s`: how long the deed takes. `times`: `fail` fails so often; so many starts keep the GIL (0: each)."""

    number: int
    deed: Deed = "none"
    for_s: float = 0.0
    times: int = 0


class Slot(Payload, frozen=True):
    """`place`: of its schedule among the app's."""

    place: int


@job("note", queue=QUEUE, attempts=5, backoff=Exponential(first_s=0.2))
async def note(payload: Note, ctx: Context[None]) -> int:
    """Runs on the loop."""
    ledger.write("start", payload.number)
    match payload.deed:
        case "sleep":
            await asyncio.sleep(payload.for_s)
        case "jitter":
            await asyncio.sleep(random.random() * payload.for_s)
        case "block":
            time.sleep(payload.for_s)  # noqa: ASYNC251 — the deed
        case "spin":
            _spin(payload.for_s)
        case "fail" if ctx.attempt <= payload.times:
            raise ValueError("as told")
        case _:
            _die(payload.deed)
    ledger.write("end", payload.number)
    return os.getpid()


@job("hold-in-thread", queue=QUEUE)
def hold_in_thread(payload: Note, ctx: Context[None]) -> None:
    """A C call that keeps the GIL."""
    hold_gil(payload, ctx)


@job("hold-in-process", queue=QUEUE, runs_in="process")
def hold_in_process(payload: Note, ctx: Context[None]) -> None:
    """A C call that keeps the GIL of a process of its own."""
    hold_gil(payload, ctx)


def hold_gil(payload: Note, ctx: Context[None]) -> None:
    """One call that never lets go of it, as that of a long regular expression."""
    ledger.write("start", payload.number)
    if not payload.times or ctx.starts <= payload.times:
        ctypes.PyDLL(None).usleep(int(payload.for_s * 1e6))
    ledger.write("end", payload.number)


def _spin(for_s: float) -> None:
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        pass


def _die(deed: Deed) -> None:
    match deed:
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(1)
        case "killed":  # as by the system when memory is out
            os.kill(os.getpid(), signal.SIGKILL)
        case _:
            return


@job("keep-slot", queue=QUEUE)
async def keep_slot(payload: Slot, ctx: Context[PostgresStore | None]) -> None:
    """Write down which slot it is of which schedule: in the ledger, and by `once` in the database."""
    number = slot_number(payload.place, int(ctx.job_id.rpartition(":")[2]) // 1000)
    ledger.write("start", number)
    if ctx.services is not None:
        async with ctx.services.transaction() as transaction:
            if await once(transaction, f"slot:{number}"):
                await transaction.execute("insert into effects (slot) values (%s)", (number,))
    await asyncio.sleep(random.random())
    ledger.write("end", number)


def slot_number(place: int, slot: int) -> int:
    """What the ledger knows a slot by; in whole seconds, and the place of its schedule."""
    return slot * 10 + place


SCHEDULES = (
    Schedule("period", keep_slot, every_s=1.0, payload=Slot(place=0), missed="all"),
    Schedule("pattern", keep_slot, "* * * * * *", payload=Slot(place=1), missed="all"),
    Schedule("once", keep_slot, "* * * * * *", payload=Slot(place=2), missed="once"),
    Schedule("skip", keep_slot, "* * * * * *", payload=Slot(place=3), missed="skip"),
)
"""By place."""


@asynccontextmanager
async def services() -> AsyncGenerator[PostgresStore | None]:
    """The database of the drill, if it has one."""
    url = os.environ.get("DRILLS_DATABASE")
    if url is None:
        yield None
        return
    store = PostgresStore(url)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


app: App[Any] = App(
    jobs=[note, hold_in_thread, hold_in_process, keep_slot],
    services=services,
    schedules=SCHEDULES if os.environ.get("DRILLS_SCHEDULES") else (),
    name="drills",
)
