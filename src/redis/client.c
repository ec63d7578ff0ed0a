/* Queuing commands and answering them. */
#include "redis/client.h"

#include <stdio.h>

#include <streamrelay/error.h>

static void deadline_due(srl__redis_timer *timer);

typedef struct delayed_slot {
    srl__list node;
    srl__redis_timer timer;
    srl_redis_client *client;
    srl__redis_slot slot;
} delayed_slot;

static srl_redis_client *client_of(srl__redis_link *link)
{
    return SRL__CONTAINER(link, srl_redis_client, link);
}

static bool is_detached(const srl__redis_slot *slot)
{
    return (slot->marks & SRL__SLOT_DETACHED) != 0;
}

/* The slot is out of all lists: tell its caller and give back what it holds. */
static void finish(srl_redis_client *client, srl__redis_slot *slot, int error, const srl_reply *reply)
{
    if (is_detached(slot)) {
        client->late += reply != NULL;
    } else {
        client->unknown += error == SRL_ERR_OUTCOME_UNKNOWN;
        if (slot->function != NULL) {
            slot->function(error, reply, slot->user);
        }
    }
    srl__redis_slot_clear(slot);
}

static uint64_t wire_size(const srl__redis_slot *slot)
{
    return slot->command != NULL ? srl_command_wire_size(slot->command) : slot->raw->len;
}

/* ---- deadlines */

static void arm_deadline(srl_redis_client *client, uint64_t due_ms)
{
    if (due_ms < client->deadline_ms) {
        uint64_t now = client->link.loop->now_ms;
        client->deadline_ms = due_ms;
        srl__redis_timer_arm(client->link.loop, &client->deadline, due_ms > now ? due_ms - now : 1);
    }
}

/* A detached slot's reply must come within twice its time, or the connection is of no use. */
static uint64_t give_up_ms(const srl__redis_slot *slot)
{
    return slot->due_ms == UINT64_MAX ? UINT64_MAX : slot->due_ms + slot->timeout_ms;
}

/* Nobody waits for the reply any more, which still has to come. */
static void detach(srl_redis_client *client, srl__redis_slot *slot, int error)
{
    srl_redis_reply_fn function = slot->function;
    slot->marks |= SRL__SLOT_DETACHED;
    client->unknown += error == SRL_ERR_OUTCOME_UNKNOWN;
    if (function != NULL) {
        function(error, NULL, slot->user);
    }
}

static int timeout_error(const srl__redis_slot *slot)
{
    return (slot->flags & SRL_REDIS_IDEMPOTENT) != 0 ? SRL_ERR_TIMEOUT : SRL_ERR_OUTCOME_UNKNOWN;
}

/* The next time to look again; 0: something moved, look again at once. */
static uint64_t expire_inflight(srl_redis_client *client, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    uint32_t moves = client->moves;
    for (uint32_t i = 0; i < client->inflight.count; i++) {
        srl__redis_slot *slot = srl__redis_slots_at(&client->inflight, i);
        if (!is_detached(slot) && slot->due_ms <= now) {
            detach(client, slot, timeout_error(slot));
            if (moves != client->moves || client->link.ended) {
                return 0;
            }
            slot = srl__redis_slots_at(&client->inflight, i);
        }
        uint64_t due = is_detached(slot) ? give_up_ms(slot) : slot->due_ms;
        next = due < next ? due : next;
    }
    return next;
}

static uint64_t expire_waiting(srl_redis_client *client, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < client->waiting.count;) {
        srl__redis_slot *slot = srl__redis_slots_at(&client->waiting, i);
        if (slot->due_ms <= now) {
            srl__redis_slot expired = srl__redis_slots_remove(&client->waiting, i);
            client->waiting_bytes -= wire_size(&expired);
            uint32_t moves = ++client->moves;
            finish(client, &expired, SRL_ERR_TIMEOUT, NULL);
            if (moves != client->moves || client->link.ended) {
                return 0;
            }
            continue;
        }
        next = slot->due_ms < next ? slot->due_ms : next;
        i++;
    }
    return next;
}

