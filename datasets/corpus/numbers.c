/* See numbers.h. Each document draws its numbers until they are not held out, then says them in one of a few ways. */
#include "datasets/corpus/numbers.h"

#include "datasets/corpus/korean.h"

#include <string.h>

enum { SUM_LIMIT = 21, COMPARE_LIMIT = 100, RUN_LIMIT = 100, RUN_STEPS = 12 };

static int below(struct random *random, int bound)
{
    return (int)random_below(random, (uint64_t)bound);
}

/* Formats: % with a style (d: digits, s: Sino-Korean, n: native, e and E: English, with a capital) and a letter for the number, a … e;
 * "~은" behind it is the particle that fits. */

static void write_number(struct text *out, char style, int value)
{
    switch (style) {
    case 's':
        number_sino(out, value);
        break;
    case 'n':
        number_native(out, value);
        break;
    case 'e':
    case 'E':
        number_english(out, value, style == 'E');
        break;
    default:
        text_format(out, "%d", value);
    }
}

static void write_numbers(struct text *out, const char *format, const int *values)
{
    for (const char *at = format; *at;) {
        if (*at != '%') {
            text_add(out, at++, 1);
            continue;
        }
        size_t first = out->length;
        write_number(out, at[1], values[at[2] - 'a']);
        at += 3;
        size_t n = *at == '~' ? strcspn(at + 1, " .") : 0;
        enum form form;
        if (n && !out->failed && form_named(at + 1, n, &form)) {
            text_add_string(out, particle(form, out->bytes + first, out->length - first));
            at += n + 1;
        }
    }
}

static void write_one_of(struct text *out, const char *const *formats, int n, struct random *random, const int *values)
{
    write_numbers(out, formats[below(random, n)], values);
}

#define ONE_OF(formats) formats, (int)(sizeof(formats) / sizeof *(formats))

/* --- kinds
 * --------------------------------------------------------------------------------------------------------------------------------- */

/* Three times in four the plain form; a document has one fact, or several beside each other. */
static void sums(const struct hold_out *held, struct random *random, struct text *out, bool korean)
{
    static const char *const plus_ko[] = {"%sa 더하기 %sb~은 %sc이다.", "%sa 더하기 %sb~은 %sc이다.", "%sa에 %sb~을 더하면 %sc이다.",
                                          "%da + %db = %dc"};
    static const char *const minus_ko[] = {"%sa 빼기 %sb~은 %sc이다.", "%sa 빼기 %sb~은 %sc이다.", "%sa에서 %sb~을 빼면 %sc이다.",
                                           "%da - %db = %dc"};
    static const char *const plus_en[] = {"%Ea plus %eb is %ec.", "%Ea plus %eb is %ec.", "If you add %eb to %ea, you get %ec.",
                                          "%da + %db = %dc"};
    static const char *const minus_en[] = {"%Ea minus %eb is %ec.", "%Ea minus %eb is %ec.", "If you take %eb from %ea, %ec is left.",
                                           "%da - %db = %dc"};
    int facts = below(random, 3) ? 1 : 2 + below(random, 4), style = below(random, 4), walk = below(random, 3), a = 0, b = 0;
    bool plus = below(random, 2);
    const char *const *formats = korean ? plus ? plus_ko : minus_ko : plus ? plus_en : minus_en;
    for (int i = 0; i < facts; i++) {
        do { // within a document one of the numbers may go up step by step; else all are drawn
            bool drawn = i == 0 || walk == 0 || a >= SUM_LIMIT || b >= SUM_LIMIT;
            a = drawn ? below(random, SUM_LIMIT) : a + (walk == 1);
            b = drawn ? below(random, SUM_LIMIT) : b + (walk == 2);
        } while (a >= SUM_LIMIT || b >= SUM_LIMIT || (!plus && b > a) || (plus ? held->sums : held->differences)[a][b]);
        text_add_string(out, i ? " " : "");
        write_numbers(out, formats[style], (const int[]){a, b, plus ? a + b : a - b});
    }
}

static void sum_ko(const struct hold_out *held, struct random *random, struct text *out)
{
    sums(held, random, out, true);
}

static void sum_en(const struct hold_out *held, struct random *random, struct text *out)
{
    sums(held, random, out, false);
}

