#include "json_tree.h"

#include <stdlib.h>
#include <string.h>

#include "json_scan.h"

#define BLOCK_NODES 32

typedef struct node_block {
    struct node_block *next;
    size_t used;
    json_node nodes[BLOCK_NODES];
} node_block;

struct json_tree {
    node_block *blocks; /* the one that is being filled first */
    json_node *root;
    char *texts; /* unescaped strings: together never longer than the JSON */
    size_t texts_used;
};

typedef struct reader {
    json_cursor c;
    json_tree *tree;
    unsigned depth;
} reader;

static json_node *read_value(reader *r);

static json_node *new_node(json_tree *tree)
{
    node_block *block = tree->blocks;
    if (!block || block->used == BLOCK_NODES) {
        block = calloc(1, sizeof *block);
        if (!block)
            return NULL;
        block->next = tree->blocks;
        tree->blocks = block;
    }
    json_node *node = &block->nodes[block->used++];
    node->name = "";
    return node;
}

/* ---- values without parts ---- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Behind a string that cannot be unescaped, whose escapes are well written all the same. */
static bool skip_string(json_cursor *c)
{
    static const char escapes[] = "\"\\/bfnrtu";
    c->at++;
    while (c->at < c->end && *c->at != '"') {
        unsigned char byte = (unsigned char)*c->at++;
        if (byte < 0x20)
            return false;
        if (byte != '\\')
            continue;
        if (c->at == c->end || *c->at == '\0' || !strchr(escapes, *c->at))
            return false;
        size_t digits = *c->at++ == 'u' ? 4 : 0;
        for (; digits > 0; digits--) {
            if (c->at == c->end || !is_hex(*c->at++))
                return false;
        }
    }
    if (c->at == c->end)
        return false;
    c->at++;
    return true;
}

/* The text, or NULL if it cannot be unescaped; false if it is malformed. */
static bool read_text(reader *r, const char **text, size_t *len)
{
    json_tree *tree = r->tree;
    json_cursor begin = r->c;
    json_sink out = {tree->texts + tree->texts_used, (size_t)(r->c.end - r->c.at), 0};
    if (r->c.at == r->c.end || *r->c.at != '"')
        return false;
    if (!json_take_string(&r->c, &out)) {
        r->c = begin;
        *text = NULL;
        *len = 0;
        return skip_string(&r->c);
    }
    *text = out.data;
    *len = out.len;
    out.data[out.len] = '\0';
    tree->texts_used += out.len + 1;
    return true;
}

static bool take_digits(json_cursor *c)
{
    const char *begin = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return c->at > begin;
}

static bool take_one(json_cursor *c, const char *of)
{
    if (c->at == c->end || *c->at == '\0' || !strchr(of, *c->at))
        return false;
    c->at++;
    return true;
}

static bool read_number(json_cursor *c)
{
    take_one(c, "-");
    if (!take_one(c, "0") && !take_digits(c))
        return false;
    if (take_one(c, ".") && !take_digits(c))
        return false;
    if (take_one(c, "eE")) {
        take_one(c, "+-");
        return take_digits(c);
    }
    return true;
}

static bool take_word(json_cursor *c, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
        return false;
    c->at += len;
    return true;
}

static bool read_word(json_cursor *c, json_node *node)
{
    node->type = JSON_BOOL;
    node->truth = take_word(c, "true");
    if (node->truth || take_word(c, "false"))
        return true;
    node->type = JSON_NULL;
    return take_word(c, "null");
}

/* ---- arrays and objects ---- */

static json_node *read_member(reader *r)
{
    const char *name;
    size_t len;
    json_skip_space(&r->c);
    if (!read_text(r, &name, &len) || !json_take(&r->c, ':'))
        return NULL;
    json_node *node = read_value(r);
    if (node && name)
        node->name = name;
    return node;
}

static bool read_parts(reader *r, json_node *parent, char end)
{
    json_node **link = &parent->first;
    r->c.at++;
    if (json_take(&r->c, end))
        return true;
    do {
        *link = parent->type == JSON_OBJECT ? read_member(r) : read_value(r);
        if (!*link)
            return false;
        link = &(*link)->next;
        parent->count++;
    } while (json_take(&r->c, ','));
    return json_take(&r->c, end);
}

static bool read_by_type(reader *r, json_node *node)
{
    switch (*r->c.at) {
    case '{':
        node->type = JSON_OBJECT;
        return read_parts(r, node, '}');
    case '[':
        node->type = JSON_ARRAY;
        return read_parts(r, node, ']');
    case '"':
        node->type = JSON_STRING;
        return read_text(r, &node->text, &node->text_len);
    case 't':
    case 'f':
    case 'n':
        return read_word(&r->c, node);
    default:
        node->type = JSON_NUMBER;
        return read_number(&r->c);
    }
}

static json_node *read_value(reader *r)
{
    json_skip_space(&r->c);
    if (r->c.at == r->c.end || r->depth == JSON_TREE_MAX_DEPTH)
        return NULL;
    json_node *node = new_node(r->tree);
    if (!node)
        return NULL;
    node->raw = r->c.at;
    r->depth++;
    bool good = read_by_type(r, node);
    r->depth--;
    node->raw_len = (size_t)(r->c.at - node->raw);
    return good ? node : NULL;
}

/* ---- the tree ---- */

json_tree *json_tree_read(const char *json, size_t len, size_t *error_at)
{
    reader r = {{json, json + len}, calloc(1, sizeof(json_tree)), 0};
    if (r.tree)
        r.tree->texts = malloc(len + 1);
    if (r.tree && r.tree->texts)
        r.tree->root = read_value(&r);
    json_skip_space(&r.c);
    if (r.tree && r.tree->root && r.c.at == r.c.end)
        return r.tree;
    if (error_at)
        *error_at = (size_t)(r.c.at - json);
    json_tree_free(r.tree);
    return NULL;
}

void json_tree_free(json_tree *tree)
{
    if (!tree)
        return;
    while (tree->blocks) {
        node_block *block = tree->blocks;
        tree->blocks = block->next;
        free(block);
    }
    free(tree->texts);
    free(tree);
}

const json_node *json_tree_root(const json_tree *tree)
{
    return tree->root;
}

/* ---- looking into nodes ---- */

bool json_is(const json_node *node, json_type type)
{
    return node && node->type == type;
}

const json_node *json_find(const json_node *object, const char *name)
{
    const json_node *found = NULL;
    if (!json_is(object, JSON_OBJECT))
        return NULL;
    for (const json_node *node = object->first; node; node = node->next) {
        if (strcmp(node->name, name) == 0)
            found = node;
    }
    return found;
}

const json_node *json_member(const json_node *object, const char *name)
{
    const json_node *found = json_find(object, name);
    return json_is(found, JSON_NULL) ? NULL : found;
}

const char *json_string(const json_node *node, size_t *len)
{
    bool good = json_is(node, JSON_STRING) && node->text;
    *len = good ? node->text_len : 0;
    return good ? node->text : "";
}

bool json_number(const json_node *node, uint64_t *out)
{
    uint64_t value = 0;
    if (!json_is(node, JSON_NUMBER))
        return false;
    for (size_t i = 0; i < node->raw_len; i++) {
        char c = node->raw[i];
        if (c < '0' || c > '9' || value > (UINT64_MAX - (uint64_t)(c - '0')) / 10)
            return false;
        value = value * 10 + (uint64_t)(c - '0');
    }
    *out = value;
    return true;
}

bool json_is_true(const json_node *node)
{
    return json_is(node, JSON_BOOL) && node->truth;
}
