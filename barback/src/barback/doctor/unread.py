"""Settings that nothing reads: a name of ours that is none, or one that is nearly right."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches

from barback.errors import did_you_mean
from barback.finding import Finding
from barback.settings import concurrency_variable

CHECK = "settings"
OURS = re.compile(r"(BARBACK|DASHBOARD|WORKER)_[A-Z0-9_]+")
OF_A_QUEUE = re.compile(r"[A-Z0-9_]+_CONCURRENCY")
IN_PARTS = ("REDIS_HOST", "REDIS_PASSWORD", "REDIS_USERNAME", "REDIS_USER", "REDIS_TLS")
"""How others are told where Redis is."""
NEARLY = 0.88


def check_unread(
    given: Mapping[str, Collection[str]], known: Iterable[str], queues: Iterable[str]
) -> Iterator[Finding]:
    """`given`: names of variables by where they are set (`environment`, `.env`). `known`: those that somebody reads."""
    by_queue = {concurrency_variable(queue): queue for queue in queues}
    read = {*known, *by_queue}
    # What is set rightly is not what somebody meant to set by another name.
    unset = read - {name.upper() for names in given.values() for name in names}
    for place, names in given.items():
        for name in sorted(names):
            if name.upper() not in read and (advice := _advice(name.upper(), read, unset, by_queue)) is not None:
                yield Finding(CHECK, "warning", f"{name} is set ({place}), and nothing reads it.", advice)


def _advice(name: str, read: Collection[str], unset: Collection[str], by_queue: Mapping[str, str]) -> str | None:
    """None: it is nobody's of ours."""
    if name in IN_PARTS:
        return "All of it goes into REDIS_URL: redis://user:password@host:6379, rediss:// with TLS."
    if OF_A_QUEUE.fullmatch(name):
        return f"No queue has that variable.{did_you_mean(name, by_queue)}"
    if OURS.fullmatch(name):
        return f"Correct or remove it.{did_you_mean(name, _alike(name, read))}"
    near = get_close_matches(name, unset, n=1, cutoff=NEARLY)
    return f"Is {near[0]} meant, which is not set?" if near else None


def _alike(name: str, read: Collection[str]) -> list[str]:
    return [one for one in read if one.partition("_")[0] == name.partition("_")[0]]
