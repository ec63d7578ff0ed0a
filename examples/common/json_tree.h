/*
 * json_tree.h - any JSON, read into nodes.
 *
 * The whole text is checked. Nodes point into the text, which must stay as long as the tree; strings are unescaped into
 * the tree's own memory. UTF-8 is passed on as it is.
 */
#ifndef EXAMPLES_JSON_TREE_H
#define EXAMPLES_JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_TREE_MAX_DEPTH 64

typedef enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } json_type;

typedef struct json_node {
    json_type type;
    bool truth;       /* of a BOOL */
    const char *name; /* of a member: unescaped, with a terminating zero; "" otherwise */
    const char *raw;  /* the value as it is written */
    size_t raw_len;
    const char *text; /* of a STRING: unescaped, with a terminating zero. NULL if that cannot be: a character zero or
                         half a surrogate pair */
    size_t text_len;
    size_t count; /* of an ARRAY or OBJECT */
    struct json_node *first;
    struct json_node *next; /* behind this one in its array or object */
} json_node;

typedef struct json_tree json_tree;

/**
 * Read a text.
 *
 * @param error_at  on failure receives how many bytes were good; may be NULL
 * @return NULL if it is not JSON, is nested too deeply, or when out of memory
 */
json_tree *json_tree_read(const char *json, size_t len, size_t *error_at);

void json_tree_free(json_tree *tree);

const json_node *json_tree_root(const json_tree *tree);

/* The functions below take NULL for a node that is not there. */

/** The member of this name (the last one if there are several); NULL if there is none, or `object` is no object. */
const json_node *json_find(const json_node *object, const char *name);

/** The same for who takes null for nothing: NULL then, too. */
const json_node *json_member(const json_node *object, const char *name);

/** The text of a string; "" (and the length 0) if it is no string. */
const char *json_string(const json_node *node, size_t *len);

/** The value of a number that is whole and not negative. */
bool json_number(const json_node *node, uint64_t *out);

/** Whether this is `true`. */
bool json_is_true(const json_node *node);

/** Whether a node is there and is of this type. */
bool json_is(const json_node *node, json_type type);

#endif
