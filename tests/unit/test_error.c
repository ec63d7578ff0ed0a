#include <streamrelay/codes.h>
#include <streamrelay/error.h>
#include <streamrelay/version.h>

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct known_error {
    const char *name;
    int number;
    int fatal;
    int retriable;
    const char *text;
} known_error;

#define KNOWN_ERROR(name, number, fatal, retriable, text) {#name, number, fatal, retriable, text},
static const known_error known_errors[] = {SRL_ERROR_MAP(KNOWN_ERROR)};
#define KNOWN_ERROR_COUNT (sizeof(known_errors) / sizeof(known_errors[0]))

static void every_error_has_its_own_name_and_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < KNOWN_ERROR_COUNT; i++) {
        const known_error *e = &known_errors[i];
        assert_string_equal(srl_error_name(e->number), e->name);
        assert_string_equal(srl_error_text(e->number), e->text);
        assert_int_equal(srl_error_is_fatal(e->number), e->fatal);
        assert_int_equal(srl_error_is_retriable(e->number), e->retriable);
        assert_true(e->number <= 0);
        assert_false(e->fatal && e->retriable);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(known_errors[j].text, e->text);
        }
    }
}

static void errors_keep_their_numbers(void **state)
{
    (void)state;
    assert_int_equal(SRL_OK, 0);
    assert_int_equal(SRL_ERR_INVALID, -101);
    assert_int_equal(SRL_ERR_SYSTEM, -201);
    assert_int_equal(SRL_ERR_BROKER_DOWN, -301);
    assert_int_equal(SRL_ERR_NOMEM, -901);
    assert_true(srl_error_is_retriable(SRL_ERR_NOMEM));
    assert_false(srl_error_is_fatal(SRL_ERR_NOMEM));
    assert_true(srl_error_is_fatal(SRL_ERR_POLLER));
    assert_false(srl_error_is_retriable(SRL_ERR_OUTCOME_UNKNOWN));
}

static void unknown_numbers_are_answered(void **state)
{
    (void)state;
    static const int unknown[] = {1, -1, -99, -999, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_string_equal(srl_error_name(unknown[i]), "SRL_ERR_?");
        assert_string_equal(srl_error_text(unknown[i]), "unknown error");
        assert_int_equal(srl_error_is_fatal(unknown[i]), 0);
        assert_int_equal(srl_error_is_retriable(unknown[i]), 0);
    }
}

static void reply_errors(void **state)
{
    (void)state;
#define CHECK_REPLY(name, number, temporary, text)                                                                     \
    assert_string_equal(srl_reply_code_text(name), text);                                                             \
    assert_int_equal(srl_reply_code_is_temporary(name), (number) == 100 || (number) == 111 || (number) == 113);
    SRL_REPLY_ERROR_MAP(CHECK_REPLY)
    static const uint32_t others[] = {0, 99, 114, 400, 1999, UINT32_MAX};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_string_equal(srl_reply_code_text(others[i]), "application error");
        assert_int_equal(srl_reply_code_is_temporary(others[i]), 0);
    }
}

static void disconnects(void **state)
{
    (void)state;
#define CHECK_DISCONNECT(name, number, text)                                                                           \
    assert_string_equal(srl_disconnect_text(name), text);                                                              \
    assert_int_equal(srl_disconnect_reconnects(name), (number) < 3500);
    SRL_DISCONNECT_MAP(CHECK_DISCONNECT)
    assert_string_equal(srl_disconnect_text(4000), "application disconnect");
    assert_string_equal(srl_disconnect_text(0), "application disconnect");
    static const struct {
        uint32_t code;
        int reconnects;
    } borders[] = {{0, 1},    {3499, 1}, {3500, 0}, {3999, 0}, {4000, 1},
                   {4499, 1}, {4500, 0}, {4999, 0}, {5000, 1}, {UINT32_MAX, 1}};
    for (size_t i = 0; i < sizeof(borders) / sizeof(borders[0]); i++) {
        assert_int_equal(srl_disconnect_reconnects(borders[i].code), borders[i].reconnects);
    }
}

static void unsubscribes(void **state)
{
    (void)state;
#define CHECK_UNSUBSCRIBE(name, number, text)                                                                          \
    assert_int_equal(name, number);                                                                                    \
    assert_string_equal(srl_unsubscribe_text(name), text);
    SRL_UNSUBSCRIBE_MAP(CHECK_UNSUBSCRIBE)
    assert_string_equal(srl_unsubscribe_text(2001), "unsubscribed");
}

static void the_version_is_one(void **state)
{
    (void)state;
    char text[40];
    snprintf(text, sizeof(text), "%d.%d.%d", SRL_VERSION_MAJOR, SRL_VERSION_MINOR, SRL_VERSION_PATCH);
    assert_string_equal(srl_version(), text);
    assert_int_equal(srl_version_number(), SRL_VERSION_MAJOR * 10000 + SRL_VERSION_MINOR * 100 + SRL_VERSION_PATCH);
    assert_int_equal(srl_version_number(), SRL_VERSION_NUMBER);
    assert_int_equal(srl_abi_version(), SRL_ABI_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_own_name_and_text),
        cmocka_unit_test(errors_keep_their_numbers),
        cmocka_unit_test(unknown_numbers_are_answered),
        cmocka_unit_test(reply_errors),
        cmocka_unit_test(disconnects),
        cmocka_unit_test(unsubscribes),
        cmocka_unit_test(the_version_is_one),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
