"""Whether the server can be reached, and is fit for queues."""

from collections.abc import Sequence

from barback.broker import Broker
from barback.doctor.finding import Finding
from barback.errors import BrokerUnfit


async def check_server(broker: Broker, queues: Sequence[str]) -> list[Finding]:
    """What a worker refuses to start on, or would warn of.

    :raises BrokerUnavailable: it cannot be reached.
    """
    try:
        await broker.check(queues)
    except BrokerUnfit as error:
        return [Finding("server", "error", str(error), "No worker starts until this is changed.")]
    return []
