/* jeoul quantize: a model with its weights in another type. */
#include "harness/verbs.h"

#include "base/clock.h"
#include "engine/engine.h"

#include <stdio.h>

static void show(void *context, uint64_t done, uint64_t total)
{
    progress_show(context, (double)done, (double)total);
}

static void print_report(const char *path, const struct quantize_report *r, double seconds)
{
    for (int i = 0; i < r->n_fallbacks; i++) {
        const struct quantize_fallback *f = &r->fallbacks[i];
        fprintf(stderr, "%d tensor%s in %s: rows such as the %lld values of %s are no multiple of a block of %s\n", f->count,
                f->count == 1 ? "" : "s", f->instead, (long long)f->row, f->tensor, f->wanted);
    }
    fprintf(stderr, "%s: %s of weights from %s, %d of %d tensors converted, in %s s\n", path, bytes_for_people((double)r->bytes_after),
            bytes_for_people((double)r->bytes_before), r->converted, r->tensors, number_for_people(seconds));
}

static int run(struct cli *cli, struct error *err)
{
    const char *type;
    int64_t threads;
    if (!cli_need(cli, "type", &type, err) || !cli_number(cli, "threads", 1, 64, 0, &threads, err))
        return 0;
    struct model_file *file = model_file_open(cli->arguments[0], err);
    if (!file)
        return 0;
    struct progress progress = progress_begin("quantising");
    struct quantize_options options = {.quantisation = type, .threads = (int)threads, .progress = show, .context = &progress};
    struct quantize_report report;
    uint64_t began = clock_ns();
    bool ok = quantize_write(file, cli->arguments[1], &options, &report, err);
    progress_end(&progress);
    if (ok)
        print_report(cli->arguments[1], &report, (double)(clock_ns() - began) * 1e-9);
    model_file_close(file);
    return 0;
}

const struct cli_verb verb_quantize = {
    .name = "quantize",
    .arguments = "IN OUT",
    .least = 2,
    .most = 2,
    .summary = "Write a GGUF model with its weights in another type",
    .text = "Types: f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k q4_k q5_k q6_k iq4_nl\n"
            "iq4_xs mxfp4 q4_k_m. The router, norms and biases become F32; rows that are no\n"
            "multiple of a type's block get a type that fits, and that is said. Metadata are\n"
            "kept. The file is streamed, memory stays small. From a model that is quantised\n"
            "already the errors of both types add up: begin with F32, F16 or BF16.",
    .example = "jeoul quantize model-bf16.gguf model-q4_k_m.gguf --type q4_k_m",
    .run = run,
    .options = {{"type", 0, "TYPE", "type of the weight matrices"}, OPEN_OPTION_THREADS},
};
