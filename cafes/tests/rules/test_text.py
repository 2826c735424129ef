"""Cleaning text, slugs and keys (C4)."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafes.rules import clean_text, slugify
from cafes.rules.text import LONGEST_KEY, LONGEST_SLUG, key_of

any_text = st.text(st.characters())  # lone surrogates and control characters too


@pytest.mark.parametrize(
    ("given_text", "cleaned"),
    [
        ("  Café \t Blau\r\n", "Café Blau"),
        ("Cafe\u0301", "Café"),
        ("Mokka\u00a0Bar", "Mokka Bar"),
        ("Nul\x00Bar", "Nul Bar"),
        ("\ufeffCaf\u200bé\u202e", "Café"),
        ("lost \ud800 half", "lost half"),
        ("👩\u200d🍳 Café", "👩\u200d🍳 Café"),  # a joiner holds the cook together
        ("", ""),
    ],
)
def test_text_is_cleaned(given_text: str, cleaned: str) -> None:
    assert clean_text(given_text) == cleaned


@given(any_text)
def test_cleaning_text_twice_changes_nothing_more(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once


@given(any_text)
def test_clean_text_can_be_stored_and_shown(text: str) -> None:
    cleaned = clean_text(text)
    cleaned.encode()
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not any(unicodedata.category(char) == "Cc" for char in cleaned)
    assert "  " not in cleaned
    assert cleaned == cleaned.strip()


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Düsseldorf", "duesseldorf"),
        ("düsseldorf", "duesseldorf"),
        ("Du\u0308sseldorf", "duesseldorf"),
        ("duesseldorf", "duesseldorf"),
        ("DÜSSELDORF", "duesseldorf"),
        ("Große Straße", "grosse-strasse"),
        ("STÜH33 Café", "stueh33-cafe"),
        ("Königstraße", "koenigstrasse"),
        ("GROẞ", "gross"),
        ("Kraków", "krakow"),
        ("İzmir", "izmir"),
        ("Київ", "kiiv"),
        ("北京", "beijing"),
        ("Das Johann's Café", "das-johanns-cafe"),
        ("Back Office Bonn Café (B.O.B.)", "back-office-bonn-cafe-b-o-b"),
        ("!!!", ""),
    ],
)
def test_a_slug_is_transliterated_german_first(text: str, slug: str) -> None:
    """C4."""
    assert slugify(text) == slug


@given(any_text)
def test_a_slug_has_only_letters_digits_and_inner_hyphens(text: str) -> None:
    slug = slugify(text)
    assert slug == "" or re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)
    assert len(slug) <= LONGEST_SLUG
    assert slugify(slug) == slug


@given(any_text)
def test_a_key_fits_an_index_and_is_empty_only_for_nothing(text: str) -> None:
    key = key_of(text)
    assert len(key) <= LONGEST_KEY
    assert bool(key) == bool(text)


def test_long_names_that_differ_at_the_end_have_different_keys() -> None:
    assert key_of("a" * 500 + "b") != key_of("a" * 500 + "c")


def test_names_without_a_letter_have_keys_of_their_own() -> None:
    assert key_of("!!!") != key_of("???")
