"""Whatever lies among the schedules of a queue, those that can be read go on (P11)."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from barback.bullmq import BullMQBroker
from barback.doctor.gathering import gather_queue_facts
from barback.doctor.schedules import check_schedules_of
from barback.schedules.ticker import Ticker

LATER = round((time.time() + 3600) * 1000)
NOW = round((time.time() - 5) * 1000)
ODD: list[tuple[Any, Mapping[str, Any]]] = [
    (LATER, {"every": "0"}),
    (LATER, {"every": "9" * 400}),
    (LATER, {"every": "-5"}),
    (NOW, {"every": "1000", "offset": "x", "limit": "y", "startDate": "9" * 20}),
    ("+inf", {"pattern": "* * * * *"}),
    ("-inf", {"pattern": "* * * * *"}),
    (1e17, {"every": "1000"}),
    (NOW, {"pattern": "* * * * *", "startDate": "99999999999999"}),
    (NOW, {"pattern": "* * * * *", "opts": "{junk"}),
    (NOW, {"pattern": "* * * * *", "opts": "[1]"}),
    (NOW, {"pattern": "* * * * *", "tz": "../../etc/passwd"}),
    (NOW, {"pattern": "1," * 100_000 + "2 * * * *"}),
    (NOW, {}),
]


@pytest.mark.parametrize(("score", "fields"), ODD, ids=map(str, range(len(ODD))))
async def test_an_odd_member_keeps_nobody_from_listing_ticking_and_examining(
    score: Any, fields: Mapping[str, Any], broker: BullMQBroker, queue_name: str
) -> None:
    run = broker._connection.run
    for name, at in (("odd", score), ("fine", NOW)):
        await run("ZADD", f"bull:{queue_name}:repeat", at, name)
    told: dict[str, Any] = {"name": "x", "ic": 1, **fields}
    for name, hashed in (("odd", told), ("fine", {"name": "x", "ic": 1, "pattern": "* * * * *", "tz": "UTC"})):
        await run("HSET", f"bull:{queue_name}:repeat:{name}", *(item for pair in hashed.items() for item in pair))
    assert {one.id for one in await broker.schedules(queue_name)} == {"odd", "fine"}
    for one in await broker.schedules(queue_name):
        one.timing.describe()
    ticker = Ticker(broker, [queue_name])
    await ticker.tick()
    await ticker.watch()
    fine = await broker.schedule(queue_name, "fine")
    assert fine is not None
    assert fine.next_at > time.time()
    facts = await gather_queue_facts(broker, queue_name)
    assert facts.broken is None
    check_schedules_of(time.time(), facts.schedules)


@pytest.mark.parametrize("key", ["repeat", "repeat:fine", "barback:schedules"])
async def test_a_key_of_another_type_is_told_of_its_queue(key: str, broker: BullMQBroker, queue_name: str) -> None:
    await broker._connection.run("ZADD", f"bull:{queue_name}:repeat", NOW, "fine")
    await broker._connection.run("DEL", f"bull:{queue_name}:{key}")
    await broker._connection.run("SET", f"bull:{queue_name}:{key}", "x")
    facts = await gather_queue_facts(broker, queue_name)
    assert facts.queue == queue_name
    assert facts.broken is not None
    assert "WRONGTYPE" in facts.broken or "broken" in facts.broken