static void deadline_due(srl__redis_timer *timer)
{
    srl_redis_client *client = SRL__CONTAINER(timer, srl_redis_client, deadline);
    uint64_t now = client->link.loop->now_ms;
    client->deadline_ms = UINT64_MAX;
    uint64_t next = expire_waiting(client, now);
    if (!client->link.ended && next != 0) {
        uint64_t inflight = expire_inflight(client, now);
        next = inflight < next ? inflight : next;
    }
    if (client->link.ended) {
        return;
    }
    if (next != 0 && client->inflight.count > 0) {
        const srl__redis_slot *oldest = srl__redis_slots_at(&client->inflight, 0);
        if (is_detached(oldest) && give_up_ms(oldest) <= now) {
            srl__redis_link_fail(&client->link, SRL_ERR_REDIS_CONNECT, "the server does not answer");
            return;
        }
    }
    if (next != UINT64_MAX) {
        arm_deadline(client, next > now ? next : now + 1);
    }
}

/* ---- sending */

static int encode(srl_redis_client *client, srl__redis_slot *slot)
{
    srl__resp_output *out = &client->link.out;
    slot->begin = srl__resp_output_end_position(out);
    int error = slot->command != NULL ? srl__resp_output_command(out, slot->command)
                                      : srl__resp_output_raw(out, slot->raw->data, slot->raw->len);
    slot->end = srl__resp_output_end_position(out);
    return error;
}

static bool has_to_be_kept(const srl__redis_slot *slot)
{
    return (slot->flags & (SRL_REDIS_IDEMPOTENT | SRL_REDIS_RETRY)) != 0 || slot->script != NULL;
}

static int wait_for_link(srl_redis_client *client, srl__redis_slot *slot)
{
    const srl__redis_config *config = client->link.config;
    uint64_t size = wire_size(slot);
    if (size > config->max_output - client->waiting_bytes) {
        return SRL_ERR_TOO_LARGE;
    }
    if (!srl__redis_slots_reserve(&client->link.loop->alloc, &client->waiting, 1)) {
        return SRL_ERR_NOMEM;
    }
    client->waiting_bytes += size;
    srl__redis_slots_push(&client->waiting, slot);
    return SRL_OK;
}

/* Put a slot with a command or raw bytes where it belongs; it goes over with success. */
static int place(srl_redis_client *client, srl__redis_slot *slot)
{
    if (!srl__redis_link_is_ready(&client->link)) {
        return wait_for_link(client, slot);
    }
    if (!srl__redis_slots_reserve(&client->link.loop->alloc, &client->inflight, 1)) {
        return SRL_ERR_NOMEM;
    }
    int error = encode(client, slot);
    if (error != SRL_OK) {
        return error;
    }
    if (!has_to_be_kept(slot)) {
        srl__redis_slot_clear(slot);
    }
    srl__redis_slots_push(&client->inflight, slot);
    srl__redis_link_queued(&client->link);
    return SRL_OK;
}

static int admit(const srl_redis_client *client, const srl__redis_request *request)
{
    const srl__redis_config *config = client->link.config;
    uint64_t pending = (uint64_t)client->inflight.count + client->waiting.count + client->delayed_count;
    if (client->link.ended) {
        return SRL_ERR_CLOSED;
    }
    if (pending >= config->max_pending) {
        return SRL_ERR_LIMIT;
    }
    bool may_wait = config->offline_queue != 0 && (request->flags & SRL_REDIS_NO_WAIT) == 0;
    return srl__redis_link_is_ready(&client->link) || may_wait ? SRL_OK : SRL_ERR_REDIS_CONNECT;
}

static srl__redis_slot slot_of(srl_redis_client *client, const srl__redis_request *request)
{
    uint64_t timeout = request->timeout_ms;
    if (timeout == SRL_REDIS_DEFAULT_TIMEOUT) {
        timeout =
            client->link.config->command_timeout > 0 ? client->link.config->command_timeout : SRL_REDIS_NO_TIMEOUT;
    }
    uint64_t now = client->link.loop->now_ms;
    bool never = timeout == SRL_REDIS_NO_TIMEOUT || timeout > UINT64_MAX / 4;
    return (srl__redis_slot){
        .id = client->next_id,
        .due_ms = never ? UINT64_MAX : now + timeout,
        .timeout_ms = timeout,
        .function = request->function,
        .user = request->user,
        .script = request->script,
        .replies = request->replies > 0 ? request->replies : 1,
        .flags = (uint16_t)request->flags,
        .marks = request->marks,
    };
}

