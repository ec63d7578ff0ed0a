#include "engine/question.h"

#include <streamrelay/error.h>

#include "engine/relay.h"

enum { MAX_INFO = 4096 };

struct srl_question {
    srl_relay *relay;
    uint64_t survey;
    bool *answered; /* set while the hook runs, which may free this */
    char asker[SRL_NODE_ID_LEN];
    srl__slice op; /* behind this struct, like the data */
    srl__slice data;
    size_t size; /* of the block */
};

static srl_question *question_create(srl_relay *relay, const srl__question_note *note)
{
    size_t size = sizeof(srl_question) + note->op.raw.len + note->data.len + 2;
    srl_question *question = srl__alloc_zeroed(&relay->alloc, size);
    char *at = NULL;

    if (question == NULL) {
        return NULL;
    }
    at = (char *)(question + 1);
    question->relay = relay;
    question->survey = note->survey;
    question->size = size;
    memcpy(question->asker, note->asker.data, SRL_NODE_ID_LEN);
    question->op = srl__json_to_string(&note->op, at);
    if (question->op.data != at && question->op.len > 0) {
        memcpy(at, question->op.data, question->op.len);
    }
    at[question->op.len] = '\0';
    question->op.data = at;
    at += note->op.raw.len + 1;
    if (note->data.len > 0) {
        memcpy(at, note->data.data, note->data.len);
    }
    question->data = srl__slice_of(at, note->data.len);
    return question;
}

static void put_to_host(srl_relay *relay, const srl__question_note *note)
{
    srl_question *question = question_create(relay, note);
    bool answered = false;

    if (question == NULL) {
        (void)srl__cluster_answer(relay, note->asker, note->survey, false, SRL_ERR_NOMEM, srl__slice_of("", 0));
        return;
    }
    relay->handles++;
    relay->question_count++;
    question->answered = &answered;
    relay->hooks.survey(question, relay->hooks_user);
    if (!answered) {
        question->answered = NULL;
        if (!relay->destroyed) {
            (void)srl__cluster_answer(relay, note->asker, note->survey, true, SRL_OK, srl__slice_of("", 0));
        }
    }
}

static void tell_info(srl_relay *relay, const srl__question_note *note)
{
    srl__buf info;

    srl__buf_init(&info, &relay->alloc, MAX_INFO);
    srl__node_info_write(relay, &info);
    (void)srl__cluster_answer(relay, note->asker, note->survey, false, info.error,
                              srl__slice_of(info.data, info.error == SRL_OK ? info.len : 0));
    srl__buf_free(&info);
}

void srl__question_arrived(srl_relay *relay, const srl__question_note *note)
{
    srl__slice none = srl__slice_of("", 0);

    if (relay->destroyed) {
        return;
    }
    if (note->op.type == SRL__JSON_NONE) {
        tell_info(relay, note);
    } else if (relay->hooks.survey == NULL) {
        (void)srl__cluster_answer(relay, note->asker, note->survey, false, SRL_ERR_UNAVAILABLE, none);
    } else if (relay->question_count >= relay->settings.max_surveys) {
        (void)srl__cluster_answer(relay, note->asker, note->survey, false, SRL_ERR_LIMIT, none);
    } else {
        put_to_host(relay, note);
    }
}

const char *srl_question_op(const srl_question *question, size_t *len)
{
    *len = question->op.len;
    return question->op.data;
}

const char *srl_question_data(const srl_question *question, size_t *len)
{
    *len = question->data.len;
    return question->data.data;
}

srl_relay *srl_question_relay(const srl_question *question)
{
    return question->relay->destroyed ? NULL : question->relay;
}

/* Send the answer, or else what is wrong with it, and free the question. */
static int conclude(srl_question *question, int error, srl__slice data)
{
    srl_relay *relay = question->relay;
    int outcome = SRL_ERR_CANCELLED;

    srl__relay_enter(relay);
    if (question->answered != NULL) {
        *question->answered = true;
    }
    relay->question_count--;
    if (!relay->destroyed) {
        outcome = srl__cluster_answer(relay, srl__slice_of(question->asker, SRL_NODE_ID_LEN), question->survey, false,
                                      error, data);
    }
    srl__free(&relay->alloc, question, question->size);
    srl__relay_drop_handle(relay);
    srl__relay_leave(relay);
    return outcome;
}

int srl_question_answer(srl_question *question, const char *json, size_t json_len)
{
    srl__json_value value;
    srl__json_error problem;
    int fault = SRL_OK;
    int outcome = SRL_OK;

    if (json_len > question->relay->settings.max_survey_bytes) {
        fault = SRL_ERR_TOO_LARGE;
    } else if (!srl__json_validate(srl__slice_of(json, json_len), &srl__survey_json_limits, &value, &problem)) {
        fault = SRL_ERR_JSON;
    }
    outcome = conclude(question, fault, fault == SRL_OK ? srl__json_text_of(&value) : srl__slice_of("", 0));
    return outcome == SRL_OK ? fault : outcome;
}

int srl_question_refuse(srl_question *question, int error)
{
    return conclude(question, error < 0 ? error : SRL_ERR_INVALID, srl__slice_of("", 0));
}
