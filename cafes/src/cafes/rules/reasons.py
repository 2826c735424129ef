"""Why a cafe is not published (C5): a code for programs, a sentence for people."""

from dataclasses import dataclass
from typing import Literal

ReasonCode = Literal[
    "name_missing",
    "name_too_long",
    "name_garbled",
    "city_missing",
    "address_missing",
    "postcode_unreadable",
    "website_scheme",
    "website_unreadable",
    "coordinates_incomplete",
    "coordinates_unreadable",
    "coordinates_out_of_range",
    "coordinates_zero",
    "duplicate_same_address",
    "duplicate_nearby",
]


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that keeps a cafe from being published.

    As text it is `code: sentence`, which is how it is stored: split at the first ':' to get the code back.
    """

    code: ReasonCode
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


def quoted(value: str, longest: int = 60) -> str:
    """A piece of somebody's input inside a sentence, cut short so that a reason stays one line."""
    return f"'{value[:longest]}…'" if len(value) > longest else f"'{value}'"
