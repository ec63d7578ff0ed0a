/*
 * stream.h - Redis Streams: every command of Redis 7.0 as a typed request and a typed reply.
 *
 * Two parts, each usable alone:
 *
 *  - srl_stream_encode_*() writes a request into a command (redis_command.h). It sends nothing and needs no
 *    connection, so it serves blocking and non-blocking clients, pipelines and transactions alike.
 *  - srl_stream_decode_*() reads a reply (redis_reply.h), RESP2 or RESP3. Nothing is allocated and nothing copied:
 *    what comes out are slices of the reply, valid as long as the reply is.
 *
 * stream_call.h puts both around a blocking connection, and stream_consumer.h makes a worker of a consumer group of
 * them.
 *
 * Requests are structs that begin with `size`. Fill one with its init function, which also sets what is optional to
 * "not given", then set members. They are read during the call only; a command may keep pointing to large arguments,
 * see redis_command.h.
 */
#ifndef STREAMRELAY_STREAM_H
#define STREAMRELAY_STREAM_H

#include <streamrelay/api.h>
#include <streamrelay/redis_command.h>
#include <streamrelay/redis_reply.h>

SRL_BEGIN_DECLS

/* ---- ids ---- */

/** The id of an entry: milliseconds since 1970 (or whatever the producer chose), and a number within them. */
typedef struct srl_stream_id {
    uint64_t ms;
    uint64_t seq;
} srl_stream_id;

/** Room for the text of any id and a terminating zero. */
#define SRL_STREAM_ID_SIZE 42

/**
 * Read an id: "ms-seq", or "ms" which means "ms-0".
 *
 * @return 0; SRL_ERR_INVALID (`out` is unchanged) for anything else, numbers beyond 64 bits included
 */
SRL_API int srl_stream_id_parse(const char *text, size_t len, srl_stream_id *out);

/**
 * Write an id as "ms-seq" and a terminating zero.
 *
 * @param out_size  room at `out`; SRL_STREAM_ID_SIZE always suffices
 * @return the text's length without the zero, 3 to 41; SRL_ERR_TOO_LARGE if it does not fit (nothing is written)
 */
SRL_API int32_t srl_stream_id_format(const srl_stream_id *id, char *out, size_t out_size);

/** Negative, 0 or positive as `a` is before, equal to or after `b`. */
SRL_API int srl_stream_id_compare(const srl_stream_id *a, const srl_stream_id *b);

/** The smallest id after `id`, in place allowed. SRL_ERR_LIMIT (`out` is unchanged) after the largest id there is. */
SRL_API int srl_stream_id_next(const srl_stream_id *id, srl_stream_id *out);

/** The largest id before `id`, in place allowed. SRL_ERR_LIMIT (`out` is unchanged) before 0-0. */
SRL_API int srl_stream_id_previous(const srl_stream_id *id, srl_stream_id *out);

/** How a place in a stream is named. Each command takes some of them, said where it is described. */
typedef enum srl_stream_point_kind {
    SRL_STREAM_ID = 0,           /**< "ms-seq" */
    SRL_STREAM_MS = 1,           /**< "ms": seq 0; at the upper end of a range, the largest seq */
    SRL_STREAM_ID_EXCLUSIVE = 2, /**< "(ms-seq": the range ends just before that */
    SRL_STREAM_MS_EXCLUSIVE = 3, /**< "(ms" */
    SRL_STREAM_FIRST = 4,        /**< "-": the smallest id */
    SRL_STREAM_LAST = 5,         /**< "+": the largest id */
    SRL_STREAM_END = 6,          /**< "$": what the stream's last id is now */
    SRL_STREAM_NEW = 7,          /**< ">": what no consumer of the group has been given */
    SRL_STREAM_AUTO = 8,         /**< "*": the server makes the id */
    SRL_STREAM_AUTO_SEQ = 9      /**< "ms-*": the server makes the seq */
} srl_stream_point_kind;

