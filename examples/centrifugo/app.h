/* What the parts of the server share. */
#ifndef EXAMPLES_CENTRIFUGO_APP_H
#define EXAMPLES_CENTRIFUGO_APP_H

#include <streamrelay/streamrelay.h>

#include "config.h"
#include "endpoint.h"
#include "server.h"
#include "tokens.h"

typedef struct app {
    config config;
    tokens tokens;
    srl_relay *relay;
    http_server *server;
    bool ending;
} app;

#endif
