/*
 * cluster.h - the relays that share a broker: which there are, and questions to all of them.
 *
 * Every relay is a node, with a random id and, if the option "node_name" says so, a name. A relay can ask for the list
 * of all nodes, and it can make a survey: put a question to all nodes, itself included, and gather their answers until
 * all have come or the time is up. What is asked and answered is the host's affair: a survey has an "op", a word, and
 * JSON; on each node the survey hook (request.h) is called and answers with JSON.
 *
 * To do something with a user's sessions on all nodes, see users.h.
 */
#ifndef STREAMRELAY_CLUSTER_H
#define STREAMRELAY_CLUSTER_H

#include <streamrelay/api.h>
#include <streamrelay/events.h>

SRL_BEGIN_DECLS

/** Length of a node's id. */
#define SRL_NODE_ID_LEN 36

/** The random id of this relay: SRL_NODE_ID_LEN characters and a terminating zero are written to `out`. */
SRL_API void srl_relay_node_id(const srl_relay *relay, char out[SRL_NODE_ID_LEN + 1]);

/** One node. */
typedef struct srl_node_info {
    const char *id;   /**< SRL_NODE_ID_LEN characters */
    const char *name; /**< option "node_name"; empty if none */
    size_t name_len;
    const char *version; /**< of its library, like "0.1.0" */
    size_t version_len;
    const srl_stats *stats; /**< its numbers, as srl_relay_stats() gives them; `events` is not sent and 0 */
} srl_node_info;

/** The nodes of a broker; a view that is valid during the callback. */
typedef struct srl_nodes {
    uint32_t size;  /**< sizeof(srl_nodes) of the library that made it */
    uint32_t count; /**< nodes in this list */
    const srl_node_info *nodes;
    uint32_t alive;   /**< how many there are, as the broker counts them; 0: it does not say */
    uint32_t missing; /**< of these, how many did not answer in time */
} srl_nodes;

/** Result of srl_relay_nodes(); `nodes` is NULL on error. */
typedef void (*srl_nodes_fn)(int error, const srl_nodes *nodes, void *user);

/**
 * Ask all nodes who they are.
 *
 * @param timeout_ms  how long to wait for those that do not answer
 * @param done        called once: when all have answered or the time is up, with 0, or with SRL_ERR_CANCELLED when the
 *                    relay is destroyed before; SRL_ERR_NOMEM
 * @return 0; SRL_ERR_INVALID; SRL_ERR_LIMIT ("max_surveys"); SRL_ERR_UNAVAILABLE (the broker passes no notes);
 *         SRL_ERR_CLOSED; SRL_ERR_BROKER_DOWN; SRL_ERR_NOMEM
 */
SRL_API int srl_relay_nodes(srl_relay *relay, uint64_t timeout_ms, srl_nodes_fn done, void *user);

/** Length of the longest op. */
#define SRL_SURVEY_OP_MAX 255

/** Bytes of all answers of one survey; those past it are listed with SRL_ERR_TOO_LARGE and without data. */
#define SRL_SURVEY_MAX_BYTES 16777216

/** What one node answered. */
typedef struct srl_survey_answer {
    const char *node; /**< its id: SRL_NODE_ID_LEN characters */
    const char *name; /**< option "node_name"; empty if none */
    size_t name_len;
    const char *data; /**< JSON, if error is 0 */
    size_t data_len;
    int32_t error; /**< 0; SRL_ERR_TIMEOUT (it has the question, but did not answer in time); SRL_ERR_UNAVAILABLE (it
                        has no survey hook); SRL_ERR_LIMIT (too many questions wait there); or what its host said */
    uint32_t reserved; /**< 0 */
} srl_survey_answer;

/** The answers to a survey; a view that is valid during the callback. */
typedef struct srl_survey {
    uint32_t size;  /**< sizeof(srl_survey) of the library that made it */
    uint32_t count; /**< nodes that gave a sign */
    const srl_survey_answer *answers;
    uint32_t alive;   /**< how many nodes there are, as the broker counts them; 0: it does not say */
    uint32_t missing; /**< of these, how many gave no sign */
} srl_survey;

/** Result of srl_relay_survey(); `survey` is NULL on error. */
typedef void (*srl_survey_fn)(int error, const srl_survey *survey, void *user);

/**
 * Ask all nodes a question of the host's own.
 *
 * @param op          what is asked: 1 to SRL_SURVEY_OP_MAX bytes of UTF-8
 * @param data        JSON that goes with it, may be empty; at most "max_survey_bytes"
 * @param timeout_ms  how long to wait for those that do not answer
 * @param done        as with srl_relay_nodes(). Answers that come later are ignored.
 * @return as srl_relay_nodes(); SRL_ERR_JSON, SRL_ERR_TOO_LARGE (data)
 */
SRL_API int srl_relay_survey(srl_relay *relay, const char *op, size_t op_len, const char *data, size_t data_len,
                             uint64_t timeout_ms, srl_survey_fn done, void *user);

/*
 * For the survey hook. Each question must be answered exactly once, in the hook or at any later time, on the relay's
 * thread, by srl_question_answer() or srl_question_refuse(). That frees it, whatever they return. Its texts stay
 * readable until then.
 */

/** What is asked. Never NULL. */
SRL_API const char *srl_question_op(const srl_question *question, size_t *len);

/** The JSON that goes with it; "" if none. Never NULL. */
SRL_API const char *srl_question_data(const srl_question *question, size_t *len);

/** The relay it is put to; NULL after it was destroyed. */
SRL_API srl_relay *srl_question_relay(const srl_question *question);

/**
 * Answer with JSON.
 *
 * @return 0; SRL_ERR_JSON, SRL_ERR_TOO_LARGE ("max_survey_bytes") - the asker is told the same; SRL_ERR_CANCELLED (the
 *         relay was destroyed); SRL_ERR_BROKER_DOWN, SRL_ERR_NOMEM: the asker hears nothing
 */
SRL_API int srl_question_answer(srl_question *question, const char *json, size_t json_len);

/** Answer with a code of error.h, or a negative number of the host's own. Returns as srl_question_answer(). */
SRL_API int srl_question_refuse(srl_question *question, int error);

SRL_END_DECLS

#endif
