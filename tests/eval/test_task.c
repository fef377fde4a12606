/* Task files: those that come with jeoul hold together with their sources; includes and variants; what is refused. */
#include "tests/support.h"

#include "base/file.h"
#include "base/json.h"
#include "datasets/datasets.h"
#include "eval/prompt.h"

#include <stdlib.h>
#include <string.h>

static bool has_split(const struct source *source, const char *split, const char *subset)
{
    for (int i = 0; i < source->n_files; i++)
        if (strcmp(source->files[i].split, split) == 0 && strcmp(source->files[i].subset, subset) == 0)
            return true;
    return false;
}

Test(task, every_task_reads_splits_that_its_source_has_under_its_licence)
{
    struct error err = {0};
    struct task_list list;
    cr_assert(task_list_read("datasets/tasks", &list, &err), "%s", err.message);
    struct source *source = NULL;
    for (int i = 0; i < list.count; i++) {
        const struct eval_task *task = list.tasks[i];
        const cJSON *data = cJSON_GetObjectItem(task->document, "data");
        if (!data)
            continue;
        if (!source || strcmp(source->name, json_text(data, "source")) != 0) {
            source_free(source);
            source = source_read("datasets/sources", json_text(data, "source"), &err);
            cr_assert_not_null(source, "%s: %s", task->info.name, err.message);
        }
        cr_expect_str_eq(task->info.licence, source->licence, "%s", task->info.name);
        cr_expect(has_split(source, json_text(data, "split"), json_text(data, "subset")), "%s: no split", task->info.name);
        cr_expect(!task->fewshot.split || has_split(source, task->fewshot.split, json_text(data, "subset")), "%s: no few-shot split",
                  task->info.name);
    }
    source_free(source);
    cr_expect_geq(list.count, 440, "%d tasks", list.count);
    task_list_free(&list);
}

static int count_of_group(const struct task_list *list, const char *group)
{
    int n = 0;
    for (int i = 0; i < list->count; i++)
        for (int g = 0; g < list->tasks[i]->info.n_groups; g++)
            n += strcmp(list->tasks[i]->groups[g], group) == 0;
    return n;
}

Test(task, groups_have_all_their_tasks)
{
    static const struct {
        const char *group;
        int n;
    } wanted[] = {{"mmlu", 57},
                  {"mmlu_stem", 19},
                  {"mmlu_humanities", 13},
                  {"mmlu_social_sciences", 12},
                  {"mmlu_other", 13},
                  {"mmlu_generative", 57},
                  {"kmmlu", 45},
                  {"kmmlu_applied_science", 12},
                  {"kmmlu_humss", 11},
                  {"kmmlu_other", 11},
                  {"kmmlu_stem", 11},
                  {"kmmlu_hard", 45},
                  {"kmmlu_direct", 45},
                  {"kmmlu_direct_hard", 45},
                  {"kobest", 5},
                  {"haerae", 5},
                  {"click", 11},
                  {"click_lang", 3},
                  {"hrm8k", 5},
                  {"kormedmcqa", 4},
                  {"bbh_zeroshot", 27},
                  {"no_such_group", 0}};
    struct error err = {0};
    struct task_list list;
    cr_assert(task_list_read("datasets/tasks", &list, &err), "%s", err.message);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        cr_expect_eq(count_of_group(&list, wanted[i].group), wanted[i].n, "%s has %d tasks, not %d", wanted[i].group,
                     count_of_group(&list, wanted[i].group), wanted[i].n);
    task_list_free(&list);
}

/* Each item counted in the list is in the set, where the whole set is at hand. */
Test(task, listed_items_are_those_of_whole_sets)
{
    NEEDS_SHARED("evalsets/kobest");
    static const char *const names[] = {"kobest",     "arc_easy",       "arc_challenge", "piqa",           "winogrande",
                                        "boolq",      "commonsense_qa", "gsm8k",         "lambada_openai", "wikitext",
                                        "truthfulqa", "mmlu_anatomy",   "kobbq",         "sib200"};
    char data[4096];
    snprintf(data, sizeof data, "%s", shared_path("evalsets"));
    struct eval_places places = {.tasks = "datasets/tasks", .builtin = "datasets/builtin", .data = data};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct error err = {0};
        struct eval_task **tasks;
        int count;
        cr_assert(eval_tasks_open(&places, names[i], &tasks, &count, &err), "%s", err.message);
        for (int t = 0; t < count; t++) {
            int listed = (int)json_real(tasks[t]->document, "items");
            cr_expect_eq(listed, tasks[t]->info.n_items, "%s: %d listed, %d there", tasks[t]->info.name, listed, tasks[t]->info.n_items);
            eval_task_close(tasks[t]);
        }
        free(tasks);
    }
}

