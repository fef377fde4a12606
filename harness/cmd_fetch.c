/* jeoul fetch: evaluation sets and models into the cache. */
#include "harness/verbs.h"

#include "base/json.h"
#include "datasets/fetch.h"
#include "harness/places.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shown {
    char what[256];
    struct progress progress;
};

static void show_progress(void *context, const char *what, int64_t done, int64_t total)
{
    struct shown *shown = context;
    if (strncmp(shown->what, what, sizeof shown->what - 1) != 0) {
        progress_end(&shown->progress);
        snprintf(shown->what, sizeof shown->what, "%s", what);
        shown->progress = progress_begin(shown->what);
        shown->progress.in_bytes = true;
    }
    progress_show(&shown->progress, (double)done, (double)(total > 0 ? total : 0));
}

/* A token is used and never shown: what is wrong with it is said without it. */
static bool read_token(const char **token, struct error *err)
{
    *token = getenv("HF_TOKEN");
    if (!*token || !**token) {
        *token = NULL;
        return true;
    }
    for (const char *c = *token; *c; c++)
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7F)
            return error_set(err, ERROR_INPUT, "HF_TOKEN has a space, a line end or another character that tokens don't have");
    return true;
}

static bool read_options(const struct cli *cli, struct fetch_options *options, char *cache, size_t n, struct shown *shown,
                         struct error *err)
{
    const char *mirror = getenv("JEOUL_MIRROR"), *hub = getenv("HF_ENDPOINT");
    *options = (struct fetch_options){.cache = cache,
                                      .data = cli_text(cli, "data", NULL),
                                      .mirror = cli_text(cli, "mirror", mirror && *mirror ? mirror : NULL),
                                      .hub = hub && *hub ? hub : NULL,
                                      .offline = cli_flag(cli, "offline"),
                                      .progress = show_progress,
                                      .context = shown};
    if (options->mirror && strncmp(options->mirror, "http://", 7) != 0 && strncmp(options->mirror, "https://", 8) != 0)
        return error_set(err, ERROR_INPUT, "--mirror %.100s: an address that begins with http:// or https:// is wanted", options->mirror);
    return read_token(&options->token, err) && cache_directory(cache, n, err);
}

static void say(const char *name, const struct fetch_summary *summary)
{
    if (summary->notice[0])
        fprintf(stderr, "jeoul: %s: %s\n", name, summary->notice);
    if (summary->fetched == 0)
        fprintf(stderr, "%s: all %d files were there\n", name, summary->files);
    else
        fprintf(stderr, "%s: %d of %d files fetched, %s\n", name, summary->fetched, summary->files,
                bytes_for_people((double)summary->bytes));
    if (summary->unchecked)
        fprintf(stderr, "%s: for %d of them no sha256 was known beforehand\n", name, summary->unchecked);
}

/* --- sets
 * ------------------------------------------------------------------------------------------------------------------------------------ */

static bool fetch_set(const char *directory, const char *name, const struct fetch_options *options, struct shown *shown, struct error *err)
{
    struct fetch_summary summary;
    struct source *source = source_read(directory, name, err);
    if (!source)
        return false;
    printf("%s: licence %s%s\n", source->name, source->licence,
           source->redistributable ? "" : " (not to be passed on; this copy is yours alone)");
    fflush(stdout);
    bool ok = fetch_source(source, options, &summary, err);
    progress_end(&shown->progress);
    *shown = (struct shown){0};
    if (ok)
        say(name, &summary);
    source_free(source);
    return ok;
}

static cJSON *list_row(const struct source *source, const struct data_places *places)
{
    struct fetch_state state = fetch_state(source, places);
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "name", source->name);
    cJSON_AddStringToObject(row, "title", source->title);
    cJSON_AddStringToObject(row, "licence", source->licence);
    cJSON_AddBoolToObject(row, "redistributable", source->redistributable);
    cJSON_AddNumberToObject(row, "files", state.wanted);
    cJSON_AddNumberToObject(row, "cached", state.present);
    cJSON_AddNumberToObject(row, "bytes_known", (double)state.bytes);
    cJSON_AddNumberToObject(row, "files_of_unknown_size", state.unsized);
    return row;
}

static void print_list(const cJSON *rows)
{
    const cJSON *row;
    printf("%-20s %-16s %12s %9s\n", "set", "licence", "size", "cached");
    cJSON_ArrayForEach(row, rows) {
        char cached[32], size[48] = "not known";
        double bytes = json_real(row, "bytes_known");
        bool all = json_real(row, "files_of_unknown_size") == 0;
        snprintf(cached, sizeof cached, "%d/%d", (int)json_real(row, "cached"), (int)json_real(row, "files"));
        if (all || bytes > 0)
            snprintf(size, sizeof size, "%s%s", all ? "" : "> ", bytes_for_people(bytes));
        printf("%-20s %-16s %12s %9s%s\n", json_text(row, "name"), json_text(row, "licence"), size, cached,
               cJSON_IsTrue(cJSON_GetObjectItem(row, "redistributable")) ? "" : "  not to be passed on");
    }
}

