/* Templates: fields, braces and filters; errors name what is wrong. */
#include "tests/support.h"

#include "eval/template.h"

#include <string.h>

static const char record_text[] =
    "{\"name\": \"  Kim \", \"n\": 3, \"yes\": true, \"none\": null, \"list\": [1], \"half\": 0.5, \"q\": \"원인\","
    " \"shout\": \"HELLO World\", \"empty\": \"\", \"braces\": \"{n}\"}";

static void expect_filled(const char *source, const char *wanted)
{
    struct error err = {0};
    struct text out = {0};
    cJSON *record = cJSON_Parse(record_text);
    cr_assert_not_null(record);
    cr_expect(template_fill(source, record, "here", &out, &err), "%s: %s", source, err.message);
    cr_expect(out.bytes && strcmp(out.bytes, wanted) == 0, "%s gives \"%s\", not \"%s\"", source, out.bytes, wanted);
    text_free(&out);
    cJSON_Delete(record);
}

static void expect_refused(const char *source, const char *part)
{
    struct error err = {0};
    struct text out = {0};
    cJSON *record = cJSON_Parse(record_text);
    cr_assert_not_null(record);
    cr_expect_not(template_fill(source, record, "here", &out, &err), "%s was filled", source);
    cr_expect_eq(err.code, ERROR_INPUT, "%s: %s", source, err.message);
    cr_expect(strncmp(err.message, "here", 4) == 0 && strstr(err.message, part), "%s: \"%s\" is not in: %s", source, part, err.message);
    text_free(&out);
    cJSON_Delete(record);
}

Test(template, fields_and_braces)
{
    expect_filled("", "");
    expect_filled("plain 글", "plain 글");
    expect_filled("{n}", "3");
    expect_filled("a {n}{n} b {yes}", "a 33 b true");
    expect_filled("[{empty}]", "[]");
    expect_filled("{{n}} = {n}", "{n} = 3");
    expect_filled("{{{n}}}", "{3}");
    expect_filled("{braces}", "{n}");
}

Test(template, filters)
{
    expect_filled("[{name}]", "[  Kim ]");
    expect_filled("[{name|strip}]", "[Kim]");
    expect_filled("{shout|capitalise}", "Hello world");
    expect_filled("{empty|capitalise}{empty|strip}{empty|hellaswag}", "");
    expect_filled("{name|strip|capitalise}", "Kim");
    expect_filled("{q|map:원인=왜냐하면;결과=그래서}", "왜냐하면");
    expect_filled("{n|map:1=;3=a=b}", "a=b");
    expect_filled("{n|map:3=}", "");
    expect_filled("{n|map:3=4|map:4=5}", "5");
}

Test(template, errors_name_field_and_filter)
{
    expect_refused("{missing}", "\"missing\" is missing");
    expect_refused("{N}", "\"N\" is missing");
    expect_refused("{list}", "\"list\" is not a text");
    expect_refused("{none}", "\"none\" is not a text");
    expect_refused("{half}", "\"half\" is not a text");
    expect_refused("{}", "field name");
    expect_refused("{n|upper}", "unknown filter \"upper\"");
    expect_refused("{n|}", "unknown filter");
    expect_refused("{n|map}", "unknown filter");
    expect_refused("{q|map:결과=그래서}", "원인");
    expect_refused("{q|map:원인}", "has no \"=\"");
    expect_refused("{n", "brace");
    expect_refused("n}", "brace");
    expect_refused("a { b", "brace");
}

static void expect_cleaned(const char *filter, const char *source, const char *wanted)
{
    struct error err = {0};
    struct text text = {0};
    text_add_string(&text, source);
    cr_expect(template_filter(filter, strlen(filter), "here", &text, &err), "%s", err.message);
    cr_expect_str_eq(text.bytes, wanted, "%s of \"%s\" is \"%s\", not \"%s\"", filter, source, text.bytes, wanted);
    text_free(&text);
}

Test(template, hellaswag_cleaning)
{
    expect_cleaned("hellaswag", "  a b \n", "a b");
    expect_cleaned("hellaswag", "How to [title] do [step] it", "How to. do it");
    expect_cleaned("hellaswag", "a [x] b", "a b");
    expect_cleaned("hellaswag", "a   b    c", "a  b  c"); // one pass, as str.replace
    expect_cleaned("hellaswag", "a [open b", "a [open b");
    expect_cleaned("hellaswag", "a [x\ny] b", "a [x\ny] b");
    expect_cleaned("hellaswag", "a [[x]] b", "a ] b");
    expect_cleaned("strip", " \t\r\n\v\fa b\f ", "a b");
    expect_cleaned("strip", "   ", "");
}
