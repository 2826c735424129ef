--[[
  Write what became of many jobs, then fetch the next ones. What is left is what BullMQ's moveToFinished, once for each
  job, and then moveToActive, once for each job wanted, would leave; what those two do for jobs with relatives, unique
  ones and rate limits, and whatever they would break on, is refused here before anything of it is written.

  KEYS[1] wait  KEYS[2] active  KEYS[3] prioritized  KEYS[4] events  KEYS[5] stalled  KEYS[6] delayed  KEYS[7] meta
  KEYS[8] pc  KEYS[9] marker  KEYS[10] completed  KEYS[11] failed  KEYS[12] paused
  ARGV[1] key prefix of the queue  ARGV[2] timestamp
  ARGV[3] packed: {finished, tokens, fields, worker, lock in milliseconds, wake}
    finished: {{id, token, returnvalue or failedReason, attempts, stacktraces, keep count, keep age in s, limit}, ...};
      no stack traces (false): it completed; false as a bound: none of that kind; limit: how many may be removed for
      their age
    tokens: one for each job wanted
    fields: of its hash that are asked for, "ats" the first
    wake: tell other workers that there is something to fetch
  Returns {codes, {id, its fields, id, its fields, ...}, rest, when the next delayed job is due}.
    codes: BullMQ's (0 written, -1 no hash, -2 no lock, -3 not active, -6 another's lock);
      -20 for BullMQ's own script; -21 BullMQ's own would break on it
    rest: 0 as many fetched as wanted; 1 there are no more for now; 2 the next one is for BullMQ's own script
  Or the error BROKENQUEUE: one of the keys holds something else; nothing was written.
]]
-- @include find_broken_key
-- @include keep_paused_layout
local call, try = redis.call, redis.pcall

local FOR_BULLMQ, DAMAGED = -20, -21
local AS_WANTED, NO_MORE, NEXT_FOR_BULLMQ = 0, 1, 2
-- BullMQ makes at most so many delayed jobs wait with each fetch.
local AT_ONCE = 1000
-- Redis serves nobody else meanwhile: so many jobs are removed, and made to wait, in one call at most, and the others
-- in the next ones. (BullMQ removes all beyond a count at once, and bounds the rest for each job.)
local removals_left, promotions_left = 10000, 10000

local broken = find_broken_key(
  {"list", "list", "zset", "stream", "set", "zset", "hash", "string", "zset", "zset", "zset", "list"})
if broken then return broken end

local prefix, now = ARGV[1], ARGV[2]
local finished, tokens, asked, worker, lock_ms, wake = unpack(cmsgpack.unpack(ARGV[3]))
local paused, concurrency, rate, most_events =
  unpack(call("HMGET", KEYS[7], "paused", "concurrency", "max", "opts.maxLenEvents"))

