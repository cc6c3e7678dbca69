package redis

import (
	goredis "github.com/redis/go-redis/v9"

	"teamsdlp/cmd/internal/faults"
)

// The scripts. Each touches the keys of one partition only. Time is Redis' own.
// Numbers are written by string.format, because Lua would write 1.7e+12.

// evenFull begins each script: it is carried out though Redis has no memory left. Only
// new items are refused then. What is there can be worked off, which gives memory back,
// and who works on it must not lose his leases.
const evenFull = "#!lua flags=allow-oom\n"

// common is put before each script.
const common = `
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function micros()
  local t = redis.call('TIME')
  return string.format('%.0f', t[1] * 1000000 + t[2])
end
local function whole(n) return string.format('%.0f', n) end
local function held(key, owner, fence)
  local l = redis.call('HMGET', key, 'owner', 'fence')
  return l[1] == owner and l[2] == fence
end
local function endrow(q, delay, attempts, counts, id, size, unverified)
  if redis.call('XDEL', q, id) == 0 then return end
  redis.call('ZREM', delay, id)
  redis.call('HDEL', attempts, id)
  redis.call('HINCRBY', counts, 'bytes', -size)
  if unverified ~= '0' and redis.call('HDEL', counts, 'proved:' .. id) == 0 then redis.call('HINCRBY', counts, 'unverified', -1) end
end
`

func script(text string) *goredis.Script {
	if faults.On(faults.NoFence) {
		text = "held = function() return true end\n" + text
	}
	return goredis.NewScript(evenFull + common + text)
}

