/* jeoul roofline: this machine's limits, or those of a GPU of it, measured with our own kernels. */
#include "harness/verbs.h"

#include "base/memory.h"
#include "base/processors.h"
#include "bench/bench.h"
#include "harness/spread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREAD_COUNTS = 16 };

struct roofline {
    struct engine_prober *prober;
    struct bench_limit *limits;
    int n, rounds;
    double seconds;
    double *two_per_one; // [rounds]: int8 rate of 2 threads over that of 1; NULL: not measured
    const char *gpu;     // its driver; NULL: the CPU
    int64_t device;
};

/* int8 from registers with so many threads on the widest instruction set. */
static const struct bench_limit *int8_limit(const struct roofline *r, int threads)
{
    for (int i = 0; i < r->n; i++) {
        const struct engine_probing *what = &r->limits[i].what;
        if (what->probe == ENGINE_PROBE_INT8 && what->place == ENGINE_PROBE_REGISTERS && what->threads == threads && !r->limits[i].reason)
            return &r->limits[i];
    }
    return NULL;
}

/* Round by round: 2 and 1 thread of a round lie next to each other in time. */
static bool compare_threads(struct roofline *r, struct error *err)
{
    const struct bench_limit *one = int8_limit(r, 1), *two = int8_limit(r, 2);
    if (!one || !two)
        return true;
    if (!(r->two_per_one = memory_array((size_t)r->rounds, sizeof *r->two_per_one, "ratios", err)))
        return false;
    for (int i = 0; i < r->rounds; i++)
        r->two_per_one[i] = two->samples[i] / one->samples[i];
    return true;
}

static const char *const no_ratio = "1 and 2 threads are not both among --threads";

static void print_json(const struct roofline *r)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "schema", "jeoul/roofline/1");
    cJSON_AddStringToObject(root, "backend", r->gpu ? r->gpu : "cpu");
    if (r->gpu)
        cJSON_AddNumberToObject(root, "device", (double)r->device);
    cJSON *isas = cJSON_AddArrayToObject(root, "isas");
    for (const char *const *isa = engine_isas(); *isa && !r->gpu; isa++)
        cJSON_AddItemToArray(isas, cJSON_CreateString(*isa));
    cJSON_AddNumberToObject(root, "rounds", r->rounds);
    cJSON_AddNumberToObject(root, "seconds", r->seconds);
    cJSON *array = cJSON_AddArrayToObject(root, "limits");
    for (int i = 0; i < r->n; i++) {
        const struct bench_limit *limit = &r->limits[i];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "metric", bench_limit_metric(limit->what.probe));
        cJSON_AddStringToObject(row, "unit", bench_limit_unit(limit->what.probe));
        cJSON_AddStringToObject(row, "place", bench_limit_places[limit->what.place]);
        cJSON_AddItemToObject(row, "isa", r->gpu ? cJSON_CreateNull() : cJSON_CreateString(limit->what.isa));
        cJSON_AddItemToObject(row, "threads", r->gpu ? cJSON_CreateNull() : cJSON_CreateNumber(limit->what.threads));
        spread_add(row, limit->samples, (size_t)r->rounds, 1);
        cJSON_AddItemToObject(row, "reason", limit->reason ? cJSON_CreateString(limit->reason) : cJSON_CreateNull());
        cJSON_AddItemToArray(array, row);
    }
    cJSON *ratio = r->gpu ? NULL : cJSON_AddObjectToObject(root, "int8_two_threads_per_one");
    if (ratio) {
        spread_add(ratio, r->two_per_one, (size_t)r->rounds, 1);
        cJSON_AddItemToObject(ratio, "reason", r->two_per_one ? cJSON_CreateNull() : cJSON_CreateString(no_ratio));
    }
    char *text = cJSON_Print(root);
    if (text)
        puts(text);
    free(text);
    cJSON_Delete(root);
}

static void print_row(const struct roofline *r, const struct bench_limit *limit, const char *name)
{
    bool operations = limit->what.probe >= ENGINE_PROBE_INT8;
    if (r->gpu)
        printf("%-6s %-10s %-7s %7s  ", name, bench_limit_places[limit->what.place], "", "–");
    else
        printf("%-6s %-10s %-7s %7d  ", name, bench_limit_places[limit->what.place], operations ? limit->what.isa : "",
               limit->what.threads);
    if (limit->reason) {
        printf("%s\n", limit->reason);
        return;
    }
    struct spread s = spread_of(limit->samples, (size_t)r->rounds);
    printf("%8s  %8s … %-8s %s\n", number_for_people(s.median / 1e9), number_for_people(s.least / 1e9), number_for_people(s.greatest / 1e9),
           operations ? "Gop/s" : "GB/s");
}