/* --- files made here -------------------------------------------------------------------------------------------------------------------
 */

static char made[] = "/tmp/jeoul-task-XXXXXX";

static void make_directory(void)
{
    make_test_directory(made);
}

static void remove_directory(void)
{
    remove_test_directory(made);
}

static void make_file(const char *name, const char *text)
{
    struct error err = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/%s", made, name);
    cr_assert(file_write(path, text, strlen(text), &err), "%s", err.message);
}

#define HEAD(name)                                                                                                                         \
    "{\"name\": \"" name "\", \"language\": \"en\", \"version\": \"1\", \"licence\": \"MIT\", \"source\": \"s\", \"summary_ko\": \"k\", "  \
    "\"summary_en\": \"e\", "
#define BUILTIN "\"builtin\": \"x.jsonl\", \"format\": \"jsonl\", "
#define CHOICES "\"context\": \"{q}\", \"choices\": [\"a\", \"b\"], \"gold\": \"{g}\""

TestSuite(task_made, .init = make_directory, .fini = remove_directory);

Test(task_made, includes_and_variants_make_tasks)
{
    struct error err = {0};
    struct task_list list;
    make_file(
        "a.json", HEAD("a_<w>") BUILTIN CHOICES
        ", \"items\": 3, \"description\": \"<w> <x> </s> <|im_end|> <version> <\", \"group\": [\"<g>\", \"all\"], "
        "\"variants\": [{\"w\": \"one\", \"g\": \"g1\"}, {\"w\": \"two\", \"g\": \"g2\", \"items\": 5, \"metrics\": [\"acc\", \"f1\"]}]}");
    make_file("b.json", "{\"include\": \"a.json\", \"name\": \"b_<w>\", \"description\": null, \"group\": \"<w>_b\"}");
    cr_assert(task_list_read(made, &list, &err), "%s", err.message);
    cr_assert_eq(list.count, 4);
    const struct eval_task *one = list.tasks[0], *two = list.tasks[1], *b = list.tasks[3];
    cr_expect_str_eq(one->info.name, "a_one");
    cr_expect_str_eq(json_text(one->document, "description"), "one <x> </s> <|im_end|> <version> <");
    cr_expect_str_eq(one->info.group, "g1");
    cr_expect_eq(one->info.n_groups, 2);
    cr_expect_eq(one->info.n_items, 3);
    cr_expect_eq(two->info.n_items, 5);
    cr_expect_str_eq(two->groups[1], "all");
    cr_expect_str_eq(b->info.name, "b_two");
    cr_expect_str_eq(b->info.group, "two_b");
    cr_expect_eq(b->info.n_items, 5);
    cr_expect_not(cJSON_HasObjectItem(b->document, "description"));
    task_list_free(&list);
}

