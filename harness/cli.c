/* Parsing by the table, and the small manners of a command line: see cli.h. */
#include "harness/cli.h"

#include "base/clock.h"
#include "base/text.h"
#include "harness/help.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int option_index(const struct cli_verb *verb, const char *name)
{
    for (int i = 0; i < CLI_MAX_OPTIONS && verb->options[i].name; i++)
        if (strcmp(verb->options[i].name, name) == 0)
            return i;
    return -1;
}

const char *cli_text(const struct cli *cli, const char *option, const char *fallback)
{
    int i = option_index(cli->verb, option);
    return i >= 0 && cli->values[i] ? cli->values[i] : fallback;
}

bool cli_flag(const struct cli *cli, const char *option)
{
    return cli_text(cli, option, NULL) != NULL;
}

bool cli_need(const struct cli *cli, const char *option, const char **out, struct error *err)
{
    *out = cli_text(cli, option, NULL);
    return *out || error_set(err, ERROR_INPUT, "%s: --%s is needed; try 'jeoul %s --help'", cli->verb->name, option, cli->verb->name);
}

static bool parse_number(const char *option, const char *text, size_t n, int64_t low, int64_t high, int64_t *out, struct error *err)
{
    char copy[32], *end;
    if (n > 0 && n < sizeof copy) {
        memcpy(copy, text, n);
        copy[n] = '\0';
        errno = 0;
        *out = strtoll(copy, &end, 10);
        if (*end == '\0' && errno == 0 && *out >= low && *out <= high)
            return true;
    }
    return error_set(err, ERROR_INPUT, "--%s: \"%.*s\" is not a whole number from %" PRId64 " to %" PRId64, option, (int)(n > 40 ? 40 : n),
                     text, low, high);
}

bool cli_number(const struct cli *cli, const char *option, int64_t low, int64_t high, int64_t fallback, int64_t *out, struct error *err)
{
    const char *text = cli_text(cli, option, NULL);
    *out = fallback;
    return !text || parse_number(option, text, strlen(text), low, high, out, err);
}

bool cli_decimal(const struct cli *cli, const char *option, double low, double high, double fallback, double *out, struct error *err)
{
    const char *text = cli_text(cli, option, NULL);
    char *end = NULL;
    *out = fallback;
    if (!text)
        return true;
    bool digits = strspn(text, "0123456789.e-") == strlen(text) && *text != '\0'; // strtod also takes "inf", "0x1p3" and spaces
    *out = digits ? strtod(text, &end) : 0;
    if (!digits || *end != '\0' || *out < low || *out > high)
        return error_set(err, ERROR_INPUT, "--%s %s: a number from %g to %g is wanted", option, text, low, high);
    return true;
}

int cli_numbers(const struct cli *cli, const char *option, int64_t low, int64_t high, const char *fallback, int64_t *out, int most,
                struct error *err)
{
    const char *text = cli_text(cli, option, fallback);
    int count = 0;
    while (true) {
        size_t n = strcspn(text, ",");
        if (count == most) {
            error_set(err, ERROR_INPUT, "--%s: more than %d numbers", option, most);
            return -1;
        }
        if (!parse_number(option, text, n, low, high, &out[count++], err))
            return -1;
        if (text[n] == '\0')
            return count;
        text += n + 1;
    }
}

static const struct cli_verb *find_verb(const char *name)
{
    for (const struct cli_verb *const *verb = cli_verbs; *verb; verb++)
        if (strcmp((*verb)->name, name) == 0)
            return *verb;
    return NULL;
}

