/* Record readers: quoting, lines and encodings; what is broken is named by file and line. */
#include "tests/support.h"

#include "datasets/datasets.h"

#include <string.h>

static cJSON *parse(enum record_format format, const char *bytes, size_t n, size_t limit)
{
    struct error err = {0};
    cJSON *records = records_parse("set", bytes, n, &(struct record_options){.format = format}, limit, &err);
    cr_assert_not_null(records, "%s", err.message);
    return records;
}

static void expect_cell(const cJSON *records, int index, const char *key, const char *wanted)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(records, index), key);
    cr_assert(cJSON_IsString(value), "record %d has no text %s", index, key);
    cr_expect_str_eq(value->valuestring, wanted);
}

/* Refused as bad input; the message has the file's name and `part` in it. */
static void expect_refused(enum record_format format, const char *bytes, size_t n, const char *part)
{
    struct error err = {0};
    cJSON *records = records_parse("set", bytes, n, &(struct record_options){.format = format}, 0, &err);
    cr_expect_null(records, "read: %s", bytes);
    cr_expect_eq(err.code, ERROR_INPUT, "code %d: %s", (int)err.code, err.message);
    cr_expect(strncmp(err.message, "set", 3) == 0 && strstr(err.message, part), "\"%s\" is not in: %s", part, err.message);
    cJSON_Delete(records);
}

#define TEXT(string) string, sizeof(string) - 1

Test(records, csv_quoting)
{
    cJSON *records = parse(RECORD_CSV, TEXT("a,b,c\n\"x, y\",\"he said \"\"no\"\"\",\nplain,in \"side\",\"\"\n"), 0);
    cr_expect_eq(cJSON_GetArraySize(records), 2);
    expect_cell(records, 0, "a", "x, y");
    expect_cell(records, 0, "b", "he said \"no\"");
    expect_cell(records, 0, "c", "");
    expect_cell(records, 1, "b", "in \"side\"");
    expect_cell(records, 1, "c", "");
    cJSON_Delete(records);
}

Test(records, cells_over_several_lines)
{
    cJSON *records = parse(RECORD_CSV, TEXT("a,b\n\"one\ntwo\r\nthree\",2\n4,5"), 0);
    cr_expect_eq(cJSON_GetArraySize(records), 2);
    expect_cell(records, 0, "a", "one\ntwo\r\nthree");
    expect_cell(records, 0, "b", "2");
    expect_cell(records, 1, "b", "5");
    cJSON_Delete(records);
    expect_refused(RECORD_CSV, TEXT("a,b\n\"one\ntwo\",2\nalone\n"), "line 4");
}

Test(records, byte_order_mark_and_crlf)
{
    cJSON *records = parse(RECORD_CSV,
                           TEXT("\xEF\xBB\xBF"
                                "a,b\r\n1,\"2\"\r\n\r\n3,4\r\n"),
                           0);
    cr_expect_eq(cJSON_GetArraySize(records), 2);
    expect_cell(records, 0, "a", "1");
    expect_cell(records, 0, "b", "2");
    expect_cell(records, 1, "b", "4");
    cJSON_Delete(records);
    records = parse(RECORD_JSON_LINES, TEXT("\xEF\xBB\xBF{\"a\": \"x\"}\r\n\r\n{\"a\": \"y\"}\r\n"), 0);
    cr_expect_eq(cJSON_GetArraySize(records), 2);
    expect_cell(records, 1, "a", "y");
    cJSON_Delete(records);
}

Test(records, tsv)
{
    cJSON *records = parse(RECORD_TSV, TEXT("a\tb\n1, 2\tsay \"so\"\n\"x\ty\"\t가나다\n"), 0);
    expect_cell(records, 0, "a", "1, 2");
    expect_cell(records, 0, "b", "say \"so\"");
    expect_cell(records, 1, "a", "x\ty");
    expect_cell(records, 1, "b", "가나다");
    cJSON_Delete(records);
}

Test(records, columns_by_name_for_a_file_without_a_header)
{
    static const char *const columns[] = {"x", "y", NULL};
    struct error err = {0};
    struct record_options options = {.format = RECORD_CSV, .columns = columns};
    cJSON *records = records_parse("set", TEXT("1,2\n3,4\n"), &options, 0, &err);
    cr_assert_not_null(records, "%s", err.message);
    cr_expect_eq(cJSON_GetArraySize(records), 2);
    expect_cell(records, 0, "x", "1");
    expect_cell(records, 1, "y", "4");
    cJSON_Delete(records);
}

