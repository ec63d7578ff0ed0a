#include <streamrelay/error.h>

const char *srl_error_text(int error)
{
    switch (error) {
#define TEXT_CASE(name, number, fatal, retriable, text)                                                                \
    case (number):                                                                                                     \
        return text;
        SRL_ERROR_MAP(TEXT_CASE)
#undef TEXT_CASE
    default:
        return "unknown error";
    }
}

const char *srl_error_name(int error)
{
    switch (error) {
#define NAME_CASE(name, number, fatal, retriable, text)                                                                \
    case (number):                                                                                                     \
        return #name;
        SRL_ERROR_MAP(NAME_CASE)
#undef NAME_CASE
    default:
        return "SRL_ERR_?";
    }
}

int srl_error_is_fatal(int error)
{
    switch (error) {
#define FATAL_CASE(name, number, fatal, retriable, text)                                                               \
    case (number):                                                                                                     \
        return fatal;
        SRL_ERROR_MAP(FATAL_CASE)
#undef FATAL_CASE
    default:
        return 0;
    }
}

int srl_error_is_retriable(int error)
{
    switch (error) {
#define RETRIABLE_CASE(name, number, fatal, retriable, text)                                                           \
    case (number):                                                                                                     \
        return retriable;
        SRL_ERROR_MAP(RETRIABLE_CASE)
#undef RETRIABLE_CASE
    default:
        return 0;
    }
}
