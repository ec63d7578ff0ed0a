/* Commands over a link: each reply to the command it answers, whatever happens to the connection. */
#ifndef SRL__REDIS_CLIENT_H
#define SRL__REDIS_CLIENT_H

#include "redis/link.h"
#include "redis/slots.h"

struct srl_redis_client {
    srl__redis_link link;      /* first */
    srl__redis_slots inflight; /* in the link's output or sent */
    srl__redis_slots waiting;  /* for the link to be ready; empty while it is */
    srl__list delayed;         /* to be sent again after a while */
    uint32_t delayed_count;
    uint64_t waiting_bytes;
    uint64_t next_id;
    uint32_t moves; /* changes whenever slots move other than at the ends */
    srl__redis_timer deadline;
    uint64_t deadline_ms; /* what it is armed for */
    const srl_redis_script *loading;
    srl_redis_state_fn state;
    void *user;
    uint64_t commands, late, retries, unknown;
};

/* What a caller wants of a command. */
typedef struct srl__redis_request {
    uint32_t flags;
    uint64_t timeout_ms;
    srl_redis_reply_fn function;
    void *user;
    const srl_redis_script *script;
    uint8_t marks;
    uint32_t replies;
} srl__redis_request;

int srl__redis_client_create(srl_redis_loop *loop, srl__redis_config *config, srl_redis_state_fn state, void *user,
                             srl_redis_client **out);

/* Exactly one of argv, command and raw is given; raw's reference goes over with success. */
int srl__redis_client_submit_argv(srl_redis_client *client, const srl__redis_request *request, size_t argc,
                                  const char *const *argv, const size_t *lens, uint64_t *id);
int srl__redis_client_submit_command(srl_redis_client *client, const srl__redis_request *request, srl_command *command,
                                     uint64_t *id);
int srl__redis_client_submit_raw(srl_redis_client *client, const srl__redis_request *request, srl__redis_blob *raw,
                                 uint64_t *id);

/* Tell all that wait for a connection that there is none. */
void srl__redis_client_fail_waiting(srl_redis_client *client, int error);

/* Commands that cannot be sent over a shared connection, or over any. */
enum { SRL__COMMAND_PLAIN, SRL__COMMAND_STATEFUL, SRL__COMMAND_REFUSED };
/* `word` in capitals; the case of `text` does not matter. */
bool srl__redis_word_is(srl__slice text, const char *word);
int srl__redis_command_kind(srl__slice name, srl__slice second);
/* The name of a command, and its second argument where that matters for its kind; else empty. */
srl__slice srl__redis_command_words(const srl_command *command, srl__slice *second);

/* Scripts (script.c). */
struct srl_redis_script {
    srl_allocator alloc;
    char *code;
    size_t code_len;
    bool is_library;
    char sha[41];
};
/* EVALSHA or FCALL. */
int srl__redis_script_command(const srl_redis_script *script, const char *function, uint32_t num_keys, size_t argc,
                              const char *const *argv, const size_t *lens, const srl_allocator *alloc,
                              srl_command **out);
/* EVAL with the arguments of an EVALSHA; FUNCTION LOAD REPLACE. */
int srl__redis_script_eval(const srl_redis_script *script, const srl_command *evalsha, srl_command **out);
int srl__redis_script_load(const srl_redis_script *script, const srl_allocator *alloc, srl_command **out);

/* MULTI, its commands and EXEC in one piece (script.c). */
int srl__redis_multi_raw(const srl_redis_multi *multi, const srl_allocator *alloc, srl__redis_blob **out,
                         uint32_t *replies);

#endif
