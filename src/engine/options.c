#include "engine/options.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <streamrelay/broker.h>
#include <streamrelay/error.h>

#include "base/table.h"
#include "base/utf8.h"
#include "broker/broker.h"
#include "engine/options_table.h"

/* From TYPE_JOIN_LEAVE on: choices, each with words of its own. */
typedef enum option_type {
    TYPE_TEXT, /* the member is characters, and one more for the terminating zero */
    TYPE_BOOL,
    TYPE_NUMBER,
    TYPE_BYTES,
    TYPE_DURATION,
    TYPE_JOIN_LEAVE,
    TYPE_ROOM,
    TYPE_RECOVERY,
    TYPE_RECOVERY_MODE,
    TYPE_PUSH,
    TYPE_POSITIONS,
    TYPE_FORMAT
} option_type;

typedef struct option {
    const char *name;
    const char *default_value;
    const char *text;
    uint64_t lowest;
    uint64_t highest;
    size_t member; /* where its uint64_t, or text, is in srl__settings */
    srl_option_scope scope;
    option_type type;
} option;

#define RELAY_LINE(scope, type, member, def, low, high, text)                                                          \
    {#member, (def), (text), (low), (high), offsetof(srl__settings, member), SRL_OPTION_##scope, TYPE_##type},
#define CHANNEL_LINE(scope, type, member, def, low, high, text)                                                        \
    {#member, (def), (text), (low), (high), offsetof(srl__settings, channel.member), SRL_OPTION_##scope, TYPE_##type},

static const option table[] = {SRL__RELAY_OPTIONS(RELAY_LINE) SRL__CHANNEL_OPTIONS(CHANNEL_LINE)};

enum { OPTION_COUNT = sizeof(table) / sizeof(table[0]) };

static const char *const type_names[] = {"text",   "bool",   "number", "bytes",  "duration", "choice",
                                         "choice", "choice", "choice", "choice", "choice",   "choice"};

enum { MAX_WORDS = 4 };

static const char *const choices[][MAX_WORDS] = {
    [TYPE_JOIN_LEAVE] = {"off", "session", "user", "both"},
    [TYPE_ROOM] = {"open", "group", "direct", "personal"},
    [TYPE_RECOVERY] = {"client", "off", "on"},
    [TYPE_RECOVERY_MODE] = {"stream", "cache"},
    [TYPE_PUSH] = {"client", "on"},
    [TYPE_POSITIONS] = {"off", "ack", "delivery"},
    [TYPE_FORMAT] = {"any", "object"},
};

static bool is_choice(const option *o)
{
    return o->type >= TYPE_JOIN_LEAVE;
}

static const struct {
    const char *word;
    uint64_t value;
} bool_words[] = {{"true", 1}, {"false", 0}, {"on", 1}, {"off", 0}, {"yes", 1}, {"no", 0}, {"1", 1}, {"0", 0}};

static const struct {
    const char *word;
    option_type type;
    uint64_t factor;
} units[] = {{"m", TYPE_BYTES, 1048576},      {"k", TYPE_BYTES, 1024},     {"d", TYPE_DURATION, SRL__DAY},
             {"h", TYPE_DURATION, SRL__HOUR}, {"m", TYPE_DURATION, 60000}, {"s", TYPE_DURATION, 1000},
             {"ms", TYPE_DURATION, 1}};

enum { UNIT_COUNT = sizeof(units) / sizeof(units[0]) };

static const option *find(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

static uint64_t value_of(const srl__settings *settings, const option *o)
{
    uint64_t value = 0;

    memcpy(&value, (const char *)settings + o->member, sizeof(value));
    return value;
}

static bool parse_digits(const char **text, uint64_t *out)
{
    const char *at = *text;
    uint64_t n = 0;

    while (*at >= '0' && *at <= '9') {
        uint64_t digit = (uint64_t)(*at - '0');
        if (n > (UINT64_MAX - digit) / 10) {
            return false;
        }
        n = n * 10 + digit;
        at++;
    }
    if (at == *text) {
        return false;
    }
    *text = at;
    *out = n;
    return true;
}

static bool parse_scaled(const char *text, option_type type, uint64_t *out)
{
    uint64_t n = 0;

    if (!parse_digits(&text, &n)) {
        return false;
    }
    if (*text == '\0') {
        *out = n;
        return true;
    }
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (units[i].type == type && strcmp(units[i].word, text) == 0 && n <= UINT64_MAX / units[i].factor) {
            *out = n * units[i].factor;
            return true;
        }
    }
    return false;
}

static bool parse_choice(const option *o, const char *text, uint64_t *out)
{
    for (uint64_t i = 0; i <= o->highest; i++) {
        if (strcmp(text, choices[o->type][i]) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool parse_bool(const char *text, uint64_t *out)
{
    for (size_t i = 0; i < sizeof(bool_words) / sizeof(bool_words[0]); i++) {
        if (strcmp(text, bool_words[i].word) == 0) {
            *out = bool_words[i].value;
            return true;
        }
    }
    return false;
}

static bool is_text(const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F) {
            return false;
        }
    }
    return srl__utf8_valid(text, len);
}

static bool parse(const option *o, const char *text, uint64_t *out)
{
    if (o->type == TYPE_TEXT) {
        *out = strlen(text);
        return is_text(text);
    }
    if (is_choice(o)) {
        return parse_choice(o, text, out);
    }
    if (o->type == TYPE_BOOL) {
        return parse_bool(text, out);
    }
    return parse_scaled(text, o->type, out);
}

/* A value as parse() takes it, in the largest unit that leaves a whole number; units[] is ordered for that. */
static void format(const option *o, uint64_t value, char *out, size_t size)
{
    if (is_choice(o)) {
        (void)snprintf(out, size, "%s", choices[o->type][value]);
        return;
    }
    if (o->type == TYPE_BOOL) {
        (void)snprintf(out, size, "%s", value ? "true" : "false");
        return;
    }
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        if (units[i].type == o->type && value > 0 && value % units[i].factor == 0) {
            (void)snprintf(out, size, "%llu%s", (unsigned long long)(value / units[i].factor), units[i].word);
            return;
        }
    }
    (void)snprintf(out, size, "%llu", (unsigned long long)value);
}

/* What parse() made of the text. */
static void assign(srl__settings *settings, const option *o, const char *text, uint64_t value)
{
    if (o->type == TYPE_TEXT) {
        memcpy((char *)settings + o->member, text, (size_t)value + 1);
    } else {
        memcpy((char *)settings + o->member, &value, sizeof(value));
    }
}

static void range_text(const option *o, char *out, size_t size)
{
    char lowest[32];
    char highest[32];

    if (o->type == TYPE_BOOL) {
        (void)snprintf(out, size, "true, false");
    } else if (o->type == TYPE_TEXT) {
        (void)snprintf(out, size, "%llu to %llu bytes", (unsigned long long)o->lowest, (unsigned long long)o->highest);
    } else if (is_choice(o)) {
        size_t used = 0;

        for (uint64_t i = 0; i <= o->highest; i++) {
            int len = snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ", ", choices[o->type][i]);

            used += len > 0 ? (size_t)len : 0;
        }
    } else {
        format(o, o->lowest, lowest, sizeof(lowest));
        format(o, o->highest, highest, sizeof(highest));
        (void)snprintf(out, size, "%s to %s", lowest, highest);
    }
}

void srl__options_defaults(srl_options *options)
{
    memset(options, 0, sizeof(*options));
    srl_allocator_init(&options->allocator, sizeof(options->allocator));
    srl_platform_init(&options->platform, sizeof(options->platform));
    srl_hooks_init(&options->hooks, sizeof(options->hooks));
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        uint64_t value = 0;

        (void)parse(&table[i], table[i].default_value, &value);
        assign(&options->settings, &table[i], table[i].default_value, value);
    }
}

