"""Numbers that stand in Redis as text, where anybody may have written anything."""

from typing import Any

DIGITS = 17
"""What is longer counts nothing that exists; Python refuses to read what is much longer."""


def whole_number(text: Any) -> int | None:
    """A number from 0 on; None: there is none, or something else."""
    fits = isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= DIGITS
    return int(text) if fits else None
