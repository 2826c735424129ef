"""From what somebody typed to what can be shown and compared."""

from dataclasses import dataclass

from cafes.rules.links import clean_link
from cafes.rules.locating import Coordinates, clean_coordinates, clean_postcode
from cafes.rules.reasons import Reason, quoted
from cafes.rules.text import clean_text, key_of, slugify

LONGEST_NAME = 200
"""Characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawCafe:
    """A cafe as it was handed in: any text anywhere, empty where nothing was given."""

    name: str = ""
    city: str = ""
    city_slug: str = ""
    address: str = ""
    comments: str = ""
    latitude: str = ""
    longitude: str = ""
    website: str = ""
    postcode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanedCafe:
    """A cafe as it can be shown, and the keys by which it is compared. A function of its `RawCafe` alone.

    `city_slug` None: no city can be made out. `name_key` None: it has no name, so that nothing is its duplicate.
    `slug_base` is never empty; the store adds a suffix where it is taken.
    """

    name: str
    name_key: str | None
    slug_base: str
    city_name: str
    city_slug: str | None
    address: str
    address_key: str | None
    postcode: str | None
    website: str | None
    coordinates: Coordinates | None
    problems: tuple[Reason, ...]


def clean(raw: RawCafe) -> CleanedCafe:
    """Clean a cafe and name all that is wrong with it. Never raises: bad input is a reason (C5)."""
    name, address = clean_text(raw.name), clean_text(raw.address)
    city_name = clean_text(raw.city) or clean_text(raw.city_slug)
    city_slug = slugify(raw.city_slug) or slugify(raw.city) or None  # a given slug wins (C4)
    postcode, wrong_postcode = clean_postcode(raw.postcode, address)
    website, wrong_website = clean_link(raw.website)
    coordinates, wrong_coordinates = clean_coordinates(raw.latitude, raw.longitude)
    problems = (
        _wrong_name(name),
        None if city_slug else Reason("city_missing", "no city is given" if not city_name else _no_city(city_name)),
        None if address else Reason("address_missing", "no address is given"),
        wrong_postcode,
        wrong_website,
        wrong_coordinates,
    )
    return CleanedCafe(
        name=name,
        name_key=key_of(name) or None,
        slug_base=slugify(name) or "cafe",
        city_name=city_name,
        city_slug=city_slug,
        address=address,
        address_key=_address_key(address),
        postcode=postcode,
        website=website,
        coordinates=coordinates,
        problems=tuple(problem for problem in problems if problem),
    )


def _wrong_name(name: str) -> Reason | None:
    if not name:
        return Reason("name_missing", "no name is given")
    if len(name) > LONGEST_NAME:
        return Reason("name_too_long", f"the name has {len(name)} characters, more than {LONGEST_NAME}")
    if "\ufffd" in name:
        return Reason("name_garbled", f"the name {quoted(name)} holds characters that were lost on the way")
    return None


def _no_city(city_name: str) -> str:
    return f"no letter or digit is in the city's name {quoted(city_name)}"


def _address_key(address: str) -> str | None:
    # Große Str. 4 and Große Straße 4 are one address.
    return key_of(address).replace("strasse", "str") or None
