#include "engine/permissions_pattern.h"

#include <streamrelay/error.h>

#include <stdio.h>

#include "helpers/fail_alloc.h"
#include "helpers/naive_permissions.h"
#include "helpers/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static srl__slice text_of(const char *text)
{
    return srl__slice_of(text, strlen(text));
}

static int parse(const char *text, srl__why *why)
{
    srl__pattern pattern;
    return srl__pattern_parse(text_of(text), &pattern, why);
}

static void add(srl__trie *trie, srl__trie_set *set, const char *text, uint32_t value)
{
    srl__pattern pattern;
    srl__why why;
    assert_int_equal(srl__pattern_parse(text_of(text), &pattern, &why), SRL_OK);
    assert_int_equal(srl__trie_add(trie, set, &pattern, value, NULL), SRL_OK);
}

/* The value of the pattern that wins, 0 for none. */
static uint32_t match(srl__trie *trie, const srl__trie_set *set, const char *channel)
{
    srl__trie_subject subject;
    srl__trie_subject_init(&subject, text_of(channel));
    uint32_t end = srl__trie_match(trie, set, &subject);
    return end == 0 ? 0 : srl__trie_value(trie, end);
}

static bool matches_alone(const char *pattern, const char *channel)
{
    srl_test_alloc memory;
    srl__trie trie;
    srl__trie_set set = {0};
    srl_test_alloc_init(&memory);
    srl__trie_init(&trie, &memory.table, 1);
    add(&trie, &set, pattern, 1);
    bool found = match(&trie, &set, channel) == 1;
    assert_int_equal(found, naive_matches(pattern, channel));
    srl__trie_free(&trie);
    srl_test_alloc_check_empty(&memory);
    return found;
}

static void what_the_manual_says_matches(void **unused)
{
    (void)unused;
    assert_true(matches_alone("chat:general", "chat:general"));
    assert_false(matches_alone("chat:general", "chat:general:x"));
    assert_true(matches_alone("chat:*", "chat:general"));
    assert_true(matches_alone("chat:*", "chat:a:b"));
    assert_false(matches_alone("chat:*", "chat"));
    assert_false(matches_alone("chat:*", "chat:"));
    assert_true(matches_alone("chat:room-*", "chat:room-1"));
    assert_true(matches_alone("chat:room-*", "chat:room-1:x"));
    assert_false(matches_alone("chat:room-*", "chat:room-"));
    assert_false(matches_alone("chat:room-*", "chat:room"));
    assert_true(matches_alone("chat:*:log", "chat:a:log"));
    assert_false(matches_alone("chat:*:log", "chat:log"));
    assert_false(matches_alone("chat:*:log", "chat:a:b:log"));
    assert_false(matches_alone("chat:*:log", "chat::log"));
    assert_true(matches_alone("*:log", "a:log"));
    assert_false(matches_alone("*:log", "log"));
    assert_false(matches_alone("*:log", "a:b:log"));
    assert_true(matches_alone("chat:*:*", "chat:a:b"));
    assert_true(matches_alone("chat:*:*", "chat:a:b:c"));
    assert_false(matches_alone("chat:*:*", "chat:a"));
    assert_true(matches_alone("*", "x"));
    assert_true(matches_alone("*", "a:b:c:d"));
}

static void edges_of_matching(void **unused)
{
    (void)unused;
    assert_true(matches_alone("*", ":"));
    assert_false(matches_alone("*", ""));
    assert_true(matches_alone("chat:*", "chat::"));
    assert_true(matches_alone("chat:a*", "chat:a:"));
    assert_true(matches_alone("a*", "ab"));
    assert_false(matches_alone("a*", "a"));
    assert_true(matches_alone("a*", "a:"));
    assert_true(matches_alone("a::b", "a::b"));
    assert_true(matches_alone(":*", ":x"));
    assert_false(matches_alone(":*", "x:x"));
    assert_true(matches_alone("*:", "a:"));
    assert_false(matches_alone("*:", ":"));
    assert_true(matches_alone("chat:*", "chat:*"));
    assert_false(matches_alone("Chat:*", "chat:a"));
    assert_true(matches_alone("1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16", "1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16"));
    assert_true(matches_alone("1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:*", "1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17"));
    assert_true(matches_alone("*:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16", "1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16"));
    assert_false(matches_alone("*:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16", "1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17"));
    assert_true(matches_alone("\xC3\xA4*", "\xC3\xA4\xC3\xB6"));
}

