/*
 * permissions.h - who may do what, where.
 *
 * A policy holds channel rules, roles and exceptions for single users. Without one the options of a channel decide
 * (see options.h); a relay that is given one asks it about every subscribe, publish, presence and history command.
 *
 * Patterns
 * --------
 * Rules, roles and overrides say which channels they are about with a pattern. Segments of channels and patterns are
 * separated by ':'. A '*' never stands for nothing:
 *
 *   pattern          matches                                       does not match
 *   chat:general     chat:general                                  chat:general:x
 *   chat:*           chat:general, chat:a:b (all that follows)     chat, chat:
 *   chat:room-*      chat:room-1, chat:room-1:x                    chat:room-, chat:room
 *   chat:*:log       chat:a:log                                    chat:log, chat:a:b:log, chat::log
 *   *:log            a:log                                         log, a:b:log
 *   chat:*:*         chat:a:b, chat:a:b:c                          chat:a
 *   *                everything
 *
 * That is: a '*' that is a whole segment with more behind it matches exactly one segment; a '*' at the very end of the
 * pattern matches whatever follows. A '*' anywhere else ("a*b", "**") is refused, and there is no way to name a channel
 * with a '*' in it by itself. Letters are compared byte by byte.
 *
 * Of several patterns that match a channel the most specific one counts. They are compared from the left, segment by
 * segment, and the first difference decides:
 *
 *   1. a segment written out                 chat:general
 *   2. a beginning with '*' behind it        chat:gen*     (the longer beginning first)
 *   3. '*' for one segment                   chat:*:log
 *   4. '*' for all the rest                  chat:*
 *
 *   channel          these patterns match, the most specific first
 *   chat:general     chat:general   chat:gen*       chat:g*        chat:*         *
 *   chat:a:log       chat:a:log     chat:a:*        chat:a*        chat:*:log     chat:*:*   chat:*   *:a:log   *
 *   a:b:c            a:*            *:b:c           (a:* wins: its first segment is written out)
 *
 * No two different patterns can tie, and the same pattern twice in one place is an error or a replacement, so the order
 * in which things were added never matters.
 *
 * Who decides
 * -----------
 * Each permission is decided by itself, by the first of these that has something to say about it:
 *
 *   1. User: the user's most specific override that matches. What it denies is refused, what it allows is granted; on
 *      the others it says nothing.
 *   2. Roles: what any of the user's roles grants is granted. A role's own most specific channel pattern that matches
 *      counts, else what the role has everywhere; the roles that it inherits from count as further roles of the user.
 *      The user's roles are those assigned here and those given with the question (from the connect answer or a
 *      subscription's answer). Roles never take away.
 *   3. Rule: the most specific rule that matches. It refuses an anonymous user everything unless it allows anonymous
 *      users; else what it grants is granted and what it does not is refused.
 *   4. Namespace: if no rule matches, what the channel's options grant (given with the question).
 *   5. Otherwise it is refused.
 *
 * A user with an empty id is anonymous: it has no overrides and no roles, so it begins at 3.
 *
 * Using it
 * --------
 * A policy is used by one thread at a time, and counts its users: a relay that it is given to keeps it. A change is in
 * force at once for new questions; relays check live subscriptions again at the end of their turn and unsubscribe who
 * may no longer be there. Put many changes between srl_permissions_begin() and srl_permissions_commit() to have that
 * done once. A check costs about the same with ten rules as with 10,000 rules and 1,000,000 overrides.
 *
 * Names (patterns, roles, users) are UTF-8; patterns and roles without control characters. Errors that calls here
 * return are explained by srl_permissions_last_error(). After a failure nothing has changed.
 */
#ifndef STREAMRELAY_PERMISSIONS_H
#define STREAMRELAY_PERMISSIONS_H

#include <streamrelay/api.h>
#include <streamrelay/platform.h>

SRL_BEGIN_DECLS

/** A policy. */
typedef struct srl_permissions srl_permissions;

