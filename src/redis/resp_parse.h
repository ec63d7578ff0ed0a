/* The grammar of RESP, between the reader's memory and its callers. */
#ifndef SRL__RESP_PARSE_H
#define SRL__RESP_PARSE_H

#include "redis/resp_reader.h"

/* Go on in [at, end) of the reader's block. SRL__RESP_MORE, SRL__RESP_REPLY (its tokens are complete), or an error. */
int srl__resp_parse(srl__resp_reader *r);

/* Bytes from the start of the reply to the end of the string that is being read; 0 if none is. */
size_t srl__resp_known_size(const srl__resp_reader *r);

#endif
