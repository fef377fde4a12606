/* Everything that is printed from the table of verbs: help, the man page, shell completion. */
#ifndef JEOUL_HELP_H
#define JEOUL_HELP_H

#include "harness/cli.h"

#include <stdio.h>

#define JEOUL_VERSION "0.1.0"

void help_overview(FILE *out);
void help_verb(FILE *out, const struct cli_verb *verb);
void help_man(FILE *out);
void help_bash_completion(FILE *out);

#endif
