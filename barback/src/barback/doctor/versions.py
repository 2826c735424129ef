"""Several versions of BullMQ on one Redis."""

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator

from barback.doctor.facts import Facts
from barback.finding import Finding

CHECK = "versions"


def check_versions(facts: Facts) -> Iterator[Finding]:
    """Major versions that differ between queues, or within one, as far as queues tell who wrote them last."""
    queues = defaultdict[str, list[str]](list)
    for library in facts.libraries:
        if (match := re.match(r"bullmq:(\d+)\.", library.name or "")) is not None:
            queues[match[1]].append(library.queue)
        if library.paused_apart and match is not None and int(match[1]) > 5:
            yield Finding(
                CHECK,
                "warning",
                f"Queue '{library.queue}' was paused by BullMQ 5 and last written by {library.name}: jobs that other "
                "versions add meanwhile can be lost when BullMQ 5 resumes it.",
                f"Resume it here, look for lost ones (barback jobs repair {shlex.quote(library.queue)}), and use one "
                "version.",
            )
    if len(queues) > 1:
        told = "; ".join(f"BullMQ {major} in {', '.join(sorted(names))}" for major, names in sorted(queues.items()))
        yield Finding(
            CHECK,
            "warning",
            f"Several versions of BullMQ write here: {told}.",
            "Bring all of them to one major version; until then do not pause queues by BullMQ 5 (docs/design.md, 6).",
        )
