"""Which adds were swallowed by which job, as far back as a queue's newest events tell."""

from barback.bullmq.connection import Connection
from barback.bullmq.keys import Keys
from barback.inspector import Swallows

EVENTS = 1_000
"""How many are looked through: some milliseconds. BullMQ keeps about 10,000 a queue."""


async def read_swallows(connection: Connection, keys: Keys, job_id: str) -> Swallows:
    """BullMQ tells of each with a `deduplicated` event, and of an add under an id that is taken with `duplicated`."""
    events: list[tuple[str, dict[str, str]]] = await connection.run(
        "XREVRANGE", keys["events"], "+", "-", "COUNT", EVENTS
    )
    by: str | None = None
    ids, again = list[str](), 0
    for _, event in events:
        match event.get("event"):
            case "deduplicated" if event.get("jobId") == job_id:
                ids.append(event.get("deduplicatedJobId", ""))
            case "deduplicated" if event.get("deduplicatedJobId") == job_id:
                by = by or event.get("jobId")
            case "duplicated" if event.get("jobId") == job_id:
                again += 1
            case _:
                pass
    return Swallows(by, [one for one in ids if one], again)
