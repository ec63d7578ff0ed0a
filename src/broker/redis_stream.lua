-- F has the functions; RO those of them that write nothing; GROWS those that are refused when the server's memory is full.
--
-- Channels as streams. An id is <epoch>-<offset>. Offsets go on over the end of an epoch; where a stream begins they
-- begin with 1, and an id with offset 0 says that it has had none yet.
--
-- Entries: `d` the frame; `p`, of the first one of an epoch, the id before it, whose entry may be gone. An entry that has
-- `b` instead is a mark: here data was lost.

local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

local function text(n)
  return string.format('%.0f', n)
end

local function parts(id)
  local epoch, offset = string.match(id, '^(%d+)-(%d+)$')
  return epoch, tonumber(offset)
end

-- An epoch that no stream had before; later than `base` in any case.
local function mint(base)
  local now = now_us()
  base = tonumber(base)
  if now <= base then now = base + 1 + now % 1048576 end
  return text(now)
end

-- When it was published, in ms: that stands in the frame.
local function time_of(frame)
  local high, low = struct.unpack('>I4I4', frame, 18)
  return high * 4294967296 + low
end

-- The last id ever given, or false: for streams that are likely to be empty.
local function generated(key)
  local info = redis.pcall('XINFO', 'STREAM', key)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
  return false
end

-- The same for all others.
local function tip(key)
  local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
  return last[1] and last[1][1] or generated(key)
end

-- An empty stream of a new epoch.
local function begin(key, base, ttl)
  local id = mint(base) .. '-0'
  redis.call('XADD', key, 'MAXLEN', '=', 0, id, 'b', '')
  redis.call('PEXPIRE', key, ttl)
  return id
end

-- What the quick way could not do: the stream does not exist, or has another epoch than was thought, or begins a newer
-- one; or there was no quick way.
local function append(key, args, got)
  local hint, size, frame = args[1], args[2], args[3]
  if type(got) == 'string' then redis.call('XDEL', key, got) end
  if type(got) == 'table' and got.err and not string.find(got.err, 'equal or smaller', 1, true) then return got end
  local last = tip(key)
  local epoch, offset = parts(last or '0-0')
  local id = '-' .. text(offset + 1)
  if type(got) ~= 'string' and last and tonumber(hint) <= tonumber(epoch) then
    id = epoch .. id
    redis.call('XADD', key, 'MAXLEN', '~', size, id, 'd', frame)
  else
    id = mint(hint) .. id -- not the hint itself: it may be an epoch that this stream had once
    redis.call('XADD', key, 'MAXLEN', '~', size, id, 'd', frame, 'p', last or '')
  end
  redis.call('PEXPIRE', key, args[6]) -- one without publications had a short one
  return id
end

-- Clocks of nodes and of the server differ; so much is allowed for.
local SKEW = 2000

-- Streams that keep publications for a time only are known by their partition: in `a:`, a zset, when to look at each
-- channel's next, and in `b:`, a hash, for how long it keeps. As long as such a stream has publications it is in there.
local function note_age(key, age)
  local base, channel = string.match(key, '^([^{]*{%x+}:)s:(.*)$')
  redis.pcall('HSET', base .. 'b:', channel, age)
  redis.pcall('ZADD', base .. 'a:', 'NX', text(now_us() / 1000 + age + SKEW), channel)
end

