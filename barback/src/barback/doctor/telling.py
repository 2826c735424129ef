"""What anybody may have written, as short as a sentence bears."""

from collections.abc import Sequence

LONGEST = 100
SHOWN = 3


def short(text: str, longest: int = LONGEST) -> str:
    """Its beginning, if it is longer than so many characters."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def some(found: Sequence[str], shown: int = SHOWN) -> str:
    """The first ones, and how many more there are."""
    more = f" and {len(found) - shown:,} more" if len(found) > shown else ""
    return ", ".join(map(short, found[:shown])) + more


def count(found: Sequence[object], what: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"1 {what}" if len(found) == 1 else f"{len(found):,} {what}s"
