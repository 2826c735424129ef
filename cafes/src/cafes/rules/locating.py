"""Where a cafe is: coordinates, distances, postcodes."""

import re
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt

from cafes.rules.reasons import Reason, quoted
from cafes.rules.text import clean_text

_EARTH_RADIUS_M = 6_371_008.8

_NUMBER = re.compile(r"[+-]?\d{1,12}(\.\d{1,30})?", re.ASCII)

_POSTCODES = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<![\w-])\d{5}(?![\w-])",  # DE, FR, IT, ES, FI, HR …
        r"(?<![\w-])\d{4}-\d{3}(?![\w-])",  # PT
        r"(?<![\w-])\d{2}-\d{3}(?![\w-])",  # PL
        r"(?<![\w-])\d{4} ?[A-Z]{2}(?![\w-])",  # NL
        r"(?<![\w-])[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}(?![\w-])",  # GB
        r"(?<![\w-])\d{3} \d{2}(?![\w-])",  # CZ, GR, SE, SK
        r"(?:(?<=, )|^)\d{4}(?= \D)",  # AT, BE, CH, DK: four digits alone may be a house number or a year
    )
)
_GIVEN_POSTCODE = re.compile(r"(?=.*\d)[A-Z0-9](?:[A-Z0-9 -]{0,8}[A-Z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Degrees, WGS 84: latitude from -90 to 90, longitude from -180 to 180."""

    latitude: float
    longitude: float


def clean_coordinates(latitude: str, longitude: str) -> tuple[Coordinates | None, Reason | None]:
    """Coordinates out of text, with a decimal point or comma; or the reason why not; or neither if none are given."""
    given = (clean_text(latitude), clean_text(longitude))
    if not any(given):
        return None, None
    if not all(given):
        missing = "longitude" if given[0] else "latitude"
        return None, Reason("coordinates_incomplete", f"the {missing} is missing")
    numbers: list[float] = []
    for name, text in zip(("latitude", "longitude"), given, strict=True):
        number = text.removesuffix("°").replace(",", ".")
        # float() also reads 'nan', '1e400', '1_0' and digits of other scripts.
        if not _NUMBER.fullmatch(number):
            return None, Reason("coordinates_unreadable", f"the {name} {quoted(text)} is not a number of degrees")
        numbers.append(float(number))
    return _checked(Coordinates(*numbers))


def distance_m(one: Coordinates, other: Coordinates) -> float:
    """Metres between two points over the surface of the earth (haversine)."""
    phi, other_phi = radians(one.latitude), radians(other.latitude)
    half = sin((other_phi - phi) / 2) ** 2
    half += cos(phi) * cos(other_phi) * sin(radians(other.longitude - one.longitude) / 2) ** 2
    return 2 * _EARTH_RADIUS_M * asin(min(1.0, sqrt(half)))


def clean_postcode(given: str, address: str) -> tuple[str | None, Reason | None]:
    """The given postcode, else the last one in the (clean) address; or the reason why a given one is none."""
    text = clean_text(given).upper()
    if text:
        if _GIVEN_POSTCODE.fullmatch(text):
            return text, None
        return None, Reason("postcode_unreadable", f"the postcode {quoted(text)} is none")
    for pattern in _POSTCODES:
        found = pattern.findall(address)
        if found:
            return str(found[-1]), None
    return None, None


def _checked(at: Coordinates) -> tuple[Coordinates | None, Reason | None]:
    if not -90 <= at.latitude <= 90:
        return None, Reason("coordinates_out_of_range", f"the latitude {at.latitude:g} is not from -90 to 90")
    if not -180 <= at.longitude <= 180:
        return None, Reason("coordinates_out_of_range", f"the longitude {at.longitude:g} is not from -180 to 180")
    if at.latitude == 0 == at.longitude:
        return None, Reason("coordinates_zero", "0, 0 lies in the Gulf of Guinea and stands for a missing value")
    return at, None
