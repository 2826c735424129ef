"""A whole cafe is cleaned, and all that is wrong with it is named (C4, C5)."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafes.rules import RawCafe, clean

GOOD = RawCafe(
    name=" Café  Blau",
    city="Düsseldorf",
    address="Große Str. 4,  40210 Düsseldorf",
    latitude="51,2",
    longitude="6.7",
    website="cafe-blau.example",
)

any_cafe = st.builds(RawCafe, **{field.name: st.text(st.characters()) for field in fields(RawCafe)})


def codes(raw: RawCafe) -> list[str]:
    return [problem.code for problem in clean(raw).problems]


def test_a_good_cafe_is_cleaned_and_has_no_problem() -> None:
    cleaned = clean(GOOD)
    assert (cleaned.name, cleaned.slug_base, cleaned.city_slug) == ("Café Blau", "cafe-blau", "duesseldorf")
    assert (cleaned.address, cleaned.postcode) == ("Große Str. 4, 40210 Düsseldorf", "40210")
    assert cleaned.website == "https://cafe-blau.example"
    assert cleaned.problems == ()


def test_a_bare_cafe_needs_a_name_a_city_and_an_address() -> None:
    assert codes(RawCafe()) == ["name_missing", "city_missing", "address_missing"]


@pytest.mark.parametrize(
    ("city", "city_slug", "expected"),
    [
        ("Düsseldorf", "", "duesseldorf"),
        ("", "düsseldorf", "duesseldorf"),
        ("Dusseldorf am Rhein", "Duesseldorf", "duesseldorf"),
        ("Köln", " KÖLN ", "koeln"),
        ("Köln", "???", "koeln"),
        ("???", "", None),
    ],
)
def test_a_given_slug_wins_over_the_name_and_is_normalised(city: str, city_slug: str, expected: str | None) -> None:
    """C4."""
    assert clean(RawCafe(name="x", city=city, city_slug=city_slug)).city_slug == expected


@pytest.mark.parametrize(
    ("name", "code"), [("x" * 201, "name_too_long"), ("Caf\ufffd", "name_garbled"), ("\x00\u200b", "name_missing")]
)
def test_a_name_that_cannot_be_shown_is_a_reason(name: str, code: str) -> None:
    """C5."""
    assert code in codes(RawCafe(name=name, city="Köln", address="Domplatz 1"))


def test_a_street_is_the_same_street_when_it_is_abbreviated() -> None:
    keys = {clean(RawCafe(address=text)).address_key for text in ("Große Str. 4", "große straße 4", "GROSSE STRASSE 4")}
    assert len(keys) == 1


def test_reasons_are_a_code_and_a_sentence() -> None:
    texts = [str(problem) for problem in clean(RawCafe(name="x", city="Köln", latitude="951", longitude="2")).problems]
    assert texts == [
        "address_missing: no address is given",
        "coordinates_out_of_range: the latitude 951 is not from -90 to 90",
    ]


@given(any_cafe)
def test_no_input_breaks_cleaning(raw: RawCafe) -> None:
    """C5."""
    cleaned = clean(raw)
    assert cleaned.slug_base
    assert all(len(str(problem)) < 400 for problem in cleaned.problems)


@given(any_cafe)
def test_cleaning_what_is_clean_changes_nothing_more(raw: RawCafe) -> None:
    once = clean(raw)
    again = clean(
        RawCafe(
            name=once.name,
            city=once.city_name,
            city_slug=once.city_slug or "",
            address=once.address,
            website=once.website or "",
            postcode=once.postcode or "",
        )
    )
    assert (again.name, again.address, again.city_slug) == (once.name, once.address, once.city_slug)
    assert (again.name_key, again.address_key, again.website) == (once.name_key, once.address_key, once.website)
    assert again.postcode == once.postcode
