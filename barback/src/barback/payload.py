"""What a job is given: typed here, camelCase JSON on the wire."""

import json
from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from barback.errors import InvalidPayload

Place = tuple[int | str, ...]
"""Where a value is in JSON: keys and indexes, from the outside in."""


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
        # pydantic writes null for NaN unless told so; then nobody could see that it was there.
        ser_json_inf_nan="constants",
    )

    unique_by: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that make the key of `unique`. TypeScript's client makes the same key, so name them here
    rather than write a `unique` of your own if it enqueues this job too."""

    def unique(self) -> str | None:
        """The key of which at most one job waits and one runs (P4). None: any number."""
        return unique_key(self, self.unique_by) if self.unique_by else None


class NoPayload(Payload, frozen=True):
    """For jobs that need to be told nothing: `{}` on the wire."""


PayloadT = TypeVar("PayloadT", bound=Payload)


def unique_key(payload: BaseModel, names: Iterable[str]) -> str:
    """These fields as they stand on the wire, in their order: JSON as JavaScript writes it."""
    # Each by itself: of many fields those that are not asked for cost nothing.
    values = payload.model_dump(mode="json", include=set(names), by_alias=False)
    return json.dumps([values[name] for name in names], ensure_ascii=False, separators=(",", ":"))


def parse_payload(kind: type[PayloadT], text: str, job_name: str) -> PayloadT:
    """JSON text as a payload.

    :raises InvalidPayload: has one line for each field that is wrong.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False)
        raise InvalidPayload(job_name, [line_of(e["loc"], _clear(e["msg"])) for e in wrong]) from None


def write_value(value: Any) -> bytes:
    """A result or a progress as JSON; null stands for NaN and infinity, as in JavaScript.

    :raises ValueError: it cannot be written.
    """
    text = to_json(value, by_alias=True, inf_nan_mode="null")
    if b"NaN" in text or b"Infinity" in text:
        # A payload writes them whatever it is asked for.
        text = to_json(json.loads(text), inf_nan_mode="null")
    return text


def line_of(place: Place, message: str) -> str:
    """What is wrong, after where it is: `sentTo.lines[0]: Field required`."""
    return f"{path_of(place)}: {message}" if place else message


def path_of(place: Place) -> str:
    """`sentTo.lines[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _clear(message: str) -> str:
    # pydantic's own limit, which it does not name, and which cannot be set.
    return message.replace("recursion limit exceeded", "nested deeper than the 201 levels that can be read,")
