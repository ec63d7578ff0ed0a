#include "protocol/tags_filter.h"

#include <string.h>

#include <streamrelay/error.h>

const srl__tags_filter_limits srl__tags_filter_limits_default = {
    .max_depth = 16,
    .max_nodes = 128,
    .max_values = 512,
    .max_text = 8192,
};

/* ---- tags ---- */

/* The memory that the members of an object of strings take. */
static int tags_measure(const srl__json_value *object, size_t *count, size_t *text)
{
    srl__json_walk walk;
    srl__json_value name, value;
    *count = 0;
    *text = 0;
    srl__json_walk_init(&walk, object);
    while (srl__json_walk_next(&walk, &name, &value)) {
        if (value.type != SRL__JSON_STRING) {
            return SRL_ERR_JSON;
        }
        *text += (name.flags & SRL__JSON_ESCAPES) != 0 ? name.raw.len : 0;
        *text += (value.flags & SRL__JSON_ESCAPES) != 0 ? value.raw.len : 0;
        (*count)++;
    }
    return SRL_OK;
}

/* What a string means; if it had to be unescaped, *text moves on. */
static srl__slice string_kept(const srl__json_value *value, char **text)
{
    srl__slice kept = srl__json_to_string(value, *text);
    if (kept.data == *text) {
        *text += kept.len;
    }
    return kept;
}

int srl__tags_read(srl__tags *out, const srl_allocator *alloc, srl__slice json, const srl__json_limits *limits)
{
    srl__json_value object, name, value;
    srl__json_error problem;
    size_t count, text;

    *out = (srl__tags){NULL, 0, NULL, 0};
    if (json.len == 0) {
        return SRL_OK;
    }
    if (!srl__json_validate(json, limits, &object, &problem) || object.type != SRL__JSON_OBJECT ||
        tags_measure(&object, &count, &text) != SRL_OK) {
        return SRL_ERR_JSON;
    }
    if (count == 0) {
        return SRL_OK;
    }
    if (!srl__size_of_array(count, sizeof(srl__tag), text, &out->memory_size)) {
        return SRL_ERR_NOMEM;
    }
    out->memory = srl__alloc(alloc, out->memory_size);
    if (out->memory == NULL) {
        return SRL_ERR_NOMEM;
    }
    srl__tag *items = out->memory;
    char *at = (char *)(items + count);
    srl__json_walk walk;
    srl__json_walk_init(&walk, &object);
    for (size_t i = 0; srl__json_walk_next(&walk, &name, &value); i++) {
        items[i].key = string_kept(&name, &at);
        items[i].value = string_kept(&value, &at);
    }
    out->items = items;
    out->count = count;
    return SRL_OK;
}

void srl__tags_free(srl__tags *tags, const srl_allocator *alloc)
{
    srl__free(alloc, tags->memory, tags->memory_size);
    *tags = (srl__tags){NULL, 0, NULL, 0};
}

/* ---- the tree ---- */

enum { OP_LEAF, OP_AND, OP_OR, OP_NOT, OP_COUNT };
enum { CMP_EQ, CMP_NEQ, CMP_IN, CMP_NIN, CMP_EX, CMP_NEX, CMP_SW, CMP_EW, CMP_CT, CMP_LT, CMP_LTE, CMP_GT, CMP_GTE };

static const char *const op_names[] = {"", "and", "or", "not"};
static const char *const cmp_names[] = {"eq", "neq", "in", "nin", "ex", "nex", "sw",
                                        "ew", "ct",  "lt", "lte", "gt", "gte"};

/* Nodes stand one after the other, each before those below it. */
typedef struct node {
    uint8_t op;
    uint8_t cmp;
    uint32_t behind; /* the first node that is not below this one */
    srl__slice key;
    const srl__slice *values; /* one, or for "in" and "nin" any number */
    uint32_t value_count;
    const uint32_t *borders; /* of "ct": see borders_of */
} node;

struct srl__tags_filter {
    size_t size; /* of this block */
    uint32_t node_count;
    node nodes[];
};

