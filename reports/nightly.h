/* Nightly: is tonight's run like those before it? Decisions are pure functions of runs that the store keeps. docs/nightly.md says why.
 *
 * A series is one number that every night gives: a throughput of one configuration (the median of its repeats), or a task's accuracy. */
#ifndef JEOUL_NIGHTLY_H
#define JEOUL_NIGHTLY_H

#include "reports/reports.h"
#include "reports/statistics.h"

enum nightly_state { NIGHTLY_OK, NIGHTLY_SUSPECT, NIGHTLY_CONFIRMED, NIGHTLY_IMPROVED, NIGHTLY_NOISY, NIGHTLY_NO_DATA, NIGHTLY_STATES };
extern const char *const nightly_state_names[NIGHTLY_STATES]; // "ok" … "no-data"

enum { NIGHTLY_LEAST_HISTORY = 5, NIGHTLY_RERUNS = 3 };

struct nightly_verdict {
    enum nightly_state state;
    struct ratio ratio; // tonight against the history; all 0 with NO_DATA
    double effect;      // the smallest change that counts, as a fraction: the greater of the declared and the minimum detectable one
};

/* history: one value for each earlier run of the segment; tonight: the value of tonight's run, and of its reruns. A change of at least
 * `effect` is SUSPECT after one run. After reruns it is CONFIRMED (worse: lower) or IMPROVED when the interval of the ratio excludes 1,
 * else OK. NOISY: the minimum detectable effect, 2.8 · 1.4826 · MAD / median · sqrt(1/n_history + 1/n_tonight) (α = 0.05 two-sided, power
 * 0.8), exceeds 50 %. Fewer than NIGHTLY_LEAST_HISTORY values: NO_DATA. */
bool nightly_judge(const double *history, size_t n_history, const double *tonight, size_t n_tonight, double minimum_effect,
                   struct nightly_verdict *out, struct error *err) MUST_CHECK;

/* earlier: run documents of the same plan, oldest first, each night's reruns (rerun_of) behind it; tonight: tonight's run document and then
 * those of its reruns. Runs of another machine or compiler (system.id) are other segments: they are shown and never compared. Schema
 * jeoul/nightly/1, docs/nightly.md.
 */
cJSON *nightly_figures(const cJSON *earlier, const cJSON *tonight, double minimum_effect, struct error *err) MUST_CHECK;

/* Whether a cell belongs to a series of that state. */
bool nightly_has_cell(const cJSON *figures, enum nightly_state state, const char *cell);
int nightly_count(const cJSON *figures, enum nightly_state state);

/* Writes nightly.json, nightly.ko.html and nightly.en.html into the directory. */
bool nightly_write(const cJSON *figures, const char *directory, struct error *err) MUST_CHECK;

#endif
