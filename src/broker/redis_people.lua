-- Who is where, who belongs to which group, and how far each has come.
--
-- Presence of a channel has two keys. The one is a hash:
--     c<client>  a session: flags, node, the same user's session before and behind, user, info, channel info
--     u<user>    a user: how many sessions, the one that came last, and the one that came first if that is another
-- The other is a zset of the users by the time of their arrival. So counts need no listing, and a list of some users
-- costs what it shows.
--
-- `nodes` is a hash: when the lease of each node ends, in ms. One that is not positive is condemned: it is being
-- evicted by somebody who has until then (without the sign) to go on. The empty name has the time of the last beat of
-- anybody, !<node> when that node's last member was evicted. Each node has a set of its members, each as
-- <length of client> <client> <channel>, in which there is also a mark, beginning with a zero: the lineage of the data
-- that the node believes in.

local FIRST = 4 -- flag beside the bits of join_leave: the user came with this session

local function pack_client(c)
  return struct.pack('>BBc0Bc0Bc0I4c0I4c0', c.flags, #c.node, c.node, #c.before, c.before, #c.behind, c.behind,
    #c.user, c.user, #c.info, c.info) .. c.shown
end

local function unpack_client(packed)
  if not packed then return nil end
  local flags, node, before, behind, user, info, at = struct.unpack('>BBc0Bc0Bc0I4c0I4c0', packed)
  return {flags = flags, node = node, before = before, behind = behind, user = user, info = info,
    shown = string.sub(packed, at)}
end

local function get_client(hash, client)
  return unpack_client(redis.call('HGET', hash, 'c' .. client))
end

local function put_client(hash, client, c)
  redis.call('HSET', hash, 'c' .. client, pack_client(c))
end

local function pack_user(count, latest, first)
  return struct.pack('>I4Bc0', count, #latest, latest) .. (first ~= latest and first or '')
end

-- How many sessions, the latest, and the first.
local function unpack_user(packed)
  if not packed then return 0, '', '' end
  local count, latest, at = struct.unpack('>I4Bc0', packed)
  return count, latest, at <= #packed and string.sub(packed, at) or latest
end

local function get_user(hash, user)
  return unpack_user(redis.call('HGET', hash, 'u' .. user))
end

-- The session becomes its user's latest; how many the user has then. `record` is the user's.
local function link(hash, order, client, c, record)
  local count, latest, first = unpack_user(record)
  c.before, c.behind = '', ''
  if count == 0 then
    first = client
    redis.call('ZADD', order, text(now_us()), c.user)
    c.flags = c.flags + FIRST
  else
    local before = get_client(hash, latest)
    if before then
      before.behind = client
      put_client(hash, latest, before)
      c.before = latest
    end
  end
  redis.call('HSET', hash, 'c' .. client, pack_client(c), 'u' .. c.user, pack_user(count + 1, client, first))
  return count + 1
end

-- The session goes; how many its user has then.
local function unlink(hash, order, client, c)
  local count, latest, first = get_user(hash, c.user)
  if count <= 1 then
    redis.call('ZREM', order, c.user)
    redis.call('HDEL', hash, 'c' .. client, 'u' .. c.user)
    return 0
  end
  local before = c.before ~= '' and get_client(hash, c.before)
  local behind = c.behind ~= '' and get_client(hash, c.behind)
  if before then
    before.behind = c.behind
    put_client(hash, c.before, before)
  end
  if behind then
    behind.before = c.before
    put_client(hash, c.behind, behind)
  end
  redis.call('HDEL', hash, 'c' .. client)
  redis.call('HSET', hash, 'u' .. c.user,
    pack_user(count - 1, latest == client and c.before or latest, first == client and c.behind or first))
  return count - 1
end

local function client_of(member)
  return string.sub(member, 2, 1 + string.byte(member))
end

-- How many sessions the user has then, and whether this one is new.
local function enter(set, hash, order, node, member, user, info, shown, flags)
  local client = client_of(member)
  local have = redis.call('HMGET', hash, 'c' .. client, 'u' .. user)
  local c = unpack_client(have[1])
  redis.call('SADD', set, member)
  if c and c.user == user then
    c.node, c.info, c.shown, c.flags = node, info, shown, flags
    put_client(hash, client, c)
    return (unpack_user(have[2])), false
  end
  if c then unlink(hash, order, client, c) end
  c = {flags = flags, node = node, user = user, info = info, shown = shown}
  return link(hash, order, client, c, have[2]), true
end

-- Whether the node is known. One that is not gets a short lease, so that what it brings is evicted if it does not come
-- back to bring it once more.
local function has_lease(nodes, node)
  local ends = redis.call('HGET', nodes, node)
  if not ends then redis.call('HSET', nodes, node, text(now_us() / 1000 + 10000)) end
  return ends and tonumber(ends) > 0 and 1 or 0
end

-- keys: nodes, node's members, hash, order. args: node, member, user, info, channel info, join_leave.
-- {sessions of the user, 0 or 1: the node has a lease}
GROWS.presence_add = true
F.presence_add = function(keys, args)
  local flags = tonumber(args[6])
  local known = has_lease(keys[1], args[1])
  return {(enter(keys[2], keys[3], keys[4], args[1], args[2], args[3], args[4], args[5], flags)), known}
end

-- The one that came with its user did so once, whoever came meanwhile.
GROWS.presence_add_again = true
F.presence_add_again = function(keys, args)
  local c = get_client(keys[3], client_of(args[2]))
  if c and c.flags >= FIRST and c.node == args[1] and c.user == args[3] and c.info == args[4] and
      c.shown == args[5] then
    return {1, has_lease(keys[1], args[1])}
  end
  return F.presence_add(keys, args)
end

-- keys: node's members, hash, order, what this node has removed lately. args: member, user, ms to keep the latter.
-- {0 or 1: it was there, sessions of the user}
F.presence_remove = function(keys, args)
  local client = client_of(args[1])
  local c = get_client(keys[2], client)
  if not c then return {0, (get_user(keys[2], args[2]))} end
  local left = unlink(keys[2], keys[3], client, c)
  redis.call('SREM', keys[1], args[1])
  redis.call('HSET', keys[4], args[1], left)
  redis.call('PEXPIRE', keys[4], args[3])
  return {1, left}
end

-- What it was answered the first time.
F.presence_remove_again = function(keys, args)
  local left = redis.call('HGET', keys[4], args[1])
  if left and not get_client(keys[2], client_of(args[1])) then return {1, tonumber(left)} end
  return F.presence_remove(keys, args)
end

-- Fields of a hash, in the order of the names, by some hundred at once.
local function get_fields(hash, letter, names)
  local out = {}
  for first = 1, #names, 200 do
    local fields = {}
    for i = first, math.min(first + 199, #names) do fields[#fields + 1] = letter .. names[i] end
    local got = redis.call('HMGET', hash, unpack(fields))
    for i = 1, #got do out[first + i - 1] = got[i] end
  end
  return out
end

-- A user's sessions, the first ahead, at most `limit` of them; how many. `latest` is the last one of them.
local function add_sessions(out, hash, client, latest_client, latest, limit)
  local count = 0
  while client ~= '' and count < limit do
    local c = client == latest_client and latest or get_client(hash, client)
    if not c then break end
    local at = #out
    out[at + 1], out[at + 2], out[at + 3] = client, c.info, c.shown
    client, count = c.behind, count + 1
  end
  return count
end

-- keys: hash, order. args: limit. {users, sessions, user, sessions, info, sessions listed, client, info, channel
-- info..., user...}. Where all sessions of a user are listed, the user's info is that of the last one, and not told.
RO.presence_list = true
F.presence_list = function(keys, args)
  local limit, total = tonumber(args[1]), redis.call('ZCARD', keys[2])
  local out = {total, redis.call('HLEN', keys[1]) - total}
  if limit == 0 or total == 0 then return out end
  local users = redis.call('ZRANGE', keys[2], 0, limit - 1)
  local records = get_fields(keys[1], 'u', users)
  local counts, latest, first = {}, {}, {}
  for i = 1, #users do counts[i], latest[i], first[i] = unpack_user(records[i]) end
  local sessions = get_fields(keys[1], 'c', latest)
  for i = 1, #users do
    local at, c = #out, unpack_client(sessions[i])
    out[at + 1], out[at + 2], out[at + 3], out[at + 4] = users[i], counts[i], '', 0
    local listed = add_sessions(out, keys[1], first[i], latest[i], c, limit)
    if listed < counts[i] then out[at + 3] = c and c.info or '' end
    out[at + 4] = listed
    limit = limit - listed
  end
  return out
end

-- A join or leave for those who hear the channel.
local function announce(live, kind, node, us, client, c)
  redis.call('PUBLISH', live, '- ' .. struct.pack('>Bc8I8I8BI4I4I4I4', kind, node, us, math.floor(us / 1000), #client,
    #c.user, #c.info, 0, #c.shown) .. client .. c.user .. c.info .. c.shown)
end

-- To everybody whom join_leave says; the user is told of if this was the first or last session.
local function tell(live, kind, node, us, client, c, has_changed)
  if c.flags % 2 == 1 then announce(live, kind, node, us, client, c) end
  if c.flags % 4 >= 2 and has_changed then announce(live, kind, node, us + 1, '', c) end
end

local function evict(hash, order, live, node, us, member)
  local client = client_of(member)
  local c = get_client(hash, client)
  if c and c.node == node then
    tell(live, 3, node, us, client, c, unlink(hash, order, client, c) == 0)
  end
end

-- Some members that the set still has; nil if it has none.
local function rest_of(set, limit)
  repeat
    local found, out = redis.call('SRANDMEMBER', set, limit), {}
    for i = 1, #found do
      if string.byte(found[i]) == 0 then redis.call('SREM', set, found[i]) else out[#out + 1] = found[i] end
    end
    if #out > 0 then return out end
  until #found == 0
  return nil
end

-- A part of the members of a node that is gone, and what to go on with. Several may be at it at the same time.
-- keys: nodes, node's members, and for each: hash, order, live channel. args: node, ms to go on, limit, members.
-- {0 or 1: that was all, members...}
F.presence_evict = function(keys, args)
  local node, us = args[1], now_us()
  if redis.call('HEXISTS', keys[1], node) == 1 then
    redis.call('HSET', keys[1], node, text(-(math.floor(us / 1000) + tonumber(args[2]))))
  end
  for i = 4, #args do
    local at = i * 3 - 9
    -- What is wrong with the keys of one channel shall not keep the others.
    pcall(evict, keys[at], keys[at + 1], keys[at + 2], node, us + i * 2, args[i])
  end
  if #args > 3 then redis.call('SREM', keys[2], unpack(args, 4)) end
  local rest = rest_of(keys[2], tonumber(args[3]))
  if not rest then
    if redis.call('HDEL', keys[1], node) == 1 then redis.call('HSET', keys[1], '!' .. node, text(us / 1000)) end
    return {1}
  end
  table.insert(rest, 1, 0)
  return rest
end

local function restore(set, hash, order, live, node, us, member, user, info, shown, flags, must_tell)
  local sessions, is_new = enter(set, hash, order, node, member, user, info, shown, flags)
  if is_new and must_tell then
    local c = {flags = flags, user = user, info = info, shown = shown}
    tell(live, 2, node, us, client_of(member), c, sessions == 1)
  end
end

-- Members of a node whose data was lost, or that was taken for dead: then it was told that they left, and whoever is
-- missing joins.
-- keys: nodes, node's members, and for each: hash, order, live channel. args: node, 0 or 1: it was taken for dead, and
-- for each: member, user, info, channel info, join_leave. 0 or 1: the node is known.
GROWS.presence_restore = true
F.presence_restore = function(keys, args)
  local us = now_us()
  for at = 3, #keys, 3 do
    local i = (at - 3) / 3 * 5 + 3
    pcall(restore, keys[2], keys[at], keys[at + 1], keys[at + 2], args[1], us + i, args[i], args[i + 1], args[i + 2],
      args[i + 3], tonumber(args[i + 4]), args[2] == '1')
  end
  return has_lease(keys[1], args[1])
end

-- The nodes, those that are gone, and the time of the last beat.
local function get_nodes(key)
  local found, nodes, gone, last = redis.call('HGETALL', key), {}, {}, nil
  for i = 1, #found, 2 do
    local name, at = found[i], tonumber(found[i + 1])
    if name == '' then
      last = at
    elseif string.sub(name, 1, 1) == '!' then
      gone[string.sub(name, 2)] = at
    else
      nodes[name] = at
    end
  end
  return nodes, gone, last
end

-- If nobody's beat came for long, Redis was away, for all nodes: those that live get time to tell so.
local function be_patient(key, nodes, now, lease)
  for name, ends in pairs(nodes) do
    if ends > 0 and ends < now + lease / 2 then
      nodes[name] = now + lease / 2
      redis.call('HSET', key, name, text(now + lease / 2))
    end
  end
end

-- Nodes whose members nobody is about to evict; they are condemned.
local function claim(key, nodes, now, keep, limit)
  local out = {}
  for name, ends in pairs(nodes) do
    if (ends > 0 and ends <= now or ends <= 0 and -ends <= now) and #out < limit then
      redis.call('HSET', key, name, text(-(now + keep)))
      out[#out + 1] = name
    end
  end
  return out
end

-- keys: nodes, node's members. args: node, lease, ms to evict others, mark, 0 or 1: it is new, at most so many others.
-- {0: what the node knows is not what is here; 2: because it was taken for dead; 1: all is well, nodes to evict...}
local function beat(keys, args)
  local node, lease, now = args[1], tonumber(args[2]), math.floor(now_us() / 1000)
  local nodes, gone, last = get_nodes(keys[1])
  local ends = nodes[node]
  if gone[node] or ends and ends <= 0 then return {2} end
  if args[5] == '1' then
    redis.call('SADD', keys[2], args[4])
  elseif not ends or redis.call('SISMEMBER', keys[2], args[4]) == 0 then
    return {0}
  end
  if not last or now - last > lease * 2 / 3 then be_patient(keys[1], nodes, now, lease) end
  nodes[node] = now + lease
  redis.call('HSET', keys[1], node, text(now + lease), '', text(now))
  for name, at in pairs(gone) do
    if now - at > 86400000 then redis.call('HDEL', keys[1], '!' .. name) end
  end
  local out = claim(keys[1], nodes, now, tonumber(args[3]), tonumber(args[6]))
  table.insert(out, 1, 1)
  return out
end

-- keys: as above, and what was removed before the beat before this one, whose answers have come.
F.node_beat = function(keys, args)
  redis.call('UNLINK', keys[3])
  return beat(keys, args)
end

F.node_beat_again = beat

-- keys: nodes. How many have a lease; generations of one are one.
RO.node_count = true
F.node_count = function(keys)
  local nodes, now, seen, count = get_nodes(keys[1]), now_us() / 1000, {}, 0
  for name, ends in pairs(nodes) do
    local id = string.match(name, '^[^.]+')
    if id and ends > now and not seen[id] then
      seen[id] = true
      count = count + 1
    end
  end
  return count
end

-- Groups. A group is a string, its metadata; its members are a zset in the order of their bytes, like the groups of a
-- user. Answers begin with 0, 1: it exists, 2: it does not, 3: too many.

-- keys: group. args: metadata.
GROWS.group_create = true
F.group_create = function(keys, args)
  if redis.call('GET', keys[1]) then return {1} end
  redis.call('SET', keys[1], args[1])
  return {0}
end

GROWS.group_create_again = true
F.group_create_again = function(keys, args)
  if redis.call('GET', keys[1]) == args[1] then return {0} end
  return F.group_create(keys, args)
end

-- keys: group. args: metadata.
GROWS.group_set_meta = true
F.group_set_meta = function(keys, args)
  if not redis.call('GET', keys[1]) then return {2} end
  redis.call('SET', keys[1], args[1])
  return {0}
end

-- keys: group, members. {0, number of members, metadata}
RO.group_get = true
F.group_get = function(keys)
  local meta = redis.call('GET', keys[1])
  if not meta then return {2} end
  return {0, redis.call('ZCARD', keys[2]), meta}
end

-- keys: group, members, the groups of a user named "x", where the members are kept for a while in case the answer is
-- lost. args: channel, how long. {0, number of members, members...}
-- The names of the keys of its members are made here, so that it is one step.
F.group_delete = function(keys, args)
  if not redis.call('GET', keys[1]) then return {2} end
  local users, base = redis.call('ZRANGE', keys[2], 0, -1), string.sub(keys[3], 1, -2)
  for i = 1, #users do redis.pcall('ZREM', base .. users[i], args[1]) end
  redis.call('DEL', keys[1])
  if #users > 0 then
    redis.call('RENAME', keys[2], keys[4])
    redis.call('PEXPIRE', keys[4], args[2])
  end
  table.insert(users, 1, #users)
  table.insert(users, 1, 0)
  return users
end

F.group_delete_again = function(keys, args)
  if redis.call('GET', keys[1]) then return F.group_delete(keys, args) end
  local users = redis.call('ZRANGE', keys[4], 0, -1)
  table.insert(users, 1, #users)
  table.insert(users, 1, 0)
  return users
end

-- keys: group, members, groups of the user. args: user, channel, most members, most groups.
GROWS.group_add = true
F.group_add = function(keys, args)
  if not redis.call('GET', keys[1]) then return {2} end
  local groups = redis.call('ZCARD', keys[3])
  if redis.call('ZSCORE', keys[2], args[1]) then return {1} end
  if redis.call('ZCARD', keys[2]) >= tonumber(args[3]) or groups >= tonumber(args[4]) then return {3} end
  redis.call('ZADD', keys[2], 0, args[1])
  redis.call('ZADD', keys[3], 0, args[2])
  return {0}
end

-- keys: group, members, groups of the user. args: user, channel.
F.group_remove = function(keys, args)
  redis.call('ZCARD', keys[3])
  if not redis.call('GET', keys[1]) or redis.call('ZREM', keys[2], args[1]) == 0 then return {2} end
  redis.call('ZREM', keys[3], args[2])
  return {0}
end

-- keys: group, members. args: user.
RO.group_check = true
F.group_check = function(keys, args)
  return {redis.call('ZSCORE', keys[2], args[1]) and 0 or 2}
end

-- keys: a zset of names. args: behind which, limit. {0, number of all, names...}
RO.group_list = true
F.group_list = function(keys, args)
  local names = redis.call('ZRANGEBYLEX', keys[1], args[1] == '' and '-' or '(' .. args[1], '+', 'LIMIT', 0, args[2])
  table.insert(names, 1, redis.call('ZCARD', keys[1]))
  table.insert(names, 1, 0)
  return names
end

-- Positions: "<offset> <epoch>". Offsets may be greater than what Lua can count to.
local function is_less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

-- keys: position. args: offset, epoch, ttl (0: none). The position kept.
GROWS.position_set = true
F.position_set = function(keys, args)
  local kept = redis.call('GET', keys[1])
  if kept then
    local offset, epoch = string.match(kept, '^(%d+) (.*)$')
    if epoch == args[2] and is_less(args[1], offset) then return kept end
  end
  local now = args[1] .. ' ' .. args[2]
  if args[3] == '0' then redis.call('SET', keys[1], now) else redis.call('SET', keys[1], now, 'PX', args[3]) end
  return now
end

-- keys: position.
RO.position_get = true
F.position_get = function(keys)
  return redis.call('GET', keys[1])
end
