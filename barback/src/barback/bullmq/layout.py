"""Where a paused queue's waiting jobs lie while Node 5 is about: `lua/keepPausedLayout.lua` says why (P6).

Every command that may let a job wait runs in one MULTI with that script: between the two Node 5 could resume the queue
and lose it.
"""

from collections.abc import Sequence
from typing import Any

from barback.bullmq.connection import Call, Command, Connection
from barback.bullmq.keys import Keys

CHUNK = 100
"""Commands in one MULTI: Redis serves nobody else meanwhile (about 5 ms)."""


def keep_layout(connection: Connection, keys: Keys) -> Command:
    """The command that moves what waits to where it belongs."""
    return connection.script("keepPausedLayout", keys.many("wait", "paused", "meta"))


async def run_keeping_layout(
    connection: Connection, keys: Keys, commands: Sequence[Command], *, errors_as_answers: bool = False
) -> list[Any]:
    """The answers of commands that may let jobs wait.

    :raises BrokerError: an answer is an error; with `errors_as_answers` it is the answer instead.
    """
    answers: list[Any] = []
    for start in range(0, len(commands), CHUNK):
        calls = [Call([command]) for command in commands[start : start + CHUNK]]
        calls.append(Call([keep_layout(connection, keys)]))
        results = await connection.run_all(calls, atomic=True, errors_as_answers=errors_as_answers)
        answers += [answer for (answer,) in results[:-1]]
    return answers
