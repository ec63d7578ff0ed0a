#include "redis/config.h"

#include <limits.h>
#include <stdio.h>

#include <streamrelay/error.h>

#include "base/table.h"

enum { KIND_TEXT, KIND_BOOL, KIND_NUMBER, KIND_BYTES, KIND_DURATION, KIND_PROTOCOL, KIND_BOTH_TIMEOUTS };

typedef struct option_line {
    const char *name;
    uint8_t kind;
    size_t at; /* of the member */
    uint64_t min, max, initial;
} option_line;

#define MEMBER(name) offsetof(srl__redis_config, name)
#define SECOND       UINT64_C(1000)
#define DAY          (86400 * SECOND)
#define MIB          UINT64_C(1048576)
#define GIB          (1024 * MIB)

static const option_line table[] = {
    {"host", KIND_TEXT, MEMBER(host), 1, 255, 0},
    {"path", KIND_TEXT, MEMBER(path), 1, 107, 0},
    {"user", KIND_TEXT, MEMBER(user), 0, 65536, 0},
    {"username", KIND_TEXT, MEMBER(user), 0, 65536, 0},
    {"password", KIND_TEXT, MEMBER(password), 0, 65536, 0},
    {"client_name", KIND_TEXT, MEMBER(client_name), 0, 255, 0},
    {"port", KIND_NUMBER, MEMBER(port), 1, 65535, 6379},
    {"db", KIND_NUMBER, MEMBER(db), 0, INT32_MAX, 0},
    {"protocol", KIND_PROTOCOL, MEMBER(protocol), 0, 3, 0},
    {"client_info", KIND_BOOL, MEMBER(client_info), 0, 1, 1},
    {"offline_queue", KIND_BOOL, MEMBER(offline_queue), 0, 1, 1},
    {"timeout", KIND_BOTH_TIMEOUTS, 0, 1, DAY, 0},
    {"connect_timeout", KIND_DURATION, MEMBER(connect_timeout), 1, DAY, 2 * SECOND},
    {"command_timeout", KIND_DURATION, MEMBER(command_timeout), 0, DAY, 5 * SECOND},
    {"loading_timeout", KIND_DURATION, MEMBER(loading_timeout), 0, DAY, 60 * SECOND},
    {"backoff_min", KIND_DURATION, MEMBER(backoff_min), 1, DAY, 50},
    {"backoff_max", KIND_DURATION, MEMBER(backoff_max), 1, DAY, 5 * SECOND},
    {"keepalive", KIND_DURATION, MEMBER(keepalive), 0, DAY, 15 * SECOND},
    {"user_timeout", KIND_DURATION, MEMBER(user_timeout), 0, DAY, 20 * SECOND},
    {"idle_probe", KIND_DURATION, MEMBER(idle_probe), 0, DAY, 30 * SECOND},
    {"max_pending", KIND_NUMBER, MEMBER(max_pending), 1, 16777216, 1000000},
    {"max_output", KIND_BYTES, MEMBER(max_output), 1024, 16 * GIB, 256 * MIB},
    {"max_reply", KIND_BYTES, MEMBER(max_reply), 1024, 2 * GIB - 1, GIB},
    {"max_bulk", KIND_BYTES, MEMBER(max_bulk), 1024, 2 * GIB - 1, 512 * MIB},
    {"max_depth", KIND_NUMBER, MEMBER(max_depth), 4, 1024, 32},
    {"pool_max", KIND_NUMBER, MEMBER(pool_max), 1, 65536, 16},
    {"pool_min", KIND_NUMBER, MEMBER(pool_min), 0, 65536, 0},
    {"pool_wait", KIND_DURATION, MEMBER(pool_wait), 0, DAY, 6 * SECOND},
    {"pool_idle_timeout", KIND_DURATION, MEMBER(pool_idle_timeout), 0, DAY, 300 * SECOND},
    {"pool_lifetime", KIND_DURATION, MEMBER(pool_lifetime), 0, 365 * DAY, 0},
    {"pool_check", KIND_DURATION, MEMBER(pool_check), 0, DAY, 10 * SECOND},
};

enum { LINES = sizeof(table) / sizeof(table[0]) };

static void *member_at(srl__redis_config *config, const option_line *line)
{
    return (char *)config + line->at;
}

