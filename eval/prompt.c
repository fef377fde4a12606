/* Prompts of a task's items: see prompt.h. */
#include "eval/prompt.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

bool prompt_rules_of_task(const struct eval_task *task, struct prompt_rules *out, struct error *err)
{
    (void)task;
    (void)err;
    *out = (struct prompt_rules){.kind = EVAL_CHOICES};
    return true;
}

bool prompt_of_task(const struct eval_task *task, int index, struct prompt *out, struct error *err)
{
    struct task_item item;
    *out = (struct prompt){.doc_index = index};
    if (!task_render(task, index, &item, err))
        return false;
    size_t n = (size_t)item.n_choices;
    out->n = item.n_choices;
    out->gold = item.gold;
    out->choices = item.choices;
    item.choices = NULL;
    item.n_choices = 0;
    out->contexts = memory_array(n, sizeof *out->contexts, "prompts", err);
    out->continuations = memory_array(n, sizeof *out->continuations, "prompts", err);
    bool ok = out->contexts && out->continuations;
    for (size_t i = 0; ok && i < n; i++) {
        struct text text = {0};
        text_add_string(&text, task->target_delimiter);
        text_add_string(&text, out->choices[i]);
        ok = text_ok(&text, err);
        out->continuations[i] = text.bytes;
        ok = ok && ((out->contexts[i] = strdup(item.context)) || error_set(err, ERROR_MACHINE, "out of memory for prompts"));
    }
    task_item_free(&item);
    return ok;
}

static void free_texts(char **texts, int n)
{
    for (int i = 0; texts && i < n; i++)
        free(texts[i]);
    free(texts);
}

void prompt_free(struct prompt *p)
{
    free_texts(p->contexts, p->n);
    free_texts(p->continuations, p->n);
    free_texts(p->choices, p->n);
    free(p->target);
    free(p->question);
    *p = (struct prompt){0};
}
