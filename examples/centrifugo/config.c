#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_keys.h"
#include "read_file.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_FILE     1048576

/* ---- what the names mean ---- */

#define FLAG(name, type, member)                                                                                       \
    {                                                                                                                  \
        name, KEY_FLAG, NULL, NULL, offsetof(type, member), 0                                                          \
    }
#define TEXT(name, type, member)                                                                                       \
    {                                                                                                                  \
        name, KEY_TEXT, NULL, NULL, offsetof(type, member), sizeof(((type *)NULL)->member)                             \
    }
#define OTHER(name)                                                                                                    \
    {                                                                                                                  \
        name, KEY_OTHER, NULL, NULL, 0, 0                                                                              \
    }
#define IGNORED(name)                                                                                                  \
    {                                                                                                                  \
        name, KEY_IGNORED, NULL, NULL, 0, 0                                                                            \
    }
#define OPTION(name, kind, option, value)                                                                              \
    {                                                                                                                  \
        name, kind, option, value, 0, 0                                                                                \
    }

static const config_key channel_keys[] = {
    OTHER("name"),
    FLAG("presence", channel_rules, presence),
    OPTION("presence", KEY_SWITCH, "presence", "true"),
    OPTION("join_leave", KEY_SWITCH, "join_leave", "session"),
    OPTION("force_push_join_leave", KEY_SWITCH, "push_join_leave", "on"),
    OPTION("history_size", KEY_NUMBER, "history_size", NULL),
    OPTION("history_ttl", KEY_DURATION, "history_ttl", NULL),
    OPTION("history_meta_ttl", KEY_DURATION, "history_meta_ttl", "30d"),
    OPTION("allow_positioning", KEY_SWITCH, "positioning", "client"),
    OPTION("force_positioning", KEY_SWITCH, "positioning", "on"),
    OPTION("allow_recovery", KEY_SWITCH, "recovery", "client"),
    OPTION("force_recovery", KEY_SWITCH, "recovery", "on"),
    OPTION("force_recovery_mode", KEY_WORD, "recovery_mode", "stream"),
    OPTION("auto_cache_recover", KEY_SWITCH, "cache_on_subscribe", "true"),
    OPTION("allowed_delta_types", KEY_DELTA, "delta", NULL),
    IGNORED("delta_publish"), /* the relay sends deltas to whoever agreed to them */
    OPTION("allow_tags_filter", KEY_SWITCH, "tags_filter", "true"),
    OPTION("allow_channel_compaction", KEY_SWITCH, "compaction", "true"),
    OPTION("publication_data_format", KEY_FORMAT, "data_format", NULL),
    OPTION("subscription_type", KEY_STREAM, NULL, NULL),
    FLAG("allow_subscribe_for_client", channel_rules, subscribe_for_client),
    FLAG("allow_subscribe_for_anonymous", channel_rules, subscribe_for_anonymous),
    FLAG("allow_publish_for_client", channel_rules, publish_for_client),
    FLAG("allow_publish_for_subscriber", channel_rules, publish_for_subscriber),
    FLAG("allow_publish_for_anonymous", channel_rules, publish_for_anonymous),
    FLAG("allow_presence_for_client", channel_rules, presence_for_client),
    FLAG("allow_presence_for_subscriber", channel_rules, presence_for_subscriber),
    FLAG("allow_presence_for_anonymous", channel_rules, presence_for_anonymous),
    FLAG("allow_history_for_client", channel_rules, history_for_client),
    FLAG("allow_history_for_subscriber", channel_rules, history_for_subscriber),
    FLAG("allow_history_for_anonymous", channel_rules, history_for_anonymous),
    FLAG("allow_user_limited_channels", channel_rules, user_limited),
};