/* Counts first, and with `nodes` fills what was counted. */
typedef struct builder {
    const srl__tags_filter_limits *limits;
    const char *why;
    uint32_t node_count;
    uint32_t value_count;
    size_t text_len;
    size_t border_count;
    node *nodes;
    srl__slice *values;
    uint32_t *borders;
    char *text;
} builder;

enum { F_OP, F_KEY, F_CMP, F_VAL, F_VALS, F_NODES, F_COUNT };

static const struct {
    const char *name;
    uint8_t type;
} fields[] = {
    [F_OP] = {"op", SRL__JSON_STRING},   [F_KEY] = {"key", SRL__JSON_STRING},  [F_CMP] = {"cmp", SRL__JSON_STRING},
    [F_VAL] = {"val", SRL__JSON_STRING}, [F_VALS] = {"vals", SRL__JSON_ARRAY}, [F_NODES] = {"nodes", SRL__JSON_ARRAY},
};

static int refuse(builder *b, int error, const char *why)
{
    b->why = why;
    return error;
}

static bool is_named(const srl__json_value *value, const char *name)
{
    return srl__json_string_is(value, srl__slice_of(name, strlen(name)));
}

/* Pick out the members of a node. One that is null is as if it were not there. */
static int read_node(builder *b, const srl__json_value *json, srl__json_value out[F_COUNT])
{
    srl__json_walk walk;
    srl__json_value name, value;
    memset(out, 0, F_COUNT * sizeof(*out));
    if (json->type != SRL__JSON_OBJECT) {
        return refuse(b, SRL_ERR_INVALID, "a filter node is not an object");
    }
    srl__json_walk_init(&walk, json);
    while (srl__json_walk_next(&walk, &name, &value)) {
        size_t i = 0;
        while (i < F_COUNT && !is_named(&name, fields[i].name)) {
            i++;
        }
        if (i == F_COUNT || value.type == SRL__JSON_NULL) {
            continue;
        }
        if (value.type != fields[i].type) {
            return refuse(b, SRL_ERR_INVALID, "a member of a filter node has the wrong type");
        }
        if (out[i].type != SRL__JSON_NONE) {
            return refuse(b, SRL_ERR_INVALID, "a member of a filter node is given twice");
        }
        out[i] = value;
    }
    return SRL_OK;
}

/* Which of the names it is, or `count`. */
static uint8_t name_index(const srl__json_value *value, const char *const *names, size_t count)
{
    uint8_t i = 0;
    while (i < count && !is_named(value, names[i])) {
        i++;
    }
    return i;
}

static bool has_text(const srl__json_value *value)
{
    return value->type == SRL__JSON_STRING && value->raw.len > 0;
}

static bool has_elements(const srl__json_value *value)
{
    srl__json_walk walk;
    srl__json_value element;
    srl__json_walk_init(&walk, value);
    return srl__json_walk_next(&walk, NULL, &element);
}

/* What a comparison needs, and what it must not have. */
static int check_leaf(builder *b, uint8_t cmp, const srl__json_value in[F_COUNT])
{
    bool val = has_text(&in[F_VAL]);
    bool vals = has_elements(&in[F_VALS]);
    bool wants_vals = cmp == CMP_IN || cmp == CMP_NIN;
    bool wants_val = !wants_vals && cmp != CMP_EX && cmp != CMP_NEX;
    if (cmp == sizeof(cmp_names) / sizeof(cmp_names[0])) {
        return refuse(b, SRL_ERR_INVALID, "unknown comparison in a filter");
    }
    if (val != wants_val) {
        return refuse(b, SRL_ERR_INVALID, val ? "a comparison must not have val" : "a comparison needs val");
    }
    if (vals != wants_vals) {
        return refuse(b, SRL_ERR_INVALID, vals ? "a comparison must not have vals" : "a comparison needs vals");
    }
    if ((wants_val || wants_vals) && !has_text(&in[F_KEY])) {
        return refuse(b, SRL_ERR_INVALID, "a comparison needs key");
    }
    return SRL_OK;
}

