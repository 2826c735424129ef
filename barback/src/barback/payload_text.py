"""A quick look at JSON as pydantic writes it: can something be in it that must then be looked for value by value?

Each look runs in C, and errs on one side only: it may suspect a text that holds the same characters.
"""

import re

SMALL = 1_000
"""Bytes in which any search costs next to nothing."""


def _all_but(kept: bytes) -> bytes:
    return bytes(set(range(256)) - set(kept))


NOT_OF_NAN = _all_but(b"NaIy")
NOT_OF_NESTING = _all_but(b'[]{}"')
DIGITS = bytes(ord("0" if n in b"0123456789" else "," if n in b":[,-" else " ") for n in range(256))
"""Digits become 0, what can stand before a number becomes a comma, and all else a space."""
LARGE = re.compile(rb"[:\[,]-?(?:9[0-9]{15}|[0-9]{17})")


def may_hold_nan(text: bytes) -> bool:
    """Whether NaN or an infinity may be in it."""
    if len(text) < SMALL:
        return b"NaN" in text or b"Infinity" in text
    # Taking out the other letters first is faster than two searches of the whole.
    rest = text.translate(None, NOT_OF_NAN)
    return (b"NaN" in rest and b"NaN" in text) or (b"Iy" in rest and b"Infinity" in text)


def may_hold_large(text: bytes) -> bool:
    """Whether a whole number beyond 2**53 - 1, on either side of zero, may be in it."""
    # Of 16 digits in a row two are neighbours among each eighth character.
    if b"00" not in text[::8].translate(DIGITS):
        return False
    return b"," + b"0" * 16 in text.translate(DIGITS) and LARGE.search(text) is not None


def is_shallow(text: bytes, depth: int) -> bool:
    """Whether it is certain that nothing in it is nested deeper than `depth` levels."""
    if len(text) < 2 * depth:  # Each level takes two brackets.
        return True
    rest = text.translate(None, NOT_OF_NESTING)
    if rest.count(b"[") + rest.count(b"{") <= depth:
        return True
    if b"\\" in text:
        rest = text.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, NOT_OF_NESTING)
    # Of a string without brackets only its quotes are left. A bracket in a string is never taken for one outside:
    # between them is an odd number of quotes, of which two are taken out at a time. It leaves the answer open.
    rest = rest.replace(b'""', b"")
    for _ in range(depth // 2):
        # Either replacement takes off one level at most.
        rest, before = rest.replace(b"{}", b"").replace(b"[]", b""), len(rest)
        if len(rest) in (0, before):
            break
    return not rest
