"""What a job is given: typed here, camelCase JSON on the wire."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from barback.errors import InvalidPayload


class Payload(BaseModel, frozen=True):
    """The base of all payloads: frozen, snake_case in Python, camelCase on the wire, unknown fields refused.

    Subclasses say `frozen=True` too: `class ProcessCafe(Payload, frozen=True)`.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="forbid",
    )

    def unique(self) -> str | None:
        """The key of which at most one job waits and one runs (P4). None: any number."""
        return None


class NoPayload(Payload, frozen=True):
    """For jobs that need to be told nothing: `{}` on the wire."""


PayloadT = TypeVar("PayloadT", bound=Payload)


def parse_payload(kind: type[PayloadT], text: str, job_name: str) -> PayloadT:
    """JSON text as a payload.

    :raises InvalidPayload: has one line for each field that is wrong.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        raise InvalidPayload(job_name, [_line(e["loc"], e["msg"]) for e in wrong]) from None


def _line(location: tuple[int | str, ...], message: str) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")
    return f"{path}: {message}" if path else message
