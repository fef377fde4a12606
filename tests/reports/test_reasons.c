/* Why figures are missing, in Korean. */
#include "tests/support.h"

#include "reports/reasons.h"

#include <string.h>

Test(reasons, each_of_ours_has_korean_words_of_its_own)
{
    const char *rest;
    for (int i = 0; i < REASON_COUNT; i++) {
        const char *words = reason_words((enum reason)i), *korean = words ? reason_korean(words, &rest) : NULL;
        cr_assert(words && korean, "reason %d", i);
        cr_expect((unsigned char)korean[0] >= 0xEA, "%s", korean); // Hangul's first bytes are 0xEA … 0xED
        cr_expect_str_eq(rest, "");
        for (int j = 0; j < i; j++)
            cr_expect_str_neq(words, reason_words((enum reason)j));
    }
}

Test(reasons, a_recorded_reason_keeps_its_detail)
{
    const char *rest;
    cr_expect_str_eq(reason_korean("no_sensor: no package counters below /sys", &rest), "센서 없음: ");
    cr_expect_str_eq(rest, "no package counters below /sys");
}

Test(reasons, what_nobody_knows_has_no_korean)
{
    const char *rest;
    cr_expect_null(reason_korean("the moon was full", &rest));
    cr_expect_null(reason_korean("no_sensor", &rest));
    cr_expect_null(reason_korean("", &rest));
}
