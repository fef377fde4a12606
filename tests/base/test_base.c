/* base/: errors, text, JSON getters, atomic files, random numbers. */
#include "tests/support.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

Test(error, long_message_is_cut_at_a_whole_character)
{
    char hangul[2000];
    for (size_t i = 0; i + 3 < sizeof hangul; i += 3)
        memcpy(hangul + i, "저", 4);
    struct error err = {0};
    for (int pad = 0; pad < 3; pad++) {
        cr_assert(!error_set(&err, ERROR_INPUT, "%.*s%s", pad, "abc", hangul));
        cr_assert_eq(utf8_invalid_at(err.message, strlen(err.message)), strlen(err.message));
        cr_assert_gt(strlen(err.message), sizeof err.message - 5);
    }
}

Test(error, errno_says_whether_the_caller_or_the_machine_is_at_fault)
{
    struct error err = {0};
    errno = ENOENT;
    cr_assert(!error_set_errno(&err, "x"));
    cr_assert_eq(err.code, ERROR_INPUT);
    errno = ENOSPC;
    cr_assert(!error_set_errno(&err, "x"));
    cr_assert_eq(err.code, ERROR_MACHINE);
    error_prefix(&err, "plan %d", 7);
    cr_assert_str_eq(err.message, "plan 7: x: No space left on device");
}

Test(memory, products_that_overflow_are_refused)
{
    struct error err = {0};
    cr_assert_null(memory_array(SIZE_MAX / 2, 3, "tokens", &err));
    cr_assert_eq(err.code, ERROR_INPUT);
    struct arena arena = {0};
    cr_assert_null(arena_alloc(&arena, SIZE_MAX / 2, 3, &err));
    char *a = arena_copy(&arena, "ab", 2, &err), *b = arena_alloc(&arena, 1, 100000, &err);
    cr_assert_str_eq(a, "ab");
    cr_assert(b != NULL && b[0] == 0 && b[99999] == 0);
    arena_free(&arena);
}

Test(text, utf8_rejects_overlong_forms_surrogates_and_cut_characters)
{
    uint32_t c;
    cr_assert_eq(utf8_decode("\xC0\x80", 2, &c), 0);
    cr_assert_eq(utf8_decode("\xED\xA0\x80", 3, &c), 0);
    cr_assert_eq(utf8_decode("\xF4\x90\x80\x80", 4, &c), 0);
    cr_assert_eq(utf8_decode("\xEC\xA0", 2, &c), 0);
    cr_assert_eq(utf8_decode("저", 3, &c), 3);
    cr_assert_eq(c, 0xC800);
    char out[4];
    for (uint32_t point = 0; point <= 0x10FFFF; point += 97) {
        if (point >= 0xD800 && point <= 0xDFFF)
            continue;
        int n = utf8_encode(point, out);
        cr_assert_eq(utf8_decode(out, (size_t)n, &c), n);
        cr_assert_eq(c, point);
    }
}

Test(text, hangul_takes_two_columns)
{
    cr_assert_eq(utf8_columns("저울 1"), 6);
    cr_assert_eq(utf8_length("저울 1", strlen("저울 1")), 4);
}

