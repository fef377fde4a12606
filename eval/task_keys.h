/* The keys of task files. Private to the files that read them. */
#ifndef JEOUL_EVAL_TASK_KEYS_H
#define JEOUL_EVAL_TASK_KEYS_H

extern const char *const task_keys[]; // NULL-terminated

#endif