/** What may be permitted; sets of them are written with `|`. */
typedef enum srl_permission {
    SRL_PERM_NONE = 0,        /**< no access */
    SRL_PERM_SUBSCRIBE = 1,   /**< subscribe to the channel */
    SRL_PERM_PUBLISH = 2,     /**< publish into it */
    SRL_PERM_PRESENCE = 4,    /**< see who is there */
    SRL_PERM_HISTORY = 8,     /**< read its history; recovery is the channel option "recovery" */
    SRL_PERM_JOIN_LEAVE = 16, /**< receive join and leave messages */
    SRL_PERM_READ_ONLY = 13,  /**< subscribe, presence, history */
    SRL_PERM_STANDARD = 7,    /**< subscribe, publish, presence */
    SRL_PERM_ALL = 31
} srl_permission;

/** Limits. Going past one is SRL_ERR_LIMIT for numbers of things and SRL_ERR_TOO_LARGE for lengths. */
#define SRL_PERMISSIONS_MAX_RULES          1000000
#define SRL_PERMISSIONS_MAX_ROLES          65536
#define SRL_PERMISSIONS_MAX_ROLE_CHANNELS  1000000 /* channel patterns of all roles together */
#define SRL_PERMISSIONS_MAX_USERS          10000000
#define SRL_PERMISSIONS_MAX_OVERRIDES      10000000 /* of all users together */
#define SRL_PERMISSIONS_MAX_USER_ROLES     64       /* assigned to one user; and given with one question */
#define SRL_PERMISSIONS_MAX_PARENTS        16       /* roles that one role inherits from */
#define SRL_PERMISSIONS_MAX_PATTERN_LENGTH 255
#define SRL_PERMISSIONS_MAX_SEGMENTS       16 /* of a pattern; channels may have more */
#define SRL_PERMISSIONS_MAX_WILDCARDS      4  /* '*' in a pattern, not counting one at its very end */
#define SRL_PERMISSIONS_MAX_ROLE_LENGTH    64
#define SRL_PERMISSIONS_MAX_USER_LENGTH    255
#define SRL_PERMISSIONS_MAX_JSON           1073741824 /* bytes that srl_permissions_load() takes */

/**
 * An empty policy: it permits nothing by itself.
 *
 * @param allocator  memory for the policy, copied; NULL: malloc
 * @param out        where the policy is put; free it with srl_permissions_destroy()
 * @return 0, SRL_ERR_INVALID (allocator), SRL_ERR_SYSTEM (no randomness for its hash tables), SRL_ERR_NOMEM
 */
SRL_API int srl_permissions_create(const srl_allocator *allocator, srl_permissions **out);

/** Give the policy back; it is freed when the relays that use it have gone too. */
SRL_API void srl_permissions_destroy(srl_permissions *permissions);

/** What the last failed call on this policy found wrong, like "pattern 'a*b': '*' at byte 1 is neither ...". Never
 * NULL; valid until the next call on the policy. */
SRL_API const char *srl_permissions_last_error(const srl_permissions *permissions);

/** From here on relays are not told of changes, until the commit that belongs to it. May be nested. */
SRL_API void srl_permissions_begin(srl_permissions *permissions);

/** Tell relays now if there was a change since srl_permissions_begin(). SRL_ERR_STATE without one. */
SRL_API int srl_permissions_commit(srl_permissions *permissions);

/* ---- channel rules ---- */

/** A rule for the channels that a pattern matches. Fill it with srl_channel_rule_init() before setting members. */
typedef struct srl_channel_rule {
    uint32_t size;            /**< sizeof(srl_channel_rule), set by srl_channel_rule_init() */
    uint32_t permissions;     /**< what everybody may do that it lets in */
    const char *pattern;      /**< which channels */
    size_t pattern_len;       /**< its length */
    uint32_t allow_anonymous; /**< 1: anonymous users get the permissions too */
    uint32_t require_auth;    /**< 1: says that anonymous users get nothing (which is so unless they are allowed) */
    uint32_t max_subscribers; /**< most subscribers of such a channel; 0: the rule says nothing about it */
    int32_t join_leave;       /**< 1: tell of joins and leaves, 0: do not, -1: the rule says nothing about it */
    int32_t presence;         /**< 1: keep who is there, 0: do not, -1: the rule says nothing about it */
} srl_channel_rule;

