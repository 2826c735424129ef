--[[
  Ask the worker that holds a job to end it. The token is kept with the reason: a later start is not meant.

  KEYS[1] the job's lock  KEYS[2] requests to cancel (HASH)
  ARGV[1] job id  ARGV[2] reason  ARGV[3] how long the requests are kept, in milliseconds
  Returns 1; 0: nobody holds it.
]]
local token = redis.call("GET", KEYS[1])
if not token then
  return 0
end
redis.call("HSET", KEYS[2], ARGV[1], token .. "\n" .. ARGV[2])
redis.call("PEXPIRE", KEYS[2], ARGV[3])
return 1
