"""Failed jobs grouped by what went wrong: the error's type, where it was raised, and the shape of its message."""

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from barback.broker import JobRecord
from barback.control.query import Query, Term
from barback.inspector import Inspector
from barback.printable import printable, printable_lines
from barback.told_attempt import split_attempt

NEWEST = 20_000
"""Failed jobs that are grouped; older ones are not looked at."""
STEP = 1_000
AT_A_TIME = 50
"""Messages that are read without a pause."""
HOURS = 24
LONGEST_SHAPE = 200
LONGEST_LOOKED_AT = 1_000
"""Characters of a message from which its shape is made."""


SHORTEST_WORD, MOST_WORDS = 3, 4
"""Characters, and how many, by which jobs like these are looked for."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What failures of one kind have in common. An empty part is not known."""

    type: str
    """`TimeoutError`."""
    place: str
    """`cafes/jobs/process.py in fetch`: the innermost line of the newest stack trace, without its number."""
    shape: str
    """The message with what changes from job to job left out: `no answer from <url> in <n> s`."""


_Member = tuple[Fingerprint, JobRecord]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """All of one fingerprint among the failed jobs that were looked at. Moments are epoch seconds."""

    fingerprint: Fingerprint
    count: int
    first_at: float
    last_at: float
    sample_id: str
    """The newest of them."""
    sample_reason: str
    names: Sequence[str]
    """Of their jobs, the most frequent first."""
    by_hour: Sequence[int] = field(default_factory=tuple[int, ...])
    """How many failed in each of the last 24 hours, the last one being the hour up to now."""


@dataclass(frozen=True, slots=True)
class Failures:
    """The groups, the largest first, and how many of the failed jobs they were made from."""

    groups: Sequence[FailureGroup]
    looked: int
    total: int


class RecentFailures:
    """Groups as they were up to `for_s` seconds ago, or four times as long as a look takes: all share one look."""

    def __init__(self, inspector: Callable[[], Inspector], for_s: float = 2.0) -> None:
        self._inspector, self._for_s = inspector, for_s
        self._known: dict[tuple[str, int], tuple[float, Failures]] = {}
        self._looking = asyncio.Lock()

    async def group(self, queue: str, newest: int = NEWEST) -> Failures:
        """As `group`."""
        async with self._looking:
            now = time.monotonic()
            self._known = {key: known for key, known in self._known.items() if known[0] > now}
            if (queue, newest) not in self._known:
                found = await group(self._inspector(), queue, newest)
                took_s = time.monotonic() - now
                self._known[queue, newest] = time.monotonic() + max(self._for_s, 4 * took_s), found
            return self._known[queue, newest][1]

    def forget(self) -> None:
        """Something was done to them."""
        self._known.clear()


async def group(inspector: Inspector, queue: str, newest: int = NEWEST) -> Failures:
    """Group the newest failed jobs of a queue."""
    total = await inspector.count(queue, "failed")
    # New failures push others down: those that are looked at twice count once.
    found: dict[str, _Member] = {}
    known: dict[tuple[str, str], Fingerprint] = {}
    position = 0
    while position < newest:
        scanned = await inspector.scan(queue, "failed", position, min(STEP, newest - position))
        if not scanned.looked:
            break
        position += scanned.looked
        for seen in scanned.jobs:
            found[seen.record.id] = await _read(seen.record, known), seen.record
    return Failures(_summarize_all(found.values(), inspector.now()), len(found), max(total, len(found)))


async def _read(record: JobRecord, known: dict[tuple[str, str], Fingerprint]) -> Fingerprint:
    """Its fingerprint, made once of all failures that are the same to the letter."""
    told = record.failed_reason or "", _newest(record)
    if told not in known:
        known[told] = fingerprint(*told)
        if len(known) % AT_A_TIME == 0:
            # Others have their turn: a fingerprint costs some 40 microseconds, a hostile one a millisecond.
            await asyncio.sleep(0)
    return known[told]


def group_records(records: Iterable[JobRecord], now: float) -> list[FailureGroup]:
    """The same of records in any order. Pure."""
    return _summarize_all(((fingerprint_of(record), record) for record in records), now)


def query_like(group: FailureGroup) -> str:
    """A query of the job list for all of a group, by the words of its message; it may let through others, too.

    Empty: its message has no words that all of them share.
    """
    reason = group.sample_reason.casefold()
    shape = re.split(r"<(?:n|text|url|email)>", group.fingerprint.shape)
    words = [part.strip(" \"'`.,:;()[]") for part in (group.fingerprint.type, *shape)]
    told = dict.fromkeys(word for word in words if len(word) >= SHORTEST_WORD and word.casefold() in reason)
    longest = sorted(told, key=len, reverse=True)[:MOST_WORDS]
    return str(Query(tuple(Term("error", word, quoted=True) for word in told if word in longest)))


def fingerprint_of(record: JobRecord) -> Fingerprint:
    """Of a failed job; only its newest stack trace counts."""
    return fingerprint(record.failed_reason or "", _newest(record))


