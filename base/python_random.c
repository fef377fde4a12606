/* Python's random numbers: see python_random.h. */
#include "base/python_random.h"

#include "base/memory.h"

#include <stdlib.h>

enum { N = 624, M = 397 };

void python_random_seed(struct python_random *r, uint64_t seed)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t words = key[1] ? 2 : 1, *s = r->state;
    s[0] = 19650218u;
    for (uint32_t i = 1; i < N; i++)
        s[i] = 1812433253u * (s[i - 1] ^ s[i - 1] >> 30) + i;
    uint32_t i = 1, j = 0;
    for (int k = 0; k < N; k++) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1664525u) + key[j] + j;
        j = (j + 1) % words;
        if (++i == N) {
            s[0] = s[N - 1];
            i = 1;
        }
    }
    for (int k = 0; k < N - 1; k++) {
        s[i] = (s[i] ^ (s[i - 1] ^ s[i - 1] >> 30) * 1566083941u) - i;
        if (++i == N) {
            s[0] = s[N - 1];
            i = 1;
        }
    }
    s[0] = 0x80000000u;
    r->at = N;
}

static void refill(struct python_random *r)
{
    uint32_t *s = r->state;
    for (int i = 0; i < N; i++) {
        uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % N] & 0x7FFFFFFFu);
        s[i] = s[(i + M) % N] ^ y >> 1 ^ (y & 1 ? 0x9908B0DFu : 0);
    }
    r->at = 0;
}

uint32_t python_random_bits(struct python_random *r)
{
    if (r->at == N)
        refill(r);
    uint32_t y = r->state[r->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9D2C5680u;
    y ^= y << 15 & 0xEFC60000u;
    return y ^ y >> 18;
}

double python_random_unit(struct python_random *r)
{
    uint32_t a = python_random_bits(r) >> 5, b = python_random_bits(r) >> 6;
    return (a * 67108864.0 + b) / 9007199254740992.0;
}

uint32_t python_random_below(struct python_random *r, uint32_t bound)
{
    int bits = 32 - __builtin_clz(bound);
    uint32_t drawn;
    do
        drawn = python_random_bits(r) >> (32 - bits);
    while (drawn >= bound);
    return drawn;
}

/* Python keeps what is drawn in a set while that is smaller than a list of all would be. */
static bool takes_from_a_list(uint32_t n, uint32_t k)
{
    uint64_t set = 21;
    if (k > 5) {
        uint64_t power = 1; // 4 to the ceiling of log₄ 3k
        while (power < 3 * (uint64_t)k)
            power *= 4;
        set += power;
    }
    return n <= set;
}

bool python_random_sample(struct python_random *r, uint32_t n, uint32_t k, uint32_t *out, struct error *err)
{
    bool list = takes_from_a_list(n, k);
    uint32_t *pool = memory_array(n, sizeof *pool, "a sample", err); // the live ones, or marks of those that are taken
    if (!pool)
        return false;
    for (uint32_t i = 0; list && i < n; i++)
        pool[i] = i;
    for (uint32_t i = 0; i < k; i++)
        if (list) {
            uint32_t j = python_random_below(r, n - i);
            out[i] = pool[j];
            pool[j] = pool[n - i - 1];
        } else {
            do
                out[i] = python_random_below(r, n);
            while (pool[out[i]]);
            pool[out[i]] = 1;
        }
    free(pool);
    return true;
}
