"""Settings that nothing reads: a name of ours that is none, or one that is nearly right."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches

from barback.errors import did_you_mean
from barback.finding import Finding
from barback.settings import concurrency_variable

CHECK = "settings"
OURS = re.compile(r"(BARBACK|DASHBOARD|WORKER)_[A-Z0-9_]+")
OF_ALL = "WORKER_CONCURRENCY"
OF_A_QUEUE = re.compile(r"[A-Z0-9_]+_CONCURRENCY")
IN_PARTS = ("REDIS_HOST", "REDIS_PASSWORD", "REDIS_USERNAME", "REDIS_USER", "REDIS_TLS")
"""How others are told where Redis is."""
ALSO_CALLED = {
    "REDIS_URL": (
        "REDIS", "REDIS_URI", "REDIS_ADDR", "REDIS_ADDRESS", "REDIS_CONNECTION_STRING", "REDIS_PORT", "REDIS_PASS",
        "REDIS_TLS_URL", "KV_URL", "UPSTASH_REDIS_URL", "VALKEY_URL",
    ),
    "REDIS_DB": ("REDIS_DATABASE", "REDIS_INDEX"),
    "BARBACK_PREFIX": ("REDIS_PREFIX", "BULLMQ_PREFIX", "BULL_PREFIX", "QUEUE_PREFIX"),
    "DATABASE_URL": ("POSTGRES_URL", "POSTGRESQL_URL", "POSTGRES_URI", "DATABASE_URI", "PG_URL", "DB_URL"),
}  # fmt: skip
"""What others call it. Told of only while it is not set itself: a web app beside us has variables of its own."""
OF_OTHERS = ("WEB_CONCURRENCY", "WORKER_MEMORY", "DASHBOARD_MEMORY", "DASHBOARD_PORT")
"""The last three are docker-compose.yml's."""
NEARLY = 0.88


def check_unread(
    given: Mapping[str, Collection[str]], known: Iterable[str], queues: Iterable[str], needless: Collection[str] = ()
) -> Iterator[Finding]:
    """`given`: names of variables by where they are set (`environment`, `.env`). `known`: those that somebody reads.

    `needless`: those of them that nobody misses, as something else is set instead.
    """
    by_queue = {concurrency_variable(queue): queue for queue in queues}
    read = {*known, *by_queue}
    # What is set rightly is not what somebody meant to set by another name.
    unset = read - {name.upper() for names in given.values() for name in names} - {*needless}
    for place, names in given.items():
        for name in sorted(names):
            if name.upper() not in read and (advice := _advice(name.upper(), read, unset, by_queue)) is not None:
                yield Finding(CHECK, "warning", f"{name} is set ({place}), and nothing reads it.", advice)


def _advice(name: str, read: Collection[str], unset: Collection[str], by_queue: Mapping[str, str]) -> str | None:
    """None: it is nobody's of ours."""
    if name in OF_OTHERS:
        return None
    if name in IN_PARTS:
        return "All of it goes into REDIS_URL: redis://user:password@host:6379, rediss:// with TLS."
    if meant := next((one for one in unset if name in ALSO_CALLED.get(one, ())), None):
        return f"Is {meant} meant, which is not set?"
    if OF_A_QUEUE.fullmatch(name):
        return f"No queue has that variable.{did_you_mean(name, [*by_queue, OF_ALL])}"
    if OURS.fullmatch(name):
        return f"Correct or remove it.{did_you_mean(name, _alike(name, read))}"
    near = get_close_matches(name, unset, n=1, cutoff=NEARLY)
    return f"Is {near[0]} meant, which is not set?" if near else None


def _alike(name: str, read: Collection[str]) -> list[str]:
    return [one for one in read if one.partition("_")[0] == name.partition("_")[0]]
