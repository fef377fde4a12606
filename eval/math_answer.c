/* Answers of mathematics: see math_answer.h. */
#include "eval/math_answer.h"

#include "eval/filter.h"
#include "eval/pattern.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(struct text *text, const char *bytes, size_t n)
{
    struct text copy = {0};
    text_add(&copy, bytes, n);
    text_add(&copy, "", 0);
    copy.failed |= text->failed;
    text_free(text);
    *text = copy;
}

static void replace_all(struct text *text, const char *from, const char *to)
{
    struct text out = {0};
    size_t n = strlen(from);
    for (const char *at = text->bytes, *next;; at = next + n) {
        next = strstr(at, from);
        text_add(&out, at, next ? (size_t)(next - at) : strlen(at));
        if (!next)
            break;
        text_add_string(&out, to);
    }
    out.failed |= text->failed;
    text_free(text);
    *text = out;
}

static int occurrences(const char *text, const char *part)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

static const char *last_occurrence(const char *text, const char *part)
{
    const char *last = NULL;
    for (const char *at = text; (at = strstr(at, part)); at++)
        last = at;
    return last;
}

/* What is behind the last "=", without spaces before it. */
static const char *behind_equals(const char *text)
{
    const char *equals = strrchr(text, '=');
    if (!equals)
        return text;
    equals++;
    return equals + strspn(equals, " ");
}

/* --- reading ---------------------------------------------------------------------------------------------------------------------------
 */

/* The inside of the last "\boxed{…}" with its braces in pairs. */
static void read_boxed(const char *text, struct text *out, bool *found)
{
    static const char left[] = "\\boxed{";
    const char *begin = last_occurrence(text, "\\boxed"), *end = begin;
    int open = 0;
    for (; *end; end++) {
        open += (*end == '{') - (*end == '}');
        if (*end == '}' && open == 0)
            break;
    }
    *found = *end && strncmp(begin, left, sizeof left - 1) == 0;
    if (!*found)
        return;
    struct text inside = {0};
    text_add(&inside, begin + sizeof left - 1, (size_t)(end - begin) - (sizeof left - 1));
    if (inside.bytes)
        text_add_string(out, behind_equals(inside.bytes));
    out->failed |= inside.failed;
    text_free(&inside);
}

static bool find_last(const char *source, const char *text, struct text *out, bool *found, struct error *err)
{
    struct pattern *pattern = pattern_compile(source, err);
    int result = 0;
    bool ok = pattern && pattern_find(pattern, text, strlen(text), -1, out, &result, err);
    pattern_free(pattern);
    *found = result > 0;
    return ok;
}

/* What is behind the last "=" up to a "\n" that is spelled out, without points at its end. */
static void read_behind_equals(const char *text, struct text *out)
{
    const char *answer = behind_equals(text);
    size_t n = strlen(answer);
    while (n && answer[n - 1] == '.')
        n--;
    const char *line = memmem(answer, n, "\\n", 2);
    text_add(out, answer, line ? (size_t)(line - answer) : n);
}

bool math_answer_parse(const char *text, struct text *out, bool *found, struct error *err)
{
    struct text dollars = {0};
    *found = true;
    text_add(out, "", 0);
    if (strstr(text, "\\boxed")) {
        read_boxed(text, out, found);
        return text_ok(out, err);
    }
    bool has = false, ok = find_last("\\$(.*)\\$", text, &dollars, &has, err);
    const char *answer = ok && has ? behind_equals(dollars.bytes) : "";
    if (ok && *answer)
        text_add_string(out, answer);
    else if (ok && strchr(text, '='))
        read_behind_equals(text, out);
    else if (ok)
        ok = find_last("(?:\\$)?\\d+(?:\\.\\d+)?(?![\\w\\d])", text, out, found, err);
    text_free(&dollars);
    return ok && text_ok(out, err);
}

/* --- spelling --------------------------------------------------------------------------------------------------------------------------
 */

/* Python's float(text) of a text without white space around it. */
static bool python_float(const char *text, double *value)
{
    char copy[64], *end;
    size_t n = 0;
    for (const char *at = text; *at && n + 1 < sizeof copy; at++) {
        bool digits_around = at > text && isdigit((unsigned char)at[-1]) && isdigit((unsigned char)at[1]);
        if (*at == '_' && digits_around)
            continue;
        if (!isdigit((unsigned char)*at) && !strchr("+-.eE", *at))
            return false;
        copy[n++] = *at;
    }
    copy[n] = '\0';
    *value = strtod(copy, &end);
    return n && *end == '\0';
}

bool math_answer_spell(const char *answer, struct text *out, struct error *err)
{
    struct text stripped = {0};
    double value;
    text_add_string(&stripped, answer);
    filter_strip(&stripped);
    if (!text_ok(&stripped, err))
        return false;
    if (!python_float(stripped.bytes, &value) || !isfinite(value))
        text_add_string(out, stripped.bytes);
    else if (value == floor(value))
        text_format(out, "%.0f", value == 0 ? 0.0 : value);
    else // the shortest digits that give the number back
        for (int digits = 1; digits <= 17; digits++) {
            char text[40];
            snprintf(text, sizeof text, "%.*g", digits, value);
            if (strtod(text, NULL) == value) {
                text_add_string(out, text);
                break;
            }
        }
    text_free(&stripped);
    return text_ok(out, err);
}

