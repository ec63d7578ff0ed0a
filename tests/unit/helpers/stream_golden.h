/* What a real server answered to Streams commands: the lines of data/redis/golden.txt, "command   =>   reply", with
 * "\302\267" for CR LF. */
#ifndef SRL_TEST_STREAM_GOLDEN_H
#define SRL_TEST_STREAM_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

#include <streamrelay/stream.h>

enum { SRL_TEST_GOLDEN_MAX_WORDS = 32 };

typedef struct srl_test_golden_line {
    uint32_t protocol; /* 2 or 3 */
    uint32_t count;
    const char *words[SRL_TEST_GOLDEN_MAX_WORDS]; /* terminated */
    char command[256];
    char *reply; /* as on the wire */
    size_t reply_len;
    char memory[256];
} srl_test_golden_line;

typedef struct srl_test_golden {
    srl_test_golden_line *lines;
    size_t count;
} srl_test_golden;

/* Reads a file; prints and aborts on any trouble. */
void srl_test_golden_load(srl_test_golden *golden, const char *path);
void srl_test_golden_free(srl_test_golden *golden);

/* Write a command given in words by way of its typed request. SRL_ERR_UNAVAILABLE if no request can say this. */
int srl_test_stream_encode_words(srl_command *command, const srl_test_golden_line *line);

/* What the decoder that belongs to the command makes of a reply, as text. */
void srl_test_stream_render(const srl_test_golden_line *line, const srl_reply *reply, char *out, size_t size);

/* A reply as it was on the wire, with "." for CR LF. */
void srl_test_reply_render(const srl_reply *reply, char *out, size_t size);

/* Overwrite what differs from run to run: times of 13 digits, and numbers behind "idle=" or in their place. */
void srl_test_stream_mask(char *text);

#endif
