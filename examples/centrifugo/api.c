#include "api.h"

#include <stdlib.h>
#include <string.h>

#include "api_call.h"

#define JSON_TYPE "application/json"

/* ---- the methods ---- */

#define CHANNEL                                                                                                        \
    {                                                                                                                  \
        "channel", JSON_STRING                                                                                         \
    }
#define USER                                                                                                           \
    {                                                                                                                  \
        "user", JSON_STRING                                                                                            \
    }
#define CLIENT                                                                                                         \
    {                                                                                                                  \
        "client", JSON_STRING                                                                                          \
    }
#define SESSION                                                                                                        \
    {                                                                                                                  \
        "session", JSON_STRING                                                                                         \
    }

#define PUBLICATION                                                                                                    \
    {"data", JSON_NULL}, {"tags", JSON_OBJECT}, {"skip_history", JSON_BOOL}, {"idempotency_key", JSON_STRING},         \
        {"delta", JSON_BOOL}, {"version", JSON_NUMBER},                                                                \
    {                                                                                                                  \
        "b64data", JSON_STRING                                                                                         \
    }

const api_method api_publish_method = {"publish", api_publish, {CHANNEL, PUBLICATION}};

static const api_method methods[] = {
    {"broadcast", api_broadcast, {{"channels", JSON_ARRAY}, PUBLICATION}},
    {"presence", api_presence, {CHANNEL}},
    {"presence_stats", api_presence_stats, {CHANNEL}},
    {"history", api_history, {CHANNEL, {"limit", JSON_NUMBER}, {"since", JSON_OBJECT}, {"reverse", JSON_BOOL}}},
    {"history_remove", api_history_remove, {CHANNEL}},
    {"channels", api_channels, {{"pattern", JSON_STRING}}},
    {"subscribe",
     api_subscribe,
     {CHANNEL, USER, CLIENT, SESSION, {"expire_at", JSON_NUMBER}, {"recover_since", JSON_OBJECT}}},
    {"unsubscribe", api_unsubscribe, {CHANNEL, USER, CLIENT, SESSION, {"code", JSON_NUMBER}}},
    {"disconnect",
     api_disconnect,
     {USER,
      CLIENT,
      SESSION,
      {"whitelist", JSON_ARRAY},
      {"disconnect", JSON_OBJECT},
      {"code", JSON_NUMBER},
      {"reason", JSON_STRING}}},
    {"refresh", api_refresh, {USER, CLIENT, SESSION, {"expired", JSON_BOOL}, {"expire_at", JSON_NUMBER}}},
    {"info", api_info, {{NULL, JSON_NULL}}},
    {"rpc", api_rpc, {{"method", JSON_STRING}}},
    {"batch", api_batch, {{"commands", JSON_ARRAY}, {"parallel", JSON_BOOL}}},
};

static bool is_named(const api_method *method, const char *name, size_t len)
{
    return strlen(method->name) == len && memcmp(method->name, name, len) == 0;
}

const api_method *api_find(const char *name, size_t len)
{
    if (is_named(&api_publish_method, name, len))
        return &api_publish_method;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (is_named(&methods[i], name, len))
            return &methods[i];
    }
    return NULL;
}

static bool parameters_fit(const api_method *method, const json_node *params)
{
    if (!json_is(params, JSON_OBJECT))
        return false;
    for (size_t i = 0; i < API_MAX_PARAMETERS && method->parameters[i].name; i++) {
        const api_parameter *p = &method->parameters[i];
        const json_node *node = json_member(params, p->name);
        if (node && p->type != JSON_NULL && node->type != p->type)
            return false;
    }
    return true;
}

/* ---- the end of a call ---- */

static void add_error(json_text *text, uint32_t code)
{
    json_text_add(text, "\"error\":{\"code\":");
    json_text_add_number(text, code);
    json_text_add(text, ",\"message\":\"");
    json_text_add(text, srl_reply_code_text(code));
    json_text_add(text, "\"}");
}