/* One fact in two ways of saying it. */
static void sum_both(const struct hold_out *held, struct random *random, struct text *out)
{
    static const char *const plus[] = {
        "%sa 더하기 %sb~은 %sc이다. %da + %db = %dc",      "%Ea plus %eb is %ec. %da + %db = %dc",
        "%da + %db = %dc. %sa 더하기 %sb~은 %sc이다.",     "%da + %db = %dc. %Ea plus %eb is %ec.",
        "%Ea plus %eb is %ec. %sa 더하기 %sb~은 %sc이다.", "%sa 더하기 %sb~은 %sc이다. %Ea plus %eb is %ec."};
    static const char *const minus[] = {"%sa 빼기 %sb~은 %sc이다. %da - %db = %dc",       "%Ea minus %eb is %ec. %da - %db = %dc",
                                        "%da - %db = %dc. %sa 빼기 %sb~은 %sc이다.",      "%da - %db = %dc. %Ea minus %eb is %ec.",
                                        "%Ea minus %eb is %ec. %sa 빼기 %sb~은 %sc이다.", "%sa 빼기 %sb~은 %sc이다. %Ea minus %eb is %ec."};
    bool is_sum = below(random, 2);
    int a, b;
    do {
        a = below(random, SUM_LIMIT);
        b = below(random, SUM_LIMIT);
    } while ((!is_sum && b > a) || (is_sum ? held->sums : held->differences)[a][b]);
    if (is_sum)
        write_one_of(out, ONE_OF(plus), random, (const int[]){a, b, a + b});
    else
        write_one_of(out, ONE_OF(minus), random, (const int[]){a, b, a - b});
}

/* a, b as they stand; c is the larger, d the smaller. Half of the pairs are of about the same size. */
static void draw_pair(const struct hold_out *held, struct random *random, int values[4])
{
    do {
        values[0] = 1 + below(random, COMPARE_LIMIT - 1);
        values[1] = below(random, 2) ? 1 + below(random, COMPARE_LIMIT - 1) : values[0] + below(random, 21) - 10;
    } while (values[1] < 1 || values[1] >= COMPARE_LIMIT || values[0] == values[1] || held->compared[values[0]][values[1]]);
    values[2] = values[0] > values[1] ? values[0] : values[1];
    values[3] = values[0] + values[1] - values[2];
}

static void compare(const struct hold_out *held, struct random *random, struct text *out, const char *const *formats, int n)
{
    int values[4];
    draw_pair(held, random, values);
    write_one_of(out, formats, n, random, values);
}

static void compare_ko(const struct hold_out *held, struct random *random, struct text *out)
{
    static const char *const formats[] = {"두 수 %da, %db 가운데 더 큰 수는 %dc이다.",
                                          "두 수 %da, %db 가운데 더 작은 수는 %dd이다.",
                                          "두 수 %da, %db 가운데 더 큰 수는 %dc이다.",
                                          "두 수 %da, %db 가운데 더 작은 수는 %dd이다.",
                                          "%dc~은 %dd보다 크다.",
                                          "%dd~은 %dc보다 작다.",
                                          "%da, %db 중에서 %dc~이 더 크다."};
    compare(held, random, out, ONE_OF(formats));
}

static void compare_en(const struct hold_out *held, struct random *random, struct text *out)
{
    static const char *const formats[] = {"Of the two numbers %da and %db, the larger is %dc.",
                                          "Of the two numbers %da and %db, the smaller is %dd.",
                                          "Of the two numbers %da and %db, the larger is %dc.",
                                          "Of the two numbers %da and %db, the smaller is %dd.",
                                          "%dc is larger than %dd.",
                                          "%dd is smaller than %dc.",
                                          "Between %da and %db, %dc is larger."};
    compare(held, random, out, ONE_OF(formats));
}

static void draw_run(const struct hold_out *held, struct random *random, int values[5])
{
    static const int common[] = {1, 2, 3, 5, 10};
    int step;
    do {
        step = below(random, 4) ? common[below(random, 5)] : 1 + below(random, RUN_STEPS);
        values[0] = below(random, RUN_LIMIT - 4 * step);
    } while (hold_out_run(held, values[0], step, 5));
    for (int i = 1; i < 5; i++)
        values[i] = values[i - 1] + step;
}

static void sequence(const struct hold_out *held, struct random *random, struct text *out, const char *const *formats, int n)
{
    int values[5];
    draw_run(held, random, values);
    write_one_of(out, formats, n, random, values);
}

static void sequence_ko(const struct hold_out *held, struct random *random, struct text *out)
{
    static const char *const formats[] = {"수열 %da, %db, %dc, %dd 다음에 오는 수는 %de이다.",
                                          "수열 %da, %db, %dc, %dd 다음에 오는 수는 %de이다.", "%da, %db, %dc, %dd, %de",
                                          "%da, %db, %dc, %dd 다음은 %de이다."};
    sequence(held, random, out, ONE_OF(formats));
}

static void sequence_en(const struct hold_out *held, struct random *random, struct text *out)
{
    static const char *const formats[] = {"The number after %da, %db, %dc, %dd is %de.", "The number after %da, %db, %dc, %dd is %de.",
                                          "%da, %db, %dc, %dd, %de", "After %da, %db, %dc, %dd comes %de."};
    sequence(held, random, out, ONE_OF(formats));
}

