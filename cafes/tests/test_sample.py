"""The project's own sample."""

from collections import Counter
from pathlib import Path

from cafes import sample
from cafes.importing.columns import read_header
from cafes.importing.reader import CafeFile, Refused, Row
from cafes.rules import RawCafe, clean
from cafes.sample.words import CITIES


def test_the_same_seed_makes_the_same_cafes_and_another_makes_others() -> None:
    assert list(sample.rows(50, 7)) == list(sample.rows(50, 7))
    assert list(sample.rows(50, 7)) != list(sample.rows(50, 8))


def test_the_default_is_three_hundred_cafes_or_more_in_twelve_cities() -> None:
    cleaned = [clean(_raw(row)) for row in sample.rows(sample.DEFAULT_ROWS)]
    assert len(cleaned) >= 300
    assert {each.city_slug for each in cleaned} - {None} == {city.slug for city in CITIES}
    assert len(CITIES) == 12


def test_it_has_the_flaws_that_lists_of_cafes_have() -> None:
    codes = Counter(problem.code for row in sample.rows(2_000) for problem in clean(_raw(row)).problems)
    wanted = {"address_missing", "coordinates_incomplete", "coordinates_out_of_range", "coordinates_unreadable"}
    wanted |= {"coordinates_zero", "website_scheme", "website_unreadable", "city_missing", "name_missing"}
    assert wanted <= set(codes)
    assert sum(codes.values()) < 400


def test_it_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "sample.csv"
    sample.write_file(file, 500, 3)
    with CafeFile(file) as cafes:
        rows = list(cafes)
    assert len(rows) == 500
    assert sum(isinstance(row, Row) for row in rows) > 480
    assert {row.reason for row in rows if isinstance(row, Refused)} <= {"no name", "no city"}


def _raw(row: sample.SampleRow) -> RawCafe:
    return read_header(list(row)).read(list(row.values()))
