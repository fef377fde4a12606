/* jeoul synth: writes a model with random weights. */
#include "harness/verbs.h"

#include "base/clock.h"
#include "engine/engine.h"

#include <stdio.h>
#include <sys/stat.h>

static void show(void *context, uint64_t done, uint64_t total)
{
    progress_show(context, (double)done, (double)total);
}

static int run(struct cli *cli, struct error *err)
{
    const char *path;
    int64_t seed, threads;
    if (cli_flag(cli, "list")) {
        for (const char *const *name = synth_shapes(); *name; name++)
            printf("%-14s %s\n", *name, synth_shape_summary(*name));
        printf("quantisations:");
        for (const char *const *name = synth_quantisations(); *name; name++)
            printf(" %s", *name);
        printf("\n");
        return 0;
    }
    struct progress progress = progress_begin("writing");
    struct synth_options options = {
        .shape = cli_text(cli, "shape", "tiny"), .quantisation = cli_text(cli, "quant", "q8_0"), .progress = show, .context = &progress};
    if (!cli_need(cli, "output", &path, err) || !cli_number(cli, "seed", 0, INT64_MAX, 1, &seed, err) ||
        !cli_number(cli, "threads", 1, 64, 0, &threads, err))
        return 0;
    options.seed = (uint64_t)seed;
    options.threads = (int)threads;
    uint64_t began = clock_ns();
    bool ok = synth_write(path, &options, err);
    progress_end(&progress);
    struct stat status;
    if (ok && stat(path, &status) == 0)
        fprintf(stderr, "%s: %s in %s s\n", path, bytes_for_people((double)status.st_size),
                number_for_people((double)(clock_ns() - began) * 1e-9));
    return 0;
}

const struct cli_verb verb_synth = {
    .name = "synth",
    .arguments = "",
    .summary = "Write a GGUF model of a named shape with seeded random weights",
    .text = "Hardware can be weighed without anybody's weights: speed depends on shapes and\n"
            "types, not on values. The file is streamed, memory stays small.",
    .example = "jeoul synth --shape olmoe-1b-7b --quant q4_k_m -o olmoe.gguf",
    .run = run,
    .options = {{"shape", 's', "NAME", "shape, or a shape file in JSON (tiny); see --list"},
                {"quant", 'q', "NAME", "q8_0, q4_k_m, … (q8_0); see --list"},
                {"output", 'o', "FILE", "where to write"},
                {"seed", 0, "N", "seed of the weights (1)"},
                OPEN_OPTION_THREADS,
                {"list", 0, NULL, "list the built-in shapes and the quantisations"}},
};
