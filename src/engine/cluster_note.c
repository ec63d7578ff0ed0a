#include "engine/cluster_note.h"

#include <streamrelay/error.h>

#include "engine/question.h"
#include "engine/relay.h"
#include "engine/survey.h"

/* A note is data of at most 1 MiB and what surrounds it. */
#define MAX_NOTE ((size_t)2 * 1024 * 1024)

enum { DATA_DEPTH = 64, NUMBER_LEN = 64 };

const srl__json_limits srl__survey_json_limits = {
    .max_len = (size_t)1024 * 1024, .max_depth = DATA_DEPTH, .max_number = NUMBER_LEN};

static const srl__json_limits note_limits = {
    .max_len = MAX_NOTE, .max_depth = DATA_DEPTH + 1, .max_number = NUMBER_LEN};

#define QUESTION_BEGIN "{\"ask\":\""
#define ANSWER_BEGIN   "{\"to\":\""

enum { Q_ASK, Q_SURVEY, Q_OP, Q_DATA, Q_COUNT };

static const srl__json_field question_fields[] = {
    SRL__JSON_FIELD("ask", SRL__JSON_STRING, Q_ASK, NULL),
    SRL__JSON_FIELD("survey", SRL__JSON_NUMBER, Q_SURVEY, NULL),
    SRL__JSON_FIELD("op", SRL__JSON_STRING, Q_OP, NULL),
    SRL__JSON_FIELD("data", SRL__JSON_ANY, Q_DATA, NULL),
};
static const srl__json_spec question_spec = SRL__JSON_SPEC(question_fields, Q_COUNT);

enum { A_SURVEY, A_NODE, A_NAME, A_PENDING, A_ERROR, A_DATA, A_COUNT };

static const srl__json_field answer_fields[] = {
    SRL__JSON_FIELD("survey", SRL__JSON_NUMBER, A_SURVEY, NULL),
    SRL__JSON_FIELD("node", SRL__JSON_STRING, A_NODE, NULL),
    SRL__JSON_FIELD("name", SRL__JSON_STRING, A_NAME, NULL),
    SRL__JSON_FIELD("pending", SRL__JSON_BOOL, A_PENDING, NULL),
    SRL__JSON_FIELD("error", SRL__JSON_NUMBER, A_ERROR, NULL),
    SRL__JSON_FIELD("data", SRL__JSON_ANY, A_DATA, NULL),
};
static const srl__json_spec answer_spec = SRL__JSON_SPEC(answer_fields, A_COUNT);

srl__slice srl__json_text_of(const srl__json_value *value)
{
    if (value->type == SRL__JSON_NONE) {
        return srl__slice_of("", 0);
    }
    return value->type == SRL__JSON_STRING ? srl__slice_of(value->raw.data - 1, value->raw.len + 2) : value->raw;
}

static srl__slice own_id(const srl_relay *relay)
{
    return srl__slice_of(relay->node_id, SRL_NODE_ID_LEN);
}

static void put_text(srl__json_writer *w, srl__slice name, srl__slice text)
{
    srl__json_put_name(w, name);
    srl__json_put_string(w, text);
}

static void put_number(srl__json_writer *w, srl__slice name, uint64_t n)
{
    srl__json_put_name(w, name);
    srl__json_put_u64(w, n);
}

static void put_data(srl__json_writer *w, srl__slice data)
{
    if (data.len > 0) {
        srl__json_put_name(w, SRL__LIT("data"));
        srl__json_put_raw(w, data);
    }
}

int srl__cluster_ask(srl_relay *relay, uint64_t survey, srl__slice op, srl__slice data)
{
    const srl_broker_ops *broker = srl__broker_ops_of(relay->broker);
    srl__buf out;
    srl__json_writer w = srl__json_writer_on(&out);
    int error = SRL_OK;

    if (broker->control == NULL) {
        return SRL_ERR_UNAVAILABLE;
    }
    srl__buf_init(&out, &relay->alloc, MAX_NOTE);
    srl__json_put_open(&w, '{');
    put_text(&w, SRL__LIT("ask"), own_id(relay));
    put_number(&w, SRL__LIT("survey"), survey);
    if (op.len > 0) {
        put_text(&w, SRL__LIT("op"), op);
    }
    put_data(&w, data);
    srl__json_put_close(&w, '}');
    error = out.error != SRL_OK ? out.error : broker->control(relay->link, out.data, out.len);
    srl__buf_free(&out);
    return error;
}

