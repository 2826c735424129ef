--[[
  Write what became of many jobs, then fetch the next ones. What is left is what BullMQ's moveToFinished, once for each
  job, and then moveToActive, once for each job wanted, would leave; what those two do for jobs with relatives, unique
  ones and rate limits, and whatever they would break on, is refused here before anything of it is written.

  KEYS[1] wait  KEYS[2] active  KEYS[3] prioritized  KEYS[4] events  KEYS[5] stalled  KEYS[6] delayed  KEYS[7] meta
  KEYS[8] pc  KEYS[9] marker  KEYS[10] completed  KEYS[11] failed  KEYS[12] paused
  ARGV[1] key prefix of the queue  ARGV[2] timestamp
  ARGV[3] packed: {finished, tokens, worker, lock in milliseconds, wake}
    finished: {ids, tokens, values, kind of each, kinds, stacktraces}; value: its returnvalue or failedReason
      kinds: {{completed, fresh, attempts, count, age, limit}, ...}; fresh: it was, when it was fetched; count, age in s:
        how it is kept, false: no such bound; limit: how many may be removed for their age
      stacktraces: of those that failed, by place
    tokens: one for each job wanted
    wake: tell other workers that there is something to fetch
  Returns {codes, jobs, rest, when the next delayed job is due}.
    codes: BullMQ's (0 written, -1 no hash, -2 no lock, -3 not active, -6 another's lock);
      -20 for BullMQ's own script; -21 BullMQ's own would break on it
    jobs: {name, data, opts, timestamp, id} of a fresh one: its hash holds what an add writes, and nothing else;
      {id, {field, value, ...}} of any other
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
local MOST_EVENTS = 10000
-- name, data, opts, timestamp, delay and priority are all that an add writes; a start adds three.
local FRESH_FIELDS, STARTED_FIELDS = 6, 3
-- So many in one call at most: Redis serves nobody else meanwhile.
local promotions_left = 10000

local prefix, now = ARGV[1], ARGV[2]
local finished, tokens, worker, lock_ms, wake = unpack(cmsgpack.unpack(ARGV[3]))
local ids, held, values, kind_of, kinds, stacktraces = unpack(finished)
for i, kind in ipairs(kinds) do
  kinds[i] =
    {completed = kind[1], fresh = kind[2], attempts = kind[3], count = kind[4], age = kind[5], limit = kind[6]}
end

-- ── looking before anything is written ─────────────────────────────────────────────────────────────────────────────

-- What is needed anyway is read now: each call from a script costs some 2 µs, and one of these shows a key that is
-- broken. Those that end are mostly those that started first.
local meta = try("HMGET", KEYS[7], "paused", "concurrency", "max", "opts.maxLenEvents")
local oldest_active = try("LRANGE", KEYS[2], -math.max(1, 2 * #ids), -1)
local next_waiting = try("LRANGE", KEYS[1], -math.max(1, #tokens), -1)
local next_due = {}
if #tokens > 0 then
  next_due = try("ZRANGEBYSCORE", KEYS[6], 0, (now + 1) * 0x1000 - 1, "LIMIT", 0, AT_ONCE)
end

local function find_any_broken_key()
  return find_broken_key(
    {"list", "list", "zset", "stream", "set", "zset", "hash", "string", "zset", "zset", "zset", "list"})
end

local unread = meta.err or oldest_active.err or next_waiting.err or next_due.err
if unread then return find_any_broken_key() or redis.error_reply(unread) end
local paused, concurrency, rate, most_events = unpack(meta)

-- The others that will be written. If jobs finish, stalled and events are written first, and nothing is lost by that.
local function find_broken_target()
  local some_completed, some_failed = false, false
  for _, kind in ipairs(kinds) do
    if kind.completed then some_completed = true else some_failed = true end
  end
  return find_broken_key({
    [3] = "zset", [9] = "zset", [4] = #ids == 0 and "stream", [8] = #next_due > 0 and "string",
    [10] = some_completed and "zset", [11] = some_failed and "zset", [12] = paused and "list",
  })
end

local broken = find_broken_target()
if broken then return broken end

-- @include keep_finished

-- ── what finished ──────────────────────────────────────────────────────────────────────────────────────────────────

local function is_whole(text)
  return #text < 16 and (text == "0" or string.match(text, "^%-?[1-9]%d*$") ~= nil)
end

-- Whether one of these, if it completed, waits for children. (A failed one does not.)
local function have_children(places, keys)
  local children = {}
  for _, i in ipairs(places) do
    if kinds[kind_of[i]].completed then
      local last = #children
      children[last + 1], children[last + 2] = keys[i] .. ":dependencies", keys[i] .. ":unsuccessful"
    end
  end
  return #children > 0 and call("EXISTS", unpack(children)) > 0
end

-- Whether a job may be written, in the order in which BullMQ asks; and how many attempts it has made.
local function check(i, keys, lock, some_have_children)
  local key = keys[i]
  if kinds[kind_of[i]].fresh and lock == held[i] and not some_have_children
    and try("HLEN", key) == FRESH_FIELDS + STARTED_FIELDS then
    -- What its start wrote, and nothing else: no parent, no deduplication key, no attempt made.
    return 0, 0
  end
  local fields = try("HMGET", key, "ats", "atm", "parentKey", "parent", "deid")
  if fields.err and not string.find(fields.err, "WRONGTYPE", 1, true) then
    return FOR_BULLMQ
  end
  if not fields.err and not fields[1] and call("EXISTS", key) == 0 then
    return -1
  end
  if some_have_children and have_children({i}, keys) then
    return FOR_BULLMQ
  end
  if lock ~= held[i] then
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

-- The codes of all, and how many attempts each has made.
local function check_all(keys, lock_keys)
  local codes, attempts, places = {}, {}, {}
  for i in ipairs(ids) do places[i] = i end
  local locks = call("MGET", unpack(lock_keys))
  local some_have_children = have_children(places, keys)
  for i in ipairs(ids) do
    codes[i], attempts[i] = check(i, keys, locks[i], some_have_children)
  end
  return codes, attempts
end

-- Give up the locks of those that may be written, in `places`; an error: nothing was written that matters.
local function unlock(places, lock_keys)
  local leaving, unlocked = {}, {}
  for n, i in ipairs(places) do
    leaving[n], unlocked[n] = ids[i], lock_keys[i]
  end
  -- The first of all writes is one that takes no memory: after it even a full Redis refuses none.
  local answer = try("XTRIM", KEYS[4], "MAXLEN", "~", most_events or MOST_EVENTS)
  if type(answer) == "number" then answer = try("SREM", KEYS[5], unpack(leaving)) end
  if type(answer) ~= "number" then
    return answer
  end
  if not most_events then call("HSET", KEYS[7], "opts.maxLenEvents", MOST_EVENTS) end
  call("DEL", unpack(unlocked))
end

-- Take those in `places` out of the active ones; which of them were there, by place.
local function leave_active(places)
  local place_of, left, deepest = {}, {}, nil
  -- One that is told twice leaves once.
  for _, i in ipairs(places) do place_of[ids[i]] = place_of[ids[i]] or i end
  for n = #oldest_active, 1, -1 do
    local i = place_of[oldest_active[n]]
    if i and not left[i] then
      left[i], deepest = true, n
      oldest_active[n] = false
    end
  end
  if deepest then
    local staying = {}
    for n = deepest, #oldest_active do
      if oldest_active[n] then staying[#staying + 1] = oldest_active[n] end
    end
    call("LTRIM", KEYS[2], 0, deepest - #oldest_active - 2)
    if #staying > 0 then call("RPUSH", KEYS[2], unpack(staying)) end
  end
  for _, i in ipairs(places) do
    if not left[i] and place_of[ids[i]] == i then left[i] = call("LREM", KEYS[2], -1, ids[i]) > 0 end
  end
  return left
end

local function write(i, key, made, was_active)
  local kind, value = kinds[kind_of[i]], values[i]
  if not kind.completed then
    call("HSET", key, "failedReason", value, "stacktrace", stacktraces[i])
  end
  if not was_active then
    return -3
  end
  if kind.count == 0 then
    local own = {}
    add_own_keys(own, key)
    call("DEL", unpack(own))
  elseif kind.completed then
    call("HSET", key, "atm", made, "returnvalue", value, "finishedOn", now)
    keep(KEYS[10], ids[i], kind)
  else
    call("HSET", key, "atm", made, "finishedOn", now)
    call("HDEL", key, "defa")
    keep(KEYS[11], ids[i], kind)
  end
  return 0
end

local function tell(i, made)
  local id, value, kind = ids[i], values[i], kinds[kind_of[i]]
  if kind.completed then
    call("XADD", KEYS[4], "*", "event", "completed", "jobId", id, "returnvalue", value, "prev", "active")
    return
  end
  call("XADD", KEYS[4], "*", "event", "failed", "jobId", id, "failedReason", value, "prev", "active")
  if made >= kind.attempts then
    call("XADD", KEYS[4], "*", "event", "retries-exhausted", "jobId", id, "attemptsMade", made)
  end
end

local function is_drained()
  return #next_waiting == 0 and call("LLEN", KEYS[1]) == 0 and call("LLEN", KEYS[2]) == 0
    and call("ZCARD", KEYS[3]) == 0
end

-- The codes of all jobs; with an error nothing was written.
local function finish()
  local keys, lock_keys, places = {}, {}, {}
  for i, id in ipairs(ids) do
    keys[i] = prefix .. id
    lock_keys[i] = keys[i] .. ":lock"
  end
  local codes, attempts = check_all(keys, lock_keys)
  for i, code in ipairs(codes) do
    if code == 0 then places[#places + 1] = i end
  end
  if #places == 0 then
    -- Nothing was written yet, and the next jobs will be.
    return codes, #tokens > 0 and find_broken_key({[4] = "stream"})
  end
  local failure = unlock(places, lock_keys)
  if failure then
    return nil, find_any_broken_key() or failure
  end
  local left = leave_active(places)
  for _, i in ipairs(places) do
    codes[i] = write(i, keys[i], attempts[i] + 1, left[i])
  end
  keep_group(KEYS[10])
  keep_group(KEYS[11])
  local some_written = false
  for _, i in ipairs(places) do
    if codes[i] == 0 then
      some_written = true
      tell(i, attempts[i] + 1)
    end
  end
  -- Only now: as long as one of them was active BullMQ would not have said so.
  if some_written and is_drained() then call("XADD", KEYS[4], "*", "event", "drained") end
  if some_parent_waits then next_waiting = nil end
  return codes
end

-- ── the next jobs ──────────────────────────────────────────────────────────────────────────────────────────────────

local fetched = {}

-- Make delayed jobs wait that are due; their number.
local function promote()
  local most = math.min(AT_ONCE, promotions_left)
  local ids = next_due or call("ZRANGEBYSCORE", KEYS[6], 0, (now + 1) * 0x1000 - 1, "LIMIT", 0, most)
  next_due = nil
  promotions_left = promotions_left - #ids
  if #ids == 0 then
    return 0
  end
  next_waiting = nil
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
  local fields, starts = nil, "0"
  -- The two others are its delay and priority, which every add writes.
  local fresh = try("HLEN", key) == FRESH_FIELDS
  if fresh then
    fields = call("HMGET", key, "name", "data", "opts", "timestamp")
    fresh = fields[1] and fields[2] and fields[3] and fields[4]
  end
  if not fresh then
    fields = try("HGETALL", key)
    if fields.err then
      return false
    end
    for i = 1, #fields, 2 do
      if fields[i] == "ats" then starts = fields[i + 1] end
    end
  end
  if not is_whole(starts) or string.find(id, "^0:") then
    return false
  end
  call("PSETEX", key .. ":lock", lock_ms, tokens[#fetched + 1])
  call("XADD", KEYS[4], "*", "event", "active", "jobId", id, "prev", "waiting")
  call("HSET", key, "ats", starts + 1, "processedOn", now, "pb", worker)
  if fresh then
    fields[5] = id
    fetched[#fetched + 1] = fields
  else
    fetched[#fetched + 1] = {id, fields}
  end
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
  local oldest_last = next_waiting or call("LRANGE", KEYS[1], -count, -1)
  next_waiting = nil
  for i = #oldest_last, math.max(1, #oldest_last - count + 1), -1 do ids[#ids + 1] = oldest_last[i] end
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

local codes = {}
if #ids > 0 then
  codes, broken = finish()
  if broken then return broken end
end
local rest, due = AS_WANTED, 0
if #tokens > 0 then rest, due = fetch() end
if wake then call("ZADD", KEYS[9], 0, "0") end
-- Due jobs wait now, or the parent of a child that was removed.
if paused then keep_paused_layout(KEYS[1], KEYS[12], KEYS[7]) end
return {codes, fetched, rest, due}
