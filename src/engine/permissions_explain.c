#include <streamrelay/error.h>

#include "base/decimal.h"
#include "base/table.h"
#include "base/utf8.h"
#include "engine/permissions_names.h"
#include "engine/permissions_policy.h"

/* Text that is cut to the room there is, and counted in full. */
typedef struct writer {
    char *out;
    size_t size;
    size_t len;
} writer;

typedef struct question {
    srl__policy *policy;
    const srl_permissions_query *query;
    const srl__perm_user *user;
    const srl__perm_rule *rule;
    srl__trie_subject subject;
    uint32_t override; /* the end of the pattern that matches, or 0 */
    writer w;
} question;

static void put(writer *w, srl__slice text)
{
    if (w->size > 0 && w->len < w->size - 1 && text.len > 0) {
        size_t room = w->size - 1 - w->len;
        memcpy(w->out + w->len, text.data, text.len < room ? text.len : room);
    }
    w->len += text.len;
}

#define PUT(w, literal) put((w), SRL__LIT(literal))

static void put_number(writer *w, uint32_t n)
{
    char digits[SRL__DECIMAL_MAX];
    put(w, srl__decimal(n, digits));
}

/* A name in quotes, each control character as '?', so that one answer stays on its line. */
static void put_quoted(writer *w, srl__slice name)
{
    size_t begin = 0;
    PUT(w, "'");
    for (size_t i = 0; i < name.len; i++) {
        if ((uint8_t)name.data[i] < 0x20 || name.data[i] == 0x7F) {
            put(w, srl__slice_of(name.data + begin, i - begin));
            PUT(w, "?");
            begin = i + 1;
        }
    }
    put(w, srl__slice_of(name.data + begin, name.len - begin));
    PUT(w, "'");
}

static void put_pattern(question *q, uint32_t end)
{
    char text[SRL_PERMISSIONS_MAX_PATTERN_LENGTH];
    put_quoted(&q->w, srl__trie_text(&q->policy->trie, end, text));
}

static void put_bits(writer *w, uint32_t bits)
{
    bool is_first = true;
    for (uint32_t i = 0; i < SRL__PERM_COUNT; i++) {
        if ((bits >> i & 1) != 0) {
            if (!is_first) {
                PUT(w, ", ");
            }
            put(w, srl__perm_names[i]);
            is_first = false;
        }
    }
    if (is_first) {
        PUT(w, "nothing");
    }
}

static void put_head(question *q, uint32_t granted)
{
    const srl_permissions_query *query = q->query;
    if (query->user_len == 0) {
        PUT(&q->w, "an anonymous user");
    } else {
        PUT(&q->w, "user ");
        put_quoted(&q->w, srl__slice_of(query->user, query->user_len));
    }
    PUT(&q->w, " in channel ");
    put_quoted(&q->w, srl__slice_of(query->channel, query->channel_len));
    PUT(&q->w, ": ");
    put_bits(&q->w, granted);
    PUT(&q->w, "\n");
}

static void put_given_unknown(question *q, bool *is_first)
{
    for (uint32_t i = 0; i < q->query->role_count && q->query->user_len > 0; i++) {
        srl__slice name = srl__slice_of(q->query->roles[i].data, q->query->roles[i].len);
        bool is_over = i >= SRL_PERMISSIONS_MAX_USER_ROLES;
        if (!is_over && srl__policy_role(q->policy, name) != NULL) {
            continue;
        }
        if (*is_first) {
            PUT(&q->w, "roles: ");
        } else {
            PUT(&q->w, ", ");
        }
        *is_first = false;
        put_quoted(&q->w, name);
        if (is_over) {
            PUT(&q->w, " (given, one too many: no effect)");
        } else {
            PUT(&q->w, " (given, not defined: no effect)");
        }
    }
}

static void put_roles(question *q)
{
    srl__role_walk walk;
    bool is_first = true;
    srl__role_walk_init(&walk, q->policy, q->user, q->query);
    for (srl__perm_role *role = srl__role_walk_next(&walk); role != NULL; role = srl__role_walk_next(&walk)) {
        if (is_first) {
            PUT(&q->w, "roles: ");
        } else {
            PUT(&q->w, ", ");
        }
        is_first = false;
        put_quoted(&q->w, srl__role_name(role));
        if (role->source == SRL__ROLE_ASSIGNED) {
            PUT(&q->w, " (assigned)");
        } else if (role->source == SRL__ROLE_GIVEN) {
            PUT(&q->w, " (given)");
        } else {
            PUT(&q->w, " (inherited by ");
            put_quoted(&q->w, srl__role_name(role->via));
            PUT(&q->w, ")");
        }
    }
    put_given_unknown(q, &is_first);
    if (is_first) {
        PUT(&q->w, "roles: none");
    }
    if (is_first && q->query->user_len == 0) {
        PUT(&q->w, " (anonymous users have none)");
    }
    PUT(&q->w, "\n");
}

typedef enum verdict { OPEN, YES, NO } verdict;

static verdict ask_override(question *q, uint32_t bit, bool says)
{
    verdict result = OPEN;
    if (q->override == 0) {
        if (says && q->query->user_len > 0) {
            PUT(&q->w, "no override of the user matches; ");
        }
        return OPEN;
    }
    uint32_t value = srl__trie_value(&q->policy->trie, q->override);
    if ((srl__override_allow(value) & bit) != 0) {
        result = YES;
    } else if ((srl__override_deny(value) & bit) != 0) {
        result = NO;
    }
    if (says) {
        PUT(&q->w, "the user's override for ");
        put_pattern(q, q->override);
        if (result == OPEN) {
            PUT(&q->w, " leaves it open; ");
        } else if (result == YES) {
            PUT(&q->w, " allows it");
        } else {
            PUT(&q->w, " denies it");
        }
    }
    return result;
}