static int send_answer(srl_relay *relay, srl__slice asker, srl__slice note)
{
    const srl_broker_ops *broker = srl__broker_ops_of(relay->broker);

    if (srl__slice_equal(asker, own_id(relay))) {
        (void)srl__cluster_note_arrived(relay, note);
        return SRL_OK;
    }
    return broker->control != NULL ? broker->control(relay->link, note.data, note.len) : SRL_ERR_UNAVAILABLE;
}

int srl__cluster_answer(srl_relay *relay, srl__slice asker, uint64_t survey, bool is_pending, int32_t error,
                        srl__slice data)
{
    srl__buf out;
    srl__json_writer w = srl__json_writer_on(&out);
    int outcome = SRL_OK;

    srl__buf_init(&out, &relay->alloc, MAX_NOTE);
    srl__json_put_open(&w, '{');
    put_text(&w, SRL__LIT("to"), asker);
    put_number(&w, SRL__LIT("survey"), survey);
    put_text(&w, SRL__LIT("node"), own_id(relay));
    put_text(&w, SRL__LIT("name"), srl__slice_of(relay->settings.node_name, strlen(relay->settings.node_name)));
    if (is_pending) {
        srl__json_put_name(&w, SRL__LIT("pending"));
        srl__json_put_bool(&w, true);
    }
    if (error != SRL_OK) {
        put_number(&w, SRL__LIT("error"), (uint64_t)(-(int64_t)error));
    }
    put_data(&w, data);
    srl__json_put_close(&w, '}');
    outcome = out.error != SRL_OK ? out.error : send_answer(relay, asker, srl__slice_of(out.data, out.len));
    srl__buf_free(&out);
    return outcome;
}

static bool is_id(const srl__json_value *value)
{
    return value->raw.len == SRL_NODE_ID_LEN && (value->flags & SRL__JSON_ESCAPES) == 0;
}

static void question_arrived(srl_relay *relay, srl__slice text)
{
    srl__json_value v[Q_COUNT];
    srl__json_error problem;
    srl__question_note note;

    if (!srl__json_read(text, &question_spec, &note_limits, v, &problem) || !is_id(&v[Q_ASK]) ||
        !srl__json_to_u64(&v[Q_SURVEY], &note.survey)) {
        return; /* of another version */
    }
    note.asker = v[Q_ASK].raw;
    note.op = v[Q_OP];
    note.data = srl__json_text_of(&v[Q_DATA]);
    srl__question_arrived(relay, &note);
}

static void answer_arrived(srl_relay *relay, srl__slice text)
{
    srl__json_value v[A_COUNT];
    srl__json_error problem;
    srl__answer_note note = {.is_pending = false};
    uint64_t code = 0;

    if (!srl__json_read(text, &answer_spec, &note_limits, v, &problem) || !is_id(&v[A_NODE]) ||
        !srl__json_to_u64(&v[A_SURVEY], &note.survey)) {
        return;
    }
    note.node = v[A_NODE].raw;
    note.name = v[A_NAME];
    (void)srl__json_to_bool(&v[A_PENDING], &note.is_pending);
    if (srl__json_to_u64(&v[A_ERROR], &code)) {
        note.error = code <= INT32_MAX ? -(int32_t)code : INT32_MIN;
    }
    note.data = srl__json_text_of(&v[A_DATA]);
    srl__survey_answered(relay, &note);
}

bool srl__cluster_note_arrived(srl_relay *relay, srl__slice note)
{
    size_t begin = sizeof(ANSWER_BEGIN) - 1;

    if (srl__slice_starts_with(note, SRL__LIT(ANSWER_BEGIN))) {
        note.data += begin;
        note.len -= begin;
        if (srl__slice_starts_with(note, own_id(relay))) {
            answer_arrived(relay, srl__slice_of(note.data - begin, note.len + begin));
        }
        return true;
    }
    if (srl__slice_starts_with(note, SRL__LIT(QUESTION_BEGIN))) {
        question_arrived(relay, note);
        return true;
    }
    return false;
}
