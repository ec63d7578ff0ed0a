/* What the relay takes out of a set of options. */
#ifndef SRL__OPTIONS_H
#define SRL__OPTIONS_H

#include <streamrelay/options.h>

#include "engine/settings.h"

struct srl_options {
    srl__settings settings;
    srl_allocator allocator;
    srl_platform platform;
    srl_hooks hooks;
    void *hooks_user;
    srl_broker *broker;
    char error[192];
};

void srl__options_defaults(srl_options *options);

/* Options that contradict each other: SRL_ERR_OPTION_VALUE and a sentence in `error`. */
int srl__channel_settings_check(const srl__channel_settings *settings, char *error, size_t error_size);
int srl__settings_check(const srl__settings *settings, char *error, size_t error_size);

#endif
