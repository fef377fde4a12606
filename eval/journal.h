/* The journal of a run: items as they are answered, one JSON line each, so that an interrupted run goes on where it stopped.
 *
 * Lines are appended whole and synced at least once a second; a last line without its end is cut off when the journal is opened. Every line
 * names the key of what its answer depends on: system, task, data, options. Private to eval. */
#ifndef JEOUL_EVAL_JOURNAL_H
#define JEOUL_EVAL_JOURNAL_H

#include "eval/eval.h"

struct journal;

/* Opens or begins a journal. ERROR_INPUT: it cannot be written, it is damaged (the line is named), or it has items of the task with another
 * key. */
struct journal *journal_open(const char *path, const char *task, const char *key, struct error *err) MUST_CHECK;
void journal_close(struct journal *journal); // NULL is allowed

/* Fills an opened item from the journal, where it is there: item->answered. ERROR_INPUT where what is noted doesn't fit the item. */
bool journal_take(const struct journal *journal, struct eval_item *item, struct error *err) MUST_CHECK;

bool journal_note(struct journal *journal, const struct eval_item *item, struct error *err) MUST_CHECK;
bool journal_sync(struct journal *journal, struct error *err) MUST_CHECK;

#endif
