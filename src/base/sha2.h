/* SHA-256, SHA-384 and SHA-512 (FIPS 180-4), piece by piece. */
#ifndef SRL__SHA2_H
#define SRL__SHA2_H

#include <stddef.h>
#include <stdint.h>

typedef enum srl__sha2_kind { SRL__SHA256 = 0, SRL__SHA384 = 1, SRL__SHA512 = 2 } srl__sha2_kind;

#define SRL__SHA2_MAX_DIGEST 64
#define SRL__SHA2_MAX_BLOCK  128

typedef struct srl__sha2 {
    srl__sha2_kind kind;
    union {
        uint32_t narrow[8]; /* SHA-256 */
        uint64_t wide[8];   /* the others */
    } state;
    uint64_t len;                       /* bytes so far */
    uint8_t block[SRL__SHA2_MAX_BLOCK]; /* those that do not make a whole block yet */
} srl__sha2;

/* Bytes of the digest: 32, 48, 64. */
size_t srl__sha2_digest_len(srl__sha2_kind kind);
/* Bytes of a block: 64, 128, 128. */
size_t srl__sha2_block_len(srl__sha2_kind kind);

void srl__sha2_init(srl__sha2 *sha, srl__sha2_kind kind);
void srl__sha2_add(srl__sha2 *sha, const void *data, size_t len);
/* The digest's length; out has room for it. Init before any further use. */
size_t srl__sha2_finish(srl__sha2 *sha, uint8_t *out);

#endif
