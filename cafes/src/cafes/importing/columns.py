"""Which column of a file is which field of a cafe."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from cafes.rules import RawCafe, slugify

_SYNONYMS = {
    "name": "name cafe cafename title titel bezeichnung",
    "city": "city town stadt ort cityname gemeinde",
    "city_slug": "cityslug stadtslug",
    "address": "address adresse anschrift street strasse addr fulladdress formattedaddress location streetaddress",
    "comments": "comments comment kommentar kommentare bemerkung bemerkungen notes note notiz",
    "latitude": "latitude lat breitengrad breite geolat",
    "longitude": "longitude lon lng long laengengrad laenge geolon geolng",
    "website": "website url link web webseite homepage internet www",
    "postcode": "postcode postalcode zip zipcode plz postleitzahl",
}
_FIELDS = {synonym: field for field, synonyms in _SYNONYMS.items() for synonym in synonyms.split()}
_FIELD_NAMES = tuple(field.name for field in fields(RawCafe))


@dataclass(frozen=True, slots=True)
class Header:
    """What each column is, in their order; None: a column that is not read. `ignored`: the names of those."""

    fields: tuple[str | None, ...]
    ignored: tuple[str, ...]

    @property
    def known(self) -> int:
        return sum(field is not None for field in self.fields)

    @property
    def is_complete(self) -> bool:
        return "name" in self.fields and ("city" in self.fields or "city_slug" in self.fields)

    def read(self, cells: Sequence[str]) -> RawCafe:
        """The cafe in these cells. Of two columns for one field the first that is not empty counts."""
        values = dict.fromkeys(_FIELD_NAMES, "")
        for field, cell in zip(self.fields, cells, strict=False):
            if field is not None and not values[field].strip():
                values[field] = cell
        return RawCafe(**values)


def read_header(cells: Sequence[str]) -> Header:
    """Columns by their names, whatever their case, spaces and hyphens."""
    found = tuple(_FIELDS.get(re.sub("[^a-z0-9]", "", slugify(cell))) for cell in cells)
    ignored = tuple(cell.strip() for cell, field in zip(cells, found, strict=True) if field is None and cell.strip())
    return Header(found, ignored)