Test(records, quotes_are_text_in_a_raw_table)
{
    cJSON *records = parse(RECORD_TSV_RAW, TEXT("a\tb\n\"open\tsay \"\"so\"\"\r\n"), 0);
    cr_expect_eq(cJSON_GetArraySize(records), 1);
    expect_cell(records, 0, "a", "\"open");
    expect_cell(records, 0, "b", "say \"\"so\"\"");
    cJSON_Delete(records);
}

Test(records, lines_and_whole_texts)
{
    cJSON *records = parse(RECORD_LINES, TEXT("1\r\n\n가\n"), 0);
    cr_expect_eq(cJSON_GetArraySize(records), 3);
    expect_cell(records, 0, "line", "1");
    expect_cell(records, 1, "line", "");
    expect_cell(records, 2, "line", "가");
    cJSON_Delete(records);
    records = parse(RECORD_TEXT, TEXT(" \n = A = \n"), 0);
    cr_expect_eq(cJSON_GetArraySize(records), 1);
    expect_cell(records, 0, "text", " \n = A = \n");
    cJSON_Delete(records);
}

Test(records, labels_are_joined_to_records_line_by_line)
{
    struct error err = {0};
    cJSON *records = parse(RECORD_JSON_LINES, TEXT("{\"a\": \"x\"}\n{\"a\": \"y\"}\n"), 0);
    cr_assert(records_join(records, parse(RECORD_LINES, TEXT("0\n1\n"), 0), "labels", &err), "%s", err.message);
    expect_cell(records, 0, "line", "0");
    expect_cell(records, 1, "line", "1");
    expect_cell(records, 1, "a", "y");
    cr_expect_not(records_join(records, parse(RECORD_LINES, TEXT("0\n1\n2\n"), 0), "labels", &err));
    cr_expect_str_eq(err.message, "labels: has 3 records, those that it belongs to are 2");
    cr_expect_not(records_join(records, parse(RECORD_LINES, TEXT("0\n1\n"), 0), "labels", &err));
    cr_expect_str_eq(err.message, "labels: record 1: \"line\" is in both files");
    cJSON_Delete(records);
}

Test(records, an_array_inside_an_object)
{
    struct error err = {0};
    struct record_options options = {.format = RECORD_JSON, .array = "examples"};
    cJSON *records = records_parse("set", TEXT("{\"canary\": \"c\", \"examples\": [{\"a\": \"x\"}, {\"a\": \"y\"}]}"), &options, 0, &err);
    cr_assert_not_null(records, "%s", err.message);
    cr_expect_eq(cJSON_GetArraySize(records), 2);
    expect_cell(records, 1, "a", "y");
    cJSON_Delete(records);
    cr_expect_null(records_parse("set", TEXT("{\"other\": []}"), &options, 0, &err));
    cr_expect_str_eq(err.message, "set: examples: is missing, an array is wanted");
    cr_expect_null(records_parse("set", TEXT("{\"examples\": [{}, 3]}"), &options, 0, &err));
    cr_expect_str_eq(err.message, "set: record 2: examples[1] is no object, one is wanted");
}

#define PAGE(rows) "{\"features\": [], \"num_rows_total\": 3, \"rows\": [" rows "]}\n"
#define ROW(i, a)  "{\"row_idx\": " #i ", \"row\": {\"a\": \"" a "\"}, \"truncated_cells\": []}"