/** A place in a stream; all zeros is the id 0-0, the beginning. Parts that a kind has no use for are ignored. */
typedef struct srl_stream_point {
    int32_t kind;      /**< srl_stream_point_kind */
    uint32_t reserved; /**< 0 */
    srl_stream_id id;
} srl_stream_point;

/** Say where: `kind` with the parts it needs. */
SRL_API void srl_stream_point_set(srl_stream_point *point, int kind, uint64_t ms, uint64_t seq);

/* ---- requests ---- */

/*
 * All srl_stream_encode_*() functions begin the command anew (what was in it is dropped) and return
 *   0
 *   SRL_ERR_INVALID    a pointer or size is missing, or the server would refuse the combination
 *   SRL_ERR_STATE      a connection still has the command, which stays as it was
 *   SRL_ERR_LIMIT, SRL_ERR_TOO_LARGE  more than a command may hold
 *   SRL_ERR_NOMEM
 * After a failure the command is empty, but for SRL_ERR_STATE.
 *
 * Keys, groups, consumers, fields: any bytes. A `count`, `limit` or time that is negative is not sent.
 */

/** One field of an entry. */
typedef struct srl_stream_field {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
} srl_stream_field;

/** By what a stream is cut. */
typedef enum srl_stream_trim_kind {
    SRL_STREAM_TRIM_NONE = 0,
    SRL_STREAM_TRIM_MAXLEN = 1, /**< keep the newest `maxlen` entries */
    SRL_STREAM_TRIM_MINID = 2   /**< keep entries from `minid` on */
} srl_stream_trim_kind;

/** How a stream is cut; part of requests. */
typedef struct srl_stream_trim_rule {
    int32_t kind;           /**< srl_stream_trim_kind */
    uint32_t is_approx;     /**< 1: "~", keep some more where that is much cheaper */
    uint64_t maxlen;        /**< at most INT64_MAX */
    srl_stream_point minid; /**< SRL_STREAM_ID or SRL_STREAM_MS */
    int64_t limit;          /**< entries to look at in one go, 0: all; only with is_approx; negative: the server's */
} srl_stream_trim_rule;

/** XADD: append an entry. */
typedef struct srl_stream_add_request {
    uint32_t size;
    uint32_t nomkstream; /**< 1: do not create the stream */
    const char *key;
    size_t key_len;
    srl_stream_trim_rule trim;
    srl_stream_point id; /**< SRL_STREAM_AUTO (the default), SRL_STREAM_AUTO_SEQ, SRL_STREAM_ID or SRL_STREAM_MS */
    const srl_stream_field *fields;
    uint32_t field_count; /**< at least 1 */
    uint32_t borrow;      /**< 1: large values are not copied; see srl_command_add_ref() for how long they must live */
} srl_stream_add_request;

/** Fill it with the defaults; `size` is sizeof the struct as the caller's header has it. */
SRL_API void srl_stream_add_request_init(srl_stream_add_request *request, size_t size);
/** Append it to `command`; errors as for the whole family, see the top of this file. */
SRL_API int srl_stream_encode_add(srl_command *command, const srl_stream_add_request *request);

/** XTRIM. */
typedef struct srl_stream_trim_request {
    uint32_t size;
    uint32_t reserved;
    const char *key;
    size_t key_len;
    srl_stream_trim_rule trim; /**< not SRL_STREAM_TRIM_NONE */
} srl_stream_trim_request;

/** Fill it with the defaults; `size` is sizeof the struct as the caller's header has it. */
SRL_API void srl_stream_trim_request_init(srl_stream_trim_request *request, size_t size);
/** Append it to `command`; errors as for the whole family, see the top of this file. */
SRL_API int srl_stream_encode_trim(srl_command *command, const srl_stream_trim_request *request);

/** XLEN. */
SRL_API int srl_stream_encode_len(srl_command *command, const char *key, size_t key_len);