static void config_init(srl__redis_config *config)
{
    memset(config, 0, sizeof(*config));
    atomic_init(&config->refs, 1);
    srl_allocator_init(&config->alloc, sizeof(config->alloc));
    srl_platform_init(&config->platform, sizeof(config->platform));
    for (size_t i = 0; i < LINES; i++) {
        if (table[i].kind != KIND_TEXT && table[i].kind != KIND_BOTH_TIMEOUTS) {
            *(uint64_t *)member_at(config, &table[i]) = table[i].initial;
        }
    }
}

static srl__redis_text *text_of(srl__redis_config *config, size_t index)
{
    srl__redis_text *const texts[] = {&config->host, &config->path, &config->user, &config->password,
                                      &config->client_name};
    return texts[index];
}

enum { TEXTS = 5 };

static void wipe(srl__redis_text *text)
{
    volatile char *at = text->data;
    for (size_t i = 0; i < text->len; i++) {
        at[i] = 0;
    }
}

static void free_text(srl__redis_config *config, srl__redis_text *text)
{
    if (text->data != NULL) {
        wipe(text);
        srl__free(&config->alloc, text->data, text->len + 1);
    }
    *text = (srl__redis_text){NULL, 0};
}

static void free_texts(srl__redis_config *config)
{
    for (size_t i = 0; i < TEXTS; i++) {
        free_text(config, text_of(config, i));
    }
}

bool srl__redis_config_set_text(srl__redis_config *config, srl__redis_text *text, srl__slice value)
{
    char *copy = srl__alloc(&config->alloc, value.len + 1);
    if (copy == NULL) {
        return false;
    }
    if (value.len > 0) {
        memcpy(copy, value.data, value.len);
    }
    copy[value.len] = '\0';
    free_text(config, text);
    *text = (srl__redis_text){copy, value.len};
    return true;
}

static bool copy_texts(srl__redis_config *to, srl__redis_config *from)
{
    for (size_t i = 0; i < TEXTS; i++) {
        srl__redis_text *text = text_of(from, i);
        if (text->data != NULL &&
            !srl__redis_config_set_text(to, text_of(to, i), srl__slice_of(text->data, text->len))) {
            return false;
        }
    }
    return true;
}

static void forget_texts(srl__redis_config *config)
{
    for (size_t i = 0; i < TEXTS; i++) {
        *text_of(config, i) = (srl__redis_text){NULL, 0};
    }
}

int srl__redis_config_take(const srl_redis_options *options, srl__redis_config **out)
{
    srl__redis_config given;
    if (options != NULL) {
        memcpy(&given, &options->config, sizeof(given));
    } else {
        config_init(&given);
    }
    if (given.tls && !given.has_transport) {
        return SRL_ERR_REDIS_TRANSPORT;
    }
    srl__redis_config *config = srl__alloc(&given.alloc, sizeof(*config));
    if (config == NULL) {
        return SRL_ERR_NOMEM;
    }
    memcpy(config, &given, sizeof(given));
    atomic_init(&config->refs, 1);
    forget_texts(config);
    if (!copy_texts(config, &given)) {
        srl__redis_config_unref(config);
        return SRL_ERR_NOMEM;
    }
    *out = config;
    return SRL_OK;
}

srl__redis_config *srl__redis_config_ref(srl__redis_config *config)
{
    atomic_fetch_add(&config->refs, 1);
    return config;
}

void srl__redis_config_unref(srl__redis_config *config)
{
    if (config != NULL && atomic_fetch_sub(&config->refs, 1) == 1) {
        srl_allocator alloc = config->alloc;
        free_texts(config);
        srl__free(&alloc, config, sizeof(*config));
    }
}

/* ---- values */

static bool digits_of(srl__slice text, size_t *at, uint64_t *out)
{
    uint64_t n = 0;
    size_t begin = *at;
    while (*at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9') {
        uint64_t digit = (uint64_t)(text.data[*at] - '0');
        if (n > (UINT64_MAX - digit) / 10) {
            return false;
        }
        n = n * 10 + digit;
        ++*at;
    }
    *out = n;
    return *at > begin;
}

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

static const unit duration_units[] = {{"", 1},   {"ms", 1}, {"s", SECOND}, {"m", 60 * SECOND}, {"h", 3600 * SECOND},
                                      {"d", DAY}};
static const unit byte_units[] = {{"", 1}, {"k", 1024}, {"m", MIB}, {"g", GIB}};
static const unit plain_units[] = {{"", 1}};

