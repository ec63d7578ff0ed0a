/*
 * redis_reply.h - reading what Redis answered.
 *
 * A reply is a tree of values in one flat piece of memory. A value is named by its place, a number; the outermost one
 * is at SRL_REPLY_ROOT. Nothing is converted or copied before it is asked for, and nothing recurses.
 *
 * The functions read RESP2 and RESP3 alike: a map may come as a map, as an array of keys and values or as an array of
 * pairs; a number may come as a number or as text; null has three forms on the wire. Code that asks for what it needs
 * (srl_reply_i64, srl_reply_walk_pair) does not see which protocol was spoken.
 *
 * Every function takes any place, SRL_REPLY_NONE and places beyond the end included, and then answers as described for
 * "nothing there". So a chain of look-ups needs one check at its end.
 *
 * A reply that a callback shows is valid until the callback returns, unless it is kept with srl_reply_keep(). A reply
 * never changes; different threads may read one reply, and keep and release it, at the same time if its allocator is
 * safe to call from them.
 */
#ifndef STREAMRELAY_REDIS_REPLY_H
#define STREAMRELAY_REDIS_REPLY_H

#include <streamrelay/api.h>
#include <streamrelay/platform.h>

SRL_BEGIN_DECLS

/** One answer of Redis, or one message that it pushed. */
typedef struct srl_reply srl_reply;

/** The outermost value's place. */
#define SRL_REPLY_ROOT 0u

/** The place of nothing. */
#define SRL_REPLY_NONE UINT32_MAX

/** What a value is. New kinds may be added. */
typedef enum srl_reply_kind {
    SRL_REPLY_NOTHING = 0,  /**< there is no value at this place */
    SRL_REPLY_NULL = 1,     /**< no string, no array, or no value */
    SRL_REPLY_STRING = 2,   /**< a binary-safe string */
    SRL_REPLY_STATUS = 3,   /**< a line like OK */
    SRL_REPLY_ERROR = 4,    /**< an error, short or long */
    SRL_REPLY_INTEGER = 5,  /**< a signed 64-bit number */
    SRL_REPLY_DOUBLE = 6,   /**< a floating-point number (RESP3) */
    SRL_REPLY_BOOL = 7,     /**< true or false (RESP3) */
    SRL_REPLY_BIGNUM = 8,   /**< a whole number of any length, as text (RESP3) */
    SRL_REPLY_VERBATIM = 9, /**< text with a format (RESP3) */
    SRL_REPLY_ARRAY = 10,
    SRL_REPLY_MAP = 11,      /**< keys and values in turn (RESP3) */
    SRL_REPLY_SET = 12,      /**< RESP3 */
    SRL_REPLY_PUSH = 13,     /**< a message that answers no command (RESP3); inside a reply: an array */
    SRL_REPLY_ATTRIBUTE = 14 /**< a map that tells more about another value; see srl_reply_attribute() */
} srl_reply_kind;

/** An srl_reply_kind. */
SRL_API int srl_reply_type(const srl_reply *reply, uint32_t at);

/**
 * The first byte of the value as it was sent: '$', '+', '-', '!', ':', ',', '#', '(', '=', '*', '%', '~', '>', '|' or
 * '_'; 0 if there is nothing. It tells apart what srl_reply_type() does not: the three nulls and the two errors.
 */
SRL_API int srl_reply_wire(const srl_reply *reply, uint32_t at);

/** 1 if the value is null or there is nothing, else 0. */
SRL_API int srl_reply_is_null(const srl_reply *reply, uint32_t at);

/** 1 if the value is an error, else 0. */
SRL_API int srl_reply_is_error(const srl_reply *reply, uint32_t at);

/* ---- strings and numbers */

/**
 * The bytes of a string, status, error, verbatim text (without its format) or big number, and the text of an integer
 * or double as it was sent; a bool gives "1" or "0".
 *
 * @param len  receives the length; may be NULL
 * @return the bytes, which may contain zeros, followed by a zero byte that is not counted; NULL and length 0 for null,
 *         for values that hold others and for nothing
 */
SRL_API const char *srl_reply_string(const srl_reply *reply, uint32_t at, size_t *len);

/** 1 if srl_reply_string() gives exactly these bytes, else 0. */
SRL_API int srl_reply_equals(const srl_reply *reply, uint32_t at, const char *text, size_t len);

/**
 * A whole number: an integer, a bool, or text that is one (an optional sign and digits, nothing else).
 *
 * @return 0; SRL_ERR_NOT_FOUND for null and for nothing; SRL_ERR_TYPE if it is no whole number; SRL_ERR_TOO_LARGE if
 *         it does not fit. `out` is written only with 0.
 */
SRL_API int srl_reply_i64(const srl_reply *reply, uint32_t at, int64_t *out);

/** As srl_reply_i64(), for 0 to 2^64 - 1; a negative number is SRL_ERR_TOO_LARGE. */
SRL_API int srl_reply_u64(const srl_reply *reply, uint32_t at, uint64_t *out);

/**
 * A floating-point number: a double, an integer, or text that is one, with a decimal point whatever the locale says;
 * inf, infinity and nan with or without a sign in any case.
 *
 * The result is the double nearest to the text. Numbers too small for a double become 0.
 *
 * @return as srl_reply_i64(); SRL_ERR_TOO_LARGE for a number that only infinity comes near
 */
