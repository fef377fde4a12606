/* Errors: one code, one message, built once at the place that knows most.
 *
 * A function that can fail returns bool or a pointer and takes `struct error *err` last. The message says what was found, where, what is
 * allowed and the way out; it is written for the person who reads it. Libraries never print and never exit: only the harness turns an error
 * into text and an exit code. The codes are the exit codes of the program. */
#ifndef JEOUL_BASE_ERROR_H
#define JEOUL_BASE_ERROR_H

#include <stdbool.h>

enum error_code {
    ERROR_NONE = 0,
    ERROR_MACHINE = 1, // a failure of ours or of the machine: memory, disk, a child that died
    ERROR_INPUT = 2,   // bad usage or bad input: the caller can mend it
};

struct error {
    enum error_code code;
    char message[1024];
};

static inline bool error_false(void)
{
    return false;
}

#define MUST_CHECK __attribute__((warn_unused_result))

/* Sets code and message and is false, so that a failing function can `return error_set(err, …)`. err may be NULL. Macros, so that compilers
 * see that it is. */
#define error_set(err, code, ...) (error_record((err), (code), __VA_ARGS__), error_false())

/* Like error_set, with ": " and the text of errno behind the message; ENOENT, EISDIR, ENOTDIR, EACCES and their like are the caller's
 * input, all others (ENOSPC, EIO, ENOMEM …) the machine's failure. */
#define error_set_errno(err, ...) (error_record_errno((err), __VA_ARGS__), error_false())

/* Puts "prefix: " before a message that is already there. */
#define error_prefix(err, ...) (error_record_prefix((err), __VA_ARGS__), error_false())

void error_record(struct error *err, enum error_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));
void error_record_errno(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
void error_record_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
