"""One server over one data folder, and short paths for the sockets of deep ones.

Two files are locked, because two things can be alive:

    owner.lock    by the process that started the server: held means "in use", and a second start is refused
    server.lock   by the server itself, which inherits it: held without an owner means "left behind", and it is stopped

A lock ends with its process, however that ends, so neither file can be stale.
"""

import contextlib
import fcntl
import hashlib
import os
import signal
import stat
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

from barback.errors import BarbackError, UsageError

LONGEST_SOCKET_PATH = 100
"""Linux allows 107 bytes, macOS 103."""
LEFT_BEHIND_S = 5.0
"""How long a server whose owner was killed may take to be stopped by its guard, before we do it."""


@contextlib.contextmanager
def claim(folder: Path, name: str) -> Generator[int]:
    """Own the folder, made if it is not there; yields the open server.lock for the server to inherit.

    Stops a server left behind by an owner that was killed.

    :raises UsageError: another process owns it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _open_lock(folder / "owner.lock") as owner, _open_lock(folder / "server.lock") as server:
        # `is_claimed` holds it for a moment.
        if not _locked_within(owner, 0.5):
            raise UsageError(
                f"{name} over {folder} is already running, started by process {_read_pid(owner)}. "
                "Stop that one first, or use another folder."
            )
        os.ftruncate(owner, 0)
        os.pwrite(owner, b"%d\n" % os.getpid(), 0)
        _take_over(server, folder, name)
        yield server


def is_claimed(folder: Path) -> bool:
    """Whether a process owns the folder now."""
    if not (folder / "owner.lock").is_file():
        return False
    with _open_lock(folder / "owner.lock") as owner:
        return not _lock(owner)


def short_folder(meant: Path) -> Path:
    """A folder under the system's temporary one, the same each time for the same `meant`. Any user may pass through.

    :raises UsageError: somebody else made it.
    """
    key = hashlib.sha256(os.fsencode(meant.resolve())).hexdigest()[:12]
    folder = temporary_root() / f"barback-{os.getuid()}-{key}"
    folder.mkdir(mode=0o711, exist_ok=True)
    found = folder.lstat()
    # The name can be guessed, and everybody may write there: trust only what is ours.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UsageError(f"{folder} belongs to somebody else. Remove it, or set TMPDIR to another folder.")
    folder.chmod(0o711)
    return folder


def temporary_folder(closing: contextlib.ExitStack) -> Path:
    """A new folder, removed with all in it when `closing` closes. Any user may pass through."""
    folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="barback-", dir=temporary_root())))
    folder.chmod(0o711)
    return folder


def remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def temporary_root() -> Path:
    """The system's temporary folder, or /tmp if other users may not pass through that one."""
    root = Path(tempfile.gettempdir()).resolve()
    return root if open_to_all(root) and len(str(root)) < LONGEST_SOCKET_PATH // 2 else Path("/tmp").resolve()  # noqa: S108


def open_to_all(folder: Path) -> bool:
    """Whether any user may pass through it and all folders above it."""
    path = folder.resolve()
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))


@contextlib.contextmanager
def _open_lock(path: Path) -> Generator[int]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take_over(fd: int, folder: Path, name: str) -> None:
    if _locked_within(fd, LEFT_BEHIND_S):
        return
    # Its guard was killed too. The pid is alive and is the server's, because only the server holds this lock.
    if pid := _read_pid(fd):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if not _locked_within(fd, LEFT_BEHIND_S):
        raise BarbackError(f"{name} over {folder} was left behind as process {_read_pid(fd)} and cannot be stopped.")


def _locked_within(fd: int, deadline_s: float) -> bool:
    end = time.monotonic() + deadline_s
    while not _lock(fd):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _read_pid(fd: int) -> int:
    text = os.pread(fd, 20, 0).strip()
    return int(text) if text.isdigit() else 0
