#include "engine/emulated.h"

#include <streamrelay/error.h>

#include "base/uuid.h"
#include "engine/relay.h"

struct srl__emulated {
    srl_session *session;
    char id[SRL_SESSION_ID_LEN + 1];
};

int srl__emulated_begin(srl_session *session)
{
    srl_relay *relay = session->relay;
    struct srl__emulated *emulated = NULL;
    uint8_t bytes[16];
    int error = SRL_OK;

    if (relay->platform.random(bytes, sizeof(bytes), relay->platform.user) != 0) {
        return SRL_ERR_SYSTEM;
    }
    emulated = srl__alloc(&relay->alloc, sizeof(*emulated));
    if (emulated == NULL) {
        return SRL_ERR_NOMEM;
    }
    emulated->session = session;
    srl__uuid_write(bytes, emulated->id);
    error = srl__map_add(&relay->emulated, srl__slice_of(emulated->id, SRL_SESSION_ID_LEN), emulated);
    if (error != SRL_OK) {
        srl__free(&relay->alloc, emulated, sizeof(*emulated));
        return error;
    }
    session->emulated = emulated;
    return SRL_OK;
}

void srl__emulated_end(srl_session *session)
{
    srl_relay *relay = session->relay;
    struct srl__emulated *emulated = session->emulated;

    if (emulated != NULL) {
        session->emulated = NULL;
        (void)srl__map_remove(&relay->emulated, srl__slice_of(emulated->id, SRL_SESSION_ID_LEN));
        srl__free(&relay->alloc, emulated, sizeof(*emulated));
    }
}

void srl_session_secret_id(const srl_session *session, char out[SRL_SESSION_ID_LEN + 1])
{
    out[0] = '\0';
    if (session->emulated != NULL) {
        memcpy(out, session->emulated->id, SRL_SESSION_ID_LEN + 1);
    }
}

srl_session *srl_relay_find_session(const srl_relay *relay, const char *secret_id, size_t secret_id_len)
{
    struct srl__emulated *emulated = srl__map_get(&relay->emulated, srl__slice_of(secret_id, secret_id_len));

    return emulated != NULL ? emulated->session : NULL;
}
