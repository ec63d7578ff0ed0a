/* Methods of the API that ask all servers of the same Redis. */
#include <stdlib.h>
#include <string.h>

#include "api_call.h"
#include "questions.h"

#define WAIT_MS     2000
#define CHANNELS_OP "channels"

/* ---- which servers there are ---- */

static void add_count(json_text *out, const char *name, uint64_t value)
{
    json_text_add(out, ",\"");
    json_text_add(out, name);
    json_text_add(out, "\":");
    json_text_add_number(out, value);
}

static void add_node(json_text *out, const srl_node_info *node)
{
    json_text_add(out, "{\"uid\":");
    json_text_add_string(out, node->id, SRL_NODE_ID_LEN);
    json_text_add(out, ",\"name\":");
    json_text_add_string(out, node->name, node->name_len);
    json_text_add(out, ",\"version\":");
    json_text_add_string(out, node->version, node->version_len);
    add_count(out, "num_clients", node->stats->sessions);
    add_count(out, "num_users", node->stats->users);
    add_count(out, "num_channels", node->stats->rooms);
    add_count(out, "num_subs", node->stats->subscriptions);
    add_count(out, "uptime", node->stats->uptime_ms / 1000);
    json_text_add(out, "}");
}

static void nodes_listed(int error, const srl_nodes *nodes, void *user)
{
    api_call *call = user;
    if (error == 0) {
        json_text_add(&call->out, "{\"nodes\":[");
        for (uint32_t i = 0; i < nodes->count; i++) {
            json_text_add(&call->out, i > 0 ? "," : "");
            add_node(&call->out, &nodes->nodes[i]);
        }
        json_text_add(&call->out, "]}");
    }
    api_end(call, error);
}

void api_info(api_call *call)
{
    api_went_on(call, srl_relay_nodes(call->a->relay, WAIT_MS, nodes_listed, call));
}

/* ---- which channels there are: the answer of one server ---- */

static int list_channel(const char *channel, size_t channel_len, uint32_t subscribers, void *user)
{
    json_text *out = user;
    json_text_add(out, out->len > 1 ? "," : "");
    json_text_add_string(out, channel, channel_len);
    json_text_add(out, ":");
    json_text_add_number(out, subscribers);
    return out->cut ? 1 : 0;
}

static void answer_channels(srl_question *question, const char *pattern, size_t len)
{
    json_text out = {.max = API_MAX_ANSWER};
    json_text_add(&out, "{");
    int32_t count = srl_relay_each_channel(srl_question_relay(question), pattern, len, list_channel, &out);
    json_text_add(&out, "}");
    if (count < 0 || out.cut)
        srl_question_refuse(question, count < 0 ? count : SRL_ERR_TOO_LARGE);
    else
        srl_question_answer(question, out.data, out.len);
    json_text_free(&out);
}

void questions_answer(srl_question *question, void *user)
{
    size_t op_len, len;
    const char *op = srl_question_op(question, &op_len);
    const char *data = srl_question_data(question, &len);
    json_tree *tree = json_tree_read(data, len, NULL);
    (void)user;
    if (tree && op_len == sizeof CHANNELS_OP - 1 && memcmp(op, CHANNELS_OP, op_len) == 0) {
        const char *pattern = json_string(json_tree_root(tree), &len);
        answer_channels(question, pattern, len);
    } else {
        srl_question_refuse(question, SRL_ERR_UNAVAILABLE);
    }
    json_tree_free(tree);
}

/* ---- the answers of all ---- */

typedef struct channel_count {
    const char *channel;
    uint64_t subscribers;
} channel_count;

typedef struct channel_list {
    json_tree **trees; /* one of each answer */
    channel_count *channels;
    size_t count;
} channel_list;

static int by_name(const void *one, const void *other)
{
    return strcmp(((const channel_count *)one)->channel, ((const channel_count *)other)->channel);
}

/* 0, or why an answer cannot be used. */
static int read_answers(const srl_survey *survey, channel_list *list)
{
    list->trees = calloc(survey->count + 1, sizeof(json_tree *));
    for (uint32_t i = 0; i < survey->count; i++) {
        const srl_survey_answer *answer = &survey->answers[i];
        if (answer->error != 0 && answer->error != SRL_ERR_TIMEOUT)
            return answer->error;
        if (list->trees && answer->error == 0)
            list->trees[i] = json_tree_read(answer->data, answer->data_len, NULL);
        if (!list->trees || (answer->error == 0 && !list->trees[i]))
            return SRL_ERR_NOMEM;
        list->count += list->trees[i] ? json_tree_root(list->trees[i])->count : 0;
    }
    return 0;
}

static int sort_channels(const srl_survey *survey, channel_list *list)
{
    size_t at = 0;
    list->channels = calloc(list->count + 1, sizeof(channel_count));
    if (!list->channels)
        return SRL_ERR_NOMEM;
    for (uint32_t i = 0; i < survey->count; i++) {
        const json_node *node = list->trees[i] ? json_tree_root(list->trees[i])->first : NULL;
        for (; node; node = node->next) {
            list->channels[at].channel = node->name;
            json_number(node, &list->channels[at++].subscribers);
        }
    }
    qsort(list->channels, list->count, sizeof(channel_count), by_name);
    return 0;
}

static void add_channels(json_text *out, const channel_list *list)
{
    json_text_add(out, "{\"channels\":{");
    for (size_t i = 0, same; i < list->count; i = same) {
        uint64_t subscribers = 0;
        for (same = i; same < list->count && by_name(&list->channels[i], &list->channels[same]) == 0; same++)
            subscribers += list->channels[same].subscribers;
        json_text_add(out, i > 0 ? "," : "");
        json_text_add_string(out, list->channels[i].channel, strlen(list->channels[i].channel));
        json_text_add(out, ":{\"num_clients\":");
        json_text_add_number(out, subscribers);
        json_text_add(out, "}");
    }
    json_text_add(out, "}}");
}

static void channels_listed(int error, const srl_survey *survey, void *user)
{
    api_call *call = user;
    channel_list list = {0};
    uint32_t count = survey ? survey->count : 0;
    if (error == 0)
        error = read_answers(survey, &list);
    if (error == 0)
        error = sort_channels(survey, &list);
    if (error == 0)
        add_channels(&call->out, &list);
    for (uint32_t i = 0; list.trees && i < count; i++)
        json_tree_free(list.trees[i]);
    free(list.trees);
    free(list.channels);
    api_end(call, error);
}

void api_channels(api_call *call)
{
    const json_node *pattern = json_member(call->params, "pattern");
    const char *data = pattern ? pattern->raw : "\"\"";
    api_went_on(call, srl_relay_survey(call->a->relay, CHANNELS_OP, sizeof CHANNELS_OP - 1, data,
                                       pattern ? pattern->raw_len : 2, WAIT_MS, channels_listed, call));
}
