"""The project's own sample: made-up cafes in real cities, with the flaws that lists of cafes have. Seeded.

Among a hundred rows: some repeat an earlier one, some do so a few metres away, some lack something or hold nonsense.
"""

import csv
import random
import unicodedata
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from cafes.sample.words import CITIES, COMMENTS, KINDS, OWNERS, WORDS, City

DEFAULT_ROWS = 360
DEFAULT_SEED = 7

COLUMNS = ("name", "city", "city_slug", "address", "comments", "lat", "lon", "website")
SampleRow = dict[str, str]

_REMEMBERED = 200
"""Rows that a later one may repeat: not all, so that memory does not grow with their number."""


def rows(count: int, seed: int = DEFAULT_SEED) -> Iterator[SampleRow]:
    """`count` rows, the same for the same seed. All cities come up before any comes up twice."""
    rng = random.Random(seed)  # noqa: S311 — a sample, not a secret
    earlier: deque[SampleRow] = deque(maxlen=_REMEMBERED)
    for number in range(count):
        draw = rng.random()
        if earlier and draw < 0.03:
            row = _repeated(rng, rng.choice(earlier))
        elif earlier and draw < 0.06:
            row = _next_door(rng, rng.choice(earlier))
        else:
            city = CITIES[number] if number < len(CITIES) else rng.choice(CITIES)
            row = _new(rng, city)
            earlier.append(row)
            row = _flawed(rng, row) if draw > 0.9 else row
        yield row


def write(text: TextIO, count: int = DEFAULT_ROWS, seed: int = DEFAULT_SEED) -> None:
    """Write a CSV of that many rows."""
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([row[column] for column in COLUMNS] for row in rows(count, seed))


def write_file(path: Path, count: int = DEFAULT_ROWS, seed: int = DEFAULT_SEED) -> None:
    """Write a CSV file of that many rows."""
    with path.open("w", encoding="utf-8", newline="") as text:
        write(text, count, seed)


def _new(rng: random.Random, city: City) -> SampleRow:
    latitude, longitude = city.latitude + rng.gauss(0, 0.02), city.longitude + rng.gauss(0, 0.03)
    located = rng.random() < 0.7
    name = _name(rng)
    return {
        "name": name,
        "city": rng.choice(city.spellings) if rng.random() < 0.1 else city.name,
        "city_slug": city.slug if rng.random() < 0.8 else "",
        "address": f"{rng.choice(city.streets)} {rng.randint(1, 180)}, {rng.choice(city.postcodes)} {city.name}",
        "comments": rng.choice(COMMENTS),
        "lat": f"{latitude:.6f}" if located else "",
        "lon": f"{longitude:.6f}" if located else "",
        "website": _website(rng, name),
    }


def _name(rng: random.Random) -> str:
    kind, word, owner = rng.choice(KINDS), rng.choice(WORDS), rng.choice(OWNERS)
    patterns = (
        f"{kind} {word}",
        f"{kind} {owner}",
        f"{owner}s {kind}",
        f"{word} & {rng.choice(WORDS)}",
        f"{kind} {owner} & {rng.choice(OWNERS)}",
        f"{word} {kind} {rng.randint(1, 99)}",
        f"{owner} {word}",
    )
    return rng.choice(patterns)


def _website(rng: random.Random, name: str) -> str:
    if rng.random() < 0.5:
        return ""
    host = "".join(char for char in name.lower() if char.isascii() and char.isalnum()) or "cafe"
    return rng.choice(("https://", "http://www.", "www.", "")) + f"{host}.example"


def _repeated(rng: random.Random, row: SampleRow) -> SampleRow:
    """The same cafe as somebody else typed it."""
    name, address = row["name"], row["address"]
    return row | {
        "name": rng.choice((name, name.upper(), f"  {name} ", unicodedata.normalize("NFD", name))),
        "address": rng.choice((address, address.replace("straße", "str."), address.replace(" ", "  "))),
        "comments": "",
    }


def _next_door(rng: random.Random, row: SampleRow) -> SampleRow:
    """The same cafe with another house number: a duplicate if its place is known."""
    if not row["lat"]:
        return dict(row)
    return row | {
        "address": row["address"].replace(",", " a,", 1),
        # A ten-thousandth of a degree is eleven metres at most.
        "lat": f"{float(row['lat']) + rng.uniform(-0.0003, 0.0003):.6f}",
        "lon": f"{float(row['lon']) + rng.uniform(-0.0003, 0.0003):.6f}",
    }


def _flawed(rng: random.Random, row: SampleRow) -> SampleRow:
    flaws: tuple[SampleRow, ...] = (
        {"address": ""},
        {"lat": row["lat"] or "51.3", "lon": ""},
        {"lat": "951.34", "lon": row["lon"] or "12.37"},
        {"lat": "n/a", "lon": "n/a"},
        {"lat": "0", "lon": "0"},
        {"lat": row["lat"].replace(".", ","), "lon": row["lon"].replace(".", ",")},
        {"website": "javascript:alert(1)"},
        {"website": "facebook, siehe dort"},
        {"city": "", "city_slug": ""} if rng.random() < 0.3 else {"city_slug": ""},
        {"name": ""} if rng.random() < 0.3 else {"name": row["name"].replace(" ", "\t")},
    )
    return row | rng.choice(flaws)
