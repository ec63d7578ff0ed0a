#include "base/reader.h"

void srl__reader_init(srl__reader *r, const void *data, size_t len)
{
    r->begin = data != NULL ? data : "";
    r->at = r->begin;
    r->end = r->begin + len;
}

size_t srl__reader_left(const srl__reader *r)
{
    return (size_t)(r->end - r->at);
}

size_t srl__reader_offset(const srl__reader *r)
{
    return (size_t)(r->at - r->begin);
}

bool srl__reader_byte(srl__reader *r, uint8_t *out)
{
    if (r->at == r->end) {
        return false;
    }
    *out = (uint8_t)*r->at++;
    return true;
}

bool srl__reader_bytes(srl__reader *r, size_t len, srl__slice *out)
{
    if (len > srl__reader_left(r)) {
        return false;
    }
    *out = srl__slice_of(r->at, len);
    r->at += len;
    return true;
}

bool srl__reader_until(srl__reader *r, char stop, srl__slice *out)
{
    const char *found = memchr(r->at, (unsigned char)stop, srl__reader_left(r));
    if (found == NULL) {
        return false;
    }
    *out = srl__slice_of(r->at, (size_t)(found - r->at));
    r->at = found + 1;
    return true;
}

bool srl__reader_u64(srl__reader *r, uint64_t *out)
{
    const char *at = r->at;
    uint64_t n = 0;
    for (; at < r->end && *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (at - r->at == 20 || n > (UINT64_MAX - digit) / 10) {
            return false;
        }
        n = n * 10 + digit;
    }
    if (at == r->at) {
        return false;
    }
    r->at = at;
    *out = n;
    return true;
}