/** XDEL; at least one id. */
SRL_API int srl_stream_encode_del(srl_command *command, const char *key, size_t key_len, const srl_stream_id *ids,
                                  uint32_t count);

/** XSETID. */
typedef struct srl_stream_setid_request {
    uint32_t size;
    uint32_t reserved;
    const char *key;
    size_t key_len;
    srl_stream_id id;
    int64_t entries_added;               /**< negative: not sent */
    const srl_stream_id *max_deleted_id; /**< NULL: not sent */
} srl_stream_setid_request;

/** Fill it with the defaults; `size` is sizeof the struct as the caller's header has it. */
SRL_API void srl_stream_setid_request_init(srl_stream_setid_request *request, size_t size);
/** Append it to `command`; errors as for the whole family, see the top of this file. */
SRL_API int srl_stream_encode_setid(srl_command *command, const srl_stream_setid_request *request);

/** XRANGE and XREVRANGE. */
typedef struct srl_stream_range_request {
    uint32_t size;
    uint32_t reverse; /**< 1: XREVRANGE, from `end` down to `start` */
    const char *key;
    size_t key_len;
    srl_stream_point start; /**< the lower end: SRL_STREAM_FIRST (the default), _LAST, an id or ms, also exclusive */
    srl_stream_point end;   /**< the upper end: SRL_STREAM_LAST by default */
    int64_t count;          /**< with 0 the server answers null, which decodes as no entries */
} srl_stream_range_request;

/** Fill it with the defaults; `size` is sizeof the struct as the caller's header has it. */
SRL_API void srl_stream_range_request_init(srl_stream_range_request *request, size_t size);
/** Append it to `command`; errors as for the whole family, see the top of this file. */
SRL_API int srl_stream_encode_range(srl_command *command, const srl_stream_range_request *request);

/** One stream to read, and from where: entries after that. */
typedef struct srl_stream_source {
    const char *key;
    size_t key_len;
    srl_stream_point after; /**< SRL_STREAM_ID, SRL_STREAM_MS; SRL_STREAM_END (XREAD), SRL_STREAM_NEW (XREADGROUP) */
} srl_stream_source;

/** XREAD, and XREADGROUP where a group is given. */
typedef struct srl_stream_read_request {
    uint32_t size;
    uint32_t noack;    /**< 1: entries count as acknowledged when delivered; only with a group */
    const char *group; /**< NULL: XREAD */
    size_t group_len;
    const char *consumer; /**< with a group */
    size_t consumer_len;
    int64_t count;    /**< per stream; 0: all */
    int64_t block_ms; /**< wait for entries; 0: for ever. Needs a connection of its own. */
    const srl_stream_source *sources;
    uint32_t source_count; /**< at least 1 */
    uint32_t reserved;
} srl_stream_read_request;

/** Fill it with the defaults; `size` is sizeof the struct as the caller's header has it. */
SRL_API void srl_stream_read_request_init(srl_stream_read_request *request, size_t size);
/** Append it to `command`; errors as for the whole family, see the top of this file. */
SRL_API int srl_stream_encode_read(srl_command *command, const srl_stream_read_request *request);

/** XGROUP CREATE and XGROUP SETID. */
typedef struct srl_stream_group_request {
    uint32_t size;
    uint32_t mkstream; /**< 1: create the stream too; not for SETID */
    const char *key;
    size_t key_len;
    const char *group;
    size_t group_len;
    srl_stream_point after; /**< where the group begins: SRL_STREAM_END (the default), SRL_STREAM_ID, SRL_STREAM_MS */
    uint32_t has_entries_read; /**< 1: ENTRIESREAD is sent */
    uint32_t reserved;
    int64_t entries_read; /**< -1: not known */
} srl_stream_group_request;