/** A rule without pattern that permits nothing and says nothing; `size` is sizeof(srl_channel_rule) as the caller's
 *  header has it. */
SRL_API void srl_channel_rule_init(srl_channel_rule *rule, size_t size);

/**
 * Add a rule.
 *
 * @return 0; SRL_ERR_EXISTS (there is a rule with this pattern); SRL_ERR_INVALID (malformed pattern, unknown
 *         permission, both allow_anonymous and require_auth, other values than named above); SRL_ERR_TOO_LARGE,
 *         SRL_ERR_UTF8, SRL_ERR_LIMIT, SRL_ERR_NOMEM
 */
SRL_API int srl_permissions_add_rule(srl_permissions *permissions, const srl_channel_rule *rule);

/** Add a rule, or replace the one with the same pattern. Errors as srl_permissions_add_rule(), but SRL_ERR_EXISTS. */
SRL_API int srl_permissions_set_rule(srl_permissions *permissions, const srl_channel_rule *rule);

/** Remove the rule with exactly this pattern, or SRL_ERR_NOT_FOUND. */
SRL_API int srl_permissions_remove_rule(srl_permissions *permissions, const char *pattern, size_t pattern_len);

/**
 * The rule with exactly this pattern.
 *
 * @param out  `out->size` must be set; its pattern is valid until the policy changes
 * @return 0, SRL_ERR_NOT_FOUND, SRL_ERR_INVALID (size)
 */
SRL_API int srl_permissions_get_rule(srl_permissions *permissions, const char *pattern, size_t pattern_len,
                                     srl_channel_rule *out);

/**
 * One rule after the other, in no particular order.
 *
 * @param cursor  0 to begin. The rule just returned may be removed during the walk.
 * @param out     as srl_permissions_get_rule()
 * @return 0, SRL_ERR_NOT_FOUND after the last one, SRL_ERR_INVALID (size)
 */
SRL_API int srl_permissions_next_rule(srl_permissions *permissions, uint32_t *cursor, srl_channel_rule *out);

/** The most specific rule that matches a channel. As srl_permissions_get_rule(). */
SRL_API int srl_permissions_rule_for(srl_permissions *permissions, const char *channel, size_t channel_len,
                                     srl_channel_rule *out);

/* ---- roles ---- */

/**
 * Define a role, or change what an existing one may do in channels that none of its patterns matches.
 *
 * @return 0, SRL_ERR_INVALID (empty name, control character, unknown permission), SRL_ERR_UTF8, SRL_ERR_TOO_LARGE,
 *         SRL_ERR_LIMIT, SRL_ERR_NOMEM
 */
SRL_API int srl_permissions_set_role_permission(srl_permissions *permissions, const char *role, size_t role_len,
                                                uint32_t granted);

/**
 * What a role may do in the channels of a pattern, instead of what it has everywhere (fewer permissions, too).
 * Replaces what was set for the same pattern.
 *
 * @return 0, SRL_ERR_NOT_FOUND (no such role), and as srl_permissions_add_rule()
 */
SRL_API int srl_permissions_set_role_channel(srl_permissions *permissions, const char *role, size_t role_len,
                                             const char *pattern, size_t pattern_len, uint32_t granted);

/** Undo srl_permissions_set_role_channel(), or SRL_ERR_NOT_FOUND. */
SRL_API int srl_permissions_remove_role_channel(srl_permissions *permissions, const char *role, size_t role_len,
                                                const char *pattern, size_t pattern_len);

/** What was set for exactly this pattern; with an empty pattern: what the role has everywhere. */
SRL_API int srl_permissions_get_role(srl_permissions *permissions, const char *role, size_t role_len,
                                     const char *pattern, size_t pattern_len, uint32_t *granted);