static void accepted(srl_redis_client *client, const srl__redis_slot *slot, uint64_t *id)
{
    client->next_id++;
    client->commands++;
    if (id != NULL) {
        *id = slot->id;
    }
    if (slot->due_ms != UINT64_MAX) {
        arm_deadline(client, slot->due_ms);
    }
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

bool srl__redis_word_is(srl__slice text, const char *word)
{
    size_t len = strlen(word);
    if (text.len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (upper(text.data[i]) != word[i]) {
            return false;
        }
    }
    return true;
}

static bool is_one_of(srl__slice text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (srl__redis_word_is(text, words[i])) {
            return true;
        }
    }
    return false;
}

int srl__redis_command_kind(srl__slice name, srl__slice second)
{
    static const char *const refused[] = {"SUBSCRIBE",  "UNSUBSCRIBE",  "PSUBSCRIBE", "PUNSUBSCRIBE",
                                          "SSUBSCRIBE", "SUNSUBSCRIBE", "MONITOR",    "HELLO",
                                          "RESET",      "QUIT",         "SYNC",       "PSYNC"};
    static const char *const stateful[] = {"SELECT", "AUTH",    "MULTI",  "EXEC",     "DISCARD",
                                           "WATCH",  "UNWATCH", "ASKING", "READONLY", "READWRITE"};
    static const char *const modes[] = {"REPLY", "TRACKING", "NO-EVICT", "CACHING"};
    if (name.len < 4 || name.len > 12) {
        return SRL__COMMAND_PLAIN;
    }
    if (srl__redis_word_is(name, "CLIENT")) {
        return srl__redis_word_is(second, "REPLY") ? SRL__COMMAND_REFUSED
               : is_one_of(second, modes, 4)       ? SRL__COMMAND_STATEFUL
                                                   : SRL__COMMAND_PLAIN;
    }
    if (is_one_of(name, refused, sizeof(refused) / sizeof(refused[0]))) {
        return SRL__COMMAND_REFUSED;
    }
    return is_one_of(name, stateful, sizeof(stateful) / sizeof(stateful[0])) ? SRL__COMMAND_STATEFUL
                                                                             : SRL__COMMAND_PLAIN;
}

srl__slice srl__redis_command_words(const srl_command *command, srl__slice *second)
{
    srl__slice name;
    name.data = srl_command_arg(command, 0, &name.len);
    *second = srl__slice_of("", 0);
    if (srl__redis_word_is(name, "CLIENT") && srl_command_count(command) > 1) {
        second->data = srl_command_arg(command, 1, &second->len);
    }
    return name;
}

static int check_kind(const srl__redis_request *request, srl__slice name, srl__slice second)
{
    int kind = srl__redis_command_kind(name, second);
    bool own = (request->marks & SRL__SLOT_STATEFUL) != 0;
    return kind == SRL__COMMAND_PLAIN || (kind == SRL__COMMAND_STATEFUL && own) ? SRL_OK : SRL_ERR_INVALID;
}

static srl__slice argument(const char *const *argv, const size_t *lens, size_t index)
{
    return srl__slice_of(argv[index], lens != NULL ? lens[index] : strlen(argv[index]));
}

/* The quick way: encoded at once, nothing kept. */
static int place_argv(srl_redis_client *client, srl__redis_slot *slot, size_t argc, const char *const *argv,
                      const size_t *lens)
{
    enum { ON_STACK = 16 };
    srl__slice pieces[ON_STACK];
    srl__resp_output *out = &client->link.out;
    if (argc > ON_STACK || !srl__redis_link_is_ready(&client->link) || has_to_be_kept(slot)) {
        int error = srl_command_create_argv(&client->link.loop->alloc, (uint32_t)argc, argv, lens, &slot->command);
        error = error == SRL_OK ? place(client, slot) : error;
        if (error != SRL_OK) {
            srl__redis_slot_clear(slot);
        }
        return error;
    }
    for (size_t i = 0; i < argc; i++) {
        pieces[i] = argument(argv, lens, i);
    }
    if (!srl__redis_slots_reserve(&client->link.loop->alloc, &client->inflight, 1)) {
        return SRL_ERR_NOMEM;
    }
    slot->begin = srl__resp_output_end_position(out);
    int error = srl__resp_output_argv(out, (uint32_t)argc, pieces);
    if (error != SRL_OK) {
        return error;
    }
    slot->end = srl__resp_output_end_position(out);
    srl__redis_slots_push(&client->inflight, slot);
    srl__redis_link_queued(&client->link);
    return SRL_OK;
}

