/* The command line: one table of verbs, from which parsing, --help, the man page and the shell completion come. */
#ifndef JEOUL_CLI_H
#define JEOUL_CLI_H

#include "base/error.h"

#include <cjson/cJSON.h>
#include <stdint.h>

enum { CLI_MAX_OPTIONS = 28, CLI_MAX_ARGUMENTS = 64 };

struct cli_option {
    const char *name;     // "threads"
    char letter;          // 't', 0: none
    const char *argument; // "N"; NULL: a flag
    const char *help;     // one line, with the default
};

struct cli;

struct cli_verb {
    const char *name;
    const char *arguments; // "PLAN", shown in the synopsis
    int least, most;       // number of arguments
    const char *summary;   // one line: what it is for
    const char *text;      // a few lines more; NULL: none
    const char *example;
    int (*run)(struct cli *cli, struct error *err); // exit code; an error that is set is printed
    struct cli_option options[CLI_MAX_OPTIONS];     // ends with a NULL name
    const char *brief; // " kv isa ": options that --help only names, because 'jeoul bench --help' tells of them; NULL: none
    bool hidden;
};

extern const struct cli_verb *const cli_verbs[]; // NULL-terminated, in the order of --help

/* What was given. */
struct cli {
    const struct cli_verb *verb;
    const char *values[CLI_MAX_OPTIONS]; // by option; "" for a flag that is given, NULL for what isn't
    const char *arguments[CLI_MAX_ARGUMENTS];
    int n_arguments;
};

const char *cli_text(const struct cli *cli, const char *option, const char *fallback);
bool cli_flag(const struct cli *cli, const char *option);
bool cli_number(const struct cli *cli, const char *option, int64_t low, int64_t high, int64_t fallback, int64_t *out,
                struct error *err) MUST_CHECK;
bool cli_decimal(const struct cli *cli, const char *option, double low, double high, double fallback, double *out,
                 struct error *err) MUST_CHECK;
/* "1,2,4": up to `most` numbers; returns how many, −1 on failure. */
int cli_numbers(const struct cli *cli, const char *option, int64_t low, int64_t high, const char *fallback, int64_t *out, int most,
                struct error *err) MUST_CHECK;
/* The value of an option that has to be given. */
bool cli_need(const struct cli *cli, const char *option, const char **out, struct error *err) MUST_CHECK;

/* A result for programs, on standard output. */
bool cli_print_json(const cJSON *json, struct error *err) MUST_CHECK;

int cli_main(int argc, char **argv);

/* Progress for people: a line on stderr that is rewritten, with time left; nothing where stderr is no terminal. */
struct progress {
    const char *what;
    uint64_t began_ns, shown_ns;
    bool terminal;
    bool in_bytes; // what is done is shown as bytes while the total isn't known
};
struct progress progress_begin(const char *what);
void progress_show(struct progress *progress, double done, double total); // total ≤ 0: not known
void progress_end(struct progress *progress);

/* Colours on a terminal only, and not with NO_COLOR. */
bool cli_colours(void);

/* A number with three significant digits: "1.23", "12.3", "1,234"; into a static ring of buffers. */
const char *number_for_people(double value);
const char *bytes_for_people(double bytes);

#endif