/**
 * Who has `role` has `parent` too, with all that this one inherits.
 *
 * @return 0; SRL_ERR_NOT_FOUND (no such role); SRL_ERR_EXISTS (it is a parent already); SRL_ERR_INVALID (`parent` is
 *         or inherits from `role`; the error text has the way round); SRL_ERR_LIMIT, SRL_ERR_NOMEM
 */
SRL_API int srl_permissions_add_parent(srl_permissions *permissions, const char *role, size_t role_len,
                                       const char *parent, size_t parent_len);

/** Undo srl_permissions_add_parent(), or SRL_ERR_NOT_FOUND. */
SRL_API int srl_permissions_remove_parent(srl_permissions *permissions, const char *role, size_t role_len,
                                          const char *parent, size_t parent_len);

/** Remove a role with its patterns, and take it from everybody who has it or inherits from it, or SRL_ERR_NOT_FOUND.
 * Looks at every user if somebody has it. */
SRL_API int srl_permissions_remove_role(srl_permissions *permissions, const char *role, size_t role_len);

/**
 * Give a user a role.
 *
 * @return 0; SRL_ERR_NOT_FOUND (no such role); SRL_ERR_EXISTS (the user has it already); SRL_ERR_INVALID (the
 *         anonymous user cannot have roles); SRL_ERR_UTF8, SRL_ERR_TOO_LARGE, SRL_ERR_LIMIT, SRL_ERR_NOMEM
 */
SRL_API int srl_permissions_assign_role(srl_permissions *permissions, const char *user, size_t user_len,
                                        const char *role, size_t role_len);

/** Take a role from a user, or SRL_ERR_NOT_FOUND. */
SRL_API int srl_permissions_unassign_role(srl_permissions *permissions, const char *user, size_t user_len,
                                          const char *role, size_t role_len);

/** Role `index` (from 0) of those assigned to a user, or SRL_ERR_NOT_FOUND. `*role` is valid until the policy changes.
 */
SRL_API int srl_permissions_user_role(srl_permissions *permissions, const char *user, size_t user_len, uint32_t index,
                                      const char **role, size_t *role_len);

/* ---- single users ---- */

/**
 * What a user may and may not do in the channels of a pattern, whatever roles and rules say. Permissions in neither set
 * are left to those. Replaces the user's override for the same pattern. Both sets may be empty: in these channels no
 * less specific override of the user counts.
 *
 * @return 0; SRL_ERR_INVALID (a permission in both sets, the anonymous user, malformed pattern, unknown permission);
 *         SRL_ERR_UTF8, SRL_ERR_TOO_LARGE, SRL_ERR_LIMIT, SRL_ERR_NOMEM
 */
SRL_API int srl_permissions_set_override(srl_permissions *permissions, const char *user, size_t user_len,
                                         const char *pattern, size_t pattern_len, uint32_t allow, uint32_t deny);

/** The user may do exactly this in the channels of a pattern: an override that denies all that is not granted. */
SRL_API int srl_permissions_set_user_permission(srl_permissions *permissions, const char *user, size_t user_len,
                                                const char *pattern, size_t pattern_len, uint32_t granted);

/** The override with exactly this pattern, or SRL_ERR_NOT_FOUND. */
SRL_API int srl_permissions_get_override(srl_permissions *permissions, const char *user, size_t user_len,
                                         const char *pattern, size_t pattern_len, uint32_t *allow, uint32_t *deny);

/** Remove the override with exactly this pattern, or SRL_ERR_NOT_FOUND. */
SRL_API int srl_permissions_remove_override(srl_permissions *permissions, const char *user, size_t user_len,
                                            const char *pattern, size_t pattern_len);

/** Remove all roles and overrides of a user, or SRL_ERR_NOT_FOUND if there are none. */
SRL_API int srl_permissions_remove_user(srl_permissions *permissions, const char *user, size_t user_len);

/* ---- questions ---- */

/** A role by its name. */
typedef struct srl_role_name {
    const char *data;
    size_t len;
} srl_role_name;

