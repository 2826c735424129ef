"""The Redis of all peers: the embedded Valkey, with or without an append-only file, empty at each run."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

import redis

from barback.embedded import EmbeddedValkey

DATABASE = 1
PATIENCE_S = 60.0
"""To empty a server of a million jobs takes seconds."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Since the server started: CPU seconds of its process, and commands, those within scripts included."""

    cpu_s: float
    commands: int

    def since(self, earlier: "Spent") -> "Spent":
        """The difference."""
        return Spent(self.cpu_s - earlier.cpu_s, self.commands - earlier.commands)


class Server:
    """Runs while the `with` block does. `aof`: appendonly yes, appendfsync everysec; else nothing goes to disk."""

    def __init__(self, *, aof: bool) -> None:
        self._valkey = EmbeddedValkey(port=0)
        self._aof = aof
        self._client: Any = None

    @property
    def url(self) -> str:
        """With the database that all use."""
        return f"{self._valkey.tcp_url}/{DATABASE}"

    def __enter__(self) -> "Server":
        self._valkey.__enter__()
        self._client = cast("Any", redis.Redis).from_url(self.url, decode_responses=True, socket_timeout=PATIENCE_S)
        self._client.config_set("appendonly", "yes" if self._aof else "no")
        # A rewrite would fall into the run of whoever came last, and cost it a fork and a core.
        self._client.config_set("auto-aof-rewrite-percentage", 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()
        self._valkey.__exit__(kind, error, traceback)

    def empty(self) -> None:
        """Remove all there is, scripts and functions too: each peer starts as on a new server."""
        # Not in the background, where it would cost the next run CPU.
        self._client.execute_command("FLUSHALL", "SYNC")
        self._client.script_flush()

    def spent(self) -> Spent:
        """What it has used up so far."""
        info: dict[str, Any] = self._client.info("everything")
        return Spent(info["used_cpu_user"] + info["used_cpu_sys"], info["total_commands_processed"])

    def memory_mb(self) -> float:
        """What its data take, in MB of 2**20 bytes."""
        return self._client.info("memory")["used_memory"] / 2**20

    @property
    def version(self) -> str:
        """`Valkey 9.1.2`."""
        info: dict[str, Any] = self._client.info("server")
        return f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