static const config_key client_keys[] = {
    FLAG("insecure", config, insecure),
    FLAG("allow_anonymous_connect_without_token", config, anonymous),
    OTHER("token"),
    OTHER("subscription_token"),
    OTHER("subscribe_to_user_personal_channel"),
    OTHER("allowed_origins"),
    OPTION("ping_interval", KEY_DURATION, "ping_interval", NULL),
    OPTION("pong_timeout", KEY_DURATION, "pong_timeout", NULL),
    OPTION("stale_close_delay", KEY_DURATION, "connect_timeout", NULL),
    OPTION("expired_close_delay", KEY_DURATION, "expired_close_delay", NULL),
    OPTION("expired_sub_close_delay", KEY_DURATION, "expired_sub_close_delay", NULL),
    OPTION("queue_max_size", KEY_NUMBER, "max_queue_bytes", NULL),
    OPTION("channel_limit", KEY_NUMBER, "max_channels", NULL),
    OPTION("connection_limit", KEY_NUMBER, "max_sessions", "1000000"),
    OPTION("user_connection_limit", KEY_NUMBER, "max_user_sessions", "1000000"),
    OPTION("history_max_publication_limit", KEY_NUMBER, "max_history_read", "1000000"),
    OPTION("recovery_max_publication_limit", KEY_NUMBER, "max_recovery", "1000000"),
    OPTION("channel_position_check_delay", KEY_DURATION, "position_check", NULL),
    IGNORED("presence_update_interval"), /* presence is not kept by being renewed here */
    IGNORED("concurrency"),
};

static const config_key token_keys[] = {
    OTHER("enabled"),
    TEXT("hmac_secret_key", token_rules, secret),
    TEXT("audience", token_rules, audience),
    TEXT("issuer", token_rules, issuer),
};

static const config_key personal_keys[] = {
    FLAG("enabled", config, personal_channel),
    TEXT("personal_channel_namespace", config, personal_space),
};

static const config_key api_keys[] = {TEXT("key", config, api_key)};

static const config_key channel_section_keys[] = {
    OTHER("without_namespace"),
    OTHER("namespaces"),
    OPTION("history_meta_ttl", KEY_DURATION, "history_meta_ttl", NULL),
    OPTION("max_length", KEY_NUMBER, "max_channel_length", NULL),
};

/* Where the relay's own defaults are others than Centrifugo's. */
static const char *const relay_defaults[][2] = {
    {"connect_timeout", "10s"}, {"max_history_read", "300"},      {"max_recovery", "300"},
    {"publish_rate", "0"},      {"max_presence_users", "100000"}, {"max_user_sessions", "1000000"},
    {"max_user_length", "4k"},  {"allow_anonymous", "true"},      {"max_json_depth", "128"},
    {"max_survey_bytes", "1m"}, {"node_name", "streamrelay"},     {"max_commands", "32768"},
    {"max_info_bytes", "64k"},
};

static const char *const channel_defaults[][2] = {
    {"positioning", "off"}, {"recovery", "off"},         {"push_join_leave", "client"},
    {"history_ttl", "0"},   {"max_publish_bytes", "1m"},
};

/* ---- life ---- */

static int set_all(srl_options *options, const char *const settings[][2], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (srl_options_set(options, settings[i][0], settings[i][1]) == 0)
            continue;
        fprintf(stderr, "centrifugo: %s\n", srl_options_last_error(options));
        return -1;
    }
    return 0;
}

int config_init(config *c)
{
    memset(c, 0, sizeof *c);
    c->space_count = 1;
    if (srl_options_create(&c->relay) != 0)
        return -1;
    if (set_all(c->relay, relay_defaults, COUNT(relay_defaults)) != 0)
        return -1;
    return set_all(c->relay, channel_defaults, COUNT(channel_defaults));
}

void config_free(config *c)
{
    for (size_t i = 0; i < c->space_count; i++)
        srl_options_destroy(c->spaces[i].options);
    for (size_t i = 0; i < c->origin_count; i++)
        free(c->origins[i]);
    srl_options_destroy(c->relay);
    memset(c, 0, sizeof *c);
}

int config_add_origin(config *c, const char *origin, size_t len)
{
    char *copy = c->origin_count < CONFIG_MAX_ORIGINS ? malloc(len + 1) : NULL;
    if (!copy)
        return -1;
    memcpy(copy, origin, len);
    copy[len] = '\0';
    c->origins[c->origin_count++] = copy;
    return 0;
}

/* ---- sections of the file ---- */

static srl_options *options_of(const config *c, const channel_space *space)
{
    return space->options ? space->options : c->relay;
}

