/* The verbs, one file each (cmd_NAME.c). */
#ifndef JEOUL_VERBS_H
#define JEOUL_VERBS_H

#include "harness/cli.h"
#include "harness/open.h"

extern const struct cli_verb verb_run, verb_bench, verb_roofline, verb_eval, verb_logits, verb_verify, verb_tokenize, verb_generate,
    verb_inspect, verb_corpus, verb_train, verb_distill, verb_synth, verb_quantize, verb_tasks, verb_fetch, verb_nightly, verb_compare,
    verb_compare_evals, verb_kl, verb_policy, verb_report, verb_system, verb_results, verb_help, verb_version, verb_cell;

#endif
