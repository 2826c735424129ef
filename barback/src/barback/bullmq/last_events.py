"""Whether anything happened in a queue, in one round trip for all of them: the newest id of its event stream."""

from collections.abc import Sequence

from barback.bullmq.connection import Call, Connection
from barback.bullmq.keys import keys_of


async def read_last_events(connection: Connection, prefix: str, queues: Sequence[str]) -> dict[str, str]:
    """The id of each queue's last event; a queue without any is left out.

    BullMQ writes one whenever a job changes its state or its progress, not for a line of its log.
    """
    if not queues:
        return {}
    commands = [("XREVRANGE", keys_of(prefix, queue)["events"], "+", "-", "COUNT", 1) for queue in queues]
    [answers] = await connection.run_all([Call(commands)])
    return {queue: answer[0][0] for queue, answer in zip(queues, answers, strict=True) if answer}
