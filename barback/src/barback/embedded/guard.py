"""Runs one command, and stops it when whoever asked for it is gone, however that one ended (SIGKILL included).

    python -I -S guard.py STOP_SIGNAL DEADLINE_S LOCK_FD USER COMMAND…

A program of its own that imports nothing but the standard library. It watches its standard input, a pipe of which only
the parent holds the other end: each byte is the number of a signal to send (SIGKILL: to the command's process group);
its end sends STOP_SIGNAL if none was sent yet, and kills the group after DEADLINE_S. A pipe because it is the one way
that works on Linux and macOS alike, without polling: PR_SET_PDEATHSIG is Linux only, fires when the starting *thread*
ends, and is lost when the user changes.

The command's pid is written into LOCK_FD, which the command inherits: while the file is locked, that pid is alive.
LOCK_FD -1: no such file. USER is `-` or `uid:gid`: only root may name one, and the guard itself goes on as root,
because another user may not be able to reach this Python. Exits as the command did (128 + signal if one ended it).
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading


def main(stop_signal: signal.Signals, deadline_s: float, lock_fd: int, user: str, command: list[str]) -> int:
    child = start(user, command)
    # The guard outlives its child whatever is sent to it: only then is "no guard" the same as "no server".
    for asked in (signal.SIGTERM, signal.SIGINT):
        signal.signal(asked, lambda _number, _frame: child.send_signal(stop_signal))
    if lock_fd >= 0:
        os.ftruncate(lock_fd, 0)
        os.pwrite(lock_fd, b"%d\n" % child.pid, 0)
    threading.Thread(target=obey, args=(child, stop_signal, deadline_s), daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


def start(user: str, command: list[str]) -> "subprocess.Popen[bytes]":
    # A group of its own, so that what it starts can be killed with it. close_fds=False: it inherits the lock.
    null = subprocess.DEVNULL
    if user == "-":
        return subprocess.Popen(command, stdin=null, close_fds=False, process_group=0)  # noqa: S603
    uid, gid = map(int, user.split(":"))
    # cwd: the other user may not be allowed to stand where we stand.
    return subprocess.Popen(  # noqa: S603
        command, stdin=null, close_fds=False, process_group=0, user=uid, group=gid, extra_groups=[], cwd="/"
    )


def obey(child: "subprocess.Popen[bytes]", stop_signal: signal.Signals, deadline_s: float) -> None:
    asked = False
    while byte := os.read(0, 1):
        send(child, signal.Signals(byte[0]))
        asked = True
    if not asked:
        child.send_signal(stop_signal)
    try:
        child.wait(deadline_s)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)


def send(child: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    if number != signal.SIGKILL:
        child.send_signal(number)
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


if __name__ == "__main__":
    _, wanted_signal, deadline, fd, run_as, *arguments = sys.argv
    sys.exit(main(signal.Signals(int(wanted_signal)), float(deadline), int(fd), run_as, arguments))
