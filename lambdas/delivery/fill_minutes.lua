-- KEYS[1] a symbol's ring; ARGV: slots, bytes a row, seconds until it goes, then slot and row in turn.
-- Writes each row whose slot holds an older minute, or none; returns how many. A row begins with its start, a
-- little-endian int64. As a number of Lua it is off by 128 ns at most, far less than a minute.
local slots, width = tonumber(ARGV[1]), tonumber(ARGV[2])
local ring = redis.call('GET', KEYS[1]) or ''
if #ring < slots * width then
  redis.call('SETRANGE', KEYS[1], slots * width - 1, '\0')
  ring = ring .. string.rep('\0', slots * width - #ring)
end
local written = 0
for i = 4, #ARGV, 2 do
  local at = tonumber(ARGV[i]) * width
  if struct.unpack('<i8', ring, at + 1) < struct.unpack('<i8', ARGV[i + 1]) then
    redis.call('SETRANGE', KEYS[1], at, ARGV[i + 1])
    written = written + 1
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return written
