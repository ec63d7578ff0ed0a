#include "base/hmac.h"

static void begin(srl__sha2 *sha, srl__sha2_kind kind, const uint8_t *key, uint8_t with)
{
    uint8_t pad[SRL__SHA2_MAX_BLOCK];
    size_t size = srl__sha2_block_len(kind);
    for (size_t i = 0; i < size; i++) {
        pad[i] = key[i] ^ with;
    }
    srl__sha2_init(sha, kind);
    srl__sha2_add(sha, pad, size);
    srl__wipe(pad, sizeof(pad));
}

size_t srl__hmac(srl__sha2_kind kind, srl__slice key, srl__slice message, uint8_t *out)
{
    uint8_t block[SRL__SHA2_MAX_BLOCK] = {0};
    srl__sha2 sha;
    if (key.len > srl__sha2_block_len(kind)) {
        srl__sha2_init(&sha, kind);
        srl__sha2_add(&sha, key.data, key.len);
        srl__sha2_finish(&sha, block);
    } else if (key.len > 0) {
        memcpy(block, key.data, key.len);
    }
    begin(&sha, kind, block, 0x36);
    srl__sha2_add(&sha, message.data, message.len);
    size_t len = srl__sha2_finish(&sha, out);
    begin(&sha, kind, block, 0x5C);
    srl__sha2_add(&sha, out, len);
    srl__sha2_finish(&sha, out);
    srl__wipe(block, sizeof(block));
    srl__wipe(&sha, sizeof(sha));
    return len;
}

bool srl__equal_in_constant_time(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *p = a, *q = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < len; i++) {
        difference |= (uint8_t)(p[i] ^ q[i]);
    }
    return difference == 0;
}

void srl__wipe(void *data, size_t len)
{
    volatile uint8_t *p = data;
    for (size_t i = 0; i < len; i++) {
        p[i] = 0;
    }
}
