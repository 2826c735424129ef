--[[
  Add many jobs to one queue. What is left is what BullMQ's addStandardJob, addDelayedJob and addPrioritizedJob, once
  for each job, and then keepPausedLayout would leave. Jobs with relatives or a deduplication key are BullMQ's.

  KEYS[1] wait  KEYS[2] paused  KEYS[3] meta  KEYS[4] id  KEYS[5] delayed  KEYS[6] active  KEYS[7] events
  KEYS[8] marker  KEYS[9] prioritized  KEYS[10] pc
  ARGV[1] key prefix of the queue  ARGV[2] timestamp
  ARGV[3] packed: {names, jobs}
    names: of the kinds of jobs there are
    jobs: {number of its kind, id or "" for an automatic one, data, number of its kind, ...}
  ARGV[4...] packed options of each kind
  Returns the id counter before, if all were added; else {the id counter before, places, refused}.
    places: of the jobs that were swallowed by the one that has their id
    refused: place and error of each whose key is taken by what is no job
  Or the error BROKENQUEUE: one of the keys holds something else; nothing was written.
]]
-- @include find_broken_key
-- @include keep_paused_layout
local prefix, now = ARGV[1], ARGV[2]
local names, jobs = unpack(cmsgpack.unpack(ARGV[3]))

local kinds, some_delayed, some_prioritized = {}, false, false
for i, name in ipairs(names) do
  local options = cmsgpack.unpack(ARGV[3 + i])
  kinds[i] = {
    name = name,
    options = cjson.encode(options),
    delay = options.delay or 0,
    priority = options.priority or 0,
    push = options.lifo and "RPUSH" or "LPUSH",
  }
  some_delayed = some_delayed or kinds[i].delay > 0
  some_prioritized = some_prioritized or kinds[i].priority > 0
end

-- Those keys are asked about that will be written, and are not read before: each call takes some 2 µs.
local meta = redis.pcall("HMGET", KEYS[3], "paused", "concurrency", "opts.maxLenEvents")
local paused, concurrency, most_events = unpack(meta)
local broken = find_broken_key({
  "list", paused and "list", meta.err and "hash", nil, some_delayed and "zset", concurrency and "list", "stream",
  "zset", some_prioritized and "zset", some_prioritized and "string",
})
if broken then return broken end
if meta.err then return redis.error_reply(meta.err) end
local held = paused or (concurrency and redis.call("LLEN", KEYS[6]) >= tonumber(concurrency))

-- The first of all writes: a full Redis refuses a script none but its first one, if that takes memory.
local after = redis.pcall("INCRBY", KEYS[4], #jobs / 3)
if type(after) ~= "number" then return find_broken_key({[4] = "string"}) or after end
local before = after - #jobs / 3
if not most_events then
  most_events = 10000
  redis.call("HSET", KEYS[3], "opts.maxLenEvents", most_events)
end

local waiting, marked, delayed = {LPUSH = {}, RPUSH = {}}, false, false

local function delay_job(id, delay)
  local due = tonumber(now) + delay
  local score, last = due * 0x1000, (due + 1) * 0x1000 - 1
  local latest = redis.call("ZREVRANGEBYSCORE", KEYS[5], last, score, "WITHSCORES", "LIMIT", 0, 1)[2]
  if latest then
    score = math.min(tonumber(latest) + 1, last)
  end
  redis.call("ZADD", KEYS[5], score, id)
  redis.call("XADD", KEYS[7], "MAXLEN", "~", most_events, "*", "event", "delayed", "jobId", id, "delay", due)
  delayed = true
end

local function let_wait(id, kind)
  if kind.priority > 0 then
    local count = redis.call("INCR", KEYS[10])
    redis.call("ZADD", KEYS[9], kind.priority * 0x100000000 + count % 0x100000000, id)
  else
    local ids = waiting[kind.push]
    ids[#ids + 1] = id
  end
  redis.call("XADD", KEYS[7], "MAXLEN", "~", most_events, "*", "event", "waiting", "jobId", id)
  marked = true
end

-- Whether a hash has that id already; or the error if something else has it.
local function is_taken(id)
  local size = redis.pcall("HLEN", prefix .. id)
  return size ~= 0, type(size) == "table" and size.err
end

local function store(id, kind, data)
  local stored = redis.pcall("HSET", prefix .. id, "name", kind.name, "data", data, "opts", kind.options,
    "timestamp", now, "delay", kind.delay, "priority", kind.priority)
  return type(stored) == "table" and stored.err
end

local swallowed, refused = {}, {}
for i = 1, #jobs, 3 do
  local place, kind, id, data = (i + 2) / 3, kinds[jobs[i]], jobs[i + 1], jobs[i + 2]
  local taken, err = false, nil
  if id == "" then
    id = before + place .. ""
  else
    taken, err = is_taken(id)
  end
  err = err or not taken and store(id, kind, data)
  if err then
    refused[#refused + 1] = place
    refused[#refused + 1] = err
  elseif taken then
    swallowed[#swallowed + 1] = place
    redis.call("XADD", KEYS[7], "MAXLEN", "~", most_events, "*", "event", "duplicated", "jobId", id)
  else
    redis.call("XADD", KEYS[7], "*", "event", "added", "jobId", id, "name", kind.name)
    if kind.delay > 0 then
      delay_job(id, kind.delay)
    else
      let_wait(id, kind)
    end
  end
end

for push, ids in pairs(waiting) do
  if #ids > 0 then redis.call(push, KEYS[1], unpack(ids)) end
end
if marked and not held then redis.call("ZADD", KEYS[8], 0, "0") end
if delayed then
  local due = redis.call("ZRANGE", KEYS[5], 0, 0, "WITHSCORES")[2]
  redis.call("ZADD", KEYS[8], tonumber(due) / 0x1000, "1")
end

if paused then keep_paused_layout(KEYS[1], KEYS[2], KEYS[3]) end
if #swallowed == 0 and #refused == 0 then
  return before
end
return {before, swallowed, refused}
