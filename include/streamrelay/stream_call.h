/*
 * stream_call.h - Redis Streams over a blocking connection: each function sends one command of stream.h and waits for
 * its reply.
 *
 * Where something of the reply is handed out (entries, names), it is valid until the next call on the connection.
 *
 * All of them take a `command` to build in, so that its memory is used again; NULL: one is made for the call. They
 * return 0, or what srl_stream_encode_*(), srl_redis_send() and srl_stream_decode_*() return. Who needs the words of an
 * error reply calls these three. Requests that only read are sent again where the outcome of the first time is unknown.
 */
#ifndef STREAMRELAY_STREAM_CALL_H
#define STREAMRELAY_STREAM_CALL_H

#include <streamrelay/api.h>
#include <streamrelay/redis.h>
#include <streamrelay/stream.h>

SRL_BEGIN_DECLS

/** XADD. `out` receives the new id and may be NULL. SRL_ERR_NOT_FOUND: no stream, and it should not be created. */
SRL_API int srl_stream_add(srl_redis_conn *conn, srl_command *command, const srl_stream_add_request *request,
                           srl_stream_id *out);

/** XTRIM. `removed` receives how many entries, and may be NULL, like the counts of the functions below. */
SRL_API int srl_stream_trim(srl_redis_conn *conn, srl_command *command, const srl_stream_trim_request *request,
                            uint64_t *removed);

/** XLEN. 0 for a stream that does not exist. */
SRL_API int srl_stream_len(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len, uint64_t *len);

/** XDEL. */
SRL_API int srl_stream_del(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                           const srl_stream_id *ids, uint32_t count, uint64_t *deleted);

/** XSETID. */
SRL_API int srl_stream_setid(srl_redis_conn *conn, srl_command *command, const srl_stream_setid_request *request);

/** XRANGE and XREVRANGE. */
SRL_API int srl_stream_range(srl_redis_conn *conn, srl_command *command, const srl_stream_range_request *request,
                             srl_stream_list *entries);

/** XREAD and XREADGROUP; waits as long as the request says. */
SRL_API int srl_stream_read(srl_redis_conn *conn, srl_command *command, const srl_stream_read_request *request,
                            srl_stream_list *parts);

/** XGROUP CREATE. SRL_ERR_EXISTS; SRL_ERR_NOT_FOUND: no stream, and no `mkstream`. */
SRL_API int srl_stream_group_create(srl_redis_conn *conn, srl_command *command,
                                    const srl_stream_group_request *request);

/** XGROUP SETID. */
SRL_API int srl_stream_group_setid(srl_redis_conn *conn, srl_command *command, const srl_stream_group_request *request);

/** XGROUP DESTROY. `destroyed` receives 1, or 0 if there was none. */
SRL_API int srl_stream_group_destroy(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                                     const char *group, size_t group_len, uint64_t *destroyed);

/** XGROUP CREATECONSUMER. `created` receives 1, or 0 if there was one. */
SRL_API int srl_stream_group_createconsumer(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                                            const char *group, size_t group_len, const char *consumer,
                                            size_t consumer_len, uint64_t *created);

/** XGROUP DELCONSUMER. `dropped` receives how many entries it had pending: they are forgotten. */
SRL_API int srl_stream_group_delconsumer(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                                         const char *group, size_t group_len, const char *consumer, size_t consumer_len,
                                         uint64_t *dropped);

/** XACK. */
SRL_API int srl_stream_ack(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                           const char *group, size_t group_len, const srl_stream_id *ids, uint32_t count,
                           uint64_t *acked);

/** XPENDING without a range. */
SRL_API int srl_stream_pending(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                               const char *group, size_t group_len, srl_stream_pending_summary *out);

/** XPENDING with a range. */
SRL_API int srl_stream_pending_range(srl_redis_conn *conn, srl_command *command,
                                     const srl_stream_pending_request *request, srl_stream_list *entries);

/** XCLAIM. `out`: a list of entries, or with `justid` of ids. */
SRL_API int srl_stream_claim(srl_redis_conn *conn, srl_command *command, const srl_stream_claim_request *request,
                             srl_stream_list *out);

/** XAUTOCLAIM. */
SRL_API int srl_stream_autoclaim(srl_redis_conn *conn, srl_command *command,
                                 const srl_stream_autoclaim_request *request, srl_stream_autoclaimed *out);

/** XINFO STREAM. `out->size` must be set. */
SRL_API int srl_stream_info_get(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                                srl_stream_info *out);

/** XINFO STREAM FULL. */
SRL_API int srl_stream_info_full(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                                 int64_t count, srl_stream_info *out);

/** XINFO GROUPS. */
SRL_API int srl_stream_info_groups(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                                   srl_stream_list *groups);

/** XINFO CONSUMERS. */
SRL_API int srl_stream_info_consumers(srl_redis_conn *conn, srl_command *command, const char *key, size_t key_len,
                                      const char *group, size_t group_len, srl_stream_list *consumers);

SRL_END_DECLS

#endif