/* Hours and counters take native numerals, minutes and other units of measure Sino-Korean ones. */
static void numeral_ko(const struct hold_out *held, struct random *random, struct text *out)
{
    static const char *const formats[] = {
        "소가 %da마리 있다. 말로 하면 %na 마리이다.",
        "개구리가 %da마리 있다. 모두 %na 마리이다.",
        "벌이 %da마리 있다. 말로 하면 %na 마리이다.",
        "군인이 %da명 있다. 말로 하면 %na 명이다.",
        "가수가 %da명 왔다. 모두 %na 명이다.",
        "화가가 %da명 있다. 말로 하면 %na 명이다.",
        "감자가 %da개 있다. 말로 하면 %na 개이다.",
        "공이 %da개 있다. 모두 %na 개이다.",
        "귤을 %na 개 샀다. %da개이다.",
        "공책이 %da권 있다. 말로 하면 %na 권이다.",
        "잡지를 %da권 읽었다. 모두 %na 권이다.",
        "소설을 %na 권 샀다. %da권이다.",
        "붓이 %da자루 있다. 말로 하면 %na 자루이다.",
        "자동차가 %da대 있다. 말로 하면 %na 대이다.",
        "잎이 %da장 있다. 말로 하면 %na 장이다.",
    };
    static const char *const hours[] = {"모임은 %da시에 있다. %na 시이다.",           "%da시이다. 말로 하면 %na 시이다.",
                                        "종이 %na 번 울렸다. 이제 %na 시이다.",       "우리는 %na 시에 만났다.",
                                        "아이는 %da시에 잔다. 말로 하면 %na 시이다.", "지금은 %na 시이다."};
    static const char *const measures[] = {"버스는 %da분 늦었다. 말로 하면 %sa 분이다.",
                                           "쉬는 시간은 %da분이다. 말로 하면 %sa 분이다.",
                                           "걸어서 %sa 분 걸린다.",
                                           "%da분이 지났다. %sa 분이다.",
                                           "우리는 %sa 분 뒤에 떠났다.",
                                           "길이는 %da미터이다. 말로 하면 %sa 미터이다.",
                                           "값은 %da원이다. 말로 하면 %sa 원이다.",
                                           "오늘은 %da일이다. 말로 하면 %sa 일이다."};
    (void)held;
    int kind = below(random, 3), value = 1 + below(random, kind == 1 ? 12 : 20);
    if (kind == 0)
        write_one_of(out, ONE_OF(formats), random, &value);
    else if (kind == 1)
        write_one_of(out, ONE_OF(hours), random, &value);
    else
        write_one_of(out, ONE_OF(measures), random, &value);
}

static void number_words(const struct hold_out *held, struct random *random, struct text *out)
{
    static const char *const formats[] = {"%da: %sa, %ea",
                                          "%sa: %ea",
                                          "%ea: %da",
                                          "숫자 %da~은 %sa~으로 읽는다.",
                                          "The number %da reads %ea.",
                                          "%sa 다음 수는 %sb이다.",
                                          "After %ea comes %eb.",
                                          "%sb 앞의 수는 %sa이다.",
                                          "Before %eb comes %ea.",
                                          "%sa, %sb, %sc, %sd",
                                          "%ea, %eb, %ec, %ed"};
    (void)held;
    int first = below(random, 4) ? below(random, 31) : below(random, NUMBER_LIMIT - 3),
        values[4] = {first, first + 1, first + 2, first + 3};
    write_one_of(out, ONE_OF(formats), random, values);
}

static const struct {
    const char *name;
    void (*write)(const struct hold_out *, struct random *, struct text *);
} kinds[] = {{"@sum_ko", sum_ko},           {"@sum_en", sum_en},         {"@sum_both", sum_both},
             {"@compare_ko", compare_ko},   {"@compare_en", compare_en}, {"@sequence_ko", sequence_ko},
             {"@sequence_en", sequence_en}, {"@numeral_ko", numeral_ko}, {"@number_words", number_words}};

bool numbers_document(const char *kind, const struct hold_out *held, struct random *random, struct text *out, struct error *err)
{
    struct text list = {0};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, kind) == 0) {
            text_free(&list);
            kinds[i].write(held, random, out);
            return text_ok(out, err);
        }
        text_format(&list, "%s%s", i ? ", " : "", kinds[i].name);
    }
    error_set(err, ERROR_INPUT, "there are no documents of numbers \"%.32s\"; there are: %s", kind, list.bytes ? list.bytes : "");
    text_free(&list);
    return false;
}
