"""Jobs for `test_processes.py`, in a module that a process can import. Their queue is in the environment."""

import asyncio
import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from barback.errors import BarbackError, InvalidOptions, ProcessDied, RetryLater, Unrecoverable
from barback.job import Context, job
from barback.options import Deduplication
from barback.payload import NoPayload, Payload
from barback.retry import Custom, Exponential, Fixed

QUEUE = os.environ["QUEUE_OF_PROCESSES"]


class Deed(Payload, frozen=True):
    deed: str = "none"
    file: str = ""


def hold_the_gil(letters: int) -> None:
    """In C code, twice as long for each letter more."""
    re.match(r"(a+)+$", "a" * letters + "b")


@job("tells", queue=QUEUE, runs_in="process", attempts=3)
def tells(payload: Deed, ctx: Context[None]) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "deed": payload.deed,
        "context": [ctx.services, ctx.job_name, ctx.queue, ctx.attempt, ctx.attempts, ctx.starts],
        "cancelled": ctx.cancelled.is_set(),
    }


@job("uses-its-context", queue=QUEUE, runs_in="process")
def uses_its_context(payload: NoPayload, ctx: Context[None]) -> list[str]:
    ctx.progress({"done": 7})
    ctx.log("boiling ☕")
    made = ctx.enqueue(tells, Deed(deed="child"), delay_s=60, backoff=Exponential(3), attempts=4).result()
    again = Deduplication.throttle("once", 60)
    swallowed = [ctx.enqueue(tells, Deed(), deduplicate=again).result() for _ in range(2)][1]
    return [repr(made), repr(swallowed)]


@job("asks-too-much", queue=QUEUE, runs_in="process")
def asks_too_much(payload: NoPayload, ctx: Context[None]) -> list[str]:
    told: list[str] = []
    try:
        ctx.enqueue(tells, Deed(), attempts=0)
    except InvalidOptions as error:
        told.append(str(error))
    try:
        ctx.enqueue(stranger, Deed())
    except BarbackError as error:
        told.append(str(error))
    return told


@job("sends-much", queue=QUEUE, runs_in="process")
def sends_much(payload: NoPayload, ctx: Context[None]) -> str:
    ctx.progress({"done": float("nan")})
    return repr(ctx.enqueue(tells, Deed(deed="x" * 3 * 2**20), delay_s=60).result())


@job("stranger", queue=QUEUE)
def stranger(payload: Deed, ctx: Context[None]) -> None: ...


@job("sums", queue=QUEUE, runs_in="process")
def sums(payload: NoPayload, ctx: Context[None]) -> Any:
    return list(ctx.children().result().values())


@job("counts", queue=QUEUE, runs_in="process", timeout_s=30)
def counts(payload: NoPayload, ctx: Context[None]) -> str:
    ctypes.PyDLL(None).usleep(2_000_000)  # keeps the GIL, for so long on any machine
    return "counted"


@job("ticks", queue=QUEUE)
async def ticks(payload: NoPayload, ctx: Context[None]) -> float:
    """The longest time that the worker's loop stood still."""
    longest_s, last = 0.0, time.monotonic()
    for _ in range(50):
        await asyncio.sleep(0.02)
        longest_s, last = max(longest_s, time.monotonic() - last), time.monotonic()
    return longest_s


@job("dies", queue=QUEUE, runs_in="process", attempts=2, backoff=Fixed(5))
def dies(payload: Deed, ctx: Context[None]) -> None:
    match payload.deed:
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "out of memory":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit beside its child":
            # It holds our end of the pipe open.
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"], close_fds=False)
            Path(payload.file).write_text(str(child.pid))
            os._exit(4)
        case other:
            raise AssertionError(other)


@job("dies-for-good", queue=QUEUE, runs_in="process", attempts=9, fail_on=(ProcessDied,))
def dies_for_good(payload: NoPayload, ctx: Context[None]) -> None:
    os._exit(3)


@job("overruns", queue=QUEUE, runs_in="process", timeout_s=0.3, attempts=2)
def overruns(payload: Deed, ctx: Context[None]) -> str:
    Path(payload.file).write_text(str(os.getpid()))
    if payload.deed == "obeys":
        while not ctx.cancelled.is_set():
            time.sleep(0.005)
        raise Unrecoverable("told to end")
    if payload.deed == "returns":
        while not ctx.cancelled.is_set():
            time.sleep(0.005)
        return "half of it"
    hold_the_gil(40)
    return "never"


@job("runs-for-ever", queue=QUEUE, runs_in="process")
def runs_for_ever(payload: Deed, ctx: Context[None]) -> None:
    Path(payload.file).write_text(str(os.getpid()))
    hold_the_gil(60)


@job(
    "raises",
    queue=QUEUE,
    runs_in="process",
    attempts=5,
    retry_on=(OSError,),
    fail_on=(FileNotFoundError,),
    backoff=Custom(lambda attempt, error: attempt * 10.0 if "milk" in str(error) else None),
)
def raises(payload: Deed, ctx: Context[None]) -> Any:  # noqa: C901
    match payload.deed:
        case "retry":
            raise ConnectionError("no milk")
        case "not matched":
            raise ValueError("no milk")
        case "fail":
            raise FileNotFoundError("no milk")
        case "backoff ends it":
            raise ConnectionError("no sugar")
        case "unrecoverable":
            raise Unrecoverable("no cafe")
        case "later":
            raise RetryLater(90, "no room")
        case "exit":
            raise SystemExit(3)
        case "surrogates":
            raise ValueError("caf\udce9")
        case "no json":
            return {object()}
        case "too large":
            return "x" * 9_000_000
        case "async":
            return _awaited()
        case other:
            raise AssertionError(other)


def _awaited() -> Awaitable[str]:
    async def inner() -> str:
        return "awaited"

    return inner()


@job("leaves-a-thread", queue=QUEUE, runs_in="process")
def leaves_a_thread(payload: Deed, ctx: Context[None]) -> None:
    def speaks_later() -> None:
        while not Path(payload.file).exists():
            time.sleep(0.005)
        try:
            ctx.log("of the job before")
        except RuntimeError as error:
            Path(payload.file).write_text(str(error))

    threading.Thread(target=speaks_later).start()


@job("is-told-to-end", queue=QUEUE, runs_in="process")
def is_told_to_end(payload: NoPayload, ctx: Context[None]) -> str:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    return "not by these"