/** Fill it with the defaults; `size` is sizeof the struct as the caller's header has it. */
SRL_API void srl_stream_group_request_init(srl_stream_group_request *request, size_t size);
/** Append it to `command`; errors as for the whole family, see the top of this file. */
SRL_API int srl_stream_encode_group_create(srl_command *command, const srl_stream_group_request *request);
/** Append it to `command`; errors as for the whole family, see the top of this file. */
SRL_API int srl_stream_encode_group_setid(srl_command *command, const srl_stream_group_request *request);

/** XGROUP DESTROY. */
SRL_API int srl_stream_encode_group_destroy(srl_command *command, const char *key, size_t key_len, const char *group,
                                            size_t group_len);

/** XGROUP CREATECONSUMER. */
SRL_API int srl_stream_encode_group_createconsumer(srl_command *command, const char *key, size_t key_len,
                                                   const char *group, size_t group_len, const char *consumer,
                                                   size_t consumer_len);

/** XGROUP DELCONSUMER. */
SRL_API int srl_stream_encode_group_delconsumer(srl_command *command, const char *key, size_t key_len,
                                                const char *group, size_t group_len, const char *consumer,
                                                size_t consumer_len);

/** XACK; at least one id. */
SRL_API int srl_stream_encode_ack(srl_command *command, const char *key, size_t key_len, const char *group,
                                  size_t group_len, const srl_stream_id *ids, uint32_t count);

/** XPENDING without a range: the summary. */
SRL_API int srl_stream_encode_pending(srl_command *command, const char *key, size_t key_len, const char *group,
                                      size_t group_len);

/** XPENDING with a range: entry by entry. */
typedef struct srl_stream_pending_request {
    uint32_t size;
    uint32_t reserved;
    const char *key;
    size_t key_len;
    const char *group;
    size_t group_len;
    const char *consumer; /**< NULL: of all consumers */
    size_t consumer_len;
    int64_t min_idle_ms;    /**< only entries idle that long */
    srl_stream_point start; /**< as in srl_stream_range_request */
    srl_stream_point end;
    uint64_t count; /**< 10 by default; at most INT64_MAX */
} srl_stream_pending_request;

/** Fill it with the defaults; `size` is sizeof the struct as the caller's header has it. */
SRL_API void srl_stream_pending_request_init(srl_stream_pending_request *request, size_t size);
/** Append it to `command`; errors as for the whole family, see the top of this file. */
SRL_API int srl_stream_encode_pending_range(srl_command *command, const srl_stream_pending_request *request);

/** XCLAIM: make pending entries one's own. */
typedef struct srl_stream_claim_request {
    uint32_t size;
    uint32_t force;  /**< 1: entries that nobody has pending, too */
    uint32_t justid; /**< 1: answer ids only, and do not count it as a delivery */
    uint32_t reserved;
    const char *key;
    size_t key_len;
    const char *group;
    size_t group_len;
    const char *consumer;
    size_t consumer_len;
    uint64_t min_idle_ms; /**< leave entries alone that are idle for less; at most INT64_MAX */
    const srl_stream_id *ids;
    uint32_t id_count; /**< at least 1 */
    uint32_t reserved2;
    int64_t idle_ms;              /**< set the idle time to this; negative: to 0, nothing is sent */
    int64_t time_ms;              /**< set it so that it began at this wall time; not together with idle_ms */
    int64_t retry_count;          /**< set the number of deliveries */
    const srl_stream_id *last_id; /**< move the group on to this id if it is before that; NULL: no */
} srl_stream_claim_request;

/** Fill it with the defaults; `size` is sizeof the struct as the caller's header has it. */
SRL_API void srl_stream_claim_request_init(srl_stream_claim_request *request, size_t size);
/** Append it to `command`; errors as for the whole family, see the top of this file. */
SRL_API int srl_stream_encode_claim(srl_command *command, const srl_stream_claim_request *request);