int srl__redis_client_submit_argv(srl_redis_client *client, const srl__redis_request *request, size_t argc,
                                  const char *const *argv, const size_t *lens, uint64_t *id)
{
    if (argc == 0 || argc > SRL_COMMAND_MAX_ARGS) {
        return SRL_ERR_INVALID;
    }
    srl__slice second = argc > 1 ? argument(argv, lens, 1) : srl__slice_of("", 0);
    int error = check_kind(request, argument(argv, lens, 0), second);
    error = error == SRL_OK ? admit(client, request) : error;
    if (error != SRL_OK) {
        return error;
    }
    srl__redis_slot slot = slot_of(client, request);
    error = place_argv(client, &slot, argc, argv, lens);
    if (error == SRL_OK) {
        accepted(client, &slot, id);
    }
    return error;
}

static int submit_kept(srl_redis_client *client, srl__redis_slot *slot, uint64_t *id)
{
    srl__redis_slot copy = *slot;
    int error = place(client, slot);
    if (error == SRL_OK) {
        accepted(client, &copy, id);
    }
    return error;
}

int srl__redis_client_submit_command(srl_redis_client *client, const srl__redis_request *request, srl_command *command,
                                     uint64_t *id)
{
    srl__slice second;
    srl__slice name = srl__redis_command_words(command, &second);
    if (name.data == NULL) {
        return SRL_ERR_INVALID;
    }
    int error = request->script == NULL ? check_kind(request, name, second) : SRL_OK;
    error = error == SRL_OK ? admit(client, request) : error;
    if (error != SRL_OK) {
        return error;
    }
    srl__redis_slot slot = slot_of(client, request);
    srl__command_ref_more(command);
    slot.command = command;
    error = submit_kept(client, &slot, id);
    if (error != SRL_OK) {
        srl__redis_slot_clear(&slot);
    }
    return error;
}

int srl__redis_client_submit_raw(srl_redis_client *client, const srl__redis_request *request, srl__redis_blob *raw,
                                 uint64_t *id)
{
    int error = admit(client, request);
    if (error != SRL_OK) {
        return error;
    }
    srl__redis_slot slot = slot_of(client, request);
    slot.raw = raw;
    return submit_kept(client, &slot, id);
}

/* ---- sending again */

static void delayed_due(srl__redis_timer *timer)
{
    delayed_slot *delayed = SRL__CONTAINER(timer, delayed_slot, timer);
    srl_redis_client *client = delayed->client;
    srl__redis_slot slot = delayed->slot;
    srl__list_remove(&delayed->node);
    client->delayed_count--;
    srl__free(&client->link.loop->alloc, delayed, sizeof(*delayed));
    uint64_t due = slot.due_ms;
    int error = place(client, &slot);
    if (error != SRL_OK) {
        finish(client, &slot, error, NULL);
    } else {
        arm_deadline(client, due);
    }
}

/* False: its time would be up, or there is no memory. */
static bool send_later(srl_redis_client *client, srl__redis_slot *slot)
{
    enum { FIRST_MS = 10, LONGEST_MS = 1000 };
    srl_redis_loop *loop = client->link.loop;
    uint64_t delay = slot->tries < 7 ? (uint64_t)FIRST_MS << slot->tries : LONGEST_MS;
    uint64_t jitter = 0;
    if (loop->platform.random(&jitter, sizeof(jitter), loop->platform.user) == 0) {
        delay = delay / 2 + jitter % (delay / 2 + 1);
    }
    if (slot->due_ms <= loop->now_ms || slot->due_ms - loop->now_ms <= delay) {
        return false;
    }
    delayed_slot *delayed = srl__alloc(&loop->alloc, sizeof(*delayed));
    if (delayed == NULL) {
        return false;
    }
    slot->tries = (uint8_t)(slot->tries < 255 ? slot->tries + 1 : 255);
    slot->replies = 1;
    delayed->client = client;
    delayed->slot = *slot;
    srl__list_init(&delayed->node);
    srl__list_append(&client->delayed, &delayed->node);
    client->delayed_count++;
    client->retries++;
    srl__redis_timer_init(&delayed->timer, delayed_due);
    srl__redis_timer_arm(loop, &delayed->timer, delay);
    return true;
}

