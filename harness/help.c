/* Help, man page and completion: see help.h. */
#include "harness/help.h"

#include "base/text.h"

#include <string.h>

static const char purpose[] =
    "weighs AI compute: speed, accuracy in Korean and English, counters and cost of a model on this machine, in one record.";
static const char exit_codes[] =
    "Exit codes: 0 all well, 1 a failure of ours or the machine's, 2 bad usage or input, 3 a confirmed regression or failed gate.";

void help_overview(FILE *out)
{
    fprintf(out, "jeoul (저울) %s\n\nUse: jeoul VERB [options]      'jeoul VERB --help' tells more\n\n", purpose);
    for (const struct cli_verb *const *verb = cli_verbs; *verb; verb++)
        if (!(*verb)->hidden)
            fprintf(out, "  %-10s %s\n", (*verb)->name, (*verb)->summary);
    fprintf(out, "\n%s\n\nExample:\n  jeoul synth --shape tiny --quant q8_0 -o tiny.gguf\n  jeoul bench -m tiny.gguf -p 128 -n 32 -t 1,2\n",
            exit_codes);
}

static void option_left(const struct cli_option *option, char *out, size_t n)
{
    char letter[6] = "    ";
    if (option->letter)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(out, n, "%s--%s%s%s", letter, option->name, option->argument ? " " : "", option->argument ? option->argument : "");
}

static bool is_brief(const struct cli_verb *verb, const struct cli_option *option)
{
    char word[64];
    snprintf(word, sizeof word, " %s ", option->name);
    return verb->brief && strstr(verb->brief, word);
}

static void help_brief(FILE *out, const struct cli_verb *verb)
{
    fputs("  ", out);
    for (const struct cli_option *option = verb->options; option < verb->options + CLI_MAX_OPTIONS && option->name; option++)
        if (is_brief(verb, option))
            fprintf(out, "--%s ", option->name);
    fputs("as in 'jeoul bench --help'\n", out);
}

void help_verb(FILE *out, const struct cli_verb *verb)
{
    fprintf(out, "%s\n\nUse: jeoul %s [options]%s%s\n", verb->summary, verb->name, verb->arguments[0] ? " " : "", verb->arguments);
    if (verb->text)
        fprintf(out, "\n%s\n", verb->text);
    fprintf(out, "\nOptions:\n");
    for (const struct cli_option *option = verb->options; option < verb->options + CLI_MAX_OPTIONS && option->name; option++) {
        char left[64];
        if (is_brief(verb, option))
            continue;
        option_left(option, left, sizeof left);
        fprintf(out, "  %-22s %s\n", left, option->help);
    }
    if (verb->brief)
        help_brief(out, verb);
    fprintf(out, "  %-22s %s\n\nExample:\n  %s\n", "-h, --help", "this text", verb->example);
}

/* Text for roff: backslashes and leading dots and quotes escaped, hyphens as such. */
static void roff(FILE *out, const char *text)
{
    bool line_start = true;
    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
        line_start = *text == '\n';
    }
}

void help_man(FILE *out)
{
    fprintf(out,
            ".TH JEOUL 1 \"\" \"jeoul %s\" \"User Commands\"\n.SH NAME\njeoul \\- weighs AI compute\n.SH SYNOPSIS\n.B jeoul\n.I "
            "VERB\n[options]\n"
            ".SH DESCRIPTION\nJeoul ",
            JEOUL_VERSION);
    roff(out, purpose);
    fprintf(out, "\n.SH VERBS\n");
    for (const struct cli_verb *const *entry = cli_verbs; *entry; entry++) {
        const struct cli_verb *verb = *entry;
        if (verb->hidden)
            continue;
        fprintf(out, ".SS ");
        roff(out, verb->name);
        fprintf(out, " [options] ");
        roff(out, verb->arguments);
        fprintf(out, "\n");
        roff(out, verb->summary);
        fprintf(out, "\n");
        if (verb->text) {
            fprintf(out, ".PP\n");
            roff(out, verb->text);
            fprintf(out, "\n");
        }
        for (const struct cli_option *option = verb->options; option < verb->options + CLI_MAX_OPTIONS && option->name; option++) {
            char left[64];
            option_left(option, left, sizeof left);
            fprintf(out, ".TP\n.B ");
            roff(out, left + strspn(left, " "));
            fprintf(out, "\n");
            roff(out, option->help);
            fprintf(out, "\n");
        }
        fprintf(out, ".PP\nExample:\n.PP\n.nf\n.RS\n");
        roff(out, verb->example);
        fprintf(out, "\n.RE\n.fi\n");
    }
    fprintf(out, ".SH EXIT STATUS\n");
    roff(out, exit_codes);
    fprintf(out, "\n");
}

void help_bash_completion(FILE *out)
{
    fprintf(out,
            "# bash completion for jeoul\n_jeoul() {\n    local word=${COMP_WORDS[COMP_CWORD]}\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
            "        mapfile -t COMPREPLY < <(compgen -W \"--help --version");
    for (const struct cli_verb *const *verb = cli_verbs; *verb; verb++)
        if (!(*verb)->hidden)
            fprintf(out, " %s", (*verb)->name);
    fprintf(out, "\" -- \"$word\")\n        return\n    fi\n    local options=\"--help\"\n    case ${COMP_WORDS[1]} in\n");
    for (const struct cli_verb *const *verb = cli_verbs; *verb; verb++) {
        if ((*verb)->hidden || !(*verb)->options[0].name)
            continue;
        fprintf(out, "    %s) options+=\"", (*verb)->name);
        for (const struct cli_option *option = (*verb)->options; option < (*verb)->options + CLI_MAX_OPTIONS && option->name; option++)
            fprintf(out, " --%s", option->name);
        fprintf(out, "\" ;;\n");
    }
    fprintf(out,
            "    esac\n    if [[ $word == -* ]]; then\n        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n    else\n"
            "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n    fi\n}\ncomplete -o filenames -F _jeoul jeoul\n");
}