var (
	// acquire takes a lease that is free or has run out: fence, or 0. None lasts longer
	// than a minute: if one does, the clock went back, and it ends as if it were new. Its
	// holder, if he lives, prolongs it before.
	acquireScript = script(`
local l = redis.call('HMGET', KEYS[1], 'owner', 'until')
local now = clock()
if l[1] and l[1] ~= '' and tonumber(l[2]) > now then
  if tonumber(l[2]) > now + 60000 then redis.call('HSET', KEYS[1], 'until', whole(now + ARGV[2])) end
  return 0
end
local fence = redis.call('HINCRBY', KEYS[1], 'fence', 1)
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until', whole(now + ARGV[2]))
return fence`)

	// renew prolongs a lease that nobody else has taken: 1, or 0.
	renewScript = script(`
if not held(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'until', whole(clock() + ARGV[3]))
return 1`)

	releaseScript = script(`
if not held(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'owner', '', 'until', 0)
redis.call('PUBLISH', ARGV[3], 'lease')
return 1`)

	// claim reads deferred items that are due and items after the cursor. KEYS: lease,
	// queue, delay, attempts, counts. ARGV: owner, fence, cursor, items and bytes wanted, what
	// begins the keys of items that came before, about how many items to pass at most. It answers the cursor, ms until the
	// next is due (-1: none), then id, body, unverified (proved: p), attempts, what the item is
	// known by and whether one like it led to an effect, of each.
	claimScript = script(`
if not held(KEYS[1], ARGV[1], ARGV[2]) then return redis.error_reply('FENCED claim') end
local most, size = tonumber(ARGV[4]), tonumber(ARGV[5])
local now = clock()
local out, n, bytes, cursor = {'', ''}, 0, 0, ARGV[3]
local function give(e)
  local f = {}
  for i = 1, #e[2], 2 do f[e[2][i]] = e[2][i + 1] end
  n = n + 1
  bytes = bytes + #f['b']
  out[#out + 1] = e[1]
  out[#out + 1] = f['b']
  if f['u'] ~= '0' and redis.call('HEXISTS', KEYS[5], 'proved:' .. e[1]) == 1 then out[#out + 1] = 'p' else out[#out + 1] = f['u'] end
  out[#out + 1] = string.match(redis.call('HGET', KEYS[4], e[1]) or '0', '^%d+')
  out[#out + 1] = f['d'] or ''
  -- While a cluster moves the slot the answer may be an error: then its effect tells.
  if f['d'] and redis.pcall('EXISTS', ARGV[6] .. f['d']) == 1 then out[#out + 1] = '1' else out[#out + 1] = '0' end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', whole(now), 'LIMIT', 0, most)) do
  if n > 0 and bytes >= size then break end
  redis.call('ZREM', KEYS[3], id)
  local e = redis.call('XRANGE', KEYS[2], id, id)
  if e[1] then give(e[1]) end
end
local seen = 0
while n < most and (n == 0 or bytes < size) and seen < tonumber(ARGV[7]) do
  local page = redis.call('XRANGE', KEYS[2], '(' .. cursor, '+', 'COUNT', 32)
  if #page == 0 then break end
  seen = seen + #page
  for _, e in ipairs(page) do
    if n >= most or (n > 0 and bytes >= size) then break end
    cursor = e[1]
    if not redis.call('ZSCORE', KEYS[3], e[1]) then give(e) end
  end
end
out[1] = cursor
local first = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
if first[2] then out[2] = whole(math.max(0, first[2] - now)) else out[2] = '-1' end
return out`)

	// drop ends a row. KEYS: lease, queue, delay, attempts, counts. ARGV: owner,
	// fence, id, size, unverified.
	dropScript = script(`
if not held(KEYS[1], ARGV[1], ARGV[2]) then return redis.error_reply('FENCED drop') end
endrow(KEYS[2], KEYS[3], KEYS[4], KEYS[5], ARGV[3], ARGV[4], ARGV[5])
return 1`)

	// proved marks a row whose tokens were verified. KEYS: as drop. ARGV: owner, fence, id.
	provedScript = script(`
if not held(KEYS[1], ARGV[1], ARGV[2]) then return redis.error_reply('FENCED proved') end
local e = redis.call('XRANGE', KEYS[2], ARGV[3], ARGV[3])
if not e[1] then return 0 end
for i = 1, #e[1][2], 2 do
  if e[1][2][i] == 'u' and e[1][2][i + 1] == '0' then return 1 end
end
if redis.call('HSETNX', KEYS[5], 'proved:' .. ARGV[3], '1') == 1 then redis.call('HINCRBY', KEYS[5], 'unverified', -1) end
return 1`)

	// defer puts a row back. ARGV: owner, fence, id, ms to wait, attempts and reason.
	deferScript = script(`
if not held(KEYS[1], ARGV[1], ARGV[2]) then return redis.error_reply('FENCED defer') end
if #redis.call('XRANGE', KEYS[2], ARGV[3], ARGV[3]) == 0 then return 0 end
redis.call('ZADD', KEYS[3], whole(clock() + ARGV[4]), ARGV[3])
redis.call('HSET', KEYS[4], ARGV[3], ARGV[5])
return 1`)

	// bury moves a row into quarantine: there first, then away here. KEYS: as drop,
	// and quarantine. ARGV: as drop, then attempts, reason.
	buryScript = script(`
if not held(KEYS[1], ARGV[1], ARGV[2]) then return redis.error_reply('FENCED bury') end
local e = redis.call('XRANGE', KEYS[2], ARGV[3], ARGV[3])
if not e[1] then return 0 end
local f = e[1][2]
if redis.call('HEXISTS', KEYS[5], 'proved:' .. ARGV[3]) == 1 then
  for i = 1, #f, 2 do if f[i] == 'u' then f[i + 1] = '0' end end
end
f[#f + 1] = 'a'; f[#f + 1] = ARGV[6]
f[#f + 1] = 'w'; f[#f + 1] = ARGV[7]
redis.call('XADD', KEYS[6], '*', unpack(f))
endrow(KEYS[2], KEYS[3], KEYS[4], KEYS[5], ARGV[3], ARGV[4], ARGV[5])
return 1`)

	// exhume moves a quarantined item back. KEYS: quarantine, queue, counts. ARGV:
	// id, channel, message.
	exhumeScript = script(`
local e = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if not e[1] then return 0 end
local f = {}
for i = 1, #e[1][2], 2 do f[e[1][2][i]] = e[1][2][i + 1] end
redis.call('XADD', KEYS[2], '*', 'b', f['b'], 'u', f['u'], 'r', f['r'])
redis.call('HINCRBY', KEYS[3], 'bytes', #f['b'])
if f['u'] ~= '0' then redis.call('HINCRBY', KEYS[3], 'unverified', 1) end
redis.call('XDEL', KEYS[1], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1`)

	// settle writes an effect with all that goes with it and ends its row. KEYS:
	// lease, effect, standing, alog, queue, delay, attempts, counts, open, and what the
	// item is known by when it comes again, if anything. ARGV: owner, fence, number of this call, state, effect, standing, ms to keep the
	// effect and the standing (0: for good), row, size, unverified, node, the field
	// of what is open while it is decided only (empty: none), ms to know the item;
	// then the entries.
	settleScript = script(`
if not held(KEYS[1], ARGV[1], ARGV[2]) then return redis.error_reply('FENCED settle') end
if ARGV[9] ~= '' then endrow(KEYS[5], KEYS[6], KEYS[7], KEYS[8], ARGV[9], ARGV[10], ARGV[11]) end
if KEYS[10] then redis.call('SET', KEYS[10], '1', 'PX', ARGV[14]) end
local e = redis.call('HMGET', KEYS[2], 's', 'c')
if e[2] == ARGV[3] then return 'OK' end
if e[1] and e[1] ~= 'decided' then return 'FINISHED' end
redis.call('HSET', KEYS[2], 's', ARGV[4], 'c', ARGV[3], 'b', ARGV[5])
if ARGV[7] == '0' then redis.call('PERSIST', KEYS[2]) else redis.call('PEXPIRE', KEYS[2], ARGV[7]) end
redis.call('SET', KEYS[3], ARGV[6])
if ARGV[8] ~= '0' then redis.call('PEXPIRE', KEYS[3], ARGV[8]) end
if ARGV[13] ~= '' then
  if ARGV[4] == 'decided' then redis.call('HSET', KEYS[9], ARGV[13], ARGV[5]) else redis.call('HDEL', KEYS[9], ARGV[13]) end
end
for i = 15, #ARGV do redis.call('XADD', KEYS[4], '*', 't', micros(), 'n', ARGV[12], 'k', ARGV[3], 'e', ARGV[i]) end
return 'OK'`)

	// append adds entries that end no effect. KEYS: alog, once. ARGV: number of this
	// call, node; then the entries.
	appendScript = script(`
if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', 600000) then return 'OK' end
for i = 3, #ARGV do redis.call('XADD', KEYS[1], '*', 't', micros(), 'n', ARGV[2], 'k', ARGV[1], 'e', ARGV[i]) end
return 'OK'`)

	// publish appends numbered entries to the sealed log. KEYS: lease, sealed, head.
	// ARGV: owner, fence, the first number, channel; then partition, id, body.
	publishScript = script(`
if not held(KEYS[1], ARGV[1], ARGV[2]) then return redis.error_reply('FENCED publish') end
local size = tonumber(redis.call('HGET', KEYS[3], 'size') or '0')
if size ~= tonumber(ARGV[3]) then return redis.error_reply('OUTOFSTEP the sealed log has another size') end
for i = 5, #ARGV, 3 do
  size = size + 1
  redis.call('XADD', KEYS[2], whole(size) .. '-0', 'b', ARGV[i + 2])
  redis.call('HSET', KEYS[3], 'from:' .. ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[3], 'size', whole(size))
redis.call('PUBLISH', ARGV[4], 'log')
return size`)

	// led runs one write of whoever has the lease. KEYS: lease, key. ARGV: owner, fence,
	// command, further arguments.
	ledScript = script(`
if not held(KEYS[1], ARGV[1], ARGV[2]) then return redis.error_reply('FENCED') end
local args = {}
for i = 4, #ARGV do args[#args + 1] = ARGV[i] end
return redis.call(ARGV[3], KEYS[2], unpack(args))`)

	// touch is a write that says nothing. KEYS: key.
	touchScript = script(`return redis.call('SET', KEYS[1], '')`)

	// subscribe changes the leader's table of subscriptions and counts its version.
	// KEYS: lease, subscriptions, head. ARGV: owner, fence, channel, field, value
	// (none: the field goes).
	subscribeScript = script(`
if not held(KEYS[1], ARGV[1], ARGV[2]) then return redis.error_reply('FENCED subscribe') end
if ARGV[5] then redis.call('HSET', KEYS[2], ARGV[4], ARGV[5]) else redis.call('HDEL', KEYS[2], ARGV[4]) end
local v = redis.call('HINCRBY', KEYS[3], 'subs', 1)
redis.call('PUBLISH', ARGV[3], 'subs')
return v`)

	// beat says that a node lives and returns what is said of all: id, age in ms,
	// text of each. What was said in the future, since when the clock went back, counts as
	// said now. KEYS: nodes. ARGV: id, text, ms after which one is forgotten.
	beatScript = script(`
local now = clock()
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], whole(now) .. ' ' .. ARGV[2]) end
local all, out = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local at, text = string.match(all[i + 1], '^(%d+) (.*)$')
  local age = now - at
  if age < 0 then redis.call('HSET', KEYS[1], all[i], whole(now) .. ' ' .. text) end
  if age > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], all[i])
  else
    out[#out + 1] = all[i]
    out[#out + 1] = whole(math.max(0, age))
    out[#out + 1] = text
  end
end
return out`)
)
