--[[
  Put a paused queue's waiting jobs where they belong, after BullMQ's scripts let some wait.

  KEYS[1] wait  KEYS[2] paused  KEYS[3] meta
  Returns the number of jobs moved.
]]
-- @include keep_paused_layout
return keep_paused_layout(KEYS[1], KEYS[2], KEYS[3])
