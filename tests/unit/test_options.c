#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <streamrelay/streamrelay.h>

#include "helpers/fake_platform.h"

static srl_options *options;

static int begin(void **state)
{
    (void)state;
    return srl_options_create(&options);
}

static int end(void **state)
{
    (void)state;
    srl_options_destroy(options);
    return 0;
}

static const char *get(const char *name)
{
    static char text[64];
    int32_t len = srl_options_get(options, name, text, sizeof(text));

    assert_true(len >= 0 && (size_t)len == strlen(text));
    return text;
}

static void values_in_all_their_forms(void **state)
{
    static const struct {
        const char *name;
        const char *given;
        const char *kept; /* NULL: refused */
    } cases[] = {
        {"ping_interval", "90000", "90s"},
        {"ping_interval", "1500", "1500ms"},
        {"ping_interval", "1500ms", "1500ms"},
        {"ping_interval", "60s", "1m"},
        {"ping_interval", "1h", "1h"},
        {"ping_interval", "0", "0"},
        {"ping_interval", "", NULL},
        {"ping_interval", "s", NULL},
        {"ping_interval", "1 s", NULL},
        {"ping_interval", "1S", NULL},
        {"ping_interval", "-1", NULL},
        {"ping_interval", "1.5s", NULL},
        {"ping_interval", "61m", NULL},
        {"ping_interval", "1k", NULL},
        {"ping_interval", "2h", NULL},
        {"history_ttl", "48h", "2d"},
        {"history_ttl", "18446744073709551615d", NULL},
        {"history_ttl", "213503982335d", NULL},
        {"history_ttl", "18446744073709551616", NULL},
        {"max_message_bytes", "1024", "1k"},
        {"max_message_bytes", "64k", "64k"},
        {"max_message_bytes", "2m", "2m"},
        {"max_message_bytes", "63", NULL},
        {"max_message_bytes", "64", "64"},
        {"max_message_bytes", "65m", NULL},
        {"max_message_bytes", "1s", NULL},
        {"max_message_bytes", "1K", NULL},
        {"max_message_bytes", "64kb", NULL},
        {"max_channels", "1000000", "1000000"},
        {"max_channels", "0", NULL},
        {"max_channels", "1000001", NULL},
        {"max_channels", "1k", NULL},
        {"max_channels", "0010", "10"},
        {"max_channels", "+1", NULL},
        {"presence", "true", "true"},
        {"presence", "off", "false"},
        {"presence", "on", "true"},
        {"presence", "no", "false"},
        {"presence", "yes", "true"},
        {"presence", "0", "false"},
        {"presence", "1", "true"},
        {"presence", "TRUE", NULL},
        {"presence", "2", NULL},
        {"join_leave", "both", "both"},
        {"join_leave", "user", "user"},
        {"join_leave", "session", "session"},
        {"join_leave", "off", "off"},
        {"join_leave", "on", NULL},
        {"join_leave", "true", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char before[64];
        int error;

        memcpy(before, get(cases[i].name), sizeof(before));
        error = srl_options_set(options, cases[i].name, cases[i].given);
        if (cases[i].kept == NULL) {
            assert_int_equal(error, SRL_ERR_OPTION_VALUE);
            assert_string_equal(get(cases[i].name), before);
            assert_non_null(strstr(srl_options_last_error(options), cases[i].name));
        } else {
            assert_int_equal(error, SRL_OK);
            assert_string_equal(get(cases[i].name), cases[i].kept);
            assert_int_equal(srl_options_set(options, cases[i].name, get(cases[i].name)), SRL_OK); /* round trip */
            assert_string_equal(get(cases[i].name), cases[i].kept);
        }
    }
}

static void texts(void **state)
{
    srl_option_info info = {.size = sizeof(info)};
    char longest[130];
    char out[130];
    (void)state;

    memset(longest, 'n', sizeof(longest));
    longest[129] = '\0';
    assert_string_equal(get("node_name"), "");
    assert_int_equal(srl_options_set(options, "node_name", "n\xc3\xb6rd 1"), SRL_OK);
    assert_string_equal(get("node_name"), "n\xc3\xb6rd 1");
    assert_int_equal(srl_options_set(options, "node_name", longest), SRL_ERR_OPTION_VALUE);
    assert_int_equal(srl_options_set(options, "node_name", "a\nb"), SRL_ERR_OPTION_VALUE);
    assert_string_equal(srl_options_last_error(options), "node_name: 'a\nb' is not a text (0 to 128 bytes)");
    assert_int_equal(srl_options_set(options, "node_name", "\x7f"), SRL_ERR_OPTION_VALUE);
    assert_int_equal(srl_options_set(options, "node_name", "\xc3"), SRL_ERR_OPTION_VALUE);
    assert_string_equal(get("node_name"), "n\xc3\xb6rd 1");
    longest[128] = '\0';
    assert_int_equal(srl_options_set(options, "node_name", longest), SRL_OK);
    assert_int_equal(srl_options_get(options, "node_name", out, 128), 128); /* does not fit */
    assert_int_equal(srl_options_get(options, "node_name", out, sizeof(out)), 128);
    assert_string_equal(out, longest);
    assert_int_equal(srl_options_set(options, "node_name", ""), SRL_OK);
    assert_string_equal(get("node_name"), "");
    for (uint32_t i = 0; srl_options_describe(i, &info) == SRL_OK && strcmp(info.name, "node_name") != 0; i++) {
    }
    assert_string_equal(info.name, "node_name");
    assert_string_equal(info.type, "text");
    assert_string_equal(info.range, "0 to 128 bytes");
}

static void errors_say_what_is_wrong(void **state)
{
    char huge[400];
    char small[3] = "zz";
    (void)state;

    assert_string_equal(srl_options_last_error(options), "");
    assert_int_equal(srl_options_set(options, "pings", "1"), SRL_ERR_OPTION_UNKNOWN);
    assert_string_equal(srl_options_last_error(options), "there is no option 'pings'");
    assert_int_equal(srl_options_set(options, "", "1"), SRL_ERR_OPTION_UNKNOWN);
    assert_int_equal(srl_options_set(options, "ping_interval", "abc"), SRL_ERR_OPTION_VALUE);
    assert_string_equal(srl_options_last_error(options), "ping_interval: 'abc' is not a duration (0 to 1h)");
    assert_int_equal(srl_options_set(options, "max_channels", "0"), SRL_ERR_OPTION_VALUE);
    assert_string_equal(srl_options_last_error(options), "max_channels: '0' is not in the range 1 to 1000000");
    memset(huge, 'x', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    assert_int_equal(srl_options_set(options, huge, huge), SRL_ERR_OPTION_UNKNOWN);
    assert_int_equal(srl_options_set(options, "presence", huge), SRL_ERR_OPTION_VALUE);
    assert_true(strlen(srl_options_last_error(options)) < 192);
    assert_int_equal(srl_options_get(options, "pings", huge, sizeof(huge)), SRL_ERR_OPTION_UNKNOWN);
    assert_int_equal(srl_options_get(options, "ping_interval", small, 3), 3); /* "25s" does not fit */
    assert_string_equal(small, "zz");
    assert_int_equal(srl_options_get(options, "ping_interval", NULL, 0), 3);
}

/* The table is in order: every default is in its range and is what a new set holds. */
static void the_table(void **state)
{
    srl_option_info info = {.size = sizeof(info)};
    srl_option_info part = {.size = offsetof(srl_option_info, type)};
    uint32_t count = 0;
    uint32_t channels = 0;
    (void)state;

    for (; srl_options_describe(count, &info) == SRL_OK; count++) {
        assert_true(info.scope == SRL_OPTION_RELAY || info.scope == SRL_OPTION_CHANNEL);
        channels += info.scope == SRL_OPTION_CHANNEL;
        assert_string_equal(get(info.name), info.default_value);
        assert_int_equal(srl_options_set(options, info.name, info.default_value), SRL_OK);
        assert_true(strlen(info.text) > 10 && strlen(info.range) > 2 && strlen(info.type) > 2);
        for (uint32_t i = 0; i < count; i++) {
            srl_option_info other = {.size = sizeof(other)};

            assert_int_equal(srl_options_describe(i, &other), SRL_OK);
            assert_string_not_equal(other.name, info.name);
        }
    }
    assert_true(count > 30 && channels > 8);
    assert_int_equal(srl_options_describe(count, &info), SRL_ERR_NOT_FOUND);
    assert_int_equal(srl_options_describe(UINT32_MAX, &info), SRL_ERR_NOT_FOUND);
    assert_int_equal(srl_options_describe(0, &part), SRL_OK); /* an older header's struct */
    assert_non_null(part.name);
    assert_null(part.type);
}

static void tables_are_checked(void **state)
{
    srl_platform platform;
    fake_platform fake;
    (void)state;

    assert_int_equal(srl_options_set_platform(options, NULL), SRL_ERR_INVALID);
    fake_platform_init(&fake, 1);
    platform = fake.table;
    assert_int_equal(srl_options_set_platform(options, &platform), SRL_OK);
    platform.random = NULL;
    assert_int_equal(srl_options_set_platform(options, &platform), SRL_ERR_INVALID);
    platform = fake.table;
    platform.size = 4;
    assert_int_equal(srl_options_set_platform(options, &platform), SRL_ERR_INVALID);
    assert_int_equal(srl_options_set_hooks(options, NULL, NULL), SRL_ERR_INVALID);
    assert_int_equal(srl_options_set_broker(options, NULL), SRL_OK);
    srl_options_destroy(NULL);
}

static void brokers_are_counted(void **state)
{
    srl_broker *broker;
    srl_broker *other;
    srl_relay *relay;
    (void)state;

    assert_int_equal(srl_broker_create_memory(NULL, &broker), SRL_OK);
    assert_int_equal(srl_broker_create_memory(NULL, &other), SRL_OK);
    assert_int_equal(srl_options_set_broker(options, broker), SRL_OK);
    assert_int_equal(srl_options_set_broker(options, broker), SRL_OK);
    assert_int_equal(srl_options_set_broker(options, other), SRL_OK);
    assert_int_equal(srl_options_set_broker(options, broker), SRL_OK);
    srl_broker_release(broker);
    srl_broker_release(other);
    assert_int_equal(srl_relay_create(options, &relay), SRL_OK);
    assert_int_equal(srl_options_set_broker(options, NULL), SRL_OK);
    srl_relay_destroy(relay);
}

static void presets(void **state)
{
    (void)state;
    assert_int_equal(srl_options_apply_preset(options, 0), SRL_ERR_INVALID);
    assert_int_equal(srl_options_apply_preset(options, 99), SRL_ERR_INVALID);
    assert_int_equal(srl_options_set(options, "max_publish_bytes", "1k"), SRL_OK);
    assert_int_equal(srl_options_apply_preset(options, SRL_NAMESPACE_CHAT), SRL_OK);
    assert_string_equal(get("history_size"), "100");
    assert_string_equal(get("history_ttl"), "1d");
    assert_string_equal(get("presence"), "true");
    assert_string_equal(get("publish"), "true");
    assert_string_equal(get("join_leave"), "both");
    assert_int_equal(srl_options_apply_preset(options, SRL_NAMESPACE_PUBLIC), SRL_OK);
    assert_string_equal(get("publish"), "false");
    assert_string_equal(get("anonymous"), "true");
    assert_string_equal(get("history_ttl"), "1h");
    assert_int_equal(srl_options_set(options, "history_size", "7"), SRL_OK);
    assert_string_equal(get("history_size"), "7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_in_all_their_forms, begin, end),
        cmocka_unit_test_setup_teardown(texts, begin, end),
        cmocka_unit_test_setup_teardown(errors_say_what_is_wrong, begin, end),
        cmocka_unit_test_setup_teardown(the_table, begin, end),
        cmocka_unit_test_setup_teardown(tables_are_checked, begin, end),
        cmocka_unit_test_setup_teardown(brokers_are_counted, begin, end),
        cmocka_unit_test_setup_teardown(presets, begin, end),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