/* "\sqrt3" becomes "\sqrt{3}"; false at a "\sqrt" with nothing behind it. */
static bool fix_roots(struct text *text)
{
    struct text out = {0};
    bool ok = true;
    const char *at = text->bytes, *root;
    for (; ok && (root = strstr(at, "\\sqrt")); at = root) {
        root += strlen("\\sqrt");
        text_add(&out, at, (size_t)(root - at));
        uint32_t c;
        int n = *root == '{' ? 0 : utf8_decode(root, strlen(root), &c);
        ok = *root && strncmp(root, "\\sqrt", 5) != 0;
        if (ok && n) {
            text_format(&out, "{%.*s}", n, root);
            root += n;
        }
    }
    text_add_string(&out, at);
    out.failed |= text->failed;
    text_free(text);
    *text = out;
    return ok;
}

static size_t character(const char *text)
{
    uint32_t c;
    int n = utf8_decode(text, strlen(text), &c);
    return n ? (size_t)n : *text != '\0';
}

/* "\frac12" becomes "\frac{1}{2}", "\frac1{72}" "\frac{1}{72}"; left as it is where less than two characters follow, false where none do.
 */
static bool fix_fractions(struct text *text)
{
    static const char frac[] = "\\frac";
    struct text out = {0};
    const char *at = strstr(text->bytes, frac);
    if (!at)
        return true;
    text_add(&out, text->bytes, (size_t)(at - text->bytes));
    while (at) {
        at += strlen(frac);
        const char *next = strstr(at, frac);
        size_t n = next ? (size_t)(next - at) : strlen(at), a = n ? character(at) : 0, b = a < n ? character(at + a) : 0;
        if (!a || (*at != '{' && !b)) {
            text_free(&out);
            return a > 0;
        }
        text_add_string(&out, frac);
        if (*at == '{')
            text_add(&out, at, n);
        else {
            bool braced = at[a] == '{';
            text_format(&out, braced ? "{%.*s}%.*s" : "{%.*s}{%.*s}", (int)a, at, (int)b, at + a);
            text_add(&out, at + a + b, n - a - b);
        }
        at = next;
    }
    out.failed |= text->failed;
    text_free(text);
    *text = out;
    return true;
}

/* "3/4" becomes "\frac{3}{4}" where both are whole numbers in their own spelling. */
static void fix_slash(struct text *text)
{
    long long a, b;
    char spelled[64];
    if (sscanf(text->bytes, "%lld/%lld", &a, &b) != 2)
        return;
    snprintf(spelled, sizeof spelled, "%lld/%lld", a, b);
    if (strcmp(spelled, text->bytes) != 0)
        return;
    text_clear(text);
    text_format(text, "\\frac{%lld}{%lld}", a, b);
}

/* The normaliser of the MATH set. False where it would fail. */
static bool normalise(struct text *text)
{
    static const char *const replacements[][2] = {{"\n", ""},     {"\\!", ""},     {"\\\\", "\\"},    {"tfrac", "frac"}, {"dfrac", "frac"},
                                                  {"\\left", ""}, {"\\right", ""}, {"^{\\circ}", ""}, {"^\\circ", ""},   {"\\$", ""}};
    for (size_t i = 0; i < sizeof replacements / sizeof *replacements; i++)
        replace_all(text, replacements[i][0], replacements[i][1]);
    int units = occurrences(text->bytes, "\\text{ ");
    if (units > 1)
        return false;
    if (units)
        set(text, text->bytes, (size_t)(strstr(text->bytes, "\\text{ ") - text->bytes));
    replace_all(text, "\\%", "");
    replace_all(text, " .", " 0.");
    replace_all(text, "{.", "{0.");
    if (!text->length)
        return true;
    if (text->bytes[0] == '.') {
        struct text zero = {0};
        text_format(&zero, "0%s", text->bytes);
        set(text, zero.bytes ? zero.bytes : "", zero.length);
        text_free(&zero);
    }
    const char *equals = strchr(text->bytes, '=');
    if (equals && !strchr(equals + 1, '=') && utf8_length(text->bytes, (size_t)(equals - text->bytes)) <= 2)
        set(text, equals + 1, strlen(equals + 1));
    if (!fix_roots(text))
        return false;
    replace_all(text, " ", "");
    if (!fix_fractions(text))
        return false;
    if (strcmp(text->bytes, "0.5") == 0)
        set(text, "\\frac{1}{2}", strlen("\\frac{1}{2}"));
    fix_slash(text);
    return true;
}

bool math_answer_equal(const char *response, const char *gold, bool *equal, struct error *err)
{
    struct text a = {0}, b = {0}, wanted = {0}, plain_a = {0}, plain_b = {0}, spelled = {0};
    bool found_a = false, found_b = false;
    bool ok = math_answer_spell(gold, &wanted, err) && math_answer_parse(response, &a, &found_a, err) &&
              math_answer_parse(wanted.bytes, &b, &found_b, err);
    *equal = false;
    if (ok) {
        text_add_string(&plain_a, a.bytes);
        text_add_string(&plain_b, b.bytes);
        ok = text_ok(&plain_a, err) && text_ok(&plain_b, err);
    }
    if (ok && found_a && found_b && normalise(&plain_a) && normalise(&plain_b)) {
        ok = text_ok(&plain_a, err) && text_ok(&plain_b, err) && math_answer_spell(plain_a.bytes, &spelled, err);
        *equal = ok && strcmp(spelled.bytes, plain_b.bytes) == 0;
    } else if (ok) // what cannot be normalised is compared as it is
        *equal = found_a == found_b && (!found_a || strcmp(a.bytes, b.bytes) == 0);
    struct text *all[] = {&a, &b, &wanted, &plain_a, &plain_b, &spelled};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        text_free(all[i]);
    return ok;
}
