#include <streamrelay/stream_call.h>

#include <stdbool.h>

#include <streamrelay/error.h>

/* Time for an answer beyond that for which the server waits. */
enum { GRACE_MS = 5000 };

/* One call: a command, the caller's or one made for it, and the answer. */
typedef struct call {
    srl_redis_conn *conn;
    srl_command *command;
    srl_command *made;
    const srl_reply *reply;
} call;

static int begin(call *c, srl_redis_conn *conn, srl_command *command)
{
    *c = (call){.conn = conn, .command = command};
    if (conn == NULL) {
        return SRL_ERR_INVALID;
    }
    if (command == NULL) {
        int error = srl_command_create(NULL, &c->made);
        c->command = c->made;
        return error;
    }
    return SRL_OK;
}

/* An error reply is left to decoding, which tells more of it. */
static int send_for(call *c, int error, uint32_t flags, uint64_t timeout_ms)
{
    if (error == 0) {
        error = srl_redis_send(c->conn, c->command, timeout_ms, flags, &c->reply);
    }
    return error == SRL_ERR_REDIS && c->reply != NULL ? SRL_OK : error;
}

static int send_write(call *c, int error)
{
    return send_for(c, error, 0, SRL_REDIS_DEFAULT_TIMEOUT);
}

static int send_query(call *c, int error)
{
    return send_for(c, error, SRL_REDIS_IDEMPOTENT, SRL_REDIS_DEFAULT_TIMEOUT);
}

static int end(call *c, int error)
{
    srl_command_free(c->made);
    return error;
}

static int end_count(call *c, int error, uint64_t *out)
{
    uint64_t count = 0;
    if (error == 0) {
        error = srl_stream_decode_count(c->reply, SRL_REPLY_ROOT, &count);
    }
    if (error == 0 && out != NULL) {
        *out = count;
    }
    return end(c, error);
}

static int end_ok(call *c, int error)
{
    return end(c, error != 0 ? error : srl_stream_decode_ok(c->reply, SRL_REPLY_ROOT));
}

int srl_stream_add(srl_redis_conn *conn, srl_command *command, const srl_stream_add_request *request,
                   srl_stream_id *out)
{
    call c;
    srl_stream_id id;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_add(c.command, request);
    }
    error = send_write(&c, error);
    if (error == 0) {
        error = srl_stream_decode_id(c.reply, SRL_REPLY_ROOT, &id);
    }
    if (error == 0 && out != NULL) {
        *out = id;
    }
    return end(&c, error);
}

int srl_stream_trim(srl_redis_conn *conn, srl_command *command, const srl_stream_trim_request *request,
                    uint64_t *removed)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_trim(c.command, request);
    }
    error = send_write(&c, error);
    return end_count(&c, error, removed);
}

int srl_stream_len(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len, uint64_t *len)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_len(c.command, key, key_len);
    }
    error = send_query(&c, error);
    return end_count(&c, error, len);
}

int srl_stream_del(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                   const srl_stream_id *ids, uint32_t count, uint64_t *deleted)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_del(c.command, key, key_len, ids, count);
    }
    error = send_write(&c, error);
    return end_count(&c, error, deleted);
}

int srl_stream_setid(srl_redis_conn *conn, srl_command *command, const srl_stream_setid_request *request)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_setid(c.command, request);
    }
    error = send_write(&c, error);
    return end_ok(&c, error);
}

int srl_stream_range(srl_redis_conn *conn, srl_command *command, const srl_stream_range_request *request,
                     srl_stream_list *entries)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_range(c.command, request);
    }
    error = send_query(&c, error);
    return end(&c, error != 0 ? error : srl_stream_decode_entries(c.reply, SRL_REPLY_ROOT, entries));
}

int srl_stream_read(srl_redis_conn *conn, srl_command *command, const srl_stream_read_request *request,
                    srl_stream_list *parts)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_read(c.command, request);
    }
    uint64_t timeout = SRL_REDIS_DEFAULT_TIMEOUT;
    if (error == 0 && request->block_ms >= 0) {
        timeout = request->block_ms > 0 ? (uint64_t)request->block_ms + GRACE_MS : SRL_REDIS_NO_TIMEOUT;
    }
    bool is_query = error == 0 && request->group == NULL;
    error = send_for(&c, error, is_query ? SRL_REDIS_IDEMPOTENT : 0, timeout);
    return end(&c, error != 0 ? error : srl_stream_decode_read(c.reply, SRL_REPLY_ROOT, parts));
}

