/* Prompts: what is asked is what lm-evaluation-harness asks, byte for byte: every line of its rendered items, and its worked examples. */
#include "tests/support.h"

#include "base/file.h"
#include "base/json.h"
#include "datasets/datasets.h"
#include "eval/eval.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static char data[4096]; // of the shared sets

static struct eval_places places_of_shared(void)
{
    snprintf(data, sizeof data, "%s", shared_path("evalsets"));
    return (struct eval_places){.tasks = "datasets/tasks", .builtin = "datasets/builtin", .data = data};
}

static bool keep(void *context, const cJSON *item, struct error *err)
{
    (void)err;
    return cJSON_AddItemToArray(context, cJSON_Duplicate(item, true));
}

/* The first items of a task as JSON; the test fails when it can't be opened or rendered. */
static cJSON *render(const struct eval_places *places, const char *name, int shots, int limit)
{
    struct error err = {0};
    struct eval_task **tasks;
    int count;
    cJSON *items = cJSON_CreateArray();
    cr_assert(eval_tasks_open(places, name, &tasks, &count, &err), "%s", err.message);
    cr_assert_eq(count, 1, "%s: %d tasks", name, count);
    cr_assert(eval_task_render(tasks[0], shots, limit, keep, items, &err), "%s", err.message);
    eval_task_close(tasks[0]);
    free(tasks);
    return items;
}

/* Every member of `wanted` is in `item` and equal to it; stop strings alone of the options of generation, whose rest isn't rendered there.
 */
static void expect_equal(const cJSON *item, const cJSON *wanted, const char *name)
{
    const cJSON *member;
    int index = (int)json_real(wanted, "doc_index");
    cJSON_ArrayForEach(member, wanted) {
        const cJSON *own = cJSON_GetObjectItemCaseSensitive(item, member->string);
        cr_assert_not_null(own, "%s, item %d has no %s", name, index, member->string);
        bool generation = strcmp(member->string, "generation_kwargs") == 0;
        const cJSON *a = generation ? cJSON_GetObjectItem(own, "until") : own,
                    *b = generation ? cJSON_GetObjectItem(member, "until") : member;
        char *is = cJSON_PrintUnformatted(a), *want = cJSON_PrintUnformatted(b);
        cr_expect(cJSON_Compare(a, b, true), "%s, item %d: %s is %.300s, not %.300s", name, index, member->string, is, want);
        free(is);
        free(want);
    }
}

static void expect_file(const struct eval_places *places, const char *path, const char *name, int shots)
{
    struct error err = {0};
    cJSON *lines = records_read(path, &(struct record_options){.format = RECORD_JSON_LINES}, 0, &err);
    cr_assert_not_null(lines, "%s", err.message);
    int last = (int)json_real(cJSON_GetArrayItem(lines, cJSON_GetArraySize(lines) - 1), "doc_index");
    cJSON *items = render(places, name, shots, last + 1);
    const cJSON *wanted;
    cJSON_ArrayForEach(wanted, lines)
        expect_equal(cJSON_GetArrayItem(items, (int)json_real(wanted, "doc_index")), wanted, name);
    cJSON_Delete(items);
    cJSON_Delete(lines);
}

/* "gsm8k.5shot.jsonl": the task and the examples. */
static bool name_and_shots(const char *file, char name[128], int *shots)
{
    return sscanf(file, "%127[^.].%dshot.jsonl", name, shots) == 2;
}

Test(render, every_rendered_line_is_equal)
{
    NEEDS_SHARED("evalsets/rendered");
    struct eval_places places = places_of_shared();
    char directory[4096], path[8192], name[128];
    int shots, compared = 0;
    snprintf(directory, sizeof directory, "%s", shared_path("evalsets/rendered"));
    DIR *files = opendir(directory);
    cr_assert_not_null(files);
    for (struct dirent *entry; (entry = readdir(files));) {
        if (!name_and_shots(entry->d_name, name, &shots) || (strcmp(name, "gsm8k") == 0 && shots > 0))
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        expect_file(&places, path, name, shots);
        compared++;
    }
    closedir(files);
    cr_expect_geq(compared, 28, "%d files were compared", compared);
}

