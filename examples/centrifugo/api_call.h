/*
 * api_call.h - one call of a method of the API: of a request of its own, or within a batch or broadcast.
 *
 * A method's function ends its call with api_finish() or api_fail(), now or when the broker has answered.
 */
#ifndef EXAMPLES_CENTRIFUGO_API_CALL_H
#define EXAMPLES_CENTRIFUGO_API_CALL_H

#include "app.h"
#include "json_text.h"
#include "json_tree.h"

#define API_MAX_ANSWER 16777216u /* bytes */
#define API_NO_ERROR   0u

typedef struct api_call api_call;

/* A parameter and what it must be. JSON_NULL: anything. */
typedef struct api_parameter {
    const char *name;
    json_type type;
} api_parameter;

#define API_MAX_PARAMETERS 12

typedef struct api_method {
    const char *name;
    void (*run)(api_call *call);
    api_parameter parameters[API_MAX_PARAMETERS]; /* others are not looked at */
} api_method;

struct api_call {
    endpoint base;     /* of the call that a request made */
    server_conn *conn; /* of the same; NULL once the client has gone */
    char *body;        /* of the same, like the next: what `params` points into */
    json_tree *tree;
    app *a;
    const api_method *method;
    const json_node *params;
    const json_node *channel; /* of a part of a broadcast, instead of the parameter */
    json_text out;            /* the result: an object, or nothing for {} */
    uint32_t error;           /* a reply code of codes.h, or API_NO_ERROR */
    api_call *parent;
    api_call *parts; /* of a batch or broadcast */
    api_call *last_part;
    api_call *next;
    size_t parts_left;
};

/** Find a method by its name, or NULL. */
const api_method *api_find(const char *name, size_t len);

/** End a call. The call is gone after these. */
void api_finish(api_call *call);
void api_fail(api_call *call, uint32_t code);

/** End a call with a code of error.h; 0: as api_finish(). */
void api_end(api_call *call, int error);

/** For a library call that was to answer later: if it returned an error, the call ends here. */
void api_went_on(api_call *call, int error);

/**
 * Make a call that is part of another one. Make all parts first, then run them by api_run_parts().
 * @return NULL when out of memory
 */
api_call *api_add_part(api_call *whole, const api_method *method, const json_node *params);

/** Run the parts; `whole` ends when the last of them has. */
void api_run_parts(api_call *whole);

/* ---- parameters ---- */

/** A string parameter; "" if it is not there. */
const char *api_text(const api_call *call, const char *name, size_t *len);

/** A number parameter; 0 if it is not there or not whole. */
uint64_t api_number(const api_call *call, const char *name);

/** Parameter "channel" and its namespace; if there is none, the call has failed and NULL is returned. */
const channel_space *api_channel(api_call *call, srl_text *channel);

/* ---- methods ---- */

void api_publish(api_call *call);
void api_broadcast(api_call *call);
void api_presence(api_call *call);
void api_presence_stats(api_call *call);
void api_history(api_call *call);
void api_history_remove(api_call *call);

void api_subscribe(api_call *call);
void api_unsubscribe(api_call *call);
void api_disconnect(api_call *call);
void api_refresh(api_call *call);

void api_info(api_call *call);
void api_channels(api_call *call);

void api_rpc(api_call *call);
void api_batch(api_call *call);

extern const api_method api_publish_method;

#endif
