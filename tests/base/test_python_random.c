/* Python's draws: known ones, and every one of the vectors. */
#include "tests/support.h"

#include "base/json.h"
#include "base/python_random.h"

#include <string.h>

enum { MOST = 64 };

static void expect_sample(struct python_random *random, uint32_t n, uint32_t k, const uint32_t *wanted, const char *what)
{
    struct error err = {0};
    uint32_t drawn[MOST];
    cr_assert(k <= MOST && python_random_sample(random, n, k, drawn, &err), "%s", err.message);
    for (uint32_t i = 0; i < k; i++)
        cr_expect_eq(drawn[i], wanted[i], "%s: draw %u is %u, not %u", what, i, drawn[i], wanted[i]);
}

Test(python_random, samples_of_random_1234)
{
    struct python_random random;
    python_random_seed(&random, 1234);
    expect_sample(&random, 7473, 5, (const uint32_t[]){6374, 3610, 957, 61, 742}, "by rejection");
    expect_sample(&random, 7473, 5, (const uint32_t[]){7462, 6610, 4769, 286, 5501}, "the stream goes on");
    python_random_seed(&random, 1234);
    expect_sample(&random, 5, 5, (const uint32_t[]){3, 0, 4, 2, 1}, "from a list");
    python_random_seed(&random, 1234);
    expect_sample(&random, 1, 1, (const uint32_t[]){0}, "one of one");
    expect_sample(&random, 1, 0, NULL, "nothing");
}

Test(python_random, every_sample_of_the_vectors)
{
    NEEDS_SHARED("evalsets/scoring-vectors.json");
    struct error err = {0};
    cJSON *all = json_read(shared_path("evalsets/scoring-vectors.json"), 1 << 24, &err);
    cr_assert_not_null(all, "%s", err.message);
    const cJSON *vector, *sample, *one;
    int compared = 0;
    cJSON_ArrayForEach(vector, cJSON_GetObjectItem(all, "py_random_1234")) {
        struct python_random random;
        unsigned n, k;
        if (sscanf(vector->string, "sample_range%u_k%u", &n, &k) != 2)
            continue;
        python_random_seed(&random, 1234);
        cJSON_ArrayForEach(sample, vector) {
            uint32_t wanted[MOST], at = 0;
            cJSON_ArrayForEach(one, sample)
                wanted[at++] = (uint32_t)one->valueint;
            expect_sample(&random, n, k, wanted, vector->string);
            compared++;
        }
    }
    cr_expect_geq(compared, 18, "%d samples were compared", compared);
    cJSON_Delete(all);
}
