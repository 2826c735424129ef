"""What a server says of itself (INFO), for people. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from barback.inspector import Server

Info = Mapping[str, Any]


def read_server(info: Info, save: str | None, ahead_s: float) -> Server:
    """From the sections `server`, `memory`, `persistence` and `clients`, and the setting `save`."""
    valkey = "valkey_version" in info
    return Server(
        product="Valkey" if valkey else "Redis",
        version=_read(info, "valkey_version" if valkey else "redis_version", str),
        used_bytes=_read(info, "used_memory", int),
        most_bytes=_read(info, "maxmemory", int),
        eviction=_read(info, "maxmemory_policy", str),
        append_only=_read(info, "aof_enabled", bool),
        save_points=None if save is None else bool(save),
        saved_at=_read(info, "rdb_last_save_time", float),
        clients=_read(info, "connected_clients", int),
        ahead_s=ahead_s,
    )


def clock_ahead_s(asked_at: float, theirs: tuple[int, int] | None, answered_at: float) -> float:
    """How far our clock is ahead of the server's, which told its time (seconds, microseconds) between our two."""
    if theirs is None:
        return 0.0
    at = theirs[0] + theirs[1] / 1e6
    return max(asked_at - at, 0.0) or min(answered_at - at, 0.0)


def _read(info: Info, name: str, kind: Callable[[Any], Any]) -> Any:
    try:
        return None if info.get(name) is None else kind(info[name])
    except (TypeError, ValueError):
        return None
