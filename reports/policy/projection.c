/* Roofline projections: see projection.h. */
#include "reports/policy/projection.h"

#include <math.h>

static const double memory_used = 0.9; // of a device's memory; the rest is for activations and the runtime
enum { MAX_DEVICES = 1024 };

/* Bytes of weights that a step with `rows` tokens reads: what every token passes, and the experts that at least one of them chose, with
 * choices taken as independent and uniform: 1 − (1 − k/E)^rows of all. */
static double weights_read(const struct model_shape *m, const struct serving *s, double rows)
{
    double total = m->total_parameters_b * 1e9, active = m->active_parameters_b * 1e9;
    if (s->dense || m->experts <= 0)
        return s->bytes_per_parameter * (s->dense ? total : active);
    double share = m->top_k / m->experts, embedding = m->d_model * m->vocabulary;
    double experts = fmax(total - embedding - active, 0) / (1 - share), common = fmax(active - share * experts, 0);
    return s->bytes_per_parameter * (common + experts * (1 - pow(1 - share, rows)));
}

void projection_mix(double prefill, double decode, const struct serving *s, struct projection *out)
{
    out->prefill_tok_per_s = prefill;
    out->decode_tok_per_s = decode;
    double seconds = s->input_tokens / prefill + s->output_tokens / decode; // of a device, for one request
    out->tok_per_s = (s->input_tokens + s->output_tokens) / seconds;
    out->output_tok_per_s = s->output_tokens / seconds;
}

bool projection_make(const struct device *d, const struct model_shape *m, const struct serving *s, struct projection *out,
                     struct error *err)
{
    *out = (struct projection){0};
    const struct quantity *peak = s->bytes_per_parameter <= 1 ? &d->fp8_tflops : &d->bf16_tflops;
    if (isnan(d->memory_gb.value) || isnan(d->read_bandwidth_gb_per_s.value) || isnan(peak->value))
        return error_set(err, ERROR_INPUT, "%s: the catalogue does not know its memory, its bandwidth or its %s peak", d->name,
                         peak == &d->fp8_tflops ? "FP8" : "BF16");
    double weights = s->bytes_per_parameter * m->total_parameters_b * 1e9, kv = s->kv_bytes_ratio * m->kv_bytes_per_token;
    double longest = s->input_tokens + s->output_tokens, mean = s->input_tokens + s->output_tokens / 2;
    double usable = memory_used * d->memory_gb.value * 1e9 - s->requests_per_device * longest * kv;
    for (out->devices = 1; out->devices * usable < weights; out->devices *= 2)
        if (out->devices >= MAX_DEVICES)
            return error_set(err, ERROR_INPUT,
                             "%s with %.0f requests of %.0f tokens a device does not fit into %d × %s (%.0f GB each); take fewer requests, "
                             "shorter ones, or a device with more memory",
                             m->id, s->requests_per_device, longest, MAX_DEVICES, d->name, d->memory_gb.value);
    double rows = s->requests_per_device * out->devices, active = (s->dense ? m->total_parameters_b : m->active_parameters_b) * 1e9;
    double bandwidth = s->bandwidth_share * d->read_bandwidth_gb_per_s.value * 1e9, operations = s->compute_share * peak->value * 1e12;
    out->weights_read_bytes = weights_read(m, s, rows);
    double by_bandwidth = (out->weights_read_bytes + rows * mean * kv) / (out->devices * bandwidth),
           by_operations = 2 * active * rows / (out->devices * operations), step = fmax(by_bandwidth, by_operations);
    out->decode_by_bandwidth = by_bandwidth >= by_operations;
    out->interactivity_tok_per_s = 1 / step;
    projection_mix(operations / (2 * active), s->requests_per_device / step, s, out);
    return true;
}
