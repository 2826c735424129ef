"""What crosses the pipe between a worker and its processes: JSON, and a closed list of values. Never pickles."""

import json
from dataclasses import dataclass, fields
from typing import Any

from barback.answers import Created, Swallowed
from barback.broker import Completed, Failed, Retry
from barback.options import Deduplication, Retention
from barback.outcomes import Chance, Ending
from barback.retry import UNDECLARED, Custom, Exponential, Fixed


@dataclass(frozen=True, slots=True)
class Load:
    """To the child: import a job. It answers with `Answer` or `Refusal`."""

    module: str
    attribute: str


@dataclass(frozen=True, slots=True)
class Start:
    """To the child: run the job loaded last by this name. It answers with `Ending`, and before it with any `Call`s."""

    job_name: str
    queue: str
    job_id: str
    starts: int
    data: str
    """The payload, JSON text."""
    chance: Chance


@dataclass(frozen=True, slots=True)
class Cancel:
    """To the child: `ctx.cancelled` is set."""


@dataclass(frozen=True, slots=True)
class Call:
    """To the worker: what the handler does with its context. It answers with `Answer` or `Refusal`."""

    name: str
    given: Any


@dataclass(frozen=True, slots=True)
class Answer:
    value: Any = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """It raised. `kind`: the name of the error's type."""

    kind: str
    message: str


Message = Load | Start | Cancel | Call | Answer | Refusal | Ending

TAG = "barback"
VALUES = (
    *(Load, Start, Cancel, Call, Answer, Refusal, Ending, Chance),
    *(Completed, Retry, Failed, Created, Swallowed),
    *(Fixed, Exponential, Deduplication, Retention),
)
_BY_NAME = {kind.__name__: kind for kind in VALUES}


def pack(message: Message) -> bytes:
    """As bytes.

    :raises TypeError: something in it is neither JSON nor one of our values.
    """
    return json.dumps(message, default=_plain).encode()


def unpack(data: bytes) -> Any:
    """The message that was packed."""
    return json.loads(data, object_hook=_value)


def _plain(value: Any) -> Any:
    if isinstance(value, Custom):
        # A function: each side looks it up in the job's declaration, as it does for a job from Redis.
        return {TAG: "Custom"}
    if type(value) not in VALUES:
        raise TypeError(f"{value!r} cannot cross into another process")
    return {TAG: type(value).__name__, **{field.name: getattr(value, field.name) for field in fields(value)}}


def _value(plain: dict[str, Any]) -> Any:
    name = plain.pop(TAG, None)
    if name is None:
        return plain
    return UNDECLARED if name == "Custom" else _BY_NAME[name](**plain)