/* --- data made here ---------------------------------------------------------------------------------------------------------------------
 */

static char made[] = "/tmp/jeoul-render-XXXXXX";

static void make_directory(void)
{
    make_test_directory(made);
}

static void remove_directory(void)
{
    remove_test_directory(made);
}

static struct eval_places places_of_made(void)
{
    return (struct eval_places){.tasks = "datasets/tasks", .builtin = "datasets/builtin", .data = made};
}

static void make_file(const char *name, const char *text)
{
    struct error err = {0};
    char path[512], *slash;
    snprintf(path, sizeof path, "%s/%s", made, name);
    slash = strrchr(path, '/');
    *slash = '\0';
    cr_assert(file_make_directory(path, &err), "%s", err.message);
    *slash = '/';
    cr_assert(file_write(path, text, strlen(text), &err), "%s", err.message);
}

/* Records as one page of the rows API. */
static void make_rows(const char *name, const char *const *rows, int n)
{
    struct text text = {0};
    text_format(&text, "{\"features\": [], \"num_rows_total\": %d, \"rows\": [", n);
    for (int i = 0; i < n; i++)
        text_format(&text, "%s{\"row_idx\": %d, \"row\": %s, \"truncated_cells\": []}", i ? ", " : "", i, rows[i]);
    text_format(&text, "]}\n");
    make_file(name, text.bytes);
    text_free(&text);
}

static const char *text_at(const cJSON *items, int index, const char *key)
{
    return json_text(cJSON_GetArrayItem(items, index), key);
}

static void expect_text(const cJSON *items, int index, const char *key, const char *wanted)
{
    cr_expect_str_eq(text_at(items, index, key), wanted, "item %d: %s is \"%s\"", index, key, text_at(items, index, key));
}

static void expect_texts(const cJSON *items, int index, const char *key, int n, const char *const *wanted)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(items, index), key);
    cr_assert_eq(cJSON_GetArraySize(list), n, "item %d: %d %s", index, cJSON_GetArraySize(list), key);
    for (int i = 0; i < n; i++)
        cr_expect_str_eq(cJSON_GetStringValue(cJSON_GetArrayItem(list, i)), wanted[i], "item %d, %s %d", index, key, i);
}

static void expect_gold(const cJSON *items, int index, int gold)
{
    cr_expect_eq((int)json_real(cJSON_GetArrayItem(items, index), "gold"), gold, "item %d", index);
}

TestSuite(render_made, .init = make_directory, .fini = remove_directory);

/* The training set isn't in the shared sets, but the examples' texts and places in it are in the rendered lines: the set is made of those.
 */
Test(render_made, gsm8k_with_examples_drawn_from_the_training_set)
{
    NEEDS_SHARED("evalsets/rendered/gsm8k.5shot.jsonl");
    enum { TRAINING = 7473 };
    static cJSON *records[TRAINING];
    struct error err = {0};
    cJSON *lines =
        records_read(shared_path("evalsets/rendered/gsm8k.5shot.jsonl"), &(struct record_options){.format = RECORD_JSON_LINES}, 0, &err);
    cr_assert_not_null(lines, "%s", err.message);
    const cJSON *line, *index;
    cJSON_ArrayForEach(line, lines) {
        const char *at = json_text(line, "context");
        cJSON_ArrayForEach(index, cJSON_GetObjectItem(line, "fewshot_indices")) {
            const char *question = at + strlen("Question: "), *answer = strstr(question, "\nAnswer: "),
                       *end = strstr(answer, "\n\nQuestion: ");
            cr_assert(answer && end && index->valueint < TRAINING);
            struct text q = {0}, a = {0};
            text_add(&q, question, (size_t)(answer - question));
            text_add(&a, answer + strlen("\nAnswer: "), (size_t)(end - answer) - strlen("\nAnswer: "));
            cJSON_Delete(records[index->valueint]);
            records[index->valueint] = cJSON_CreateObject();
            cJSON_AddStringToObject(records[index->valueint], "question", q.bytes);
            cJSON_AddStringToObject(records[index->valueint], "answer", a.bytes);
            text_free(&q);
            text_free(&a);
            at = end + 2;
        }
    }
    struct text training = {0}, test = {0};
    for (int i = 0; i < TRAINING; i++) {
        char *text = records[i] ? cJSON_PrintUnformatted(records[i]) : NULL;
        text_format(&training, "%s\n", text ? text : "{\"question\": \"none\", \"answer\": \"none\"}");
        free(text);
        cJSON_Delete(records[i]);
    }
    cr_assert(file_read(shared_path("evalsets/gsm8k/test.jsonl"), 1 << 24, &test, &err), "%s", err.message);
    make_file("gsm8k/train.jsonl", training.bytes);
    make_file("gsm8k/test.jsonl", test.bytes);
    struct eval_places places = places_of_made();
    cJSON *items = render(&places, "gsm8k", -1, cJSON_GetArraySize(lines)); // 5 is its own number
    int i = 0;
    cJSON_ArrayForEach(line, lines)
        expect_equal(cJSON_GetArrayItem(items, i++), line, "gsm8k");
    text_free(&training);
    text_free(&test);
    cJSON_Delete(items);
    cJSON_Delete(lines);
}

