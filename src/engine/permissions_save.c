#include <streamrelay/error.h>

#include "base/json.h"
#include "engine/permissions_names.h"
#include "engine/permissions_policy.h"

/* Something to be written in the order of its name. */
typedef struct item {
    srl__slice name;
    const void *thing;
    uint32_t value;
} item;

typedef struct items {
    item *list;
    uint32_t count;
    uint32_t capacity;
    char *texts; /* of patterns that have to be put together */
    size_t texts_size;
} items;

typedef struct saver {
    srl__policy *policy;
    srl__buf buf; /* what is not yet handed on */
    srl__json_writer json;
    items outer;
    items inner;
    char *out;
    size_t size;
    size_t len;
    int error;
} saver;

/* ---- sorting ---- */

static bool is_before(const item *a, const item *b)
{
    size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;
    int order = len > 0 ? memcmp(a->name.data, b->name.data, len) : 0;
    return order != 0 ? order < 0 : a->name.len < b->name.len;
}

static void sift_down(item *list, uint32_t at, uint32_t count)
{
    item moved = list[at];
    for (uint64_t child = 2 * (uint64_t)at + 1; child < count; child = 2 * (uint64_t)at + 1) {
        if (child + 1 < count && is_before(&list[child], &list[child + 1])) {
            child++;
        }
        if (!is_before(&moved, &list[child])) {
            break;
        }
        list[at] = list[child];
        at = (uint32_t)child;
    }
    list[at] = moved;
}

static void sort(items *in)
{
    for (uint32_t i = in->count / 2; i > 0; i--) {
        sift_down(in->list, i - 1, in->count);
    }
    for (uint32_t left = in->count; left > 1; left--) {
        item last = in->list[left - 1];
        in->list[left - 1] = in->list[0];
        in->list[0] = last;
        sift_down(in->list, 0, left - 1);
    }
}

static void free_items(const srl_allocator *alloc, items *in)
{
    srl__free(alloc, in->list, in->capacity * sizeof(item));
    srl__free(alloc, in->texts, in->texts_size);
    *in = (items){0};
}

/* Empty it and make room. */
static bool begin_items(saver *s, items *in, uint32_t count)
{
    void *list = in->list;
    in->count = 0;
    if (s->error != SRL_OK) {
        return false;
    }
    if (!srl__grow_array(s->policy->alloc, &list, &in->capacity, count, UINT32_MAX, sizeof(item))) {
        s->error = SRL_ERR_NOMEM;
        return false;
    }
    in->list = list;
    return true;
}

static void add_item(items *in, srl__slice name, const void *thing, uint32_t value)
{
    in->list[in->count++] = (item){name, thing, value};
}

static bool reserve_texts(saver *s, items *in, size_t size)
{
    if (size <= in->texts_size) {
        return true;
    }
    char *texts = srl__alloc(s->policy->alloc, size);
    if (texts == NULL) {
        s->error = SRL_ERR_NOMEM;
        return false;
    }
    srl__free(s->policy->alloc, in->texts, in->texts_size);
    in->texts = texts;
    in->texts_size = size;
    return true;
}

/* The patterns of a set with their values, sorted. */
static bool take_patterns(saver *s, items *in, const srl__trie_set *set)
{
    const srl__trie *trie = &s->policy->trie;
    char text[SRL_PERMISSIONS_MAX_PATTERN_LENGTH];
    size_t size = 0;
    for (uint32_t end = set->first; end != 0; end = srl__trie_next(trie, end)) {
        size += srl__trie_text(trie, end, text).len;
    }
    if (!begin_items(s, in, set->count) || !reserve_texts(s, in, size)) {
        return false;
    }
    char *at = in->texts;
    for (uint32_t end = set->first; end != 0; end = srl__trie_next(trie, end)) {
        srl__slice pattern = srl__trie_text(trie, end, text);
        memcpy(at, pattern.data, pattern.len);
        add_item(in, srl__slice_of(at, pattern.len), NULL, srl__trie_value(trie, end));
        at += pattern.len;
    }
    sort(in);
    return true;
}

