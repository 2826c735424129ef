"""Jobs in another database, or under another prefix, than the worker looks at."""

from collections.abc import Iterator

from barback.doctor.facts import Facts
from barback.finding import Finding

CHECK = "place"


def check_places(facts: Facts) -> Iterator[Finding]:
    """An error where jobs wait for nobody; a warning where a queue of the name is, for it may be another's."""
    for other in facts.elsewhere:
        if other.jobs == 0:
            continue
        waits = (
            "jobs may wait" if other.jobs is None else f"{other.jobs:,} job{'s wait' if other.jobs > 1 else ' waits'}"
        )
        yield Finding(
            CHECK,
            "warning" if other.jobs is None else "error",
            f"In database {other.database} under prefix '{other.prefix}' is a queue '{other.queue}' too, where {waits};"
            f" the worker looks at {facts.place}.",
            f"If the TypeScript app means this worker, make both equal: REDIS_DB={other.database} and "
            f"BARBACK_PREFIX={other.prefix} here, or `db` of its connection and `prefix` of its Queue there.",
        )
