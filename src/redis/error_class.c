/* What the first word of an error reply means for the caller. */
#include <streamrelay/redis.h>

#include "base/slice.h"

typedef struct error_line {
    const char *code;
    uint8_t len;
    uint8_t class;
} error_line;

#define LINE(code, class)                                                                                              \
    {                                                                                                                  \
        code, sizeof(code) - 1, class                                                                                  \
    }

static const error_line table[] = {
    LINE("MOVED", SRL_REDIS_ERROR_REDIRECT),   LINE("ASK", SRL_REDIS_ERROR_REDIRECT),
    LINE("TRYAGAIN", SRL_REDIS_ERROR_RETRY),   LINE("CLUSTERDOWN", SRL_REDIS_ERROR_RETRY),
    LINE("LOADING", SRL_REDIS_ERROR_RETRY),    LINE("BUSY", SRL_REDIS_ERROR_RETRY),
    LINE("MASTERDOWN", SRL_REDIS_ERROR_RETRY), LINE("NOREPLICAS", SRL_REDIS_ERROR_RETRY),
    LINE("UNBLOCKED", SRL_REDIS_ERROR_RETRY),  LINE("INPROG", SRL_REDIS_ERROR_RETRY),
    LINE("READONLY", SRL_REDIS_ERROR_ROLE),    LINE("OOM", SRL_REDIS_ERROR_CAPACITY),
    LINE("MISCONF", SRL_REDIS_ERROR_CAPACITY), LINE("NOAUTH", SRL_REDIS_ERROR_AUTH),
    LINE("WRONGPASS", SRL_REDIS_ERROR_AUTH),   LINE("NOPERM", SRL_REDIS_ERROR_AUTH),
    LINE("DENIED", SRL_REDIS_ERROR_AUTH),      LINE("NOSCRIPT", SRL_REDIS_ERROR_SCRIPT),
};

static bool contains(srl__slice text, srl__slice part)
{
    for (size_t i = 0; i + part.len <= text.len; i++) {
        if (memcmp(text.data + i, part.data, part.len) == 0) {
            return true;
        }
    }
    return false;
}

static srl_redis_error_class class_of_code(srl__slice text)
{
    size_t word = 0;
    while (word < text.len && text.data[word] != ' ') {
        word++;
    }
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].len == word && memcmp(table[i].code, text.data, word) == 0) {
            return (srl_redis_error_class)table[i].class;
        }
    }
    return SRL_REDIS_ERROR_OTHER;
}

/* What a script or a transaction ran into is told inside its own error: "ERR Error running script (...): @user_script:
 * 1: -OOM ...", "EXECABORT Transaction discarded because of: OOM ...". */
static srl_redis_error_class class_of_cause(srl__slice text)
{
    srl_redis_error_class class = SRL_REDIS_ERROR_OTHER;
    for (size_t i = 2; i < text.len && class == SRL_REDIS_ERROR_OTHER; i++) {
        if (text.data[i - 2] == ':' && text.data[i - 1] == ' ') {
            size_t from = i + (text.data[i] == '-' ? 1 : 0);
            class = class_of_code(srl__slice_of(text.data + from, text.len - from));
        }
    }
    return class;
}

static srl_redis_error_class class_of_text(srl__slice text)
{
    if (srl__slice_starts_with(text, SRL__LIT("ERR max number of clients"))) {
        return SRL_REDIS_ERROR_CAPACITY;
    }
    if (srl__slice_starts_with(text, SRL__LIT("ERR Function not found"))) {
        return SRL_REDIS_ERROR_SCRIPT;
    }
    return class_of_cause(text);
}

srl_redis_error_class srl_redis_error_classify(const char *text, size_t len)
{
    srl__slice whole = srl__slice_of(text, len);
    if (srl__slice_starts_with(whole, SRL__LIT("UNBLOCKED ")) && contains(whole, SRL__LIT("instance state changed"))) {
        return SRL_REDIS_ERROR_ROLE;
    }
    srl_redis_error_class class = class_of_code(whole);
    return class != SRL_REDIS_ERROR_OTHER ? class : class_of_text(whole);
}
