"""The store's values as the database's functions take and give them (JSON).

What reads an answer raises `ValueError`, `LookupError` or `TypeError` if it has another form: something else gave it.
"""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from cafes.rules import CleanedCafe, Member, RawCafe, Verdict
from cafes.rules.locating import Coordinates
from cafes.store import (
    CityStatistics,
    Gone,
    ImportRow,
    Neighbour,
    Neighbourhood,
    Overtaken,
    RecordAnswer,
    Recorded,
    Stale,
    StoredCafe,
)

RAW_COLUMNS = ("name", "city", "city_slug", "address", "comments", "latitude", "longitude", "website", "postcode")
LOADED_COLUMNS = ("id", "position", "input_hash", *RAW_COLUMNS)

SLUGS = TypeAdapter(list[str])
IDS = TypeAdapter(list[UUID])
STATISTICS = TypeAdapter(list[CityStatistics])
FLAG = TypeAdapter(bool)
COUNT = TypeAdapter(int)
_ROWS = TypeAdapter(list[dict[str, str | int]])
_OBJECT = TypeAdapter(dict[str, Any])

_UNSTORABLE = dict.fromkeys((0, *range(0xD800, 0xE000)))
"""Postgres text holds neither NUL nor lone surrogates. Cleaning would drop them as well."""


def cleaned_to_json(cleaned: CleanedCafe) -> dict[str, Any]:
    at = cleaned.coordinates
    return {
        "name": cleaned.name,
        "name_key": cleaned.name_key if cleaned.city_slug else None,
        "slug_base": cleaned.slug_base,
        "city_name": cleaned.city_name,
        "city_slug": cleaned.city_slug,
        "address": cleaned.address,
        "address_key": cleaned.address_key,
        "postcode": cleaned.postcode,
        "website": cleaned.website,
        "latitude": at.latitude if at else None,
        "longitude": at.longitude if at else None,
        "problems": [str(problem) for problem in cleaned.problems],
    }


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    original = verdict.duplicate_of
    return {
        "id": str(verdict.id),
        "status": verdict.status,
        "reasons": list(verdict.reasons),
        "duplicate_of": str(original) if original else None,
    }


def row_to_json(row: ImportRow) -> dict[str, str]:
    return {"import_key": row.key} | {name: text.translate(_UNSTORABLE) for name, text in asdict(row.raw).items()}


def cafe_from_json(rows: object) -> StoredCafe | None:
    """Of a table's answer: its columns are `LOADED_COLUMNS`."""
    found = _ROWS.validate_python(rows)
    if not found:
        return None
    (row,) = found
    raw = RawCafe(**{name: str(row[name]) for name in RAW_COLUMNS})
    return StoredCafe(UUID(str(row["id"])), int(row["position"]), str(row["input_hash"]), raw)


def answer_from_json(said: object) -> RecordAnswer:
    """What `record_cafe` says of itself."""
    answer = _OBJECT.validate_python(said)
    match answer["outcome"]:
        case "recorded":
            return Recorded(answer["slug"], answer["cities"], answer["changed"])
        case "overtaken":
            return Overtaken(Neighbourhood(answer["seen"], tuple(_neighbour(given) for given in answer["neighbours"])))
        case "stale":
            return Stale()
        case "gone":
            return Gone()
        case other:
            raise ValueError(f"an outcome that is none: {other!r}")


def _neighbour(given: dict[str, Any]) -> Neighbour:
    latitude, longitude = given["latitude"], given["longitude"]
    at = None if latitude is None or longitude is None else Coordinates(latitude, longitude)
    member = Member(UUID(given["id"]), given["position"], given["address_key"], at, tuple(given["problems"]))
    return Neighbour(given["city_slug"], given["name_key"], member)
