/* The chat's command line. */
#ifndef EXAMPLES_CHAT_ARGS_H
#define EXAMPLES_CHAT_ARGS_H

#include <stddef.h>

#define CHAT_ARGS_MAX 16

typedef struct chat_args {
    const char *host;
    const char *port;
    const char *redis; /* URL; NULL: everything is kept in this process */
    const char *sdk;   /* a file; NULL: none */
    const char *origins[CHAT_ARGS_MAX];
    size_t origin_count;
    char *settings[CHAT_ARGS_MAX]; /* "name=value", each split into two strings */
    size_t setting_count;
} chat_args;

/** -1: go on; otherwise the exit code. */
int chat_args_parse(chat_args *args, int argc, char **argv);

#endif