static bool list(const struct cli *cli, const char *directory, const struct fetch_options *options, struct error *err)
{
    struct data_places places = {.data = options->data, .cache = options->cache};
    cJSON *names = source_names(directory, err), *root = cJSON_CreateObject(), *rows = cJSON_AddArrayToObject(root, "sets");
    const cJSON *name;
    bool ok = names != NULL;
    cJSON_ArrayForEach(name, names) {
        struct source *source = ok ? source_read(directory, name->valuestring, err) : NULL;
        ok = ok && source;
        if (ok)
            cJSON_AddItemToArray(rows, list_row(source, &places));
        source_free(source);
    }
    if (ok && cli_flag(cli, "json"))
        ok = cli_print_json(root, err);
    else if (ok)
        print_list(rows);
    cJSON_Delete(root);
    cJSON_Delete(names);
    return ok;
}

/* --- models
 * ---------------------------------------------------------------------------------------------------------------------------------- */

static bool fetch_one_model(const struct cli *cli, const struct fetch_options *options, struct shown *shown, struct error *err)
{
    char path[4096];
    struct fetch_summary summary;
    const char *sha256 = cli_text(cli, "sha256", NULL);
    if (cli->n_arguments != 2)
        return error_set(err, ERROR_INPUT, "fetch model: %d models named, one is wanted: jeoul fetch model URL|OWNER/REPO[:FILE]",
                         cli->n_arguments - 1);
    if (sha256 && (strlen(sha256) != 64 || strspn(sha256, "0123456789abcdef") != 64))
        return error_set(err, ERROR_INPUT, "--sha256 %.70s: 64 digits of 0-9 and a-f are wanted", sha256);
    bool ok = fetch_model(cli->arguments[1], sha256, options, path, sizeof path, &summary, err);
    progress_end(&shown->progress);
    if (!ok)
        return false;
    say(cli->arguments[1], &summary);
    puts(path);
    return true;
}

static int run(struct cli *cli, struct error *err)
{
    char cache[4096], directory[4096];
    struct shown shown = {0};
    struct fetch_options options;
    bool model = cli->n_arguments > 0 && strcmp(cli->arguments[0], "model") == 0;
    if (!read_options(cli, &options, cache, sizeof cache, &shown, err) ||
        !places_find("datasets/sources", directory, sizeof directory, err))
        return 0;
    if (cli_flag(cli, "list"))
        (void)(list(cli, directory, &options, err) || error_prefix(err, "fetch"));
    else if (model)
        (void)(fetch_one_model(cli, &options, &shown, err) || error_prefix(err, "fetch"));
    else if (cli->n_arguments == 0)
        (void)error_set(err, ERROR_INPUT, "fetch: no set is named; 'jeoul fetch --list' lists them");
    for (int i = 0; !model && !cli_flag(cli, "list") && err->code == ERROR_NONE && i < cli->n_arguments; i++)
        (void)(fetch_set(directory, cli->arguments[i], &options, &shown, err) || error_prefix(err, "fetch"));
    return 0;
}

const struct cli_verb verb_fetch = {
    .name = "fetch",
    .arguments = "NAME...|model URL|OWNER/REPO[:FILE]",
    .most = CLI_MAX_ARGUMENTS,
    .summary = "Fetch evaluation sets and models into the cache",
    .text = "Files go to $XDG_CACHE_HOME/jeoul (~/.cache/jeoul): resumed, checked, with their\n"
            "licence beside them. A gated set's token is taken from HF_TOKEN and sent to the\n"
            "hub alone; proxies from https_proxy, no_proxy. Prints licences, or the path of\n"
            "the model (all parts of a split one are fetched). See docs/data.md.",
    .example = "jeoul fetch hellaswag kobest && jeoul fetch model OWNER/REPO:Q4_K_M",
    .run = run,
    .options = {{"list", 0, NULL, "list the sets: licence, size, what is cached"},
                {"data", 0, "DIR", "where sets go instead of the cache; eval --data DIR reads them"},
                {"mirror", 0, "URL", "ask a served cache directory instead (JEOUL_MIRROR)"},
                {"offline", 0, NULL, "never touch the network: what is missing is an error"},
                {"sha256", 0, "HEX", "what the model's file has to have"},
                {"json", 0, NULL, "the list as JSON"}},
};
