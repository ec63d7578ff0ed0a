#include "engine/survey.h"

#include <streamrelay/error.h>

#include "base/utf8.h"
#include "engine/relay.h"

static void release(srl__survey *survey)
{
    const srl_allocator *alloc = &survey->relay->alloc;

    if (--survey->holds > 0) {
        return;
    }
    for (uint32_t i = 0; i < survey->count; i++) {
        srl__free(alloc, survey->entries[i].text, survey->entries[i].text_size);
    }
    srl__free(alloc, survey->entries, survey->capacity * sizeof(*survey->entries));
    srl__free(alloc, survey, sizeof(*survey));
}

/* Answers that come from now on find it no more. */
static void leave(srl__survey *survey)
{
    srl__list_remove(&survey->link);
    srl__alarm_cancel(survey->relay, &survey->deadline);
    survey->relay->survey_count--;
}

static void end(srl__survey *survey, int error)
{
    leave(survey);
    survey->over(survey, error);
    release(survey);
}

static bool is_over(const srl__survey *survey)
{
    return srl__list_is_empty(&survey->link);
}

static void end_if_complete(srl__survey *survey)
{
    if (!is_over(survey) && survey->alive > 0 && survey->final_count >= survey->alive) {
        end(survey, SRL_OK);
    }
}

static void survey_due(srl_relay *relay, srl__alarm *alarm)
{
    (void)relay;
    end(SRL__CONTAINER(alarm, srl__survey, deadline), SRL_OK);
}

static void counted(srl__call *call, const srl_broker_result *result)
{
    srl__survey *survey = SRL__CONTAINER(call, srl__survey, counting);

    if (result->error == SRL_OK) {
        survey->alive = result->total;
        end_if_complete(survey);
    }
    release(survey);
}

/* Without a number the survey lasts until its deadline. */
static void count_nodes(srl__survey *survey)
{
    srl_relay *relay = survey->relay;
    const srl_broker_ops *broker = srl__broker_ops_of(relay->broker);

    if (broker->nodes == NULL) {
        return;
    }
    survey->holds++;
    srl__call_begin(relay, &survey->counting, counted);
    if (broker->nodes(relay->link, &survey->counting.operation) != SRL_OK) {
        srl__call_abandon(&survey->counting);
        survey->holds--;
    }
}

static srl__survey *find(srl_relay *relay, uint64_t id)
{
    for (srl__list *at = relay->surveys.next; at != &relay->surveys; at = at->next) {
        srl__survey *survey = SRL__CONTAINER(at, srl__survey, link);

        if (survey->id == id) {
            return survey;
        }
    }
    return NULL;
}

static srl__survey *enlist(srl_relay *relay, const srl__survey *like, uint64_t timeout_ms)
{
    srl__survey *survey = srl__alloc_zeroed(&relay->alloc, sizeof(*survey));

    if (survey == NULL) {
        return NULL;
    }
    survey->relay = relay;
    survey->id = ++relay->last_survey;
    survey->over = like->over;
    survey->done = like->done;
    survey->user = like->user;
    survey->holds = 1;
    srl__list_append(&relay->surveys, &survey->link);
    relay->survey_count++;
    srl__alarm_init(&survey->deadline, survey_due);
    srl__alarm_set(relay, &survey->deadline, srl__relay_after(relay, timeout_ms));
    return survey;
}

int srl__survey_begin(srl_relay *relay, const srl__survey *like, srl__slice op, srl__slice data, uint64_t timeout_ms)
{
    srl__survey *survey = NULL;
    uint64_t id = 0;
    int error = SRL_OK;

    if (relay->destroyed) {
        return SRL_ERR_CLOSED;
    }
    if (relay->survey_count >= relay->settings.max_surveys) {
        return srl__relay_fail(relay, SRL_ERR_LIMIT, "max_surveys: so many are under way");
    }
    survey = enlist(relay, like, timeout_ms);
    if (survey == NULL) {
        return SRL_ERR_NOMEM;
    }
    id = survey->id;
    count_nodes(survey);
    error = srl__cluster_ask(relay, id, op, data);
    survey = error != SRL_OK ? find(relay, id) : NULL;
    if (survey != NULL) {
        leave(survey);
        release(survey);
    }
    return error;
}

/* The entry of a node, added if there is none; NULL when out of memory or room. */
static srl__survey_entry *entry_of(srl__survey *survey, srl__slice node)
{
    void *entries = survey->entries;

    for (uint32_t i = 0; i < survey->count; i++) {
        if (memcmp(survey->entries[i].node, node.data, SRL_NODE_ID_LEN) == 0) {
            return &survey->entries[i];
        }
    }
    if (survey->count == survey->capacity) {
        if (!srl__grow_array(&survey->relay->alloc, &entries, &survey->capacity, survey->count + 1,
                             SRL__SURVEY_MAX_NODES, sizeof(*survey->entries))) {
            return NULL;
        }
        survey->entries = entries;
    }
    srl__survey_entry *entry = &survey->entries[survey->count++];
    *entry = (srl__survey_entry){.is_pending = true, .error = SRL_ERR_TIMEOUT};
    memcpy(entry->node, node.data, SRL_NODE_ID_LEN);
    return entry;
}