static int load_library(srl_redis_client *client, const srl_redis_script *script)
{
    srl__redis_request request = {.timeout_ms = SRL_REDIS_DEFAULT_TIMEOUT, .script = script, .marks = SRL__SLOT_LOADER};
    srl_command *command;
    int error = srl__redis_script_load(script, &client->link.loop->alloc, &command);
    if (error == SRL_OK) {
        error = srl__redis_client_submit_command(client, &request, command, NULL);
        srl_command_free(command);
    }
    return error;
}

/* The server does not have the script: give it, and call again. One that is loaded already by a command on its way
 * needs only the call. */
static bool reload(srl_redis_client *client, srl__redis_slot *slot)
{
    const srl_redis_script *script = slot->script;
    bool first = client->loading != script;
    srl__redis_slot again = *slot;
    again.marks |= SRL__SLOT_RELOADED;
    again.replies = 1;
    if (first && script->is_library) {
        if (load_library(client, script) != SRL_OK) {
            return false;
        }
        client->loading = script;
    } else if (first) {
        srl_command *eval;
        if (srl__redis_script_eval(script, slot->command, &eval) != SRL_OK) {
            return false;
        }
        again.command = eval;
        again.marks |= SRL__SLOT_LOADER;
        if (place(client, &again) != SRL_OK) {
            srl_command_free(eval);
            return false;
        }
        client->loading = script;
        client->retries++;
        srl__redis_slot_clear(slot);
        return true;
    }
    if (place(client, &again) != SRL_OK) {
        return false;
    }
    client->retries++;
    return true;
}

/* ---- replies */

static srl_redis_error_class class_of(const srl_reply *reply)
{
    srl__slice line = srl__reply_slice(reply, SRL_REPLY_ROOT);
    return srl_redis_error_classify(line.data, line.len);
}

static bool sent_again(srl_redis_client *client, srl__redis_slot *slot, const srl_reply *reply)
{
    srl_redis_error_class class = class_of(reply);
    if (is_detached(slot)) {
        return false;
    }
    if (class == SRL_REDIS_ERROR_SCRIPT && slot->script != NULL && slot->command != NULL &&
        (slot->marks & (SRL__SLOT_RELOADED | SRL__SLOT_LOADER)) == 0) {
        return reload(client, slot);
    }
    return class == SRL_REDIS_ERROR_RETRY && (slot->flags & SRL_REDIS_RETRY) != 0 &&
           (slot->command != NULL || slot->raw != NULL) && send_later(client, slot);
}

static void answer(srl_redis_client *client, srl__redis_slot *slot, const srl_reply *reply)
{
    bool is_error = srl_reply_is_error(reply, SRL_REPLY_ROOT) != 0;
    if ((slot->marks & SRL__SLOT_LOADER) != 0 && client->loading == slot->script) {
        client->loading = NULL;
    }
    if (is_error && sent_again(client, slot, reply)) {
        return;
    }
    int error = (slot->marks & SRL__SLOT_UNSAFE) != 0 ? SRL_ERR_OUTCOME_UNKNOWN : is_error ? SRL_ERR_REDIS : SRL_OK;
    finish(client, slot, error, reply);
}

/* A reply of a transaction before EXEC's. */
static int answer_part(srl__redis_slot *slot, const srl_reply *reply, bool is_first)
{
    if (srl_reply_is_error(reply, SRL_REPLY_ROOT) != 0) {
        slot->marks |= is_first ? SRL__SLOT_UNSAFE : 0;
        return SRL_OK;
    }
    bool expected =
        is_first ? SRL__REPLY_IS(reply, SRL_REPLY_ROOT, "OK") : SRL__REPLY_IS(reply, SRL_REPLY_ROOT, "QUEUED");
    return expected || (slot->marks & SRL__SLOT_UNSAFE) != 0 ? SRL_OK : SRL_ERR_PROTOCOL;
}

