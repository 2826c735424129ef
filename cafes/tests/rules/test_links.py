"""Web addresses of cafes (C5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafes.rules.links import clean_link


@pytest.mark.parametrize(
    ("given_link", "link"),
    [
        ("https://cafe.example/Karte?x=1#y", "https://cafe.example/Karte?x=1#y"),
        ("HTTP://Cafe.Example/Karte", "http://cafe.example/Karte"),
        ("cafe.example", "https://cafe.example"),
        ("www.cafe.example/karte", "https://www.cafe.example/karte"),
        ("cafe.example:8080/x", "https://cafe.example:8080/x"),
        ("//cafe.example", "https://cafe.example"),
        ("café-münchen.example", "https://café-münchen.example"),
        ("  https://cafe.example \n", "https://cafe.example"),
    ],
)
def test_links_get_a_scheme_and_a_lowercase_host(given_link: str, link: str) -> None:
    assert clean_link(given_link) == (link, None)


@pytest.mark.parametrize(
    ("given_link", "code"),
    [
        ("javascript:alert(1)", "website_scheme"),
        ("JavaScript://cafe.example/%0aalert(1)", "website_scheme"),
        ("mailto:hallo@cafe.example", "website_scheme"),
        ("ftp://cafe.example", "website_scheme"),
        ("data:text/html,x", "website_scheme"),
        ("http://[::1", "website_unreadable"),
        ("http://cafe.example:99999", "website_unreadable"),
        ("https://bank.example@evil.example", "website_unreadable"),
        ("https://", "website_unreadable"),
        ("https://localhost", "website_unreadable"),
        ("https://cafe .example", "website_unreadable"),
        ("facebook, siehe dort", "website_unreadable"),
        ("-", "website_unreadable"),
    ],
)
def test_what_is_no_web_address_is_a_reason(given_link: str, code: str) -> None:
    """C5."""
    link, reason = clean_link(given_link)
    assert link is None
    assert reason is not None
    assert reason.code == code


def test_no_link_is_no_reason() -> None:
    assert clean_link(" ") == (None, None)


@given(st.text(st.characters()) | st.from_regex(r"(https?:)?//[\w.\[\]:@-]{1,30}/?.{0,10}", fullmatch=True))
def test_cleaning_any_link_twice_changes_nothing_more(text: str) -> None:
    link, reason = clean_link(text)
    if link is not None:
        assert reason is None
        assert clean_link(link) == (link, None)
