/* The table and the JSON of `jeoul bench`: see bench_report.h. One pass makes both, so that they cannot differ. */
#include "harness/bench_report.h"

#include "base/memory.h"
#include "harness/spread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char bench_no_limits[] = "not probed: --no-limits";
static const char *const phase_names[2] = {"prefill", "decode"}, *const utilisation_names[2] = {"mfu", "mbu"};

cJSON *bench_summary_json(const struct summary *s)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "median", s->median);
    cJSON_AddNumberToObject(object, "ci95_low", s->ci95_low);
    cJSON_AddNumberToObject(object, "ci95_high", s->ci95_high);
    if (s->n > 1)
        cJSON_AddNumberToObject(object, "cv", s->cv);
    else
        cJSON_AddNullToObject(object, "cv");
    cJSON_AddNumberToObject(object, "n", (double)s->n);
    cJSON_AddNumberToObject(object, "min", s->minimum);
    cJSON_AddNumberToObject(object, "max", s->maximum);
    return object;
}

/* Each operation's share of the engine's time. */
static cJSON *shares_json(const double op_ns[ENGINE_OP_COUNT])
{
    cJSON *shares = cJSON_CreateObject();
    double total = 0;
    for (int op = 0; op < ENGINE_OP_COUNT; op++)
        total += op_ns[op];
    for (int op = 0; op < ENGINE_OP_COUNT && total > 0; op++)
        cJSON_AddNumberToObject(shares, engine_op_names[op], op_ns[op] / total);
    return shares;
}

/* A phase of a configuration as columns. */
struct row {
    const struct bench_configuration *c;
    int phase, tokens, depth;
    bool limited; // limits were probed
    struct summary tok_per_s;
    double *read, *operations, *utilisation, *reached; // [repeats] each, of one allocation
};

static bool row_of(const struct benching *b, const struct bench_configuration *c, int phase, struct row *row, struct error *err)
{
    const struct bench_workload *w = &c->workload;
    size_t n = (size_t)b->repeats;
    double *columns = memory_array(5 * n, sizeof *columns, "samples", err);
    *row = (struct row){.c = c,
                        .phase = phase,
                        .tokens = phase == BENCH_PREFILL ? w->prompt_tokens : w->generate_tokens,
                        .depth = w->depth + (phase == BENCH_PREFILL ? 0 : w->prompt_tokens),
                        .limited = b->beside.prober != NULL,
                        .read = columns};
    if (!columns)
        return false;
    row->operations = columns + n;
    row->utilisation = columns + 2 * n;
    row->reached = columns + 3 * n;
    double *rates = columns + 4 * n;
    for (size_t i = 0; i < n; i++) {
        const struct bench_sample *sample = &c->samples[phase][i];
        row->read[i] = sample->read_bytes_per_s;
        row->operations[i] = sample->operations_per_s;
        row->utilisation[i] = sample->utilisation;
        row->reached[i] = sample->reached;
        rates[i] = sample->tok_per_s;
    }
    return statistics_summary(rates, n, 1, &row->tok_per_s, err);
}

static const char *unit_name(const struct benching *b)
{
    return b->beside.unit == ENGINE_PROBE_INT8 ? "int8" : b->beside.unit == ENGINE_PROBE_BF16 ? "bf16" : "f32";
}