int srl_options_create(srl_options **out)
{
    srl_allocator system;
    srl_options *options = NULL;

    srl_allocator_init(&system, sizeof(system));
    options = srl__alloc(&system, sizeof(*options));
    if (options == NULL) {
        return SRL_ERR_NOMEM;
    }
    srl__options_defaults(options);
    *out = options;
    return SRL_OK;
}

void srl_options_destroy(srl_options *options)
{
    srl_allocator system;

    if (options == NULL) {
        return;
    }
    if (options->broker != NULL) {
        srl_broker_release(options->broker);
    }
    srl_allocator_init(&system, sizeof(system));
    srl__free(&system, options, sizeof(*options));
}

int srl_options_set(srl_options *options, const char *name, const char *value)
{
    const option *o = find(name);
    uint64_t n = 0;
    char range[72];

    if (o == NULL) {
        (void)snprintf(options->error, sizeof(options->error), "there is no option '%.60s'", name);
        return SRL_ERR_OPTION_UNKNOWN;
    }
    range_text(o, range, sizeof(range));
    if (!parse(o, value, &n)) {
        (void)snprintf(options->error, sizeof(options->error), "%s: '%.60s' is not a %s (%s)", name, value,
                       type_names[o->type], range);
        return SRL_ERR_OPTION_VALUE;
    }
    if (n < o->lowest || n > o->highest) {
        (void)snprintf(options->error, sizeof(options->error), "%s: '%.60s' is not in the range %s", name, value,
                       range);
        return SRL_ERR_OPTION_VALUE;
    }
    assign(&options->settings, o, value, n);
    return SRL_OK;
}