def _newest(record: JobRecord) -> str:
    # Who made the attempt, and when, makes no difference.
    return split_attempt(record.stacktraces[-1])[0] if record.stacktraces else ""


def _summarize_all(found: Iterable[_Member], now: float) -> list[FailureGroup]:
    members: dict[Fingerprint, list[JobRecord]] = {}
    for fingerprint, record in found:
        members.setdefault(fingerprint, []).append(record)
    groups = [_summarize(fingerprint, records, now) for fingerprint, records in members.items()]
    return sorted(groups, key=lambda group: (-group.count, -group.last_at))


def _summarize(fingerprint: Fingerprint, records: Sequence[JobRecord], now: float) -> FailureGroup:
    newest = max(records, key=_failed_at)
    names: dict[str, int] = {}
    by_hour = [0] * HOURS
    for record in records:
        names[record.name] = names.get(record.name, 0) + 1
        ago = int((now - _failed_at(record)) // 3600)
        # A clock a little behind sees what is to come: that is now.
        if ago < HOURS:
            by_hour[HOURS - 1 - max(ago, 0)] += 1
    return FailureGroup(
        fingerprint,
        len(records),
        min(map(_failed_at, records)),
        _failed_at(newest),
        newest.id,
        newest.failed_reason or "",
        sorted(names, key=lambda name: (-names[name], name)),
        tuple(by_hour),
    )


def _failed_at(record: JobRecord) -> float:
    return record.finished_at or record.started_at or record.added_at


# ── fingerprints ────────────────────────────────────────────────────────────────────────────────────────

# Python's `re` goes through all repetitions of a group again for each of them: they are bounded.
_TYPE = re.compile(r"((?:[A-Za-z_][A-Za-z0-9_]*\.){0,20}[A-Z][A-Za-z0-9_]*)(?::\s|\(\)$)")
_PYTHON_TYPE = re.compile(r"^((?:[A-Za-z_]\w*\.){0,20}[A-Z]\w*)(?::|$)", re.MULTILINE)
_PYTHON_LINE = re.compile(r'^ *File "([^"\n]{1,500})", line \d+, in ([^\n]{1,200})$', re.MULTILINE)
_NODE_LINE = re.compile(
    r"^ *at (?:async )?(?:([^(\n]{1,200}) \()?((?:file://)?[^():\n]{1,500}):\d+:\d+\)?$", re.MULTILINE
)
_LIBRARY = ("site-packages/", "node_modules/")

# Each part begins where no other could have begun before it, and ends before another could begin: else a text that only
# looks like one would be gone through again from each of its characters.
_CHANGING = re.compile(
    r"""(?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s"'<>]+)
    |(?P<text>"[^"\n]*"|'[^'\n]*'|`[^`\n]*`|«[^«»\n]*»|„[^„“”\n]*[“”]|“[^“”\n]*”)
    |(?P<email>(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]+)+)
    |(?P<id>\b(?:0x[0-9a-fA-F]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\b)
    |(?P<word>(?<!\w)\w*\d\w*(?:[.,:/\\-]\w*\d\w*)*)""",
    re.VERBOSE,
)


def fingerprint(reason: str, stacktrace: str = "") -> Fingerprint:
    """From a job's reason and its newest stack trace, a Python or a Node one; printable. Pure.

    Numbers, ids, quoted texts, hexadecimal, addresses and e-mail addresses make no difference.
    """
    reason = reason.strip()
    told = _TYPE.match(reason)
    kind = told[1] if told else _type_in(stacktrace)
    message = reason[told.end() :] if told else reason
    return Fingerprint(kind.rpartition(".")[2], printable(_place(stacktrace)), shape_of(message))


def shape_of(message: str) -> str:
    """A message without what changes from one job to the next; 200 characters at most."""
    shape = _CHANGING.sub(_placeholder, printable_lines(message[:LONGEST_LOOKED_AT]))
    return " ".join(shape.split())[:LONGEST_SHAPE]


def _placeholder(found: re.Match[str]) -> str:
    # Words with digits in them are ids or numbers, with a unit or without.
    return {"url": "<url>", "text": "<text>", "email": "<email>"}.get(str(found.lastgroup), "<n>")


def _type_in(stacktrace: str) -> str:
    """A Python trace ends with the error, a Node one begins with it."""
    found = _PYTHON_TYPE.findall(stacktrace)
    if not found:
        return ""
    return str(found[-1] if _PYTHON_LINE.search(stacktrace) else found[0])


def _place(stacktrace: str) -> str:
    """The innermost line that is the app's own, or the innermost of all."""
    python = [(file, function) for file, function in _PYTHON_LINE.findall(stacktrace)]
    frames = python[::-1] or [(file, function) for function, file in _NODE_LINE.findall(stacktrace)]
    if not frames:
        return ""
    own = [frame for frame in frames if not any(part in frame[0] for part in _LIBRARY)]
    file, function = (own or frames)[0]
    short = "/".join(file.removeprefix("file://").replace("\\", "/").split("/")[-3:])
    return f"{short} in {function.strip()}" if function.strip() else short
