/* Conversations in Centrifugo's protocol: tests/unit/data/centrifugo/ holds one per file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "helpers/conversation.h"

static void play(const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/centrifugo/%s.txt", SRL_TEST_DATA_DIR, name);
    conversation_play(path, CONVERSATION_AS_WRITTEN);
    conversation_play(path, CONVERSATION_ONE_BY_ONE);
    conversation_play(path, CONVERSATION_SPACED);
    conversation_play(path, CONVERSATION_DELAYED);
    conversation_play_failing(path);
}

#define CONVERSATION(name)                                                                                             \
    static void name(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        play(#name);                                                                                                   \
    }

CONVERSATION(basics)
CONVERSATION(channels)
CONVERSATION(recovery)
CONVERSATION(cache)
CONVERSATION(delta)
CONVERSATION(tags)
CONVERSATION(compaction)
CONVERSATION(server_subs)
CONVERSATION(expiry)
CONVERSATION(messages)
CONVERSATION(malformed)
CONVERSATION(mixed)
CONVERSATION(emulation)
CONVERSATION(pushes)
CONVERSATION(permissions)

/* Where it matters what is in one message. */
static void refused(void **state)
{
    (void)state;
    conversation_play(SRL_TEST_DATA_DIR "/centrifugo/refused.txt", CONVERSATION_AS_WRITTEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(basics),     cmocka_unit_test(channels),    cmocka_unit_test(recovery),
        cmocka_unit_test(cache),      cmocka_unit_test(delta),       cmocka_unit_test(tags),
        cmocka_unit_test(compaction), cmocka_unit_test(server_subs), cmocka_unit_test(expiry),
        cmocka_unit_test(messages),   cmocka_unit_test(malformed),   cmocka_unit_test(mixed),
        cmocka_unit_test(emulation),  cmocka_unit_test(pushes),      cmocka_unit_test(permissions),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests_name("centrifugo_session", tests, NULL, NULL);
}