static void put_role_place(question *q, const srl__perm_role *role, uint32_t end)
{
    PUT(&q->w, "role ");
    put_quoted(&q->w, srl__role_name(role));
    if (end == 0) {
        PUT(&q->w, " (everywhere)");
    } else {
        PUT(&q->w, " (for ");
        put_pattern(q, end);
        PUT(&q->w, ")");
    }
}

/* The first role that grants it, and else how many do not. */
static verdict ask_roles(question *q, uint32_t bit, bool says)
{
    srl__role_walk walk;
    uint32_t count = 0;
    uint32_t end;
    srl__role_walk_init(&walk, q->policy, q->user, q->query);
    for (srl__perm_role *role = srl__role_walk_next(&walk); role != NULL; role = srl__role_walk_next(&walk)) {
        count++;
        if ((srl__role_granted(q->policy, role, &q->subject, &end) & bit) != 0) {
            if (says) {
                put_role_place(q, role, end);
                PUT(&q->w, " grants it");
            }
            return YES;
        }
    }
    if (says && count > 0) {
        PUT(&q->w, "none of the user's ");
        put_number(&q->w, count);
        PUT(&q->w, " roles grants it: ");
        srl__role_walk_init(&walk, q->policy, q->user, q->query);
        for (srl__perm_role *role = srl__role_walk_next(&walk); role != NULL; role = srl__role_walk_next(&walk)) {
            (void)srl__role_granted(q->policy, role, &q->subject, &end);
            put_role_place(q, role, end);
            PUT(&q->w, "; ");
        }
    } else if (says && q->query->user_len > 0) {
        PUT(&q->w, "the user has no roles; ");
    }
    return OPEN;
}

static verdict ask_rule(question *q, uint32_t bit, bool says)
{
    bool is_anonymous = q->query->user_len == 0;
    if (q->rule == NULL) {
        if (says) {
            PUT(&q->w, "no rule matches; ");
        }
        return OPEN;
    }
    verdict result = (srl__rule_granted(q->rule, is_anonymous) & bit) != 0 ? YES : NO;
    if (says) {
        PUT(&q->w, "the rule for ");
        put_quoted(&q->w, srl__slice_of(q->rule->pattern, q->rule->pattern_len));
        if (result == YES) {
            PUT(&q->w, " grants it");
        } else if (is_anonymous && !q->rule->allow_anonymous) {
            PUT(&q->w, " does not let anonymous users in");
        } else {
            PUT(&q->w, " does not grant it");
        }
    }
    return result;
}

static verdict ask_namespace(question *q, uint32_t bit, bool says)
{
    verdict result = (q->query->namespace_granted & bit) != 0 ? YES : NO;
    if (says) {
        if (result == YES) {
            PUT(&q->w, "the channel's options grant it");
        } else {
            PUT(&q->w, "the channel's options do not grant it");
        }
    }
    return result;
}

static verdict ask(question *q, uint32_t bit, bool says)
{
    static verdict (*const levels[])(question *, uint32_t, bool) = {ask_override, ask_roles, ask_rule, ask_namespace};
    verdict result = OPEN;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]) && result == OPEN; i++) {
        result = levels[i](q, bit, says);
    }
    return result;
}

static void put_answer(question *q)
{
    uint32_t granted = 0;
    for (uint32_t i = 0; i < SRL__PERM_COUNT; i++) {
        granted |= ask(q, 1U << i, false) == YES ? 1U << i : 0;
    }
    put_head(q, granted);
    put_roles(q);
    for (uint32_t i = 0; i < SRL__PERM_COUNT; i++) {
        put(&q->w, srl__perm_names[i]);
        if ((granted >> i & 1) != 0) {
            PUT(&q->w, ": yes: ");
        } else {
            PUT(&q->w, ": no: ");
        }
        (void)ask(q, 1U << i, true);
        PUT(&q->w, "\n");
    }
}

/* End the text, cut between two characters if it has to be. */
static void finish(const writer *w)
{
    size_t len = w->len;
    if (w->size == 0) {
        return;
    }
    if (len >= w->size) {
        len = w->size - 1;
        size_t lead = len;
        while (lead > 0 && ((uint8_t)w->out[lead - 1] & 0xC0) == 0x80) {
            lead--;
        }
        if (lead > 0 && srl__utf8_sequence((const uint8_t *)w->out + lead - 1, len - (lead - 1)) == 0) {
            len = lead - 1;
        }
    }
    w->out[len] = '\0';
}

int32_t srl_permissions_explain(srl_permissions *permissions, const srl_permissions_query *query, char *out,
                                size_t out_size)
{
    question q = {.policy = &permissions->policy, .query = query, .w = {out, out_size, 0}};
    if (!srl__table_fits(query, sizeof(*query))) {
        return srl__why_set(&permissions->why, SRL_ERR_INVALID,
                            "the query was not filled by srl_permissions_query_init()");
    }
    srl__trie_subject_init(&q.subject, srl__slice_of(query->channel, query->channel_len));
    q.user = srl__policy_user(q.policy, srl__slice_of(query->user, query->user_len));
    q.override = q.user == NULL ? 0 : srl__trie_match(&q.policy->trie, &q.user->overrides, &q.subject);
    q.rule = srl__policy_match_rule(q.policy, &q.subject);
    put_answer(&q);
    finish(&q.w);
    return q.w.len > INT32_MAX ? INT32_MAX : (int32_t)q.w.len;
}