static int on_reply(srl__redis_link *link, const srl_reply *reply, bool is_push)
{
    srl_redis_client *client = client_of(link);
    if (is_push) {
        return SRL_OK; /* answers nothing; nothing that we send asks for any */
    }
    if (client->inflight.count == 0) {
        return SRL_ERR_PROTOCOL;
    }
    srl__redis_slot *oldest = srl__redis_slots_at(&client->inflight, 0);
    if (oldest->end > srl__resp_output_sent_position(&link->out)) {
        return SRL_ERR_PROTOCOL; /* it was not even sent */
    }
    if (oldest->replies > 1) {
        bool is_first = (oldest->marks & SRL__SLOT_RELOADED) == 0;
        oldest->marks |= SRL__SLOT_RELOADED; /* of a transaction: MULTI is answered */
        oldest->replies--;
        return answer_part(oldest, reply, is_first);
    }
    srl__redis_slot slot = srl__redis_slots_pop(&client->inflight);
    answer(client, &slot, reply);
    return SRL_OK;
}

/* ---- the connection comes and goes */

static void tell(srl_redis_client *client, int state, int error)
{
    if (client->state != NULL && !client->link.ended) {
        client->state(state, error, error != SRL_OK ? client->link.text : "", client->user);
    }
}

static void on_ready(srl__redis_link *link)
{
    srl_redis_client *client = client_of(link);
    srl__redis_slots waiting = client->waiting;
    uint32_t incarnation = link->incarnation;
    client->waiting = (srl__redis_slots){NULL, 0, 0, 0};
    client->waiting_bytes = 0;
    client->moves++;
    client->loading = NULL;
    while (waiting.count > 0) {
        srl__redis_slot slot = srl__redis_slots_pop(&waiting);
        int error = link->ended ? SRL_ERR_CLOSED : place(client, &slot);
        if (error != SRL_OK) {
            finish(client, &slot, error, NULL);
        }
    }
    srl__redis_slots_free(&link->loop->alloc, &waiting);
    if (incarnation == link->incarnation) {
        tell(client, SRL_REDIS_READY, SRL_OK);
    }
}

/* The bytes of a command that was not sent, out of the link's output. */
static srl__redis_blob *take_bytes(srl__redis_link *link, uint64_t len)
{
    srl__redis_blob *blob = srl__redis_blob_create(&link->loop->alloc, (size_t)len);
    size_t at = 0;
    while (at < len) {
        srl__slice piece;
        if (srl__resp_output_pieces(&link->out, &piece, 1) == 0) {
            srl__redis_blob_unref(blob);
            return NULL;
        }
        size_t part = piece.len < len - at ? piece.len : (size_t)(len - at);
        if (blob != NULL) {
            memcpy(blob->data + at, piece.data, part);
        }
        srl__resp_output_sent(&link->out, part);
        at += part;
    }
    return blob;
}

/* Whether the slot may be sent over the next connection, with all that takes. */
static bool can_go_again(srl_redis_client *client, srl__redis_slot *slot, bool was_sent)
{
    if (is_detached(slot) || (slot->marks & SRL__SLOT_LOADER) != 0) {
        return false;
    }
    if (was_sent && slot->raw != NULL && (slot->marks & SRL__SLOT_RELOADED) != 0) {
        return false; /* part of a transaction is answered */
    }
    if (was_sent) {
        return (slot->flags & SRL_REDIS_IDEMPOTENT) != 0 && (slot->command != NULL || slot->raw != NULL);
    }
    bool kept = slot->command != NULL || slot->raw != NULL;
    if (client->link.config->offline_queue == 0 || (slot->flags & SRL_REDIS_NO_WAIT) != 0) {
        return false;
    }
    if (!kept) {
        slot->raw = take_bytes(&client->link, slot->end - slot->begin);
        kept = slot->raw != NULL;
    }
    return kept;
}

