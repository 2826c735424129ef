"""One call of `lua/addMany.lua`: what it is told of new jobs of one queue, and what it answers."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, cast

from barback.answers import Answer, Created, Swallowed
from barback.broker import NewJob
from barback.bullmq.codec import KNOWN_OPTIONS, encode_options, ms
from barback.bullmq.keys import Keys
from barback.bullmq.packing import pack
from barback.errors import BrokerError
from barback.options import JobOptions

BATCH = 100
"""Jobs in one call at most: Redis serves nobody else meanwhile (about 1 ms)."""
BATCH_BYTES = 256 * 1024
"""Characters of payloads in one call; a longer one travels alone."""


def fits(job: NewJob) -> bool:
    """Whether the script may add it: no relatives (those come in flows), no key."""
    return job.options.deduplicate is None


def batches(jobs: Sequence[NewJob]) -> Iterator[Sequence[NewJob]]:
    """Jobs in their order, a call of one queue each."""
    for _, group in groupby(jobs, _queue):
        yield from in_chunks(group, BATCH, BATCH_BYTES)


def in_chunks(jobs: Iterable[NewJob], most: int, most_bytes: int) -> Iterator[Sequence[NewJob]]:
    """Jobs in their order, at most so many and so many characters of payloads at a time, but one at least."""
    chunk: list[NewJob] = []
    size = 0
    for job in jobs:
        size += len(job.data)
        if chunk and (len(chunk) == most or size > most_bytes):
            yield chunk
            chunk, size = [], len(job.data)
        chunk.append(job)
    if chunk:
        yield chunk


def script_call(keys: Keys, now: float, jobs: Sequence[NewJob]) -> tuple[Any, ...]:
    """The script that adds these, its keys and its arguments."""
    kinds: dict[tuple[str, bytes], int] = {}
    told: list[int | str] = []
    for job in jobs:
        kind = (job.name, _pack_options(job.options))
        told += (kinds.setdefault(kind, len(kinds) + 1), job.options.job_id or "", job.data)
    packed = pack([[name for name, _ in kinds], told])
    return "addMany", _names(keys), keys.base, ms(now), packed, *(options for _, options in kinds)


@lru_cache(1024)
def _names(keys: Keys) -> list[str]:
    return keys.many("wait", "paused", "meta", "id", "delayed", "active", "events", "marker", "prioritized", "pc")


def decode(jobs: Sequence[NewJob], answer: Any) -> list[Answer]:
    """What the call told of each.

    :raises BrokerError: the id of one is the key of what is no job; the others are in. Or it is the answer.
    """
    if isinstance(answer, BrokerError):
        raise answer
    if isinstance(answer, int):
        return [_created(job, number) for number, job in enumerate(jobs, answer + 1)]
    before, swallowed, refused = cast("tuple[int, list[int], list[Any]]", answer)
    if refused:
        job = jobs[int(refused[0]) - 1]
        raise BrokerError(f"Job '{job.name}' was not added to '{job.queue}': Redis answered: {refused[1]}.")
    answers = [_created(job, number) for number, job in enumerate(jobs, before + 1)]
    for place in swallowed:
        answers[place - 1] = Swallowed(jobs[place - 1].options.job_id or "", "unknown")
    return answers


def _created(job: NewJob, number: int) -> Answer:
    return Created(job.options.job_id or str(number))


def _queue(job: NewJob) -> str:
    return job.queue


def _pack_options(options: JobOptions) -> bytes:
    """Options without an id are shared by many jobs: they are packed once."""
    return _pack_shared_options(options) if options.job_id is None else pack(encode_options(options))


@lru_cache(KNOWN_OPTIONS)
def _pack_shared_options(options: JobOptions) -> bytes:
    return pack(encode_options(options))