static void bad_patterns_are_refused(void **unused)
{
    static const char *const bad[] = {"a*b", "**", "a**", "a*:b", "*a", "*a*", "a:*b:c", "***", "a:b*c*"};
    static const size_t at[] = {1, 0, 1, 1, 0, 0, 2, 0, 3};
    srl__why why;
    char where[32];
    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse(bad[i], &why), SRL_ERR_INVALID);
        snprintf(where, sizeof(where), "'*' at byte %zu is", at[i]);
        assert_non_null(strstr(why.text, where));
        assert_non_null(strstr(why.text, bad[i]));
    }
    assert_int_equal(parse("", &why), SRL_ERR_INVALID);
    assert_string_equal(why.text, "the pattern is empty");
    assert_int_equal(parse("a\nb", &why), SRL_ERR_INVALID);
    assert_string_equal(why.text, "pattern 'a?b': control character at byte 1");
    assert_int_equal(parse("a\x7F", &why), SRL_ERR_INVALID);
    assert_int_equal(parse("a\xFF", &why), SRL_ERR_UTF8);
    assert_int_equal(parse("\xC3*", &why), SRL_ERR_UTF8);
    assert_int_equal(parse("1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17", &why), SRL_ERR_TOO_LARGE);
    assert_int_equal(parse("1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:*", &why), SRL_ERR_TOO_LARGE);
    assert_int_equal(parse("*:*:*:*:*:*", &why), SRL_ERR_TOO_LARGE);
    assert_int_equal(parse("*:*:*:*:*", &why), SRL_OK);
    assert_int_equal(parse("*:*:a:*:*:b*", &why), SRL_OK);
}

static void the_longest_pattern(void **unused)
{
    char text[258];
    srl__why why;
    (void)unused;
    memset(text, 'x', sizeof(text) - 1);
    text[257] = '\0';
    text[255] = '\0';
    assert_int_equal(parse(text, &why), SRL_OK);
    assert_true(matches_alone(text, text));
    text[254] = '*';
    char channel[258];
    memset(channel, 'x', sizeof(channel) - 1);
    channel[257] = '\0';
    assert_int_equal(parse(text, &why), SRL_OK);
    assert_true(matches_alone(text, channel));
    text[254] = 'x';
    text[255] = 'x';
    text[256] = '\0';
    assert_int_equal(parse(text, &why), SRL_ERR_TOO_LARGE);
    assert_false(matches_alone("x", channel));
}

/* Each line of the manual's second table: remove the winner again and again, and the next one has to win. */
static void the_most_specific_wins_in_order(void **unused)
{
    static const char *const rows[][10] = {
        {"chat:general", "chat:general", "chat:gen*", "chat:g*", "chat:*", "*", NULL},
        {"chat:a:log", "chat:a:log", "chat:a:*", "chat:a*", "chat:*:log", "chat:*:*", "chat:*", "*:a:log", "*", NULL},
        {"a:b:c", "a:*", "*:b:c", "*", NULL},
        {"a:b:c", "a:b:c", "a:b:c*", "a:b:*", "a:*:c", "a:*:*", "*:b:c", "*:b:*", "*:*:c", NULL},
    };
    (void)unused;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        srl_allocator alloc;
        srl__trie trie;
        srl__trie_set set = {0};
        char text[SRL_PERMISSIONS_MAX_PATTERN_LENGTH];
        srl_allocator_init(&alloc, sizeof(alloc));
        srl__trie_init(&trie, &alloc, r);
        for (size_t i = 9; i > 0; i--) {
            if (rows[r][i] != NULL) {
                add(&trie, &set, rows[r][i], (uint32_t)i);
            }
        }
        for (size_t i = 1; rows[r][i] != NULL; i++) {
            srl__trie_subject subject;
            srl__trie_subject_init(&subject, text_of(rows[r][0]));
            uint32_t end = srl__trie_match(&trie, &set, &subject);
            if (!naive_matches(rows[r][i], rows[r][0])) {
                continue;
            }
            assert_int_not_equal(end, 0);
            assert_int_equal(srl__trie_value(&trie, end), i);
            srl__slice pattern = srl__trie_text(&trie, end, text);
            assert_int_equal(pattern.len, strlen(rows[r][i]));
            assert_memory_equal(pattern.data, rows[r][i], pattern.len);
            srl__trie_remove(&trie, &set, end);
        }
        assert_int_equal(match(&trie, &set, rows[r][0]), 0);
        srl__trie_clear(&trie, &set);
        assert_int_equal(trie.symbols.count, 0);
        assert_int_equal(trie.index_count, 0);
        assert_int_equal(set.root, 0);
        srl__trie_free(&trie);
    }
}

