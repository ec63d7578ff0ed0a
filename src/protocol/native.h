/* The native JSON protocol, described in docs/protocol.md. */
#ifndef SRL__NATIVE_H
#define SRL__NATIVE_H

#include "protocol/codec.h"

/* The name of a command on the wire; "" for SRL__COMMAND_NONE. */
srl__slice srl__native_type_name(srl__command_type type);

bool srl__native_decode(srl__slice line, const srl__json_limits *limits, srl__buf *scratch, srl__command *out,
                        srl__decode_error *error);

#endif
