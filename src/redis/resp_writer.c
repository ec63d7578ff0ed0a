#include "redis/resp_writer.h"

#include <streamrelay/error.h>

/* Memory that an empty output may keep. */
#define KEEP_BYTES 262144
#define KEEP_REFS  1024

/* Sent bytes that may lie before those that wait. */
#define DEAD_BYTES 65536

/* '*' or '$', 10 digits, CR LF */
#define HEAD_LEN 13

#define MAX_REFS 16777216u

void srl__resp_output_init(srl__resp_output *out, const srl_allocator *alloc, uint64_t max)
{
    memset(out, 0, sizeof(*out));
    out->alloc = *alloc;
    out->max = max;
    srl__buf_init(&out->bytes, &out->alloc, SIZE_MAX / 4);
}

static void give_refs_back(srl__resp_output *out)
{
    for (uint32_t i = out->refs_sent; i < out->ref_count; i++) {
        srl_command_free(out->refs[i].owner);
    }
    out->ref_count = 0;
    out->refs_sent = 0;
}

static void free_refs(srl__resp_output *out)
{
    srl__free(&out->alloc, out->refs, out->ref_capacity * sizeof(*out->refs));
    out->refs = NULL;
    out->ref_capacity = 0;
}

void srl__resp_output_clear(srl__resp_output *out)
{
    give_refs_back(out);
    srl__buf_reset(&out->bytes);
    out->bytes_sent = 0;
    out->queued = 0;
    out->sent = 0;
}

void srl__resp_output_free(srl__resp_output *out)
{
    srl__resp_output_clear(out);
    srl__buf_free(&out->bytes);
    free_refs(out);
}

void srl__resp_output_shrink(srl__resp_output *out)
{
    if (out->queued == out->sent) {
        srl__buf_free(&out->bytes);
        out->bytes_sent = 0;
        free_refs(out);
    }
}

/* ---- appending */

/* Room for so many copied bytes and references; `size` is what they add to the stream. Nothing fails afterwards. */
static int reserve(srl__resp_output *out, uint64_t size, size_t copied, uint32_t refs)
{
    int error;
    if (size > out->max || out->queued - out->sent > out->max - size) {
        return SRL_ERR_TOO_LARGE;
    }
    if (refs > 0) {
        void *items = out->refs;
        if (refs > MAX_REFS - out->ref_count || !srl__grow_array(&out->alloc, &items, &out->ref_capacity,
                                                                 out->ref_count + refs, MAX_REFS, sizeof(*out->refs))) {
            return SRL_ERR_NOMEM;
        }
        out->refs = items;
    }
    error = srl__buf_reserve(&out->bytes, copied);
    out->bytes.error = SRL_OK;
    return error;
}

static void append_head(srl__resp_output *out, char type, uint64_t n)
{
    size_t before = out->bytes.len;
    srl__buf_append_char(&out->bytes, type);
    srl__buf_append_u64(&out->bytes, n);
    SRL__BUF_LIT(&out->bytes, "\r\n");
    out->queued += out->bytes.len - before;
}

static void append_bytes(srl__resp_output *out, const void *data, size_t len)
{
    srl__buf_append(&out->bytes, data, len);
    out->queued += len;
}

int srl__resp_output_command(srl__resp_output *out, srl_command *command)
{
    size_t done = 0;
    int error;
    if (command->count == 0) {
        return SRL_ERR_INVALID;
    }
    error = reserve(out, srl_command_wire_size(command), command->copied.len + HEAD_LEN, command->reference_count);
    if (error != SRL_OK) {
        return error;
    }
    append_head(out, '*', command->count);
    for (uint32_t i = 0; i < command->reference_count; i++) {
        const srl__command_ref *ref = &command->references[i];
        append_bytes(out, command->copied.data + done, ref->position - done);
        done = ref->position;
        srl__command_ref_more(command);
        out->refs[out->ref_count++] = (srl__resp_output_ref){out->queued, ref->data, ref->len, command};
        out->queued += ref->len;
    }
    append_bytes(out, command->copied.data + done, command->copied.len - done);
    return SRL_OK;
}

