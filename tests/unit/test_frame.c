#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "helpers/fail_alloc.h"
#include "protocol/frame.h"

static void a_frame_is_payload_and_newline(void **state)
{
    srl_test_alloc t;
    srl_frame *frame;
    char text[] = "{\"a\":1}";
    (void)state;

    srl_test_alloc_init(&t);
    frame = srl__frame_create(&t.table, SRL__LIT("{\"a\":1}"));
    assert_non_null(frame);
    assert_int_equal(srl_frame_len(frame), strlen(text));
    assert_memory_equal(srl_frame_data(frame), "{\"a\":1}\n\0", 9);
    srl_frame_unref(frame);
    frame = srl__frame_create(&t.table, srl__slice_of(NULL, 0));
    assert_non_null(frame);
    assert_int_equal(srl_frame_len(frame), 0);
    assert_int_equal(srl_frame_data(frame)[0], '\n');
    srl_frame_unref(frame);
    srl_frame_unref(NULL);
    srl_test_alloc_check_empty(&t);
}

static void references_are_counted(void **state)
{
    srl_test_alloc t;
    srl_frame *frame;
    (void)state;

    srl_test_alloc_init(&t);
    frame = srl__frame_create(&t.table, SRL__LIT("x"));
    for (int i = 0; i < 1000; i++) {
        assert_ptr_equal(srl_frame_ref(frame), frame);
    }
    for (int i = 0; i < 1000; i++) {
        srl_frame_unref(frame);
    }
    assert_int_equal(t.live_blocks, 1);
    srl_frame_unref(frame);
    srl_test_alloc_check_empty(&t);
}

static void no_memory_or_too_much_of_it(void **state)
{
    srl_test_alloc t;
    (void)state;

    srl_test_alloc_init(&t);
    srl_test_alloc_fail(&t, 1, false);
    assert_null(srl__frame_create(&t.table, SRL__LIT("x")));
    assert_null(srl__frame_create(&t.table, srl__slice_of("", UINT32_MAX)));
    assert_null(srl__frame_create(&t.table, srl__slice_of("", SIZE_MAX)));
    srl_test_alloc_check_empty(&t);
}

/* The first prefix stays; the same again costs nothing; another one is refused and harms nothing. */
static void prefixes(void **state)
{
    static const char bytes[] = "0123456789abcdefX";
    (void)state;
    for (size_t len = 1; len <= SRL_FRAME_HEADROOM; len++) {
        srl_test_alloc t;
        srl_frame *frame;
        const uint8_t *at;

        srl_test_alloc_init(&t);
        frame = srl__frame_create(&t.table, SRL__LIT("payload"));
        assert_null(srl_frame_with_prefix(frame, bytes, 0));
        assert_null(srl_frame_with_prefix(frame, bytes, SRL_FRAME_HEADROOM + 1));
        at = srl_frame_with_prefix(frame, bytes, len);
        assert_non_null(at);
        assert_memory_equal(at, bytes, len);
        assert_memory_equal(at + len, "payload\n", 8);
        assert_ptr_equal(at + len, srl_frame_data(frame));
        assert_ptr_equal(srl_frame_with_prefix(frame, bytes, len), at);
        assert_null(srl_frame_with_prefix(frame, "another prefix!!", len));
        if (len > 1) {
            assert_null(srl_frame_with_prefix(frame, bytes, len - 1));
            assert_null(srl_frame_with_prefix(frame, bytes + 1, len - 1));
        }
        assert_memory_equal(at, bytes, len);
        assert_memory_equal(srl_frame_data(frame), "payload\n", 8);
        srl_frame_unref(frame);
        srl_test_alloc_check_empty(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_payload_and_newline),
        cmocka_unit_test(references_are_counted),
        cmocka_unit_test(no_memory_or_too_much_of_it),
        cmocka_unit_test(prefixes),
    };

    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
