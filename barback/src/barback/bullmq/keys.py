"""The names of a queue's keys. A test holds them against those that BullMQ's own package makes.

Not imported from there: that package brings everything else it has along, and every command would wait for it.
"""

from functools import lru_cache


class Keys:
    """Keys of one queue. `keys["wait"]` is a list, set or hash of the queue; `keys.job(id)` a job's hash."""

    def __init__(self, prefix: str, queue: str) -> None:
        self.prefix = prefix
        self.queue = queue
        self.qualified_name = f"{prefix}:{queue}"
        self.base = f"{self.qualified_name}:"
        """What scripts call the prefix."""

    def __getitem__(self, name: str) -> str:
        return self.base + name

    def many(self, *names: str) -> list[str]:
        return [self.base + name for name in names]

    def job(self, job_id: str) -> str:
        return self.base + job_id


@lru_cache(maxsize=1024)
def keys_of(prefix: str, queue: str) -> Keys:
    """The keys of a queue, made once."""
    return Keys(prefix, queue)
