/* The loops of training, every instruction set against the plain ones, over odd sizes; matrix products against their definition. */
#include "tests/support.h"

#include "base/random.h"
#include "engine/cpu/cpu.h"
#include "engine/train/gemm.h"

#include <string.h>

enum { MOST = 300 };

static float a[MOST], b[MOST], c[MOST], d[MOST], other[MOST], more[MOST];

static void fill(float *x, size_t n, uint64_t seed)
{
    struct random random = random_seed(seed, n);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)random_normal(&random);
}

static const struct cpu_training *kernels_named(const char *isa)
{
    struct error err = {0};
    const struct cpu_kernels *kernels = cpu_kernels_choose(isa, &err);
    cr_assert_not_null(kernels, "%s", err.message);
    return kernels->training;
}

static void expect_near(const float *x, const float *wanted, size_t n, const char *what, const char *isa, size_t size)
{
    double error = nmse(x, wanted, n);
    cr_expect(error < 1e-11, "%s of %s at %zu: NMSE %.3g", what, isa, size, error);
}

static const size_t sizes[] = {2, 3, 7, 8, 16, 17, 31, 33, 64, 100, 255};

#define EACH_SIZE_AND_ISA(isa, n)                                                                                                          \
    for (const char *const *isa = engine_isas(); *isa; isa++)                                                                              \
        for (size_t i_##n = 0, n; i_##n < sizeof sizes / sizeof *sizes && (n = sizes[i_##n], true); i_##n++)

Test(training_kernels, softmax_and_its_sum_agree)
{
    EACH_SIZE_AND_ISA(isa, n)
    {
        fill(a, n, 1);
        for (size_t i = 0; i < n; i++)
            a[i] *= 5;
        memcpy(b, a, sizeof a);
        double sum = kernels_named(*isa)->softmax(a, (int64_t)n), wanted = cpu_training_scalar.softmax(b, (int64_t)n);
        expect_near(a, b, n, "softmax", *isa, n);
        cr_expect_float_eq(sum, wanted, 1e-5);
    }
}

Test(training_kernels, backward_loops_agree)
{
    EACH_SIZE_AND_ISA(isa, n)
    {
        int64_t size = (int64_t)n;
        const struct cpu_training *k = kernels_named(*isa), *s = &cpu_training_scalar;
        fill(a, n, 1);
        fill(b, n, 2);
        fill(c, n, 3);
        k->swiglu_back(d, other, a, b, c, size);
        float d_scalar[MOST], other_scalar[MOST];
        s->swiglu_back(d_scalar, other_scalar, a, b, c, size);
        expect_near(d, d_scalar, n, "swiglu's gate", *isa, n);
        expect_near(other, other_scalar, n, "swiglu's up", *isa, n);
        for (int add = 0; add < 2; add++) {
            fill(d, n, 4);
            fill(other, n, 5);
            memcpy(d_scalar, d, sizeof d);
            memcpy(other_scalar, other, sizeof other);
            k->norm_back(d, other, a, b, c, size, 1e-5f, add);
            s->norm_back(d_scalar, other_scalar, a, b, c, size, 1e-5f, add);
            expect_near(d, d_scalar, n, "the norm's input", *isa, n);
            expect_near(other, other_scalar, n, "the norm's weight", *isa, n);
        }
        cr_expect(fabs(k->sum_squares(a, size) / s->sum_squares(a, size) - 1) < 1e-6);
    }
}

Test(training_kernels, rows_of_attention_agree)
{
    EACH_SIZE_AND_ISA(isa, n)
    {
        enum { ROWS = 5, STRIDE = 52 };
        int64_t width = (int64_t)(n < 50 ? n : 50);
        const struct cpu_training *k = kernels_named(*isa), *s = &cpu_training_scalar;
        fill(a, MOST, 1);
        fill(b, MOST, 2);
        fill(c, ROWS, 3);
        k->dots(d, b, a, ROWS, width, STRIDE, 0.7f);
        s->dots(other, b, a, ROWS, width, STRIDE, 0.7f);
        expect_near(d, other, ROWS, "dots", *isa, n);
        fill(d, MOST, 4);
        memcpy(other, d, sizeof d);
        k->combine(d, c, a, ROWS, width, STRIDE);
        s->combine(other, c, a, ROWS, width, STRIDE);
        expect_near(d, other, MOST, "combine", *isa, n);
        memcpy(more, a, sizeof a);
        k->spread(a, c, b, ROWS, width, STRIDE);
        s->spread(more, c, b, ROWS, width, STRIDE);
        expect_near(a, more, MOST, "spread", *isa, n);
    }
}

/* One step by hand: g 0.5, m and v from 0, both corrections. */
Test(training_kernels, adamw_is_what_the_paper_says)
{
    for (const char *const *isa = engine_isas(); *isa; isa++) {
        float w[3] = {1, -2, 0}, m[3] = {0}, v[3] = {0}, g[3] = {0.5f, -0.25f, 0};
        struct adamw step = {
            .beta1 = 0.9f, .beta2 = 0.95f, .epsilon = 1e-8f, .rate = 0.1f, .decay = 0.1f, .scale = 1, .m_factor = 10, .v_factor = 20};
        kernels_named(*isa)->adamw(w, m, v, g, 3, &step);
        const float wanted[3] = {1 - 0.1f - 0.01f, -2 + 0.1f + 0.02f, 0};
        for (int i = 0; i < 3; i++)
            cr_expect_float_eq(w[i], wanted[i], 1e-6);
        cr_expect_float_eq(m[0], 0.05, 1e-7);
        cr_expect_float_eq(v[0], 0.0125, 1e-7);
    }
}

/* --- products
 * ------------------------------------------------------------------------------------------------------------------------------- */

struct team {
    struct gemm gemm;
    const struct product *p;
};

static void alone(void *context, int thread, int threads)
{
    (void)threads;
    struct team *team = context;
    if (thread == 0)
        gemm_alone(&team->gemm, 0, team->p);
}

static void check_product(struct team *team, int64_t m, int64_t n, int64_t k, bool a_turned, bool b_turned, bool add, const char *isa)
{
    int64_t stride = n + 3;
    float *x = calloc((size_t)(m * k), sizeof *x), *y = calloc((size_t)(k * n), sizeof *y),
          *out = calloc((size_t)(m * stride), sizeof *out), *by_one = calloc((size_t)(m * stride), sizeof *out),
          *wanted = calloc((size_t)(m * stride), sizeof *wanted);
    fill(x, (size_t)(m * k), 1);
    fill(y, (size_t)(k * n), 2);
    fill(out, (size_t)(m * stride), 3);
    memcpy(wanted, out, (size_t)(m * stride) * sizeof *out);
    memcpy(by_one, out, (size_t)(m * stride) * sizeof *out);
    struct product p = {.c = out, .stride = stride, .m = m, .n = n, .k = k, .add = add};
    p.a = a_turned ? transposed(x, m) : as_is(x, k);
    p.b = b_turned ? transposed(y, k) : as_is(y, n);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = add ? (double)wanted[i * stride + j] : 0;
            for (int64_t l = 0; l < k; l++)
                sum += (double)p.a.at[i * p.a.row + l * p.a.col] * (double)p.b.at[l * p.b.row + j * p.b.col];
            wanted[i * stride + j] = (float)sum;
        }
    gemm_together(&team->gemm, &p);
    double error = nmse(out, wanted, (size_t)(m * stride));
    cr_expect(error < 1e-11, "%s: %lld × %lld × %lld, %d %d %d: NMSE %.3g", isa, (long long)m, (long long)n, (long long)k, a_turned,
              b_turned, add, error);
    p.c = by_one;
    team->p = &p;
    pool_run(team->gemm.pool, alone, team);
    cr_expect(memcmp(out, by_one, (size_t)(m * stride) * sizeof *out) == 0, "%s: together and alone differ in bits", isa);
    free(x);
    free(y);
    free(out);
    free(by_one);
    free(wanted);
}

Test(training_kernels, products_are_those_of_the_definition)
{
    static const int64_t shapes[][3] = {{1, 1, 1}, {5, 3, 2}, {12, 32, 256}, {13, 33, 257}, {150, 40, 600}, {31, 100, 1}, {200, 7, 64}};
    struct error err = {0};
    struct pool *pool = pool_open(3, &err);
    cr_assert_not_null(pool, "%s", err.message);
    for (const char *const *isa = engine_isas(); *isa; isa++) {
        struct team team = {0};
        cr_assert(gemm_open(&team.gemm, kernels_named(*isa), pool, 600 * 128, 600 * 128, &err), "%s", err.message);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (int how = 0; how < 8; how++)
                check_product(&team, shapes[i][0], shapes[i][1], shapes[i][2], how & 1, how & 2, how & 4, *isa);
        gemm_close(&team.gemm);
    }
    pool_close(pool);
}