/* The text's own copy. While counting: room for it. */
static int add_text(builder *b, const srl__json_value *value, srl__slice *out)
{
    *out = SRL__LIT("");
    if (value->raw.len > b->limits->max_text - b->text_len) {
        return refuse(b, SRL_ERR_LIMIT, "too much text in a filter");
    }
    if (b->text != NULL && value->raw.len > 0) {
        char *to = b->text + b->text_len;
        srl__slice text = srl__json_to_string(value, to);
        memmove(to, text.data, text.len);
        *out = srl__slice_of(to, text.len);
    }
    b->text_len += value->raw.len;
    return SRL_OK;
}

static int add_value(builder *b, const srl__json_value *value)
{
    srl__slice text;
    if (value->type != SRL__JSON_STRING) {
        return refuse(b, SRL_ERR_INVALID, "vals of a filter are not all strings");
    }
    if (b->value_count == b->limits->max_values) {
        return refuse(b, SRL_ERR_LIMIT, "too many values in a filter");
    }
    int error = add_text(b, value, &text);
    if (error == SRL_OK && b->values != NULL) {
        b->values[b->value_count] = text;
    }
    b->value_count++;
    return error;
}

static int add_values(builder *b, const srl__json_value *vals)
{
    srl__json_walk walk;
    srl__json_value element;
    int error = SRL_OK;
    srl__json_walk_init(&walk, vals);
    while (error == SRL_OK && srl__json_walk_next(&walk, NULL, &element)) {
        error = add_value(b, &element);
    }
    return error;
}

/* For each beginning of a text: how long the longest shorter beginning is that it also ends with. */
static void borders_of(srl__slice text, uint32_t *out)
{
    uint32_t len = 0;
    out[0] = 0;
    for (size_t i = 1; i < text.len; i++) {
        while (len > 0 && text.data[i] != text.data[len]) {
            len = out[len - 1];
        }
        len += text.data[i] == text.data[len] ? 1 : 0;
        out[i] = len;
    }
}

static int add_leaf(builder *b, node *n, const srl__json_value in[F_COUNT])
{
    srl__slice key;
    uint32_t first = b->value_count;
    uint8_t cmp = name_index(&in[F_CMP], cmp_names, sizeof(cmp_names) / sizeof(cmp_names[0]));
    int error = check_leaf(b, cmp, in);
    if (error == SRL_OK) {
        error = add_text(b, &in[F_KEY], &key);
    }
    if (error == SRL_OK) {
        error = has_text(&in[F_VAL]) ? add_value(b, &in[F_VAL]) : add_values(b, &in[F_VALS]);
    }
    if (error != SRL_OK) {
        return error;
    }
    if (n != NULL) {
        n->cmp = cmp;
        n->key = key;
        n->values = b->values + first;
        n->value_count = b->value_count - first;
        if (cmp == CMP_CT) {
            n->borders = b->borders + b->border_count;
            borders_of(n->values[0], b->borders + b->border_count);
        }
    }
    b->border_count += cmp == CMP_CT ? in[F_VAL].raw.len : 0;
    return SRL_OK;
}

static int add_node(builder *b, const srl__json_value *json, uint32_t depth);

static int add_children(builder *b, uint8_t op, const srl__json_value *nodes, uint32_t depth)
{
    srl__json_walk walk;
    srl__json_value child;
    uint32_t count = 0;
    srl__json_walk_init(&walk, nodes);
    while (srl__json_walk_next(&walk, NULL, &child)) {
        int error = add_node(b, &child, depth + 1);
        if (error != SRL_OK) {
            return error;
        }
        count++;
    }
    if (count == 0) {
        return refuse(b, SRL_ERR_INVALID, "a filter node needs nodes below it");
    }
    return op == OP_NOT && count != 1 ? refuse(b, SRL_ERR_INVALID, "not has exactly one node below it") : SRL_OK;
}