/** XAUTOCLAIM: look for entries that are idle, from `start` on, and claim them. */
typedef struct srl_stream_autoclaim_request {
    uint32_t size;
    uint32_t justid; /**< as in srl_stream_claim_request */
    const char *key;
    size_t key_len;
    const char *group;
    size_t group_len;
    const char *consumer;
    size_t consumer_len;
    uint64_t min_idle_ms;   /**< at most INT64_MAX */
    srl_stream_point start; /**< 0-0 at first, then what the reply said; SRL_STREAM_FIRST and exclusive ones, too */
    int64_t count;          /**< at most this many; not 0 */
} srl_stream_autoclaim_request;

/** Fill it with the defaults; `size` is sizeof the struct as the caller's header has it. */
SRL_API void srl_stream_autoclaim_request_init(srl_stream_autoclaim_request *request, size_t size);
/** Append it to `command`; errors as for the whole family, see the top of this file. */
SRL_API int srl_stream_encode_autoclaim(srl_command *command, const srl_stream_autoclaim_request *request);

/** XINFO STREAM. */
SRL_API int srl_stream_encode_info(srl_command *command, const char *key, size_t key_len);

/** XINFO STREAM FULL; `count` entries and pending entries per list, 0: all, negative: not sent (the server's 10). */
SRL_API int srl_stream_encode_info_full(srl_command *command, const char *key, size_t key_len, int64_t count);

/** XINFO GROUPS. */
SRL_API int srl_stream_encode_info_groups(srl_command *command, const char *key, size_t key_len);

/** XINFO CONSUMERS. */
SRL_API int srl_stream_encode_info_consumers(srl_command *command, const char *key, size_t key_len, const char *group,
                                             size_t group_len);

/* ---- replies ---- */

/*
 * All srl_stream_decode_*() functions take a reply and a place in it (SRL_REPLY_ROOT, or an element of EXEC's reply)
 * and return
 *   0
 *   SRL_ERR_EXISTS     it is the error that there is such a group already
 *   SRL_ERR_NOT_FOUND  it is the error that there is no such stream or group
 *   SRL_ERR_REDIS      it is any other error: srl_reply_error_is() tells "WRONGTYPE", "OOM" and so on apart
 *   SRL_ERR_TYPE   it is nothing that this command is answered with
 *   SRL_ERR_INVALID  a pointer is missing, or a size is not set
 * Only with 0 is anything written.
 * What they find is looked at no deeper than they must: the functions that walk on return SRL_ERR_TYPE where it turns
 * out to be malformed. Fields that this version does not know are skipped, missing ones have the value said below.
 */

/** XADD. SRL_ERR_NOT_FOUND: no stream of that name, and it should not be created. */
SRL_API int srl_stream_decode_id(const srl_reply *reply, uint32_t at, srl_stream_id *out);

/** XLEN, XDEL, XTRIM, XACK, XGROUP DESTROY, CREATECONSUMER and DELCONSUMER: how many. */
SRL_API int srl_stream_decode_count(const srl_reply *reply, uint32_t at, uint64_t *out);

/** XSETID, XGROUP CREATE and SETID: OK. */
SRL_API int srl_stream_decode_ok(const srl_reply *reply, uint32_t at);

/** Things in a reply, to be walked over by the srl_stream_next_*() function that is named where one is handed out. The
 *  caller's memory; copy it to walk twice. */
typedef struct srl_stream_list {
    srl_reply_walk walk;
    uint32_t count; /**< how many there are in all */
    uint32_t kind;  /**< the library's */
} srl_stream_list;

/*
 * All srl_stream_next_*() functions return 1 with the next one in `out`; 0 at the end; SRL_ERR_TYPE if it is malformed
 * (all later calls, too); SRL_ERR_INVALID if the list is one of other things.
 */

/** An id (of XCLAIM and XAUTOCLAIM with JUSTID, or deleted ones). */
SRL_API int srl_stream_next_id(srl_stream_list *ids, srl_stream_id *out);

