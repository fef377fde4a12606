/* jeoul help, jeoul version. */
#include "harness/help.h"
#include "harness/verbs.h"

#include <string.h>

static int run_help(struct cli *cli, struct error *err)
{
    if (cli_flag(cli, "man"))
        help_man(stdout);
    else if (cli_flag(cli, "bash-completion"))
        help_bash_completion(stdout);
    else if (!cli->n_arguments)
        help_overview(stdout);
    else {
        for (const struct cli_verb *const *verb = cli_verbs; *verb; verb++)
            if (strcmp((*verb)->name, cli->arguments[0]) == 0) {
                help_verb(stdout, *verb);
                return 0;
            }
        error_record(err, ERROR_INPUT, "there is no verb \"%.64s\"; 'jeoul --help' lists them", cli->arguments[0]);
    }
    return 0;
}

static int run_version(struct cli *cli, struct error *err)
{
    (void)cli;
    (void)err;
    puts("jeoul " JEOUL_VERSION);
    return 0;
}

const struct cli_verb verb_help = {
    .name = "help",
    .arguments = "[VERB]",
    .most = 1,
    .summary = "Show help on a verb, the man page, or shell completion",
    .example = "jeoul help --man | man -l -",
    .run = run_help,
    .options = {{"man", 0, NULL, "print the man page (roff)"}, {"bash-completion", 0, NULL, "print the completion for bash"}},
};

const struct cli_verb verb_version = {
    .name = "version",
    .arguments = "",
    .summary = "Print the version",
    .example = "jeoul version",
    .run = run_version,
    .hidden = true,
};
