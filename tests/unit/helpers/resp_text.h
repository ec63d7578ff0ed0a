/* Replies as readable text, for comparing them. */
#ifndef SRL_TEST_RESP_TEXT_H
#define SRL_TEST_RESP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <streamrelay/redis_reply.h>

typedef struct srl_test_text {
    char *data;
    size_t len;
    size_t capacity;
} srl_test_text;

void srl_test_text_free(srl_test_text *text);
void srl_test_text_add(srl_test_text *text, const char *plain);
void srl_test_text_add_bytes(srl_test_text *text, const char *data, size_t len);
/* In quotes, with \xHH for bytes that are not printable. */
void srl_test_text_add_quoted(srl_test_text *text, const void *data, size_t len);

/* A value with all that is in it:
 * "a"  +"a"  -"a"  !"a"  :1  ,"1.5"  #1  ("12"  =txt"a"  $_ *_ _  [a b]  %[k v]  ~[a]  >[a]  |[k v]value
 * Aborts where the accessors contradict each other. */
void srl_test_text_add_reply(srl_test_text *text, const srl_reply *reply, uint32_t at);

#endif
