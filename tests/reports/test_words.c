/* Counts in tables. */
#include "tests/support.h"

#include "reports/words.h"

static void expect_count(double value, const char *wanted)
{
    struct text text = {0};
    words_count(&text, value);
    cr_expect_str_eq(text.bytes, wanted);
    text_free(&text);
}

Test(words, a_count_has_all_its_digits_by_comma)
{
    expect_count(0, "0");
    expect_count(12, "12");
    expect_count(4320, "4,320");
    expect_count(1234567, "1,234,567");
    expect_count(NAN, "–");
}
