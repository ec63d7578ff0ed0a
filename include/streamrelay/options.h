/*
 * options.h - settings by name, from one table.
 *
 * Every setting has a name, a type, a range, a default and a sentence that explains it; srl_options_describe() lists
 * them and docs/options.md is made from that list. A new option never changes the ABI.
 *
 * Types and how their values are written:
 *   bool      "true" or "false" (also "on"/"off", "yes"/"no", "1"/"0")
 *   number    decimal digits, e.g. "128"
 *   bytes     digits, with "k" or "m" behind for units of 1,024 or 1,048,576: "64k"
 *   duration  digits for milliseconds, or with a unit "ms", "s", "m", "h", "d" behind: "25s"
 *   choice    one of the listed words
 *   text      as it is
 *
 * Some options belong to the relay ("ping_interval"), others to channels ("history_size"). Channel options set for a
 * relay are the defaults of all its channels; srl_relay_set_namespace() sets them for channels with a prefix.
 *
 * Names and values are C strings (with a terminating zero). An srl_options is used by one thread at a time, copies
 * what it is given, and may be freed as soon as it has been used.
 */
#ifndef STREAMRELAY_OPTIONS_H
#define STREAMRELAY_OPTIONS_H

#include <streamrelay/api.h>
#include <streamrelay/platform.h>
#include <streamrelay/request.h>

SRL_BEGIN_DECLS

/**
 * A set in which every option has its default.
 *
 * @param out  where the new set is put; free it with srl_options_destroy()
 * @return 0 or SRL_ERR_NOMEM
 */
SRL_API int srl_options_create(srl_options **out);

/** Free a set. */
SRL_API void srl_options_destroy(srl_options *options);

/**
 * Set one option.
 *
 * @return 0; SRL_ERR_OPTION_UNKNOWN; SRL_ERR_OPTION_VALUE (malformed or out of range); SRL_ERR_NOMEM. After a failure
 *         srl_options_last_error() says in words what was wrong.
 */
SRL_API int srl_options_set(srl_options *options, const char *name, const char *value);

/**
 * The value of an option as text, in the form srl_options_set() takes.
 *
 * @param out       receives the text and a terminating zero
 * @param out_size  room at `out`
 * @return the text's length without the zero (nothing is written if that does not fit), or SRL_ERR_OPTION_UNKNOWN
 */
SRL_API int32_t srl_options_get(const srl_options *options, const char *name, char *out, size_t out_size);

/** What the last failed call on this set found wrong, like "ping_interval: 'abc' is not a duration". Never NULL. */
SRL_API const char *srl_options_last_error(const srl_options *options);

/** Memory for the relay and everything in it; copied. SRL_ERR_INVALID if a function is missing. */
SRL_API int srl_options_set_allocator(srl_options *options, const srl_allocator *allocator);

/** Clock and randomness for the relay; copied. SRL_ERR_INVALID if a function is missing. */
SRL_API int srl_options_set_platform(srl_options *options, const srl_platform *platform);

/** The questions the relay asks the host; copied. See request.h. `user` is handed to each hook. */
SRL_API int srl_options_set_hooks(srl_options *options, const srl_hooks *hooks, void *user);

/**
 * The broker that the relay uses. Without one it makes an in-memory broker of its own. The relay takes a reference;
 * several relays, also on several threads, may share one. NULL: back to its own.
 */
SRL_API int srl_options_set_broker(srl_options *options, srl_broker *broker);

/** Where an option has its effect. */
typedef enum srl_option_scope {
    SRL_OPTION_RELAY = 1,  /**< the relay as a whole */
    SRL_OPTION_CHANNEL = 2 /**< channels: may be set per namespace */
} srl_option_scope;

/** One line of the table of options; a read-only view of static memory. */
typedef struct srl_option_info {
    uint32_t size;             /**< in: sizeof(srl_option_info) */
    int32_t scope;             /**< srl_option_scope */
    const char *name;          /**< as srl_options_set() takes it */
    const char *type;          /**< "bool", "number", "bytes", "duration", "choice" or "text" */
    const char *default_value; /**< as srl_options_set() takes it */
    const char *text;          /**< what it is for */
    char range[72];            /**< the allowed values in words */
} srl_option_info;

/** Line `index` (from 0) of the table: 0, or SRL_ERR_NOT_FOUND past its end. `out->size` must be set. */
SRL_API int srl_options_describe(uint32_t index, srl_option_info *out);

SRL_END_DECLS

#endif
