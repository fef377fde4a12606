/* Seeded random numbers, the same on every machine: xoshiro256** seeded by splitmix64 (Blackman and Vigna, "Scrambled linear pseudorandom
 * number generators", ACM TOMS 47(4), 2021). Not for secrets. */
#ifndef JEOUL_BASE_RANDOM_H
#define JEOUL_BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state[4];
};

/* Streams of the same seed and different numbers are independent for our purposes: the pair is hashed into the state. */
struct random random_seed(uint64_t seed, uint64_t stream);

uint64_t random_u64(struct random *random);
uint64_t random_below(struct random *random, uint64_t bound); // uniform in [0, bound), without bias; bound > 0
double random_unit(struct random *random);                    // uniform in [0, 1), 53 bits
double random_normal(struct random *random);                  // mean 0, standard deviation 1 (Box–Muller)

#endif