static void print_table(const struct roofline *r)
{
    static const char *const names[ENGINE_PROBE_COUNT] = {"read", "copy", "write", "int8", "bf16", "f32"};
    printf("%-6s %-10s %-7s %7s  %8s  %8s … %s\n", "", "from", "set", "threads", "median", "least", "greatest");
    for (int i = 0; i < r->n; i++) {
        const struct engine_probing *what = &r->limits[i].what, *before = i ? &r->limits[i - 1].what : NULL;
        /* A unit that isn't there is said once, not for each place and number of threads. */
        if (before && r->limits[i].reason && r->limits[i].reason == r->limits[i - 1].reason && before->probe == what->probe)
            continue;
        if (before && !r->gpu && (what->probe != before->probe || what->isa != before->isa) && what->probe >= ENGINE_PROBE_INT8)
            printf("\n");
        print_row(r, &r->limits[i], names[what->probe]);
    }
    if (!r->two_per_one)
        return;
    struct spread s = spread_of(r->two_per_one, (size_t)r->rounds);
    printf("\nint8 of 2 threads is %s × (%s … %s) that of 1: near 1 where two CPUs share a core.\n", number_for_people(s.median),
           number_for_people(s.least), number_for_people(s.greatest));
}

static void show(void *context, int done, int total)
{
    progress_show(context, done, total);
}

/* 1, 2, 4, … and every processor that this process may use. */
static int thread_counts(const struct cli *cli, int64_t threads[MAX_THREAD_COUNTS], struct error *err)
{
    int n = 0;
    int64_t all = processors_available();
    if (cli_text(cli, "threads", NULL))
        return cli_numbers(cli, "threads", 1, 1024, "", threads, MAX_THREAD_COUNTS, err);
    for (int64_t t = 1; t < all && n + 1 < MAX_THREAD_COUNTS; t *= 2)
        threads[n++] = t;
    threads[n++] = all;
    return n;
}

static bool open_cpu(const struct cli *cli, struct roofline *r, struct error *err)
{
    int64_t threads[MAX_THREAD_COUNTS], most = 1;
    int n_threads = thread_counts(cli, threads, err);
    for (int i = 0; i < n_threads; i++)
        most = threads[i] > most ? threads[i] : most;
    if (n_threads < 0 || !(r->prober = engine_prober_open((int)most, err)))
        return false;
    r->n = cli_flag(cli, "short") ? bench_limits_short_list((int)most, &r->limits, err)
                                  : bench_limits_list(threads, n_threads, &r->limits, err);
    return r->n >= 0;
}

static bool open_gpu(const struct cli *cli, struct roofline *r, struct error *err)
{
    if (!engine_backend_exists(r->gpu))
        return error_set(err, ERROR_INPUT, "no backend \"%.32s\": cpu, cuda, hip and opencl are there", r->gpu);
    if (cli_text(cli, "threads", NULL))
        return error_set(err, ERROR_INPUT, "--threads are the CPU's: a GPU's limits are of the whole device");
    return (r->prober = engine_prober_open_gpu(r->gpu, (int)r->device, err)) && (r->n = bench_limits_gpu_list(&r->limits, err)) >= 0;
}

static bool measure(struct cli *cli, struct roofline *r, struct error *err)
{
    const char *backend = cli_text(cli, "backend", "cpu");
    int64_t rounds;
    r->gpu = strcmp(backend, "cpu") == 0 ? NULL : backend;
    if (!cli_number(cli, "rounds", 1, 1000, 10, &rounds, err) || !cli_number(cli, "device", 0, 1023, 0, &r->device, err) ||
        !cli_decimal(cli, "seconds", 0.001, 60, 0.2, &r->seconds, err) || !(r->gpu ? open_gpu : open_cpu)(cli, r, err))
        return false;
    r->rounds = (int)rounds;
    struct progress progress = progress_begin("probing");
    bool ok = bench_limits_measure(r->prober, r->limits, r->n, r->rounds, r->seconds / r->rounds, show, &progress, err) &&
              (r->gpu || compare_threads(r, err));
    progress_end(&progress);
    return ok;
}

static int run(struct cli *cli, struct error *err)
{
    struct roofline r = {0};
    if (measure(cli, &r, err)) {
        if (cli_flag(cli, "json"))
            print_json(&r);
        else
            print_table(&r);
    }
    if (r.n > 0)
        bench_limits_free(r.limits, r.n);
    engine_prober_close(r.prober);
    free(r.two_per_one);
    return 0;
}

const struct cli_verb verb_roofline = {
    .name = "roofline",
    .arguments = "",
    .summary = "Measure this machine's limits: bandwidths and peaks by instruction set",
    .text = "Rounds are short and interleaved; the table gives median, least and greatest of them. Products take\n"
            "their operands from registers, or one of the two from L2 or memory, each used once. Those of a GPU\n"
            "are timed by its own clock. docs/performance.md tells how each limit is measured.",
    .example = "jeoul roofline -t 1,2 --json",
    .run = run,
    .options = {{"threads", 't', "N,…", "numbers of threads (1, 2, 4, … and every CPU that it may use)"},
                {"seconds", 0, "S", "of each limit, over all rounds (0.2)"},
                {"rounds", 0, "N", "interleaved rounds (10)"},
                {"short", 0, NULL, "only the limits that a run records, for 1 and all threads"},
                {"backend", 0, "NAME", "cpu, cuda, hip or opencl (cpu)"},
                {"device", 0, "N", "of that GPU driver; 'jeoul system' lists them (0)"},
                {"json", 0, NULL, "the result as JSON"}},
};