Test(text, words_are_what_white_space_parts)
{
    static const struct {
        const char *text;
        size_t words;
    } cases[] = {{"", 0},
                 {" \t\n", 0},
                 {"one", 1},
                 {" two words ", 2},
                 {"저울은 값을 잰다.", 3},
                 {"가\u00A0나\u3000다", 3},
                 {"a\u200Bb", 1},
                 /* no white space */ {"\xFF \xFF", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(utf8_words(cases[i].text, strlen(cases[i].text)), cases[i].words, "%s", cases[i].text);
    cr_expect(utf8_is_space(0x2028) && utf8_is_space(0x1F) && !utf8_is_space(0x180E) && !utf8_is_space('_'));
}

Test(json, unknown_key_names_the_nearest_allowed_one)
{
    struct error err = {0};
    const char *source = "{\"bench\": {\"thread\": 2}}";
    cJSON *value = json_parse("plan.json", source, strlen(source), &err);
    cr_assert_not_null(value);
    struct json_at root = json_root("plan.json", value), bench = json_member(&root, "bench");
    cr_assert(!json_only(&bench, (const char *const[]){"threads", "batch", NULL}, &err));
    cr_assert_str_eq(err.message, "plan.json: bench: unknown key \"thread\", did you mean \"threads\"?; allowed: threads, batch");
    cJSON_Delete(value);
}

Test(json, type_and_range_errors_name_the_path)
{
    struct error err = {0};
    const char *source = "{\"a\": [1, \"x\", -3, 1.5]}";
    cJSON *value = json_parse("f", source, strlen(source), &err);
    struct json_at root = json_root("f", value), a = json_member(&root, "a"), element = json_element(&a, 1);
    int64_t n;
    cr_assert(!json_integer(&element, 0, 9, &n, &err));
    cr_assert_str_eq(err.message, "f: a[1]: is a string, a number is wanted");
    element = json_element(&a, 2);
    cr_assert(!json_integer(&element, 0, 9, &n, &err));
    cr_assert_str_eq(err.message, "f: a[2]: -3 is outside 0 … 9");
    element = json_element(&a, 3);
    cr_assert(!json_integer(&element, 0, 9, &n, &err));
    element = json_element(&a, 4);
    cr_assert(!json_integer(&element, 0, 9, &n, &err));
    cr_assert_str_eq(err.message, "f: a[4]: is missing, a number is wanted");
    cJSON_Delete(value);
}

Test(json, syntax_errors_name_the_line_and_hostile_bytes_are_refused)
{
    struct error err = {0};
    cr_assert_null(json_parse("f", "{\n\"a\": }", 8, &err));
    cr_assert(strstr(err.message, "line 2") != NULL, "%s", err.message);
    cr_assert_null(json_parse("f", "1\0002", 3, &err));
    cr_assert_null(json_parse("f", "\"\xFF\"", 3, &err));
    cr_assert_null(json_parse("f", "1 2", 3, &err));
    cr_assert_null(json_parse("f", "", 0, &err));
}

Test(file, an_abandoned_file_leaves_nothing_and_a_committed_one_is_whole)
{
    char directory[] = "/tmp/jeoul-test-XXXXXX";
    cr_assert_not_null(mkdtemp(directory));
    char path[256], command[300];
    snprintf(path, sizeof path, "%s/out", directory);
    struct error err = {0};
    struct file_writer writer;
    cr_assert(file_create(&writer, path, &err), "%s", err.message);
    fputs("half", writer.stream);
    cr_assert_neq(access(path, F_OK), 0);
    file_abandon(&writer);
    cr_assert_neq(access(path, F_OK), 0);
    cr_assert(file_write(path, "whole", 5, &err), "%s", err.message);
    struct text text = {0};
    cr_assert(file_read(path, 5, &text, &err), "%s", err.message);
    cr_assert_str_eq(text.bytes, "whole");
    text_free(&text);
    cr_assert(!file_read(path, 4, &text, &err));
    cr_assert_eq(err.code, ERROR_INPUT);
    cr_assert(!file_read(directory, 100, &text, &err));
    cr_assert(strstr(err.message, "is a directory") != NULL);
    cr_assert(!file_create(&writer, directory, &err));
    snprintf(command, sizeof command, "test $(ls %s | wc -l) -eq 1 && rm -r %s", directory, directory);
    cr_assert_eq(system(command), 0);
}

Test(hash, sha256_of_abc_is_the_standard_s)
{
    char hex[HASH_HEX];
    struct error err = {0};
    cr_assert(hash_bytes("abc", 3, hex, &err));
    cr_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

Test(random, streams_differ_and_draws_are_uniform_enough)
{
    struct random a = random_seed(1, 0), b = random_seed(1, 1), again = random_seed(1, 0);
    cr_assert_neq(random_u64(&a), random_u64(&b));
    a = random_seed(1, 0);
    cr_assert_eq(random_u64(&a), random_u64(&again));
    int counts[7] = {0};
    double sum = 0, squares = 0;
    for (int i = 0; i < 70000; i++) {
        counts[random_below(&a, 7)]++;
        double x = random_normal(&b);
        sum += x;
        squares += x * x;
    }
    for (int i = 0; i < 7; i++)
        cr_assert(counts[i] > 9500 && counts[i] < 10500);
    cr_assert_lt(fabs(sum / 70000), 0.02);
    cr_assert_lt(fabs(squares / 70000 - 1), 0.03);
}

Test(clock, days_between_dates)
{
    cr_expect_eq(clock_days_between("2026-06-17", "2026-11-24T21:17:05Z"), 160);
    cr_expect_eq(clock_days_between("2024-02-28", "2024-03-01"), 2, "a leap year");
    cr_expect_eq(clock_days_between("2026-11-24", "2025-11-24"), -365);
    cr_expect_eq(clock_days_between("2026", "2026-11-24"), 0);
}

Test(json, finds_an_object_of_an_array_by_a_text)
{
    cJSON *array = cJSON_Parse("[{\"id\": 1}, {\"id\": \"a\", \"n\": 1}, {\"id\": \"a\", \"n\": 2}, 5]");
    cr_expect_eq(json_real(json_find(array, "id", "a"), "n"), 1);
    cr_expect_null(json_find(array, "id", "b"));
    cr_expect_null(json_find(NULL, "id", "a"));
    cJSON_Delete(array);
}
