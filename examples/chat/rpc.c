#include "rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

int chat_name_is_valid(const char *name, size_t len)
{
    if (len == 0 || len >= CHAT_NAME_SIZE)
        return 0;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7F)
            return 0;
    }
    return 1;
}

void chat_call_answer(chat_call *call, const json_text *json)
{
    int error = 0;
    if (json && json->cut)
        error = SRL_ERR_TOO_LARGE;
    else if (json)
        error = srl_request_set_data(call->request, json->data, json->len);
    else
        error = srl_request_set_data(call->request, "{}", 2);
    if (error != 0)
        srl_request_reject(call->request, SRL_REPLY_INTERNAL, NULL, 0);
    else
        srl_request_accept(call->request);
    free(call);
}

void chat_call_refuse(chat_call *call, uint32_t code, const char *text)
{
    srl_request_reject(call->request, code, text, text ? strlen(text) : 0);
    free(call);
}

void chat_call_fail(chat_call *call, int error)
{
    switch (error) {
    case SRL_ERR_NOT_FOUND:
        chat_call_refuse(call, CHAT_NOT_FOUND, "there is no such group, or nobody of that name in it");
        break;
    case SRL_ERR_EXISTS:
        chat_call_refuse(call, CHAT_EXISTS, "is there already");
        break;
    case SRL_ERR_INVALID:
    case SRL_ERR_STATE:
        chat_call_refuse(call, SRL_REPLY_BAD_REQUEST, "channel: not the name of a group");
        break;
    default:
        chat_call_refuse(call, SRL_REPLY_INTERNAL, NULL);
        break;
    }
}

void chat_call_went_on(chat_call *call, int error)
{
    if (error != 0)
        chat_call_fail(call, error);
}

/* ---- arguments ---- */

/* What is wrong with an argument, or NULL. */
static const char *read_argument(const srl_request *request, const char *name, char *out, size_t size)
{
    size_t len;
    const char *json = srl_request_data(request, &len);
    int got = flat_json_get(json, len, name, out, size);
    if (got == FLAT_JSON_MISSING)
        return "missing";
    if (got == FLAT_JSON_MALFORMED)
        return "the arguments must be an object of strings";
    if (got == FLAT_JSON_TOO_LONG)
        return "too long";
    if (size == CHAT_NAME_SIZE && !chat_name_is_valid(out, (size_t)got))
        return "must have 1 to 64 bytes and no control characters";
    return got == 0 ? "empty" : NULL;
}

/* Read the wanted arguments; what is wrong goes to `why`. */
static int read_arguments(chat_call *call, char *why, size_t why_size)
{
    const struct {
        unsigned wanted;
        const char *name;
        char *out;
        size_t size;
    } all[] = {
        {CHAT_WANTS_CHANNEL, "channel", call->channel, sizeof call->channel},
        {CHAT_WANTS_USER, "user", call->user, sizeof call->user},
        {CHAT_WANTS_NAME, "name", call->name, sizeof call->name},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const char *fault = NULL;
        if (call->method->wants & all[i].wanted)
            fault = read_argument(call->request, all[i].name, all[i].out, all[i].size);
        if (fault) {
            snprintf(why, why_size, "%s: %s", all[i].name, fault);
            return -1;
        }
    }
    return 0;
}

/* ---- finding the method ---- */

static const chat_method *find(const chat_method *methods, size_t count, const srl_request *request)
{
    size_t len;
    const char *name = srl_request_method(request, &len);
    for (size_t i = 0; i < count; i++) {
        if (strlen(methods[i].name) == len && memcmp(methods[i].name, name, len) == 0)
            return &methods[i];
    }
    return NULL;
}

static void member_checked(int error, void *user)
{
    chat_call *call = user;
    if (error == 0)
        call->method->run(call);
    else if (error == SRL_ERR_NOT_FOUND)
        chat_call_refuse(call, SRL_REPLY_PERMISSION_DENIED, "you are not a member of this group");
    else
        chat_call_fail(call, error);
}

static void check_and_run(chat_call *call)
{
    char why[160];
    if (call->caller[0] == '\0')
        chat_call_refuse(call, SRL_REPLY_PERMISSION_DENIED, "guests can only read the news");
    else if ((call->method->wants & CHAT_FOR_MODERATORS) && !chat_is_moderator(call->caller))
        chat_call_refuse(call, SRL_REPLY_PERMISSION_DENIED, "only moderators may do that");
    else if (read_arguments(call, why, sizeof why) != 0)
        chat_call_refuse(call, SRL_REPLY_BAD_REQUEST, why);
    else if (call->method->wants & CHAT_FOR_MEMBERS)
        chat_call_went_on(call, srl_room_check_member(call->rooms->relay, call->channel, strlen(call->channel),
                                                      call->caller, strlen(call->caller), member_checked, call));
    else
        call->method->run(call);
}

void chat_rpc(const chat_rooms *rooms, const chat_method *methods, size_t count, srl_request *request)
{
    const chat_method *method = find(methods, count, request);
    size_t len;
    const char *caller = srl_request_user(request, &len);
    if (!method) {
        srl_request_reject(request, SRL_REPLY_METHOD_NOT_FOUND, NULL, 0);
        return;
    }
    chat_call *call = calloc(1, sizeof *call);
    if (!call || len >= sizeof call->caller) {
        free(call);
        srl_request_reject(request, SRL_REPLY_INTERNAL, NULL, 0);
        return;
    }
    call->rooms = rooms;
    call->method = method;
    call->request = request;
    memcpy(call->caller, caller, len);
    check_and_run(call);
}
