#include "base/sha2.h"

#include <string.h>

/* The first 64 bits of the fractional parts of the cube roots of the first 80 primes. SHA-256 has the upper halves. */
static const uint64_t roots[80] = {
    UINT64_C(0x428A2F98D728AE22), UINT64_C(0x7137449123EF65CD), UINT64_C(0xB5C0FBCFEC4D3B2F),
    UINT64_C(0xE9B5DBA58189DBBC), UINT64_C(0x3956C25BF348B538), UINT64_C(0x59F111F1B605D019),
    UINT64_C(0x923F82A4AF194F9B), UINT64_C(0xAB1C5ED5DA6D8118), UINT64_C(0xD807AA98A3030242),
    UINT64_C(0x12835B0145706FBE), UINT64_C(0x243185BE4EE4B28C), UINT64_C(0x550C7DC3D5FFB4E2),
    UINT64_C(0x72BE5D74F27B896F), UINT64_C(0x80DEB1FE3B1696B1), UINT64_C(0x9BDC06A725C71235),
    UINT64_C(0xC19BF174CF692694), UINT64_C(0xE49B69C19EF14AD2), UINT64_C(0xEFBE4786384F25E3),
    UINT64_C(0x0FC19DC68B8CD5B5), UINT64_C(0x240CA1CC77AC9C65), UINT64_C(0x2DE92C6F592B0275),
    UINT64_C(0x4A7484AA6EA6E483), UINT64_C(0x5CB0A9DCBD41FBD4), UINT64_C(0x76F988DA831153B5),
    UINT64_C(0x983E5152EE66DFAB), UINT64_C(0xA831C66D2DB43210), UINT64_C(0xB00327C898FB213F),
    UINT64_C(0xBF597FC7BEEF0EE4), UINT64_C(0xC6E00BF33DA88FC2), UINT64_C(0xD5A79147930AA725),
    UINT64_C(0x06CA6351E003826F), UINT64_C(0x142929670A0E6E70), UINT64_C(0x27B70A8546D22FFC),
    UINT64_C(0x2E1B21385C26C926), UINT64_C(0x4D2C6DFC5AC42AED), UINT64_C(0x53380D139D95B3DF),
    UINT64_C(0x650A73548BAF63DE), UINT64_C(0x766A0ABB3C77B2A8), UINT64_C(0x81C2C92E47EDAEE6),
    UINT64_C(0x92722C851482353B), UINT64_C(0xA2BFE8A14CF10364), UINT64_C(0xA81A664BBC423001),
    UINT64_C(0xC24B8B70D0F89791), UINT64_C(0xC76C51A30654BE30), UINT64_C(0xD192E819D6EF5218),
    UINT64_C(0xD69906245565A910), UINT64_C(0xF40E35855771202A), UINT64_C(0x106AA07032BBD1B8),
    UINT64_C(0x19A4C116B8D2D0C8), UINT64_C(0x1E376C085141AB53), UINT64_C(0x2748774CDF8EEB99),
    UINT64_C(0x34B0BCB5E19B48A8), UINT64_C(0x391C0CB3C5C95A63), UINT64_C(0x4ED8AA4AE3418ACB),
    UINT64_C(0x5B9CCA4F7763E373), UINT64_C(0x682E6FF3D6B2B8A3), UINT64_C(0x748F82EE5DEFB2FC),
    UINT64_C(0x78A5636F43172F60), UINT64_C(0x84C87814A1F0AB72), UINT64_C(0x8CC702081A6439EC),
    UINT64_C(0x90BEFFFA23631E28), UINT64_C(0xA4506CEBDE82BDE9), UINT64_C(0xBEF9A3F7B2C67915),
    UINT64_C(0xC67178F2E372532B), UINT64_C(0xCA273ECEEA26619C), UINT64_C(0xD186B8C721C0C207),
    UINT64_C(0xEADA7DD6CDE0EB1E), UINT64_C(0xF57D4F7FEE6ED178), UINT64_C(0x06F067AA72176FBA),
    UINT64_C(0x0A637DC5A2C898A6), UINT64_C(0x113F9804BEF90DAE), UINT64_C(0x1B710B35131C471B),
    UINT64_C(0x28DB77F523047D84), UINT64_C(0x32CAAB7B40C72493), UINT64_C(0x3C9EBE0A15C9BEBC),
    UINT64_C(0x431D67C49C100D4C), UINT64_C(0x4CC5D4BECB3E42B6), UINT64_C(0x597F299CFC657E2A),
    UINT64_C(0x5FCB6FAB3AD6FAEC), UINT64_C(0x6C44198C4A475817),
};

static const uint32_t start256[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                     0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};

static const uint64_t start_wide[2][8] = {
    {UINT64_C(0xCBBB9D5DC1059ED8), UINT64_C(0x629A292A367CD507), UINT64_C(0x9159015A3070DD17),
     UINT64_C(0x152FECD8F70E5939), UINT64_C(0x67332667FFC00B31), UINT64_C(0x8EB44A8768581511),
     UINT64_C(0xDB0C2E0D64F98FA7), UINT64_C(0x47B5481DBEFA4FA4)},
    {UINT64_C(0x6A09E667F3BCC908), UINT64_C(0xBB67AE8584CAA73B), UINT64_C(0x3C6EF372FE94F82B),
     UINT64_C(0xA54FF53A5F1D36F1), UINT64_C(0x510E527FADE682D1), UINT64_C(0x9B05688C2B3E6C1F),
     UINT64_C(0x1F83D9ABFB41BD6B), UINT64_C(0x5BE0CD19137E2179)},
};

