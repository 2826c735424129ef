--[[
  Add to counts, once for each write of a writer.

  KEYS[1] the number of the writer's last write
  ARGV[1] the number of this one: they grow
  ARGV[2] how long the number is kept, in ms
  ARGV[3] packed: a list of {key of a hash, how long it is kept from now, in ms, {field = number to add}}
  Returns 1; 0: this write was done before.
]]
if tonumber(redis.call("GET", KEYS[1]) or 0) >= tonumber(ARGV[1]) then
  return 0
end
for _, counted in ipairs(cmsgpack.unpack(ARGV[3])) do
  local key, keep, counts = unpack(counted)
  for field, number in pairs(counts) do
    redis.call("HINCRBY", key, field, number)
  end
  redis.call("PEXPIRE", key, keep)
end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return 1
