"""Coordinates, distances and postcodes (C5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafes.rules.locating import Coordinates, clean_coordinates, clean_postcode, distance_m


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [("51.34", "12.37"), ("51,34", "12,37"), (" 51.34 ", "12.37\n"), ("+51.34°", "12.37°"), ("51.340", "12.370")],
)
def test_coordinates_are_read_as_people_write_them(latitude: str, longitude: str) -> None:
    assert clean_coordinates(latitude, longitude) == (Coordinates(51.34, 12.37), None)


@pytest.mark.parametrize(
    ("latitude", "longitude", "code"),
    [
        ("51.34", "", "coordinates_incomplete"),
        ("", "12.37", "coordinates_incomplete"),
        ("951.34", "12.37", "coordinates_out_of_range"),
        ("51.34", "-180.5", "coordinates_out_of_range"),
        ("n/a", "n/a", "coordinates_unreadable"),
        ("nan", "inf", "coordinates_unreadable"),
        ("1e400", "1", "coordinates_unreadable"),
        ("\u0665\u0661", "\u0661\u0662", "coordinates_unreadable"),  # Arabic digits
        ("51.34, 12.37", "x", "coordinates_unreadable"),
        ("9" * 5000, "1", "coordinates_unreadable"),
        ("0", "0.0", "coordinates_zero"),
    ],
)
def test_wrong_coordinates_are_a_reason(latitude: str, longitude: str, code: str) -> None:
    """C5."""
    at, reason = clean_coordinates(latitude, longitude)
    assert at is None
    assert reason is not None
    assert reason.code == code


def test_no_coordinates_are_no_reason() -> None:
    assert clean_coordinates(" ", "") == (None, None)


def test_the_edges_of_the_earth_are_on_it() -> None:
    assert clean_coordinates("-90", "180") == (Coordinates(-90, 180), None)


@given(st.text(st.characters()), st.text(st.characters()))
def test_no_text_breaks_coordinates(latitude: str, longitude: str) -> None:
    at, reason = clean_coordinates(latitude, longitude)
    assert at is None or reason is None


def test_distances_are_in_metres() -> None:
    leipzig, dresden = Coordinates(51.3397, 12.3731), Coordinates(51.0504, 13.7373)
    assert distance_m(leipzig, dresden) == pytest.approx(100_300, rel=0.01)
    assert distance_m(Coordinates(0, 179.9999), Coordinates(0, -179.9999)) == pytest.approx(22.2, rel=0.01)


@pytest.mark.parametrize(
    ("address", "postcode"),
    [
        ("Große Heimstraße 45, 44137 Dortmund", "44137"),
        ("Alaunstraße 47, 01099 Dresden", "01099"),
        ("Mahlmannstraße 16, 04107 Leipzig, Deutschland", "04107"),
        ("12345 Weg 1, 44137 Dortmund", "44137"),
        ("Praterstraße 1, 1020 Wien", "1020"),
        ("ul. Grodzka 12, 31-044 Kraków", "31-044"),
        ("Prinsengracht 1, 1015 DK Amsterdam", "1015 DK"),
        ("Rua Augusta 5, 1100-048 Lisboa", "1100-048"),
        ("1 Brick Lane, London E1 6PU", "E1 6PU"),
        ("Dlouhá 3, 110 00 Praha", "110 00"),
        ("Hauptstraße 1900", None),
        ("", None),
    ],
)
def test_the_postcode_is_found_in_the_address(address: str, postcode: str | None) -> None:
    assert clean_postcode("", address) == (postcode, None)


def test_a_given_postcode_wins() -> None:
    assert clean_postcode(" e1 6pu ", "Hauptstraße 3, 44137 Dortmund") == ("E1 6PU", None)


@pytest.mark.parametrize("given_postcode", ["unbekannt", "12345678901234", "<b>", "-"])
def test_a_given_postcode_that_is_none_is_a_reason(given_postcode: str) -> None:
    """C5."""
    postcode, reason = clean_postcode(given_postcode, "Hauptstraße 3, 44137 Dortmund")
    assert postcode is None
    assert reason is not None
    assert reason.code == "postcode_unreadable"
