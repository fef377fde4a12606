/* Operations of the CPU backend against their definitions, in double: attention with windows, sinks, many heads and the latent cache over
 * several pages; the router's choices. */
#include "tests/backends.h"

#include <string.h>

enum { POSITIONS = 3 * PAGE_TOKENS + 7, PAGES = POSITIONS / PAGE_TOKENS + 1 };

static struct backend *open_backend(const char *isa, int threads, int rows, int experts)
{
    struct error err = {0};
    struct engine_options options = {.threads = threads, .isa = isa};
    struct backend_limits limits = {
        .n_layers = 1, .n_experts = experts, .max_rows = rows, .max_width = 8192, .max_columns = 64, .n_embd = 64, .top_k = 4, .n_ff = 64};
    struct backend *backend = cpu_backend_open(&options, &limits, &err);
    cr_assert_not_null(backend, "%s", err.message);
    return backend;
}

struct buffer; // the backend's: values go in through an addition to a cleared one
static struct buffer *filled(struct backend *b, const float *values, size_t n)
{
    struct error err = {0};
    struct buffer *buffer = b->ops->buffer_new(b, n, &err);
    struct tensor tensor = {.data = values};
    struct weight weight = {.tensor = &tensor, .cols = (int64_t)n, .rows = 1, .experts = 1};
    cr_assert_not_null(buffer, "%s", err.message);
    b->ops->add_bias(b, buffer, &weight, 1); // buffers are zeroed when they are made
    return buffer;
}

static void check_attention(const char *isa, int threads, int step, const struct attention_setting *s)
{
    struct random random = random_seed(5, 0);
    struct error err = {0};
    size_t rows = POSITIONS, nq = (size_t)s->n_heads * (size_t)s->k_dim, nk = (size_t)s->n_kv_heads * (size_t)s->k_dim,
           nv = (size_t)s->n_kv_heads * (size_t)s->v_dim, no = (size_t)s->n_heads * (size_t)s->v_dim;
    struct attention_data d = {.q = random_values(&random, rows * nq),
                               .k = random_values(&random, rows * nk),
                               .v = random_values(&random, rows * nv),
                               .sinks = random_values(&random, (size_t)s->n_heads)};
    float *all = malloc(rows * no * sizeof *all);
    struct backend *b = open_backend(isa, threads, POSITIONS, 0);
    struct kv_shape shape = {.type = s->type,
                             .n_layers = 1,
                             .n_kv_heads = s->n_kv_heads,
                             .k_dim = s->k_dim,
                             .v_dim = s->v_dim,
                             .v_in_k = s->v_in_k,
                             .n_pages = PAGES};
    cr_assert(b->ops->kv_open(b, &shape, &err), "%s", err.message);
    struct tensor sink_tensor = {.data = d.sinks};
    struct weight sinks = {.tensor = &sink_tensor, .cols = s->n_heads, .rows = 1, .experts = 1};
    struct attention attention = {.n_heads = s->n_heads,
                                  .n_kv_heads = s->n_kv_heads,
                                  .k_dim = s->k_dim,
                                  .v_dim = s->v_dim,
                                  .scale = 1.0f / sqrtf((float)s->k_dim),
                                  .window = s->window,
                                  .sinks = s->sinks ? &sinks : NULL};
    int32_t page_numbers[PAGES], positions[POSITIONS];
    const int32_t *pages[POSITIONS];
    for (int i = 0; i < PAGES; i++)
        page_numbers[i] = PAGES - 1 - i; // pages needn't be in order
    for (int i = 0; i < POSITIONS; i++) {
        positions[i] = i;
        pages[i] = page_numbers;
    }
    for (int at = 0; at < POSITIONS; at += step) {
        int n = POSITIONS - at < step ? POSITIONS - at : step;
        struct batch batch = {.n = n, .positions = positions + at, .pages = pages + at};
        struct buffer *q = filled(b, d.q + (size_t)at * nq, (size_t)n * nq), *k = filled(b, d.k + (size_t)at * nk, (size_t)n * nk),
                      *v = filled(b, d.v + (size_t)at * nv, (size_t)n * nv), *out = b->ops->buffer_new(b, (size_t)n * no, &err);
        b->ops->kv_store(b, 0, k, s->v_in_k ? NULL : v, &batch);
        b->ops->attend(b, out, q, 0, &attention, &batch);
        b->ops->buffer_read(b, out, 0, (size_t)n * no, all + (size_t)at * no);
        struct buffer *buffers[] = {q, k, v, out};
        for (int i = 0; i < 4; i++)
            b->ops->buffer_free(b, buffers[i]);
    }
    for (int p = 0; p < POSITIONS; p += 13)
        for (int head = 0; head < s->n_heads; head += 3)
            for (int i = 0; i < s->v_dim; i += 7) {
                double wanted = attended(s, &d, p, head, i),
                       got = (double)all[(size_t)p * no + (size_t)head * (size_t)s->v_dim + (size_t)i];
                cr_assert_float_eq(got, wanted, 2e-5, "%s, %d heads, window %d, steps of %d: position %d, head %d, value %d: %g, wanted %g",
                                   isa, s->n_heads, s->window, step, p, head, i, got, wanted);
            }
    float *arrays[] = {d.q, d.k, d.v, all, d.sinks};
    for (int i = 0; i < 5; i++)
        free(arrays[i]);
    b->ops->close(b);
}

