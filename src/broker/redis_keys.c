#include "broker/redis_keys.h"

/* Tag p has a CRC-16 slot from 128 p to 128 p + 127. */
static const char *const tags[SRL__REDIS_PARTITIONS] = {
    "14", "10", "bd", "18", "e4", "cc", "6d", "9a", "ae", "29",  "25", "21", "3",  "7",  "f5", "f1",  "69", "c6", "61",
    "65", "1a", "1e", "b1", "b5", "f",  "b",  "58", "fd", "a0",  "a4", "43", "2d", "15", "11", "be",  "19", "cf", "cb",
    "6e", "6a", "ad", "28", "24", "20", "2",  "6",  "f4", "f0",  "68", "c7", "60", "64", "73", "1d",  "b0", "b4", "3b",
    "c",  "59", "fe", "a1", "a5", "2a", "2e", "16", "12", "bf",  "bb", "ce", "ca", "6f", "6b", "133", "ac", "27", "23",
    "1",  "5",  "9",  "38", "c0", "c4", "63", "67", "1c", "74",  "78", "b7", "d",  "3e", "fb", "ff",  "49", "a6", "2b",
    "2f", "17", "13", "d4", "bc", "cd", "e3", "9f", "6c", "af",  "ab", "26", "22", "0",  "4",  "8",   "39", "c1", "c5",
    "62", "66", "1b", "1f", "79", "b6", "e",  "a",  "fc", "143", "48", "a7", "2c", "44",
};

/* FNV-1a: what the layout of the data depends on must never change. */
static uint32_t partition_of(srl__slice name)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < name.len; i++) {
        hash = (hash ^ (uint8_t)name.data[i]) * UINT64_C(1099511628211);
    }
    return (uint32_t)(hash >> 32 ^ hash) % SRL__REDIS_PARTITIONS;
}

/* What is to follow the kind is appended by the caller. */
static void begin_key(srl__buf *out, srl__slice prefix, uint32_t partition, srl__redis_key_kind kind)
{
    srl__buf_reset(out);
    srl__buf_append_slice(out, prefix);
    srl__buf_append(out, ":{", 2);
    srl__buf_append(out, tags[partition], strlen(tags[partition]));
    srl__buf_append(out, "}:", 2);
    srl__buf_append_char(out, (char)kind);
    srl__buf_append_char(out, ':');
}

static srl__slice whole(const srl__buf *key)
{
    return key->error == 0 ? srl__slice_of(key->data, key->len) : srl__slice_of("", 0);
}

srl__slice srl__redis_key(srl__buf *out, srl__slice prefix, srl__redis_key_kind kind, srl__slice name, srl__slice extra)
{
    begin_key(out, prefix, partition_of(name), kind);
    if (extra.len > 0) {
        srl__buf_append_u64(out, name.len);
        srl__buf_append_char(out, ':');
    }
    srl__buf_append_slice(out, name);
    srl__buf_append_slice(out, extra);
    return whole(out);
}

srl__slice srl__redis_partition_key(srl__buf *out, srl__slice prefix, srl__redis_key_kind kind, uint32_t partition)
{
    begin_key(out, prefix, partition, kind);
    return whole(out);
}

srl__slice srl__redis_key_as(srl__buf *out, srl__slice key, size_t name_len, srl__redis_key_kind kind)
{
    srl__buf_reset(out);
    srl__buf_append_slice(out, key);
    if (out->error != 0 || key.len < name_len + 2) {
        return srl__slice_of("", 0);
    }
    out->data[key.len - name_len - 2] = (char)kind;
    return srl__slice_of(out->data, out->len);
}
