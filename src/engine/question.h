/* Questions that surveys put to this relay, as <streamrelay/cluster.h> describes them. */
#ifndef SRL__QUESTION_H
#define SRL__QUESTION_H

#include "engine/cluster_note.h"

/* Put it to the host, or answer it at once. */
void srl__question_arrived(srl_relay *relay, const srl__question_note *note);

/* JSON that says who this relay is and what it has done; appended to `out`. */
void srl__node_info_write(const srl_relay *relay, srl__buf *out);

#endif