static bool name_is_valid(const char *name, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    return len >= 2 && len < sizeof((channel_space *)NULL)->name && strspn(name, allowed) == len;
}

static int read_space(config *c, const json_node *node, size_t index, const config_place *place)
{
    char section[64];
    size_t len;
    const char *name = json_string(json_member(node, "name"), &len);
    channel_space *space = &c->spaces[c->space_count];
    const config_place here = {place->file, section};
    snprintf(section, sizeof section, "channel.namespaces[%zu]", index);
    if (!name_is_valid(name, len))
        return config_complain(&here, "name", "must have two or more letters, digits, '-' or '_'");
    for (size_t i = 1; i < c->space_count; i++) {
        if (strcmp(c->spaces[i].name, name) == 0)
            return config_complain(&here, "name", "is there twice");
    }
    if (c->space_count == CONFIG_MAX_SPACES || srl_options_create(&space->options) != 0)
        return config_complain(&here, "", "there are too many");
    c->space_count++;
    memcpy(space->name, name, len + 1);
    if (set_all(space->options, channel_defaults, COUNT(channel_defaults)) != 0)
        return -1;
    return config_keys_read(node, channel_keys, COUNT(channel_keys), &here, &space->rules, space->options);
}

static int read_channels(config *c, const json_node *section, const char *file)
{
    const config_place place = {file, "channel"};
    const config_place without = {file, "channel.without_namespace"};
    const json_node *list = json_member(section, "namespaces");
    size_t index = 0;
    if (config_keys_read(section, channel_section_keys, COUNT(channel_section_keys), &place, NULL, c->relay) != 0)
        return -1;
    if (config_keys_read(json_member(section, "without_namespace"), channel_keys, COUNT(channel_keys), &without,
                         &c->spaces[0].rules, c->relay) != 0)
        return -1;
    if (list && list->type != JSON_ARRAY)
        return config_complain(&place, "namespaces", "must be a list");
    for (const json_node *node = list ? list->first : NULL; node; node = node->next) {
        if (read_space(c, node, index++, &place) != 0)
            return -1;
    }
    return 0;
}

static int read_origins(config *c, const json_node *list, const config_place *place)
{
    for (const json_node *node = list ? list->first : NULL; node; node = node->next) {
        size_t len;
        const char *origin = json_string(node, &len);
        if (len == 0 || config_add_origin(c, origin, len) != 0)
            return config_complain(place, "allowed_origins", "must be a list of at most 32 origins");
    }
    return 0;
}

static int read_client(config *c, const json_node *section, const char *file)
{
    const config_place place = {file, "client"};
    const config_place token = {file, "client.token"};
    const config_place subscription = {file, "client.subscription_token"};
    const config_place personal = {file, "client.subscribe_to_user_personal_channel"};
    const json_node *second = json_member(section, "subscription_token");
    if (config_keys_read(section, client_keys, COUNT(client_keys), &place, c, c->relay) != 0 ||
        config_keys_read(json_member(section, "token"), token_keys, COUNT(token_keys), &token, &c->token, NULL) != 0 ||
        config_keys_read(second, token_keys, COUNT(token_keys), &subscription, &c->subscription_token, NULL) != 0 ||
        config_keys_read(json_member(section, "subscribe_to_user_personal_channel"), personal_keys,
                         COUNT(personal_keys), &personal, c, NULL) != 0)
        return -1;
    c->separate_subscription_token = json_is_true(json_member(second, "enabled"));
    return read_origins(c, json_member(section, "allowed_origins"), &place);
}

static int read_sections(config *c, const json_node *root, const char *file)
{
    const config_place whole = {file, ""};
    const config_place api = {file, "http_api"};
    if (!json_is(root, JSON_OBJECT))
        return config_complain(&whole, "", "must be an object");
    for (const json_node *node = root->first; node; node = node->next) {
        if (strcmp(node->name, "client") != 0 && strcmp(node->name, "channel") != 0 &&
            strcmp(node->name, "http_api") != 0)
            config_complain(&whole, node->name, "is left out");
    }
    if (read_channels(c, json_member(root, "channel"), file) != 0 ||
        read_client(c, json_member(root, "client"), file) != 0)
        return -1;
    return config_keys_read(json_member(root, "http_api"), api_keys, COUNT(api_keys), &api, c, NULL);
}

