"""CSV as people have it: every row comes out, as a cafe or as refused (C1)."""

import csv
import io
import os
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cafes import sample
from cafes.errors import NotCsv
from cafes.importing.columns import read_header
from cafes.importing.reader import CafeFile, Refused, Row
from cafes.importing.records import LONGEST_LINE, LONGEST_RECORD
from cafes.rules import RawCafe

Read = Callable[[str | bytes], list[Row | Refused]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_content(content: str | bytes) -> list[Row | Refused]:
        file = tmp_path / "cafes.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        with CafeFile(file) as cafes:
            return list(cafes)

    return read_content


def taken(rows: list[Row | Refused]) -> list[RawCafe]:
    return [row.cafe for row in rows if isinstance(row, Row)]


def refused(rows: list[Row | Refused]) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in rows if isinstance(row, Refused)]


BLAU = RawCafe(name="Café Blau", city="Köln", address="Domplatz 1, 50667 Köln")


# ── shapes of files ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_separators_and_line_ends_are_found(read: Read, separator: str, end: str) -> None:
    lines = [["name", "city", "address"], ["Café Blau", "Köln", '"Domplatz 1, 50667 Köln"']]
    assert taken(read(end.join(separator.join(line) for line in lines))) == [BLAU]


def test_the_separator_is_the_one_that_names_columns_not_the_most_frequent(read: Read) -> None:
    content = "name;city;notes, hints, and, more;address\nCafé Blau;Köln;x;Domplatz 1, 50667 Köln\n"
    assert taken(read(content))[0].address == "Domplatz 1, 50667 Köln"


def test_excels_separator_line_is_skipped(read: Read) -> None:
    assert len(taken(read("sep=;\r\nname;city\r\nCafé Blau;Köln\r\n"))) == 1


def test_empty_lines_are_no_rows(read: Read) -> None:
    assert read("\n\nname,city\n\n  \nA,B\n\n\n\x1a") == [Row(6, RawCafe(name="A", city="B"))]


def test_a_line_of_separators_is_a_row_without_anything(read: Read) -> None:
    """C1."""
    assert refused(read("name,city\n,\n")) == [(2, "no name and no city")]


def test_a_header_alone_has_no_rows(read: Read) -> None:
    assert read("name,city\n") == []


def test_quotes_hold_separators_newlines_and_quotes(read: Read) -> None:
    content = 'name,city,address\n"Café ""Blau""",Köln,"Domplatz 1,\n50667 Köln"\nB,Bonn,\n'
    rows = read(content)
    assert taken(rows)[0] == RawCafe(name='Café "Blau"', city="Köln", address="Domplatz 1,\n50667 Köln")
    assert rows[1] == Row(4, RawCafe(name="B", city="Bonn"))


def test_quotes_inside_a_field_without_quotes_are_letters(read: Read) -> None:
    assert taken(read('name,city\nCafé "Blau",Köln\n'))[0].name == 'Café "Blau"'


def test_nul_bytes_do_not_end_a_file(read: Read) -> None:
    assert len(taken(read(b"name,city\nCaf\x00e,Bonn\nB,Bonn\n"))) == 2


def test_short_rows_lack_their_last_cells(read: Read) -> None:
    assert taken(read("name,city,address,comments\nCafé Blau,Köln\n")) == [RawCafe(name="Café Blau", city="Köln")]


def test_empty_surplus_cells_are_ignored(read: Read) -> None:
    assert taken(read("name,city\nA,B,,\n")) == [RawCafe(name="A", city="B")]


def test_a_pipe_can_be_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=["name,city\nA,B\n"])
    writer.start()
    with CafeFile(pipe) as cafes:
        assert len(taken(list(cafes))) == 1
    writer.join()


# ── columns ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        ("name,city,city_slug,address,comments", ["name", "city", "city_slug", "address", "comments"]),
        ("Name, STADT ,City Slug,Straße,PLZ", ["name", "city", "city_slug", "address", "postcode"]),
        ("cafe,ort,citySlug,Anschrift,Bemerkung", ["name", "city", "city_slug", "address", "comments"]),
        ("name,city,lat,lng,url", ["name", "city", "latitude", "longitude", "website"]),
        ("name,city,Latitude,lon,Homepage", ["name", "city", "latitude", "longitude", "website"]),
        ("name,city,Breitengrad,Längengrad,Post-Code", ["name", "city", "latitude", "longitude", "postcode"]),
        ("name,city,rating", ["name", "city", None]),
    ],
)
def test_columns_are_known_by_many_names(header: str, fields: list[str | None]) -> None:
    assert list(read_header(header.split(",")).fields) == fields