SRL_API int srl_reply_double(const srl_reply *reply, uint32_t at, double *out);

/**
 * Yes or no: a bool, the integers 1 and 0, or text that is "1" or "0".
 *
 * @param out  receives 1 or 0
 * @return as srl_reply_i64()
 */
SRL_API int srl_reply_bool(const srl_reply *reply, uint32_t at, int *out);

/** The format of a verbatim text, three bytes like "txt"; NULL and length 0 for anything else. `len` may be NULL. */
SRL_API const char *srl_reply_format(const srl_reply *reply, uint32_t at, size_t *len);

/* ---- errors */

/**
 * The word that an error begins with, like "WRONGTYPE", if it is one in capitals; else length 0.
 *
 * @param len  receives the length; may be NULL
 * @return not ended by a zero byte; NULL if the value is no error
 */
SRL_API const char *srl_reply_error_code(const srl_reply *reply, uint32_t at, size_t *len);

/** What follows the code and a space, or the whole error if it has no code; ended by a zero byte. As above. */
SRL_API const char *srl_reply_error_text(const srl_reply *reply, uint32_t at, size_t *len);

/** 1 if the value is an error of exactly this code, else 0. */
SRL_API int srl_reply_error_is(const srl_reply *reply, uint32_t at, const char *code, size_t code_len);

/* ---- values in values */

/** How many values an array, map (keys and values both counted), set, push or attribute holds; 0 for anything else. */
SRL_API uint32_t srl_reply_count(const srl_reply *reply, uint32_t at);

/**
 * The value number `index` in another one, or SRL_REPLY_NONE.
 *
 * This is quick in arrays of plain values, and walks past the values before it in others: use srl_reply_walk_init()
 * to visit all of a large one.
 */
SRL_API uint32_t srl_reply_child(const srl_reply *reply, uint32_t at, uint32_t index);

/** A position inside a value; the caller's memory, written by the functions below only. */
typedef struct srl_reply_walk {
    const srl_reply *reply;
    uint32_t next;
    uint32_t left;
    uint32_t pairs;    /**< 1: an array of pairs, for srl_reply_walk_pair() */
    uint32_t reserved; /**< 0 */
} srl_reply_walk;

/** Begin at the first value in `at`; in anything that holds no others there are none. */
SRL_API void srl_reply_walk_init(srl_reply_walk *walk, const srl_reply *reply, uint32_t at);

/**
 * The next value.
 *
 * @param child  receives its place, or SRL_REPLY_NONE
 * @return 1, or 0 at the end
 */
SRL_API int srl_reply_walk_next(srl_reply_walk *walk, uint32_t *child);

/**
 * The next key and value: of a map, of an array of keys and values in turn, or of an array whose first element is an
 * array of two, being one of such pairs.
 *
 * @return 1; 0 at the end, and where the array breaks off after a key or has an element that is no pair
 */
SRL_API int srl_reply_walk_pair(srl_reply_walk *walk, uint32_t *key, uint32_t *value);

/** How many times srl_reply_walk_pair() can answer 1, if all elements are well-formed. */
SRL_API uint32_t srl_reply_pairs(const srl_reply *reply, uint32_t at);

/** The value of the first key (see srl_reply_walk_pair()) whose text is `key`, or SRL_REPLY_NONE. */
SRL_API uint32_t srl_reply_get(const srl_reply *reply, uint32_t at, const char *key, size_t key_len);

/* ---- attributes */

/**
 * What the server told about a value besides it (RESP3): a value of kind SRL_REPLY_ATTRIBUTE, to be read like a map.
 * Nothing else shows attributes: they are not counted, not walked over and not part of what they tell about.
 *
 * @param index  0 for the first; almost always there is at most one
 * @return its place or SRL_REPLY_NONE
 */
SRL_API uint32_t srl_reply_attribute(const srl_reply *reply, uint32_t at, uint32_t index);

/* ---- memory */

/**
 * Keep a reply beyond its callback, or take another reference to one that is kept.
 *
 * A small reply is copied, in one allocation. Of a large one nothing is copied: the memory it was read into is handed
 * over. Of a reply that a callback shows, read only `out` after this call.
 *
 * @param out  receives a reply that srl_reply_release() gives back
 * @return 0 or SRL_ERR_NOMEM
 */
SRL_API int srl_reply_keep(const srl_reply *reply, srl_reply **out);

/** Give a kept reply back; on any thread. It may outlive the connection and the pool it came from. */
SRL_API void srl_reply_release(srl_reply *reply);

/** Bytes of memory that a kept reply holds on to. */
SRL_API size_t srl_reply_memory(const srl_reply *reply);

/**
 * Read one reply from memory, for tests and for recorded replies.
 *
 * @param allocator  its memory, copied; NULL: malloc
 * @param used       receives how many bytes it took; may be NULL: then more bytes behind it are SRL_ERR_PROTOCOL
 * @param out        receives a kept reply
 * @return 0; SRL_ERR_PROTOCOL if the bytes are no reply or end within it; SRL_ERR_TOO_LARGE beyond a default limit;
 *         SRL_ERR_INVALID; SRL_ERR_NOMEM
 */
SRL_API int srl_reply_parse(const srl_allocator *allocator, const void *data, size_t len, size_t *used,
                            srl_reply **out);

SRL_END_DECLS

#endif
