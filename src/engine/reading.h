/* What clients ask of channels, permission given. */
#ifndef SRL__READING_H
#define SRL__READING_H

#include "engine/terms.h"

typedef struct srl__history_wish {
    srl__position since;
    uint32_t limit;
    bool has_limit;
    bool reverse;
} srl__history_wish;

srl__history_wish srl__history_wish_of(const srl__command *command);

/* The reply goes out in the call or later. */
void srl__read_history(srl_session *session, const srl__reply_to *to, const srl__history_wish *wish);
/* Counts only, if that is the command. */
void srl__read_presence(srl_session *session, const srl__reply_to *to);

#endif
