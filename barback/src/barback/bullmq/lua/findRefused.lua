--[[
  Which commands the caller may not run. Nothing is run.

  ARGV[1] packed list of commands, each a list of its words
  Returns one text for each that is refused: its first two words. Nothing at all, if the server cannot tell.
]]
if not redis.acl_check_cmd then return false end
local refused = {}
for _, command in ipairs(cmsgpack.unpack(ARGV[1])) do
  if not redis.acl_check_cmd(unpack(command)) then
    refused[#refused + 1] = command[2] and command[1] .. " " .. command[2] or command[1]
  end
end
return refused
