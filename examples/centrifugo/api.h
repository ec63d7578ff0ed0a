/*
 * api.h - the server's HTTP API, for the backend of the application: POST /api/METHOD with an object of parameters,
 * answered by {"result":{...}} or {"error":{"code":...,"message":"..."}}. docs/centrifugo.md lists the methods.
 */
#ifndef EXAMPLES_CENTRIFUGO_API_H
#define EXAMPLES_CENTRIFUGO_API_H

#include "app.h"

#define API_PATH "/api/"

/** Answer a request whose path is that and the name of a method. */
void api_serve(app *a, server_conn *conn, const server_request *request);

#endif
