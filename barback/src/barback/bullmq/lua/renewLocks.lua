--[[
  Renew the locks of running jobs, and take up those again that ran out while nobody took their jobs: after an outage
  longer than the lock the worker that went on all the time still has them. (BullMQ's extendLocks gives them up.)

  KEYS[1] stalled  KEYS[2] active
  ARGV[1] key prefix of the queue  ARGV[2] lock duration in milliseconds
  ARGV[3] {{job id, token, how often it had been started then}, ...}, packed
  Returns the tokens whose lock is lost. (A worker may hold an earlier start of a job beside a later one.)
]]
local lost = {}
for _, held in ipairs(cmsgpack.unpack(ARGV[3])) do
  local id, token = held[1], held[2]
  local lock = ARGV[1] .. id .. ":lock"
  local holder = redis.call("GET", lock)
  local ours = holder == token
  if not holder and redis.call("LPOS", KEYS[2], id) then
    -- Active without a lock: it is still ours if it was not started again since.
    ours = redis.call("HGET", ARGV[1] .. id, "ats") == tostring(held[3])
  end
  if ours then
    redis.call("SET", lock, token, "PX", ARGV[2])
    redis.call("SREM", KEYS[1], id)
  else
    lost[#lost + 1] = token
  end
end
return lost
