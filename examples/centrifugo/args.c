#include "args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "use_redis.h"

static const char USAGE[] =
    "usage: centrifugo [option...]\n"
    "  --port N               listen on this port (8000; 0: any free one)\n"
    "  --host NAME            listen on the addresses of this name (localhost)\n"
    "  --config FILE          read a configuration of Centrifugo: its sections client, channel, http_api\n"
    "  --namespaces FILE      the same; for files that have only the section channel\n"
    "  --jwt-secret SECRET    clients show tokens signed with this (HS256, HS384, HS512)\n"
    "  --insecure             clients need no tokens and may do everything\n"
    "  --anonymous            clients without a token may connect\n"
    "  --api-key KEY          switch the HTTP API on\n"
    "  --allowed-origins LIST let pages from there connect too, with commas between; * for all\n"
    "  --ping TIME            how often clients are pinged (25s)\n"
    "  --redis URL            meet other servers at a Redis\n"
    "  --set NAME=VALUE       set an option of the relay (docs/options.md)\n"
    "  --help                 show this\n"
    "Later options take precedence over earlier ones. With --insecure alone it serves whoever comes.\n";

typedef struct option {
    const char *name;
    int (*take)(args *a, config *c, char *value); /* 0, or -1 after saying what is wrong */
    bool is_switch;
} option;

static int complain(const char *what, const char *about)
{
    fprintf(stderr, "centrifugo: %s%s\n", what, about);
    return -1;
}

static int set_relay(config *c, const char *name, const char *value)
{
    if (srl_options_set(c->relay, name, value) == 0)
        return 0;
    return complain("", srl_options_last_error(c->relay));
}

static int copy(char out[CONFIG_TEXT_SIZE], const char *value)
{
    size_t len = strlen(value);
    if (len >= CONFIG_TEXT_SIZE)
        return complain("too long: ", value);
    memcpy(out, value, len + 1);
    return 0;
}

static int take_port(args *a, config *c, char *value)
{
    char *end;
    unsigned long port = strtoul(value, &end, 10);
    (void)c;
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || port > 65535)
        return complain("not a port: ", value);
    a->port = value;
    return 0;
}

static int take_host(args *a, config *c, char *value)
{
    (void)c;
    a->host = value;
    return 0;
}

static int take_config(args *a, config *c, char *value)
{
    (void)a;
    return config_read(c, value);
}

static int take_secret(args *a, config *c, char *value)
{
    (void)a;
    return copy(c->token.secret, value);
}

static int take_insecure(args *a, config *c, char *value)
{
    (void)a;
    (void)value;
    c->insecure = true;
    return 0;
}

static int take_anonymous(args *a, config *c, char *value)
{
    (void)a;
    (void)value;
    c->anonymous = true;
    return 0;
}

static int take_api_key(args *a, config *c, char *value)
{
    (void)a;
    return copy(c->api_key, value);
}

static int take_origins(args *a, config *c, char *value)
{
    (void)a;
    while (*value != '\0') {
        size_t len = strcspn(value, ",");
        if (len > 0 && config_add_origin(c, value, len) != 0)
            return complain("too many origins: ", value);
        value += len + (value[len] == ',');
    }
    return 0;
}

static int take_ping(args *a, config *c, char *value)
{
    (void)a;
    return set_relay(c, "ping_interval", value);
}

static int take_redis(args *a, config *c, char *value)
{
    (void)a;
    return use_redis(c->relay, value, "centrifugo") == 0 ? 0 : -1;
}

static int take_setting(args *a, config *c, char *value)
{
    char *equals = strchr(value, '=');
    (void)a;
    if (!equals)
        return complain("--set wants NAME=VALUE: ", value);
    *equals = '\0';
    return set_relay(c, value, equals + 1);
}

static const option *find(const char *name)
{
    static const option options[] = {
        {"--port", take_port, false},
        {"--host", take_host, false},
        {"--config", take_config, false},
        {"--namespaces", take_config, false},
        {"--jwt-secret", take_secret, false},
        {"--insecure", take_insecure, true},
        {"--anonymous", take_anonymous, true},
        {"--api-key", take_api_key, false},
        {"--allowed-origins", take_origins, false},
        {"--ping", take_ping, false},
        {"--redis", take_redis, false},
        {"--set", take_setting, false},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    }
    return NULL;
}

int args_parse(args *a, config *c, int argc, char **argv)
{
    a->host = "localhost";
    a->port = "8000";
    for (int i = 1; i < argc; i++) {
        const option *found = find(argv[i]);
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(USAGE, stdout);
            return 0;
        }
        if (!found) {
            complain("unknown option ", argv[i]);
            return 2;
        }
        if (!found->is_switch && i + 1 == argc) {
            complain("a value is missing behind ", argv[i]);
            return 2;
        }
        if (found->take(a, c, found->is_switch ? NULL : argv[++i]) != 0)
            return 2;
    }
    return config_finish(c) == 0 ? -1 : 2;
}
