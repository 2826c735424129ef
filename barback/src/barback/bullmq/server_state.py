"""Which server answers, and whether it has all that the one before it had acknowledged. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from barback.broker import Loss


@dataclass(frozen=True, slots=True)
class ServerState:
    """What tells one server, and one state of its data, from another."""

    run_id: str
    history: str
    """The replication id: a promoted replica gets a new one, and remembers its master's in `history_before`."""
    offset: int
    """Bytes of writes so far, as replicas count them; 0 where there never was a replica."""
    history_before: str = ""
    offset_before: int = -1
    """How far the history before is its own too; -1: not at all."""
    counters: Mapping[str, int | None] = field(default_factory=dict[str, int | None])
    """The last automatic job id by queue; None: something else stands there."""


def read_state(info: Mapping[str, Any], counters: Mapping[str, int | None]) -> ServerState:
    """From what INFO answers (sections `server` and `replication`). Fields that a server lacks are empty."""
    return ServerState(
        run_id=str(info.get("run_id", "")),
        history=str(info.get("master_replid", "")),
        offset=int(info.get("master_repl_offset", 0)),
        history_before=str(info.get("master_replid2", "")),
        # Redis says the first byte that is no longer common.
        offset_before=int(info.get("second_repl_offset", -1)) - 1,
        counters=counters,
    )


def find_loss(before: ServerState, now: ServerState) -> Loss:
    """What a server lacks that the one before it had; nothing if it is the same one."""
    if now.run_id == before.run_id:
        return Loss()
    promoted = now.history_before == before.history
    certain = [
        f"Redis has lost acknowledged jobs: queue '{queue}' had counted {counted} of them, and now only {left}."
        for queue, counted in before.counters.items()
        if counted is not None and (left := now.counters.get(queue, 0)) is not None and left < counted
    ]
    missing = before.offset - now.offset_before if promoted else 0
    if missing > 0:
        certain.append(
            f"Redis failed over to a replica that lacked the last {missing} bytes of what its master had acknowledged: "
            "jobs added and outcomes written then are lost."
        )
    if certain:
        return Loss(certain=certain)
    what = "failed over to a replica" if promoted else "was restarted or replaced (harmless with appendfsync always)"
    return Loss(possible=[f"Redis {what}: what it acknowledged in its last second may be lost."])
