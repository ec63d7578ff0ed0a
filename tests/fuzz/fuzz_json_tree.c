/*
 * The JSON reader of the examples against a plain validator: what that takes, it reads; and what it reads lies inside
 * the text, in order, and reads the same by itself.
 */
#include "json_tree.h"

#include <stdlib.h>
#include <string.h>

#include "../unit/helpers/naive_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

static void check_alone(const json_node *node)
{
    json_tree *tree = json_tree_read(node->raw, node->raw_len, NULL);
    REQUIRE(tree != NULL);
    const json_node *root = json_tree_root(tree);
    REQUIRE(root->type == node->type && root->count == node->count && root->raw_len == node->raw_len);
    REQUIRE((root->text == NULL) == (node->text == NULL) && root->text_len == node->text_len);
    REQUIRE(!root->text || memcmp(root->text, node->text, node->text_len + 1) == 0);
    json_tree_free(tree);
}

static void check_node(const json_node *node, const char *begin, const char *end)
{
    const char *at = node->raw;
    size_t count = 0;
    REQUIRE(node->raw >= begin && node->raw_len > 0 && node->raw_len <= (size_t)(end - node->raw));
    REQUIRE(!node->text || (node->type == JSON_STRING && node->text[node->text_len] == '\0'));
    for (const json_node *part = node->first; part; part = part->next) {
        check_node(part, at, node->raw + node->raw_len);
        at = part->raw + part->raw_len;
        count++;
    }
    REQUIRE(count == node->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t error_at = 0;
    char *copy = malloc(size ? size : 1);
    REQUIRE(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    json_tree *tree = json_tree_read(copy, size, &error_at);
    if (naive_json_valid(copy, size, JSON_TREE_MAX_DEPTH - 1, UINT32_MAX))
        REQUIRE(tree != NULL);
    if (tree) {
        check_node(json_tree_root(tree), copy, copy + size);
        check_alone(json_tree_root(tree));
        if (json_tree_root(tree)->first)
            check_alone(json_tree_root(tree)->first);
    } else {
        REQUIRE(error_at <= size);
    }
    json_tree_free(tree);
    free(copy);
    return 0;
}
