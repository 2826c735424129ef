"""Which commands a worker sends, and which of them its user may not: the shipped ACL allows these and no others."""

from collections.abc import Sequence

from barback.bullmq.connection import Connection
from barback.bullmq.packing import pack

ON_KEYS = (
    "DEL", "EXISTS", "GET", "HDEL", "HEXISTS", "HGET", "HGETALL", "HINCRBY", "HLEN", "HMGET", "HMSET", "HRANDFIELD",
    "HSET", "INCR", "INCRBY", "LINDEX", "LLEN", "LPOP", "LPOS", "LPUSH", "LRANGE", "LREM", "LTRIM", "MGET", "PERSIST",
    "PEXPIRE", "PSETEX", "PTTL", "RENAME", "RPOP", "RPOPLPUSH", "RPUSH", "SADD", "SCARD", "SET", "SMEMBERS",
    "SRANDMEMBER", "SREM", "TYPE", "XADD", "XREVRANGE", "XTRIM", "ZADD", "ZCARD", "ZCOUNT", "ZPOPMIN", "ZRANGE",
    "ZRANGEBYSCORE", "ZRANK", "ZREM", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE", "ZREVRANGE", "ZREVRANGEBYSCORE",
    "ZREVRANK", "ZSCORE",
)  # fmt: skip
"""Ours, and those of the scripts: BullMQ's and our own (held by a test)."""
BESIDE = ("BZPOPMIN", "EVALSHA", "SCAN", "SCRIPT|LOAD", "TIME", "PING", "SELECT", "MULTI", "EXEC", "CLIENT|SETNAME")
"""What is sent beside scripts; none can be left out."""
OPTIONAL = ("INFO", "CLIENT|SETINFO")
"""Without them checks of the server are left out: what is not told is let pass."""

_ARGUMENTS = {
    "HDEL": 1, "HEXISTS": 1, "HGET": 1, "HINCRBY": 2, "HMGET": 1, "HMSET": 2, "HSET": 2, "INCRBY": 1, "LINDEX": 1,
    "LPOS": 1, "LPUSH": 1, "LRANGE": 2, "LREM": 2, "LTRIM": 2, "PEXPIRE": 1, "PSETEX": 2, "RPUSH": 1, "SADD": 1,
    "SET": 1, "SREM": 1, "XADD": 3, "XREVRANGE": 2, "XTRIM": 2, "ZADD": 2, "ZCOUNT": 2, "ZRANGE": 2,
    "ZRANGEBYSCORE": 2, "ZRANK": 1, "ZREM": 1, "ZREMRANGEBYRANK": 2, "ZREMRANGEBYSCORE": 2, "ZREVRANGE": 2,
    "ZREVRANGEBYSCORE": 2, "ZREVRANK": 1, "ZSCORE": 1,
}  # fmt: skip
"""How many follow the key: a command that is too short is not looked at."""


async def find_refused(connection: Connection, commands: Sequence[Sequence[str]]) -> list[str] | None:
    """The first two words of each that the user may not; None: a server that does not tell (Redis 6)."""
    [answer] = await connection.ask([connection.script("findRefused", [], pack(commands))])
    return None if answer is None else [str(command) for command in answer]


def commands_on(keys: Sequence[str]) -> list[list[str]]:
    """All that scripts, and we, do with keys."""
    return [_on(command, key) for key in keys for command in ON_KEYS]


def commands_beside(key: str) -> list[list[str]]:
    """What is sent beside scripts; `key`: one of those that are waited for."""
    asked = [["BZPOPMIN", key, "1"], ["CLIENT", "SETNAME", "x"], ["SCAN", "0"], ["SELECT", "0"]]
    return [*asked, *([command] for command in ("TIME", "PING", "MULTI", "EXEC"))]


def _on(command: str, key: str) -> list[str]:
    if command in ("RENAME", "RPOPLPUSH"):
        return [command, key, key]
    return [command, key, *["1"] * _ARGUMENTS.get(command, 0)]
