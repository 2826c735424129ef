"""What nobody works any more comes back."""

from barback.broker import Lease, NewJob
from barback.memory import MemoryBroker
from barback.outage import Outage
from barback.recovery import Recovery
from barback.telemetry.meter import Meter


class Repaired(MemoryBroker):
    """Counts how often it was asked to repair."""

    def __init__(self) -> None:
        super().__init__()
        self.repaired = 0

    async def repair(self, queue: str) -> list[str]:
        self.repaired += 1
        return ["1"]


async def test_a_job_without_a_lock_is_back_after_two_looks() -> None:
    """P2, P8."""
    broker = MemoryBroker()
    await broker.add([NewJob("queue", "any", "{}")])
    await broker.exchange("queue", [], 1, Lease("dies", lock_s=1.0))
    meter = Meter()
    recovery = Recovery(broker, "queue", 5.0, Outage(), meter)
    await recovery.look()
    await broker.move_clock(5.1)
    await recovery.look()
    assert (await broker.counts("queue"))["waiting"] == 1
    assert meter.take() == {"stalled": 1}


async def test_orphans_are_looked_for_once_when_a_pause_has_ended() -> None:
    """P6: Node 5's resume may have lost what others added meanwhile."""
    broker = Repaired()
    recovery = Recovery(broker, "queue", every_s=5.0, outage=Outage())
    await recovery.look()
    await broker.pause("queue")
    await recovery.look()
    assert broker.repaired == 0
    await broker.resume("queue")
    await recovery.look()
    await recovery.look()
    assert broker.repaired == 1
