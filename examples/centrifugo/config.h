/*
 * config.h - what the server is told: a file in the shape of Centrifugo's own configuration, and its command line.
 *
 * Of the file's sections "client", "channel" and "http_api" are read. In these, a name that means nothing here is an
 * error that says which; other sections are left out with a warning. What concerns channels themselves becomes options
 * of the relay; who may do what in them stays here, as rules for the hooks (hooks.h).
 */
#ifndef EXAMPLES_CENTRIFUGO_CONFIG_H
#define EXAMPLES_CENTRIFUGO_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include <streamrelay/streamrelay.h>

#define CONFIG_MAX_ORIGINS 32
#define CONFIG_MAX_SPACES  256
#define CONFIG_TEXT_SIZE   512

/* Who may do what in the channels of a namespace. */
typedef struct channel_rules {
    bool subscribe_for_client;
    bool subscribe_for_anonymous;
    bool publish_for_client;
    bool publish_for_subscriber;
    bool publish_for_anonymous;
    bool presence_for_client;
    bool presence_for_subscriber;
    bool presence_for_anonymous;
    bool history_for_client;
    bool history_for_subscriber;
    bool history_for_anonymous;
    bool user_limited;
    bool objects_only;        /* publications are JSON objects */
    bool positioning_for_all; /* who asks for positions gets them */
    bool recovery_for_all;
    bool presence; /* is kept */
    bool history;  /* is kept */
} channel_rules;

/* A namespace. */
typedef struct channel_space {
    char name[64];
    channel_rules rules;
    srl_options *options; /* NULL: those of the relay */
} channel_space;

/* How tokens are checked; an empty secret: there are none. */
typedef struct token_rules {
    char secret[CONFIG_TEXT_SIZE];
    char audience[CONFIG_TEXT_SIZE];
    char issuer[CONFIG_TEXT_SIZE];
} token_rules;

typedef struct config {
    bool insecure;         /* nobody is asked for tokens or permissions */
    bool anonymous;        /* clients without a token may connect */
    bool personal_channel; /* users are subscribed to a channel of their own */
    char personal_space[64];
    bool separate_subscription_token;
    token_rules token;
    token_rules subscription_token;
    char api_key[CONFIG_TEXT_SIZE]; /* empty: the HTTP API is off */
    char *origins[CONFIG_MAX_ORIGINS];
    size_t origin_count;
    srl_options *relay;                      /* its channel part is for channels without a namespace */
    channel_space spaces[CONFIG_MAX_SPACES]; /* the first is for channels without a namespace */
    size_t space_count;
} config;

/** Fill in the defaults. 0, or -1 when out of memory. */
int config_init(config *c);

void config_free(config *c);

/** Read a file. 0, or -1 after saying on stderr what is wrong. */
int config_read(config *c, const char *path);

/** Let pages from this origin connect too. 0 or -1. */
int config_add_origin(config *c, const char *origin, size_t len);

/** Once all is known: what follows from several settings together. 0 or -1, said on stderr. */
int config_finish(config *c);

/** Give the relay its namespaces. 0 or an error code. */
int config_apply(const config *c, srl_relay *relay);

/** The namespace of a channel, or NULL if there is none of that name. */
const channel_space *config_space(const config *c, const char *channel, size_t len);

#endif
