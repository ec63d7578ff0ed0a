/* Reads the JSON that a relay sends: members by their path, nothing copied. It trusts that the JSON is valid. */
#ifndef SRL_TEST_CLUSTER_WIRE_H
#define SRL_TEST_CLUSTER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <streamrelay/api.h>

/* The value at a path like "push.data.offset", as it is written; data NULL if there is none. */
srl_text wire_find(srl_text json, const char *path);
/* What is between the quotes; escapes stay. */
srl_text wire_string(srl_text json, const char *path);
/* 0 if it is not there. */
uint64_t wire_number(srl_text json, const char *path);
bool wire_is_true(srl_text json, const char *path);
bool wire_equals(srl_text text, const char *word);

#endif
