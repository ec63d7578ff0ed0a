/* Doubles from text and back, with no locale. */
#ifndef SRL__RESP_DOUBLE_H
#define SRL__RESP_DOUBLE_H

#include "base/slice.h"

#define SRL__DOUBLE_TEXT 32

/* [+-] digits [. digits] [e [+-] digits], where one side of the point may be empty; inf, infinity, nan, nan(...).
 * Nearest double, ties to even. 0, SRL_ERR_TYPE, or SRL_ERR_TOO_LARGE beyond the largest double. */
int srl__double_from_text(const char *text, size_t len, double *out);

/* Whether srl__double_from_text would give 0. */
bool srl__double_is_valid(const char *text, size_t len);

/* The shortest of 15 to 17 digits that gives the same double again; returns the length. Ended by a zero byte. */
size_t srl__double_to_text(double number, char out[SRL__DOUBLE_TEXT]);

#endif