-- keys: stream [, idempotency key]
-- args: epoch (beginning with a 0: only the least that it may be), size (0: nothing is kept), frame, live channel, what
-- else there is to do, ttl [, of the key]
-- To do: 0 nothing; 1 set the stream's ttl, or, where nothing is kept, end a stream that there may be; more: set the ttl,
-- and publications are kept for so many ms.
-- An id, or an array of one if the idempotency key was known.
GROWS.publish = true
F.publish = function(keys, args)
  local key, id = keys[1], '-'
  if keys[2] then
    local known = redis.call('GET', keys[2])
    if known then return {known} end
  end
  if args[2] ~= '0' then
    -- Who tells scripts a version (7.0) can number by itself, too.
    id = redis.REDIS_VERSION_NUM and string.byte(args[1]) ~= 48 and
      redis.pcall('XADD', key, 'NOMKSTREAM', 'MAXLEN', '~', args[2], args[1] .. '-*', 'd', args[3])
    if type(id) ~= 'string' or string.sub(id, -2) == '-0' then
      id = append(key, args, id)
      if type(id) ~= 'string' then return id end
    end
    if args[5] ~= '0' then
      redis.call('PEXPIRE', key, args[6])
      if args[5] ~= '1' then note_age(key, tonumber(args[5])) end
    end
  elseif args[5] == '1' then
    redis.call('UNLINK', key)
  end
  redis.call('PUBLISH', args[4], id .. ' ' .. args[3])
  if keys[2] then redis.call('SET', keys[2], id, 'PX', args[7]) end
  return id
end

-- Which of a node's messages it is: the second half of the token.
local function count_of(frame)
  local low, high = struct.unpack('<I4I4', frame, 10)
  return high * 4294967296 + low
end

-- Whether the stream has an entry with the frame's token: its id; false; or nil if that cannot be known, for it may have
-- been trimmed, or is far back. A node's messages are stored in the order of their counts, so that the search ends at
-- one before.
local function find(key, frame)
  local node, count, to, seen = string.sub(frame, 2, 9), count_of(frame), '+', 0
  local last
  repeat
    local found = redis.call('XREVRANGE', key, to, '-', 'COUNT', 16)
    for i = 1, #found do
      last = found[i]
      local other = last[2][2]
      if #other > 0 and string.sub(other, 2, 9) == node then
        local its = count_of(other)
        if its == count then return last[1], other end
        if its < count then return false end
      end
    end
    seen = seen + #found
    to = last and '(' .. last[1]
  until #found < 16 or seen >= 1024
  if not last then
    local id = generated(key) -- what an empty stream had is gone
    if id and string.sub(id, -2) ~= '-0' then return nil end
    return false
  end
  if seen < 1024 and string.sub(last[1], -2) == '-1' then return false end
  if #last[2][2] > 0 and time_of(last[2][2]) > time_of(frame) - SKEW then return nil end
  return false
end

-- The same for one that may have been run already: an entry that was stored is announced once more, under the id that it
-- has. An idempotency key that is not known says that nothing was stored.
GROWS.publish_again = true
F.publish_again = function(keys, args)
  if args[2] ~= '0' and not keys[2] then
    local id, frame = find(keys[1], args[3])
    if id == nil then return redis.error_reply('UNKNOWN whether it was stored') end
    if id then
      redis.call('PUBLISH', args[4], id .. ' ' .. frame)
      return id
    end
  elseif args[2] ~= '0' then
    local known = redis.call('GET', keys[2])
    local entry = known and redis.call('XRANGE', keys[1], known, known)[1]
    if entry and string.sub(entry[2][2], 2, 17) == string.sub(args[3], 2, 17) then
      redis.call('PUBLISH', args[4], known .. ' ' .. entry[2][2])
      return known
    end
  end
  return F.publish(keys, args)
end

local function is_ahead(id, other)
  local epoch, offset = parts(id)
  local other_epoch, other_offset = parts(other)
  if epoch ~= other_epoch then return tonumber(epoch) > tonumber(other_epoch) end
  return offset > other_offset
end

local function is_mark(entry)
  return entry[2][1] == 'b'
end

-- PEXPIRE with GT, which 6.2 does not know.
local function prolong(key, ttl)
  local left = redis.call('PTTL', key)
  if left >= 0 and left < ttl then redis.call('PEXPIRE', key, ttl) end
end

