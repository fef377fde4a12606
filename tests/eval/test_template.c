/* Templates: fields, paths, conditions, filters; errors name what is wrong. */
#include "tests/support.h"

#include "eval/template.h"

#include <string.h>

static const char record_text[] =
    "{\"name\": \"  Kim \", \"n\": 3, \"yes\": true, \"none\": null, \"list\": [1, \"b\"], \"half\": 0.5, \"q\": \"원인\","
    " \"shout\": \"HELLO World\", \"empty\": \"\", \"braces\": \"{n}\", \"id\": \"CSAT_korean_22_7\", \"nested\": {\"stem\": \"s\","
    " \"options\": [{\"text\": \"x\", \"label\": \"A\"}, {\"text\": \"y\", \"label\": \"B\"}], \"a b\": 1},"
    " \"ragged\": [{\"text\": \"x\"}, {}], \"targets\": {\"yes\": 1, \"no\": 0}, \"python\": \"['it', \\\"it's\\\", 'a\\\\'b']\","
    " \"figure\": \"7.0\", \"accent\": \"ÉTÉ\", \"none_of_them\": []}";
static const char fields_text[] = "{\"made\": \"of it\", \"n\": \"4\"}";
static const char filters_text[] =
    "{\"clean\": \"strip|replace:' [title]':'. '|sub:'\\\\[.*?\\\\]':''|replace:'  ':' '\", \"twice\": \"clean|upper\","
    " \"loop\": \"loop\", \"self\": \"index:'q|self'\"}";

struct fixture {
    cJSON *record, *fields, *filters;
    struct template_patterns patterns;
    struct template_scope scope;
};

static struct fixture *begin(bool with_fields)
{
    static struct fixture f;
    f = (struct fixture){cJSON_Parse(record_text), cJSON_Parse(fields_text), cJSON_Parse(filters_text), {0}, {0}};
    cr_assert(f.record && f.fields && f.filters);
    f.scope = (struct template_scope){f.record, with_fields ? f.fields : NULL, f.filters, &f.patterns, "here"};
    return &f;
}

static void end(struct fixture *f)
{
    template_patterns_free(&f->patterns);
    cJSON_Delete(f->record);
    cJSON_Delete(f->fields);
    cJSON_Delete(f->filters);
}

static void expect_filled_with(bool with_fields, const char *source, const char *wanted)
{
    struct error err = {0};
    struct text out = {0};
    struct fixture *f = begin(with_fields);
    cr_expect(template_fill(&f->scope, source, &out, &err), "%s: %s", source, err.message);
    cr_expect(out.bytes && strcmp(out.bytes, wanted) == 0, "%s gives \"%s\", not \"%s\"", source, out.bytes, wanted);
    text_free(&out);
    end(f);
}

static void expect_filled(const char *source, const char *wanted)
{
    expect_filled_with(false, source, wanted);
}

static void expect_refused(const char *source, const char *part)
{
    struct error err = {0};
    struct text out = {0};
    struct fixture *f = begin(false);
    cr_expect_not(template_fill(&f->scope, source, &out, &err), "%s was filled", source);
    cr_expect_eq(err.code, ERROR_INPUT, "%s: %s", source, err.message);
    cr_expect(strncmp(err.message, "here", 4) == 0 && strstr(err.message, part), "%s: \"%s\" is not in: %s", source, part, err.message);
    text_free(&out);
    end(f);
}

static void expect_list(const char *source, int n, const char *const *wanted)
{
    struct error err = {0};
    struct template_list list = {0};
    struct fixture *f = begin(false);
    cr_assert(template_list(&f->scope, source, &list, &err), "%s: %s", source, err.message);
    cr_assert_eq((int)list.n, n, "%s gives %zu texts", source, list.n);
    for (int i = 0; i < n; i++)
        cr_expect_str_eq(list.texts[i].bytes, wanted[i], "%s: text %d", source, i);
    template_list_free(&list);
    end(f);
}

static void expect_holds(const char *source, bool wanted)
{
    struct error err = {0};
    bool holds;
    struct fixture *f = begin(false);
    cr_expect(template_holds(&f->scope, source, &holds, &err), "%s: %s", source, err.message);
    cr_expect_eq(holds, wanted, "%s", source);
    end(f);
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
    expect_filled("{half}", "0.5");
    expect_filled_with(true, "{made} {n} {half}", "of it 4 0.5");
}