/* ---- writing ---- */

/* Hand on what was written and begin anew. */
static void flush(saver *s)
{
    if (s->buf.error != 0) {
        s->error = s->error != SRL_OK ? s->error : s->buf.error;
    } else if (s->buf.len > 0 && s->len < s->size) {
        size_t room = s->size - s->len;
        memcpy(s->out + s->len, s->buf.data, s->buf.len < room ? s->buf.len : room);
    }
    s->len += s->buf.len;
    srl__buf_reset(&s->buf);
}

static void put_bits(saver *s, const char *name, uint32_t bits)
{
    srl__json_put_name(&s->json, srl__slice_of(name, strlen(name)));
    srl__json_put_open(&s->json, '[');
    for (uint32_t i = 0; i < SRL__PERM_COUNT; i++) {
        if ((bits >> i & 1) != 0) {
            srl__json_put_string(&s->json, srl__perm_names[i]);
        }
    }
    srl__json_put_close(&s->json, ']');
}

static void put_text(saver *s, const char *name, srl__slice text)
{
    srl__json_put_name(&s->json, srl__slice_of(name, strlen(name)));
    srl__json_put_string(&s->json, text);
}

static void put_bool(saver *s, const char *name, bool yes)
{
    srl__json_put_name(&s->json, srl__slice_of(name, strlen(name)));
    srl__json_put_bool(&s->json, yes);
}

static void begin_list(saver *s, const char *name)
{
    srl__json_put_name(&s->json, srl__slice_of(name, strlen(name)));
    srl__json_put_open(&s->json, '[');
}

static void end_list(saver *s)
{
    srl__json_put_close(&s->json, ']');
    flush(s);
}

static void save_rule(saver *s, const srl__perm_rule *rule)
{
    srl__json_put_open(&s->json, '{');
    put_text(s, "pattern", srl__slice_of(rule->pattern, rule->pattern_len));
    put_bits(s, "permissions", rule->permissions);
    if (rule->allow_anonymous) {
        put_bool(s, "allow_anonymous", true);
    }
    if (rule->require_auth) {
        put_bool(s, "require_auth", true);
    }
    if (rule->max_subscribers > 0) {
        srl__json_put_name(&s->json, SRL__LIT("max_subscribers"));
        srl__json_put_u64(&s->json, rule->max_subscribers);
    }
    if (rule->join_leave >= 0) {
        put_bool(s, "join_leave", rule->join_leave == 1);
    }
    if (rule->presence >= 0) {
        put_bool(s, "presence", rule->presence == 1);
    }
    srl__json_put_close(&s->json, '}');
    flush(s);
}

static void save_rules(saver *s)
{
    begin_list(s, "rules");
    if (begin_items(s, &s->outer, s->policy->rule_count)) {
        for (uint32_t i = 0; i < s->policy->rule_count; i++) {
            const srl__perm_rule *rule = s->policy->rules[i];
            add_item(&s->outer, srl__slice_of(rule->pattern, rule->pattern_len), rule, 0);
        }
        sort(&s->outer);
        for (uint32_t i = 0; i < s->outer.count; i++) {
            save_rule(s, s->outer.list[i].thing);
        }
    }
    end_list(s);
}

/* The names of roles, if there are any. */
static void save_role_names(saver *s, const char *name, srl__perm_role *const *roles, uint32_t count)
{
    if (count == 0 || !begin_items(s, &s->inner, count)) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        add_item(&s->inner, srl__role_name(roles[i]), NULL, 0);
    }
    sort(&s->inner);
    begin_list(s, name);
    for (uint32_t i = 0; i < count; i++) {
        srl__json_put_string(&s->json, s->inner.list[i].name);
    }
    end_list(s);
}

