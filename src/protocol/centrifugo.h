/* The JSON form of Centrifugo's client protocol, version 2: one object per line. */
#ifndef SRL__CENTRIFUGO_H
#define SRL__CENTRIFUGO_H

#include "protocol/codec.h"

/* The name of a command on the wire; "" for those there are not. */
srl__slice srl__centrifugo_method_name(srl__command_type type);

bool srl__centrifugo_decode(srl__slice line, const srl__json_limits *limits, srl__buf *scratch, srl__command *out,
                            srl__decode_error *error);
bool srl__centrifugo_decode_connect(srl__slice params, const srl__json_limits *limits, srl__buf *scratch,
                                    srl__command *out, srl__decode_error *error);
bool srl__centrifugo_find_held(srl__slice held, srl__slice channel, srl__held *out);
int srl__centrifugo_read_filter(const srl_allocator *alloc, srl__slice filter, srl__tags_filter **out);

#endif