int32_t srl_options_get(const srl_options *options, const char *name, char *out, size_t out_size)
{
    const option *o = find(name);
    char number[32];
    const char *text = number;
    size_t len = 0;

    if (o == NULL) {
        return SRL_ERR_OPTION_UNKNOWN;
    }
    if (o->type == TYPE_TEXT) {
        text = (const char *)&options->settings + o->member;
    } else {
        format(o, value_of(&options->settings, o), number, sizeof(number));
    }
    len = strlen(text);
    if (len < out_size) {
        memcpy(out, text, len + 1);
    }
    return (int32_t)len;
}

const char *srl_options_last_error(const srl_options *options)
{
    return options->error;
}

int srl_options_set_allocator(srl_options *options, const srl_allocator *allocator)
{
    return srl__allocator_take(&options->allocator, allocator) ? SRL_OK : SRL_ERR_INVALID;
}

int srl_options_set_platform(srl_options *options, const srl_platform *platform)
{
    srl_platform taken;

    if (platform == NULL || !srl__table_take(&taken, sizeof(taken), platform, sizeof(taken)) ||
        taken.monotonic_ms == NULL || taken.wall_ms == NULL || taken.random == NULL) {
        return SRL_ERR_INVALID;
    }
    options->platform = taken;
    return SRL_OK;
}

int srl_options_set_hooks(srl_options *options, const srl_hooks *hooks, void *user)
{
    srl_hooks taken;

    if (hooks == NULL || !srl__table_take(&taken, sizeof(taken), hooks, offsetof(srl_hooks, rpc))) {
        return SRL_ERR_INVALID;
    }
    options->hooks = taken;
    options->hooks_user = user;
    return SRL_OK;
}

int srl_options_set_broker(srl_options *options, srl_broker *broker)
{
    if (broker != NULL) {
        srl__broker_retain(broker);
    }
    if (options->broker != NULL) {
        srl_broker_release(options->broker);
    }
    options->broker = broker;
    return SRL_OK;
}

void srl_hooks_init(srl_hooks *hooks, size_t size)
{
    srl_hooks none = {0};

    srl__table_fill(hooks, size, &none, sizeof(none));
}

int srl_options_describe(uint32_t index, srl_option_info *out)
{
    srl_option_info info;
    uint32_t size = out->size;

    if (index >= OPTION_COUNT) {
        return SRL_ERR_NOT_FOUND;
    }
    info.size = size;
    info.scope = (int32_t)table[index].scope;
    info.name = table[index].name;
    info.type = type_names[table[index].type];
    info.default_value = table[index].default_value;
    range_text(&table[index], info.range, sizeof(info.range));
    info.text = table[index].text;
    memcpy(out, &info, size < sizeof(info) ? size : sizeof(info));
    return SRL_OK;
}

int srl__channel_settings_check(const srl__channel_settings *settings, char *error, size_t error_size)
{
    const char *fault = NULL;

    if (settings->positions != SRL__POSITIONS_OFF && settings->history_size == 0) {
        fault = "positions needs history_size: without history there are no offsets";
    } else if (settings->recovery == SRL__RECOVERY_ON && settings->history_size == 0) {
        fault = "recovery = on needs history_size";
    } else if (settings->room != SRL__ROOM_OPEN && settings->anonymous) {
        fault = "anonymous cannot go with a room for certain users";
    } else if (settings->publish_outside && !settings->publish) {
        fault = "publish_outside needs publish";
    } else if (settings->presence_outside && !settings->presence) {
        fault = "presence_outside needs presence";
    } else if (settings->history_outside && settings->history_size == 0) {
        fault = "history_outside needs history_size";
    }
    if (fault != NULL) {
        (void)snprintf(error, error_size, "%s", fault);
        return SRL_ERR_OPTION_VALUE;
    }
    return SRL_OK;
}

int srl__settings_check(const srl__settings *settings, char *error, size_t error_size)
{
    if (settings->ping_interval > 0 && settings->pong_timeout >= settings->ping_interval) {
        (void)snprintf(error, error_size, "pong_timeout must be shorter than ping_interval");
        return SRL_ERR_OPTION_VALUE;
    }
    if (settings->max_input_bytes < settings->max_message_bytes) {
        (void)snprintf(error, error_size, "max_input_bytes must not be smaller than max_message_bytes");
        return SRL_ERR_OPTION_VALUE;
    }
    return srl__channel_settings_check(&settings->channel, error, error_size);
}
