"""A million jobs in one state of a queue, written by the server itself."""

from typing import Any, cast

import redis

from barback.broker import ListedState

MILLION = 1_000_000
FIRST_MS = 1_700_000_000_000
SEED = """
local base, state, first, last, started = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
for n = first, last do
  local id, at = string.format("%d", n), string.format("%d", started + n)
  local data = '{"cafeId":' .. id .. ',"city":"leipzig","note":"' .. string.rep("x", 150) .. '"}'
  redis.call("HSET", base .. id, "name", "process-cafe", "data", data, "opts", '{"attempts":3}', "timestamp", at)
  if state == "failed" then
    redis.call("HSET", base .. id, "failedReason", "TimeoutError: no answer in " .. id .. " ms", "atm", 3,
      "finishedOn", at)
    redis.call("ZADD", base .. "failed", at, id)
  else
    redis.call("LPUSH", base .. "wait", id)
  end
end
redis.call("HSET", base .. "meta", "version", "bullmq:6.7.0")
"""


def seed(url: str, queue: str, state: ListedState) -> None:
    """A million jobs of some 200 bytes: `waiting` or `failed`."""
    client: Any = cast("Any", redis.Redis).from_url(url, db=1)
    for first in range(0, MILLION, 5_000):
        client.eval(SEED, 0, f"bull:{queue}:", state, first, first + 4_999, FIRST_MS)
    client.close()
