/* Questions to all nodes, and the gathering of their answers. */
#ifndef SRL__SURVEY_H
#define SRL__SURVEY_H

#include "engine/alarm.h"
#include "engine/call.h"
#include "engine/cluster_note.h"

/* Nodes that are listed; signs of others are ignored. */
#define SRL__SURVEY_MAX_NODES 65536

/* What one node answered. */
typedef struct srl__survey_entry {
    char node[SRL_NODE_ID_LEN + 1];
    bool is_pending;
    int32_t error;
    char *text; /* a block that holds name and data; NULL: neither */
    size_t text_size;
    srl__slice name;
    srl__slice data;
} srl__survey_entry;

typedef struct srl__survey srl__survey;

struct srl__survey {
    srl__list link; /* in the relay's surveys; in none once it is over */
    srl_relay *relay;
    uint64_t id;
    srl__alarm deadline;
    srl__call counting;
    uint32_t holds; /* 1 until it is over, and 1 until the broker has said how many nodes there are */
    uint32_t alive; /* as it said; 0: not known */
    uint32_t final_count;
    uint32_t count;
    uint32_t capacity;
    srl__survey_entry *entries;
    size_t bytes; /* of data */
    /* Called once; the survey is freed afterwards. */
    void (*over)(srl__survey *survey, int error);
    union {
        srl_nodes_fn nodes;
        srl_survey_fn survey;
    } done;
    void *user;
};

/* How many nodes there are that gave no sign. */
static inline uint32_t srl__survey_missing(const srl__survey *survey, uint32_t heard)
{
    return survey->alive > heard ? survey->alive - heard : 0;
}

/* Ask; an empty op: who are you? What is given in `like` (over, done, user) is copied. Returns as srl_relay_survey();
 * it may be over by then. */
int srl__survey_begin(srl_relay *relay, const srl__survey *like, srl__slice op, srl__slice data, uint64_t timeout_ms);

/* An answer for this relay has come. */
void srl__survey_answered(srl_relay *relay, const srl__answer_note *note);

/* The relay ends. */
void srl__surveys_cancel(srl_relay *relay);

#endif