/* ---- the file ---- */

int config_read(config *c, const char *path)
{
    size_t len = 0;
    size_t error_at = 0;
    char *data = read_file(path, MAX_FILE, &len);
    if (!data) {
        fprintf(stderr, "centrifugo: %s: cannot be read\n", path);
        return -1;
    }
    json_tree *tree = json_tree_read(data, len, &error_at);
    int result = -1;
    if (tree)
        result = read_sections(c, json_tree_root(tree), path);
    else
        fprintf(stderr, "centrifugo: %s: no JSON from byte %zu on\n", path, error_at);
    json_tree_free(tree);
    free(data);
    return result;
}

/* ---- what follows ---- */

static bool option_is(const srl_options *options, const char *name, const char *value)
{
    char text[32];
    int32_t len = srl_options_get(options, name, text, sizeof text);
    return len > 0 && (size_t)len < sizeof text && strcmp(text, value) == 0;
}

/* Centrifugo has this one for clients, the relay for channels. */
static int share_position_check(const config *c)
{
    char value[32];
    int error = srl_options_get(c->relay, "position_check", value, sizeof value) < 0 ? -1 : 0;
    for (size_t i = 1; i < c->space_count && error == 0; i++)
        error = srl_options_set(c->spaces[i].options, "position_check", value);
    return error;
}

/* Both size and time are needed for a history. Who may read it, or asks nobody, may ask for recovery too. */
static int finish_space(const config *c, channel_space *space)
{
    srl_options *options = options_of(c, space);
    channel_rules *rules = &space->rules;
    bool ask = c->insecure || rules->history_for_client || rules->history_for_subscriber;
    rules->history = !option_is(options, "history_size", "0") && !option_is(options, "history_ttl", "0ms") &&
                     !option_is(options, "history_ttl", "0");
    rules->positioning_for_all = option_is(options, "positioning", "client");
    rules->recovery_for_all = option_is(options, "recovery", "client");
    rules->objects_only = option_is(options, "data_format", "object");
    int error = rules->history ? 0 : srl_options_set(options, "history_size", "0");
    if (error == 0 && ask && option_is(options, "recovery", "off"))
        error = srl_options_set(options, "recovery", "client");
    if (error == 0 && ask && option_is(options, "positioning", "off"))
        error = srl_options_set(options, "positioning", "client");
    return error;
}

int config_finish(config *c)
{
    if (share_position_check(c) != 0)
        return -1;
    for (size_t i = 0; i < c->space_count; i++) {
        if (finish_space(c, &c->spaces[i]) != 0) {
            fprintf(stderr, "centrifugo: %s\n", srl_options_last_error(options_of(c, &c->spaces[i])));
            return -1;
        }
    }
    if (c->insecure || c->anonymous || c->token.secret[0] != '\0')
        return 0;
    fprintf(stderr,
            "centrifugo: nobody could connect: give --jwt-secret, --insecure, or a --config with one of them\n");
    return -1;
}

int config_apply(const config *c, srl_relay *relay)
{
    for (size_t i = 1; i < c->space_count; i++) {
        char prefix[72];
        int len = snprintf(prefix, sizeof prefix, "$%s:", c->spaces[i].name);
        int error = srl_relay_add_namespace(relay, prefix, (size_t)len, c->spaces[i].options);
        if (error == 0)
            error = srl_relay_add_namespace(relay, prefix + 1, (size_t)len - 1, c->spaces[i].options);
        if (error != 0)
            return error;
    }
    return 0;
}

const channel_space *config_space(const config *c, const char *channel, size_t len)
{
    if (len > 0 && channel[0] == '$') {
        channel++;
        len--;
    }
    const char *colon = len > 0 ? memchr(channel, ':', len) : NULL;
    if (!colon)
        return &c->spaces[0];
    size_t name_len = (size_t)(colon - channel);
    for (size_t i = 1; i < c->space_count; i++) {
        if (strlen(c->spaces[i].name) == name_len && memcmp(c->spaces[i].name, channel, name_len) == 0)
            return &c->spaces[i];
    }
    return NULL;
}