int srl__resp_output_argv(srl__resp_output *out, uint32_t argc, const srl__slice *argv)
{
    uint64_t size = 3 + srl__decimal_digits(argc);
    int error;
    if (argc == 0 || argc > SRL_COMMAND_MAX_ARGS) {
        return SRL_ERR_INVALID;
    }
    for (uint32_t i = 0; i < argc; i++) {
        if (argv[i].len > SRL_COMMAND_MAX_ARG) {
            return SRL_ERR_TOO_LARGE;
        }
        size += 5 + srl__decimal_digits(argv[i].len) + argv[i].len;
    }
    if (size > SRL_COMMAND_MAX_COPIED) {
        return SRL_ERR_TOO_LARGE;
    }
    error = reserve(out, size, (size_t)size, 0);
    if (error != SRL_OK) {
        return error;
    }
    append_head(out, '*', argc);
    for (uint32_t i = 0; i < argc; i++) {
        append_head(out, '$', argv[i].len);
        append_bytes(out, argv[i].data, argv[i].len);
        append_bytes(out, "\r\n", 2);
    }
    return SRL_OK;
}

int srl__resp_output_raw(srl__resp_output *out, const void *data, size_t len)
{
    int error = len > SRL_COMMAND_MAX_COPIED ? SRL_ERR_TOO_LARGE : reserve(out, len, len, 0);
    if (error == SRL_OK) {
        append_bytes(out, data, len);
    }
    return error;
}

/* ---- sending */

/* A place in the stream. */
typedef struct place {
    uint64_t position;
    size_t byte;  /* next of the copied bytes */
    uint32_t ref; /* next reference that is not behind it */
} place;

static place first_place(const srl__resp_output *out)
{
    return (place){out->sent, out->bytes_sent, out->refs_sent};
}

/* What lies at a place without a break; empty at the end. */
static srl__slice piece_at(const srl__resp_output *out, const place *at)
{
    const srl__resp_output_ref *ref = at->ref < out->ref_count ? &out->refs[at->ref] : NULL;
    size_t copied = out->bytes.len - at->byte;
    if (ref != NULL && ref->position <= at->position) {
        size_t skip = (size_t)(at->position - ref->position);
        return srl__slice_of((const char *)ref->data + skip, ref->len - skip);
    }
    if (ref != NULL) {
        copied = (size_t)(ref->position - at->position);
    }
    return srl__slice_of(copied > 0 ? out->bytes.data + at->byte : NULL, copied);
}

static void move_on(const srl__resp_output *out, place *at, size_t len)
{
    const srl__resp_output_ref *ref = at->ref < out->ref_count ? &out->refs[at->ref] : NULL;
    if (ref != NULL && ref->position <= at->position) {
        at->ref += at->position + len == ref->position + ref->len;
    } else {
        at->byte += len;
    }
    at->position += len;
}

uint32_t srl__resp_output_pieces(const srl__resp_output *out, srl__slice *pieces, uint32_t max)
{
    place at = first_place(out);
    uint32_t count = 0;
    while (count < max && at.position < out->queued) {
        pieces[count] = piece_at(out, &at);
        move_on(out, &at, pieces[count].len);
        count++;
    }
    return count;
}

static void drop_sent(srl__resp_output *out)
{
    if (out->sent == out->queued) {
        srl__buf_reset(&out->bytes);
        out->bytes_sent = 0;
        out->ref_count = 0;
        out->refs_sent = 0;
        if (out->bytes.capacity > KEEP_BYTES || out->ref_capacity > KEEP_REFS) {
            srl__resp_output_shrink(out);
        }
        return;
    }
    if (out->bytes_sent > DEAD_BYTES && out->bytes_sent > out->bytes.len / 2) {
        srl__buf_consume(&out->bytes, out->bytes_sent);
        out->bytes_sent = 0;
    }
    if (out->refs_sent > out->ref_count / 2) {
        out->ref_count -= out->refs_sent;
        memmove(out->refs, out->refs + out->refs_sent, out->ref_count * sizeof(*out->refs));
        out->refs_sent = 0;
    }
}

void srl__resp_output_sent(srl__resp_output *out, uint64_t len)
{
    place at = first_place(out);
    while (len > 0 && at.position < out->queued) {
        size_t piece = piece_at(out, &at).len;
        size_t part = piece < len ? piece : (size_t)len;
        move_on(out, &at, part);
        len -= part;
    }
    for (uint32_t i = out->refs_sent; i < at.ref; i++) {
        srl_command_free(out->refs[i].owner);
    }
    out->sent = at.position;
    out->bytes_sent = at.byte;
    out->refs_sent = at.ref;
    drop_sent(out);
}
