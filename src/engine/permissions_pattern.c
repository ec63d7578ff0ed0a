#include "engine/permissions_pattern.h"

#include <streamrelay/error.h>

#include "base/utf8.h"

static int check_text(srl__slice text, srl__why *why)
{
    if (text.len == 0) {
        return srl__why_set(why, SRL_ERR_INVALID, "the pattern is empty");
    }
    if (text.len > SRL_PERMISSIONS_MAX_PATTERN_LENGTH) {
        return srl__why_set(why, SRL_ERR_TOO_LARGE, "the pattern has %zu bytes; at most %d", text.len,
                            SRL_PERMISSIONS_MAX_PATTERN_LENGTH);
    }
    if (!srl__utf8_valid(text.data, text.len)) {
        return srl__why_set(why, SRL_ERR_UTF8, "the pattern is not valid UTF-8");
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.data[i];
        if (c < 0x20 || c == 0x7F) {
            return srl__why_set(why, SRL_ERR_INVALID, "pattern '%.*s': control character at byte %zu",
                                SRL__WHY_ARG(text), i);
        }
    }
    return SRL_OK;
}

/* A segment that is not the last one, or that has no '*' at its end. */
static int parse_inner(srl__slice text, srl__slice segment, srl__pattern_step *step, srl__why *why)
{
    const char *star = segment.len > 0 ? memchr(segment.data, '*', segment.len) : NULL;
    if (star == NULL) {
        *step = (srl__pattern_step){segment, SRL__STEP_LITERAL};
        return SRL_OK;
    }
    if (segment.len == 1) {
        *step = (srl__pattern_step){srl__slice_of(segment.data, 0), SRL__STEP_WILD};
        return SRL_OK;
    }
    return srl__why_set(why, SRL_ERR_INVALID,
                        "pattern '%.*s': the '*' at byte %zu is neither a whole segment nor the pattern's end",
                        SRL__WHY_ARG(text), (size_t)(star - text.data));
}

static int parse_last(srl__slice text, srl__slice segment, srl__pattern_step *step, srl__why *why)
{
    if (segment.len == 0 || segment.data[segment.len - 1] != '*') {
        return parse_inner(text, segment, step, why);
    }
    srl__slice beginning = srl__slice_of(segment.data, segment.len - 1);
    if (beginning.len == 0) {
        *step = (srl__pattern_step){beginning, SRL__STEP_TAIL};
        return SRL_OK;
    }
    const char *star = memchr(beginning.data, '*', beginning.len);
    if (star != NULL) {
        return srl__why_set(why, SRL_ERR_INVALID,
                            "pattern '%.*s': the '*' at byte %zu is neither a whole segment nor the pattern's end",
                            SRL__WHY_ARG(text), (size_t)(star - text.data));
    }
    *step = (srl__pattern_step){beginning, SRL__STEP_PARTIAL};
    return SRL_OK;
}

static int parse_segments(srl__slice text, srl__pattern *out, srl__why *why)
{
    srl__slice rest = text;
    for (bool is_last = false; !is_last;) {
        if (out->count == SRL_PERMISSIONS_MAX_SEGMENTS) {
            return srl__why_set(why, SRL_ERR_TOO_LARGE, "pattern '%.*s' has more than %d segments", SRL__WHY_ARG(text),
                                SRL_PERMISSIONS_MAX_SEGMENTS);
        }
        const char *colon = rest.len > 0 ? memchr(rest.data, ':', rest.len) : NULL;
        is_last = colon == NULL;
        srl__slice segment = is_last ? rest : srl__slice_of(rest.data, (size_t)(colon - rest.data));
        srl__pattern_step *step = &out->steps[out->count++];
        int error = is_last ? parse_last(text, segment, step, why) : parse_inner(text, segment, step, why);
        if (error != SRL_OK) {
            return error;
        }
        if (!is_last) {
            rest = srl__slice_of(colon + 1, rest.len - segment.len - 1);
        }
    }
    return SRL_OK;
}

int srl__pattern_parse(srl__slice text, srl__pattern *out, srl__why *why)
{
    uint32_t wildcards = 0;
    int error = check_text(text, why);
    if (error != SRL_OK) {
        return error;
    }
    out->count = 0;
    error = parse_segments(text, out, why);
    if (error == SRL_OK && memchr(text.data, '*', text.len) == NULL) {
        out->steps[0] = (srl__pattern_step){text, SRL__STEP_EXACT};
        out->count = 1;
        return SRL_OK;
    }
    for (uint32_t i = 0; i < out->count; i++) {
        wildcards += out->steps[i].kind == SRL__STEP_WILD;
    }
    if (error == SRL_OK && wildcards > SRL_PERMISSIONS_MAX_WILDCARDS) {
        return srl__why_set(why, SRL_ERR_TOO_LARGE, "pattern '%.*s' has %u segments '*' before its end; at most %d",
                            SRL__WHY_ARG(text), (unsigned)wildcards, SRL_PERMISSIONS_MAX_WILDCARDS);
    }
    return error;
}
