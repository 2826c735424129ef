"""What came from outside, made fit to be shown: nothing in it moves, hides, forges or breaks what stands around it."""

import re

# C0 and C1 control characters, line and paragraph separators, lone surrogates, and what turns the writing direction
# round: they could move the cursor, forge a line, or break the encoding.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
UNPRINTABLE_IN_LINES = re.compile(f"(?![\n\t]){UNPRINTABLE.pattern}")


def printable(text: str) -> str:
    """The text with every unprintable character as its escape: a newline becomes `\\n`."""
    return UNPRINTABLE.sub(_escaped, text)


def printable_lines(text: str) -> str:
    """The same, but newlines and tabs stay."""
    return UNPRINTABLE_IN_LINES.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