static void save_role(saver *s, const srl__perm_role *role)
{
    srl__json_put_open(&s->json, '{');
    put_text(s, "name", srl__role_name(role));
    put_bits(s, "permissions", role->granted);
    save_role_names(s, "parents", role->parents, role->parent_count);
    if (role->channels.count > 0 && take_patterns(s, &s->inner, &role->channels)) {
        begin_list(s, "channels");
        for (uint32_t i = 0; i < s->inner.count; i++) {
            srl__json_put_open(&s->json, '{');
            put_text(s, "pattern", s->inner.list[i].name);
            put_bits(s, "permissions", s->inner.list[i].value);
            srl__json_put_close(&s->json, '}');
            flush(s);
        }
        end_list(s);
    }
    srl__json_put_close(&s->json, '}');
    flush(s);
}

static void save_roles(saver *s)
{
    uint32_t cursor = 0;
    begin_list(s, "roles");
    if (begin_items(s, &s->outer, s->policy->roles.count)) {
        for (const srl__perm_role *role = srl__map_next(&s->policy->roles, &cursor); role != NULL;
             role = srl__map_next(&s->policy->roles, &cursor)) {
            add_item(&s->outer, srl__role_name(role), role, 0);
        }
        sort(&s->outer);
        for (uint32_t i = 0; i < s->outer.count; i++) {
            save_role(s, s->outer.list[i].thing);
        }
    }
    end_list(s);
}

static void save_user(saver *s, const srl__perm_user *user)
{
    srl__json_put_open(&s->json, '{');
    put_text(s, "user", srl__slice_of(user->name, user->name_len));
    save_role_names(s, "roles", user->roles, user->role_count);
    if (user->overrides.count > 0 && take_patterns(s, &s->inner, &user->overrides)) {
        begin_list(s, "overrides");
        for (uint32_t i = 0; i < s->inner.count; i++) {
            srl__json_put_open(&s->json, '{');
            put_text(s, "pattern", s->inner.list[i].name);
            put_bits(s, "allow", srl__override_allow(s->inner.list[i].value));
            put_bits(s, "deny", srl__override_deny(s->inner.list[i].value));
            srl__json_put_close(&s->json, '}');
            flush(s);
        }
        end_list(s);
    }
    srl__json_put_close(&s->json, '}');
    flush(s);
}

static void save_users(saver *s)
{
    uint32_t cursor = 0;
    begin_list(s, "users");
    if (begin_items(s, &s->outer, s->policy->users.count)) {
        for (const srl__perm_user *user = srl__map_next(&s->policy->users, &cursor); user != NULL;
             user = srl__map_next(&s->policy->users, &cursor)) {
            add_item(&s->outer, srl__slice_of(user->name, user->name_len), user, 0);
        }
        sort(&s->outer);
        for (uint32_t i = 0; i < s->outer.count && s->error == SRL_OK; i++) {
            save_user(s, s->outer.list[i].thing);
        }
    }
    end_list(s);
}

int64_t srl_permissions_save(srl_permissions *permissions, char *out, size_t out_size)
{
    saver s = {.policy = &permissions->policy, .out = out, .size = out_size};
    srl__buf_init(&s.buf, &permissions->alloc, SIZE_MAX / 2);
    s.json = srl__json_writer_on(&s.buf);
    srl__json_put_open(&s.json, '{');
    srl__json_put_name(&s.json, SRL__LIT("version"));
    srl__json_put_u64(&s.json, 1);
    save_rules(&s);
    save_roles(&s);
    save_users(&s);
    srl__json_put_close(&s.json, '}');
    flush(&s);
    srl__buf_free(&s.buf);
    free_items(&permissions->alloc, &s.outer);
    free_items(&permissions->alloc, &s.inner);
    if (out_size > 0) {
        out[s.error == SRL_OK && s.len < out_size ? s.len : 0] = '\0';
    }
    if (s.error != SRL_OK) {
        return srl__why_set(&permissions->why, s.error, "out of memory");
    }
    return (int64_t)s.len;
}
