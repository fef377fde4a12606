/* What a device would do with a model, by the roofline: a projection, never a measurement. Private to reports. docs/policy.md, F1–F3.
 *
 * Left out: attention's own operations in prefill, transfers between devices, imbalance of experts. What they cost is in the shares of the
 * limits that the scenario states. */
#ifndef JEOUL_POLICY_PROJECTION_H
#define JEOUL_POLICY_PROJECTION_H

#include "reports/policy/catalog.h"

struct serving {
    double requests_per_device;            // at once
    double input_tokens, output_tokens;    // of a request
    double bytes_per_parameter;            // as the weights are stored; 1 means FP8 arithmetic, 2 BF16
    double kv_bytes_ratio;                 // of the F16 cache's bytes
    double bandwidth_share, compute_share; // of the limits reached
    bool dense;                            // as if every parameter were active
};

struct projection {
    double devices;                             // that hold one copy of the model: the least power of two
    double prefill_tok_per_s, decode_tok_per_s; // of one device that does nothing else
    double tok_per_s;                           // input and output together, of one device that serves the mix without a pause
    double output_tok_per_s;                    // of these, output
    double interactivity_tok_per_s;             // of one user, while a step decodes
    double weights_read_bytes;                  // by a decode step, of one copy
    bool decode_by_bandwidth;                   // what limits decode: bandwidth, or operations
};

/* Roofline (Williams, Waterman and Patterson 2009). Fails where the model does not fit into 1,024 devices, or where the catalogue does not
 * know what is needed. */
bool projection_make(const struct device *device, const struct model_shape *model, const struct serving *serving, struct projection *out,
                     struct error *err) MUST_CHECK;

/* From measured throughputs of prefill and decode: the same mix, without the roofline. */
void projection_mix(double prefill_tok_per_s, double decode_tok_per_s, const struct serving *serving, struct projection *out);

#endif