static int parse(struct cli *cli, int argc, char **argv, struct error *err)
{
    struct option longs[CLI_MAX_OPTIONS + 2] = {{"help", no_argument, NULL, 'h'}};
    char letters[2 * CLI_MAX_OPTIONS + 4] = "+:h";
    int n = 0;
    for (; n < CLI_MAX_OPTIONS && cli->verb->options[n].name; n++) {
        const struct cli_option *option = &cli->verb->options[n];
        longs[n + 1] = (struct option){option->name, option->argument ? required_argument : no_argument, NULL, 256 + n};
        if (option->letter)
            snprintf(letters + strlen(letters), 3, "%c%s", option->letter, option->argument ? ":" : "");
    }
    opterr = 0;
    optind = 1;
    while (optind < argc) {
        int found = getopt_long(argc, argv, letters, longs, NULL);
        if (found == -1) { // options may follow arguments
            if (strcmp(argv[optind - 1], "--") == 0) {
                while (optind < argc && cli->n_arguments < CLI_MAX_ARGUMENTS)
                    cli->arguments[cli->n_arguments++] = argv[optind++];
                break;
            }
            if (cli->n_arguments == CLI_MAX_ARGUMENTS)
                return error_set(err, ERROR_INPUT, "%s: more than %d arguments", cli->verb->name, CLI_MAX_ARGUMENTS);
            cli->arguments[cli->n_arguments++] = argv[optind++];
            continue;
        }
        if (found == 'h')
            return -1;
        if (found == '?' || found == ':')
            return error_set(err, ERROR_INPUT, "%s: %s %s; try 'jeoul %s --help'", cli->verb->name,
                             found == ':' ? "an argument is missing behind" : "there is no option", argv[optind - 1], cli->verb->name);
        for (int i = 0; i < n && found < 256; i++)
            if (cli->verb->options[i].letter == found)
                found = 256 + i;
        cli->values[found - 256] = optarg ? optarg : "";
    }
    if (cli->n_arguments < cli->verb->least || cli->n_arguments > cli->verb->most)
        return error_set(err, ERROR_INPUT, "%s: %d arguments given, the use is: jeoul %s %s", cli->verb->name, cli->n_arguments,
                         cli->verb->name, cli->verb->arguments);
    return true;
}

static int finish(const struct error *err, int code)
{
    if (err->code == ERROR_NONE)
        return code;
    fprintf(stderr, "jeoul: %s\n", err->message);
    return code ? code : (int)err->code;
}

int cli_main(int argc, char **argv)
{
    struct error err = {0};
    struct cli cli = {0};
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help_overview(argc < 2 ? stderr : stdout);
        return argc < 2 ? ERROR_INPUT : 0;
    }
    const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    cli.verb = find_verb(name);
    if (!cli.verb) {
        error_set(&err, ERROR_INPUT, "there is no verb \"%.64s\"; 'jeoul --help' lists them", name);
        return finish(&err, 0);
    }
    int parsed = parse(&cli, argc - 1, argv + 1, &err);
    if (parsed < 0) {
        help_verb(stdout, cli.verb);
        return 0;
    }
    int code = parsed ? cli.verb->run(&cli, &err) : 0;
    if (fflush(stdout) != 0 && err.code == ERROR_NONE)
        error_set_errno(&err, "standard output cannot be written");
    return finish(&err, code);
}

/* --- manners
 * ------------------------------------------------------------------------------------------------------------------------------- */

bool cli_print_json(const cJSON *json, struct error *err)
{
    char *text = json ? cJSON_Print(json) : NULL;
    if (!text)
        return error_set(err, ERROR_MACHINE, "out of memory for the result");
    puts(text);
    free(text);
    return true;
}

bool cli_colours(void)
{
    const char *none = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !(none && *none);
}

struct progress progress_begin(const char *what)
{
    return (struct progress){.what = what, .began_ns = clock_ns(), .terminal = isatty(STDERR_FILENO)};
}

void progress_show(struct progress *p, double done, double total)
{
    enum { EVERY_NS = 200000000 };
    uint64_t now = clock_ns();
    if (!p->terminal || now - p->shown_ns < EVERY_NS)
        return;
    p->shown_ns = now;
    double part = total > 0 ? done / total : 0, elapsed = (double)(now - p->began_ns) * 1e-9;
    fprintf(stderr, "\r\033[K%s ", p->what);
    if (total > 0)
        fprintf(stderr, "%3.0f %%", 100 * part);
    else
        fputs(p->in_bytes ? bytes_for_people(done) : number_for_people(done), stderr);
    if (part > 0.01) {
        double left = elapsed / part - elapsed;
        bool hours = left >= 7200, minutes = left >= 120;
        fprintf(stderr, ", %.*f %s left", hours, left / (hours ? 3600 : minutes ? 60 : 1), hours ? "h" : minutes ? "min" : "s");
    }
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (p->terminal && p->shown_ns)
        fprintf(stderr, "\r\033[K");
}

static char *ring(void)
{
    static char buffers[16][40];
    static int next;
    return buffers[next++ & 15];
}

const char *number_for_people(double value)
{
    char *out = ring();
    if (!isfinite(value))
        snprintf(out, 40, "–");
    else {
        double magnitude = fabs(value);
        int digits = magnitude >= 100 || magnitude == 0 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3;
        snprintf(out, 40, "%.*f", digits, value);
    }
    return out;
}

const char *bytes_for_people(double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    int unit = 0;
    for (; bytes >= 1000 && unit < 4; unit++)
        bytes /= 1000;
    char *out = ring();
    snprintf(out, 40, "%s %s", number_for_people(bytes), units[unit]);
    return out;
}
