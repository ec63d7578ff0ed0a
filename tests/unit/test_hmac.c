#include "base/hmac.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const srl__sha2_kind kinds[] = {SRL__SHA256, SRL__SHA384, SRL__SHA512};

static void assert_code(const uint8_t *code, size_t len, const char *want)
{
    char hex[2 * SRL__SHA2_MAX_DIGEST + 1] = "";
    for (size_t i = 0; i < len; i++) {
        hex[2 * i] = "0123456789abcdef"[code[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[code[i] & 15];
    }
    hex[2 * len] = '\0';
    assert_string_equal(hex, want);
}

enum { COUNTING = 256 }; /* 1, 2, 3 ... */

/* Text, or one byte many times. */
typedef struct input {
    const char *text;
    uint32_t byte;
    size_t count;
} input;

static srl__slice filled(input in, char memory[200])
{
    if (in.text != NULL) {
        return srl__slice_of(in.text, strlen(in.text));
    }
    for (size_t i = 0; i < in.count; i++) {
        memory[i] = (char)(in.byte == COUNTING ? i + 1 : in.byte);
    }
    return srl__slice_of(memory, in.count);
}

static void vectors_of_rfc_4231(void **state)
{
    (void)state;
    static const struct {
        input key;
        input message;
        const char *codes[3];
    } cases[] = {
        {{NULL, 0x0b, 20},
         {"Hi There", 0, 0},
         {"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
          "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c"
          "faea9ea9076ede7f4af152e8b2fa9cb6",
          "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
          "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"}},
        {{"Jefe", 0, 0},
         {"what do ya want for nothing?", 0, 0},
         {"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
          "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
          "8e2240ca5e69e2c78b3239ecfab21649",
          "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
          "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"}},
        {{NULL, 0xaa, 20},
         {NULL, 0xdd, 50},
         {"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
          "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b"
          "2a5ab39dc13814b94e3ab6e101a34f27",
          "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
          "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"}},
        {{NULL, COUNTING, 25},
         {NULL, 0xcd, 50},
         {"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
          "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e"
          "6801dd23c4a7d679ccf8a386c674cffb",
          "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db"
          "a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"}},
        {{NULL, 0xaa, 131},
         {"Test Using Larger Than Block-Size Key - Hash Key First", 0, 0},
         {"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
          "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6"
          "0c2ef6ab4030fe8296248df163f44952",
          "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
          "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"}},
        {{NULL, 0xaa, 131},
         {"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
          "hashed before being used by the HMAC algorithm.",
          0, 0},
         {"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
          "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5"
          "a678cc31e799176d3860e6110c46523e",
          "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944"
          "b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58"}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t k = 0; k < 3; k++) {
            char key[200], message[200];
            uint8_t code[SRL__SHA2_MAX_DIGEST];
            size_t len = srl__hmac(kinds[k], filled(cases[i].key, key), filled(cases[i].message, message), code);
            assert_int_equal(len, srl__sha2_digest_len(kinds[k]));
            assert_code(code, len, cases[i].codes[k]);
        }
    }
}

/* Its fifth, of which only the first 128 bits are given. */
static void truncated_vector_of_rfc_4231(void **state)
{
    (void)state;
    static const char *const codes[] = {"a3b6167473100ee06e0c796c2955552b", "3abf34c3503b2a23a46efc619baef897",
                                        "415fad6271580a531d4179bc891d87a6"};
    for (size_t k = 0; k < 3; k++) {
        char key[200];
        uint8_t code[SRL__SHA2_MAX_DIGEST];
        srl__hmac(kinds[k], filled((input){NULL, 0x0c, 20}, key), SRL__LIT("Test With Truncation"), code);
        assert_code(code, 16, codes[k]);
    }
}

/* Keys of 0 to 300 bytes; the digest of all codes, as another implementation has it. */
static void keys_of_every_length(void **state)
{
    (void)state;
    static const char *const digests[] = {"3684c0dadf2353376b7cc79fc92dc65a84b55c1c2a05ece2198a4dd7400b17eb",
                                          "449ab63c1cef6d79c41da583bb6695312323fdb6bb7302274bb5e529b9b7dc93"
                                          "7901d447189263c17ac5e65bd9a66ed1",
                                          "11c420df1ae8fbbc2078921a02dbfd997025f00c791ad7713404f9787304bf7a"
                                          "1713034a4a20a15ee2cb53e65dcf3966df02cd91edd1f008dbd5c43afc2ad6ac"};
    for (size_t k = 0; k < 3; k++) {
        srl__sha2 all;
        uint8_t code[SRL__SHA2_MAX_DIGEST];
        srl__sha2_init(&all, kinds[k]);
        for (size_t n = 0; n <= 300; n++) {
            char *key = malloc(n > 0 ? n : 1);
            assert_non_null(key);
            memset(key, 'k', n);
            size_t len =
                srl__hmac(kinds[k], srl__slice_of(n > 0 ? key : NULL, n), srl__slice_of("mmmmmm", n % 7), code);
            srl__sha2_add(&all, code, len);
            free(key);
        }
        assert_code(code, srl__sha2_finish(&all, code), digests[k]);
    }
}

static void comparing(void **state)
{
    (void)state;
    uint8_t a[64], b[64];
    memset(a, 0x55, sizeof(a));
    memset(b, 0x55, sizeof(b));
    assert_true(srl__equal_in_constant_time(a, b, sizeof(a)));
    assert_true(srl__equal_in_constant_time(NULL, NULL, 0));
    for (size_t at = 0; at < sizeof(a); at++) {
        for (uint32_t bit = 0; bit < 8; bit++) {
            b[at] ^= (uint8_t)(1U << bit);
            assert_false(srl__equal_in_constant_time(a, b, sizeof(a)));
            assert_true(srl__equal_in_constant_time(a, b, at));
            b[at] ^= (uint8_t)(1U << bit);
        }
    }
}

static void wiping(void **state)
{
    (void)state;
    uint8_t secret[10], zeros[8] = {0};
    memset(secret, 0xAA, sizeof(secret));
    srl__wipe(secret + 1, 8);
    assert_memory_equal(secret + 1, zeros, 8);
    assert_int_equal(secret[0], 0xAA);
    assert_int_equal(secret[9], 0xAA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_rfc_4231),
        cmocka_unit_test(truncated_vector_of_rfc_4231),
        cmocka_unit_test(keys_of_every_length),
        cmocka_unit_test(comparing),
        cmocka_unit_test(wiping),
    };
    return cmocka_run_group_tests_name("hmac", tests, NULL, NULL);
}