def test_columns_may_stand_in_any_order_and_be_missing(read: Read) -> None:
    assert taken(read("city_slug,rating,name\nkoeln,5,Café Blau\n")) == [RawCafe(name="Café Blau", city_slug="koeln")]


def test_columns_that_are_not_read_are_named(tmp_path: Path) -> None:
    file = tmp_path / "cafes.csv"
    file.write_text("name,rating,city, opened ,\nA,5,B,1999,\n")
    with CafeFile(file) as cafes:
        assert cafes.ignored_columns == ("rating", "opened")


def test_of_two_columns_for_one_field_the_first_with_a_value_counts(read: Read) -> None:
    assert [cafe.website for cafe in taken(read("name,city,website,url\nA,B,,x.example\nA,B,y.example,z\n"))] == [
        "x.example",
        "y.example",
    ]


@pytest.mark.parametrize("content", ["country,name_en\nGreece,Athens\n", "Café Blau,Köln\n", "name\nA\n", '"name,city'])
def test_a_file_without_a_header_is_refused_whole(read: Read, content: str) -> None:
    with pytest.raises(NotCsv, match=r"no header\. Expected a first line with the columns 'name' and 'city'"):
        read(content)


# ── refused rows ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",Köln,", "no name"),
        ("Café Blau,,x", "no city"),
        (" \u200b ,\u00a0,x", "no name and no city"),
        ("Café Blau,Köln,Domplatz 1, 50667 Köln", "4 cells where the header has 3"),
        ('"Café "Blau"",Köln,x', "a quote inside a quoted field"),
        ('Café,Köln,"Domplatz', f"a quote is opened and not closed within {LONGEST_RECORD} lines"),
        ("x" * 140_000 + ",Köln,", "a field is longer than 131072 characters"),
    ],
    ids=["no name", "no city", "invisible", "surplus", "quote inside", "quote open", "too long"],
)
def test_a_row_that_cannot_be_taken_is_named_and_costs_no_other(read: Read, line: str, reason: str) -> None:
    """C1."""
    rows = read(f"name,city,address\nVorher,Bonn,\n{line}\nNachher,Bonn,\n")
    assert [cafe.name for cafe in taken(rows)] == ["Vorher", "Nachher"]
    ((number, said),) = refused(rows)
    assert number == 3
    assert said.startswith(reason)


def test_an_open_quote_swallows_no_rows_even_if_a_later_one_closes_it(read: Read) -> None:
    """C1. Read leniently, two rows would become one."""
    rows = read('name,city,address\nA,Bonn,"Weg 1\nB,Bonn,"Weg 2"\nC,Bonn,\n')
    assert [cafe.name for cafe in taken(rows)] == ["B", "C"]
    assert [line for line, _ in refused(rows)] == [2]


def test_an_open_quote_far_from_the_end_costs_its_own_row_only(read: Read) -> None:
    rows = read('name,city,address\nA,Bonn,"Weg 1\n' + "B,Bonn,\n" * (3 * LONGEST_RECORD))
    assert len(taken(rows)) == 3 * LONGEST_RECORD
    assert [line for line, _ in refused(rows)] == [2]


def test_a_line_without_an_end_is_no_csv(read: Read) -> None:
    with pytest.raises(NotCsv, match="line 2 is longer than 1,000,000 characters"):
        read("name,city\n" + "x" * LONGEST_LINE)


cells = st.text(st.sampled_from('ab ,;"\n\r\tä\x00'), max_size=6)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(cells, cells, cells), max_size=8))
def test_every_row_that_a_program_writes_is_taken_or_refused(read: Read, table: list[tuple[str, str, str]]) -> None:
    """C1."""
    content = io.StringIO(newline="")
    writer = csv.writer(content, quoting=csv.QUOTE_ALL)
    writer.writerow(["name", "city", "address"])
    writer.writerows(table)
    rows = read(content.getvalue())
    assert len(rows) == len(table)
    for (name, city, address), row in zip(table, rows, strict=True):
        if isinstance(row, Row):
            assert (row.cafe.name, row.cafe.city, row.cafe.address) == (name, city, address)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from('aä,;"\n\r\t \x00'), max_size=60))
def test_no_text_after_the_header_breaks_reading(read: Read, text: str) -> None:
    lines = {row.line for row in read("name,city\n" + text)}
    assert all(line >= 2 for line in lines)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "big.csv"
    sample.write_file(file, 20_000)
    tracemalloc.start()
    with CafeFile(file) as cafes:
        count = sum(1 for _ in cafes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 1_000_000