static void sets_share_texts_but_nothing_else(void **unused)
{
    srl_allocator alloc;
    srl__trie trie;
    srl__trie_set one = {0}, two = {0};
    (void)unused;
    srl_allocator_init(&alloc, sizeof(alloc));
    srl__trie_init(&trie, &alloc, 3);
    add(&trie, &one, "chat:*", 1);
    add(&trie, &two, "chat:*:x", 2);
    assert_int_equal(match(&trie, &one, "chat:a:x"), 1);
    assert_int_equal(match(&trie, &two, "chat:a:x"), 2);
    assert_int_equal(match(&trie, &two, "chat:a"), 0);
    srl__trie_clear(&trie, &one);
    assert_int_equal(match(&trie, &one, "chat:a:x"), 0);
    assert_int_equal(match(&trie, &two, "chat:a:x"), 2);
    srl__trie_free(&trie);
}

/* Every pattern with at most 4 '*' of one long channel that ends a segment too early or late: nothing matches, and
 * everything has to be tried. */
static void hostile_names_cost_a_bounded_number_of_steps(void **unused)
{
    srl_allocator alloc;
    srl__trie trie;
    srl__trie_set set = {0};
    char channel[300] = "";
    uint32_t count = 0;
    (void)unused;
    srl_allocator_init(&alloc, sizeof(alloc));
    srl__trie_init(&trie, &alloc, 3);
    for (uint32_t stars = 0; stars < 1U << 15; stars++) {
        char text[64] = "";
        uint32_t left = 0;
        for (uint32_t i = 0; i < 15; i++) {
            left += stars >> i & 1;
            memcpy(text + 2 * i, (stars >> i & 1) != 0 ? "*:" : "a:", 3);
        }
        memcpy(text + 30, "z", 2);
        if (left > 0 && left <= SRL_PERMISSIONS_MAX_WILDCARDS) {
            add(&trie, &set, text, ++count);
        }
    }
    assert_int_equal(count, 15 + 105 + 455 + 1365);
    for (size_t i = 0; i < 16; i++) {
        memcpy(channel + 2 * i, "a:", 3);
    }
    channel[31] = '\0';
    trie.steps = 0;
    assert_int_equal(match(&trie, &set, channel), 0);
    print_message("worst case: %u steps for %u patterns\n", (unsigned)trie.steps, (unsigned)count);
    assert_in_range(trie.steps, 1000, 20000);
    channel[30] = 'z';
    assert_int_not_equal(match(&trie, &set, channel), 0);
    srl__trie_free(&trie);
}

/* A channel as long as one likes costs no more than one of a pattern's length. */
static void long_names_cost_no_more(void **unused)
{
    static char channel[100000];
    srl_allocator alloc;
    srl__trie trie;
    srl__trie_set set = {0};
    (void)unused;
    srl_allocator_init(&alloc, sizeof(alloc));
    srl__trie_init(&trie, &alloc, 3);
    for (uint32_t len = 1; len < 250; len++) {
        char text[256];
        memset(text, 'a', len);
        memcpy(text + len, "b*", 3);
        add(&trie, &set, text, len);
    }
    memset(channel, 'a', sizeof(channel) - 1);
    trie.steps = 0;
    assert_int_equal(match(&trie, &set, channel), 0);
    assert_in_range(trie.steps, 1, 600);
    for (size_t i = 1; i < sizeof(channel) - 1; i += 2) {
        channel[i] = ':';
    }
    trie.steps = 0;
    assert_int_equal(match(&trie, &set, channel), 0);
    assert_in_range(trie.steps, 0, 600);
    srl__trie_free(&trie);
}

static void steps_do_not_grow_with_the_number_of_patterns(void **unused)
{
    uint64_t steps[2];
    (void)unused;
    for (size_t round = 0; round < 2; round++) {
        srl_allocator alloc;
        srl__trie trie;
        srl__trie_set set = {0};
        char text[64];
        srl_allocator_init(&alloc, sizeof(alloc));
        srl__trie_init(&trie, &alloc, 3);
        for (uint32_t i = 0; i < (round == 0 ? 10U : 10000U); i++) {
            snprintf(text, sizeof(text), i % 2 == 0 ? "space%u:*" : "space%u:*:log", (unsigned)i);
            add(&trie, &set, text, i + 1);
        }
        trie.steps = 0;
        assert_int_equal(match(&trie, &set, "space8:x"), 9);
        assert_int_equal(match(&trie, &set, "space7:x:log"), 8);
        steps[round] = trie.steps;
        srl__trie_free(&trie);
    }
    assert_int_equal(steps[0], steps[1]);
}

