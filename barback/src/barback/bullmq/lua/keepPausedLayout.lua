--[[
  While a queue is paused, keep its waiting jobs where every version of BullMQ looks for them on resume.

  Node 5 resumes with RENAME paused -> wait, which overwrites jobs that later versions added to `wait` meanwhile.
  So if Node 5 is about (it made the `paused` list, or wrote the queue's version last), move them to `paused`;
  versions 5 and 6 both put that list back.

  KEYS[1] wait  KEYS[2] paused  KEYS[3] meta
  Returns the number of jobs moved.
]]
if redis.call("HEXISTS", KEYS[3], "paused") == 0 or redis.call("EXISTS", KEYS[1]) == 0 then
  return 0
end
local waiting = redis.call("LLEN", KEYS[1])
if redis.call("EXISTS", KEYS[2]) == 0 then
  local version = redis.call("HGET", KEYS[3], "version") or ""
  if not string.find(version, ":5.", 1, true) then
    return 0
  end
  redis.call("RENAME", KEYS[1], KEYS[2])
  return waiting
end
-- Oldest first (the right end), each put behind those already paused.
for _ = 1, waiting do
  redis.call("RPOPLPUSH", KEYS[1], KEYS[2])
end
return waiting
