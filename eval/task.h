/* A task opened: its description and its items, rendered. Private to eval. */
#ifndef JEOUL_EVAL_TASK_H
#define JEOUL_EVAL_TASK_H

#include "base/hash.h"
#include "eval/eval.h"

#include <cjson/cJSON.h>

struct eval_task {
    char *path;
    cJSON *document; // owns the strings of info
    struct eval_task_info info;
    char data_sha256[HASH_HEX];
    const char *target_delimiter;
    cJSON *records;
};

/* One item, rendered. */
struct task_item {
    char *context;
    char **choices;
    int n_choices, gold;
};

bool task_render(const struct eval_task *task, int index, struct task_item *out, struct error *err) MUST_CHECK;
void task_item_free(struct task_item *item);

#endif
