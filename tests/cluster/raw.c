#include "node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct raw {
    struct raw *next;
    srl_session *session;
    bool ended;
    char name[64];
} raw;

static raw *sessions;

static int64_t raw_write(srl_session *session, srl_frame *const *frames, size_t count, void *user)
{
    const raw *self = user;
    (void)session;
    for (size_t i = 0; i < count; i++) {
        printf("frame %s %.*s\n", self->name, (int)srl_frame_len(frames[i]), (const char *)srl_frame_data(frames[i]));
    }
    return (int64_t)count;
}

static void raw_ended(srl_session *session, uint32_t code, const char *reason, size_t reason_len, void *user)
{
    raw *self = user;
    (void)session;
    self->ended = true;
    printf("ended %s %u %.*s\n", self->name, code, (int)reason_len, reason);
}

static raw *find(const char *name)
{
    raw *at = sessions;
    while (at != NULL && strcmp(at->name, name) != 0) {
        at = at->next;
    }
    return at;
}

void raw_open(node *self, const char *name, const char *user)
{
    char hello[256];
    srl_transport transport;
    raw *made = calloc(1, sizeof(*made));
    if (made == NULL || find(name) != NULL) {
        node_die("a session of that name is open", 0);
    }
    snprintf(made->name, sizeof(made->name), "%s", name);
    srl_transport_init(&transport, sizeof(transport));
    transport.write = raw_write;
    transport.close = raw_ended;
    made->session = node_open(self, &transport, made);
    made->next = sessions;
    sessions = made;
    int len = snprintf(hello, sizeof(hello), "{\"id\":1,\"type\":\"connect\",\"data\":{\"token\":\"%s\"}}", user);
    node_send(made->session, hello, (size_t)len);
}

void raw_send(const char *name, const char *json)
{
    raw *self = find(name);
    if (self != NULL && !self->ended) {
        node_send(self->session, json, strlen(json));
    }
}

static void drop(raw **at)
{
    raw *gone = *at;
    *at = gone->next;
    srl_session_closed(gone->session);
    free(gone);
}

void raw_close(const char *name)
{
    for (raw **at = &sessions; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->name, name) == 0) {
            drop(at);
            return;
        }
    }
}

void raw_run(void)
{
    raw **at = &sessions;
    while (*at != NULL) {
        if ((*at)->ended) {
            drop(at);
        } else {
            at = &(*at)->next;
        }
    }
}

void raw_free(void)
{
    while (sessions != NULL) {
        drop(&sessions);
    }
}
