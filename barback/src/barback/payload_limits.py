"""A payload as it is written: how large and how deep it may be, and what JSON or Node cannot hold.

One look at the text (`payload_text`), and only for what its type can hold (`payload_traits`), mostly says that all is
well; only where it does not are the values gone through one by one.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from math import isfinite
from types import NoneType
from typing import Any, cast
from uuid import UUID

import structlog
from pydantic import BaseModel

from barback.errors import InvalidPayload
from barback.payload import Place, line_of, path_of
from barback.payload_text import is_shallow, may_hold_large, may_hold_nan
from barback.payload_traits import traits_of
from barback.seldom import Seldom

log: structlog.stdlib.BoundLogger = structlog.get_logger("barback.payload")

KB = 1024
LARGEST_EXACT = 2**53 - 1
"""Whole numbers beyond it, on either side of zero, are rounded when Node reads them."""
MOST_LINES = 10
"""Places named of one payload."""

LEAVES = (str, int, float, NoneType, UUID, date, time)
"""What holds nothing else, of what is usual in a payload."""
SMALL_ENOUGH = 16 * KB
"""Bytes of a payload in which large numbers are looked for each time."""

_seldom = Seldom(60.0)
_often = Seldom(1.0)


@dataclass(frozen=True, slots=True)
class PayloadLimits:
    """How much one payload may be. Bytes are those of its JSON in UTF-8; 0: any number.

    `warn_bytes`: a larger one is logged, at most once a minute a job name. `limit_bytes`: a larger one is refused.
    `depth`: levels of objects and lists, the payload itself being the first. pydantic reads 201, Lua's cjson 1,000.
    """

    warn_bytes: int = 256 * KB
    limit_bytes: int = 2048 * KB
    depth: int = 100

    @property
    def unremarkable_bytes(self) -> int:
        """So many nobody minds."""
        return 0 if 0 in (self.warn_bytes, self.limit_bytes) else min(self.warn_bytes, self.limit_bytes)


def write_payload(payload: BaseModel, job_name: str, limits: PayloadLimits) -> str:
    """A payload as JSON.

    :raises InvalidPayload: it is too large or too deep, or holds what JSON cannot: NaN, infinity, a lone surrogate.
    """
    try:
        # What `model_dump_json` calls, before it makes a text of it: the bytes are needed here.
        text = type(payload).__pydantic_serializer__.to_json(payload)
    except ValueError as error:
        # pydantic gives up at 254 levels, and does not say where.
        refuse_depth(payload, job_name, limits)
        raise InvalidPayload(job_name, [f"it cannot be written as JSON: {error}"]) from None
    if len(text) > limits.unremarkable_bytes:
        check_size(len(text), job_name, limits)
    if _may_be_wrong(payload, text, job_name, limits):
        _check_values(payload.model_dump(mode="json"), job_name, limits)
    return text.decode()


def write_raw(data: Any, job_name: str, limits: PayloadLimits) -> str:
    """A value of unknown shape as JSON.

    :raises InvalidPayload: it is no JSON value, or too deep.
    """
    try:
        text = json.dumps(data, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, RecursionError):
            refuse_depth(data, job_name, limits)
        found = [line_of(place, _no_number(it)) for place, it in _places(data, limits.depth) if _is_no_number(it)]
        lines = [f"it is not a JSON value: {line}" for line in found[:MOST_LINES] or [str(error)]]
        raise InvalidPayload(job_name, lines) from None
    if not is_shallow(text.encode(), limits.depth):
        refuse_depth(data, job_name, limits)
    return text


def refuse_depth(data: Any, job_name: str, limits: PayloadLimits) -> None:
    """Refuse a value with more levels than the limit, as one that holds itself has.

    :raises InvalidPayload: names the first place that is too deep.
    """
    for place, value in _places(data, limits.depth):
        _check_level(place, value, job_name, limits)


# ── size ────────────────────────────────────────────────────────────────────────────────────────────────


def check_size(size: int, job_name: str, limits: PayloadLimits) -> None:
    """Refuse a payload of so many bytes, or warn of it, as the limits say.

    :raises InvalidPayload: it is too large.
    """
    if 0 < limits.limit_bytes < size:
        raise InvalidPayload(
            job_name,
            [
                f"it is {_kb(size)} of JSON, and the limit is {_kb(limits.limit_bytes)} (BARBACK_PAYLOAD_LIMIT_KB). "
                "Store it elsewhere and enqueue its address"
            ],
        )
    if 0 < limits.warn_bytes < size and _seldom.may_say(("size", job_name)):
        log.warning("payload is large: better store it elsewhere and enqueue its address", job=job_name, bytes=size)


def _kb(size: int) -> str:
    return f"{-(-size // KB):,} KB"


# ── the look before ─────────────────────────────────────────────────────────────────────────────────────


def _may_be_wrong(payload: BaseModel, text: bytes, job_name: str, limits: PayloadLimits) -> bool:
    """Whether anything can be in it that must be looked for among its values."""
    traits = traits_of(type(payload))
    return (
        (traits.floats and may_hold_nan(text))
        or ((traits.silent or traits.loose) and b"null" in text and (traits.silent or _may_be_silent(payload)))
        or ((traits.levels is None or traits.levels > limits.depth) and not is_shallow(text, limits.depth))
        or (traits.integers and _is_worth_it(text, job_name) and may_hold_large(text))
    )


def _may_be_silent(value: BaseModel) -> bool:
    """Whether a model that writes NaN as null may be in it; True also for whatever is not plain."""
    rest: list[Any] = [value]
    while rest:
        one = rest.pop()
        if isinstance(one, dict):
            rest += cast("dict[Any, Any]", one).values()
        elif isinstance(one, list | tuple):
            rest += cast("list[Any]", one)
        elif isinstance(one, BaseModel) and one.model_config.get("ser_json_inf_nan") == "constants":
            rest += [inner for _, inner in one]
        elif not isinstance(one, LEAVES):
            return True
    return False


def _is_worth_it(text: bytes, job_name: str) -> bool:
    """Whether to look for what is only warned of: always in a small payload, at times in large ones."""
    return len(text) < SMALL_ENOUGH or _often.may_say(job_name)


# ── the values ──────────────────────────────────────────────────────────────────────────────────────────


def _check_values(data: Any, job_name: str, limits: PayloadLimits) -> None:
    wrong: list[str] = []
    for place, value in _places(data, limits.depth):
        _check_level(place, value, job_name, limits)
        if _is_no_number(value):
            wrong.append(line_of(place, _no_number(value)))
        elif isinstance(value, int) and abs(value) > LARGEST_EXACT:
            _warn_of_rounding(job_name, place, value)
    if wrong:
        raise InvalidPayload(job_name, wrong[:MOST_LINES])


def _check_level(place: Place, value: Any, job_name: str, limits: PayloadLimits) -> None:
    if len(place) >= limits.depth and isinstance(value, dict | list | tuple | BaseModel):
        path = path_of(place)
        shown = path if len(path) <= 100 else f"{path[:60]}…{path[-30:]}"
        raise InvalidPayload(job_name, [f"{shown}: it is nested deeper than {limits.depth} levels"])


def _warn_of_rounding(job_name: str, place: Place, value: int) -> None:
    # All items of a list are one place: a list of a million ids shall not be a million lines.
    if _seldom.may_say(("number", job_name, *(part for part in place if isinstance(part, str)))):
        log.warning(
            "Node reads this number inexactly (it is beyond 2**53 - 1): better send it as a text",
            job=job_name,
            place=path_of(place),
            number=str(value),
        )


def _is_no_number(value: Any) -> bool:
    return isinstance(value, float) and not isfinite(value)


def _no_number(value: float) -> str:
    name = "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 — only NaN does
    return f"{name} cannot be written as JSON"


def _places(data: Any, depth: int) -> Iterator[tuple[Place, Any]]:
    """Every value in it, in the order of its JSON, and where it is; not what is inside of more than `depth` levels."""
    rest: list[tuple[Place, Any]] = [((), data)]
    while rest:
        place, value = rest.pop()
        yield place, value
        if len(place) < depth:
            rest += [((*place, part), inner) for part, inner in reversed(list(_inside(value)))]


def _inside(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        for name, inner in value:
            info = fields.get(name)
            yield (info and info.serialization_alias) or name, inner
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[Any, Any]", value).items():
            yield str(key), inner
    elif isinstance(value, list | tuple):
        yield from enumerate(cast("list[Any]", value))
