#include "config_keys.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int config_complain(const config_place *place, const char *name, const char *what)
{
    const char *dot = place->section[0] != '\0' && name[0] != '\0' ? "." : "";
    fprintf(stderr, "centrifugo: %s: %s%s%s: %s\n", place->file, place->section, dot, name, what);
    return -1;
}

/* ---- values ---- */

/* One part of a duration, like "30m"; 0 if it is none. */
static size_t read_part(const char *text, uint64_t *ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    uint64_t value = 0;
    size_t at = 0;
    for (; text[at] >= '0' && text[at] <= '9' && at < 12; at++)
        value = value * 10 + (uint64_t)(text[at] - '0');
    for (size_t i = 0; at > 0 && i < sizeof units / sizeof units[0]; i++) {
        size_t len = strlen(units[i].name);
        if (strncmp(text + at, units[i].name, len) != 0)
            continue;
        *ms += value * units[i].ms;
        return at + len;
    }
    return 0;
}

static bool read_duration(const json_node *node, uint64_t *ms)
{
    size_t len;
    const char *text = json_string(node, &len);
    *ms = 0;
    if (strcmp(text, "0") == 0)
        return true;
    while (*text != '\0') {
        size_t part = read_part(text, ms);
        if (part == 0)
            return false;
        text += part;
    }
    return len > 0;
}

static bool has_word(const json_node *list, const char *word)
{
    size_t len;
    for (const json_node *node = list->first; node; node = node->next) {
        if (strcmp(json_string(node, &len), word) == 0)
            return true;
    }
    return false;
}

/* ---- one key ---- */

static int set_option(const config_key *key, const char *value, const config_place *place, srl_options *options)
{
    if (srl_options_set(options, key->option, value) == 0)
        return 0;
    return config_complain(place, key->name, srl_options_last_error(options));
}

static int set_count(const config_key *key, uint64_t value, const char *unit, const config_place *place,
                     srl_options *options)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64 "%s", value, unit);
    return set_option(key, value == 0 && key->value ? key->value : text, place, options);
}

static int set_text(const config_key *key, const json_node *node, const config_place *place, char *out)
{
    size_t len;
    const char *text = json_string(node, &len);
    if (!json_is(node, JSON_STRING))
        return config_complain(place, key->name, "must be a string");
    if (len >= key->size)
        return config_complain(place, key->name, "is too long");
    memcpy(out, text, len + 1);
    return 0;
}

static int set_word(const config_key *key, const json_node *node, const config_place *place, srl_options *options)
{
    size_t len;
    const char *text = json_string(node, &len);
    if (key->kind == KEY_FORMAT && strcmp(text, "json") != 0 && strcmp(text, "json_object") != 0 && len > 0)
        return config_complain(place, key->name, "only json and json_object can be had here");
    if (key->kind == KEY_FORMAT)
        text = strcmp(text, "json_object") == 0 ? "object" : "any";
    if (key->kind == KEY_STREAM)
        return len == 0 || strcmp(text, "stream") == 0 ? 0
                                                       : config_complain(place, key->name, "only stream can be had");
    return set_option(key, len == 0 && key->value ? key->value : text, place, options);
}

static int apply(const config_key *key, const json_node *node, const config_place *place, void *target,
                 srl_options *options)
{
    uint64_t number;
    switch (key->kind) {
    case KEY_SWITCH:
        if (!json_is(node, JSON_BOOL))
            return config_complain(place, key->name, "must be true or false");
        return node->truth ? set_option(key, key->value, place, options) : 0;
    case KEY_FLAG:
        if (!json_is(node, JSON_BOOL))
            return config_complain(place, key->name, "must be true or false");
        *(bool *)((char *)target + key->offset) = node->truth;
        return 0;
    case KEY_NUMBER:
        if (!json_number(node, &number))
            return config_complain(place, key->name, "must be a number");
        return set_count(key, number, "", place, options);
    case KEY_DURATION:
        if (!read_duration(node, &number))
            return config_complain(place, key->name, "must be a duration like \"30s\" or \"1h30m\"");
        return set_count(key, number, "ms", place, options);
    case KEY_DELTA:
        if (!json_is(node, JSON_ARRAY))
            return config_complain(place, key->name, "must be a list");
        return has_word(node, "fossil") ? set_option(key, "true", place, options) : 0;
    case KEY_TEXT:
        return set_text(key, node, place, (char *)target + key->offset);
    case KEY_WORD:
    case KEY_FORMAT:
    case KEY_STREAM:
        return set_word(key, node, place, options);
    case KEY_OTHER:
    case KEY_IGNORED:
        return 0;
    }
    return 0;
}

/* ---- all of them ---- */

static int check_names(const json_node *object, const config_key *keys, size_t count, const config_place *place)
{
    for (const json_node *node = object->first; node; node = node->next) {
        size_t at = 0;
        while (at < count && strcmp(keys[at].name, node->name) != 0)
            at++;
        if (at == count)
            return config_complain(place, node->name, "is not known here");
    }
    return 0;
}

int config_keys_read(const json_node *object, const config_key *keys, size_t count, const config_place *place,
                     void *target, srl_options *options)
{
    if (!object)
        return 0;
    if (!json_is(object, JSON_OBJECT))
        return config_complain(place, "", "must be an object");
    if (check_names(object, keys, count, place) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const json_node *node = json_member(object, keys[i].name);
        if (node && apply(&keys[i], node, place, target, options) != 0)
            return -1;
    }
    return 0;
}
