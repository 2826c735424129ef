"""The child's side: imports jobs by their module and attribute, and runs one at a time. Started by `process.py`.

It ends when the pipe does, and on Linux by the kernel's hand when the worker is gone, even in C code that has the GIL.
"""

import asyncio
import ctypes
import importlib
import inspect
import json
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any, TypeVar, Unpack

from barback import errors
from barback.answers import Answer as EnqueueAnswer
from barback.current import CURRENT, Elsewhere
from barback.errors import BarbackError
from barback.job import AnyJob, Context, Job, Reply
from barback.logs import log_alike
from barback.options import Overrides
from barback.outcomes import Ending, after_error, after_return, describe
from barback.payload import Payload, parse_payload, write_value
from barback.payload_limits import PayloadLimits
from barback.processes.wire import Answer, Call, Cancel, Load, Message, Refusal, Start, pack, unpack
from barback.producer import new_job

PayloadT = TypeVar("PayloadT", bound=Payload)

PR_SET_PDEATHSIG = 1
ANY_SIZE = PayloadLimits(warn_bytes=0, limit_bytes=0)
"""How large a payload may be is known to the worker, which checks it again."""


def main(pipe: int, worker: int, levels: Mapping[str, int] | None) -> None:
    """Work until the pipe ends. `worker`: the pid of who started us. `levels`: of its loggers, if it set any up."""
    log_alike(levels)
    _end_with(worker)
    # Who stops a worker tells the worker, and it ends us once its jobs are done. No SIG_IGN: what a job starts would
    # inherit it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    os.set_inheritable(pipe, False)
    Child(Connection(pipe)).run()


def _end_with(worker: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != worker:
        os._exit(1)


class Child:
    """Answers what the worker asks, in order; what a handler asks of the worker goes the other way meanwhile."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._jobs: dict[str, AnyJob] = {}
        self._cancelled = Event()
        self._guard = Lock()

    def run(self) -> None:
        Thread(target=self._read, name="barback-pipe", daemon=True).start()
        while True:
            match self._inbox.get():
                case Load() as load:
                    self._send(self._load(load))
                case Start() as start:
                    self._work(start)
                case unexpected:
                    raise RuntimeError(f"The worker sent {unexpected!r}.")

    def _read(self) -> None:
        try:
            while True:
                message = unpack(self._pipe.recv_bytes())
                if isinstance(message, Cancel):
                    self._cancelled.set()
                else:
                    self._inbox.put(message)
        finally:
            # The worker is gone, or done with us: nothing may go on.
            os._exit(1)

    def _send(self, message: Message) -> None:
        self._pipe.send_bytes(pack(message))

    def _load(self, load: Load) -> Message:
        try:
            job: AnyJob = getattr(importlib.import_module(load.module), load.attribute)
            self._jobs[job.name] = job
        except BaseException as error:  # noqa: BLE001 — a module may raise anything, or exit
            return Refusal(type(error).__name__, describe(error))
        return Answer()

    def _work(self, start: Start) -> None:
        line = Line(self)
        ending = _attempt(self._jobs[start.job_name], start, line.context(start, self._cancelled))
        # A worker that kills us shall not lose what was printed.
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        with self._guard:
            # Threads that the handler has left behind do not speak for the next job.
            line.open = False
            self._send(ending)

    def ask(self, line: "Line", name: str, given: Any) -> Any:
        """Have the worker do something; what it answers.

        :raises BarbackError: what the worker's own call raised.
        """
        with self._guard:
            if not line.open:
                raise RuntimeError(f"ctx.{name}: the attempt has ended.")
            self._send(Call(name, given))
            answer = self._inbox.get()
        if isinstance(answer, Refusal):
            raise _error(answer)
        return answer.value


class Line:
    """What one attempt says to the worker, while it runs."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self.open = True

    def context(self, start: Start, cancelled: Event) -> Context[None]:
        """The context of the attempt."""
        return Context(
            services=None,
            job_id=start.job_id,
            job_name=start.job_name,
            queue=start.queue,
            attempt=start.chance.attempt,
            attempts=start.chance.attempts,
            starts=start.starts,
            cancelled=cancelled,
            enqueue=self._enqueue,
            progress=self._progress,
            log=self._log,
            children=self._children,
        )

    def _progress(self, value: Any) -> Reply[None]:
        return Reply.done(self._child.ask(self, "progress", write_value(value).decode()))

    def _log(self, line: str) -> Reply[None]:
        return Reply.done(self._child.ask(self, "log", line))

    def _children(self) -> Reply[Mapping[str, Any]]:
        return Reply.done(json.loads(self._child.ask(self, "children", None)))

    def _enqueue(
        self, job: Job[PayloadT, Any, Any], payload: PayloadT, /, **overrides: Unpack[Overrides]
    ) -> Reply[EnqueueAnswer]:
        data = new_job(job, payload, overrides, ANY_SIZE).data  # checks all of it, too
        given = {"job": job.name, "queue": job.queue, "data": data, "overrides": overrides}
        return Reply.done(self._child.ask(self, "enqueue", given))


def _attempt(job: AnyJob, start: Start, ctx: Context[None]) -> Ending:
    CURRENT.set(Elsewhere(start.job_name, start.job_id, start.chance.attempt))
    try:
        result = job.handler(parse_payload(job.payload_type, start.data, job.name), ctx)
        if inspect.isawaitable(result):
            # An `async def` behind a decorator looks like a plain one.
            result = asyncio.run(_awaited(result))
    except BaseException as error:  # noqa: BLE001 — SystemExit too ends this one job only (B3)
        return after_error(job, start.chance, error)
    return after_return(job, result)


async def _awaited(result: Any) -> Any:
    return await result


def _error(refusal: Refusal) -> BarbackError:
    kind = vars(errors).get(refusal.kind)
    if kind in (errors.BrokerUnavailable, errors.BrokerError, errors.InvalidOptions):
        return kind(refusal.message)
    return BarbackError(refusal.message)