static bool scaled(srl__slice text, const unit *units, size_t count, uint64_t *out)
{
    size_t at = 0;
    uint64_t n;
    if (!digits_of(text, &at, &n)) {
        return false;
    }
    srl__slice rest = srl__slice_of(text.data + at, text.len - at);
    for (size_t i = 0; i < count; i++) {
        if (srl__slice_equal(rest, srl__slice_of(units[i].name, strlen(units[i].name)))) {
            *out = n > UINT64_MAX / units[i].factor ? UINT64_MAX : n * units[i].factor;
            return true;
        }
    }
    return false;
}

static bool word_is(srl__slice text, const char *word)
{
    return srl__slice_equal(text, srl__slice_of(word, strlen(word)));
}

static bool read_bool(srl__slice text, uint64_t *out)
{
    bool yes = word_is(text, "true") || word_is(text, "on") || word_is(text, "yes") || word_is(text, "1");
    bool no = word_is(text, "false") || word_is(text, "off") || word_is(text, "no") || word_is(text, "0");
    *out = yes ? 1 : 0;
    return yes || no;
}

static bool read_protocol(srl__slice text, uint64_t *out)
{
    *out = word_is(text, "2") ? 2 : word_is(text, "3") ? 3 : 0;
    return *out != 0 || word_is(text, "auto");
}

#define UNITS(list) list, sizeof(list) / sizeof(list[0])

static bool read_value(const option_line *line, srl__slice value, uint64_t *out, const char **why)
{
    switch (line->kind) {
    case KIND_BOOL:
        *why = "must be \"true\" or \"false\"";
        return read_bool(value, out);
    case KIND_PROTOCOL:
        *why = "must be \"auto\", \"2\" or \"3\"";
        return read_protocol(value, out);
    case KIND_BYTES:
        *why = "is not a size like \"64k\"";
        return scaled(value, UNITS(byte_units), out);
    case KIND_NUMBER:
        *why = "is not a number";
        return scaled(value, UNITS(plain_units), out);
    default:
        *why = "is not a duration like \"500ms\" or \"5s\"";
        return scaled(value, UNITS(duration_units), out);
    }
}

static bool text_is_allowed(const option_line *line, srl__slice value, const char **why)
{
    if (value.len < line->min || value.len > line->max) {
        *why = "is empty or too long";
        return false;
    }
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c == 0 || (line->at == MEMBER(client_name) && (c <= ' ' || c > '~'))) {
            *why = "contains a byte that is not allowed";
            return false;
        }
    }
    return true;
}

static int set_text_option(srl__redis_config *config, const option_line *line, srl__slice value, const char **why)
{
    if (!text_is_allowed(line, value, why)) {
        return SRL_ERR_OPTION_VALUE;
    }
    if (!srl__redis_config_set_text(config, member_at(config, line), value)) {
        *why = "out of memory";
        return SRL_ERR_NOMEM;
    }
    return SRL_OK;
}

int srl__redis_config_set(srl__redis_config *config, srl__slice name, srl__slice value, const char **why)
{
    const option_line *line = NULL;
    for (size_t i = 0; i < LINES && line == NULL; i++) {
        line = word_is(name, table[i].name) ? &table[i] : NULL;
    }
    if (line == NULL) {
        *why = "no option of that name";
        return SRL_ERR_OPTION_UNKNOWN;
    }
    if (line->kind == KIND_TEXT) {
        return set_text_option(config, line, value, why);
    }
    uint64_t number;
    if (!read_value(line, value, &number, why)) {
        return SRL_ERR_OPTION_VALUE;
    }
    if (number < line->min || number > line->max) {
        *why = "is out of range";
        return SRL_ERR_OPTION_VALUE;
    }
    if (line->kind == KIND_BOTH_TIMEOUTS) {
        config->connect_timeout = number;
        config->command_timeout = number;
    } else {
        *(uint64_t *)member_at(config, line) = number;
    }
    return SRL_OK;
}

/* ---- public */

void srl__redis_options_explain(srl_redis_options *options, const char *text)
{
    if (options != NULL && text != options->error) {
        snprintf(options->error, sizeof(options->error), "%s", text);
    }
}

