/* Prints docs/options.md from the library's own table of options. */
#include <stdio.h>

#include <streamrelay/options.h>

static int count_scope(int32_t scope)
{
    srl_option_info info = {.size = sizeof info};
    int count = 0;
    for (uint32_t i = 0; srl_options_describe(i, &info) == 0; i++) {
        count += info.scope == scope;
    }
    return count;
}

/* A table's cell: a bar would end it. */
static void print_cell(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            putchar('\\');
        }
        putchar(*text);
    }
}

static void print_option(const srl_option_info *info)
{
    printf("| `%s` | %s | ", info->name, info->type);
    if (info->default_value[0] != '\0') {
        printf("`%s`", info->default_value);
    }
    fputs(" | ", stdout);
    print_cell(info->range);
    fputs(" | ", stdout);
    print_cell(info->text);
    fputs(" |\n", stdout);
}

static int print_scope(int32_t scope, const char *title, const char *text)
{
    printf("\n## %s\n\n%s\n\n| name | type | default | allowed | what it is for |\n|---|---|---|---|---|\n", title,
           text);
    srl_option_info info = {.size = sizeof info};
    for (uint32_t i = 0; srl_options_describe(i, &info) == 0; i++) {
        if (info.scope == scope) {
            print_option(&info);
        }
    }
    return count_scope(scope) > 0;
}

int main(void)
{
    fputs("# Options\n\n"
          "Made by `tests/run.sh --update-docs` from the table in the library; a test compares the two.\n"
          "`srl_options_set(options, name, value)` takes names and values as they are written here;\n"
          "`include/streamrelay/options.h` explains the types.\n",
          stdout);
    int relay = print_scope(SRL_OPTION_RELAY, "Relay", "For the relay as a whole.");
    int channel = print_scope(SRL_OPTION_CHANNEL, "Channels",
                              "Set for a relay they hold for all its channels; `srl_relay_set_namespace()` sets them "
                              "for the channels whose\nname begins with a prefix.");
    return relay && channel && fflush(stdout) == 0 ? 0 : 1;
}
