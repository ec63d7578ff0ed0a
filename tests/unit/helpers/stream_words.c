/* Commands in words, said by way of typed requests. */
#include "helpers/stream_golden.h"

#include <stdlib.h>
#include <string.h>

#include <streamrelay/error.h>

typedef struct words {
    const srl_test_golden_line *line;
    uint32_t at;
} words;

static int is(const words *w, const char *word)
{
    return w->at < w->line->count && strcmp(w->line->words[w->at], word) == 0;
}

static int take(words *w, const char *word)
{
    int found = is(w, word);
    w->at += found ? 1 : 0;
    return found;
}

static const char *next(words *w, size_t *len)
{
    const char *word = w->at < w->line->count ? w->line->words[w->at++] : "";
    *len = strlen(word);
    return word;
}

static int64_t number(words *w)
{
    size_t len = 0;
    return strtoll(next(w, &len), NULL, 10);
}

static int point(words *w, srl_stream_point *out)
{
    static const char *const names[] = {"-", "+", "$", ">", "*"};
    size_t len = 0;
    const char *text = next(w, &len);
    *out = (srl_stream_point){0, 0, {0, 0}};
    for (int i = 0; i < 5; i++) {
        if (strcmp(text, names[i]) == 0) {
            out->kind = SRL_STREAM_FIRST + i;
            return 0;
        }
    }
    int is_exclusive = text[0] == '(';
    text += is_exclusive;
    len -= (size_t)is_exclusive;
    const char *dash = strchr(text, '-');
    if (dash != NULL && strcmp(dash, "-*") == 0) {
        out->kind = SRL_STREAM_AUTO_SEQ;
        len -= 2;
    } else {
        out->kind = (dash != NULL ? SRL_STREAM_ID : SRL_STREAM_MS) + (is_exclusive ? 2 : 0);
    }
    return srl_stream_id_parse(text, len, &out->id) == 0 ? 0 : SRL_ERR_UNAVAILABLE;
}

static int plain_id(words *w, srl_stream_id *out)
{
    srl_stream_point at;
    int error = point(w, &at);
    *out = at.id;
    return error != 0 || at.kind != SRL_STREAM_ID ? SRL_ERR_UNAVAILABLE : 0;
}

static uint32_t plain_ids(words *w, srl_stream_id *ids)
{
    uint32_t count = 0;
    while (w->at < w->line->count) {
        uint32_t before = w->at;
        if (plain_id(w, &ids[count]) != 0) {
            w->at = before;
            break;
        }
        count++;
    }
    return count;
}

static int trim(words *w, srl_stream_trim_rule *rule)
{
    int error = 0;
    if (take(w, "MAXLEN") || is(w, "MINID")) {
        rule->kind = take(w, "MINID") ? SRL_STREAM_TRIM_MINID : SRL_STREAM_TRIM_MAXLEN;
        rule->is_approx = take(w, "~") ? 1 : 0;
        (void)take(w, "=");
        if (rule->kind == SRL_STREAM_TRIM_MINID) {
            error = point(w, &rule->minid);
        } else {
            rule->maxlen = (uint64_t)number(w);
        }
        if (take(w, "LIMIT")) {
            rule->limit = number(w);
        }
    }
    return error;
}

static int encode_add(srl_command *command, words *w)
{
    srl_stream_field fields[8];
    srl_stream_add_request r;
    srl_stream_add_request_init(&r, sizeof(r));
    r.key = next(w, &r.key_len);
    r.nomkstream = take(w, "NOMKSTREAM") ? 1 : 0;
    int error = trim(w, &r.trim);
    error = error != 0 ? error : point(w, &r.id);
    r.fields = fields;
    while (w->at + 1 < w->line->count) {
        fields[r.field_count].name = next(w, &fields[r.field_count].name_len);
        fields[r.field_count].value = next(w, &fields[r.field_count].value_len);
        r.field_count++;
    }
    return error != 0 ? error : srl_stream_encode_add(command, &r);
}

static int encode_trim(srl_command *command, words *w)
{
    srl_stream_trim_request r;
    srl_stream_trim_request_init(&r, sizeof(r));
    r.key = next(w, &r.key_len);
    int error = trim(w, &r.trim);
    return error != 0 ? error : srl_stream_encode_trim(command, &r);
}

static int encode_range(srl_command *command, words *w, uint32_t reverse)
{
    srl_stream_range_request r;
    srl_stream_range_request_init(&r, sizeof(r));
    r.reverse = reverse;
    r.key = next(w, &r.key_len);
    int error = point(w, reverse ? &r.end : &r.start);
    error = error != 0 ? error : point(w, reverse ? &r.start : &r.end);
    if (take(w, "COUNT")) {
        r.count = number(w);
        if (r.count < 0) {
            return SRL_ERR_UNAVAILABLE;
        }
    }
    return error != 0 ? error : srl_stream_encode_range(command, &r);
}

