/* The tests of test_json.c on the string scan for machines without SSE2. */
#define SRL__JSON_PORTABLE
#include "base/json_reader.c"

#include "test_json.c"
