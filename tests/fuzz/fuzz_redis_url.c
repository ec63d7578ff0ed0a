/*
 * The URL parser: it never reads too far, says where it stopped, never repeats a secret, and what it accepts can be
 * used.
 *
 * Input: the URL. The word "SECRET" in it stands for a password: no error text may contain it.
 */
#include "redis/config.h"

#include <stdlib.h>

#include <streamrelay/error.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

static void check_text(const srl__redis_text *text)
{
    REQUIRE(text->data == NULL || strlen(text->data) == text->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    srl_redis_options *options;
    srl__redis_config *config = NULL;
    REQUIRE(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    int error = srl_redis_options_create(copy, size, &options);
    free(copy);
    REQUIRE(error == SRL_OK || error == SRL_ERR_REDIS_URL);
    REQUIRE(strstr(srl_redis_options_last_error(options), "SECRET") == NULL);
    REQUIRE((error == SRL_OK) == (srl_redis_options_last_error(options)[0] == '\0'));
    check_text(&options->config.host);
    check_text(&options->config.path);
    check_text(&options->config.user);
    check_text(&options->config.password);
    check_text(&options->config.client_name);
    REQUIRE(options->config.port >= 1 && options->config.port <= 65535);
    error = srl__redis_config_take(options, &config);
    REQUIRE(error == SRL_OK || (error == SRL_ERR_REDIS_TRANSPORT && options->config.tls));
    srl__redis_config_unref(config);
    srl_redis_options_destroy(options);
    return 0;
}
