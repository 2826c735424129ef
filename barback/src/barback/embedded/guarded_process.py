"""A child process that can be stopped politely, has a deadline, and never outlives us. See `guard.py`."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from barback.errors import BarbackError

GUARD = Path(__file__).with_name("guard.py")
POLL_S = 0.02
LOG_TAIL_LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run and how to stop it.

    `stop_signal` is sent first; after `deadline_s` seconds the process group is killed. `user` None: as ourselves, else
    (uid, gid), with no other groups. `env` None: our own environment. `log` None: its output goes where ours goes.
    `lock_fd` None: no lock; else an open file that the process inherits and that is given its pid. `inherited`: more
    open files that it inherits, under the same numbers.
    """

    arguments: Sequence[str]
    stop_signal: signal.Signals = signal.SIGTERM
    deadline_s: float = 10.0
    user: tuple[int, int] | None = None
    env: Mapping[str, str] | None = None
    log: Path | None = None
    lock_fd: int | None = None
    inherited: tuple[int, ...] = ()


class GuardedProcess:
    """A running command. It has a session of its own: Ctrl-C in the terminal reaches us and not it."""

    def __init__(self, command: Command) -> None:
        self._command = command
        with contextlib.ExitStack() as files:
            output: IO[bytes] | None = None
            if command.log:
                output = files.enter_context(command.log.open("wb"))
            self._guard = subprocess.Popen(  # noqa: S603
                [*_guard_arguments(command), *command.arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=command.env,
                pass_fds=(*command.inherited, *(() if command.lock_fd is None else (command.lock_fd,))),
                start_new_session=True,
            )

    def exit_code(self) -> int | None:
        """None while it runs; 128 + n if signal n ended it."""
        return self._guard.poll()

    def wait(self) -> int:
        """Wait, without any deadline, until it ends by itself. Its exit code."""
        try:
            return self._guard.wait()
        finally:
            self.stop()

    def ask_to_stop(self) -> None:
        """Send the stop signal, once each call. Returns at once."""
        self.send(self._command.stop_signal)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; SIGKILL goes to its whole process group. Returns at once, also if it has ended."""
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._pipe.write(bytes([number]))
            self._pipe.flush()

    def stop(self) -> int:
        """Stop it, and wait until it is gone: never longer than its deadline and a little. Its exit code."""
        with contextlib.suppress(BrokenPipeError):
            self._pipe.close()
        try:
            return self._guard.wait(self._command.deadline_s + 5)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            return self._guard.wait()

    def wait_until(self, ready: Callable[[], bool], name: str, deadline_s: float) -> None:
        """Wait until `ready()`.

        :raises BarbackError: it ended, or `deadline_s` seconds passed; the message ends with the log's last lines.
        """
        end = time.monotonic() + deadline_s
        while not ready():
            code = self.exit_code()
            if code is not None:
                raise BarbackError(f"{name} ended with exit code {code} instead of starting.{self.log_tail()}")
            if time.monotonic() > end:
                raise BarbackError(f"{name} does not answer after {deadline_s:g} s.{self.log_tail()}")
            time.sleep(POLL_S)

    def log_tail(self) -> str:
        """The last lines of its log, as the end of an error's text; empty if it has none."""
        log = self._command.log
        if log is None or not log.exists():
            return ""
        lines = log.read_text("utf-8", "replace").splitlines()[-LOG_TAIL_LINES:]
        return f" The end of {log}:\n" + "\n".join(f"  {line}" for line in lines)

    @property
    def _pipe(self) -> IO[bytes]:
        assert self._guard.stdin is not None  # noqa: S101 — it was asked for
        return self._guard.stdin


def _guard_arguments(command: Command) -> list[str]:
    lock_fd = -1 if command.lock_fd is None else command.lock_fd
    user = "-" if command.user is None else "{}:{}".format(*command.user)
    # -I -S: neither the user's site-packages nor the working directory may change what the guard is.
    python = [sys.executable, "-I", "-S", str(GUARD)]
    return [*python, str(int(command.stop_signal)), str(command.deadline_s), str(lock_fd), user]
