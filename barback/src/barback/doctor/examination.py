"""All checks, one after the other."""

from collections.abc import Sequence

from barback.broker import Broker
from barback.doctor.finding import Finding
from barback.doctor.schedules import check_schedules
from barback.doctor.server import check_server


async def examine(broker: Broker, queues: Sequence[str]) -> list[Finding]:
    """Everything found, errors first; empty: all is well.

    :raises BrokerUnavailable: the broker cannot be reached.
    """
    findings = [*await check_server(broker, queues), *await check_schedules(broker, queues)]
    return sorted(findings, key=lambda finding: finding.level != "error")
