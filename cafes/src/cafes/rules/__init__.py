"""What makes a cafe fit to be published. Pure: no I/O, no clock, nothing of this package above it.

RawCafe ── clean ──► CleanedCafe ── decide_group (all cafes of one name in one city) ──► Verdict for each
"""

from cafes.rules.cleaning import CleanedCafe, RawCafe, clean
from cafes.rules.deciding import Member, Status, Verdict, decide_group
from cafes.rules.reasons import Reason, ReasonCode
from cafes.rules.text import clean_text, slugify

__all__ = [
    "CleanedCafe",
    "Member",
    "RawCafe",
    "Reason",
    "ReasonCode",
    "Status",
    "Verdict",
    "clean",
    "clean_text",
    "decide_group",
    "slugify",
]