/** Who asks about which channel. Fill it with srl_permissions_query_init() before setting members. */
typedef struct srl_permissions_query {
    uint32_t size;              /**< sizeof(srl_permissions_query), set by srl_permissions_query_init() */
    uint32_t namespace_granted; /**< what the channel's options permit: counts if no rule matches */
    const char *user;           /**< empty: anonymous */
    size_t user_len;            /**< its length */
    const char *channel;        /**< which channel */
    size_t channel_len;         /**< its length */
    const srl_role_name *roles; /**< further roles of the user; names that are not defined have no effect */
    uint32_t role_count;        /**< how many; those past SRL_PERMISSIONS_MAX_USER_ROLES have no effect */
    uint32_t reserved;          /**< 0 */
} srl_permissions_query;

/** An anonymous user without channel; `size` is sizeof(srl_permissions_query) as the caller's header has it. */
SRL_API void srl_permissions_query_init(srl_permissions_query *query, size_t size);

/** What the user may do in the channel: a set of SRL_PERM_ bits. Allocates nothing. SRL_PERM_NONE if the query is of an
 * unknown size. */
SRL_API uint32_t srl_permissions_check(srl_permissions *permissions, const srl_permissions_query *query);

/**
 * Why: in words, a line for the answer, one for the user's roles, and one for each permission with who decided it, by
 * which entry, and what those before had to say. For people; the wording may change with any version.
 *
 * @param out       receives the text, cut to what fits, and a terminating zero; may be NULL if out_size is 0
 * @param out_size  room at `out`
 * @return the length of the whole text without the zero, or SRL_ERR_INVALID (size of the query)
 */
SRL_API int32_t srl_permissions_explain(srl_permissions *permissions, const srl_permissions_query *query, char *out,
                                        size_t out_size);

/** How much there is. */
typedef struct srl_permissions_counts {
    uint32_t size;          /**< in: sizeof(srl_permissions_counts) */
    uint32_t rules;         /**< channel rules */
    uint32_t roles;         /**< roles */
    uint32_t role_channels; /**< channel patterns of all roles */
    uint32_t users;         /**< users that have a role or an override */
    uint32_t overrides;     /**< of all users */
} srl_permissions_counts;

/** Count. `out->size` must be set. */
SRL_API int srl_permissions_count(const srl_permissions *permissions, srl_permissions_counts *out);

/* ---- JSON ---- */

/**
 * Write the whole policy as JSON. The same policy always gives the same bytes: entries are sorted by pattern, role and
 * user, byte by byte. Loading what was saved and saving it again gives the same bytes.
 *
 *   {"version": 1,
 *    "rules": [{"pattern": "private:*", "permissions": [], "require_auth": true, "max_subscribers": 100,
 *               "join_leave": true, "presence": true}],
 *    "roles": [{"name": "moderator", "permissions": ["subscribe", "publish", "presence", "history", "join_leave"],
 *               "parents": ["vip"], "channels": [{"pattern": "log:*", "permissions": ["subscribe"]}]}],
 *    "users": [{"user": "user_789", "roles": ["vip"],
 *               "overrides": [{"pattern": "chat:general", "allow": ["subscribe"], "deny": ["publish"]}]}]}
 *
 * When loading, "pattern", "name" and "user" are required, the rest is optional; a member that is left out is empty,
 * false, 0 or "says nothing". Lists of permissions may also have "read_only", "standard" and "all" in them. Unknown
 * members, anything given twice, an unknown permission and a user with neither roles nor overrides are errors.
 *
 * @param out       receives the text and a terminating zero; may be NULL if out_size is 0
 * @param out_size  room at `out`
 * @return the text's length without the zero (if that does not fit, `out` is an empty string), or SRL_ERR_NOMEM
 */
SRL_API int64_t srl_permissions_save(srl_permissions *permissions, char *out, size_t out_size);

/**
 * Replace the whole policy by one in JSON. Relays are told once.
 *
 * @return 0; SRL_ERR_JSON (not valid JSON, wrong type, unknown or missing member) or what the call that sets such an
 *         entry returns. The error text begins with the place, like "rules[3].pattern: ...".
 */
SRL_API int srl_permissions_load(srl_permissions *permissions, const char *json, size_t json_len);

SRL_END_DECLS

#endif
