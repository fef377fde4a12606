/* The tables at the end of a run: see summary.h. */
#include "harness/summary.h"

#include "base/json.h"
#include "base/text.h"
#include "harness/cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void print_interval(const cJSON *interval, double factor)
{
    printf(" %9s %9s … %-9s", number_for_people(factor * json_real(interval, "value")),
           number_for_people(factor * json_real(interval, "low")), number_for_people(factor * json_real(interval, "high")));
}

void summary_print(const cJSON *figures)
{
    const cJSON *row;
    printf("Run %s, system %s\n", json_text(figures, "run_id"), json_text(figures, "system_id"));
    printf("\n%-16s %-8s %6s %5s %7s %9s  %-20s\n", "model", "phase", "tokens", "batch", "threads", "tok/s", "95 % interval");
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "throughput")) {
        printf("%-16.16s %-8s %6.0f %5.0f %7.0f", json_text(row, "model"), json_text(row, "phase"), json_real(row, "tokens"),
               json_real(row, "batch"), json_real(row, "threads"));
        print_interval(cJSON_GetObjectItem(row, "tok_per_s"), 1);
        printf("%s%s\n", *json_text(row, "placement") ? "  " : "", json_text(row, "placement"));
    }
    printf("\n%-16s %-8s %6s %9s  %-20s %7s\n", "model", "language", "items", "acc %", "95 % interval", "chance");
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "accuracy")) {
        printf("%-16.16s %-8s %6.0f", json_text(row, "model"), json_text(row, "language"), json_real(row, "n"));
        print_interval(cJSON_GetObjectItem(row, "acc"), 100);
        printf(" %6s\n", number_for_people(100 * json_real(row, "chance")));
    }
    printf("\n%-16s %-36s %9s  %s\n", "model", "cost (best configuration)", "won", "range");
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(figures, "cost")) {
        printf("%-16.16s %-36s", json_text(row, "model"), json_text(row, "label_en"));
        if (cJSON_IsObject(cJSON_GetObjectItem(row, "krw")))
            print_interval(cJSON_GetObjectItem(row, "krw"), 1);
        else
            printf(" – %s", json_text(row, "reason"));
        puts("");
    }
    const cJSON *price = cJSON_GetObjectItem(figures, "price");
    if (cJSON_IsTrue(cJSON_GetObjectItem(price, "stale")))
        printf("\nthe price %s is stale: %.0f days old\n", json_text(price, "id"), json_real(price, "age_days"));
    const cJSON *random = cJSON_GetObjectItem(figures, "random_weights");
    if (cJSON_GetArraySize(random))
        puts("\nrandom weights: accuracy is chance by construction");
    if (cJSON_GetArraySize(cJSON_GetObjectItem(figures, "failed")))
        printf("\n%d cells failed; no figure is made from them\n", cJSON_GetArraySize(cJSON_GetObjectItem(figures, "failed")));
}
