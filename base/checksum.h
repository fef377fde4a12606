/* A fast checksum, to find damage: not against malice, for that there is SHA-256 (hash.h).
 *
 * Bytes are taken as 64-bit words in eight lanes. A step, lane = rotate(lane ^ word, 32) · odd, can be undone, so a change inside one word
 * always changes the sum; any other is missed with a probability of about 2^-64. It runs at the speed of memory, which SHA-256 doesn't. */
#ifndef JEOUL_BASE_CHECKSUM_H
#define JEOUL_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Of n bytes; the seed says where they belong (the number of a piece), so that pieces that changed places are found too. */
uint64_t checksum(const void *bytes, size_t n, uint64_t seed);

#endif
