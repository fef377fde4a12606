/* The real sets as a whole: every task whose data are there, over all of its items, is asked something and has a right answer. What is
 * asked, test_render compares with lm-evaluation-harness's own items. */
#include "tests/support.h"

#include "base/text.h"
#include "datasets/source.h"
#include "eval/eval.h"
#include "eval/prompt.h"

#include <string.h>

enum { LEAST_TASKS = 220, MOST_NAMES = 1024 };

static char data[4096];
static char *names[MOST_NAMES];
static int n_names;

/* Whether any file of a set is there. */
static bool is_there(const char *set)
{
    struct error err = {0};
    struct data_places places = {.data = data};
    struct source *source = source_read("datasets/sources", set, &err);
    bool found = false;
    char path[4096];
    cr_assert_not_null(source, "%s", err.message);
    for (int i = 0; i < source->n_files && !found; i++)
        found = source_path(&places, &source->files[i], path, sizeof path, &err) && access(path, R_OK) == 0;
    source_free(source);
    return found;
}

/* Tasks of the sets that are there; those of MMLU by their groups, as opening a name reads all task files. */
static void keep_name(void *context, const struct eval_task_info *info)
{
    const char *name = info->set && strcmp(info->set, "mmlu") == 0 ? info->groups[info->n_groups - 1] : info->name;
    (void)context;
    for (int i = 0; i < n_names; i++)
        if (strcmp(names[i], name) == 0)
            return;
    if (info->set && !is_there(info->set))
        return;
    cr_assert_lt(n_names, MOST_NAMES);
    names[n_names++] = strdup(name);
}

/* The tasks of a name; none where part of the set isn't there. */
static struct eval_task **open_tasks(const char *name, int *count)
{
    struct error err = {0};
    struct eval_places places = {.tasks = "datasets/tasks", .builtin = "datasets/builtin", .data = data};
    struct eval_task **tasks = NULL;
    *count = 0;
    if (!eval_tasks_open(&places, name, &tasks, count, &err))
        cr_assert(strstr(err.message, "is not there, looked for"), "%s", err.message);
    return tasks;
}

static void expect_text(const char *name, int item, const char *what, const char *text)
{
    cr_assert_not_null(text, "%s, item %d: no %s", name, item, what);
    cr_expect_eq(utf8_invalid_at(text, strlen(text)), strlen(text), "%s, item %d: %s has broken UTF-8", name, item, what);
}

static void check_prompt(const struct eval_task *task, const struct prompt *p, int item)
{
    const char *name = task->info.name;
    cr_expect_eq(p->doc_index, item, "%s, item %d", name, item);
    for (int i = 0; i < p->n; i++) {
        expect_text(name, item, "context", p->contexts[i]);
        if (p->kind != EVAL_GENERATE) {
            expect_text(name, item, "continuation", p->continuations[i]);
            cr_expect(p->continuations[i][strspn(p->continuations[i], " \n\t")], "%s, item %d: continuation %d is empty", name, item, i);
        }
        if (p->kind != EVAL_ROLLING)
            cr_expect(p->own_contexts || p->contexts[i][0], "%s, item %d: no question", name, item);
    }
    if (p->kind == EVAL_CHOICES)
        cr_expect(p->n >= 2 && p->gold >= 0 && p->gold < p->n, "%s, item %d: answer %d of %d", name, item, p->gold, p->n);
    if (p->kind == EVAL_GENERATE) {
        expect_text(name, item, "target", p->target);
        cr_expect(p->target[0], "%s, item %d: an empty target", name, item);
    }
}

/* All items, with the task's own examples, and where those aren't there or are none, without. Returns how many. */
static int check_task(const struct eval_task *task)
{
    struct error err = {0};
    struct prompt *prompts = NULL;
    int count = 0;
    if (!prompts_of_task(task, -1, 0, &prompts, &count, &err)) {
        cr_assert(strstr(err.message, "few-shot examples") && strstr(err.message, "is not there, looked for"), "%s", err.message);
        err = (struct error){0};
        cr_assert(prompts_of_task(task, 0, 0, &prompts, &count, &err), "%s", err.message);
    }
    cr_expect_eq(count, task->info.n_items, "%s: %d prompts of %d items", task->info.name, count, task->info.n_items);
    for (int i = 0; i < count; i++)
        check_prompt(task, &prompts[i], i);
    prompts_free(prompts, count);
    return count;
}

Test(real_sets, every_item_of_every_task_is_asked_and_has_an_answer, .timeout = 300)
{
    NEEDS_SHARED("evalsets/README.md");
    struct error err = {0};
    struct eval_places places = {.tasks = "datasets/tasks", .builtin = "datasets/builtin"};
    int tasks = 0, items = 0;
    snprintf(data, sizeof data, "%s", shared_path("evalsets"));
    cr_assert(eval_tasks_list(&places, keep_name, NULL, &err), "%s", err.message);
    for (int i = 0; i < n_names; i++) {
        int count;
        struct eval_task **opened = open_tasks(names[i], &count);
        for (int t = 0; t < count; t++) {
            items += check_task(opened[t]);
            eval_task_close(opened[t]);
        }
        tasks += count;
        free(opened);
        free(names[i]);
    }
    cr_expect_geq(tasks, LEAST_TASKS, "%d tasks", tasks);
    cr_expect_geq(items, 80000, "%d items", items);
}