int srl_stream_group_create(srl_redis_conn *conn, srl_command *command, const srl_stream_group_request *request)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_group_create(c.command, request);
    }
    error = send_write(&c, error);
    return end_ok(&c, error);
}

int srl_stream_group_setid(srl_redis_conn *conn, srl_command *command, const srl_stream_group_request *request)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_group_setid(c.command, request);
    }
    error = send_write(&c, error);
    return end_ok(&c, error);
}

int srl_stream_group_destroy(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                             const char *group, size_t group_len, uint64_t *destroyed)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_group_destroy(c.command, key, key_len, group, group_len);
    }
    error = send_write(&c, error);
    return end_count(&c, error, destroyed);
}

int srl_stream_group_createconsumer(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                                    const char *group, size_t group_len, const char *consumer, size_t consumer_len,
                                    uint64_t *created)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error =
            srl_stream_encode_group_createconsumer(c.command, key, key_len, group, group_len, consumer, consumer_len);
    }
    error = send_write(&c, error);
    return end_count(&c, error, created);
}

int srl_stream_group_delconsumer(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                                 const char *group, size_t group_len, const char *consumer, size_t consumer_len,
                                 uint64_t *dropped)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_group_delconsumer(c.command, key, key_len, group, group_len, consumer, consumer_len);
    }
    error = send_write(&c, error);
    return end_count(&c, error, dropped);
}

int srl_stream_ack(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len, const char *group,
                   size_t group_len, const srl_stream_id *ids, uint32_t count, uint64_t *acked)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_ack(c.command, key, key_len, group, group_len, ids, count);
    }
    error = send_write(&c, error);
    return end_count(&c, error, acked);
}

int srl_stream_pending(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len, const char *group,
                       size_t group_len, srl_stream_pending_summary *out)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_pending(c.command, key, key_len, group, group_len);
    }
    error = send_query(&c, error);
    return end(&c, error != 0 ? error : srl_stream_decode_pending(c.reply, SRL_REPLY_ROOT, out));
}

int srl_stream_pending_range(srl_redis_conn *conn, srl_command *command, const srl_stream_pending_request *request,
                             srl_stream_list *entries)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_pending_range(c.command, request);
    }
    error = send_query(&c, error);
    return end(&c, error != 0 ? error : srl_stream_decode_pending_range(c.reply, SRL_REPLY_ROOT, entries));
}

int srl_stream_claim(srl_redis_conn *conn, srl_command *command, const srl_stream_claim_request *request,
                     srl_stream_list *out)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_claim(c.command, request);
    }
    error = send_write(&c, error);
    if (error == 0 && request->justid == 1) {
        error = srl_stream_decode_ids(c.reply, SRL_REPLY_ROOT, out);
    } else if (error == 0) {
        error = srl_stream_decode_entries(c.reply, SRL_REPLY_ROOT, out);
    }
    return end(&c, error);
}

int srl_stream_autoclaim(srl_redis_conn *conn, srl_command *command, const srl_stream_autoclaim_request *request,
                         srl_stream_autoclaimed *out)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_autoclaim(c.command, request);
    }
    error = send_write(&c, error);
    return end(&c,
               error != 0 ? error : srl_stream_decode_autoclaim(c.reply, SRL_REPLY_ROOT, request->justid == 1, out));
}

int srl_stream_info_get(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                        srl_stream_info *out)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_info(c.command, key, key_len);
    }
    error = send_query(&c, error);
    return end(&c, error != 0 ? error : srl_stream_decode_info(c.reply, SRL_REPLY_ROOT, out));
}

int srl_stream_info_full(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len, int64_t count,
                         srl_stream_info *out)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_info_full(c.command, key, key_len, count);
    }
    error = send_query(&c, error);
    return end(&c, error != 0 ? error : srl_stream_decode_info(c.reply, SRL_REPLY_ROOT, out));
}

int srl_stream_info_groups(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                           srl_stream_list *groups)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_info_groups(c.command, key, key_len);
    }
    error = send_query(&c, error);
    return end(&c, error != 0 ? error : srl_stream_decode_groups(c.reply, SRL_REPLY_ROOT, groups));
}

int srl_stream_info_consumers(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                              const char *group, size_t group_len, srl_stream_list *consumers)
{
    call c;
    int error = begin(&c, conn, command);
    if (error == 0) {
        error = srl_stream_encode_info_consumers(c.command, key, key_len, group, group_len);
    }
    error = send_query(&c, error);
    return end(&c, error != 0 ? error : srl_stream_decode_consumers(c.reply, SRL_REPLY_ROOT, consumers));
}
