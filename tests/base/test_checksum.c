/* The checksum finds what damage does to a piece: a changed bit anywhere, zeros at the end, a piece in another's place. */
#include "tests/support.h"

#include "base/checksum.h"

#include <string.h>

enum { MOST = 200 };

static void fill(uint8_t bytes[MOST])
{
    for (int i = 0; i < MOST; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
}

Test(checksum, a_changed_bit_is_found_wherever_it_is)
{
    uint8_t bytes[MOST];
    fill(bytes);
    for (size_t n = 1; n <= MOST; n++) {
        uint64_t sum = checksum(bytes, n, 5);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            cr_assert_neq(checksum(bytes, n, 5), sum, "%zu bytes, bit %zu", n, bit);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        cr_assert_eq(checksum(bytes, n, 5), sum);
    }
}

Test(checksum, the_length_and_the_place_are_part_of_it)
{
    uint8_t bytes[MOST] = {0};
    for (size_t n = 1; n < MOST; n++) {
        cr_assert_neq(checksum(bytes, n, 5), checksum(bytes, n + 1, 5), "%zu zeros and one more", n);
        cr_assert_neq(checksum(bytes, n, 5), checksum(bytes, n, 6), "%zu zeros in another place", n);
    }
}

Test(checksum, where_the_bytes_lie_does_not_matter)
{
    uint8_t bytes[MOST], moved[MOST + 8];
    fill(bytes);
    for (size_t offset = 0; offset < 8; offset++) {
        memcpy(moved + offset, bytes, MOST);
        cr_assert_eq(checksum(moved + offset, MOST, 0), checksum(bytes, MOST, 0));
    }
}