/* As the sets' own pages say; those that are cut there aren't named. */
Test(real_sets, each_has_the_items_that_it_should_have)
{
    static const struct {
        const char *name;
        int items;
    } sets[] = {{"kobest_boolq", 1404},
                {"kobest_copa", 1000},
                {"kobest_hellaswag", 500},
                {"kobest_sentineg", 397},
                {"kobest_wic", 1260},
                {"klue_nli", 3000},
                {"klue_sts", 519},
                {"kobbq", 2280},
                {"belebele_kor_Hang", 900},
                {"sib200_ko", 204},
                {"arc_challenge", 1172},
                {"arc_easy", 2376},
                {"hellaswag", 1000},
                {"winogrande", 1267},
                {"piqa", 1838},
                {"boolq", 3270},
                {"commonsense_qa", 1221},
                {"truthfulqa_mc1", 817},
                {"gsm8k", 1319},
                {"lambada_openai", 5153},
                {"mmlu_anatomy", 135},
                {"bbh_zeroshot_navigate", 250},
                {"nsmc", 10000}};
    NEEDS_SHARED("evalsets/README.md");
    snprintf(data, sizeof data, "%s", shared_path("evalsets"));
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        int count;
        struct eval_task **task = open_tasks(sets[i].name, &count);
        cr_assert_eq(count, 1, "%s", sets[i].name);
        cr_expect_eq(task[0]->info.n_items, sets[i].items, "%s: %d items of %d", sets[i].name, task[0]->info.n_items, sets[i].items);
        eval_task_close(task[0]);
        free(task);
    }
}

/* --- what sharing beginnings can give ----------------------------------------------------------------------------------------------------
 */

/* Tokens of all requests, of those as many as have different beginnings, and of the parts. */
struct shared {
    double all, distinct, contexts, continuations;
    size_t n;
};

static int32_t token_of(const struct request *r, int at)
{
    return at < r->n_context ? r->context[at] : r->continuation[at - r->n_context];
}

static int rows_of(const struct request *r)
{
    return r->n_context + r->n_continuation - 1;
}

static int same_rows(const struct request *a, const struct request *b)
{
    int n = rows_of(a) < rows_of(b) ? rows_of(a) : rows_of(b), same = 0;
    while (same < n && token_of(a, same) == token_of(b, same))
        same++;
    return same;
}

static int by_rows(const void *left, const void *right)
{
    const struct request *a = left, *b = right;
    int same = same_rows(a, b), more_a = rows_of(a) > same, more_b = rows_of(b) > same;
    return more_a && more_b ? (token_of(a, same) > token_of(b, same)) - (token_of(a, same) < token_of(b, same)) : more_a - more_b;
}

/* Answers nothing of sense, and counts. */
static bool count(void *self, struct request *requests, size_t n, bool (*done)(void *context, struct request *request, struct error *err),
                  void *context, size_t *failed, struct error *err)
{
    struct shared *s = self;
    struct request *sorted = malloc(n * sizeof *sorted);
    memcpy(sorted, requests, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_rows);
    *failed = 0;
    s->n = n;
    for (size_t i = 0; i < n; i++) {
        s->all += rows_of(&sorted[i]);
        s->distinct += rows_of(&sorted[i]) - (i ? same_rows(&sorted[i], &sorted[i - 1]) : 0);
        s->contexts += sorted[i].n_context;
        s->continuations += sorted[i].n_continuation;
    }
    free(sorted);
    for (size_t i = 0; i < n; i++)
        if (!done(context, &requests[i], err))
            return false;
    return true;
}

/* HellaSwag's endings are long beside what they share: by tokens alone, no scheduler makes it more than about twice as fast
 * (docs/performance.md has these numbers). */
Test(real_sets, hellaswag_shares_half_of_its_tokens)
{
    NEEDS_SHARED("goldens/vocab/ggml-vocab-qwen2.gguf");
    NEEDS_SHARED("evalsets/hellaswag/INDEX.tsv");
    struct error err = {0};
    struct shared s = {0};
    struct eval_result r;
    struct model_file *file = model_file_open(shared_path("goldens/vocab/ggml-vocab-qwen2.gguf"), &err);
    struct tokenizer *tokenizer = file ? tokenizer_open(file, &err) : NULL;
    cr_assert_not_null(tokenizer, "%s", err.message);
    struct eval_answerer answerer = {.tokenizer = tokenizer, .max_length = 4096, .score_length = 4096, .answer = count, .self = &s};
    struct eval_options options = {.shots = -1};
    int n_tasks;
    snprintf(data, sizeof data, "%s", shared_path("evalsets"));
    struct eval_task **tasks = open_tasks("hellaswag", &n_tasks);
    cr_assert_eq(n_tasks, 1);
    cr_assert(eval_run_through(&answerer, tasks[0], &options, &r, &err), "%s", err.message);
    cr_assert_eq(s.n, 4 * (size_t)r.n);
    double c = s.contexts / (double)s.n, l = s.continuations / (double)s.n;
    cr_expect_float_eq(c, 31.24, 0.01, "%g tokens of context", c);
    cr_expect_float_eq(l, 15.56, 0.01, "%g tokens of an ending", l);
    cr_expect_float_eq(4 * (c + l) / (c + 4 * l), 2.003, 0.001);
    cr_expect_float_eq(s.all / s.distinct, 2.248, 0.001, "%g with endings that begin alike", s.all / s.distinct);
    eval_result_free(&r);
    eval_task_close(tasks[0]);
    free(tasks);
    tokenizer_close(tokenizer);
    model_file_close(file);
}