Test(render, worked_examples_are_equal)
{
    NEEDS_SHARED("evalsets/worked-examples.json");
    struct error err = {0};
    struct eval_places places = places_of_shared();
    cJSON *all = json_read(shared_path("evalsets/worked-examples.json"), 1 << 24, &err);
    cr_assert_not_null(all, "%s", err.message);
    const cJSON *example;
    int compared = 0;
    cJSON_ArrayForEach(example, cJSON_GetObjectItem(all, "examples")) {
        const char *name = json_text(example, "task");
        int index = (int)json_real(example, "doc_index");
        if (cJSON_HasObjectItem(example, "synthetic_doc")) // of sets that aren't here; below are records of our own
            continue;
        cJSON *items = render(&places, name, 0, index + 1), *wanted = cJSON_CreateObject();
        const cJSON *item = cJSON_GetArrayItem(items, index), *context = cJSON_GetObjectItem(example, "context"),
                    *continuations = cJSON_GetObjectItem(example, "continuations"), *gold = cJSON_GetObjectItem(example, "gold");
        cJSON_AddNumberToObject(wanted, "doc_index", index);
        cJSON_AddItemReferenceToObject(wanted, cJSON_IsArray(context) ? "contexts" : "context", (cJSON *)(uintptr_t)context);
        if (cJSON_GetArraySize(continuations) > 1)
            cJSON_AddItemReferenceToObject(wanted, "continuations", (cJSON *)(uintptr_t)continuations);
        if (cJSON_GetArraySize(continuations) == 1)
            cJSON_AddItemReferenceToObject(wanted, "continuation", cJSON_GetArrayItem(continuations, 0));
        if (!cJSON_IsNull(gold))
            cJSON_AddItemReferenceToObject(wanted, cJSON_IsString(gold) ? "target" : "gold", (cJSON *)(uintptr_t)gold);
        expect_equal(item, wanted, name);
        compared++;
        cJSON_Delete(wanted);
        cJSON_Delete(items);
    }
    cr_expect_geq(compared, 14, "%d examples were compared", compared);
    cJSON_Delete(all);
}

Test(render_made, copa_keeps_the_second_space)
{
    make_file(
        "copa/val.jsonl",
        "{\"premise\": \"The pot fell.\", \"choice1\": \"It broke.\", \"choice2\": \"Él sang.\", \"question\": \"effect\", \"label\": 0}\n"
        "{\"premise\": \" I ran. \", \"choice1\": \"A\", \"choice2\": \"B\", \"question\": \"cause\", \"label\": 1}\n");
    struct eval_places places = places_of_made();
    cJSON *items = render(&places, "copa", 0, 0);
    expect_text(items, 0, "context", "The pot fell therefore");
    expect_texts(items, 0, "continuations", 2, (const char *const[]){"  it broke.", "  él sang."});
    expect_text(items, 1, "context", "I ran because");
    expect_gold(items, 1, 1);
    cJSON_Delete(items);
}