Test(task_made, broken_files_are_named)
{
    static const struct {
        const char *text, *words;
    } broken[] = {
        {HEAD("t") BUILTIN CHOICES ", \"kontext\": \"x\"}", "did you mean \"context\"?"},
        {HEAD("t") BUILTIN "\"context\": \"{q}\", \"choices\": [\"a\"]}", "has no \"gold\""},
        {HEAD("t") BUILTIN "\"context\": \"{q}\", \"gold\": \"0\"}", "either \"context\" and \"choices\" or"},
        {HEAD("t") BUILTIN CHOICES ", \"contexts\": [\"a\"], \"continuation\": \"x\"}", "either \"context\" and \"choices\" or"},
        {HEAD("t") BUILTIN "\"kind\": \"generate_until\", \"context\": \"{q}\"}",
         "has no \"target\", which a task of kind generate_until needs"},
        {HEAD("t") BUILTIN "\"kind\": \"guess\", " CHOICES "}", "\"guess\" is none of: multiple_choice, "},
        {HEAD("t") BUILTIN CHOICES ", \"metrics\": [\"exact_match\"]}", "\"exact_match\" is no metric of a task of kind multiple_choice"},
        {HEAD("t") BUILTIN CHOICES ", \"fewshot\": {\"sampler\": \"best\"}}", "\"best\" is none of: random, "},
        {HEAD("t") BUILTIN CHOICES ", \"fewshot\": {\"shots\": -1}}", "fewshot.shots: -1 is outside"},
        {HEAD("t") BUILTIN CHOICES ", \"data\": {\"source\": \"x\", \"split\": \"y\"}}", "beside \"builtin\""},
        {HEAD("t") CHOICES "}", "t.data: is missing"},
        {HEAD("t") BUILTIN CHOICES ", \"variants\": []}", "0 variants"},
        {HEAD("t") BUILTIN CHOICES ", \"variants\": [{\"w\": 1}]}", "\"w\" is neither a key of tasks nor a word"},
        {HEAD("t") BUILTIN CHOICES ", \"variants\": [{\"w\": \"1\"}, {\"w\": \"2\"}]}", "the task \"t\" is in "},
        {HEAD("t") BUILTIN CHOICES ", \"variants\": [{\"variants\": []}]}", "unknown key \"variants\""},
        {HEAD("t") BUILTIN CHOICES ", \"group\": [1]}", "group[0]"},
        {"{\"include\": \"t.json\"}", "is included 4 files deep"},
        {"{\"include\": \"../t.json\"}", "is no file beside this one"},
        {"{\"include\": \"gone.json\"}", "gone.json"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct error err = {0};
        struct task_list list;
        make_file("t.json", broken[i].text);
        cr_expect_not(task_list_read(made, &list, &err), "read: %s", broken[i].text);
        cr_expect_eq(err.code, ERROR_INPUT, "%s", err.message);
        cr_expect(strstr(err.message, broken[i].words), "\"%s\" is not in: %s", broken[i].words, err.message);
        task_list_free(&list);
    }
}

/* A few bytes must not become gigabytes. */
Test(task_made, variants_that_grow_without_bound_are_refused)
{
    struct error err = {0};
    struct task_list list;
    struct text text = {0};
    text_format(&text, HEAD("t<w>") BUILTIN CHOICES ", \"description\": \"");
    for (int i = 0; i < 100000; i++)
        text_add_string(&text, "<w>");
    text_format(&text, "\", \"variants\": [{\"w\": \"%0200d\"}, {\"w\": \"%0201d\"}]}", 0, 0);
    make_file("t.json", text.bytes);
    text_free(&text);
    cr_expect_not(task_list_read(made, &list, &err));
    cr_expect(strstr(err.message, "more than 16 MiB of text"), "%s", err.message);
    task_list_free(&list);
}

static void expect_selected(const char *where, int n)
{
    struct error err = {0};
    struct eval_task **tasks;
    struct eval_places places = {.tasks = made, .builtin = made, .cache = made};
    struct text text = {0};
    int count;
    text_format(&text, "%s\"where\": %s}", HEAD("t") BUILTIN CHOICES ", ", where);
    make_file("t.json", text.bytes);
    text_free(&text);
    cr_assert(eval_tasks_open(&places, "t", &tasks, &count, &err), "%s: %s", where, err.message);
    cr_expect_eq(tasks[0]->info.n_items, n, "%s selects %d", where, tasks[0]->info.n_items);
    cr_expect_float_eq(tasks[0]->info.chance, 0.5, 1e-12);
    eval_task_close(tasks[0]);
    free(tasks);
}

Test(task_made, conditions_select_records)
{
    make_file("x.jsonl", "{\"q\": \"a1\", \"g\": 0}\n{\"q\": \"a2\", \"g\": 1}\n{\"q\": \"b2\", \"g\": 1}\n");
    expect_selected("\"{q|contains:a}\"", 2);
    expect_selected("{\"not\": \"{q|contains:a}\"}", 1);
    expect_selected("{\"all\": [\"{q|contains:a}\", \"{q|contains:2}\"]}", 1);
    expect_selected("{\"any\": [\"{q|contains:a}\", \"{q|contains:2}\"]}", 3);
    expect_selected("{\"any\": [\"{q|contains:a}\", {\"all\": []}]}", 3);
    expect_selected("{\"all\": [{\"not\": {\"any\": []}}, \"{q|contains:b}\"]}", 1);
    expect_selected("{\"any\": [\"{q|contains:a}\", \"{q|after:b|less:3}\"]}", 3); // the second is looked at where the first fails
}

Test(task_made, a_condition_that_nothing_meets_is_refused)
{
    struct error err = {0};
    struct eval_task **tasks;
    struct eval_places places = {.tasks = made, .builtin = made, .cache = made};
    int count;
    make_file("x.jsonl", "{\"q\": \"a\", \"g\": 0}\n");
    make_file("t.json", HEAD("t") BUILTIN CHOICES ", \"where\": \"{q|contains:z}\"}");
    cr_expect_not(eval_tasks_open(&places, "t", &tasks, &count, &err));
    cr_expect(strstr(err.message, "has no records that it is about"), "%s", err.message);
    make_file("t.json", HEAD("t") BUILTIN CHOICES ", \"where\": {\"all\": [], \"any\": []}}");
    cr_expect_not(eval_tasks_open(&places, "t", &tasks, &count, &err));
    cr_expect(strstr(err.message, "one of \"all\", \"any\", \"not\""), "%s", err.message);
}
