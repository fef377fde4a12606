/* The built-in sets: enough items, each once, gold answers spread evenly, and right where arithmetic can tell. */
#include "tests/support.h"

#include "base/text.h"
#include "eval/prompt.h"

#include <string.h>
#include <strings.h>

static const struct eval_places places = {.tasks = "datasets/tasks", .builtin = "datasets/builtin"};

static struct eval_task **open_tasks(const char *names, int *count)
{
    struct error err = {0};
    struct eval_task **tasks;
    cr_assert(eval_tasks_open(&places, names, &tasks, count, &err), "%s", err.message);
    return tasks;
}

static void close_tasks(struct eval_task **tasks, int count)
{
    for (int i = 0; i < count; i++)
        eval_task_close(tasks[i]);
    free(tasks);
}

Test(builtin, two_hundred_items_and_more_in_each_language_and_150_to_confirm_with)
{
    static const char *const groups[] = {"builtin_ko", "builtin_en", "confirm_ko", "confirm_en"};
    for (int g = 0; g < 4; g++) {
        int count, items = 0;
        struct eval_task **tasks = open_tasks(groups[g], &count);
        for (int i = 0; i < count; i++) {
            struct eval_task_info info = eval_task_info(tasks[i]);
            cr_expect_str_eq(info.language, groups[g] + strlen("builtin_") /* or "confirm_" */, "%s", info.name);
            items += info.n_items;
        }
        cr_expect_geq(items, g < 2 ? 200 : 150, "%s has %d items", groups[g], items);
        close_tasks(tasks, count);
    }
}

static struct prompt *prompts_of(const struct eval_task *task, int *n)
{
    struct error err = {0};
    struct prompt *prompts;
    cr_assert(prompts_of_task(task, 0, 0, &prompts, n, &err), "%s", err.message);
    return prompts;
}

