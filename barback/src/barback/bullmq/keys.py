"""The names of a queue's keys, as BullMQ's own package makes them."""

from functools import lru_cache

from bullmq.queue_keys import QueueKeys


class Keys:
    """Keys of one queue. `keys["wait"]` is a list, set or hash of the queue; `keys.job(id)` a job's hash."""

    def __init__(self, prefix: str, queue: str) -> None:
        self.prefix = prefix
        self.queue = queue
        self._keys: dict[str, str] = QueueKeys(prefix).getKeys(queue)
        self.base = self._keys[""]
        """With the ':' at its end; what scripts call the prefix."""
        self.qualified_name = self.base.removesuffix(":")

    def __getitem__(self, name: str) -> str:
        return self._keys[name]

    def many(self, *names: str) -> list[str]:
        return [self._keys[name] for name in names]

    def job(self, job_id: str) -> str:
        return self.base + job_id


@lru_cache(maxsize=1024)
def keys_of(prefix: str, queue: str) -> Keys:
    """The keys of a queue, made once."""
    return Keys(prefix, queue)