Test(records, pages_of_the_rows_api)
{
    cJSON *records = parse(RECORD_ROWS, TEXT(PAGE(ROW(0, "x") "," ROW(1, "y")) PAGE(ROW(2, "z"))), 0);
    cr_expect_eq(cJSON_GetArraySize(records), 3);
    expect_cell(records, 0, "a", "x");
    expect_cell(records, 2, "a", "z");
    cJSON_Delete(records);
    records = parse(RECORD_ROWS, TEXT(PAGE(ROW(0, "x") "," ROW(1, "y"))), 1);
    cr_expect_eq(cJSON_GetArraySize(records), 1);
    cJSON_Delete(records);
    expect_refused(RECORD_ROWS, TEXT(PAGE(ROW(0, "x") "," ROW(1, "y"))), "ends behind record 2 of 3");
    expect_refused(RECORD_ROWS, TEXT(PAGE(ROW(0, "x")) PAGE(ROW(2, "z"))), "line 2: record 2: rows[0].row_idx: is 2, 1 is wanted");
    expect_refused(RECORD_ROWS, TEXT(PAGE("{\"row_idx\": 0, \"row\": {}, \"truncated_cells\": [\"a\"]}")), "the server cut the cell \"a\"");
    expect_refused(RECORD_ROWS, TEXT(PAGE("{\"row_idx\": 0}")), "record 1: rows[0].row: is missing");
    expect_refused(RECORD_ROWS, TEXT("{\"error\": \"busy\"}\n"), "num_rows_total: is missing");
    expect_refused(RECORD_ROWS, TEXT("\n"), "has no page");
}

Test(records, limits)
{
    for (int format = RECORD_JSON_LINES; format <= RECORD_CSV; format++) {
        static const char *const sets[] = {"{\"a\": \"1\"}\n{\"a\": \"2\"}\n{\"a\": \"3\"}\n",
                                           "[{\"a\": \"1\"}, {\"a\": \"2\"}, {\"a\": \"3\"}]", "a\n1\n2\n3\n", "a\n1\n2\n3\n"};
        for (size_t limit = 0; limit <= 4; limit++) {
            cJSON *records = parse((enum record_format)format, sets[format], strlen(sets[format]), limit);
            cr_expect_eq(cJSON_GetArraySize(records), limit == 0 || limit > 3 ? 3 : (int)limit);
            expect_cell(records, 0, "a", "1");
            cJSON_Delete(records);
        }
    }
}

Test(records, broken_tables_are_named_by_line)
{
    expect_refused(RECORD_CSV, TEXT("a,b\n1,2\n1,2,3\n"), "record 2: line 3: 3 cells, the header has 2");
    expect_refused(RECORD_CSV, TEXT("a,b\n1\n"), "line 2: 1 cells, the header has 2");
    expect_refused(RECORD_CSV, TEXT("a,b\n1,2\n\"open,2\n3,4\n"), "record 2: line 3: a quote is opened and never closed");
    expect_refused(RECORD_CSV, TEXT("\"a,b\n1,2\n"), "line 1");
    expect_refused(RECORD_CSV, TEXT("a,b\n\"1\"x,2\n"), "line 2");
    expect_refused(RECORD_CSV, TEXT("a,b,a\n1,2,3\n"), "the column \"a\" stands twice");
    expect_refused(RECORD_TSV, TEXT("a\ta\n1\t2\n"), "the column \"a\" stands twice");
    expect_refused(RECORD_TSV, TEXT("a\tb\n1,2\n"), "line 2");
}

Test(records, bytes_that_are_no_text_are_refused)
{
    static const enum record_format tables[] = {RECORD_TSV, RECORD_CSV, RECORD_TSV_RAW};
    for (int i = 0; i < 3; i++) {
        expect_refused(tables[i], TEXT("a\n1\nx\0y\n"), "record 2: line 3: a NUL");
        expect_refused(tables[i], TEXT("a\n1\nx\xFF\n"), "record 2: line 3: not valid UTF-8");
        expect_refused(tables[i], TEXT("a\n\xC0\x80\n"), "record 1: line 2: not valid UTF-8");
        expect_refused(tables[i], TEXT("a\nx\xED\xA0\x80"), "line 2: not valid UTF-8");
        expect_refused(tables[i], TEXT("a\nx\xEA\xB0"), "line 2: not valid UTF-8");
        expect_refused(tables[i], TEXT("a\0\nx\n"), "set: line 1: a NUL");
    }
    expect_refused(RECORD_CSV, TEXT("a\n\"1\n2\xFF\"\n"), "record 1: line 3: not valid UTF-8");
    expect_refused(RECORD_LINES, TEXT("a\n\xFF"), "record 2: line 2: not valid UTF-8");
    expect_refused(RECORD_TEXT, TEXT("a\nb\0"), "record 1: line 2: a NUL");
    expect_refused(RECORD_JSON_LINES, TEXT("{}\n\n{\"a\": \"x\0y\"}\n"), "record 2: line 3: a NUL byte");
    expect_refused(RECORD_JSON_LINES, TEXT("{}\n{\"a\": \"\xFF\"}\n"), "record 2: line 2: byte 7 is not valid UTF-8");
    expect_refused(RECORD_JSON_LINES, TEXT("{}\n{\"a\": \"b\\u0000c\"}\n"), "record 2: line 2: a NUL character");
    expect_refused(RECORD_JSON, TEXT("[{},\n{\"a\": \"\xFF\"}]"), "line 2: byte 12 is not valid UTF-8");
    expect_refused(RECORD_JSON, TEXT("[{},\n{\"a\": \"\0\"}]"), "line 2: a NUL byte");
    cJSON_Delete(parse(RECORD_JSON, TEXT("[{\"a\": \"\\\\u0000\"}]"), 0)); // a backslash and digits, no NUL
}

