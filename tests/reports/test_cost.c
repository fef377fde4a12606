/* Money on hand-computed cases, and price books. */
#include "tests/support.h"

#include "base/json.h"
#include "reports/cost.h"
#include "reports/statistics.h"

#include <string.h>

Test(cost, formulas_on_hand_computed_values)
{
    cr_assert_float_eq(cost_crf(0.045, 5), 0.2278, 5e-5);
    cr_assert_float_eq(cost_crf(0.08, 4), 0.3019, 5e-5);
    cr_assert_eq(cost_crf(0, 4), 0.25);
    /* 3,600 won an hour at 100 tok/s: 1 won a second, 100 tokens a second, 10,000 won a million */
    struct interval c = cost_per_million_tokens((struct interval){3600, 3000, 4200}, (struct interval){100, 80, 125});
    cr_assert_float_eq(c.value, 10000, 1e-9);
    cr_assert_float_eq(c.low, 3000.0 / 125 / 3600 * 1e6, 1e-9);
    cr_assert_float_eq(c.high, 4200.0 / 80 / 3600 * 1e6, 1e-9);
    /* 20 items of 50 tokens at 10,000 won a million: 10 won for 16 right answers, 625 for a thousand; Wilson's interval of 16 of 20 is
     * 0.58398 … 0.91933 */
    c = cost_per_1000_correct((struct interval){10000, 5000, 20000}, 1000, 16, 20);
    cr_assert_float_eq(c.value, 625, 1e-9);
    cr_assert_float_eq(c.low, 0.25 * 1000 / 0.91933, 0.01);
    cr_assert_float_eq(c.high, 1.0 * 1000 / 0.58398, 0.02);
}

Test(cost, the_default_book_is_good_and_bad_ones_are_refused)
{
    struct error err = {0};
    struct price price;
    cJSON *book = price_book_read("reports/prices/default.json", &err);
    cr_assert_not_null(book, "%s", err.message);
    cr_assert(price_find(book, "book", "cloud-vm-2vcpu", &price, &err), "%s", err.message);
    cr_assert_float_eq(price.krw_per_hour.value, 0.0816 * 1422.16, 1e-9);
    cr_assert(price.assumed && price.source[0] && price.date[0]);
    cr_assert(!price_find(book, "book", "nothing", &price, &err));
    cr_assert(strstr(err.message, "cloud-vm-2vcpu") != NULL);
    cJSON_Delete(book);

    static const char good[] =
        "{\"schema\": \"jeoul/prices/1\", \"as_of\": \"2026-01-01\", \"systems\": [{\"id\": \"a\", \"name_ko\": \"a\", \"name_en\": \"a\", "
        "\"per_hour\": {\"value\": 1, \"currency\": \"KRW\"}, \"date\": \"2026-01-01\", \"source\": \"s\", \"note_ko\": \"n\", "
        "\"note_en\": \"n\"}]}";
    static const struct {
        const char *from, *to, *words;
    } bad[] = {{"\"date\": \"2026-01-01\", ", "", "date: is missing"},
               {"\"source\": \"s\", ", "", "source: is missing"},
               {"\"value\": 1", "\"value\": -1", "is outside"},
               {"KRW", "USD", "no rate from USD"},
               {"\"as_of\"", "\"asof\"", "unknown key"},
               {"2026-01-01\", \"source", "yesterday\", \"source", "is not a date"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[1024] = "", path[] = "/tmp/jeoul-prices-XXXXXX";
        const char *at = strstr(good, bad[i].from);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, bad[i].to, at + strlen(bad[i].from));
        int fd = mkstemp(path);
        cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        close(fd);
        cr_expect_null(price_book_read(path, &err));
        cr_expect(strstr(err.message, bad[i].words) != NULL, "%s", err.message);
        unlink(path);
    }
}