static int add_node(builder *b, const srl__json_value *json, uint32_t depth)
{
    srl__json_value in[F_COUNT];
    if (depth > b->limits->max_depth || depth > SRL__TAGS_FILTER_MAX_DEPTH) {
        return refuse(b, SRL_ERR_LIMIT, "a filter is nested too deeply");
    }
    if (b->node_count == b->limits->max_nodes) {
        return refuse(b, SRL_ERR_LIMIT, "too many nodes in a filter");
    }
    node *n = b->nodes != NULL ? &b->nodes[b->node_count] : NULL;
    b->node_count++;
    int error = read_node(b, json, in);
    if (error != SRL_OK) {
        return error;
    }
    uint8_t op = in[F_OP].type == SRL__JSON_NONE ? OP_LEAF : name_index(&in[F_OP], op_names, OP_COUNT);
    if (op == OP_COUNT) {
        return refuse(b, SRL_ERR_INVALID, "unknown op in a filter");
    }
    error = op == OP_LEAF ? add_leaf(b, n, in) : add_children(b, op, &in[F_NODES], depth);
    if (error == SRL_OK && n != NULL) {
        n->op = op;
        n->behind = b->node_count;
    }
    return error;
}

/* Nodes, values, borders, texts: in this order in one block. */
static srl__tags_filter *allocate(const srl_allocator *alloc, builder *counted)
{
    size_t size = sizeof(srl__tags_filter) + counted->text_len;
    if (!srl__size_of_array(counted->border_count, sizeof(uint32_t), size, &size) ||
        !srl__size_of_array(counted->value_count, sizeof(srl__slice), size, &size) ||
        !srl__size_of_array(counted->node_count, sizeof(node), size, &size)) {
        return NULL;
    }
    srl__tags_filter *filter = srl__alloc_zeroed(alloc, size);
    if (filter != NULL) {
        filter->size = size;
        filter->node_count = counted->node_count;
        counted->nodes = filter->nodes;
        counted->values = (srl__slice *)(void *)(filter->nodes + counted->node_count);
        counted->borders = (uint32_t *)(void *)(counted->values + counted->value_count);
        counted->text = (char *)(counted->borders + counted->border_count);
    }
    return filter;
}

int srl__tags_filter_create(srl__tags_filter **out, const srl_allocator *alloc, const srl__json_value *json,
                            const srl__tags_filter_limits *limits, const char **why)
{
    builder b = {.limits = limits, .why = ""};
    srl__tags_filter *filter = NULL;
    int error = add_node(&b, json, 1);
    if (error == SRL_OK) {
        filter = allocate(alloc, &b);
        error = filter != NULL ? SRL_OK : refuse(&b, SRL_ERR_NOMEM, "out of memory");
    }
    if (error == SRL_OK) {
        b.node_count = 0;
        b.value_count = 0;
        b.text_len = 0;
        b.border_count = 0;
        error = add_node(&b, json, 1);
    }
    *out = filter;
    if (error != SRL_OK && why != NULL) {
        *why = b.why;
    }
    return error;
}

void srl__tags_filter_destroy(srl__tags_filter *filter, const srl_allocator *alloc)
{
    if (filter != NULL) {
        srl__free(alloc, filter, filter->size);
    }
}

/* ---- asking ---- */

/* A decimal number: sign, digits without needless zeros in front, digits without needless zeros behind the point. */
typedef struct decimal {
    bool negative;
    srl__slice whole;
    srl__slice fraction;
} decimal;

static size_t digit_run(srl__slice text, size_t at)
{
    size_t from = at;
    while (at < text.len && text.data[at] >= '0' && text.data[at] <= '9') {
        at++;
    }
    return at - from;
}

/* [+-]digits[.digits] */
static bool read_decimal(srl__slice text, decimal *out)
{
    size_t at = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0;
    size_t whole = digit_run(text, at);
    out->negative = at == 1 && text.data[0] == '-';
    out->whole = srl__slice_of(text.data + at, whole);
    out->fraction = SRL__LIT("");
    at += whole;
    if (whole > 0 && at < text.len && text.data[at] == '.') {
        out->fraction = srl__slice_of(text.data + at + 1, digit_run(text, at + 1));
        at += out->fraction.len > 0 ? out->fraction.len + 1 : 0;
    }
    if (whole == 0 || at != text.len) {
        return false;
    }
    while (out->whole.len > 0 && out->whole.data[0] == '0') {
        out->whole = srl__slice_of(out->whole.data + 1, out->whole.len - 1);
    }
    while (out->fraction.len > 0 && out->fraction.data[out->fraction.len - 1] == '0') {
        out->fraction.len--;
    }
    if (out->whole.len == 0 && out->fraction.len == 0) {
        out->negative = false;
    }
    return true;
}

