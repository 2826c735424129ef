"""Redis cannot be reached, or its user may not do what is needed."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from barback.doctor.telling import some
from barback.errors import BarbackError
from barback.finding import Finding

CONNECTION, RIGHTS = "connection", "rights"
SHOWN = 8
MANY = 20

ADVICE = (
    ("password or user", "Compare user and password in REDIS_URL with the server's (requirepass, or its ACL file)."),
    ("does not allow", "Give that user the rights of `worker` in deploy/redis-users.acl."),
    ("no database", "Set REDIS_DB to a database that the server has, the same one here and in the TypeScript app."),
    (
        "REDIS_URL is not set",
        "Set it in the environment, .env.local or .env of this folder; see whether a name below is nearly this one.",
    ),
    ("protected mode", "Give it a password (requirepass, or an ACL file), and name that in REDIS_URL."),
    ("number of clients", "Its maxclients is reached: raise it, or see who opens so many connections (CLIENT LIST)."),
    (
        "Link with MASTER",
        "It is a replica that has lost its master: point REDIS_URL at the master, and see that it runs.",
    ),
    (
        "Hash slot not served|CLUSTERDOWN",
        "Its cluster is not complete: CLUSTER INFO on one of its nodes tells. (BullMQ's queues need one server each: "
        "a server without cluster mode is simplest.)",
    ),
    (
        "loading|takes no writes|read-only",
        "The server is there: see its own log. Workers wait and go on by themselves.",
    ),
    (
        "Name or service|nodename|resolution|not known",
        "The name is not known here: service names like `redis` are known inside their compose network only.",
    ),
    ("refused|[Cc]onnect call failed", "Nothing listens there: start Redis, or correct host and port of REDIS_URL."),
    ("SSL|TLS|[Cc]losed|reset", "A server with TLS needs rediss:// in REDIS_URL, and one without it redis://."),
    ("", "See that Redis runs, that a firewall lets this machine through, and that rediss:// is used if it wants TLS."),
)
"""What to do, by what the error says; the first that fits."""


def check_connection(error: BarbackError, *, in_container: bool | None = None) -> list[Finding]:
    """Why it cannot. `in_container` None: look."""
    text = str(error)
    inside = in_container if in_container is not None else is_in_container()
    return [Finding(CONNECTION, "error", text, _advice(text, inside))]


def check_rights(refused: Sequence[str] | None) -> list[Finding]:
    """Which commands an ACL keeps from the user of REDIS_URL; None: it cannot be known."""
    if not refused:
        return []
    return [
        Finding(
            RIGHTS,
            "error",
            f"The user of REDIS_URL may not do what a worker must: {some(list(_by_key(refused)), SHOWN)}.",
            "Give it the rights of `worker` in deploy/redis-users.acl (keys bull:* and barback:*; with BARBACK_PREFIX "
            "the prefix in the place of bull), and load them: docs/docker.md says how.",
        )
    ]


def _by_key(refused: Sequence[str]) -> Iterator[str]:
    """Commands with their key; where nearly all are refused it is the key that is not allowed."""
    commands = defaultdict[str, list[str]](list)
    for one in refused:
        command, _, key = one.partition(" ")
        commands[key].append(command)
    for key, names in commands.items():
        if len(names) > MANY:
            yield f"anything with {key}"
        else:
            yield from (f"{name} {key}".strip() for name in names)


def is_in_container() -> bool:
    """As far as Docker, Podman and Kubernetes tell."""
    return (
        Path("/.dockerenv").exists() or Path("/run/.containerenv").exists() or "KUBERNETES_SERVICE_HOST" in os.environ
    )


def _advice(text: str, in_container: bool) -> str:
    advice = next(advice for pattern, advice in ADVICE if re.search(pattern, text))
    if in_container and "cannot be reached" in text and re.search(r"localhost|127\.0\.0\.1|\[::1\]", text):
        return f"{advice} Inside a container localhost is the container itself: name the service, redis://redis:6379."
    return advice
