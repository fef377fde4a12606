/* Prompts answered, by the engine or through somebody else. Private to eval. */
#ifndef JEOUL_EVAL_ANSWER_H
#define JEOUL_EVAL_ANSWER_H

#include "eval/prompt.h"

/* Answers the prompts: fills items [n] (zeroed, or answered already: those are left as they are) and the counts of `result`. Calls
 * `answered` for each item as it is done, in any order; false stops. What an answerer can't do sets result->left_out. */
struct answering {
    struct engine *engine;                // NULL: the answerer is asked
    const struct eval_answerer *answerer; // NULL: the engine is asked
    const struct tokenizer *tokenizer;    // of who is asked; NULL: by texts
    const struct prompt_rules *rules;
    const struct eval_options *options;
    bool (*answered)(void *context, const struct eval_item *item, struct error *err); // may be NULL
    void *context;
};
bool answer_prompts(const struct answering *how, const struct prompt *prompts, struct eval_result *result, struct error *err) MUST_CHECK;

/* Room for an item's answers; the texts are copied. Free with answer_item_free. */
bool answer_item_open(const struct prompt *prompt, struct eval_item *item, struct error *err) MUST_CHECK;
void answer_item_free(struct eval_item *item);

#endif
