/* Questions of one relay to all relays of its broker, and their answers, as notes.
 *
 * An answer is for one relay only; the others see at its beginning that it is not theirs. */
#ifndef SRL__CLUSTER_NOTE_H
#define SRL__CLUSTER_NOTE_H

#include <streamrelay/cluster.h>

#include "base/json.h"

/* What the data of a survey may be like. */
extern const srl__json_limits srl__survey_json_limits;

/* Views of the note's text. */
typedef struct srl__question_note {
    srl__slice asker; /* SRL_NODE_ID_LEN characters */
    uint64_t survey;
    srl__json_value op; /* a string; SRL__JSON_NONE: who are you? */
    srl__slice data;    /* JSON; empty: none */
} srl__question_note;

typedef struct srl__answer_note {
    srl__slice node; /* SRL_NODE_ID_LEN characters */
    uint64_t survey;
    srl__json_value name; /* a string */
    bool is_pending;      /* the answer comes later */
    int32_t error;
    srl__slice data; /* JSON; empty: none */
} srl__answer_note;

/* Give a question to the broker, from this relay. SRL_OK, SRL_ERR_UNAVAILABLE if the broker passes no notes,
 * SRL_ERR_NOMEM, or the broker's answer. An empty op: who are you? */
int srl__cluster_ask(srl_relay *relay, uint64_t survey, srl__slice op, srl__slice data);

/* Give an answer of this relay to the one that asked, directly if that is this one too. */
int srl__cluster_answer(srl_relay *relay, srl__slice asker, uint64_t survey, bool is_pending, int32_t error,
                        srl__slice data);

/* From the broker; false if the note is of another kind. */
bool srl__cluster_note_arrived(srl_relay *relay, srl__slice note);

/* The whole value, of a string with its quotes; empty if there is none. */
srl__slice srl__json_text_of(const srl__json_value *value);

#endif
