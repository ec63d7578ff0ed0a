#include "base/sha2.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const srl__sha2_kind kinds[] = {SRL__SHA256, SRL__SHA384, SRL__SHA512};

static void assert_digest(const uint8_t *digest, size_t len, const char *want)
{
    char hex[2 * SRL__SHA2_MAX_DIGEST + 1] = "";
    for (size_t i = 0; i < len; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[2 * len] = '\0';
    assert_string_equal(hex, want);
}

/* FIPS 180-4, and the examples that NIST publishes with it. */
static void published_digests(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        const char *digests[3];
    } cases[] = {
        {"",
         {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
          "274edebfe76f65fbd51ad2f14898b95b",
          "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
          "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"}},
        {"abc",
         {"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
          "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
          "8086072ba1e7cc2358baeca134c825a7",
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"}},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         {"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
          "3391fdddfc8dc7393707a65b1b4709397cf8b1d162af05abfe8f450de5f36bc6"
          "b0455a8520bc4e6f5fe95b1fe3c8452b",
          "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c335"
          "96fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445"}},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqr"
         "stu",
         {"cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
          "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712"
          "fcc7c71a557e2db966c3e9fa91746039",
          "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
          "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909"}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t k = 0; k < 3; k++) {
            srl__sha2 sha;
            uint8_t digest[SRL__SHA2_MAX_DIGEST];
            srl__sha2_init(&sha, kinds[k]);
            srl__sha2_add(&sha, cases[i].message, strlen(cases[i].message));
            size_t len = srl__sha2_finish(&sha, digest);
            assert_int_equal(len, srl__sha2_digest_len(kinds[k]));
            assert_digest(digest, len, cases[i].digests[k]);
        }
    }
}

static void a_million_letters(void **state)
{
    (void)state;
    static const char *const digests[] = {"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
                                          "9d0e1809716474cb086e834e310a4a1ced149e9c00f248527972cec5704c2a5b"
                                          "07b8b3dc38ecc4ebae97ddd87f3d8985",
                                          "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
                                          "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b"};
    static char letters[1000];
    memset(letters, 'a', sizeof(letters));
    for (size_t k = 0; k < 3; k++) {
        srl__sha2 sha;
        uint8_t digest[SRL__SHA2_MAX_DIGEST];
        srl__sha2_init(&sha, kinds[k]);
        for (uint32_t i = 0; i < 1000; i++) {
            srl__sha2_add(&sha, letters, sizeof(letters));
        }
        assert_digest(digest, srl__sha2_finish(&sha, digest), digests[k]);
    }
}

/* The digest of the digests of messages of 0 to 300 bytes, as another implementation has it. */
static void every_length(void **state)
{
    (void)state;
    static const char *const digests[] = {"60d63ff40b5558727a9b786ac0be9300f7ca58fd9ddd3b2f3681b369018a87dc",
                                          "022ac2b92dcdb9358b044b9475cd22bacae49d2510f5493370847b4c61050cac"
                                          "c2325d1d80119adbc3ca9eaa7ecd3de7",
                                          "e1f2f7d5d8fc48db06ec2a0eed639593f549caffa40245747258761214a3ec07"
                                          "134903fde52ace6cfae161a82097ba01f33a97d48dd6a80d4521d96d7401357e"};
    for (size_t k = 0; k < 3; k++) {
        srl__sha2 all, one;
        uint8_t digest[SRL__SHA2_MAX_DIGEST], message[300];
        srl__sha2_init(&all, kinds[k]);
        for (size_t n = 0; n <= 300; n++) {
            for (size_t i = 0; i < n; i++) {
                message[i] = (uint8_t)(i * 7 + n);
            }
            srl__sha2_init(&one, kinds[k]);
            srl__sha2_add(&one, message, n);
            srl__sha2_add(&all, digest, srl__sha2_finish(&one, digest));
        }
        assert_digest(digest, srl__sha2_finish(&all, digest), digests[k]);
    }
}

static void in_any_two_pieces(void **state)
{
    (void)state;
    enum { LEN = 290 };
    uint8_t whole[SRL__SHA2_MAX_DIGEST], digest[SRL__SHA2_MAX_DIGEST];
    for (size_t k = 0; k < 3; k++) {
        srl__sha2 sha;
        uint8_t message[LEN];
        for (size_t i = 0; i < LEN; i++) {
            message[i] = (uint8_t)(i * 31);
        }
        srl__sha2_init(&sha, kinds[k]);
        srl__sha2_add(&sha, message, LEN);
        size_t len = srl__sha2_finish(&sha, whole);
        for (size_t cut = 0; cut <= LEN; cut++) {
            uint8_t *tail = malloc(LEN - cut + 1);
            assert_non_null(tail);
            memcpy(tail, message + cut, LEN - cut);
            srl__sha2_init(&sha, kinds[k]);
            srl__sha2_add(&sha, message, cut);
            srl__sha2_add(&sha, NULL, 0);
            srl__sha2_add(&sha, tail, LEN - cut);
            assert_int_equal(srl__sha2_finish(&sha, digest), len);
            assert_memory_equal(digest, whole, len);
            free(tail);
        }
        srl__sha2_init(&sha, kinds[k]);
        for (size_t i = 0; i < LEN; i++) {
            srl__sha2_add(&sha, message + i, 1);
        }
        srl__sha2_finish(&sha, digest);
        assert_memory_equal(digest, whole, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_digests),
        cmocka_unit_test(a_million_letters),
        cmocka_unit_test(every_length),
        cmocka_unit_test(in_any_two_pieces),
    };
    return cmocka_run_group_tests_name("sha2", tests, NULL, NULL);
}
