-- The end of the library: what servers with functions are to know. (A script for the others ends with a call.)
local names = {
  'publish', 'publish_again', 'catch_up', 'history', 'history_remove', 'age', 'lineage',
  'presence_add', 'presence_add_again', 'presence_remove', 'presence_remove_again', 'presence_list', 'presence_evict',
  'presence_restore', 'node_beat', 'node_beat_again', 'node_count',
  'group_create', 'group_create_again', 'group_set_meta', 'group_get', 'group_delete', 'group_delete_again',
  'group_add', 'group_remove', 'group_check', 'group_list',
  'position_set', 'position_get',
}

local function flags_of(name)
  if RO[name] then return {'no-writes', 'allow-oom'} end
  return GROWS[name] and {} or {'allow-oom'}
end

for i = 1, #names do
  redis.register_function{function_name = NAME .. '_' .. names[i], callback = F[names[i]], flags = flags_of(names[i])}
end
