"""The Board Protocol in dictionaries."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from barback.board import Bucket, Counted, Entry, bucket_of, buckets_of, check_entry_id, check_ttl


@dataclass(slots=True)
class Kept:
    """Counts, and when they are forgotten."""

    until: float = 0.0
    counts: Counter[str] = field(default_factory=Counter[str])


class MemoryBoard:
    """What lies beside the queues of a broker in memory; `now`: its clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._documents: dict[tuple[str, str], tuple[str, float]] = {}
        self._counts: dict[tuple[str, int, int], Kept] = {}
        self._numbers: dict[str, int] = {}
        self._journals: dict[str, list[Entry]] = {}

    async def put_document(self, kind: str, name: str, text: str, ttl_s: float) -> None:
        self._documents[kind, name] = text, self._now() + check_ttl(ttl_s)

    async def documents(self, kind: str) -> dict[str, str]:
        self._documents = {key: kept for key, kept in self._documents.items() if kept[1] > self._now()}
        return {name: text for (of, name), (text, _) in self._documents.items() if of == kind}

    async def remove_document(self, kind: str, name: str) -> None:
        self._documents.pop((kind, name), None)

    async def count(self, counted: Sequence[Counted], writer: str, number: int) -> None:
        if number <= self._numbers.get(writer, 0):
            return
        self._numbers[writer] = number
        self._counts = {key: kept for key, kept in self._counts.items() if kept.until > self._now()}
        for one in counted:
            kept = self._counts.setdefault((one.queue, one.step_s, bucket_of(one.step_s, one.at)), Kept())
            kept.counts.update(one.counts)
            kept.until = self._now() + one.keep_s

    async def counts(self, queue: str, step_s: int, since: float, until: float) -> list[Bucket]:
        found = [(start, self._counts.get((queue, step_s, start))) for start in buckets_of(step_s, since, until)]
        return [Bucket(at, dict(kept.counts) if kept and kept.until > self._now() else {}) for at, kept in found]

    async def counts_of_others(self, queue: str, step_s: int, since: float, until: float) -> list[Bucket]:
        """Empty ones: nobody else works here."""
        return [Bucket(start, {}) for start in buckets_of(step_s, since, until)]

    async def append(self, journal: str, text: str, keep: int) -> str:
        entries = self._journals.setdefault(journal, [])
        now_ms = round(self._now() * 1000)
        last_ms, last_number = _number(entries[-1].id) if entries else (0, 0)
        number = last_number + 1 if last_ms == now_ms else 0
        entry = Entry(f"{now_ms}-{number}", now_ms / 1000, text)
        self._journals[journal] = [*entries, entry][-keep:]
        return entry.id

    async def entries(self, journal: str, count: int, before: str | None = None) -> list[Entry]:
        entries = self._journals.get(journal, [])
        if before is not None:
            end = _number(check_entry_id(before))
            entries = [entry for entry in entries if _number(entry.id) < end]
        return entries[::-1][: max(0, count)]


def _number(entry_id: str) -> tuple[int, int]:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number)
