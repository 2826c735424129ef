--[[
  Fail jobs that BullMQ's own scripts would break on half-way, leaving them in no list.

  Three kinds: those that the caller holds and cannot read; those that it tried to fetch, so that only the lock with its
  token tells which they are; and those of dead workers, which the next check for stalled jobs would take up.

  KEYS[1] stalled  KEYS[2] active  KEYS[3] failed  KEYS[4] events  KEYS[5] marker
  ARGV[1] key prefix of the queue  ARGV[2] timestamp
  ARGV[3] held: {{job id, token, reason, how often it had been started then}, ...}, packed
  ARGV[4] tokens of failed fetches, packed
  Returns the ids of the jobs that it failed.
]]
local prefix, now = ARGV[1], ARGV[2]
local failed = {}

-- As Redis reads whole numbers, which its scripts count with.
local function is_whole(text)
  return #text < 16 and (text == "0" or string.match(text, "^%-?[1-9]%d*$") ~= nil)
end

local function names_parent(text)
  local readable, parent = pcall(cjson.decode, text)
  return readable and type(parent) == "table" and type(parent.id) == "string" and type(parent.queueKey) == "string"
end

local function damage(key)
  local kind = redis.call("TYPE", key).ok
  if kind == "none" then
    return nil
  end
  if kind ~= "hash" then
    return "its key holds a " .. kind .. " in place of a hash"
  end
  for _, field in ipairs({"atm", "ats", "stc"}) do
    local value = redis.call("HGET", key, field)
    if value and not is_whole(value) then
      return "its field '" .. field .. "' is not a whole number"
    end
  end
  local parent = redis.call("HGET", key, "parent")
  if parent and not names_parent(parent) then
    return "its field 'parent' names no parent"
  end
  return nil
end

local function fail(id, reason)
  local key = prefix .. id
  if redis.call("TYPE", key).ok ~= "hash" and redis.call("EXISTS", key) == 1 then
    -- Whatever it is, it is kept for who wants to look.
    redis.call("RENAME", key, key .. ":unreadable")
  end
  for _, field in ipairs({"atm", "ats", "stc"}) do
    local value = redis.call("HGET", key, field)
    if value and not is_whole(value) then
      redis.call("HDEL", key, field)
    end
  end
  redis.call("DEL", key .. ":lock")
  redis.call("SREM", KEYS[1], id)
  redis.call("LREM", KEYS[2], 0, id)
  redis.call("HINCRBY", key, "atm", 1)
  redis.call("HSET", key, "failedReason", reason, "finishedOn", now)
  redis.call("ZADD", KEYS[3], now, id)
  local deduplication = redis.call("HGET", key, "deid")
  if deduplication and redis.call("GET", prefix .. "de:" .. deduplication) == id then
    redis.call("DEL", prefix .. "de:" .. deduplication)
  end
  redis.call("XADD", KEYS[4], "*", "event", "failed", "jobId", id, "failedReason", reason, "prev", "active")
  redis.call("ZADD", KEYS[5], 0, "0")
  failed[#failed + 1] = id
end

-- By its token, or by nobody if BullMQ's script took the lock away before it broke; not if it was started again since.
local function is_ours(id, token, starts)
  local holder = redis.call("GET", prefix .. id .. ":lock")
  if holder then
    return holder == token
  end
  local started = redis.pcall("HGET", prefix .. id, "ats")
  return redis.call("LPOS", KEYS[2], id) and started == tostring(starts)
end

for _, held in ipairs(cmsgpack.unpack(ARGV[3])) do
  if is_ours(held[1], held[2], held[4]) then
    fail(held[1], held[3])
  end
end

local suspects = {}
local tokens = cmsgpack.unpack(ARGV[4])
if #tokens > 0 then
  local ours = {}
  for _, token in ipairs(tokens) do ours[token] = true end
  for _, id in ipairs(redis.call("LRANGE", KEYS[2], 0, -1)) do
    local token = redis.call("GET", prefix .. id .. ":lock")
    if token and ours[token] then suspects[#suspects + 1] = id end
  end
end
for _, id in ipairs(redis.call("SMEMBERS", KEYS[1])) do
  if redis.call("EXISTS", prefix .. id .. ":lock") == 0 then suspects[#suspects + 1] = id end
end
for _, id in ipairs(suspects) do
  local what = damage(prefix .. id)
  if what and redis.call("LPOS", KEYS[2], id) then
    fail(id, "Job cannot be read: " .. what)
  end
end
return failed
