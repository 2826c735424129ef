-- In front of a script of BullMQ's that acts on one job: only if the job is still where, and finished when, it was.
-- The last argument: packed {job key, job id, the set or list it must be in, or false, those in which it must not be,
-- when it finished in milliseconds, or false}.
do
  local job, id, there, elsewhere, finished = unpack(cmsgpack.unpack(ARGV[#ARGV]))
  local function is_in(key)
    local kind = redis.call("TYPE", key).ok
    if kind == "zset" then return redis.call("ZSCORE", key, id) end
    return kind == "list" and redis.call("LPOS", key, id)
  end
  local moved = redis.call("EXISTS", job) == 0 or (there and not is_in(there))
    or (finished and redis.call("HGET", job, "finishedOn") ~= finished)
  for _, key in ipairs(elsewhere) do moved = moved or is_in(key) end
  if moved then return "moved" end
end
