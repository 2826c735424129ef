--[[
  Set notes, if those that are expected are still as they are.

  KEYS[1] the notes, a hash
  ARGV[1] packed {expected, new}: each by name; false: there is none
  Returns 1; 0: one is another.
]]
local expected, new = unpack(cmsgpack.unpack(ARGV[1]))
for name, text in pairs(expected) do
  if redis.call("HGET", KEYS[1], name) ~= text then
    return 0
  end
end
for name, text in pairs(new) do
  if text then
    redis.call("HSET", KEYS[1], name, text)
  else
    redis.call("HDEL", KEYS[1], name)
  end
end
return 1
