/* The checksum: see checksum.h. */
#include "base/checksum.h"

#include <string.h>

enum { LANES = 8 };

static const uint64_t odd = 0x9E3779B97F4A7C15; // 2^64 divided by the golden ratio

static uint64_t step(uint64_t lane, uint64_t word)
{
    lane ^= word;
    return (lane << 32 | lane >> 32) * odd;
}

/* The finalizer of MurmurHash3 (Appleby 2011): every bit of the result depends on every bit of x. */
static uint64_t finish(uint64_t x)
{
    x = (x ^ x >> 33) * 0xFF51AFD7ED558CCD;
    x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53;
    return x ^ x >> 33;
}

uint64_t checksum(const void *bytes, size_t n, uint64_t seed)
{
    const uint8_t *at = bytes;
    uint64_t lanes[LANES], words[LANES], sum = finish(seed ^ n);
    for (size_t i = 0; i < LANES; i++)
        lanes[i] = finish(sum + i);
    for (; n >= sizeof words; n -= sizeof words, at += sizeof words) {
        memcpy(words, at, sizeof words);
        for (int i = 0; i < LANES; i++)
            lanes[i] = step(lanes[i], words[i]);
    }
    if (n) { // the length is part of the seed: zeros behind the end are no bytes
        memset(words, 0, sizeof words);
        memcpy(words, at, n);
        for (int i = 0; i < LANES; i++)
            lanes[i] = step(lanes[i], words[i]);
    }
    for (int i = 0; i < LANES; i++)
        sum = step(sum, finish(lanes[i]));
    return finish(sum);
}