Test(render_made, openbookqa_asks_the_bare_stem)
{
    make_file("openbookqa/test.jsonl",
              "{\"id\": \"1\", \"question\": {\"stem\": \"Ice in the sun will\", \"choices\": [{\"text\": \"melt\", \"label\": \"A\"}, "
              "{\"text\": \"grow\", \"label\": \"B\"}]}, \"answerKey\": \" B\"}\n");
    struct eval_places places = places_of_made();
    cJSON *items = render(&places, "openbookqa", 0, 0);
    expect_text(items, 0, "context", "Ice in the sun will");
    expect_texts(items, 0, "continuations", 2, (const char *const[]){" melt", " grow"});
    expect_gold(items, 0, 1);
    cJSON_Delete(items);
}

#define KMMLU_HEADER "question,answer,A,B,C,D,Category,Human Accuracy\n"

Test(render_made, kmmlu_ends_in_a_full_width_colon)
{
    make_file("kmmlu/Accounting-test.csv", KMMLU_HEADER "\" 다음 중 소수는? \n\",3,4,6,7,9,Accounting,0.5\n");
    make_file("kmmlu/Accounting-dev.csv",
              KMMLU_HEADER "하나,1,a,b,c,d,x,1\n둘,2,a,b,c,d,x,1\n셋,3,a,b,c,d,x,1\n넷,4,a,b,c,d,x,1\n다섯,1,a,b,c,d,x,1\n");
    struct eval_places places = places_of_made();
    cJSON *items = render(&places, "kmmlu_accounting", 0, 0);
    expect_text(items, 0, "context", "다음 중 소수는?\nA. 4\nB. 6\nC. 7\nD. 9\n정답：");
    expect_texts(items, 0, "continuations", 4, (const char *const[]){" A", " B", " C", " D"});
    expect_gold(items, 0, 2);
    cJSON_Delete(items);
    items = render(&places, "kmmlu_accounting", 2, 0); // sample(range(5), 2) of Random(1234) is 3, 0
    expect_text(items, 0, "context",
                "넷\nA. a\nB. b\nC. c\nD. d\n정답： D\n\n하나\nA. a\nB. b\nC. c\nD. d\n정답： A\n\n다음 중 소수는?\nA. 4\nB. 6\nC. 7\nD. "
                "9\n정답：");
    cJSON_Delete(items);
    items = render(&places, "kmmlu_direct_accounting", 0, 0);
    expect_text(items, 0, "context", "다음 중 소수는?\nA. 4\nB. 6\nC. 7\nD. 9\n정답：");
    expect_text(items, 0, "target", "C");
    const cJSON *until = cJSON_GetObjectItem(cJSON_GetObjectItem(cJSON_GetArrayItem(items, 0), "generation_kwargs"), "until");
    cr_expect_eq(cJSON_GetArraySize(until), 4);
    cJSON_Delete(items);
}

Test(render_made, haerae_takes_the_record_itself_out_of_its_examples)
{
    static const char *const rows[] = {"{\"query\": \"Q0\", \"answer\": \"(A)\"}", "{\"query\": \"Q1\", \"answer\": \"(E)\"}",
                                       "{\"query\": \"Q2\", \"answer\": \"(B)\"}"};
    make_rows("haerae/loan_words.rows.jsonl", rows, 3);
    struct eval_places places = places_of_made();
    cJSON *items = render(&places, "haerae_loan_word", 2, 0);
    expect_texts(items, 0, "continuations", 5, (const char *const[]){" (A)", " (B)", " (C)", " (D)", " (E)"});
    expect_gold(items, 1, 4);
    for (int i = 0; i < 3; i++) { // of three drawn one is the record: the two others stand there, in the order drawn
        char own[16];
        snprintf(own, sizeof own, "Q%d", i);
        const char *found = strstr(text_at(items, i, "context"), own);
        cr_expect(found && found[2] == '\0', "item %d: %s", i, text_at(items, i, "context"));
        cr_expect_eq(strlen(text_at(items, i, "context")), 2 * strlen("Q0 (A)\n\n") + 2);
    }
    cJSON_Delete(items);
}

