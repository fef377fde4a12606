/* The table of verbs. */
#include "harness/verbs.h"

const struct cli_verb *const cli_verbs[] = {&verb_bench,    &verb_eval,     &verb_synth, &verb_inspect, &verb_logits,
                                            &verb_tokenize, &verb_generate, &verb_help,  &verb_version, NULL};
