#include "chat_args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "usage: chat [option...]\n"
    "  --port N         listen on this port (8080; 0: any free one)\n"
    "  --host NAME      listen on the addresses of this name (localhost)\n"
    "  --redis URL      meet other chats there, like redis://127.0.0.1:6379; all that use it are one chat\n"
    "  --origin ORIGIN  let pages from there connect too, like https://chat.example; * for all; may be repeated\n"
    "  --sdk FILE       for the page with ?sdk=centrifuge: dist/centrifuge.js of the npm package centrifuge\n"
    "  --set NAME=VALUE set an option of the relay (docs/options.md); may be repeated\n"
    "  --help           show this\n";

static int complain(const char *what, const char *argument)
{
    fprintf(stderr, "chat: %s%s\n", what, argument);
    return 2;
}

static int add_setting(chat_args *args, char *value)
{
    char *equals = strchr(value, '=');
    if (!equals || args->setting_count == CHAT_ARGS_MAX)
        return complain("--set wants NAME=VALUE: ", value);
    *equals = '\0';
    args->settings[args->setting_count++] = value;
    return -1;
}

static int set_port(chat_args *args, const char *value)
{
    char *end;
    unsigned long port = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || port > 65535)
        return complain("not a port: ", value);
    args->port = value;
    return -1;
}

static int take(chat_args *args, const char *name, char *value)
{
    if (strcmp(name, "--port") == 0)
        return set_port(args, value);
    if (strcmp(name, "--host") == 0) {
        args->host = value;
    } else if (strcmp(name, "--redis") == 0) {
        args->redis = value;
    } else if (strcmp(name, "--sdk") == 0) {
        args->sdk = value;
    } else if (strcmp(name, "--set") == 0) {
        return add_setting(args, value);
    } else if (strcmp(name, "--origin") == 0) {
        if (args->origin_count == CHAT_ARGS_MAX)
            return complain("too many origins: ", value);
        args->origins[args->origin_count++] = value;
    } else {
        return complain("unknown option ", name);
    }
    return -1;
}

int chat_args_parse(chat_args *args, int argc, char **argv)
{
    int result = -1;
    memset(args, 0, sizeof *args);
    args->host = "localhost";
    args->port = "8080";
    for (int i = 1; i < argc && result < 0; i += 2) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(USAGE, stdout);
            return 0;
        }
        if (i + 1 == argc)
            return complain("a value is missing, or an unknown option: ", argv[i]);
        result = take(args, argv[i], argv[i + 1]);
    }
    return result;
}