/* Of what is under way, that which may be sent again goes to the waiting ones; the rest stays, marked by what is to be
 * told in `replies`. */
static void sort_out(srl_redis_client *client, srl__redis_slots *old)
{
    srl__resp_output *out = &client->link.out;
    uint64_t sent = srl__resp_output_sent_position(out);
    bool room = srl__redis_slots_reserve(&client->link.loop->alloc, &client->waiting, old->count);
    uint32_t left = 0;
    for (uint32_t i = 0; i < old->count; i++) {
        srl__redis_slot slot = *srl__redis_slots_at(old, i);
        bool was_sent = slot.begin < sent;
        uint64_t position = srl__resp_output_sent_position(out);
        if (room && slot.begin > position) {
            srl__resp_output_sent(out, slot.begin - position);
        }
        if (room && can_go_again(client, &slot, was_sent)) {
            client->waiting_bytes += wire_size(&slot);
            client->retries += was_sent;
            srl__redis_slots_push(&client->waiting, &slot);
            continue;
        }
        slot.replies = was_sent ? 1 : 0;
        *srl__redis_slots_at(old, left++) = slot;
    }
    old->count = left;
}

static void on_lost(srl__redis_link *link, int error)
{
    srl_redis_client *client = client_of(link);
    srl__redis_slots old = client->inflight;
    client->inflight = (srl__redis_slots){NULL, 0, 0, 0};
    client->moves++;
    client->loading = NULL;
    sort_out(client, &old);
    srl__resp_output_clear(&link->out);
    while (old.count > 0) {
        srl__redis_slot slot = srl__redis_slots_pop(&old);
        int result = slot.replies == 0                                                        ? SRL_ERR_REDIS_CONNECT
                     : error == SRL_ERR_TOO_LARGE && (slot.flags & SRL_REDIS_IDEMPOTENT) != 0 ? error
                                                                                              : SRL_ERR_OUTCOME_UNKNOWN;
        finish(client, &slot, result, NULL);
    }
    srl__redis_slots_free(&link->loop->alloc, &old);
    if (client->waiting.count > 0) {
        arm_deadline(client, link->loop->now_ms + 1);
    }
    tell(client, SRL_REDIS_LOST, error);
}

static void on_failed(srl__redis_link *link, int error)
{
    tell(client_of(link), SRL_REDIS_FAILED, error);
}

void srl__redis_client_fail_waiting(srl_redis_client *client, int error)
{
    srl__redis_slots waiting = client->waiting;
    client->waiting = (srl__redis_slots){NULL, 0, 0, 0};
    client->waiting_bytes = 0;
    client->moves++;
    while (waiting.count > 0) {
        srl__redis_slot slot = srl__redis_slots_pop(&waiting);
        finish(client, &slot, error, NULL);
    }
    srl__redis_slots_free(&client->link.loop->alloc, &waiting);
}

static void nothing_to_tell(int error, const srl_reply *reply, void *user)
{
    (void)error;
    (void)reply;
    (void)user;
}

static void on_probe(srl__redis_link *link)
{
    srl_redis_client *client = client_of(link);
    static const char *const ping[] = {"PING"};
    srl__redis_request request = {.timeout_ms = SRL_REDIS_DEFAULT_TIMEOUT, .function = nothing_to_tell};
    if (client->inflight.count == 0) {
        (void)srl__redis_client_submit_argv(client, &request, 1, ping, NULL, NULL);
        client->commands--;
    }
}

static void drop_delayed(srl_redis_client *client)
{
    srl__list *node;
    while ((node = srl__list_take_first(&client->delayed)) != NULL) {
        delayed_slot *delayed = SRL__CONTAINER(node, delayed_slot, node);
        srl__redis_slot slot = delayed->slot;
        srl__redis_timer_cancel(client->link.loop, &delayed->timer);
        srl__free(&client->link.loop->alloc, delayed, sizeof(*delayed));
        client->delayed_count--;
        finish(client, &slot, SRL_ERR_CLOSED, NULL);
    }
}

