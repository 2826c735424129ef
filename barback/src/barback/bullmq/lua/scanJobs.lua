--[[
  Look through jobs of one state, in the order in which they are listed, and return those that a sieve lets through.
  It may let through too many, never too few: Python looks at each again.

  KEYS[1] [2] lists or sets that follow each other (the second may be one that does not exist)
  ARGV[1] key prefix of the queue
  ARGV[2] packed {newest_first, start, count, wanted, longest, most_read, most_returned, needles, attempts, added}
    needles: {text, field, number, wide}; field: 1 name, 2 data, 3 failedReason, 4 id, 0 any of them
    attempts, added: {least, most}, each false if there is none; `added` in milliseconds
  Returns {looked, id of the last one looked at, jobs}, each job as {id, size of its data, 1 if something was cut, fields and values in turn}.
  It ends before `count` once `wanted` are found or so many bytes were read or returned.
]]
local base = ARGV[1]
local newest_first, start, count, wanted, longest, most_read, most_returned, needles, attempts, added =
  unpack(cmsgpack.unpack(ARGV[2]))

local function page(key, from, many)
  local kind = redis.call("TYPE", key).ok
  if kind == "list" then
    -- A list runs from its right end.
    local ids = redis.call("LRANGE", key, -(from + many), -(from + 1))
    local turned = {}
    for i = #ids, 1, -1 do turned[#turned + 1] = ids[i] end
    return turned, redis.call("LLEN", key)
  elseif kind == "zset" then
    return redis.call(newest_first and "ZREVRANGE" or "ZRANGE", key, from, from + many - 1), redis.call("ZCARD", key)
  end
  return {}, 0
end

-- Only what the sieve asks for is read of each job.
local FIELDS = {"name", "data", "failedReason"}
local asked, wants = {}, {}
local function ask(name)
  if not wants[name] then
    asked[#asked + 1] = name
    wants[name] = #asked
  end
end
for _, needle in ipairs(needles) do
  for field, name in ipairs(FIELDS) do
    if needle[2] == field or needle[2] == 0 then ask(name) end
  end
end
local by_age, by_attempts = added[1] or added[2], attempts[1] or attempts[2]
if by_age then ask("timestamp") end
if by_attempts then
  ask("atm")
  ask("attemptsMade")
end

-- Characters of the data may be written as \uXXXX: then it may hold what it does not seem to.
local function escaped(data, wide)
  if not string.find(data, "\\u", 1, true) then return false end
  return wide or string.find(data, "\\u00[2-7]") ~= nil
end

local function digit(text, at)
  local byte = string.byte(text, at)
  return byte and byte >= 48 and byte <= 57
end

local function has_exponent(data)
  local at = string.find(data, "e", 2, true)
  while at do
    if digit(data, at - 1) then
      -- A number does not begin within a text: most of what looks like one is an id.
      return string.find(data, "[:,%[%s]%-?%d[%d%.]*e[%+%-]?%d", 1) ~= nil
    end
    at = string.find(data, "e", at + 1, true)
  end
  return false
end

-- Not within a longer number; behind a point there may be more zeros.
local function has_number(data, digits)
  local is_whole = not string.find(digits, ".", 1, true)
  local first, last = string.find(data, digits, 1, true)
  while first do
    if not digit(data, first - 1) and not (is_whole and digit(data, last + 1)) then return true end
    first, last = string.find(data, digits, first + 1, true)
  end
  return has_exponent(data)
end

local function in_data(needle, data)
  if needle[3] then return has_number(data, needle[1]) or escaped(data, needle[4]) end
  return string.find(data, needle[1], 1, true) or escaped(data, needle[4])
end

local function held(needle, texts)
  local field, text = needle[2], needle[1]
  if field == 2 then return in_data(needle, texts[2]) end
  if field ~= 0 then return string.find(texts[field], text, 1, true) end
  for _, one in ipairs(texts) do
    if string.find(one, text, 1, true) then return true end
  end
  return escaped(texts[2], needle[4])
end

local function within(number, bounds)
  return not (bounds[1] and number < bounds[1]) and not (bounds[2] and number > bounds[2])
end

-- What is written in another way is left to Python, which may read it.
local function plain(text)
  return #text < 16 and (text == "0" or string.find(text, "^[1-9]%d*$") ~= nil)
end

local function fits_numbers(stored)
  local at = by_age and stored[wants.timestamp]
  if at and plain(at) and not within(tonumber(at), added) then return false end
  if by_attempts then
    local made = stored[wants.atm] or "0"
    if made == "0" or made == "" then made = stored[wants.attemptsMade] or "0" end
    if plain(made) and not within(tonumber(made), attempts) then return false end
  end
  return true
end

local function fits(id, stored)
  if not fits_numbers(stored) then return false end
  if #needles == 0 then return true end
  local texts = {"", "", "", string.lower(id)}
  for field, name in ipairs(FIELDS) do
    local text = wants[name] and stored[wants[name]]
    if text then texts[field] = string.lower(text) end
  end
  for _, needle in ipairs(needles) do
    if not held(needle, texts) then return false end
  end
  return true
end

-- At most so many bytes, and no half character at the end.
local function head(text, most)
  if #text <= most then return text end
  while most > 0 and string.byte(text, most + 1) >= 128 and string.byte(text, most + 1) < 192 do most = most - 1 end
  return string.sub(text, 1, most)
end

local LONG = {"data", "returnvalue", "failedReason", "progress"}
local SHORT = {"name", "opts", "timestamp", "atm", "attemptsMade", "ats", "stc", "barback:alone", "processedOn",
  "finishedOn", "deid", "rjk", "parentKey", "priority"}
local TOLD = {"stacktrace", unpack(LONG)}
for _, name in ipairs(SHORT) do TOLD[#TOLD + 1] = name end

local function told(id)
  local values = redis.call("HMGET", base .. id, unpack(TOLD))
  local job, size = {id, values[2] and #values[2] or 0, 0}, 0
  for i, name in ipairs(TOLD) do
    local value = values[i]
    if value then
      if i == 1 then
        -- The newest is the last one in the list, and where it was raised is at the end of it.
        name, value = "newest", string.sub(value, -4000)
      elseif i <= 1 + #LONG and #value > longest then
        job[3], value = 1, head(value, longest)
      end
      job[#job + 1] = name
      job[#job + 1] = value
      size = size + #value
    end
  end
  return job, size
end

local looked, read, returned, jobs = 0, 0, 0, {}
local before, last = 0, ""
for i = 1, 2 do
  local from = math.max(0, start + looked - before)
  local ids, length = page(KEYS[i], from, count - looked)
  for _, id in ipairs(ids) do
    if #jobs >= wanted or read > most_read or returned > most_returned then return {looked, last, jobs} end
    looked = looked + 1
    last = id
    local stored = {}
    if #asked > 0 then
      stored = redis.call("HMGET", base .. id, unpack(asked))
      for _, value in ipairs(stored) do read = read + (value and #value or 0) end
    end
    if fits(id, stored) then
      local job, size = told(id)
      -- One that was removed half-way, or a marker of old BullMQ in a list, has no hash.
      if #job > 3 then
        jobs[#jobs + 1] = job
        returned = returned + size
      end
    end
  end
  if looked >= count then break end
  before = before + length
end
return {looked, last, jobs}