Test(attention, windows_sinks_many_heads_and_the_latent_cache_meet_the_definition)
{
    static const struct attention_setting settings[] = {
        {4, 2, 16, 16, 0, false, false, ENGINE_KV_F32}, {4, 2, 16, 16, 50, false, true, ENGINE_KV_F32},
        {40, 1, 24, 16, 0, true, false, ENGINE_KV_F32}, {40, 1, 24, 24, 100, true, true, ENGINE_KV_F32},
        {6, 6, 20, 12, 1, false, false, ENGINE_KV_F32}, {34, 2, 8, 8, 64, false, true, ENGINE_KV_F32},
    };
    for (const char *const *isa = engine_isas(); *isa; isa++)
        for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
            check_attention(*isa, 2, 1, &settings[i]);
            check_attention(*isa, 3, POSITIONS, &settings[i]);
            check_attention(*isa, 1, 37, &settings[i]);
        }
}

/* Logits are given by a router whose matrix is the identity: h is the logits. */
static void route(const struct routing *routing, const float *logits, const float *bias, const float *selection, int32_t *ids,
                  float *weights)
{
    enum { EXPERTS = 8 };
    static float identity[EXPERTS * EXPERTS];
    struct error err = {0};
    struct backend *b = open_backend("scalar", 1, 1, EXPERTS);
    for (int i = 0; i < EXPERTS; i++)
        identity[i * EXPERTS + i] = 1;
    struct tensor tensors[3] = {
        {.data = identity, .format = tensor_format(TENSOR_F32), .shape = {EXPERTS, EXPERTS, 1, 1}, .bytes = sizeof identity},
        {.data = bias},
        {.data = selection}};
    struct weight matrix = {.tensor = &tensors[0], .cols = EXPERTS, .rows = EXPERTS, .experts = 1},
                  bias_weight = {.tensor = &tensors[1], .cols = EXPERTS, .rows = 1, .experts = 1},
                  selection_weight = {.tensor = &tensors[2], .cols = EXPERTS, .rows = 1, .experts = 1};
    bool unused;
    cr_assert(b->ops->weight_load(b, &matrix, WEIGHT_MATRIX, &unused, &err), "%s", err.message);
    struct router router = {&matrix, bias ? &bias_weight : NULL, selection ? &selection_weight : NULL};
    struct buffer *h = filled(b, logits, EXPERTS), *chosen = b->ops->buffer_new(b, 4, &err), *given = b->ops->buffer_new(b, 4, &err);
    b->ops->route(b, chosen, given, h, &router, routing, 0, 1);
    b->ops->buffer_read(b, chosen, 0, (size_t)routing->top_k, ids);
    b->ops->buffer_read(b, given, 0, (size_t)routing->top_k, weights);
    b->ops->buffer_free(b, h);
    b->ops->buffer_free(b, chosen);
    b->ops->buffer_free(b, given);
    b->ops->weight_unload(b, &matrix);
    b->ops->close(b);
}

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

Test(router, a_selection_bias_chooses_and_does_not_weigh)
{
    struct routing routing = {.n_experts = 8, .top_k = 2, .gate = GATE_SIGMOID, .n_groups = 1, .groups_used = 1, .scale = 2.5f};
    const float logits[8] = {0, 1, 2, -1, 0.5f, 3, -2, 0}, selection[8] = {0, 0, 0, 0, 0, -10, 0, 5};
    int32_t ids[4];
    float weights[4];
    route(&routing, logits, NULL, selection, ids, weights);
    cr_expect_eq(ids[0], 7);
    cr_expect_eq(ids[1], 2);
    cr_expect_float_eq(weights[0], 2.5f * sigmoid(0), 1e-6);
    cr_expect_float_eq(weights[1], 2.5f * sigmoid(2), 1e-6);
    routing.normalise = true;
    route(&routing, logits, NULL, selection, ids, weights);
    cr_expect_float_eq(weights[0], 2.5f * sigmoid(0) / (sigmoid(0) + sigmoid(2)), 1e-6);
}

/* Groups {0 1} {2 3} {4 5} {6 7}: their two best together are 3, 1.9, 2.5 and 2.6; two are kept. */
Test(router, experts_come_from_the_best_groups_only)
{
    struct routing routing = {.n_experts = 8, .top_k = 3, .gate = GATE_SIGMOID, .n_groups = 4, .groups_used = 2, .scale = 1};
    const float logits[8] = {0}, selection[8] = {1, 1, 0.9f, 0, 1.4f, 0.1f, 1.3f, 0.3f};
    int32_t ids[4];
    float weights[4];
    route(&routing, logits, NULL, selection, ids, weights);
    cr_expect_eq(ids[0], 6);
    cr_expect_eq(ids[1], 0);
    cr_expect_eq(ids[2], 1);
    cr_expect_float_eq(weights[0], 0.5f, 1e-7);
}

Test(router, a_softmax_over_the_chosen_logits_and_a_bias_on_them)
{
    struct routing routing = {.n_experts = 8, .top_k = 2, .gate = GATE_SOFTMAX_CHOSEN, .n_groups = 1, .groups_used = 1, .scale = 1};
    const float logits[8] = {0, 1, 2, 3, 0, 0, 0, 0}, bias[8] = {0, 4, 0, 0, 0, 0, 0, 0};
    int32_t ids[4];
    float weights[4];
    route(&routing, logits, bias, NULL, ids, weights);
    cr_expect_eq(ids[0], 1);
    cr_expect_eq(ids[1], 3);
    cr_expect_float_eq(weights[0], sigmoid(2), 1e-6);
    cr_expect_float_eq(weights[1], sigmoid(-2), 1e-6);
    const float broken[8] = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    route(&routing, broken, NULL, NULL, ids, weights);
    cr_expect(ids[0] >= 0 && ids[0] < 8 && ids[1] >= 0 && ids[1] < 8 && ids[0] != ids[1] && isnan(weights[0]));
}