Test(render_made, click_chooses_its_records_and_letters)
{
    static const char *const rows[] = {
        "{\"id\": \"KIIP_economy_1\", \"paragraph\": \"\", \"question\": \"화폐는?\", \"choices\": [\"원\", \"엔\", \"위안\", \"달러\"], "
        "\"answer\": \"엔\"}",
        "{\"id\": \"KHB_2\", \"paragraph\": null, \"question\": \"역사\", \"choices\": [\"1\", \"2\", \"3\", \"4\"], \"answer\": \"1\"}",
        "{\"id\": \"CSAT_economy_3\", \"paragraph\": \"글\", \"question\": \"뭐?\", \"choices\": [\"가\", \"나\", \"다\", \"라\", \"마\"], "
        "\"answer\": \"마\"}",
        "{\"id\": \"CSAT_korean_19_12\", \"paragraph\": \"글\", \"question\": \"문법\", \"choices\": [\"가\", \"나\", \"다\", \"라\", "
        "\"마\"], \"answer\": \"가\"}",
        "{\"id\": \"CSAT_korean_23_40\", \"paragraph\": \"글\", \"question\": \"기능\", \"choices\": [\"가\", \"나\", \"다\", \"라\", "
        "\"마\"], \"answer\": \"가\"}",
        "{\"id\": \"Kedu_16_3\", \"paragraph\": \"\", \"question\": \"대화의\", \"choices\": [\"가\", \"나\", \"다\", \"라\"], \"answer\": "
        "\"가\"}",
        "{\"id\": \"Kedu_16_4\", \"paragraph\": \"\", \"question\": \"표준어\", \"choices\": [\"가\", \"나\", \"다\", \"라\"], \"answer\": "
        "\"가\"}",
        "{\"id\": \"TK_5\", \"paragraph\": \"\", \"question\": \"읽기\", \"choices\": [\"가\", \"나\", \"다\", \"라\"], \"answer\": "
        "\"가\"}"};
    static const struct {
        const char *task, *first_question;
        int n;
    } wanted[] = {{"click_cul_economy", "화폐는?", 2},
                  {"click_cul_history", "역사", 1},
                  {"click_lang_grammar", "문법", 2},
                  {"click_lang_function", "기능", 2},
                  {"click_lang_text", "읽기", 1}};
    make_rows("click/train.rows.jsonl", rows, sizeof rows / sizeof *rows);
    struct eval_places places = places_of_made();
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        cJSON *items = render(&places, wanted[i].task, 0, 0);
        cr_expect_eq(cJSON_GetArraySize(items), wanted[i].n, "%s has %d items", wanted[i].task, cJSON_GetArraySize(items));
        cr_expect(strstr(text_at(items, 0, "context"), wanted[i].first_question), "%s: %s", wanted[i].task, text_at(items, 0, "context"));
        cJSON_Delete(items);
    }
    cJSON *items = render(&places, "click_cul_economy", 0, 0);
    expect_text(
        items, 0, "context",
        "주어진 질문을 천천히 읽고, 적절한 정답을 A, B, C, D 중에 골라 알파벳 하나로 답하시오.\n\n질문: 화폐는?\n보기:\nA:원, B: 엔, C: "
        "위안, D: 달러\n정답:");
    expect_texts(items, 0, "continuations", 4, (const char *const[]){" A", " B", " C", " D"});
    expect_gold(items, 0, 1);
    expect_text(items, 1, "context",
                "주어진 맥락을 천천히 읽고, 질문에 대한 적절한 정답을 A, B, C, D 중에 골라 알파벳 하나로 답하시오.\n\n맥락: 글\n질문: "
                "뭐?\n보기:\nA:가, B: 나, C: 다, D: 라\n정답:");
    expect_texts(items, 1, "continuations", 5, (const char *const[]){" A", " B", " C", " D", " E"});
    expect_gold(items, 1, 4);
    cJSON_Delete(items);
}

