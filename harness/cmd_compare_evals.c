/* jeoul compare-evals: two evaluations of the same items. */
#include "harness/verbs.h"

#include "base/file.h"
#include "base/json.h"
#include "reports/eval_comparison.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cJSON *read_lines(const char *path, struct error *err)
{
    enum { MOST_BYTES = 1 << 30 };
    struct text text = {0};
    cJSON *lines = cJSON_CreateArray();
    bool ok = file_read(path, MOST_BYTES, &text, err);
    int number = 0;
    for (size_t at = 0; ok && at < text.length;) {
        const char *end = memchr(text.bytes + at, '\n', text.length - at);
        size_t n = end ? (size_t)(end - text.bytes) - at : text.length - at;
        number++;
        cJSON *line = json_parse(path, text.bytes + at, n, err);
        ok = line ? cJSON_AddItemToArray(lines, line) : error_prefix(err, "line %d", number);
        at += n + 1;
    }
    text_free(&text);
    if (ok)
        return lines;
    cJSON_Delete(lines);
    return NULL;
}

static void print_row(const cJSON *row)
{
    const cJSON *d = cJSON_GetObjectItem(row, "difference");
    const char *task = json_text(row, "task"), *language = json_text(row, "language");
    double p = json_real(row, "mcnemar_p");
    printf("%-28.40s %-14.24s %6.0f %8.4f %8.4f %+8.4f  %+7.4f … %+7.4f %6.0f %6.0f",
           *task       ? task
           : *language ? language
                       : "all",
           json_text(row, "score"), json_real(row, "n"), json_real(row, "a"), json_real(row, "b"), json_real(d, "value"),
           json_real(d, "low"), json_real(d, "high"), json_real(row, "only_a_right"), json_real(row, "only_b_right"));
    if (isfinite(p))
        printf(" %9.3g", p);
    puts("");
}

static void print_gaps(const cJSON *gaps, const char *side)
{
    const cJSON *gap;
    cJSON_ArrayForEach(gap, gaps) {
        const cJSON *d = cJSON_GetObjectItem(gap, "difference");
        printf("%s: %s − %s, %s: %+.4f (%+.4f … %+.4f), %s\n", side, json_text(gap, "ko"), json_text(gap, "en"), json_text(gap, "score"),
               json_real(d, "value"), json_real(d, "low"), json_real(d, "high"),
               cJSON_IsTrue(cJSON_GetObjectItem(gap, "paired")) ? "the same items in both languages" : "different items");
    }
}

static void print_comparison(const cJSON *figures, int flips)
{
    const cJSON *row;
    int shown = 0, all = cJSON_GetArraySize(cJSON_GetObjectItem(figures, "flipped"));
    printf("%.0f items on both sides, %.0f only in A, %.0f only in B\n\n", json_real(figures, "items"), json_real(figures, "only_a"),
           json_real(figures, "only_b"));
    printf("%-28s %-14s %6s %8s %8s %8s %19s %6s %6s %9s\n", "task, language or all", "score", "n", "A", "B", "B − A", "95 %", "only A",
           "only B", "McNemar p");
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "rows"))
        print_row(row);
    puts("");
    print_gaps(cJSON_GetObjectItem(figures, "gaps_a"), "A");
    print_gaps(cJSON_GetObjectItem(figures, "gaps_b"), "B");
    printf("%d flips%s\n", all, all > flips ? " (--flips N lists more)" : "");
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "flipped"))
        if (shown++ < flips)
            printf("  %s, record %.0f, %s: %s\n", json_text(row, "task"), json_real(row, "doc_index") + 1, json_text(row, "score"),
                   json_real(row, "b") > 0 ? "wrong in A, right in B" : "right in A, wrong in B");
}

static int run(struct cli *cli, struct error *err)
{
    int64_t flips;
    cJSON *a = NULL, *b = NULL, *figures = NULL;
    if (cli_number(cli, "flips", 0, 1 << 30, 10, &flips, err) && (a = read_lines(cli->arguments[0], err)) &&
        (b = read_lines(cli->arguments[1], err)))
        figures = eval_comparison(a, b, err);
    if (figures && cli_flag(cli, "json"))
        (void)(cli_print_json(figures, err) || error_prefix(err, "compare-evals"));
    else if (figures)
        print_comparison(figures, (int)flips);
    cJSON_Delete(figures);
    cJSON_Delete(a);
    cJSON_Delete(b);
    return 0;
}

const struct cli_verb verb_compare_evals = {
    .name = "compare-evals",
    .arguments = "A B",
    .least = 2,
    .most = 2,
    .summary = "Compare two evaluations item by item",
    .text = "A and B are files that `jeoul eval --samples` wrote, of two models or builds on the same items.\n"
            "By task, by language and over all: B − A with the interval of a paired bootstrap, items that only\n"
            "one has right, McNemar's exact p; and the gap between Korean and English in each.",
    .example = "jeoul compare-evals bf16.jsonl q4.jsonl --flips 20",
    .run = run,
    .options = {{"flips", 0, "N", "list the first N items that one has right and the other wrong (10)"}, {"json", 0, NULL, "all as JSON"}},
};
