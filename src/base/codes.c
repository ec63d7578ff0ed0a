#include <streamrelay/codes.h>

const char *srl_reply_code_text(uint32_t code)
{
    switch (code) {
#define TEXT_CASE(name, number, temporary, text)                                                                       \
    case (number):                                                                                                     \
        return text;
        SRL_REPLY_ERROR_MAP(TEXT_CASE)
#undef TEXT_CASE
    default:
        return "application error";
    }
}

int srl_reply_code_is_temporary(uint32_t code)
{
    switch (code) {
#define TEMPORARY_CASE(name, number, temporary, text)                                                                  \
    case (number):                                                                                                     \
        return temporary;
        SRL_REPLY_ERROR_MAP(TEMPORARY_CASE)
#undef TEMPORARY_CASE
    default:
        return 0;
    }
}

const char *srl_disconnect_text(uint32_t code)
{
    switch (code) {
#define TEXT_CASE(name, number, text)                                                                                  \
    case (number):                                                                                                     \
        return text;
        SRL_DISCONNECT_MAP(TEXT_CASE)
#undef TEXT_CASE
    default:
        return "application disconnect";
    }
}

const char *srl_unsubscribe_text(uint32_t code)
{
    switch (code) {
#define TEXT_CASE(name, number, text)                                                                                  \
    case (number):                                                                                                     \
        return text;
        SRL_UNSUBSCRIBE_MAP(TEXT_CASE)
#undef TEXT_CASE
    default:
        return "unsubscribed";
    }
}

int srl_disconnect_reconnects(uint32_t code)
{
    return !((code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999));
}
