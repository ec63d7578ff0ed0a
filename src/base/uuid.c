#include "base/uuid.h"

#include <stddef.h>

void srl__uuid_write(const uint8_t bytes[16], char out[SRL__UUID_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    static const uint8_t places[] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

    for (size_t i = 0; i < 16; i++) {
        out[places[i]] = digits[bytes[i] >> 4];
        out[places[i] + 1] = digits[bytes[i] & 0x0F];
    }
    out[8] = out[13] = out[18] = out[23] = '-';
    out[SRL__UUID_LEN] = '\0';
}
