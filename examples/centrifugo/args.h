/* The command line. */
#ifndef EXAMPLES_CENTRIFUGO_ARGS_H
#define EXAMPLES_CENTRIFUGO_ARGS_H

#include "config.h"

typedef struct args {
    const char *host;
    const char *port;
} args;

/** Read the command line, and the files that it names, into args and config. -1: go on; otherwise the exit code. */
int args_parse(args *a, config *c, int argc, char **argv);

#endif