int srl_redis_options_create(const char *url, size_t url_len, srl_redis_options **out)
{
    srl_allocator alloc;
    srl_allocator_init(&alloc, sizeof(alloc));
    srl_redis_options *options = srl__alloc_zeroed(&alloc, sizeof(*options));
    *out = NULL;
    if (options == NULL) {
        return SRL_ERR_NOMEM;
    }
    config_init(&options->config);
    int error = SRL_OK;
    if (url_len > 0) {
        const char *why = "";
        size_t at = 0;
        error = srl__redis_url_parse(&options->config, srl__slice_of(url, url_len), &why, &at);
        if (error == SRL_ERR_REDIS_URL) {
            snprintf(options->error, sizeof(options->error), "URL, byte %zu: %s", at, why);
            free_texts(&options->config);
            config_init(&options->config);
        }
    }
    if (error == SRL_ERR_NOMEM) {
        srl_redis_options_destroy(options);
        return error;
    }
    *out = options;
    return error;
}

void srl_redis_options_destroy(srl_redis_options *options)
{
    if (options != NULL) {
        srl_allocator alloc;
        srl_allocator_init(&alloc, sizeof(alloc));
        free_texts(&options->config);
        srl__free(&alloc, options, sizeof(*options));
    }
}

int srl_redis_options_set(srl_redis_options *options, const char *name, const char *value)
{
    const char *why = "";
    int error = srl__redis_config_set(&options->config, srl__slice_of(name, strlen(name)),
                                      srl__slice_of(value, strlen(value)), &why);
    if (error == SRL_ERR_OPTION_UNKNOWN) {
        srl__redis_options_explain(options, why);
    } else if (error != SRL_OK) {
        snprintf(options->error, sizeof(options->error), "%.40s %s", name, why);
    }
    return error;
}

const char *srl_redis_options_last_error(const srl_redis_options *options)
{
    return options != NULL ? options->error : "";
}

int srl_redis_options_set_allocator(srl_redis_options *options, const srl_allocator *allocator)
{
    srl_allocator taken;
    if (!srl__allocator_take(&taken, allocator)) {
        return SRL_ERR_INVALID;
    }
    srl__redis_config *config = &options->config;
    srl__redis_config moved;
    memcpy(&moved, config, sizeof(moved));
    moved.alloc = taken;
    forget_texts(&moved);
    if (!copy_texts(&moved, config)) {
        free_texts(&moved);
        return SRL_ERR_NOMEM;
    }
    free_texts(config);
    memcpy(config, &moved, sizeof(moved));
    return SRL_OK;
}

int srl_redis_options_set_platform(srl_redis_options *options, const srl_platform *platform)
{
    srl_platform taken;
    if (platform == NULL) {
        srl_platform_init(&options->config.platform, sizeof(options->config.platform));
        return SRL_OK;
    }
    if (!srl__table_take(&taken, sizeof(taken), platform, sizeof(taken)) || taken.monotonic_ms == NULL ||
        taken.wall_ms == NULL || taken.random == NULL) {
        return SRL_ERR_INVALID;
    }
    options->config.platform = taken;
    return SRL_OK;
}

void srl_redis_transport_init(srl_redis_transport *transport, size_t size)
{
    static const srl_redis_transport none = {0};
    srl__table_fill(transport, size, &none, sizeof(none));
}

int srl_redis_options_set_transport(srl_redis_options *options, const srl_redis_transport *transport)
{
    srl_redis_transport taken;
    if (transport == NULL) {
        options->config.has_transport = false;
        return SRL_OK;
    }
    if (!srl__table_take(&taken, sizeof(taken), transport, sizeof(taken)) || taken.connect == NULL ||
        taken.handshake == NULL || taken.read == NULL || taken.write == NULL || taken.close == NULL) {
        return SRL_ERR_INVALID;
    }
    options->config.transport = taken;
    options->config.has_transport = true;
    return SRL_OK;
}

void srl_redis_resolver_init(srl_redis_resolver *resolver, size_t size)
{
    static const srl_redis_resolver none = {0};
    srl__table_fill(resolver, size, &none, sizeof(none));
}

int srl_redis_options_set_resolver(srl_redis_options *options, const srl_redis_resolver *resolver)
{
    srl_redis_resolver taken;
    if (resolver == NULL) {
        options->config.has_resolver = false;
        return SRL_OK;
    }
    if (!srl__table_take(&taken, sizeof(taken), resolver, sizeof(taken)) || taken.resolve == NULL) {
        return SRL_ERR_INVALID;
    }
    options->config.resolver = taken;
    options->config.has_resolver = true;
    return SRL_OK;
}

int srl_redis_options_set_credentials(srl_redis_options *options, srl_redis_credentials_fn function, void *user_data)
{
    options->config.credentials = function;
    options->config.credentials_user = user_data;
    return SRL_OK;
}