Test(records, json_lines_and_json)
{
    expect_refused(RECORD_JSON_LINES, TEXT("{\"a\": 1}\n\n{\"a\": \n"), "line 3");
    expect_refused(RECORD_JSON_LINES, TEXT("{\"a\": 1}\n[1]\n"), "record 2: line 2: an object is wanted");
    expect_refused(RECORD_JSON_LINES, TEXT("{\"a\": 1} {\"a\": 2}\n"), "line 1");
    expect_refused(RECORD_JSON, TEXT("{\"a\": 1}"), "");
    expect_refused(RECORD_JSON, TEXT("[{\"a\": 1}, 2]"), "record 2: [1] is no object");
    expect_refused(RECORD_JSON, TEXT("[{\"a\": 1}"), "");
    cJSON *records = parse(RECORD_JSON_LINES, TEXT("{\"a\": \"x\"}\n   \n{\"a\": \"y\"}"), 0);
    cr_expect_eq(cJSON_GetArraySize(records), 2);
    cJSON_Delete(records);
}

Test(records, bytes_behind_the_end_are_not_read)
{
    for (int format = RECORD_JSON_LINES; format <= RECORD_CSV; format++) {
        struct error err = {0};
        const char *text = format == RECORD_JSON ? "[{\"a\": 1}]" : format == RECORD_JSON_LINES ? "{\"a\": 1}\n  " : "a\nx";
        size_t n = strlen(text);
        char *exact = malloc(n); // without a NUL: the sanitizer's to see
        memcpy(exact, text, n);
        cJSON *records = records_parse("set", exact, n, &(struct record_options){.format = (enum record_format)format}, 0, &err);
        cr_expect_not_null(records, "%s", err.message);
        cJSON_Delete(records);
        free(exact);
    }
}

Test(records, files)
{
    struct error err = {0};
    char path[] = "/tmp/jeoul-test-records-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, "a,b\n1,2\n", 8), 8);
    close(fd);
    cJSON *records = records_read(path, &(struct record_options){.format = RECORD_CSV}, 0, &err);
    unlink(path);
    cr_assert_not_null(records, "%s", err.message);
    expect_cell(records, 0, "b", "2");
    cJSON_Delete(records);
    cr_expect_null(records_read(path, &(struct record_options){.format = RECORD_CSV}, 0, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect(strstr(err.message, path) != NULL, "%s", err.message);
    cr_expect_null(records_read("/tmp", &(struct record_options){.format = RECORD_CSV}, 0, &err));
    cr_expect_eq(err.code, ERROR_INPUT, "%s", err.message);
}

Test(records, formats_by_name)
{
    enum record_format format;
    cr_expect(record_format_named("jsonl", &format) && format == RECORD_JSON_LINES);
    cr_expect(record_format_named("json", &format) && format == RECORD_JSON);
    cr_expect(record_format_named("tsv", &format) && format == RECORD_TSV);
    cr_expect(record_format_named("csv", &format) && format == RECORD_CSV);
    cr_expect(record_format_named("tsv_raw", &format) && format == RECORD_TSV_RAW);
    cr_expect(record_format_named("lines", &format) && format == RECORD_LINES);
    cr_expect(record_format_named("text", &format) && format == RECORD_TEXT);
    cr_expect(record_format_named("rows", &format) && format == RECORD_ROWS);
    cr_expect_not(record_format_named("CSV", &format));
    cr_expect_not(record_format_named("", &format));
}