-- Whether the stream goes on from the cursor, and with what: 0 nothing; {1, id, frame...}; {2, tip}: it does not;
-- {3, tip}: there was no cursor; {5, id, frame...}: that is about `bytes` already, and there is more.
local function since(key, cursor, limit, base, ttl, bytes)
  if cursor == '' then return {3, tip(key) or begin(key, base, ttl)} end
  local found = redis.call('XRANGE', key, cursor, '+', 'COUNT', limit + 1)
  local first = found[1] and found[1][1]
  if first == cursor then
    if #found == 1 then
      prolong(key, tonumber(ttl)) -- somebody listens
      return 0
    end
  elseif not first then
    local last = generated(key)
    if last == cursor then
      if string.sub(cursor, -2) == '-0' then redis.call('PEXPIRE', key, ttl) end
      return 0
    end
    base = math.max(tonumber(base), tonumber((parts(cursor))))
    if not last then return {2, begin(key, base, ttl)} end
    if is_ahead(last, cursor) then return {2, last} end
    -- The stream ends before the cursor: data was lost, and that is written into it.
    local _, offset = parts(last)
    local id = mint(base) .. '-' .. text(offset)
    redis.call('XADD', key, id, 'b', '')
    return {2, id}
  else
    local epoch, offset = parts(cursor)
    local first_epoch, first_offset = parts(first)
    local follows = epoch == first_epoch and first_offset == offset + 1 or found[1][2][4] == cursor
    if not follows then return {2, tip(key)} end
  end
  local out = {1}
  for i = first == cursor and 2 or 1, #found do
    if is_mark(found[i]) then return {2, tip(key)} end
    if bytes <= 0 and #out > 1 then
      out[1] = 5
      break
    end
    bytes = bytes - #found[i][2][2] - 64
    out[#out + 1] = found[i][1]
    out[#out + 1] = found[i][2][2]
  end
  return out
end

-- keys: streams. args: base epoch, publications at most of each, bytes at most of all together, ttl of a stream without
-- any, then a cursor per stream. Beside what since() answers: 4, there was no room left, ask again.
F.catch_up = function(keys, args)
  local out, left = {}, tonumber(args[3])
  for i = 1, #keys do
    if left <= 0 then
      out[i] = {4}
    else
      local ok, got = pcall(since, keys[i], args[i + 4], tonumber(args[2]), args[1], args[4], left)
      out[i] = ok and got or {9, tostring(type(got) == 'table' and got.err or got)}
      if ok and got ~= 0 and (got[1] == 1 or got[1] == 5) then
        for j = 3, #got, 2 do left = left - #got[j] - 64 end
      end
    end
  end
  return out
end

-- When an entry was published; 0: it is a mark.
local function time_of_entry(entry)
  return is_mark(entry) and 0 or time_of(entry[2][2])
end

-- Drop what is older than `oldest`, after looking at about `most` entries; the time of the oldest publication left, or
-- nil if there is none.
local function trim(key, oldest, most)
  local newest = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  local from, seen, found, at = '-', 0, {}, newest and time_of_entry(newest) or 0
  if newest and (at == 0 or at > oldest) then
    repeat
      found = redis.call('XRANGE', key, from, '+', 'COUNT', 64)
      for i = 1, #found do
        at = time_of_entry(found[i])
        if at > oldest then
          redis.call('XTRIM', key, 'MINID', '=', found[i][1])
          return at
        end
        from = '(' .. found[i][1]
      end
      seen = seen + #found
    until #found < 64 or seen >= most
  end
  if #found == 64 then
    redis.call('XTRIM', key, 'MINID', '=', string.sub(from, 2))
    return at
  end
  redis.call('XTRIM', key, 'MAXLEN', '=', 0)
  return nil
end

-- keys: the two that know the streams of a partition which keep for a time. args: streams at most. How many were due.
F.age = function(keys, args)
  local base, now = string.sub(keys[1], 1, -3), math.floor(now_us() / 1000)
  local due = redis.call('ZRANGE', keys[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, args[1])
  for i = 1, #due do
    local age = tonumber(redis.call('HGET', keys[2], due[i]) or '0')
    local ok, oldest = pcall(trim, base .. 's:' .. due[i], now - age - SKEW, 4096)
    if ok and oldest then
      redis.call('ZADD', keys[1], text(oldest + age + SKEW), due[i])
    else
      redis.call('ZREM', keys[1], due[i])
      redis.call('HDEL', keys[2], due[i])
    end
  end
  return #due
end

-- Add to `out` the publications with these offsets that are found from an id on, upwards or downwards, at most `limit`.
local function collect(key, from, lowest, highest, limit, reverse, out)
  local most, left, found = limit + 1, limit, nil
  repeat
    found = reverse and redis.call('XREVRANGE', key, from, '-', 'COUNT', most) or
      redis.call('XRANGE', key, from, '+', 'COUNT', most)
    for i = 1, #found do
      local id, _, offset = found[i][1], parts(found[i][1])
      if reverse and offset < lowest or not reverse and offset > highest then return out end
      if offset >= lowest and offset <= highest and not is_mark(found[i]) then
        out[#out + 1] = id
        out[#out + 1] = found[i][2][2]
        left = left - 1
        if left == 0 then return out end
      end
      from = '(' .. id
    end
    if #found < most then return out end
    most = math.max(left, 64)
  until false
end

-- Where to begin to look upwards for an offset of this epoch or one before.
local function place_of(key, epoch, offset)
  local id = epoch .. '-' .. text(offset)
  local found = redis.call('XRANGE', key, id, '+', 'COUNT', 1)
  if found[1] and found[1][1] == id then return id end
  local before = redis.call('XREVRANGE', key, '(' .. id, '-', 'COUNT', 1)
  local _, last = parts(before[1] and before[1][1] or '0-0')
  return last >= offset and '-' or id
end

-- keys: stream. args: base epoch, ttl of a stream without publications, size, time of the oldest that counts (0: all),
-- limit, epoch of the position ('': any), its offset, 0 or 1: newest first, 0 or 1: the position may be of an epoch
-- before, if the stream goes on from there.
-- {tip, 0 or 1: the position is of no use, id, frame...}
F.history = function(keys, args)
  local key, limit, epoch, offset = keys[1], tonumber(args[5]), args[6], tonumber(args[7])
  local last = tip(key) or begin(key, args[1], args[2])
  local now, top = parts(last)
  if args[4] ~= '0' then trim(key, tonumber(args[4]), math.huge) end
  if epoch ~= '' and epoch ~= now then
    -- Clients name it: one that is not before the stream's own never was, and must not be taken for a loss of data.
    if args[9] == '0' or #epoch > 19 or string.find(epoch, '%D') or tonumber(epoch) >= tonumber(now) then
      return {last, 1}
    end
    local rest = since(key, epoch .. '-' .. args[7], limit, args[1], args[2], math.huge)
    if rest == 0 then return {last, 0} end
    if rest[1] ~= 1 or #rest - 1 > limit * 2 then return {tip(key), 1} end
    rest[1] = 0
    table.insert(rest, 1, last)
    return rest
  end
  local lowest, highest = math.max(top - tonumber(args[3]) + 1, 1), top
  if args[8] == '1' then
    if offset > 0 then highest = math.min(offset - 1, top) end
  else
    lowest = math.max(offset + 1, lowest)
  end
  if limit == 0 or highest < lowest then return {last, 0} end
  local from = args[8] == '1' and now .. '-' .. text(highest) or place_of(key, now, lowest)
  return collect(key, from, lowest, highest, limit, args[8] == '1', {last, 0})
end

-- keys: stream. args: base epoch, ttl of a stream without publications. The tip, which stays.
F.history_remove = function(keys, args)
  local last = tip(keys[1]) or begin(keys[1], args[1], args[2])
  redis.call('XTRIM', keys[1], 'MAXLEN', '=', 0)
  return last
end

-- keys: where the lineage of the data is written down. args: the server's replication id, the base epoch known.
-- The base epoch: later than all epochs given before, wherever the data has changed its lineage. The minute is for the
-- clocks of two servers, which may differ; two seconds are more than what mint() may be ahead of a base.
F.lineage = function(keys, args)
  local have = redis.call('HMGET', keys[1], 'e', 'r')
  local known = math.max(tonumber(have[1] or '0'), tonumber(args[2]))
  if have[2] == args[1] and tonumber(have[1]) >= known then return have[1] end
  local epoch = text(math.max(now_us() + 60000000, known + 2097152))
  redis.call('HSET', keys[1], 'e', epoch, 'r', args[1])
  return epoch
end
