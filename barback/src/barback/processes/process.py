"""The worker's side of one child process. What waits for the child blocks its thread."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import Pipe
from threading import Lock
from typing import Any

from barback.errors import BarbackError, ProcessDied
from barback.job import AnyJob, Context
from barback.logs import levels
from barback.outcomes import Ending, describe
from barback.payload import parse_payload
from barback.processes.wire import Answer, Call, Cancel, Load, Message, Refusal, Start, pack, unpack

# Not multiprocessing's own spawn: that runs the program's main module once more, worker and all if it is not guarded.
PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    "from barback.processes.child import main; main(int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[4]))"
)
LOOK_S = 0.5
"""How often to see whether a silent child lives: what it started may hold its end of the pipe open."""
DEATH_S = 1.0
"""How long a killed process may take to be gone."""

FindJob = Callable[[str, str], AnyJob]


class Process:
    """A running child. Make it in the thread that lives as long as the worker: on Linux the child ends with it."""

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        with theirs:
            arguments = [str(theirs.fileno()), str(os.getpid()), json.dumps(sys.path), json.dumps(levels())]
            self._child = subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", PROGRAM, *arguments],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # Ctrl-C in the terminal is for the worker; and what a job started is killed with it.
                process_group=0,
            )
        self._sending = Lock()
        self._killed = False
        self._loaded: set[Load] = set()
        self.idle = True
        """Nothing is expected from it."""

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    @property
    def pid(self) -> int:
        return self._child.pid

    def load(self, place: Load) -> None:
        """Let it import a job, unless it has.

        :raises ProcessDied: it died of it.
        :raises BarbackError: the import failed.
        """
        if place in self._loaded:
            return
        self._send(place)
        answer = self._receive()
        if isinstance(answer, Refusal):
            raise BarbackError(f"Its process cannot import '{place.module}': {answer.message}")
        self._loaded.add(place)

    def run(self, start: Start, ctx: Context[Any], find: FindJob) -> Ending:
        """Let it run one attempt; do for it what its handler wants of the context. `find`: the app's jobs.

        :raises ProcessDied: it died.
        """
        self.idle = False
        self._send(start)
        while not isinstance(message := self._receive(), Ending):
            self._send(_answer(message, ctx, find))
        self.idle = True
        return message

    def cancel(self) -> None:
        """Tell it to end its attempt. It is of no use afterwards."""
        with contextlib.suppress(ProcessDied):
            self._send(Cancel())

    def kill(self) -> None:
        """End it now, and what it started. Returns at once; who waits for it gets `ProcessDied`."""
        self.idle = False
        if self._killed:
            return
        # Once, and soon after it died: later its number may be another's.
        self._killed = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Until it is gone, a killed one."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(DEATH_S)

    def _send(self, message: Message) -> None:
        try:
            with self._sending:
                self._pipe.send_bytes(pack(message))
        except OSError:
            raise self._death() from None

    def _receive(self) -> Any:
        try:
            while not self._pipe.poll(LOOK_S):
                if not self.alive:
                    raise self._death()
            return unpack(self._pipe.recv_bytes())
        except (EOFError, OSError):
            raise self._death() from None

    def _death(self) -> ProcessDied:
        self.wait()
        code = self._child.returncode
        if code is None:
            self.kill()
            return ProcessDied("Its process closed its connection to the worker, and was killed.")
        if code >= 0:
            return ProcessDied(f"Its process exited with code {code}.")
        memory = ", as the system does when memory runs out" if code == -signal.SIGKILL else ""
        return ProcessDied(f"Its process was killed by {_name(-code)}{memory}.")


def _answer(call: Call, ctx: Context[Any], find: FindJob) -> Answer | Refusal:
    """Do it. We are in a thread: what the context gives is done when it returns."""
    try:
        return Answer(_do(call, ctx, find))
    except BaseException as error:  # noqa: BLE001 — it belongs to the handler, whatever it is
        return Refusal(type(error).__name__, describe(error))


def _do(call: Call, ctx: Context[Any], find: FindJob) -> Any:
    given = call.given
    match call.name:
        case "progress":
            ctx.progress(json.loads(given))
        case "log":
            ctx.log(given)
        case "children":
            return json.dumps(dict(ctx.children().result()))
        case "enqueue":
            job = find(given["job"], given["queue"])
            payload = parse_payload(job.payload_type, given["data"], job.name)
            return ctx.enqueue(job, payload, **given["overrides"]).result()
        case unknown:
            raise BarbackError(f"A process cannot call ctx.{unknown}.")
    return None


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
