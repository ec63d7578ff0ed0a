#include "redis/stream_write.h"

#include <string.h>

void srl__stream_write_begin(srl__stream_writer *w, srl_command *command, bool is_valid)
{
    w->command = command;
    w->error = command != NULL ? srl_command_reset(command) : SRL_ERR_INVALID;
    w->is_ours = w->error == 0;
    srl__stream_write_check(w, is_valid);
}

int srl__stream_write_end(srl__stream_writer *w)
{
    if (w->error != 0 && w->is_ours) {
        (void)srl_command_reset(w->command);
    }
    return w->error;
}

static void add(srl__stream_writer *w, const char *data, size_t len)
{
    if (w->error == 0) {
        w->error = srl_command_add(w->command, data, len);
    }
}

void srl__stream_write_word(srl__stream_writer *w, const char *word)
{
    add(w, word, strlen(word));
}

void srl__stream_write_text(srl__stream_writer *w, const char *data, size_t len)
{
    srl__stream_write_check(w, data != NULL || len == 0);
    add(w, data != NULL ? data : "", len);
}

void srl__stream_write_borrowed(srl__stream_writer *w, const char *data, size_t len)
{
    srl__stream_write_check(w, data != NULL || len == 0);
    if (w->error == 0) {
        w->error = srl_command_add_ref(w->command, data != NULL ? data : "", len, NULL, NULL);
    }
}

void srl__stream_write_name(srl__stream_writer *w, const char *data, size_t len)
{
    srl__stream_write_check(w, data != NULL);
    add(w, data, len);
}

void srl__stream_write_u64(srl__stream_writer *w, uint64_t n)
{
    if (w->error == 0) {
        w->error = srl_command_add_u64(w->command, n);
    }
}

void srl__stream_write_i64(srl__stream_writer *w, int64_t n)
{
    if (w->error == 0) {
        w->error = srl_command_add_i64(w->command, n);
    }
}

void srl__stream_write_id(srl__stream_writer *w, const srl_stream_id *id)
{
    char text[SRL_STREAM_ID_SIZE];
    add(w, text, (size_t)srl_stream_id_format(id, text, sizeof(text)));
}

void srl__stream_write_ids(srl__stream_writer *w, const srl_stream_id *ids, uint32_t count)
{
    srl__stream_write_check(w, ids != NULL && count > 0);
    for (uint32_t i = 0; w->error == 0 && i < count; i++) {
        srl__stream_write_id(w, &ids[i]);
    }
}

/* The parts of a point's text: what stands before the id, whether ms and seq are in it, and what stands behind. */
typedef struct point_form {
    const char *before;
    bool has_ms;
    bool has_seq;
    const char *behind;
} point_form;

static const point_form point_forms[] = {
    [SRL_STREAM_ID] = {"", true, true, ""},
    [SRL_STREAM_MS] = {"", true, false, ""},
    [SRL_STREAM_ID_EXCLUSIVE] = {"(", true, true, ""},
    [SRL_STREAM_MS_EXCLUSIVE] = {"(", true, false, ""},
    [SRL_STREAM_FIRST] = {"-", false, false, ""},
    [SRL_STREAM_LAST] = {"+", false, false, ""},
    [SRL_STREAM_END] = {"$", false, false, ""},
    [SRL_STREAM_NEW] = {">", false, false, ""},
    [SRL_STREAM_AUTO] = {"*", false, false, ""},
    [SRL_STREAM_AUTO_SEQ] = {"", true, false, "-*"},
};

enum { POINT_KINDS = sizeof(point_forms) / sizeof(point_forms[0]) };

static size_t append(char *out, size_t at, const char *text, size_t len)
{
    memcpy(out + at, text, len);
    return at + len;
}

void srl__stream_write_point(srl__stream_writer *w, const srl_stream_point *point, uint32_t allowed)
{
    bool is_known = point->kind >= 0 && point->kind < POINT_KINDS;
    srl__stream_write_check(w, is_known && (allowed & SRL__POINT(point->kind)) != 0);
    if (w->error != 0) {
        return;
    }
    const point_form *form = &point_forms[point->kind];
    char id[SRL_STREAM_ID_SIZE];
    size_t id_len = form->has_ms ? (size_t)srl_stream_id_format(&point->id, id, sizeof(id)) : 0;
    if (form->has_ms && !form->has_seq) {
        id_len = (size_t)((const char *)memchr(id, '-', id_len) - id);
    }
    char text[SRL_STREAM_ID_SIZE + 4];
    size_t len = append(text, 0, form->before, strlen(form->before));
    len = append(text, len, id, id_len);
    len = append(text, len, form->behind, strlen(form->behind));
    add(w, text, len);
}

void srl__stream_write_option(srl__stream_writer *w, const char *word, int64_t n)
{
    if (n >= 0) {
        srl__stream_write_word(w, word);
        srl__stream_write_i64(w, n);
    }
}

void srl__stream_write_flag(srl__stream_writer *w, const char *word, uint32_t is_set)
{
    srl__stream_write_check(w, is_set <= 1);
    if (is_set == 1) {
        srl__stream_write_word(w, word);
    }
}
