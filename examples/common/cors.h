/* cors.h - pages of other origins: which may come, and what their browsers must be told. */
#ifndef EXAMPLES_CORS_H
#define EXAMPLES_CORS_H

#include "http.h"

#define CORS_SIZE 768

/**
 * Check where a request comes from, as ws_origin_allowed() does.
 *
 * @param out  receives header lines for the answer; empty if it does not come from another page
 * @return whether it may be answered
 */
bool cors_check(const http_request *request, const char *const *allowed, size_t allowed_count, char out[CORS_SIZE]);

#endif
