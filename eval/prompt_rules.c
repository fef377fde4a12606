/* What holds for all items of a task: stop strings, filters, metrics. See prompt.h. */
#include "base/json.h"
#include "base/text.h"
#include "eval/prompt.h"

#include <string.h>

/* The metrics of each kind, the first the usual one. */
static const char *const metrics[][6] = {[EVAL_CHOICES] = {"acc", "acc_norm", "acc_bytes", "acc_mutual_info", "f1", NULL},
                                         [EVAL_LIKELIHOOD] = {"perplexity", "acc", NULL},
                                         [EVAL_ROLLING] = {"word_perplexity", "byte_perplexity", "bits_per_byte", NULL},
                                         [EVAL_GENERATE] = {"exact_match", NULL}};

static bool read_stops(const struct json_at *root, struct prompt_rules *out, struct error *err)
{
    enum { MOST = sizeof out->stops / sizeof *out->stops - 1 };
    struct json_at at = json_member(root, "until"), max = json_member(root, "max_tokens");
    int64_t tokens;
    int n = 0;
    if (!json_integer_or(&max, 1, 1 << 20, 256, &tokens, err) || (at.value && !json_array(&at, &n, err)))
        return false;
    if (n > MOST)
        return json_error(&at, err, "%d stop strings, at most %d are allowed", n, MOST);
    for (int i = 0; i < n; i++) {
        struct json_at one = json_element(&at, i);
        if (!json_string(&one, &out->stops[i], err))
            return false;
    }
    if (!at.value)
        out->stops[0] = "\n\n"; // the few-shot delimiter
    out->max_tokens = (int)tokens;
    return true;
}

static bool read_filters(const struct json_at *root, struct prompt_rules *out, struct error *err)
{
    static const char *const keys[] = {"name", "filter", NULL};
    struct json_at at = json_member(root, "filters");
    int n = 0, steps;
    const char *name;
    if (at.value && !json_array(&at, &n, err))
        return false;
    for (int i = 0; i < n; i++) {
        struct json_at one = json_element(&at, i), filter = json_member(&one, "filter");
        if (!json_only(&one, keys, err) || !json_filled(&one, "name", &name, err) || !json_array(&filter, &steps, err))
            return false;
    }
    out->filters = n ? at.value : NULL;
    return true;
}

static bool read_match(const struct json_at *at, struct prompt_rules *out, struct error *err)
{
    static const char *const keys[] = {"metric", "rule", "ignore_case", "ignore_punctuation", "ignore_numbers", "regexes_to_ignore", NULL};
    struct json_at rule = json_member(at, "rule"), ignore_case = json_member(at, "ignore_case"),
                   ignore_punctuation = json_member(at, "ignore_punctuation"), ignore_numbers = json_member(at, "ignore_numbers"),
                   patterns = json_member(at, "regexes_to_ignore");
    const char *name;
    int n;
    if (!json_only(at, keys, err) || !json_string_or(&rule, "", &name, err) ||
        !json_bool_or(&ignore_case, false, &out->match.ignore_case, err) ||
        !json_bool_or(&ignore_punctuation, false, &out->match.ignore_punctuation, err) ||
        !json_bool_or(&ignore_numbers, false, &out->match.ignore_numbers, err) || (patterns.value && !json_array(&patterns, &n, err)))
        return false;
    if (strcmp(name, "") != 0 && strcmp(name, "math") != 0)
        return json_error(&rule, err, "\"%.40s\" is no rule of comparing; there is math", name);
    out->match.regexes_to_ignore = patterns.value;
    out->math_answers = strcmp(name, "math") == 0;
    return true;
}

static bool read_metric(const struct json_at *at, struct prompt_rules *out, struct error *err)
{
    struct json_at of = json_member(at, "metric");
    const char *name;
    if (!json_string(cJSON_IsString(at->value) ? at : &of, &name, err))
        return false;
    const char *const *known = metrics[out->kind];
    while (*known && strcmp(*known, name) != 0)
        known++;
    if (!*known)
        return json_error(at, err, "\"%.40s\" is no metric of a task of kind %s", name, eval_kind_name(out->kind));
    out->metric = out->metric ? out->metric : name;
    out->has_acc_norm |= strcmp(name, "acc_norm") == 0;
    out->macro_f1 |= strcmp(name, "f1") == 0;
    out->unconditional |= strcmp(name, "acc_mutual_info") == 0;
    return cJSON_IsString(at->value) || read_match(at, out, err);
}

bool prompt_rules_of_task(const struct eval_task *task, struct prompt_rules *out, struct error *err)
{
    struct json_at root = json_root(task->file, task->document), at = json_member(&root, "metrics");
    int n = 0;
    *out = (struct prompt_rules){.kind = task->info.kind, .true_mass = cJSON_HasObjectItem(task->document, "labels")};
    if (!read_stops(&root, out, err) || !read_filters(&root, out, err) || (at.value && !json_array(&at, &n, err)))
        return false;
    for (int i = 0; i < n; i++) {
        struct json_at metric = json_element(&at, i);
        if (!read_metric(&metric, out, err))
            return false;
    }
    out->metric = out->metric ? out->metric : metrics[out->kind][0];
    return true;
}
