#include <streamrelay/version.h>

const char *srl_version(void)
{
    return SRL_VERSION;
}

uint32_t srl_version_number(void)
{
    return SRL_VERSION_NUMBER;
}

uint32_t srl_abi_version(void)
{
    return SRL_ABI_VERSION;
}