Test(builtin, the_list_tells_how_many_items_there_are)
{
    int count, listed;
    struct eval_task **tasks = open_tasks("builtin_ko,builtin_en,confirm_ko,confirm_en", &count);
    for (int i = 0; i < count; i++) {
        listed = (int)cJSON_GetNumberValue(cJSON_GetObjectItem(tasks[i]->document, "items"));
        cr_expect_eq(listed, tasks[i]->info.n_items, "%s: %d are listed, %d are there", tasks[i]->info.name, listed,
                     tasks[i]->info.n_items);
    }
    close_tasks(tasks, count);
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

Test(builtin, ids_are_unique_and_so_are_choices_and_questions)
{
    enum { MOST = 4096 };
    static const char *ids[MOST];
    int count, n = 0;
    struct eval_task **tasks = open_tasks("builtin_ko,builtin_en,confirm_ko,confirm_en", &count);
    for (int i = 0; i < count; i++) {
        const cJSON *record;
        cJSON_ArrayForEach(record, tasks[i]->records) {
            const cJSON *id = cJSON_GetObjectItemCaseSensitive(record, "id");
            cr_assert(cJSON_IsString(id) && n < MOST);
            ids[n++] = id->valuestring;
            const cJSON *choices = cJSON_GetObjectItemCaseSensitive(record, "choices");
            for (int a = 0; a < cJSON_GetArraySize(choices); a++)
                for (int b = 0; b < a; b++)
                    cr_expect_str_neq(cJSON_GetArrayItem(choices, a)->valuestring, cJSON_GetArrayItem(choices, b)->valuestring,
                                      "%s: a choice stands twice", id->valuestring);
        }
    }
    qsort(ids, (size_t)n, sizeof *ids, compare_strings);
    for (int i = 1; i < n; i++)
        cr_expect_str_neq(ids[i - 1], ids[i], "the id %s stands twice", ids[i]);
    close_tasks(tasks, count);
}

Test(builtin, gold_answers_are_balanced_within_each_task)
{
    int count;
    struct eval_task **tasks = open_tasks("builtin_ko,builtin_en,confirm_ko,confirm_en", &count);
    for (int i = 0; i < count; i++) {
        int gold[64] = {0}, n_choices = 0, n;
        struct prompt *prompts = prompts_of(tasks[i], &n);
        for (int r = 0; r < n; r++) {
            cr_assert(r == 0 || prompts[r].n == n_choices, "%s: items of %d and of %d choices", tasks[i]->info.name, n_choices,
                      prompts[r].n);
            n_choices = prompts[r].n;
            cr_assert(prompts[r].gold >= 0);
            gold[prompts[r].gold]++;
        }
        prompts_free(prompts, n);
        for (int c = 0; c < n_choices; c++)
            cr_expect(abs(gold[c] * n_choices - tasks[i]->info.n_items) <= n_choices, "%s: choice %d is right %d times of %d",
                      tasks[i]->info.name, c, gold[c], tasks[i]->info.n_items);
    }
    close_tasks(tasks, count);
}

/* The final consonant of a text's last syllable: 0 none, 8 ㄹ (Unicode, "Hangul Syllable Composition"); −1: no Hangul syllable. */
static int final_consonant(const char *text)
{
    uint32_t last = 0;
    size_t n = strlen(text);
    for (size_t at = 0; at < n;) {
        int length = utf8_decode(text + at, n - at, &last);
        cr_assert_gt(length, 0);
        at += (size_t)length;
    }
    return last >= 0xAC00 && last <= 0xD7A3 ? (int)((last - 0xAC00) % 28) : -1;
}

/* Particles by the syllable before them: after a consonant, after a vowel. "으로" also stands not after ㄹ. */
static const struct {
    const char *after_consonant, *after_vowel;
    bool rieul_as_vowel;
} particles[] = {{"으로", "로", true}, {"이", "가", false}, {"을", "를", false}, {"은", "는", false}, {"과", "와", false}};

static bool begins_with_word(const char *text, const char *word)
{
    size_t n = strlen(word);
    return strncmp(text, word, n) == 0 && (text[n] == ' ' || text[n] == '.' || text[n] == '\0');
}

static void check_particles(const char *task)
{
    int count;
    struct eval_task **tasks = open_tasks(task, &count);
    cr_assert_eq(count, 1);
    int n;
    struct prompt *prompts = prompts_of(tasks[0], &n);
    for (int r = 0; r < n; r++) {
        struct prompt item = prompts[r];
        int consonant = final_consonant(item.contexts[0]);
        cr_expect_geq(consonant, 0, "\"%s\" ends in no syllable", item.contexts[0]);
        cr_assert_eq(item.n, 2);
        bool known = false;
        for (size_t p = 0; p < sizeof particles / sizeof *particles; p++) {
            bool closed = consonant > 0 && !(particles[p].rieul_as_vowel && consonant == 8);
            const char *right = closed ? particles[p].after_consonant : particles[p].after_vowel;
            const char *wrong = closed ? particles[p].after_vowel : particles[p].after_consonant;
            if (!begins_with_word(item.choices[0], right) && !begins_with_word(item.choices[0], wrong))
                continue;
            known = true;
            cr_expect(begins_with_word(item.choices[item.gold], right), "\"%s\" + \"%s\": %s is right", item.contexts[0],
                      item.choices[item.gold], right);
            cr_expect(begins_with_word(item.choices[!item.gold], wrong), "\"%s\" + \"%s\" is not the other form", item.contexts[0],
                      item.choices[!item.gold]);
        }
        cr_expect(known, "\"%s\" begins with no particle known here", item.choices[0]);
    }
    prompts_free(prompts, n);
    close_tasks(tasks, count);
}

Test(builtin, korean_particles_fit_the_final_consonant)
{
    check_particles("builtin_ko_particles");
    check_particles("confirm_ko_particles");
}

static int english_number(const char *word, size_t n)
{
    static const char *const words[] = {"zero",     "one",     "two",     "three",     "four",     "five",     "six",
                                        "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",   "thirteen",
                                        "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"};
    for (int i = 0; i <= 20; i++)
        if (strlen(words[i]) == n && strncasecmp(words[i], word, n) == 0)
            return i;
    return -1;
}

/* Items whose numbers are simple words (zero … twenty) are computed; at least half of the set is of that kind. */
static void check_sums(const char *task)
{
    int count, computed = 0;
    struct eval_task **tasks = open_tasks(task, &count);
    int n;
    struct prompt *prompts = prompts_of(tasks[0], &n);
    for (int r = 0; r < n; r++) {
        struct prompt item = prompts[r];
        char a[32], operation[32], b[32];
        const char *answer = item.choices[item.gold];
        bool taken = sscanf(item.contexts[0], "If you take %31s from %31[a-z],", b, a) == 2;
        if (taken || sscanf(item.contexts[0], "%31s %31s %31s is", a, operation, b) == 3) {
            int x = english_number(a, strlen(a)), y = english_number(b, strlen(b)), z = english_number(answer, strcspn(answer, ". "));
            if (x >= 0 && y >= 0 && z >= 0) {
                computed++;
                cr_expect_eq(z, !taken && strcmp(operation, "plus") == 0 ? x + y : x - y, "%s %s", item.contexts[0], answer);
            }
        }
    }
    prompts_free(prompts, n);
    cr_expect_geq(2 * computed, tasks[0]->info.n_items, "%d of %d could be computed", computed, tasks[0]->info.n_items);
    close_tasks(tasks, count);
}

Test(builtin, english_sums_and_differences_are_right)
{
    check_sums("builtin_en_arithmetic");
    check_sums("confirm_en_arithmetic");
}

/* Sequences go on by their step, and of two numbers the right one is named. */
Test(builtin, sequences_and_comparisons_are_right)
{
    int count, checked = 0;
    struct eval_task **tasks = open_tasks("builtin_ko_sequences,builtin_en_sequences,confirm_ko_sequences,confirm_en_sequences,"
                                          "builtin_ko_comparison,builtin_en_comparison,confirm_ko_comparison,confirm_en_comparison",
                                          &count);
    for (int t = 0; t < count; t++) {
        int n;
        struct prompt *prompts = prompts_of(tasks[t], &n);
        for (int r = 0; r < n; r++, checked++) {
            const char *context = prompts[r].contexts[0];
            long found[4] = {0}, answer = strtol(prompts[r].choices[prompts[r].gold], NULL, 10), wanted;
            int numbers = 0;
            for (const char *at = context; *at && numbers < 4;)
                if (*at >= '0' && *at <= '9')
                    found[numbers++] = strtol(at, (char **)&at, 10);
                else
                    at++;
            bool larger = strstr(context, "larger") || strstr(context, "큰");
            if (numbers == 4)
                wanted = 2 * found[3] - found[2];
            else
                wanted = larger == (found[0] > found[1]) ? found[0] : found[1];
            cr_expect(numbers == 4 ? found[1] - found[0] == found[3] - found[2] : numbers == 2, "%s", context);
            cr_expect_eq(answer, wanted, "%s %ld", context, answer);
        }
        prompts_free(prompts, n);
    }
    cr_expect_eq(checked, 120 + 80);
    close_tasks(tasks, count);
}

/* An item to confirm with is none of the built-in ones again. */
Test(builtin, items_to_confirm_with_are_others)
{
    int n_known, n_fresh;
    struct eval_task **known = open_tasks("builtin_ko,builtin_en", &n_known), **fresh = open_tasks("confirm_ko,confirm_en", &n_fresh);
    for (int t = 0; t < n_fresh; t++) {
        int n;
        struct prompt *prompts = prompts_of(fresh[t], &n);
        for (int k = 0; k < n_known; k++) {
            int m;
            struct prompt *others = prompts_of(known[k], &m);
            for (int r = 0; r < n; r++)
                for (int i = 0; i < m; i++) {
                    bool same = strcmp(prompts[r].contexts[0], others[i].contexts[0]) == 0 && prompts[r].n == others[i].n;
                    for (int a = 0; same && a < prompts[r].n; a++) {
                        bool there = false;
                        for (int b = 0; b < others[i].n; b++)
                            there = there || strcmp(prompts[r].choices[a], others[i].choices[b]) == 0;
                        same = there;
                    }
                    cr_expect(!same, "%s: \"%s\" is a built-in item", fresh[t]->info.name, prompts[r].contexts[0]);
                }
            prompts_free(others, m);
        }
        prompts_free(prompts, n);
    }
    close_tasks(known, n_known);
    close_tasks(fresh, n_fresh);
}
