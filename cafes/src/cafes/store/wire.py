"""The store's values as the database's functions take and give them (JSON)."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from cafes.rules import CleanedCafe, Member, Verdict
from cafes.rules.locating import Coordinates
from cafes.store import Gone, ImportRow, Neighbour, Neighbourhood, Overtaken, RecordAnswer, Recorded, Stale

RAW_COLUMNS = ("name", "city", "city_slug", "address", "comments", "latitude", "longitude", "website", "postcode")
LOADED_COLUMNS = ("id", "position", "input_hash", *RAW_COLUMNS)

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


def answer_from_json(answer: dict[str, Any]) -> RecordAnswer:
    """What `record_cafe` says of itself."""
    match answer["outcome"]:
        case "recorded":
            return Recorded(answer["slug"], answer["cities"], answer["changed"])
        case "overtaken":
            return Overtaken(Neighbourhood(answer["seen"], tuple(_neighbour(given) for given in answer["neighbours"])))
        case "stale":
            return Stale()
        case _:
            return Gone()


def _neighbour(given: dict[str, Any]) -> Neighbour:
    latitude, longitude = given["latitude"], given["longitude"]
    at = None if latitude is None or longitude is None else Coordinates(latitude, longitude)
    member = Member(UUID(given["id"]), given["position"], given["address_key"], at, tuple(given["problems"]))
    return Neighbour(given["city_slug"], given["name_key"], member)
