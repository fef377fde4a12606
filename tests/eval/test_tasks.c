/* Tasks: templates, prompts as lm-evaluation-harness renders them, and the built-in sets. */
#include "tests/support.h"

#include "eval/task.h"
#include "eval/template.h"

#include <string.h>

static struct eval_places places(void)
{
    static char data[4096];
    snprintf(data, sizeof data, "%s", shared_path("evalsets"));
    return (struct eval_places){.tasks = "datasets/tasks", .builtin = "datasets/builtin", .data = data};
}

Test(template, filters_and_their_errors)
{
    static const struct {
        const char *source, *wanted, *words;
    } cases[] = {{"{a}  {b|map:x=1;y=2}", "저울  2", NULL},
                 {"{{{c|strip}}}", "{Ab cD}", NULL},
                 {"{c|strip|capitalise}", "Ab cd", NULL},
                 {"{d|hellaswag}", "A. b c", NULL},
                 {"{n}", "7", NULL},
                 {"{missing}", NULL, "is missing"},
                 {"{a|nothing}", NULL, "unknown filter"},
                 {"{b|map:x=1}", NULL, "none of the values"},
                 {"{a", NULL, "brace"}};
    cJSON *record = cJSON_Parse("{\"a\": \"저울\", \"b\": \"y\", \"c\": \"  Ab cD \", \"d\": \" A [title] b [x]c\", \"n\": 7}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text out = {0};
        struct error err = {0};
        bool ok = template_fill(cases[i].source, record, "task t", &out, &err);
        if (cases[i].wanted)
            cr_expect(ok && strcmp(out.bytes, cases[i].wanted) == 0, "%s: \"%s\" %s", cases[i].source, out.bytes ? out.bytes : "",
                      err.message);
        else
            cr_expect(!ok && strstr(err.message, cases[i].words) != NULL, "%s: %s", cases[i].source, err.message);
        text_free(&out);
    }
    cJSON_Delete(record);
}

Test(tasks, prompts_equal_the_reference_rendering)
{
    static const char *const names[] = {"kobest_copa", "kobest_hellaswag", "hellaswag"};
    NEEDS_SHARED("evalsets/rendered/hellaswag.0shot.jsonl");
    for (size_t t = 0; t < 3; t++) {
        struct error err = {0};
        struct eval_task **tasks;
        struct eval_places where = places();
        int count, lines = 0;
        char relative[128];
        cr_assert(eval_tasks_open(&where, names[t], &tasks, &count, &err), "%s", err.message);
        snprintf(relative, sizeof relative, "evalsets/rendered/%s.0shot.jsonl", names[t]);
        char *all = read_whole(shared_path(relative), NULL), *save = NULL;
        for (char *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save), lines++) {
            cJSON *wanted = cJSON_Parse(line);
            const cJSON *continuation;
            struct task_item item;
            cr_assert(task_render(tasks[0], cJSON_GetObjectItem(wanted, "doc_index")->valueint, &item, &err), "%s", err.message);
            cr_expect_str_eq(item.context, cJSON_GetObjectItem(wanted, "context")->valuestring);
            cr_expect_eq(item.gold, cJSON_GetObjectItem(wanted, "gold")->valueint);
            int c = 0;
            cJSON_ArrayForEach(continuation, cJSON_GetObjectItem(wanted, "continuations")) {
                cr_expect_str_eq(continuation->valuestring + 1, item.choices[c]);
                cr_expect_eq(continuation->valuestring[0], ' ');
                c++;
            }
            cr_expect_eq(c, item.n_choices);
            task_item_free(&item);
            cJSON_Delete(wanted);
        }
        cr_expect_gt(lines, 5);
        free(all);
        eval_task_close(tasks[0]);
        free(tasks);
    }
}

/* The final consonant of the last syllable of a text: 0 none, 8 ㄹ. */
static int final_consonant(const char *text)
{
    uint32_t c = 0;
    size_t n = strlen(text);
    cr_assert(n >= 3 && utf8_decode(text + n - 3, 3, &c) == 3 && c >= 0xAC00 && c <= 0xD7A3, "%s", text);
    return (int)(c - 0xAC00) % 28;
}

static void check_particle(const struct task_item *item)
{
    static const char *const closed[] = {"은 ", "이 ", "을 ", "과 "}, *const open[] = {"는 ", "가 ", "를 ", "와 "};
    const char *right = item->choices[item->gold];
    int final = final_consonant(item->context);
    bool ok = strncmp(right, final && final != 8 ? "으로 " : "로 ", strlen(final && final != 8 ? "으로 " : "로 ")) == 0;
    for (int i = 0; i < 4; i++)
        ok = ok || strncmp(right, final ? closed[i] : open[i], 4) == 0;
    cr_expect(ok, "%s|%s", item->context, right);
}

Test(tasks, built_in_sets_are_large_balanced_and_right)
{
    static const char *const groups[] = {"builtin_ko", "builtin_en"};
    for (int g = 0; g < 2; g++) {
        struct error err = {0};
        struct eval_task **tasks;
        struct eval_places where = places();
        int count, items = 0;
        cr_assert(eval_tasks_open(&where, groups[g], &tasks, &count, &err), "%s", err.message);
        for (int t = 0; t < count; t++) {
            struct eval_task_info info = eval_task_info(tasks[t]);
            int golds[8] = {0};
            for (int i = 0; i < info.n_items; i++) {
                struct task_item item;
                cr_assert(task_render(tasks[t], i, &item, &err), "%s", err.message);
                golds[item.gold]++;
                for (int a = 0; a < item.n_choices; a++)
                    for (int b = 0; b < a; b++)
                        cr_expect_str_neq(item.choices[a], item.choices[b]);
                if (strcmp(info.name, "builtin_ko_particles") == 0)
                    check_particle(&item);
                task_item_free(&item);
            }
            cr_expect_leq(abs(golds[0] - golds[1]), 1, "%s: %d, %d", info.name, golds[0], golds[1]);
            items += info.n_items;
            eval_task_close(tasks[t]);
        }
        cr_expect_geq(items, 200);
        free(tasks);
    }
}
