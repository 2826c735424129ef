-- While a queue is paused, keep its waiting jobs where every version of BullMQ looks for them on resume; their number.
--
-- Node 5 resumes with RENAME paused -> wait, which overwrites jobs that later versions added to `wait` meanwhile.
-- So if Node 5 is about (it made the `paused` list, or wrote the queue's version last), move them to `paused`;
-- versions 5 and 6 both put that list back.
local function keep_paused_layout(wait, paused, meta)
  if redis.call("HEXISTS", meta, "paused") == 0 or redis.call("EXISTS", wait) == 0 then
    return 0
  end
  local waiting = redis.call("LLEN", wait)
  if redis.call("EXISTS", paused) == 0 then
    local version = redis.call("HGET", meta, "version") or ""
    if not string.find(version, ":5.", 1, true) then
      return 0
    end
    redis.call("RENAME", wait, paused)
    return waiting
  end
  -- Oldest first (the right end), each put behind those already paused.
  for _ = 1, waiting do
    redis.call("RPOPLPUSH", wait, paused)
  end
  return waiting
end
