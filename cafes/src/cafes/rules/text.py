"""Cleans text and makes slugs and keys out of it."""

import hashlib
import re
import unicodedata

from anyascii import anyascii

LONGEST_SLUG = 80
"""Characters. A collision suffix may come on top."""

LONGEST_KEY = 120
"""Characters. Keys are indexed, and a Postgres index entry has to fit a third of a page."""

# German reads ä as ae; transliterating tables read it as a. Every city would have two slugs.
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ẞ": "SS"})

# Not the joiners U+200C and U+200D: Persian and emoji need them.
_INVISIBLE = frozenset("\u00ad\u200b\u200e\u200f\u2060\ufeff\u061c") | {
    chr(code) for first, last in ((0x202A, 0x202E), (0x2066, 0x2069)) for code in range(first, last + 1)
}


def clean_text(text: str) -> str:
    """The same text for a reader: Unicode NFC, one space between words, none at the ends, nothing unprintable.

    Control characters part words; invisible marks (bidi, zero width) and lone surrogates, which Postgres cannot
    store, vanish. Idempotent.
    """
    if not text.isascii():
        text = "".join(char for char in text if char not in _INVISIBLE and not "\ud800" <= char <= "\udfff")
        text = unicodedata.normalize("NFC", text)
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(char) == "Cc" else char for char in text)
    return " ".join(text.split())


def slugify(text: str) -> str:
    """The text as it stands in an address: `a-z`, `0-9` and single inner hyphens, at most `LONGEST_SLUG` long.

    Empty when the text has nothing to transliterate. Idempotent.
    """
    return _dashed(text)[:LONGEST_SLUG].rstrip("-")


def key_of(text: str) -> str:
    """What two spellings of one thing have in common; texts that no slug can be made of keep a key of their own.

    Empty for an empty text only.
    """
    key = _dashed(text) or text.casefold()
    if len(key) <= LONGEST_KEY:
        return key
    return key[:LONGEST_SLUG] + "-" + hashlib.sha256(key.encode()).hexdigest()[:16]


def _dashed(text: str) -> str:
    german = unicodedata.normalize("NFC", text).translate(_GERMAN)
    # Apostrophes join (johanns, lviv); everything else that is no letter or digit parts.
    plain = anyascii(german).lower().replace("'", "")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
