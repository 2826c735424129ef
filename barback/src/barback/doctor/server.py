"""The server: what no worker would start on, and what it may lose."""

from collections.abc import Iterator

from barback.control.attention import Cause, attention
from barback.doctor.facts import Facts
from barback.finding import Finding, Level

CHECK = "server"
SNAPSHOTS_ONLY = "Set appendonly yes (and appendfsync everysec): then a kill of the server loses one second at most."

TOLD: dict[Cause, tuple[str, Level, str]] = {
    "memory": (
        "memory", "error",
        "Raise maxmemory, or remove finished jobs (`removeOnComplete`, `Retention`), and see which queue grows.",
    ),
    "no-persistence": ("persistence", "error", SNAPSHOTS_ONLY),
    "clock": ("clock", "warning", "Run an NTP client on both machines; delayed jobs and schedules go by these clocks."),
}  # fmt: skip


def check_server(facts: Facts) -> Iterator[Finding]:
    """Version, eviction, memory, persistence, clocks."""
    for line in facts.unfit:
        yield Finding(CHECK, "error", line, "No worker starts until this is changed.")
    for notice in attention(facts.situation):
        if notice.cause not in TOLD or (notice.cause == "clock" and any("clock" in line for line in facts.unfit)):
            continue
        check, level, advice = TOLD[notice.cause]
        yield Finding(check, level, notice.sentence, advice)
    server = facts.situation.server
    if server.append_only is False and server.save_points:
        text = f"{server.product} keeps snapshots only: what came after the last one is lost when it is killed."
        yield Finding("persistence", "warning", text, SNAPSHOTS_ONLY)
