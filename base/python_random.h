/* The random numbers that Python's `random.Random(seed)` gives: MT19937 (Matsumoto and Nishimura 1998) seeded by init_by_array with the
 * seed's 32-bit words. For draws that have to be the same as another program's; else base/random.h. */
#ifndef JEOUL_BASE_PYTHON_RANDOM_H
#define JEOUL_BASE_PYTHON_RANDOM_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct python_random {
    uint32_t state[624];
    int at;
};

void python_random_seed(struct python_random *random, uint64_t seed);
uint32_t python_random_bits(struct python_random *random); // getrandbits(32)
double python_random_unit(struct python_random *random);   // random(): [0, 1), 53 bits

uint32_t python_random_below(struct python_random *random, uint32_t bound); // randrange(bound); bound > 0

/* sample(range(n), k) into out[k]; k ≤ n. */
bool python_random_sample(struct python_random *random, uint32_t n, uint32_t k, uint32_t *out, struct error *err) MUST_CHECK;

#endif