/* Copy the texts of an answer; false when out of memory. */
static bool take_texts(srl__survey *survey, srl__survey_entry *entry, const srl__json_value *name, srl__slice data)
{
    const srl_allocator *alloc = &survey->relay->alloc;
    size_t size = name->raw.len + data.len + 1;
    char *text = srl__alloc(alloc, size);
    srl__slice meant;

    if (text == NULL) {
        return false;
    }
    meant = srl__json_to_string(name, text);
    if (meant.len > 0 && meant.data != text) {
        memcpy(text, meant.data, meant.len);
    }
    if (data.len > 0) {
        memcpy(text + name->raw.len, data.data, data.len);
    }
    srl__free(alloc, entry->text, entry->text_size);
    entry->text = text;
    entry->text_size = size;
    entry->name = srl__slice_of(text, meant.len);
    entry->data = srl__slice_of(text + name->raw.len, data.len);
    return true;
}

void srl__survey_answered(srl_relay *relay, const srl__answer_note *note)
{
    srl__survey *survey = find(relay, note->survey);
    srl__survey_entry *entry = survey != NULL ? entry_of(survey, note->node) : NULL;
    srl__json_value name = note->name;
    srl__slice data = note->data;
    int32_t error = note->error;

    if (entry == NULL || !entry->is_pending) {
        return; /* too late, or once more, or there is no memory for it */
    }
    if (name.raw.len > 6 * SRL__NODE_NAME_MAX) { /* not even if all of it is escaped */
        name = (srl__json_value){.type = SRL__JSON_NONE};
    }
    if (note->is_pending) {
        data = srl__slice_of("", 0);
    } else if (data.len > SRL_SURVEY_MAX_BYTES - survey->bytes) {
        data = srl__slice_of("", 0);
        error = SRL_ERR_TOO_LARGE;
    }
    if (!take_texts(survey, entry, &name, error == SRL_OK ? data : srl__slice_of("", 0))) {
        return;
    }
    if (note->is_pending) {
        return;
    }
    entry->is_pending = false;
    entry->error = error;
    survey->bytes += entry->data.len;
    survey->final_count++;
    end_if_complete(survey);
}

void srl__surveys_cancel(srl_relay *relay)
{
    while (!srl__list_is_empty(&relay->surveys)) {
        end(SRL__CONTAINER(relay->surveys.next, srl__survey, link), SRL_ERR_CANCELLED);
    }
}

static void fill(srl_survey_answer *out, const srl__survey_entry *entry)
{
    *out = (srl_survey_answer){
        .node = entry->node,
        .name = entry->name.len > 0 ? entry->name.data : "",
        .name_len = entry->name.len,
        .data = entry->data.len > 0 ? entry->data.data : "",
        .data_len = entry->data.len,
        .error = entry->error,
    };
}

static void survey_over(srl__survey *survey, int error)
{
    const srl_allocator *alloc = &survey->relay->alloc;
    size_t size = survey->count * sizeof(srl_survey_answer) + 1;
    srl_survey_answer *answers = error == SRL_OK ? srl__alloc(alloc, size) : NULL;
    srl_survey view = {
        .size = sizeof(view),
        .count = survey->count,
        .answers = answers,
        .alive = survey->alive,
        .missing = srl__survey_missing(survey, survey->count),
    };

    if (answers == NULL) {
        survey->done.survey(error != SRL_OK ? error : SRL_ERR_NOMEM, NULL, survey->user);
        return;
    }
    for (uint32_t i = 0; i < survey->count; i++) {
        fill(&answers[i], &survey->entries[i]);
    }
    survey->done.survey(SRL_OK, &view, survey->user);
    srl__free(alloc, answers, size);
}

static int check_question(srl_relay *relay, srl__slice op, srl__slice *data)
{
    srl__json_value value;
    srl__json_error problem;

    if (op.len == 0 || op.len > SRL_SURVEY_OP_MAX || !srl__utf8_valid(op.data, op.len)) {
        return srl__relay_fail(relay, SRL_ERR_INVALID, "op: not a valid word");
    }
    if (data->len > relay->settings.max_survey_bytes) {
        return srl__relay_fail(relay, SRL_ERR_TOO_LARGE, "data: larger than max_survey_bytes");
    }
    if (data->len == 0) {
        return SRL_OK;
    }
    if (!srl__json_validate(*data, &srl__survey_json_limits, &value, &problem)) {
        (void)srl__json_error_text(&problem, relay->error, sizeof(relay->error));
        return SRL_ERR_JSON;
    }
    *data = srl__json_text_of(&value);
    return SRL_OK;
}

int srl_relay_survey(srl_relay *relay, const char *op, size_t op_len, const char *data, size_t data_len,
                     uint64_t timeout_ms, srl_survey_fn done, void *user)
{
    srl__survey like = {.over = survey_over, .done = {.survey = done}, .user = user};
    srl__slice question = srl__slice_of(data, data_len);
    srl__slice word = srl__slice_of(op, op_len);
    int error = done == NULL ? SRL_ERR_INVALID : check_question(relay, word, &question);

    if (error != SRL_OK) {
        return error;
    }
    srl__relay_enter(relay);
    error = srl__survey_begin(relay, &like, word, question, timeout_ms);
    srl__relay_leave(relay);
    return error;
}
