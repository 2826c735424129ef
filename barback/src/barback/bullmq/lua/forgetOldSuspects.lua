--[[
  Forget who was suspected of being dead if nobody has looked for a long time since, as in an outage.

  KEYS[1] stalled  KEYS[2] when somebody looked last
  ARGV[1] timestamp  ARGV[2] how long ago that may be, in milliseconds
]]
local before = tonumber(redis.call("GET", KEYS[2]) or 0)
if tonumber(ARGV[1]) - before > tonumber(ARGV[2]) then
  redis.call("DEL", KEYS[1])
end
redis.call("SET", KEYS[2], ARGV[1])
return 0
