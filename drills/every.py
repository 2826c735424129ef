"""All drills in the order of their numbers."""

import re

from drills import (
    beside_node,
    crashes,
    handlers,
    no_room,
    outages,
    refusals,
    replicas,
    slots,
    stopping,
    timing,
    unreadable,
)
from drills.drill import Drill

ROOMS = (crashes, stopping, outages, no_room, refusals, replicas, slots, timing, handlers, unreadable, beside_node)
EVERY: list[Drill] = sorted(
    (drill for room in ROOMS for drill in room.drills.all),
    key=lambda drill: [int(part) if part.isdigit() else part for part in re.findall(r"\d+|[a-z]", drill.number)],
)