Test(template, paths)
{
    expect_filled("{list[0]}{list[-1]}{list[1]}", "1bb");
    expect_filled("{nested.stem}{nested.options[1].text}{nested.a b}", "sy1");
    expect_list("{list}", 2, (const char *const[]){"1", "b"});
    expect_list("{nested.options[*].label}", 2, (const char *const[]){"A", "B"});
    expect_list("{nested.options[*].text|upper}", 2, (const char *const[]){"X", "Y"});
    expect_list("{none_of_them}", 0, NULL);
    expect_list("{n}", 1, (const char *const[]){"3"});
    expect_refused("{list[2]}", "\"list[2]\" is missing");
    expect_refused("{nested.nothing.more}", "\"nested.nothing.more\" is missing");
    expect_refused("{ragged[*].text|join:,}", "\"ragged[*].text\" is missing");
    expect_refused("{n[*]}", "[*] of what is no list");
    expect_refused("{list[x]}", "index that is no number");
}

Test(template, conditions)
{
    expect_filled("{?name}A{:}B{/}", "A");
    expect_filled("{?empty}A{:}B{/}", "B");
    expect_filled("{?missing}A{:}B{/}|{?missing.deeper[3]}A{/}|{?none}A{:}B{/}|{?none_of_them}A{:}B{/}", "B||B|B");
    expect_filled("{?missing}{missing}{:}{n}{/}", "3");
    expect_filled("{?id|contains:CSAT}five{:}four{/}", "five");
    expect_filled("{?name}{?empty}1{:}2{/}{:}3{/}", "2");
    expect_filled("{?missing|add:1}A{:}B{/}", "B");
    expect_holds("{id|contains:CSAT_korean}", true);
    expect_holds("{id|contains:PSAT}", false);
    expect_holds("{missing}", false);
    expect_holds("{id|split:_:2|less:23}", true);
    expect_holds("{id|after_last:_|more:7}", false);
    expect_holds("{n|equals:3}", true);
    expect_refused("{?name}A", "without its {/}");
    expect_refused("A{/}", "not begun");
    expect_refused("{?name}A{:}B", "without its {/}");
    expect_refused("{?name}{unknown}{/}", "\"unknown\" is missing");
    expect_refused("{?empty}{n|nothing}{/}", "unknown filter"); // the branch that isn't taken is read too
}

Test(template, filters_of_texts)
{
    expect_filled("[{name}]", "[  Kim ]");
    expect_filled("[{name|strip}]", "[Kim]");
    expect_filled("{shout|capitalise}", "Hello world");
    expect_filled("{accent|capitalise}{accent|lower}{accent|lower_first}", "ÉtéétééTÉ");
    expect_filled("{empty|capitalise}{empty|strip}{empty|clean}{empty|cut:1}{empty|lower_first}", "");
    expect_filled("{name|strip|capitalise}", "Kim");
    expect_filled("{q|cut:1}{shout|cut:20}", "원");
    expect_filled("{shout|replace:L:l}{shout|replace:'LL':''}", "HEllO WorldHEO World");
    expect_filled("{shout|sub:'(r)l|L':'<$1$$>'}", "HE<$><$>O Wo<r$>d");
    expect_filled("{id|match:'_([a-z]+)_'}{id|match:x}", "korean");
    expect_filled("{id|before:_} {id|after:_} {id|before_last:_} {id|after_last:_}", "CSAT korean_22_7 CSAT_korean_22 7");
    expect_filled("[{n|before_last:_}] [{n|after_last:_}]", "[] [3]");
    expect_filled("{id|split:_:0}{id|split:_:3}", "CSAT7");
    expect_filled("{n|add:-1}{n|add:2|letter}{figure|number}", "2F7");
}