size_t srl__sha2_digest_len(srl__sha2_kind kind)
{
    return kind == SRL__SHA256 ? 32 : kind == SRL__SHA384 ? 48 : 64;
}

size_t srl__sha2_block_len(srl__sha2_kind kind)
{
    return kind == SRL__SHA256 ? 64 : 128;
}

static uint64_t load_be(const uint8_t *p, uint32_t bytes)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        n = n << 8 | p[i];
    }
    return n;
}

static void store_be(uint8_t *p, uint64_t n, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        p[i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
    }
}

static uint32_t turned32(uint32_t n, uint32_t by)
{
    return n >> by | n << (32 - by);
}

static uint64_t turned64(uint64_t n, uint32_t by)
{
    return n >> by | n << (64 - by);
}

static void add_block256(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], s[8];
    for (uint32_t i = 0; i < 16; i++) {
        w[i] = (uint32_t)load_be(block + 4 * (size_t)i, 4);
    }
    for (uint32_t i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (turned32(a, 7) ^ turned32(a, 18) ^ a >> 3) +
               (turned32(b, 17) ^ turned32(b, 19) ^ b >> 10);
    }
    memcpy(s, state, sizeof(s));
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t mixed = s[7] + (turned32(s[4], 6) ^ turned32(s[4], 11) ^ turned32(s[4], 25)) +
                         ((s[4] & s[5]) ^ (~s[4] & s[6])) + (uint32_t)(roots[i] >> 32) + w[i];
        uint32_t more = (turned32(s[0], 2) ^ turned32(s[0], 13) ^ turned32(s[0], 22)) +
                        ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof(s[0]));
        s[4] += mixed;
        s[0] = mixed + more;
    }
    for (uint32_t i = 0; i < 8; i++) {
        state[i] += s[i];
    }
}

static void add_block512(uint64_t state[8], const uint8_t *block)
{
    uint64_t w[80], s[8];
    for (uint32_t i = 0; i < 16; i++) {
        w[i] = load_be(block + 8 * (size_t)i, 8);
    }
    for (uint32_t i = 16; i < 80; i++) {
        uint64_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (turned64(a, 1) ^ turned64(a, 8) ^ a >> 7) +
               (turned64(b, 19) ^ turned64(b, 61) ^ b >> 6);
    }
    memcpy(s, state, sizeof(s));
    for (uint32_t i = 0; i < 80; i++) {
        uint64_t mixed = s[7] + (turned64(s[4], 14) ^ turned64(s[4], 18) ^ turned64(s[4], 41)) +
                         ((s[4] & s[5]) ^ (~s[4] & s[6])) + roots[i] + w[i];
        uint64_t more = (turned64(s[0], 28) ^ turned64(s[0], 34) ^ turned64(s[0], 39)) +
                        ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof(s[0]));
        s[4] += mixed;
        s[0] = mixed + more;
    }
    for (uint32_t i = 0; i < 8; i++) {
        state[i] += s[i];
    }
}

static void add_block(srl__sha2 *sha, const uint8_t *block)
{
    if (sha->kind == SRL__SHA256) {
        add_block256(sha->state.narrow, block);
    } else {
        add_block512(sha->state.wide, block);
    }
}

void srl__sha2_init(srl__sha2 *sha, srl__sha2_kind kind)
{
    sha->kind = kind;
    sha->len = 0;
    if (kind == SRL__SHA256) {
        memcpy(sha->state.narrow, start256, sizeof(start256));
    } else {
        memcpy(sha->state.wide, start_wide[kind == SRL__SHA512], sizeof(start_wide[0]));
    }
}

void srl__sha2_add(srl__sha2 *sha, const void *data, size_t len)
{
    const uint8_t *at = data;
    size_t size = srl__sha2_block_len(sha->kind);
    size_t held = (size_t)(sha->len % size);
    sha->len += len;
    if (held > 0) {
        size_t part = len < size - held ? len : size - held;
        if (part > 0) {
            memcpy(sha->block + held, at, part);
            at += part;
            len -= part;
        }
        if (held + part < size) {
            return;
        }
        add_block(sha, sha->block);
    }
    for (; len >= size; len -= size, at += size) {
        add_block(sha, at);
    }
    if (len > 0) {
        memcpy(sha->block, at, len);
    }
}

size_t srl__sha2_finish(srl__sha2 *sha, uint8_t *out)
{
    size_t size = srl__sha2_block_len(sha->kind);
    size_t held = (size_t)(sha->len % size);
    uint64_t bits = sha->len << 3, bits_above = sha->len >> 61;
    sha->block[held++] = 0x80;
    if (held > size - size / 8) {
        memset(sha->block + held, 0, size - held);
        add_block(sha, sha->block);
        held = 0;
    }
    memset(sha->block + held, 0, size - held);
    store_be(sha->block + size - 8, bits, 8);
    if (sha->kind != SRL__SHA256) {
        store_be(sha->block + size - 16, bits_above, 8);
    }
    add_block(sha, sha->block);
    size_t len = srl__sha2_digest_len(sha->kind);
    if (sha->kind == SRL__SHA256) {
        for (size_t i = 0; i < len / 4; i++) {
            store_be(out + 4 * i, sha->state.narrow[i], 4);
        }
    } else {
        for (size_t i = 0; i < len / 8; i++) {
            store_be(out + 8 * i, sha->state.wide[i], 8);
        }
    }
    return len;
}