/* {"result":{}}, where a batch has the method's name for "result". */
static void add_answer(json_text *text, const api_call *call, const char *name)
{
    json_text_add(text, "{");
    if (call->error != API_NO_ERROR) {
        add_error(text, call->error);
    } else {
        json_text_add_string(text, name, strlen(name));
        json_text_add(text, ":");
        json_text_add_n(text, call->out.len > 0 ? call->out.data : "{}", call->out.len > 0 ? call->out.len : 2);
    }
    json_text_add(text, "}");
}

static void free_call(api_call *call)
{
    while (call->parts) {
        api_call *part = call->parts;
        call->parts = part->next;
        free_call(part);
    }
    json_text_free(&call->out);
    json_tree_free(call->tree);
    free(call->body);
    free(call);
}

static void respond(api_call *call)
{
    json_text text = {.max = API_MAX_ANSWER};
    server_response response = {.status = 200, .type = JSON_TYPE};
    bool is_batch = call->method->run == api_batch && call->error == API_NO_ERROR;
    if (is_batch)
        json_text_add_n(&text, call->out.data, call->out.len);
    else
        add_answer(&text, call, "result");
    response.data = (const uint8_t *)text.data;
    response.len = text.len;
    if (text.cut)
        server_conn_respond_text(call->conn, 500, "the answer is too long", NULL);
    else
        server_conn_respond(call->conn, &response);
    json_text_free(&text);
}

/* All parts have ended: their answers are the whole's result. */
static void finish_whole(api_call *whole)
{
    bool is_batch = whole->method->run == api_batch;
    json_text_add(&whole->out, is_batch ? "{\"replies\":[" : "{\"responses\":[");
    for (const api_call *part = whole->parts; part; part = part->next) {
        add_answer(&whole->out, part, is_batch ? part->method->name : "result");
        if (part->next)
            json_text_add(&whole->out, ",");
    }
    json_text_add(&whole->out, "]}");
    api_finish(whole);
}

void api_finish(api_call *call)
{
    api_call *whole = call->parent;
    if (call->out.cut && call->error == API_NO_ERROR)
        call->error = SRL_REPLY_INTERNAL;
    if (whole) {
        if (--whole->parts_left == 0)
            finish_whole(whole);
        return; /* it is freed with the whole */
    }
    if (call->conn)
        respond(call);
    free_call(call);
}

void api_fail(api_call *call, uint32_t code)
{
    call->error = code;
    api_finish(call);
}

static uint32_t code_of(int error)
{
    switch (error) {
    case SRL_ERR_INVALID:
    case SRL_ERR_JSON:
    case SRL_ERR_TOO_LARGE:
    case SRL_ERR_UTF8:
        return SRL_REPLY_BAD_REQUEST;
    case SRL_ERR_UNAVAILABLE:
        return SRL_REPLY_NOT_AVAILABLE;
    case SRL_ERR_UNRECOVERABLE:
        return SRL_REPLY_UNRECOVERABLE;
    default:
        return SRL_REPLY_INTERNAL;
    }
}

void api_end(api_call *call, int error)
{
    if (error == 0)
        api_finish(call);
    else
        api_fail(call, code_of(error));
}

void api_went_on(api_call *call, int error)
{
    if (error != 0)
        api_fail(call, code_of(error));
}

/* ---- parts ---- */

api_call *api_add_part(api_call *whole, const api_method *method, const json_node *params)
{
    api_call *part = calloc(1, sizeof *part);
    if (!part)
        return NULL;
    if (whole->last_part)
        whole->last_part->next = part;
    else
        whole->parts = part;
    whole->last_part = part;
    part->a = whole->a;
    part->method = method;
    part->params = params;
    part->out.max = API_MAX_ANSWER;
    part->parent = whole;
    return part;
}

static void run(api_call *call)
{
    if (call->error != API_NO_ERROR)
        api_finish(call);
    else if (!parameters_fit(call->method, call->params))
        api_fail(call, SRL_REPLY_BAD_REQUEST);
    else
        call->method->run(call);
}

