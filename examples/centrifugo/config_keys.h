/*
 * config_keys.h - the names that a section of the configuration may have, and what each one means.
 */
#ifndef EXAMPLES_CENTRIFUGO_CONFIG_KEYS_H
#define EXAMPLES_CENTRIFUGO_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include <streamrelay/streamrelay.h>

#include "json_tree.h"

typedef enum key_kind {
    KEY_SWITCH,   /* true sets the option to `value` */
    KEY_NUMBER,   /* sets the option; 0 means `value`, if there is one */
    KEY_DURATION, /* likewise: "300ms", "1h30m" */
    KEY_WORD,     /* likewise, a string */
    KEY_FLAG,     /* sets the bool at `offset` of the target */
    KEY_TEXT,     /* sets the text of `size` bytes at `offset` of the target */
    KEY_DELTA,    /* ["fossil"] sets the option to true */
    KEY_FORMAT,   /* "", "json" or "json_object": the option is any or object */
    KEY_STREAM,   /* must be "" or "stream" */
    KEY_OTHER,    /* is read elsewhere */
    KEY_IGNORED   /* makes no difference here */
} key_kind;

typedef struct config_key {
    const char *name;
    key_kind kind;
    const char *option;
    const char *value;
    size_t offset;
    size_t size;
} config_key;

/* Where a value came from, for messages: FILE and "channel.namespaces[2]". */
typedef struct config_place {
    const char *file;
    const char *section;
} config_place;

/**
 * Read the members of an object. Names are taken in the order of the table, not of the file: of two that set the same
 * option, the later one in the table wins.
 *
 * @param target   what the offsets are in; may be NULL if no key has one
 * @param options  may be NULL if no key sets one
 * @return 0, or -1 after saying on stderr what is wrong
 */
int config_keys_read(const json_node *object, const config_key *keys, size_t count, const config_place *place,
                     void *target, srl_options *options);

/** Say on stderr what is wrong with a member; -1. */
int config_complain(const config_place *place, const char *name, const char *what);

#endif
