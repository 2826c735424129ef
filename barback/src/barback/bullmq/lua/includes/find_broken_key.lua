-- The error to answer if one of KEYS holds another kind of value than `kinds` has in its place; nil: none does.
--
-- A command that meets what it cannot use ends a script half-way: then jobs would be in no list.
local function find_broken_key(kinds)
  for i, kind in pairs(kinds) do
    local found = kind and redis.call("TYPE", KEYS[i]).ok
    if kind and found ~= kind and found ~= "none" then
      return redis.error_reply("BROKENQUEUE " .. KEYS[i] .. " holds a " .. found .. " in place of a " .. kind)
    end
  end
end