Test(render_made, hrm8k_ignores_shots_and_spells_numbers)
{
    static const char *const rows[] = {"{\"question\": \"  3과 4의 합은? \", \"answer\": 7.0}", "{\"question\": \"반\", \"answer\": 0.5}",
                                       "{\"question\": \"식\", \"answer\": \" x+1 \"}"};
    make_rows("hrm8k/GSM8K.rows.jsonl", rows, 3);
    make_rows("hrm8k/MMMLU.rows.jsonl", rows, 3);
    struct eval_places places = places_of_made();
    cJSON *items = render(&places, "hrm8k_gsm8k", 3, 0);
    expect_text(items, 0, "context",
                "주어진 문제를 풀어보세요.\n문제를 푼 후, 최종 답변을 다음과 같은 형식으로 작성하세요: $\\boxed{N}$.\n\n문제: 3과 4의 "
                "합은?\n답변:");
    expect_text(items, 0, "target", "7");
    expect_text(items, 1, "target", "0.5");
    expect_text(items, 2, "target", "x+1");
    cJSON_Delete(items);
    items = render(&places, "hrm8k_mmmlu", 0, 1);
    cr_expect(strstr(text_at(items, 0, "context"),
                     "주어진 선택지 (1, 2, 3, 4) 중 최종 선택지를 다음 형식으로 작성하세요: $\\boxed{N}$.\n\n문제:"));
    cJSON_Delete(items);
}

Test(render_made, kormedmcqa_examples_have_their_answer_in_the_question)
{
    static const char *const rows[] = {
        "{\"question\": \" 하나 \", \"A\": \"a\", \"B\": \"b\", \"C\": \"c\", \"D\": \"d\", \"E\": \"e\", \"answer\": 5}"};
    make_rows("kormedmcqa/nurse-test.rows.jsonl", rows, 1);
    make_rows("kormedmcqa/nurse-fewshot.rows.jsonl", rows, 1);
    struct eval_places places = places_of_made();
    cJSON *items = render(&places, "kormedmcqa_nurse", 1, 0);
    expect_text(items, 0, "context", "하나\nA. a\nB. b\nC. c\nD. d\nE. e\n정답： E\n\n하나\nA. a\nB. b\nC. c\nD. d\nE. e\n정답：");
    expect_text(items, 0, "target", "E");
    cJSON_Delete(items);
}

#define WINOGRANDE(sentence, answer)                                                                                                       \
    "{\"qID\": \"1\", \"sentence\": \"" sentence "\", \"option1\": \"Ann\", \"option2\": \"Bo\", \"answer\": \"" answer "\"}\n"

Test(render_made, winogrande_examples_are_the_right_sentence)
{
    make_file("winogrande/dev.jsonl", WINOGRANDE("So _ won again.", "2"));
    make_file("winogrande/train_xl.jsonl", WINOGRANDE("Then _ left.", "1") WINOGRANDE("Then _ left.", "1"));
    struct eval_places places = places_of_made();
    cJSON *items = render(&places, "winogrande", 1, 0);
    expect_texts(items, 0, "contexts", 2, (const char *const[]){"Then Ann left.\n\nSo Ann", "Then Ann left.\n\nSo Bo"});
    expect_texts(items, 0, "continuations", 2, (const char *const[]){" won again.", " won again."});
    expect_gold(items, 0, 1);
    cJSON_Delete(items);
}

Test(render_made, lambada_examples_have_the_delimiter_and_the_space)
{
    make_file("lambada_openai/lambada_test.jsonl", "{\"text\": \"one two\\nthree four\"}\n");
    struct eval_places places = places_of_made();
    cJSON *items = render(&places, "lambada_openai", 0, 0);
    expect_text(items, 0, "context", "one two\nthree");
    expect_text(items, 0, "continuation", " four");
    cJSON_Delete(items);
}

/* --- what is refused --------------------------------------------------------------------------------------------------------------------
 */

static void expect_refused(const struct eval_places *places, const char *names, const char *words)
{
    struct error err = {0};
    struct eval_task **tasks;
    int count;
    cr_assert_not(eval_tasks_open(places, names, &tasks, &count, &err), "%s was opened", names);
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect(strstr(err.message, words), "\"%s\" is not in: %s", words, err.message);
}