static void on_close(srl__redis_link *link)
{
    srl_redis_client *client = client_of(link);
    uint64_t sent = srl__resp_output_sent_position(&link->out);
    srl__redis_link_end(link);
    srl__redis_timer_cancel(link->loop, &client->deadline);
    while (client->inflight.count > 0) {
        srl__redis_slot slot = srl__redis_slots_pop(&client->inflight);
        finish(client, &slot, slot.begin < sent ? SRL_ERR_OUTCOME_UNKNOWN : SRL_ERR_CLOSED, NULL);
    }
    srl__redis_client_fail_waiting(client, SRL_ERR_CLOSED);
    drop_delayed(client);
}

static void on_free(srl__redis_link *link)
{
    srl_redis_client *client = client_of(link);
    srl_allocator alloc = link->loop->alloc;
    srl__redis_slots_free(&alloc, &client->inflight);
    srl__redis_slots_free(&alloc, &client->waiting);
    srl__redis_link_release(link);
    srl__free(&alloc, client, sizeof(*client));
}

static const srl__redis_link_ops client_ops = {
    .ready = on_ready,
    .lost = on_lost,
    .failed = on_failed,
    .reply = on_reply,
    .probe = on_probe,
    .close = on_close,
    .free = on_free,
};

int srl__redis_client_create(srl_redis_loop *loop, srl__redis_config *config, srl_redis_state_fn state, void *user,
                             srl_redis_client **out)
{
    srl_redis_client *client = srl__alloc_zeroed(&loop->alloc, sizeof(*client));
    if (client == NULL) {
        return SRL_ERR_NOMEM;
    }
    srl__redis_link_init(&client->link, loop, config, &client_ops);
    srl__list_init(&client->delayed);
    srl__redis_timer_init(&client->deadline, deadline_due);
    client->deadline_ms = UINT64_MAX;
    client->next_id = 1;
    client->state = state;
    client->user = user;
    *out = client;
    return SRL_OK;
}

/* ---- cancelling */

static int cancel_inflight(srl_redis_client *client, uint64_t id)
{
    for (uint32_t i = 0; i < client->inflight.count; i++) {
        srl__redis_slot *slot = srl__redis_slots_at(&client->inflight, i);
        if (slot->id == id && !is_detached(slot)) {
            if (slot->due_ms != UINT64_MAX) {
                arm_deadline(client, give_up_ms(slot));
            }
            detach(client, slot, SRL_ERR_OUTCOME_UNKNOWN);
            return SRL_OK;
        }
    }
    return SRL_ERR_NOT_FOUND;
}

static int cancel_waiting(srl_redis_client *client, uint64_t id)
{
    for (uint32_t i = 0; i < client->waiting.count; i++) {
        if (srl__redis_slots_at(&client->waiting, i)->id == id) {
            srl__redis_slot slot = srl__redis_slots_remove(&client->waiting, i);
            client->waiting_bytes -= wire_size(&slot);
            client->moves++;
            finish(client, &slot, SRL_ERR_CANCELLED, NULL);
            return SRL_OK;
        }
    }
    return SRL_ERR_NOT_FOUND;
}

static int cancel_delayed(srl_redis_client *client, uint64_t id)
{
    for (srl__list *node = client->delayed.next; node != &client->delayed; node = node->next) {
        delayed_slot *delayed = SRL__CONTAINER(node, delayed_slot, node);
        if (delayed->slot.id == id) {
            srl__redis_slot slot = delayed->slot;
            srl__list_remove(&delayed->node);
            srl__redis_timer_cancel(client->link.loop, &delayed->timer);
            srl__free(&client->link.loop->alloc, delayed, sizeof(*delayed));
            client->delayed_count--;
            finish(client, &slot, SRL_ERR_CANCELLED, NULL);
            return SRL_OK;
        }
    }
    return SRL_ERR_NOT_FOUND;
}

int srl_redis_client_cancel(srl_redis_client *client, uint64_t id)
{
    srl_redis_loop *loop = client->link.loop;
    srl__redis_loop_enter(loop);
    int error = cancel_inflight(client, id);
    error = error == SRL_ERR_NOT_FOUND ? cancel_waiting(client, id) : error;
    error = error == SRL_ERR_NOT_FOUND ? cancel_delayed(client, id) : error;
    srl__redis_loop_leave(loop);
    return error;
}