static void adding_scenario(const srl_allocator *alloc, void *user)
{
    static const char *const texts[] = {"chat:general", "chat:*:log", "chat:a*", "*:b:c:*"};
    srl__trie trie;
    srl__trie_set set = {0};
    (void)user;
    srl__trie_init(&trie, alloc, 5);
    for (uint32_t i = 0; i < 4; i++) {
        srl__pattern pattern;
        srl__why why;
        srl__trie before = trie;
        uint32_t symbols = trie.symbols.count;
        assert_int_equal(srl__pattern_parse(text_of(texts[i]), &pattern, &why), SRL_OK);
        int error = srl__trie_add(&trie, &set, &pattern, i + 1, NULL);
        if (error != SRL_OK) {
            assert_int_equal(error, SRL_ERR_NOMEM);
            assert_int_equal(trie.index_count, before.index_count);
            assert_int_equal(trie.symbols.count, symbols);
            assert_int_equal(srl__trie_find(&trie, &set, &pattern), 0);
        }
    }
    assert_true(set.count == 4 || srl_test_alloc_has_failed(alloc));
    assert_int_equal(set.root == 0, set.count == 0);
    srl__trie_free(&trie);
}

static void a_failed_add_leaves_nothing(void **unused)
{
    (void)unused;
    assert_true(srl_test_each_failing_alloc(adding_scenario, NULL) > 8);
}

/* Add and remove at random: what is found, by exact text and by match, is what a list has. */
static void random_sets_against_a_list(void **unused)
{
    static const char *const parts[] = {"a", "b", "ab", "", "abc"};
    srl_test_alloc memory;
    srl__trie trie;
    srl__trie_set set = {0};
    char list[64][NAIVE_TEXT] = {""};
    uint64_t random = 11;
    (void)unused;
    srl_test_alloc_init(&memory);
    srl__trie_init(&trie, &memory.table, 9);
    for (uint32_t round = 0; round < 30000; round++) {
        char text[NAIVE_TEXT] = "";
        size_t segments = 1 + srl_test_random_below(&random, 4);
        for (size_t i = 0; i < segments; i++) {
            bool is_last = i + 1 == segments;
            bool wild = srl_test_random_below(&random, 4) == 0;
            bool partial = is_last && srl_test_random_below(&random, 3) == 0;
            size_t len = strlen(text);
            snprintf(text + len, sizeof(text) - len, "%s%s%s", i > 0 ? ":" : "",
                     wild ? "*" : parts[srl_test_random_below(&random, 5)], !wild && partial ? "*" : "");
        }
        srl__pattern pattern;
        srl__why why;
        if (srl__pattern_parse(text_of(text), &pattern, &why) != SRL_OK) {
            assert_string_equal(text, "");
            continue;
        }
        size_t slot = srl_test_random_below(&random, 64);
        size_t known = 64;
        for (size_t i = 0; i < 64; i++) {
            known = strcmp(list[i], text) == 0 ? i : known;
        }
        uint32_t end = srl__trie_find(&trie, &set, &pattern);
        assert_int_equal(end != 0, known < 64);
        if (end != 0) {
            srl__trie_remove(&trie, &set, end);
            list[known][0] = '\0';
        } else if (list[slot][0] == '\0') {
            add(&trie, &set, text, (uint32_t)slot + 1);
            memcpy(list[slot], text, sizeof(text));
        }
        const char *best = NULL;
        for (char *c = text; *c != '\0'; c++) {
            *c = *c == '*' ? 'a' : *c;
        }
        for (size_t i = 0; i < 64; i++) {
            if (list[i][0] != '\0' && naive_matches(list[i], text) && (best == NULL || naive_beats(list[i], best))) {
                best = list[i];
            }
        }
        uint32_t found = match(&trie, &set, text);
        assert_ptr_equal(found == 0 ? NULL : list[found - 1], best);
    }
    srl__trie_clear(&trie, &set);
    assert_int_equal(trie.index_count, 0);
    for (size_t i = 0; i <= SRL_PERMISSIONS_MAX_PATTERN_LENGTH; i++) {
        assert_int_equal(trie.partials[i], 0);
    }
    srl__trie_free(&trie);
    srl_test_alloc_check_empty(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_manual_says_matches),
        cmocka_unit_test(edges_of_matching),
        cmocka_unit_test(bad_patterns_are_refused),
        cmocka_unit_test(the_longest_pattern),
        cmocka_unit_test(the_most_specific_wins_in_order),
        cmocka_unit_test(sets_share_texts_but_nothing_else),
        cmocka_unit_test(hostile_names_cost_a_bounded_number_of_steps),
        cmocka_unit_test(long_names_cost_no_more),
        cmocka_unit_test(steps_do_not_grow_with_the_number_of_patterns),
        cmocka_unit_test(a_failed_add_leaves_nothing),
        cmocka_unit_test(random_sets_against_a_list),
    };
    return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