Test(render, unknown_tasks_are_answered_with_the_nearest)
{
    struct eval_places places = {.tasks = "datasets/tasks", .builtin = "datasets/builtin", .cache = "/nonexistent"};
    expect_refused(&places, "builtin_ko,no_such_task", "no_such_task");
    expect_refused(&places, "kobest_cop", "nearest are kobest_copa, ");
    expect_refused(&places, "mmlu_anatom", "mmlu_anatomy");
    expect_refused(&places, "kobest_copa", "'jeoul fetch kobest' gets it, --data DIR");
    places.data = "/nonexistent";
    expect_refused(&places, "kobest_copa", "/nonexistent/kobest/COPA/test.tsv");
}

Test(render_made, broken_records_are_named_by_file_and_number)
{
    static const char header[] = "ID\tsentence\tquestion\t1\t2\tAnswer\n1\ta\t원인\tb\tc\t1\n";
    static const struct {
        const char *line, *words;
    } broken[] = {{"2\ta\t원인\tb\tc\t\n", "kobest/COPA/test.tsv, record 2: filter add: \"\" is no whole number"},
                  {"2\ta\t어디\tb\tc\t1\n", "record 2: \"어디\" is none of the values that the task maps"},
                  {"2\ta\t원인\tb\tc\tx\n", "the gold label: task kobest_copa, "}};
    struct eval_places places = places_of_made();
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char text[512];
        snprintf(text, sizeof text, "%s%s", header, broken[i].line);
        make_file("kobest/COPA/test.tsv", text);
        expect_refused(&places, "kobest_copa", broken[i].words);
    }
    make_file("kobest/COPA/test.tsv", "ID\tsentence\tquestion\t1\tAnswer\n1\ta\t원인\tb\t1\n");
    expect_refused(&places, "kobest_copa", "record 1: the field \"2\" is missing");
    make_file("kobest/SentiNeg/test.tsv", "ID\tText\tLabel\n1\ta\t1\n2\tb\t\n");
    expect_refused(&places, "kobest_sentineg", "kobest/SentiNeg/test.tsv, record 2: has no gold label");
    make_file("kobest/SentiNeg/test.tsv", "ID\tText\n1\ta\n");
    expect_refused(&places, "kobest_sentineg", "the gold label: task kobest_sentineg");
    make_file("gsm8k/test.jsonl", "{\"question\": \"q\", \"answer\": \"\"}\n");
    expect_refused(&places, "gsm8k", "gsm8k/test.jsonl, record 1: has no gold label");
}

/* Out of range is wrong, not broken: lm-evaluation-harness counts such an item too. */
Test(render_made, an_answer_that_is_no_choice_counts_as_wrong)
{
    make_file("kobest/SentiNeg/test.tsv", "ID\tText\tLabel\n1\ta\t7\n2\tb\tx\n3\tc\t0\n");
    struct eval_places places = places_of_made();
    cJSON *items = render(&places, "kobest_sentineg", 0, 0);
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetArrayItem(items, 0), "gold")));
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetArrayItem(items, 1), "gold")));
    expect_gold(items, 2, 0);
    cJSON_Delete(items);
}

Test(render_made, too_few_examples_are_refused)
{
    struct error err = {0};
    struct eval_task **tasks;
    int count;
    cJSON *items = cJSON_CreateArray();
    make_file("kobest/SentiNeg/test.tsv", "ID\tText\tLabel\n1\ta\t1\n");
    make_file("kobest/SentiNeg/train.tsv", "ID\tText\tLabel\n1\ta\t1\n");
    struct eval_places places = places_of_made();
    cr_assert(eval_tasks_open(&places, "kobest_sentineg", &tasks, &count, &err), "%s", err.message);
    cr_expect_not(eval_task_render(tasks[0], 2, 0, keep, items, &err));
    cr_expect(strstr(err.message, "2 examples are wanted") && strstr(err.message, "train.tsv has 1"), "%s", err.message);
    cr_expect(eval_task_render(tasks[0], 1, 0, keep, items, &err));
    expect_text(items, 0, "context", "문장: a 긍부정: 긍정\n\n문장: a 긍부정:");
    eval_task_close(tasks[0]);
    free(tasks);
    cJSON_Delete(items);
}