static int encode_read(srl_command *command, words *w)
{
    srl_stream_source sources[4];
    srl_stream_read_request r;
    srl_stream_read_request_init(&r, sizeof(r));
    if (take(w, "GROUP")) {
        r.group = next(w, &r.group_len);
        r.consumer = next(w, &r.consumer_len);
    }
    for (int more = 1; more;) {
        more = 0;
        if (take(w, "COUNT")) {
            r.count = number(w);
            more = 1;
        }
        if (take(w, "BLOCK")) {
            r.block_ms = number(w);
            more = 1;
        }
        if (take(w, "NOACK")) {
            r.noack = 1;
            more = 1;
        }
    }
    (void)take(w, "STREAMS");
    uint32_t left = w->line->count - w->at;
    if (left % 2 != 0) {
        return SRL_ERR_UNAVAILABLE;
    }
    for (uint32_t i = 0; i < left / 2; i++) {
        sources[i].key = next(w, &sources[i].key_len);
    }
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < left / 2; i++) {
        error = point(w, &sources[i].after);
    }
    r.sources = sources;
    r.source_count = left / 2;
    return error != 0 ? error : srl_stream_encode_read(command, &r);
}

static int encode_group(srl_command *command, words *w)
{
    size_t subcommand_len = 0;
    const char *subcommand = next(w, &subcommand_len);
    srl_stream_group_request r;
    srl_stream_group_request_init(&r, sizeof(r));
    r.key = next(w, &r.key_len);
    r.group = next(w, &r.group_len);
    if (strcmp(subcommand, "DESTROY") == 0) {
        return srl_stream_encode_group_destroy(command, r.key, r.key_len, r.group, r.group_len);
    }
    size_t consumer_len = 0;
    const char *consumer = next(w, &consumer_len);
    if (strcmp(subcommand, "CREATECONSUMER") == 0) {
        return srl_stream_encode_group_createconsumer(command, r.key, r.key_len, r.group, r.group_len, consumer,
                                                      consumer_len);
    }
    if (strcmp(subcommand, "DELCONSUMER") == 0) {
        return srl_stream_encode_group_delconsumer(command, r.key, r.key_len, r.group, r.group_len, consumer,
                                                   consumer_len);
    }
    if (strcmp(subcommand, "CREATE") != 0 && strcmp(subcommand, "SETID") != 0) {
        return SRL_ERR_UNAVAILABLE;
    }
    w->at--;
    int error = point(w, &r.after);
    r.mkstream = take(w, "MKSTREAM") ? 1 : 0;
    r.has_entries_read = take(w, "ENTRIESREAD") ? 1 : 0;
    r.entries_read = r.has_entries_read ? number(w) : -1;
    if (error != 0) {
        return error;
    }
    return strcmp(subcommand, "CREATE") == 0 ? srl_stream_encode_group_create(command, &r)
                                             : srl_stream_encode_group_setid(command, &r);
}

static int encode_pending(srl_command *command, words *w)
{
    srl_stream_pending_request r;
    srl_stream_pending_request_init(&r, sizeof(r));
    r.key = next(w, &r.key_len);
    r.group = next(w, &r.group_len);
    if (w->at == w->line->count) {
        return srl_stream_encode_pending(command, r.key, r.key_len, r.group, r.group_len);
    }
    r.min_idle_ms = take(w, "IDLE") ? number(w) : -1;
    int error = point(w, &r.start);
    error = error != 0 ? error : point(w, &r.end);
    r.count = (uint64_t)number(w);
    if (w->at < w->line->count) {
        r.consumer = next(w, &r.consumer_len);
    }
    return error != 0 ? error : srl_stream_encode_pending_range(command, &r);
}

static int encode_claim(srl_command *command, words *w)
{
    srl_stream_id ids[8];
    srl_stream_id last_id;
    srl_stream_claim_request r;
    srl_stream_claim_request_init(&r, sizeof(r));
    r.key = next(w, &r.key_len);
    r.group = next(w, &r.group_len);
    r.consumer = next(w, &r.consumer_len);
    r.min_idle_ms = (uint64_t)number(w);
    r.id_count = plain_ids(w, ids);
    r.ids = ids;
    int error = 0;
    while (error == 0 && w->at < w->line->count) {
        if (take(w, "IDLE")) {
            r.idle_ms = number(w);
        } else if (take(w, "TIME")) {
            r.time_ms = number(w);
        } else if (take(w, "RETRYCOUNT")) {
            r.retry_count = number(w);
        } else if (take(w, "FORCE")) {
            r.force = 1;
        } else if (take(w, "JUSTID")) {
            r.justid = 1;
        } else if (take(w, "LASTID")) {
            error = plain_id(w, &last_id);
            r.last_id = &last_id;
        } else {
            error = SRL_ERR_UNAVAILABLE;
        }
    }
    return error != 0 ? error : srl_stream_encode_claim(command, &r);
}

