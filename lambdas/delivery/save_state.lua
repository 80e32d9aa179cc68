-- KEYS[1] the state; ARGV: version expected ('' where there must be none), version to write, bytes.
-- Returns the version that is there afterwards: the caller's own if the save took place, and also
-- if it had taken place already and only the answer was lost.
local current = redis.call('HGET', KEYS[1], 'version') or ''
if current ~= ARGV[1] then
  return current
end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'data', ARGV[3])
return ARGV[2]
