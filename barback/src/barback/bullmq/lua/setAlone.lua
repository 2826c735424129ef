--[[
  Write down how many crashes of a held job count as its own: one more while it runs alone in its worker.

  KEYS[1] the job's hash  KEYS[2] its lock
  ARGV[1] token  ARGV[2] the number
  Returns 1; 0: the lock is not ours.
]]
if redis.call("GET", KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call("HSET", KEYS[1], "barback:alone", ARGV[2])
return 1