static int encode_autoclaim(srl_command *command, words *w)
{
    srl_stream_autoclaim_request r;
    srl_stream_autoclaim_request_init(&r, sizeof(r));
    r.key = next(w, &r.key_len);
    r.group = next(w, &r.group_len);
    r.consumer = next(w, &r.consumer_len);
    r.min_idle_ms = (uint64_t)number(w);
    int error = point(w, &r.start);
    r.count = take(w, "COUNT") ? number(w) : -1;
    r.justid = take(w, "JUSTID") ? 1 : 0;
    return error != 0 ? error : srl_stream_encode_autoclaim(command, &r);
}

static int encode_info(srl_command *command, words *w)
{
    size_t key_len = 0;
    size_t group_len = 0;
    if (take(w, "STREAM")) {
        const char *key = next(w, &key_len);
        if (!take(w, "FULL")) {
            return srl_stream_encode_info(command, key, key_len);
        }
        return srl_stream_encode_info_full(command, key, key_len, take(w, "COUNT") ? number(w) : -1);
    }
    int is_groups = take(w, "GROUPS");
    w->at += is_groups ? 0 : 1;
    const char *key = next(w, &key_len);
    if (is_groups) {
        return srl_stream_encode_info_groups(command, key, key_len);
    }
    const char *group = next(w, &group_len);
    return srl_stream_encode_info_consumers(command, key, key_len, group, group_len);
}

static int encode_ack(srl_command *command, words *w)
{
    srl_stream_id ids[8];
    size_t key_len = 0;
    size_t group_len = 0;
    const char *key = next(w, &key_len);
    const char *group = next(w, &group_len);
    uint32_t count = plain_ids(w, ids);
    return w->at < w->line->count ? SRL_ERR_UNAVAILABLE
                                  : srl_stream_encode_ack(command, key, key_len, group, group_len, ids, count);
}

static int encode_setid(srl_command *command, words *w)
{
    srl_stream_id max_deleted;
    srl_stream_setid_request r;
    srl_stream_setid_request_init(&r, sizeof(r));
    r.key = next(w, &r.key_len);
    int error = plain_id(w, &r.id);
    r.entries_added = take(w, "ENTRIESADDED") ? number(w) : -1;
    if (error == 0 && take(w, "MAXDELETEDID")) {
        error = plain_id(w, &max_deleted);
        r.max_deleted_id = &max_deleted;
    }
    return error != 0 ? error : srl_stream_encode_setid(command, &r);
}

static int encode_del(srl_command *command, words *w)
{
    srl_stream_id ids[8];
    size_t key_len = 0;
    const char *key = next(w, &key_len);
    uint32_t count = plain_ids(w, ids);
    return srl_stream_encode_del(command, key, key_len, ids, count);
}

static int encode_len(srl_command *command, words *w)
{
    size_t key_len = 0;
    const char *key = next(w, &key_len);
    return srl_stream_encode_len(command, key, key_len);
}

static int encode_range_up(srl_command *command, words *w)
{
    return encode_range(command, w, 0);
}

static int encode_range_down(srl_command *command, words *w)
{
    return encode_range(command, w, 1);
}

int srl_test_stream_encode_words(srl_command *command, const srl_test_golden_line *line)
{
    static const struct {
        const char *name;
        int (*encode)(srl_command *command, words *w);
    } table[] = {
        {"XADD", encode_add},        {"XTRIM", encode_trim},
        {"XLEN", encode_len},        {"XDEL", encode_del},
        {"XSETID", encode_setid},    {"XRANGE", encode_range_up},
        {"XREAD", encode_read},      {"XREVRANGE", encode_range_down},
        {"XREADGROUP", encode_read}, {"XGROUP", encode_group},
        {"XACK", encode_ack},        {"XPENDING", encode_pending},
        {"XCLAIM", encode_claim},    {"XAUTOCLAIM", encode_autoclaim},
        {"XINFO", encode_info},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(line->words[0], table[i].name) == 0) {
            words w = {line, 1};
            return table[i].encode(command, &w);
        }
    }
    return SRL_ERR_UNAVAILABLE;
}
