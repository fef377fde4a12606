/* A task opened: its description and its records. Private to eval; prompt.h has the items that are made of them. */
#ifndef JEOUL_EVAL_TASK_H
#define JEOUL_EVAL_TASK_H

#include "base/hash.h"
#include "eval/eval.h"

#include <cjson/cJSON.h>

/* How examples are chosen from the pool. */
enum task_sampler {
    TASK_RANDOM,              // Python's Random(1234).sample(pool, k), one stream for all records
    TASK_RANDOM_WITHOUT_SELF, // sample(pool, k + 1), what equals the record taken out, the first k of the rest
    TASK_FIRST,               // the pool's first k
    TASK_FIRST_WITHOUT_SELF,  // the first k of what doesn't equal the record
};

struct task_fewshot {
    enum task_sampler sampler;
    int shots;             // the task's own number
    bool fixed;            // no other number is taken
    const char *split;     // the pool's; NULL: `examples`, or no examples at all
    const cJSON *examples; // records in the task file; NULL: none
};

struct eval_task {
    char *file;      // the task file's path
    cJSON *document; // what docs/tasks.md describes, includes and variants resolved; owns the strings of everything here
    struct eval_task_info info;
    const char **groups; // [info.n_groups]
    struct task_fewshot fewshot;
    const char *target_delimiter, *fewshot_delimiter;

    /* set by task_data_open */
    struct task_places *places;
    char data_sha256[HASH_HEX];
    char *data_path;     // for messages
    cJSON *records;      // those of the task, selected
    int *record_numbers; // [n] their places in the file, from 1
};

/* Every task of a directory, sorted by file, tasks of one file as they stand in it. Free with task_list_free, after a failure too. */
struct task_list {
    struct eval_task **tasks;
    int count;
};
bool task_list_read(const char *directory, struct task_list *out, struct error *err) MUST_CHECK;
void task_list_free(struct task_list *list);

/* The tasks that a task file describes, as documents in an array: "include" read from the same directory, "variants" spread out. */
cJSON *task_file_read(const char *directory, const char *name, struct error *err) MUST_CHECK;

/* Reads the records. `places` are copied: the few-shot pool is read when it is wanted. */
bool task_data_open(struct eval_task *task, const struct eval_places *places, struct error *err) MUST_CHECK;
void task_data_close(struct eval_task *task);

/* The few-shot pool, to free with cJSON_Delete, and what names it in messages (of at least 4096 bytes). */
cJSON *task_data_pool(const struct eval_task *task, char *name, size_t n, struct error *err) MUST_CHECK;

#endif
