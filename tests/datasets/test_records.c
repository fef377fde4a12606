/* Readers of records: what they accept, and where they say it went wrong. */
#include "tests/support.h"

#include "datasets/datasets.h"

#include <string.h>

static cJSON *parse(enum record_format format, const char *text, struct error *err)
{
    return records_parse("f", text, strlen(text), &(struct record_options){.format = format}, 0, err);
}

static const char *cell(const cJSON *records, int row, const char *column)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(records, row), column));
    return value ? value : "(none)";
}

Test(records, csv_has_quotes_lines_in_cells_and_a_byte_order_mark)
{
    struct error err = {0};
    cJSON *records = parse(RECORD_CSV, "\xEF\xBB\xBFid,text\r\n1,\"a \"\"b\"\", c\nd\"\r\n2,\r\n", &err);
    cr_assert_not_null(records, "%s", err.message);
    cr_assert_eq(cJSON_GetArraySize(records), 2);
    cr_assert_str_eq(cell(records, 0, "text"), "a \"b\", c\nd");
    cr_assert_str_eq(cell(records, 1, "text"), "");
    cJSON_Delete(records);
}

Test(records, errors_name_the_line)
{
    static const struct {
        enum record_format format;
        const char *text, *words;
    } cases[] = {{RECORD_TSV, "a\tb\n1\t2\n3\n", "line 3: 1 cells, the header has 2"},
                 {RECORD_CSV, "a,b\n\"x\ny\",2\n1\n", "line 4: 1 cells"},
                 {RECORD_CSV, "a\n\"open\n", "line 2: a quote is opened"},
                 {RECORD_CSV, "a\n\"x\"y\n", "line 2: text behind"},
                 {RECORD_CSV, "a,a\n1,2\n", "stands twice"},
                 {RECORD_JSON_LINES, "{\"a\": 1}\n\n[1]\n", "line 3: an object is wanted"},
                 {RECORD_JSON_LINES, "{\"a\": 1}\n{\"a\": \n", "line 2"},
                 {RECORD_JSON, "[{}, 3]", "[1]: is a number"},
                 {RECORD_TSV, "a\nx\xFFy\n", "line 2: not valid UTF-8"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        cr_expect_null(parse(cases[i].format, cases[i].text, &err));
        cr_expect(strstr(err.message, cases[i].words) != NULL, "%s", err.message);
        cr_expect_eq(err.code, ERROR_INPUT);
    }
    struct error err = {0};
    cr_expect_null(records_parse("f", "a\n\0b\n", 5, &(struct record_options){.format = RECORD_CSV}, 0, &err));
    cr_expect(strstr(err.message, "line 2: a NUL byte") != NULL, "%s", err.message);
}