Test(template, maps_and_places)
{
    expect_filled("{q|map:원인=왜냐하면;결과=그래서}", "왜냐하면");
    expect_filled("{n|map:1=;3=a=b}", "a=b");
    expect_filled("{n|map:3=}", "");
    expect_filled("{n|map:3=4|map:4=5}", "5");
    expect_filled("{n|map:'3=a:b|c}'}", "a:b|c}");
    expect_filled("{nested.options[1].label|index:nested.options[*].label}", "1");
    expect_refused("{n|index:list}", "\"3\" is none of the 2 values of {list}");
}

Test(template, filters_of_lists)
{
    expect_list("{targets|keys}", 2, (const char *const[]){"yes", "no"});
    expect_list("{targets|values}", 2, (const char *const[]){"1", "0"});
    expect_list("{python|list}", 3, (const char *const[]){"it", "it's", "a'b"});
    expect_list("{id|pieces:_}", 4, (const char *const[]){"CSAT", "korean", "22", "7"});
    expect_filled("{python|list|item:1} {list|join:', '} {python|list|item:-1}", "it's 1, b a'b");
    expect_refused("{name|list}", "is no list of texts in quotes");
    expect_refused("{name|keys}", "is no object");
    expect_refused("{list}", "a list stands where a text is wanted");
    expect_refused("{list|item:2}", "no item 2");
}

Test(template, filters_that_the_task_defines)
{
    expect_filled("{shout|twice}", "HELLO WORLD");
    expect_filled("{name|clean}", "Kim");
    expect_refused("{name|loop}", "goes too deep");
    expect_refused("{q|self}", "unknown filter \"self\"");
}

/* HellaSwag's cleaning, as its task file writes it. */
static void expect_cleaned(const char *source, const char *wanted)
{
    struct error err = {0};
    struct text out = {0};
    struct fixture *f = begin(false);
    cJSON_AddStringToObject(f->record, "text", source);
    cr_expect(template_fill(&f->scope, "{text|clean}", &out, &err), "%s", err.message);
    cr_expect_str_eq(out.bytes, wanted, "\"%s\" becomes \"%s\", not \"%s\"", source, out.bytes, wanted);
    text_free(&out);
    end(f);
}

Test(template, hellaswag_cleaning)
{
    expect_cleaned("  a b \n", "a b");
    expect_cleaned("How to [title] do [step] it", "How to. do it");
    expect_cleaned("a [x] b", "a b");
    expect_cleaned("a   b    c", "a  b  c"); // one pass, as str.replace
    expect_cleaned("a [open b", "a [open b");
    expect_cleaned("a [x\ny] b", "a [x\ny] b");
    expect_cleaned("a [[x]] b", "a ] b");
}

Test(template, errors_name_field_and_filter)
{
    expect_refused("{missing}", "\"missing\" is missing");
    expect_refused("{N}", "\"N\" is missing");
    expect_refused("{none}", "\"none\" is not a text");
    expect_refused("{nested}", "\"nested\" is not a text");
    expect_refused("{}", "field name");
    expect_refused("{n|shorter}", "unknown filter \"shorter\"");
    expect_refused("{n|}", "unknown filter");
    expect_refused("{n|map}", "has 0 arguments, 1 are wanted");
    expect_refused("{n|strip:x}", "has 1 arguments, 0 are wanted");
    expect_refused("{n|replace:a:b:c}", "too many arguments");
    expect_refused("{n|replace:'':b}", "nothing to be replaced");
    expect_refused("{n|cut:x}", "\"x\" is no whole number");
    expect_refused("{name|add:1}", "is no whole number");
    expect_refused("{n|add:99999999999}", "is no whole number");
    expect_refused("{n|add:30|letter}", "33 is no letter's number");
    expect_refused("{name|before:x}", "there is no \"x\"");
    expect_refused("{name|after:x}", "there is no \"x\"");
    expect_refused("{id|split:_:4}", "no piece 4");
    expect_refused("{q|map:결과=그래서}", "원인");
    expect_refused("{q|map:원인}", "has no \"=\"");
    expect_refused("{q|sub:'(':''}", "pattern");
    expect_refused("{q|sub:'.':'$1'}", "names none of the pattern's 0 groups");
    expect_refused("{n", "brace");
    expect_refused("n}", "brace");
    expect_refused("a { b", "brace");
    expect_refused("{n|map:'3=4}", "quote without its partner");
}
