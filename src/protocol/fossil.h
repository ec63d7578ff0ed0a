/* Fossil deltas: what turns one text into the next, as text. The format is that of "delta_format" in the documentation
 * of Fossil, the version control system.
 *
 * A patch may be kept from cutting characters, so that it can travel in a JSON string. The work and the memory of
 * making one are bounded by a constant times the texts' length. */
#ifndef SRL__FOSSIL_H
#define SRL__FOSSIL_H

#include "base/buf.h"
#include "base/slice.h"

/* Longest text that a patch is made of or for. */
#define SRL__FOSSIL_MAX_LEN ((size_t)64 * 1024 * 1024)

typedef enum srl__fossil_mode {
    SRL__FOSSIL_BYTES = 0, /* the shortest patch that was found; it may cut characters */
    SRL__FOSSIL_UTF8 = 1   /* of whole characters: valid UTF-8 if both texts are */
} srl__fossil_mode;

/* Append to out the patch that makes `target` of `source`; scratch memory comes from out->alloc. SRL_OK;
 * SRL_ERR_UNAVAILABLE: it would not be shorter than the target, or a text is too long: send the text itself;
 * SRL_ERR_NOMEM or SRL_ERR_TOO_LARGE. out is as before (and has no error) unless it is SRL_OK. */
int srl__fossil_create(srl__buf *out, srl__slice source, srl__slice target, srl__fossil_mode mode);

/* Append to out what the patch makes of `source`, at most max_len bytes. SRL_OK; SRL_ERR_INVALID: malformed, or not for
 * this source; SRL_ERR_TOO_LARGE: longer than max_len or than out takes; SRL_ERR_NOMEM. out as above. */
int srl__fossil_apply(srl__buf *out, srl__slice source, srl__slice patch, size_t max_len);

#endif