/** An entry; a view. */
typedef struct srl_stream_entry {
    srl_stream_id id;
    srl_stream_list fields; /**< for srl_stream_next_field() */
    uint32_t is_deleted;    /**< 1: still pending for a consumer, but deleted from the stream; has no fields */
    uint32_t reserved;
} srl_stream_entry;

/** An entry of a list of entries. Nulls in the list (XCLAIM before Redis 7.0) are left out. */
SRL_API int srl_stream_next_entry(srl_stream_list *entries, srl_stream_entry *out);

/** A field of an entry, in the order they were added. */
SRL_API int srl_stream_next_field(srl_stream_list *fields, srl_stream_field *out);

/** The first field of a name. 0, SRL_ERR_NOT_FOUND, SRL_ERR_TYPE. */
SRL_API int srl_stream_entry_get(const srl_stream_entry *entry, const char *name, size_t name_len, const char **value,
                                 size_t *value_len);

/** XRANGE, XREVRANGE, XCLAIM: a list of entries; empty for null. */
SRL_API int srl_stream_decode_entries(const srl_reply *reply, uint32_t at, srl_stream_list *entries);

/** XCLAIM with JUSTID: a list of ids. */
SRL_API int srl_stream_decode_ids(const srl_reply *reply, uint32_t at, srl_stream_list *ids);

/** What was read of one stream; a view. */
typedef struct srl_stream_part {
    const char *key;
    size_t key_len;
    srl_stream_list entries; /**< for srl_stream_next_entry() */
} srl_stream_part;

/** XREAD and XREADGROUP: the streams that had something; empty for null, when there was nothing or time was up. */
SRL_API int srl_stream_decode_read(const srl_reply *reply, uint32_t at, srl_stream_list *parts);
/** The next one into `out`: 1, 0 at the end, or SRL_ERR_TYPE if it has another shape. */
SRL_API int srl_stream_next_part(srl_stream_list *parts, srl_stream_part *out);

/** XAUTOCLAIM. */
typedef struct srl_stream_autoclaimed {
    srl_stream_id next;      /**< where to go on; 0-0: the end was reached */
    srl_stream_list entries; /**< for srl_stream_next_entry(), or after JUSTID for srl_stream_next_id() */
    srl_stream_list deleted; /**< for srl_stream_next_id(): not in the stream any more, and now not pending either;
                                  empty before Redis 7.0 */
} srl_stream_autoclaimed;

/** @param justid  1 if the request had it */
SRL_API int srl_stream_decode_autoclaim(const srl_reply *reply, uint32_t at, int justid, srl_stream_autoclaimed *out);

/** XPENDING without a range. */
typedef struct srl_stream_pending_summary {
    uint64_t count;
    srl_stream_id first; /**< 0-0 if count is 0, like last */
    srl_stream_id last;
    srl_stream_list consumers; /**< for srl_stream_next_pending_consumer() */
} srl_stream_pending_summary;

/** How many entries one consumer has pending; a view. */
typedef struct srl_stream_pending_consumer {
    const char *name;
    size_t name_len;
    uint64_t count;
} srl_stream_pending_consumer;

/** Read the reply at `at`; errors as for the whole family, see the top of this file. */
SRL_API int srl_stream_decode_pending(const srl_reply *reply, uint32_t at, srl_stream_pending_summary *out);
/** The next one into `out`: 1, 0 at the end, or SRL_ERR_TYPE if it has another shape. */
SRL_API int srl_stream_next_pending_consumer(srl_stream_list *consumers, srl_stream_pending_consumer *out);

/** A pending entry; a view. */
typedef struct srl_stream_pending_entry {
    srl_stream_id id;
    const char *consumer; /**< empty in the list of one consumer */
    size_t consumer_len;
    int64_t idle_ms; /**< since it was last delivered; -1 in XINFO */
    int64_t time_ms; /**< the wall time it was last delivered at; -1 in XPENDING */
    uint64_t deliveries;
} srl_stream_pending_entry;