void api_run_parts(api_call *whole)
{
    api_call *part = whole->parts;
    for (const api_call *p = part; p; p = p->next)
        whole->parts_left++;
    if (whole->parts_left == 0)
        finish_whole(whole);
    while (part) {
        api_call *next = part->next; /* with the last part the whole may go */
        run(part);
        part = next;
    }
}

/* ---- parameters ---- */

const char *api_text(const api_call *call, const char *name, size_t *len)
{
    return json_string(json_member(call->params, name), len);
}

uint64_t api_number(const api_call *call, const char *name)
{
    uint64_t value = 0;
    return json_number(json_member(call->params, name), &value) ? value : 0;
}

const channel_space *api_channel(api_call *call, srl_text *channel)
{
    const json_node *node = call->channel ? call->channel : json_member(call->params, "channel");
    channel->data = json_string(node, &channel->len);
    const channel_space *space = config_space(&call->a->config, channel->data, channel->len);
    if (channel->len > 0 && space)
        return space;
    api_fail(call, channel->len == 0 ? SRL_REPLY_BAD_REQUEST : SRL_REPLY_UNKNOWN_CHANNEL);
    return NULL;
}

/* ---- the request ---- */

/* Takes as long for any key of the right length. */
static bool same_secret(const char *given, size_t len, const char *secret)
{
    unsigned char differs = 0;
    if (len == 0 || len != strlen(secret))
        return false;
    for (size_t i = 0; i < len; i++)
        differs |= (unsigned char)(given[i] ^ secret[i]);
    return differs == 0;
}

static bool is_authorized(const config *c, const http_request *request)
{
    static const char scheme[] = "apikey ";
    const size_t scheme_len = sizeof scheme - 1;
    const ws_header *key = http_header(request, "x-api-key");
    const ws_header *authorization = http_header(request, "authorization");
    if (key)
        return same_secret(key->value, key->value_len, c->api_key);
    if (!authorization || authorization->value_len <= scheme_len ||
        !http_equals(authorization->value, scheme_len, scheme))
        return false;
    return same_secret(authorization->value + scheme_len, authorization->value_len - scheme_len, c->api_key);
}

static void client_gone(endpoint *e)
{
    ((api_call *)(void *)e)->conn = NULL;
}

static const endpoint_type call_type = {.closed = client_gone};

/* A call that holds its parameters, which may be left out altogether; NULL if they are malformed or memory is short. */
static api_call *make_call(const api_method *method, const server_request *request)
{
    const char *json = request->body_len > 0 ? (const char *)request->body : "{}";
    size_t len = request->body_len > 0 ? request->body_len : 2;
    api_call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->base.type = &call_type;
    call->method = method;
    call->out.max = API_MAX_ANSWER;
    call->body = malloc(len);
    if (call->body) {
        memcpy(call->body, json, len);
        call->tree = json_tree_read(call->body, len, NULL);
    }
    if (call->tree)
        call->params = json_tree_root(call->tree);
    if (call->params && parameters_fit(method, call->params))
        return call;
    free_call(call);
    return NULL;
}

void api_serve(app *a, server_conn *conn, const server_request *request)
{
    static const size_t prefix_len = sizeof API_PATH - 1;
    const http_request *head = request->head;
    const api_method *method = api_find(head->path + prefix_len, head->path_len - prefix_len);
    api_call *call;
    if (!is_authorized(&a->config, head)) {
        server_conn_respond_text(conn, 401, "the API key is missing or wrong", NULL);
    } else if (!method) {
        server_conn_respond_text(conn, 404, "there is no such method", NULL);
    } else if (!http_method_is(head, "POST")) {
        server_conn_respond_text(conn, 405, "methods are called by POST", "Allow: POST\r\n");
    } else if ((call = make_call(method, request)) == NULL) {
        server_conn_respond_text(conn, 400, "the parameters are no object, or one of them is not what it must be",
                                 NULL);
    } else {
        call->a = a;
        call->conn = conn;
        server_conn_set_data(conn, call);
        method->run(call);
    }
}
