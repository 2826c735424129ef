"""A broker in memory, for tests of apps and for the contract tests of every other broker."""

from barback.memory.broker import MemoryBroker

__all__ = ["MemoryBroker"]