/** XPENDING with a range. */
SRL_API int srl_stream_decode_pending_range(const srl_reply *reply, uint32_t at, srl_stream_list *entries);
/** The next one into `out`: 1, 0 at the end, or SRL_ERR_TYPE if it has another shape. */
SRL_API int srl_stream_next_pending_entry(srl_stream_list *entries, srl_stream_pending_entry *out);

/** XINFO STREAM; a view. Numbers are -1 and ids 0-0 where the server does not say. */
typedef struct srl_stream_info {
    uint32_t size;      /**< in: sizeof(srl_stream_info) */
    uint32_t has_first; /**< 1: first_entry is there; like has_last it is 0 with FULL */
    uint32_t has_last;
    uint32_t reserved;
    int64_t length;
    int64_t radix_tree_keys;
    int64_t radix_tree_nodes;
    int64_t entries_added;
    srl_stream_id last_generated_id;
    srl_stream_id max_deleted_entry_id;
    srl_stream_id recorded_first_entry_id;
    int64_t group_count;
    srl_stream_entry first_entry;
    srl_stream_entry last_entry;
    srl_stream_list entries; /**< FULL: for srl_stream_next_entry(); else empty */
    srl_stream_list groups;  /**< FULL: for srl_stream_next_group(); else empty */
} srl_stream_info;

/** XINFO STREAM, with and without FULL. */
SRL_API int srl_stream_decode_info(const srl_reply *reply, uint32_t at, srl_stream_info *out);

/** A consumer group; a view. Numbers are -1 where the server does not know or say. */
typedef struct srl_stream_group_info {
    uint32_t size; /**< in: sizeof(srl_stream_group_info) */
    uint32_t reserved;
    const char *name;
    size_t name_len;
    int64_t consumer_count;
    int64_t pending_count;
    int64_t entries_read; /**< -1: not known, as when the group began within the stream */
    int64_t lag;          /**< entries not delivered yet; -1: not known */
    srl_stream_id last_delivered_id;
    srl_stream_list pending;   /**< FULL: for srl_stream_next_pending_entry(); else empty */
    srl_stream_list consumers; /**< FULL: for srl_stream_next_consumer(); else empty */
} srl_stream_group_info;

/** XINFO GROUPS. */
SRL_API int srl_stream_decode_groups(const srl_reply *reply, uint32_t at, srl_stream_list *groups);
/** The next one into `out`: 1, 0 at the end, or SRL_ERR_TYPE if it has another shape. */
SRL_API int srl_stream_next_group(srl_stream_list *groups, srl_stream_group_info *out);

/** A consumer of a group; a view. Numbers are -1 where the server does not say. */
typedef struct srl_stream_consumer_info {
    uint32_t size; /**< in: sizeof(srl_stream_consumer_info) */
    uint32_t reserved;
    const char *name;
    size_t name_len;
    int64_t pending_count;
    int64_t idle_ms;         /**< since it last asked for something; not in FULL */
    int64_t inactive_ms;     /**< since it last got something; from Redis 7.2 */
    int64_t seen_time_ms;    /**< FULL: the wall time it last asked for something */
    int64_t active_time_ms;  /**< FULL: the wall time it last got something; from Redis 7.2 */
    srl_stream_list pending; /**< FULL: for srl_stream_next_pending_entry(); else empty */
} srl_stream_consumer_info;

/** XINFO CONSUMERS. */
SRL_API int srl_stream_decode_consumers(const srl_reply *reply, uint32_t at, srl_stream_list *consumers);
/** The next one into `out`: 1, 0 at the end, or SRL_ERR_TYPE if it has another shape. */
SRL_API int srl_stream_next_consumer(srl_stream_list *consumers, srl_stream_consumer_info *out);

SRL_END_DECLS

#endif
