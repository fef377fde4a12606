/* The table of verbs. */
#include "harness/verbs.h"

const struct cli_verb *const cli_verbs[] = {
    &verb_run,      &verb_bench,         &verb_roofline, &verb_eval,   &verb_tasks,   &verb_fetch,   &verb_nightly,
    &verb_compare,  &verb_compare_evals, &verb_kl,       &verb_policy, &verb_report,  &verb_results, &verb_system,
    &verb_inspect,  &verb_synth,         &verb_quantize, &verb_corpus, &verb_train,   &verb_distill, &verb_generate,
    &verb_tokenize, &verb_logits,        &verb_verify,   &verb_help,   &verb_version, &verb_cell,    NULL};