static int compare_text(srl__slice a, srl__slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.data, b.data, len) : 0;
    if (order == 0 && a.len != b.len) {
        order = a.len < b.len ? -1 : 1;
    }
    return order;
}

static int compare_decimals(const decimal *a, const decimal *b)
{
    if (a->negative != b->negative) {
        return a->negative ? -1 : 1;
    }
    int order =
        a->whole.len != b->whole.len ? (a->whole.len < b->whole.len ? -1 : 1) : compare_text(a->whole, b->whole);
    if (order == 0) {
        order = compare_text(a->fraction, b->fraction);
    }
    return a->negative ? -order : order;
}

/* Texts that are not numbers match no comparison of numbers. */
static bool number_matches(const node *n, srl__slice value)
{
    decimal a, b;
    if (!read_decimal(value, &a) || !read_decimal(n->values[0], &b)) {
        return false;
    }
    int order = compare_decimals(&a, &b);
    switch (n->cmp) {
    case CMP_LT:
        return order < 0;
    case CMP_LTE:
        return order <= 0;
    case CMP_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

static bool contains(srl__slice text, srl__slice part, const uint32_t *borders)
{
    uint32_t found = 0;
    for (size_t i = 0; i < text.len && found < part.len; i++) {
        while (found > 0 && text.data[i] != part.data[found]) {
            found = borders[found - 1];
        }
        found += text.data[i] == part.data[found] ? 1 : 0;
    }
    return found == part.len;
}

static bool is_one_of(const node *n, srl__slice value)
{
    for (uint32_t i = 0; i < n->value_count; i++) {
        if (srl__slice_equal(n->values[i], value)) {
            return true;
        }
    }
    return false;
}

static const srl__tag *find_tag(const srl__tags *tags, srl__slice key)
{
    for (size_t i = tags->count; i > 0; i--) {
        if (srl__slice_equal(tags->items[i - 1].key, key)) {
            return &tags->items[i - 1];
        }
    }
    return NULL;
}

/* To "in" and "nin" a tag that is not there is an empty one, as it is in Centrifugo. */
static bool leaf_matches(const node *n, const srl__tags *tags)
{
    const srl__tag *tag = find_tag(tags, n->key);
    srl__slice value = tag != NULL ? tag->value : SRL__LIT("");
    switch (n->cmp) {
    case CMP_EQ:
        return tag != NULL && srl__slice_equal(value, n->values[0]);
    case CMP_NEQ:
        return tag == NULL || !srl__slice_equal(value, n->values[0]);
    case CMP_IN:
        return is_one_of(n, value);
    case CMP_NIN:
        return !is_one_of(n, value);
    case CMP_EX:
        return tag != NULL;
    case CMP_NEX:
        return tag == NULL;
    case CMP_SW:
        return tag != NULL && srl__slice_starts_with(value, n->values[0]);
    case CMP_EW:
        return tag != NULL && value.len >= n->values[0].len &&
               memcmp(value.data + value.len - n->values[0].len, n->values[0].data, n->values[0].len) == 0;
    case CMP_CT:
        return tag != NULL && contains(value, n->values[0], n->borders);
    default:
        return tag != NULL && number_matches(n, value);
    }
}

static bool node_matches(const srl__tags_filter *filter, uint32_t at, const srl__tags *tags)
{
    const node *n = &filter->nodes[at];
    if (n->op == OP_LEAF) {
        return leaf_matches(n, tags);
    }
    if (n->op == OP_NOT) {
        return !node_matches(filter, at + 1, tags);
    }
    for (uint32_t child = at + 1; child < n->behind; child = filter->nodes[child].behind) {
        if (node_matches(filter, child, tags) != (n->op == OP_AND)) {
            return n->op == OP_OR;
        }
    }
    return n->op == OP_AND;
}

bool srl__tags_filter_matches(const srl__tags_filter *filter, const srl__tags *tags)
{
    return node_matches(filter, 0, tags);
}
