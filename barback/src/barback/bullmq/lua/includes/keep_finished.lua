--[[
  Keep finished jobs by their retention: what is beyond a count or an age is removed, as BullMQ does it with each job
  that finishes, here once for many. Needs `call`, `try`, `prefix` and `now`.
]]

-- Redis serves nobody else meanwhile: so many jobs are removed in one call at most, the others in the next ones.
-- (BullMQ removes all beyond a count at once, and bounds the rest for each job.)
local removals_left = 10000
-- Whether a child that was removed let its parent wait.
local some_parent_waits = false

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
  some_parent_waits = true
  if not held_back and not (most and call("LLEN", base .. "active") >= tonumber(most)) then
    call("ZADD", base .. "marker", 0, "0")
  end
  call("XADD", base .. "events", "*", "event", "waiting", "jobId", id, "prev", "waiting-children")
end

-- Some in one call in place of one call for each. Not for a prefix that is a pattern, and neither in a cluster nor for a
-- user who may not read all keys: then false.
local function parents_of_oldest(set, count)
  if count < 5 or string.find(prefix, "*", 1, true) then
    return false
  end
  local parents = try("SORT", set, "BY", "nosort", "GET", prefix .. "*->parentKey", "LIMIT", 0, count)
  return not parents.err and parents
end

-- `parents`: the "parentKey" of each, if that is known; the other way round.
local function remove_jobs(ids, parents)
  local keys = {}
  for i, id in ipairs(ids) do
    local key = prefix .. id
    local parent
    if parents then parent = parents[#ids + 1 - i] else parent = try("HGET", key, "parentKey") end
    if type(parent) == "string" and parent ~= "" then
      -- What is wrong with a parent must not keep its child's neighbours from being written.
      pcall(leave_parent, key, parent)
    end
    add_own_keys(keys, key)
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
    remove_jobs(call("ZREVRANGE", set, -beyond, -1), parents_of_oldest(set, beyond))
    call("ZREMRANGEBYRANK", set, 0, beyond - 1)
    removals_left = removals_left - beyond
  end
end

-- Jobs that end in one set and are kept by the same rule: together they need to be looked at once.
local groups = {}

local function keep_group(set)
  local group = groups[set]
  if not group then
    return
  end
  local rule, members = group.rule, group.members
  local oldest = rule.age and now - rule.age * 1000
  local old = oldest and call("ZCOUNT", set, "-inf", oldest) or 0
  local step = old < rule.limit and #members or 2
  for first = 1, #members, step do
    call("ZADD", set, unpack(members, first, first + step - 1))
    if old > 0 then remove_old(set, oldest, rule.limit) end
    if rule.count and rule.count > 0 then remove_beyond(set, rule.count) end
  end
  groups[set] = nil
end

-- `rule`: its count, age in seconds and limit; false: no such bound.
local function keep(set, id, rule)
  local group = groups[set]
  if group and group.rule ~= rule
    and (group.rule.count ~= rule.count or group.rule.age ~= rule.age or group.rule.limit ~= rule.limit) then
    keep_group(set)
    group = nil
  end
  if not group then
    group = {rule = rule, members = {}}
    groups[set] = group
  end
  local members = group.members
  local last = #members
  members[last + 1], members[last + 2] = now, id
end