-- A Lua call takes some 8,000 arguments.
local function in_chunks(size, command, key, arguments)
  for first = 1, #arguments, size do
    local last = math.min(first + size - 1, #arguments)
    if key then
      call(command, key, unpack(arguments, first, last))
    else
      call(command, unpack(arguments, first, last))
    end
  end
end

-- ── finished jobs: removing old ones ───────────────────────────────────────────────────────────────────────────────

local function add_own_keys(keys, key)
  local last = #keys
  keys[last + 1], keys[last + 2], keys[last + 3] = key, key .. ":logs", key .. ":dependencies"
  keys[last + 4], keys[last + 5], keys[last + 6] = key .. ":processed", key .. ":failed", key .. ":unsuccessful"
end

-- A failed child may hold its parent up until it is removed.
local function leave_parent(key, parent)
  if call("EXISTS", parent) == 0 or call("SREM", parent .. ":dependencies", key) == 0
    or call("SCARD", parent .. ":dependencies") > 0 then
    return
  end
  local id = string.match(parent, ".*:(.*)")
  local base = string.sub(parent, 1, #parent - #id)
  if call("ZREM", base .. "waiting-children", id) == 0 then
    return
  end
  local held_back, most = unpack(call("HMGET", base .. "meta", "paused", "concurrency"))
  call("RPUSH", base .. "wait", id)
  if not held_back and not (most and call("LLEN", base .. "active") >= tonumber(most)) then
    call("ZADD", base .. "marker", 0, "0")
  end
  call("XADD", base .. "events", "*", "event", "waiting", "jobId", id, "prev", "waiting-children")
end

local function remove_jobs(ids)
  local keys = {}
  for _, id in ipairs(ids) do
    local parent = try("HGET", prefix .. id, "parentKey")
    if type(parent) == "string" and parent ~= "" then
      -- What is wrong with a parent must not keep its child's neighbours from being written.
      pcall(leave_parent, prefix .. id, parent)
    end
    add_own_keys(keys, prefix .. id)
  end
  in_chunks(6000, "DEL", nil, keys)
end

local function remove_old(set, oldest, limit)
  local ids = call("ZREVRANGEBYSCORE", set, oldest, "-inf", "LIMIT", 0, math.min(limit, removals_left))
  removals_left = removals_left - #ids
  remove_jobs(ids)
  in_chunks(6000, "ZREM", set, ids)
end

local function remove_beyond(set, count)
  local beyond = math.min(call("ZCARD", set) - count, removals_left)
  if beyond > 0 then
    remove_jobs(call("ZREVRANGE", set, -beyond, -1))
    call("ZREMRANGEBYRANK", set, 0, beyond - 1)
    removals_left = removals_left - beyond
  end
end

-- Jobs that end in one set and are kept by the same rule; together they need to be looked at once.
local groups = {}

local function keep_group(set)
  local group = groups[set]
  local oldest = group.age and now - group.age * 1000
  local old = oldest and call("ZCOUNT", set, "-inf", oldest) or 0
  local step = old < group.limit and #group.ids or 1
  for first = 1, #group.ids, step do
    local members = {}
    for i = first, first + step - 1 do
      members[#members + 1] = now
      members[#members + 1] = group.ids[i]
    end
    call("ZADD", set, unpack(members))
    if old > 0 then remove_old(set, oldest, group.limit) end
    if group.count and group.count > 0 then remove_beyond(set, group.count) end
  end
  groups[set] = nil
end

local function keep(set, id, count, age, limit)
  local group = groups[set]
  if group and (group.count ~= count or group.age ~= age or group.limit ~= limit) then
    keep_group(set)
    group = nil
  end
  if not group then
    group = {count = count, age = age, limit = limit, ids = {}}
    groups[set] = group
  end
  group.ids[#group.ids + 1] = id
end

-- ── finished jobs: writing ─────────────────────────────────────────────────────────────────────────────────────────

local function is_whole(text)
  return #text < 16 and (text == "0" or string.match(text, "^%-?[1-9]%d*$") ~= nil)
end

local function have_children(jobs)
  local keys = {}
  for _, job in ipairs(jobs) do
    if not job[5] then
      keys[#keys + 1] = prefix .. job[1] .. ":dependencies"
      keys[#keys + 1] = prefix .. job[1] .. ":unsuccessful"
    end
  end
  return #keys > 0 and call("EXISTS", unpack(keys)) > 0
end

-- Whether a job may be written, in the order in which BullMQ asks; and how many attempts it has made.
local function check(job, lock, some_have_children)
  local key = prefix .. job[1]
  local fields = try("HMGET", key, "ats", "atm", "parentKey", "parent", "deid")
  if fields.err and not string.find(fields.err, "WRONGTYPE", 1, true) then
    return FOR_BULLMQ
  end
  if not fields.err and not fields[1] and call("EXISTS", key) == 0 then
    return -1
  end
  if some_have_children and have_children({job}) then
    return FOR_BULLMQ
  end
  if lock ~= job[2] then
    return lock and -6 or -2
  end
  if fields.err or not is_whole(fields[2] or "0") then
    return DAMAGED
  end
  if fields[3] or fields[4] or fields[5] then
    return FOR_BULLMQ
  end
  return 0, tonumber(fields[2] or 0)
end

local function write(job, made)
  local id, _, value, _, stacktraces, count, age, limit = unpack(job)
  local key = prefix .. id
  if stacktraces then
    call("HSET", key, "failedReason", value, "stacktrace", stacktraces)
  end
  if call("LREM", KEYS[2], -1, id) == 0 then
    return -3
  end
  if count == 0 then
    local keys = {}
    add_own_keys(keys, key)
    call("DEL", unpack(keys))
  elseif stacktraces then
    call("HSET", key, "atm", made, "finishedOn", now)
    call("HDEL", key, "defa")
    keep(KEYS[11], id, count, age, limit)
  else
    call("HSET", key, "atm", made, "returnvalue", value, "finishedOn", now)
    keep(KEYS[10], id, count, age, limit)
  end
  return 0
end

local function trim_events()
  if not most_events then
    most_events = 10000
    call("HSET", KEYS[7], "opts.maxLenEvents", most_events)
  end
  call("XTRIM", KEYS[4], "MAXLEN", "~", most_events)
end

local function tell(job, made)
  local id, _, value, attempts, stacktraces = unpack(job)
  if not stacktraces then
    call("XADD", KEYS[4], "*", "event", "completed", "jobId", id, "returnvalue", value, "prev", "active")
    return
  end
  call("XADD", KEYS[4], "*", "event", "failed", "jobId", id, "failedReason", value, "prev", "active")
  if made >= attempts then
    call("XADD", KEYS[4], "*", "event", "retries-exhausted", "jobId", id, "attemptsMade", made)
  end
end

local function is_drained()
  return call("LLEN", KEYS[1]) == 0 and call("LLEN", KEYS[2]) == 0 and call("ZCARD", KEYS[3]) == 0
end

-- The codes of all jobs, and how many attempts each has made. Unlocks those that may be written.
local function check_all()
  local codes, attempts, lock_keys, unlocked, ids = {}, {}, {}, {}, {}
  for i, job in ipairs(finished) do
    lock_keys[i] = prefix .. job[1] .. ":lock"
  end
  local locks = call("MGET", unpack(lock_keys))
  local some_have_children = have_children(finished)
  for i, job in ipairs(finished) do
    codes[i], attempts[i] = check(job, locks[i], some_have_children)
    if codes[i] == 0 then
      unlocked[#unlocked + 1] = lock_keys[i]
      ids[#ids + 1] = job[1]
    end
  end
  if #ids > 0 then
    -- The first of all writes: a full Redis refuses a script none but its first one, if that takes memory.
    call("DEL", unpack(unlocked))
    call("SREM", KEYS[5], unpack(ids))
  end
  return codes, attempts
end

local function finish()
  local codes, attempts = check_all()
  local written = {}
  for i, job in ipairs(finished) do
    if codes[i] == 0 then
      codes[i] = write(job, attempts[i] + 1)
      if codes[i] == 0 then written[#written + 1] = {job, attempts[i] + 1} end
    end
  end
  if #written > 0 then
    trim_events()
    for i = 10, 11 do
      if groups[KEYS[i]] then keep_group(KEYS[i]) end
    end
    for _, one in ipairs(written) do tell(one[1], one[2]) end
    -- Only now: as long as one of them was active BullMQ would not have said so.
    if is_drained() then call("XADD", KEYS[4], "*", "event", "drained") end
  end
  return codes
end

-- ── the next jobs ──────────────────────────────────────────────────────────────────────────────────────────────────

local fetched = {}

-- Make delayed jobs wait that are due; their number.
local function promote()
  local most = math.min(AT_ONCE, promotions_left)
  local ids = call("ZRANGEBYSCORE", KEYS[6], 0, (now + 1) * 0x1000 - 1, "LIMIT", 0, most)
  promotions_left = promotions_left - #ids
  if #ids == 0 then
    return 0
  end
  call("ZREM", KEYS[6], unpack(ids))
  for _, id in ipairs(ids) do
    -- What is not a hash is found when it is fetched; here it must not cost its neighbours their place.
    local priority = try("HGET", prefix .. id, "priority")
    priority = type(priority) == "string" and tonumber(priority) or 0
    if priority == 0 then
      call("LPUSH", KEYS[1], id)
    else
      local count = call("INCR", KEYS[8])
      call("ZADD", KEYS[3], priority * 0x100000000 + count % 0x100000000, id)
    end
    call("XADD", KEYS[4], "*", "event", "waiting", "jobId", id, "prev", "delayed")
    try("HSET", prefix .. id, "delay", 0)
  end
  return #ids
end

-- Lock a job and add it to those fetched; false: it is for BullMQ's own script, which tells a broken hash from others.
local function start(id)
  local key = prefix .. id
  local fields = try("HMGET", key, unpack(asked))
  if string.sub(id, 1, 2) == "0:" or fields.err or not is_whole(fields[1] or "0") then
    return false
  end
  call("SET", key .. ":lock", tokens[#fetched / 2 + 1], "PX", lock_ms)
  call("XADD", KEYS[4], "*", "event", "active", "jobId", id, "prev", "waiting")
  call("HSET", key, "ats", tonumber(fields[1] or 0) + 1, "processedOn", now, "pb", worker)
  fetched[#fetched + 1] = id
  fetched[#fetched + 1] = fields
  return true
end

-- Start jobs in the order in which `ids` has them; those that were, and whether all could be.
local function start_all(ids)
  local started = {}
  for _, id in ipairs(ids) do
    if not start(id) then
      return started, false
    end
    started[#started + 1] = id
  end
  return started, true
end

local function take_waiting(count)
  local ids = {}
  local oldest_last = call("LRANGE", KEYS[1], -count, -1)
  for i = #oldest_last, 1, -1 do ids[#ids + 1] = oldest_last[i] end
  local started, all = start_all(ids)
  if #started > 0 then
    call("LTRIM", KEYS[1], 0, -(#started + 1))
    call("LPUSH", KEYS[2], unpack(started))
  end
  return #started, all
end

local function take_prioritized(count)
  local ids = call("ZRANGE", KEYS[3], 0, count - 1)
  local started, all = start_all(ids)
  if #started > 0 then
    call("ZREM", KEYS[3], unpack(started))
    call("LPUSH", KEYS[2], unpack(started))
  end
  if all and #ids < count then call("DEL", KEYS[8]) end
  return #started, all
end

local function take(count)
  local waiting, all = take_waiting(count)
  if not all or waiting == count then
    return waiting, all
  end
  local prioritized
  prioritized, all = take_prioritized(count - waiting)
  return waiting + prioritized, all
end

-- How many jobs may start; nil: only BullMQ's own script can tell.
local function allowed(wanted)
  if rate then
    return nil
  end
  if paused then
    return 0
  end
  if not concurrency then
    return wanted
  end
  local most = tonumber(concurrency)
  return most and math.max(0, math.min(wanted, most - call("LLEN", KEYS[2])))
end

local function fetch()
  local may = allowed(#tokens)
  if not may then
    return NEXT_FOR_BULLMQ, 0
  end
  local promoted = AT_ONCE
  local count, all = 0, true
  repeat
    if promoted == AT_ONCE then
      promoted = promote()
      if promoted > 0 and may > 0 then wake = true end
    end
    if count == may then break end
    -- If more are due than BullMQ makes wait at once, it looks again before each job.
    local size = promoted == AT_ONCE and 1 or may - count
    local got
    got, all = take(size)
    count = count + got
  until got < size or count == #tokens
  if count > 0 then wake = true end
  if count == #tokens then
    return AS_WANTED, 0
  end
  if not all then
    return NEXT_FOR_BULLMQ, 0
  end
  local due = may > count and call("ZRANGE", KEYS[6], 0, 0, "WITHSCORES")[2]
  return NO_MORE, due and tonumber(due) / 0x1000 or 0
end

local codes = #finished > 0 and finish() or {}
local rest, due = AS_WANTED, 0
if #tokens > 0 then rest, due = fetch() end
if wake then call("ZADD", KEYS[9], 0, "0") end
-- Due jobs wait now, or the parent of a child that was removed.
if paused then keep_paused_layout(KEYS[1], KEYS[12], KEYS[7]) end
return {codes, fetched, rest, due}