static void add_number_or_null(cJSON *object, const char *name, bool there, double value)
{
    cJSON_AddItemToObject(object, name, there ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

/* limit_read_gb_per_s and limit_UNIT_gop_per_s: what was probed beside each repeat. */
static void add_limits(const struct benching *b, const struct row *row, cJSON *object)
{
    char name[48];
    size_t n = (size_t)b->repeats;
    snprintf(name, sizeof name, "limit_%s_gop_per_s", unit_name(b));
    spread_add(cJSON_AddObjectToObject(object, "limit_read_gb_per_s"), row->limited ? row->read : NULL, n, 1e-9);
    spread_add(cJSON_AddObjectToObject(object, name), row->limited ? row->operations : NULL, n, 1e-9);
    cJSON_AddItemToObject(object, "limit_reason", row->limited ? cJSON_CreateNull() : cJSON_CreateString(b->not_probed));
}

/* What the roofline allows for the experts, weights and cache that decode really read, and how much of it was reached. */
static void add_prediction(const struct benching *b, const struct row *row, cJSON *object)
{
    cJSON *roofline = cJSON_AddObjectToObject(object, "roofline");
    size_t n = (size_t)b->repeats, reading = 0;
    double *allowed = row->read; // columns are written already: their room is free for another
    for (size_t i = 0; i < n; i++) {
        const struct bench_sample *sample = &row->c->samples[row->phase][i];
        reading += sample->bound_by_read;
        allowed[i] = row->limited ? sample->tok_per_s / sample->reached : 0;
    }
    add_number_or_null(roofline, "tok_per_s", row->limited, statistics_median(allowed, n));
    add_number_or_null(roofline, "reached", row->limited, statistics_median(row->reached, n));
    cJSON_AddItemToObject(roofline, "bound",
                          !row->limited ? cJSON_CreateNull() : cJSON_CreateString(2 * reading >= n ? "read" : "operations"));
}

static void add_samples(const struct benching *b, const struct row *row, cJSON *object)
{
    char name[48];
    snprintf(name, sizeof name, "limit_%s_gop_per_s", unit_name(b));
    cJSON *array = cJSON_AddArrayToObject(object, "samples");
    for (int i = 0; i < b->repeats; i++) {
        const struct bench_sample *sample = &row->c->samples[row->phase][i];
        cJSON *entry = cJSON_CreateObject();
        cJSON_AddNumberToObject(entry, "tok_per_s", sample->tok_per_s);
        add_number_or_null(entry, "limit_read_gb_per_s", row->limited, sample->read_bytes_per_s / 1e9);
        add_number_or_null(entry, name, row->limited, sample->operations_per_s / 1e9);
        add_number_or_null(entry, utilisation_names[row->phase], row->limited, sample->utilisation);
        if (row->phase == BENCH_DECODE)
            add_number_or_null(entry, "reached", row->limited, sample->reached);
        cJSON_AddItemToArray(array, entry);
    }
}

static cJSON *row_json(const struct benching *b, const struct row *row)
{
    cJSON *object = cJSON_CreateObject();
    const struct bench_workload *w = &row->c->workload;
    cJSON_AddStringToObject(object, "phase", phase_names[row->phase]);
    cJSON_AddNumberToObject(object, "tokens", row->tokens);
    cJSON_AddNumberToObject(object, "depth", row->depth);
    cJSON_AddNumberToObject(object, "batch", w->batch);
    cJSON_AddNumberToObject(object, "threads", w->threads);
    cJSON_AddItemToObject(object, "tok_per_s", bench_summary_json(&row->tok_per_s));
    add_number_or_null(object, utilisation_names[row->phase], row->limited, statistics_median(row->utilisation, (size_t)b->repeats));
    /* Every repeat does the same work. */
    cJSON_AddNumberToObject(object, "bytes_per_token", row->c->samples[row->phase][0].bytes_per_token);
    cJSON_AddNumberToObject(object, "operations_per_token", row->c->samples[row->phase][0].operations_per_token);
    add_limits(b, row, object);
    add_samples(b, row, object);
    if (row->phase == BENCH_DECODE)
        add_prediction(b, row, object);
    bool on_cpu = strcmp(engine_facts(b->o.engine).backend, "cpu") == 0;
    cJSON_AddItemToObject(object, "op_share", on_cpu ? shares_json(row->c->op_ns[row->phase]) : cJSON_CreateNull());
    cJSON_AddItemToObject(object, "op_share_reason",
                          on_cpu ? cJSON_CreateNull() : cJSON_CreateString("operations of a GPU are not timed one by one"));
    const char *untimed = row->c->device_reason;
    add_number_or_null(object, "device_share", !untimed, row->c->device_ns[row->phase] / row->c->wall_ns[row->phase]);
    cJSON_AddItemToObject(object, "device_share_reason", untimed ? cJSON_CreateString(untimed) : cJSON_CreateNull());
    return object;
}

/* How fast weights were packed, beside how fast this machine copies. */
static double pack_rate(const struct engine_facts *facts)
{
    return facts->pack_ns ? (double)facts->packed_from_bytes * 1e9 / (double)facts->pack_ns : 0;
}

static void add_load(const struct benching *b, const struct engine_facts *facts, cJSON *root)
{
    cJSON *load = cJSON_AddObjectToObject(root, "load");
    double rate = pack_rate(facts);
    cJSON_AddNumberToObject(load, "seconds", (double)facts->load_ns * 1e-9);
    cJSON_AddStringToObject(load, "pack_cache", engine_pack_cache_names[facts->pack_cache]);
    cJSON_AddNumberToObject(load, "packed_bytes", (double)facts->packed_bytes);
    cJSON_AddNumberToObject(load, "packed_from_bytes", (double)facts->packed_from_bytes);
    const struct {
        const char *name;
        double value; // 0: there is none
    } numbers[] = {{"pack_seconds", (double)facts->pack_ns * 1e-9},
                   {"memory_seconds", (double)facts->memory_ns * 1e-9},
                   {"pack_bytes_per_s", rate},
                   {"copy_bytes_per_s", b->copy_bytes_per_s},
                   {"pack_share_of_copy", b->copy_bytes_per_s > 0 ? rate / b->copy_bytes_per_s : 0}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        add_number_or_null(load, numbers[i].name, numbers[i].value > 0, numbers[i].value);
}

static void print_load(const struct benching *b, const struct engine_facts *facts)
{
    double rate = pack_rate(facts);
    printf("loaded in %s s", number_for_people((double)facts->load_ns * 1e-9));
    if (facts->pack_cache == ENGINE_PACK_CACHE_USED)
        printf(", found packed");
    else if (rate > 0)
        printf(", packed at %s/s", bytes_for_people(rate));
    if (rate > 0 && b->copy_bytes_per_s > 0)
        printf(", %s %% of copying", number_for_people(100 * rate / b->copy_bytes_per_s));
    printf("\n");
}

static void print_head(const struct benching *b)
{
    printf("%s, %s, %s\n\n%-7s %6s %6s %5s %3s %9s  %-17s %7s %7s\n", b->o.info.name, b->o.info.quantisation, engine_facts(b->o.engine).isa,
           "phase", "tokens", "depth", "batch", "thr", "tok/s", "95 % interval", "of unit", "of read");
}

/* Prefill is set beside the unit's peak, decode beside read bandwidth. */
static void print_row(const struct benching *b, const struct row *row)
{
    const struct bench_workload *w = &row->c->workload;
    double utilisation = statistics_median(row->utilisation, (size_t)b->repeats);
    char of_limit[2][16] = {"", ""}, interval[48];
    if (row->limited)
        snprintf(of_limit[row->phase], sizeof *of_limit, "%.0f %%", 100 * utilisation);
    else
        snprintf(of_limit[row->phase], sizeof *of_limit, "–");
    snprintf(interval, sizeof interval, "%s … %s", number_for_people(row->tok_per_s.ci95_low), number_for_people(row->tok_per_s.ci95_high));
    printf("%-7s %6d %6d %5d %3d %9s  %-17s %9s %7s\n", phase_names[row->phase], row->tokens, row->depth, w->batch, w->threads,
           number_for_people(row->tok_per_s.median), interval, of_limit[0], of_limit[1]);
}

bool bench_report(const struct benching *b, bool json, struct error *err)
{
    struct engine_facts facts = engine_facts(b->o.engine);
    cJSON *root = cJSON_CreateObject(), *results = cJSON_AddArrayToObject(root, "results");
    cJSON_AddStringToObject(root, "model", b->o.info.name);
    cJSON_AddStringToObject(root, "quantisation", b->o.info.quantisation);
    cJSON_AddStringToObject(root, "backend", facts.backend);
    cJSON_AddStringToObject(root, "isa", facts.isa);
    cJSON_AddNumberToObject(root, "load_ns", (double)facts.load_ns);
    cJSON_AddNumberToObject(root, "context", facts.context_length);
    add_load(b, &facts, root);
    if (!json)
        print_head(b);
    bool ok = true;
    for (int i = 0; ok && i < b->n; i++)
        for (int phase = 0; ok && phase < 2; phase++) {
            const struct bench_workload *w = &b->configurations[i].workload;
            if (!(phase == BENCH_PREFILL ? w->prompt_tokens : w->generate_tokens))
                continue;
            struct row row;
            ok = row_of(b, &b->configurations[i], phase, &row, err);
            if (ok && json)
                cJSON_AddItemToArray(results, row_json(b, &row));
            else if (ok)
                print_row(b, &row);
            free(row.read);
        }
    if (!json && ok)
        print_load(b, &facts);
    char *text = json && ok ? cJSON_Print(root) : NULL;
    if (text)
        puts(text);
    free(text);
    cJSON_Delete(root);
    return ok;
}
