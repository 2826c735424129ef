--[[
  Put waiting jobs that are in no list back to `wait` (or to `paused` where Node 5 would look for them).
  Each is looked up again here, so that a job that moved since the caller looked is left alone.

  KEYS[1] wait  KEYS[2] paused  KEYS[3] active  KEYS[4] delayed  KEYS[5] prioritized
  KEYS[6] completed  KEYS[7] failed  KEYS[8] waiting-children  KEYS[9] marker  KEYS[10] meta
  ARGV[1] key prefix of the queue  ARGV[2...] job ids
  Returns the ids put back.
]]
local restored = {}
local paused = redis.call("HEXISTS", KEYS[10], "paused") == 1
local function listed(id)
  for i = 4, 8 do
    if redis.call("ZSCORE", KEYS[i], id) then return true end
  end
  for i = 1, 3 do
    if redis.call("LPOS", KEYS[i], id) then return true end
  end
  return false
end
for i = 2, #ARGV do
  local id = ARGV[i]
  local key = ARGV[1] .. id
  if redis.call("TYPE", key).ok == "hash" and redis.call("HEXISTS", key, "timestamp") == 1
    and redis.call("HEXISTS", key, "name") == 1 and redis.call("EXISTS", key .. ":lock") == 0
    and not listed(id) then
    local target = KEYS[1]
    if paused and redis.call("EXISTS", KEYS[2]) == 1 then target = KEYS[2] end
    redis.call("RPUSH", target, id)
    if not paused then redis.call("ZADD", KEYS[9], 0, "0") end
    restored[#restored + 1] = id
  end
end
return restored
