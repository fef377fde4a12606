/* Training as a workload: see bench.h. */
#include "bench/bench.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"

#include <limits.h>
#include <stdlib.h>

enum { SEQUENCES = 4096 };

struct bench_training {
    struct trainer *trainer;
    int32_t *tokens;
    size_t *starts;
};

struct bench_training *bench_training_open(const struct train_shape *shape, const struct train_settings *settings, struct error *err)
{
    struct bench_training *b = memory_array(1, sizeof *b, "training", err);
    struct train_settings endless = *settings;
    struct random random = random_seed(settings->seed, 0);
    size_t n = (size_t)SEQUENCES * BENCH_TRAINING_SEQUENCE;
    if (!b)
        return NULL;
    endless.steps = INT_MAX;
    if ((b->tokens = memory_array(n, sizeof *b->tokens, "tokens", err)) &&
        (b->starts = memory_array(SEQUENCES + 1, sizeof *b->starts, "tokens", err))) {
        for (size_t i = 0; i < n; i++)
            b->tokens[i] = (int32_t)random_below(&random, (uint64_t)shape->n_vocab);
        for (size_t i = 0; i <= SEQUENCES; i++)
            b->starts[i] = i * BENCH_TRAINING_SEQUENCE;
        struct train_data data = {.tokens = b->tokens, .starts = b->starts, .n_sequences = SEQUENCES};
        b->trainer = trainer_open(shape, &endless, &data, NULL, err);
    }
    if (b->trainer)
        return b;
    bench_training_close(b);
    return NULL;
}

void bench_training_close(struct bench_training *b)
{
    if (!b)
        return;
    trainer_close(b->trainer);
    free(b->tokens);
    free(b->starts);
    free(b);
}

bool bench_training_run(struct bench_training *b, int steps, struct bench_training_result *result, struct error *err)
{
    *result = (struct bench_training_result){0};
    uint64_t began = clock_ns();
    for (int i = 0; i < steps; i++) {
        struct train_losses losses;
        if (!trainer_step(b->trainer, &losses, err))
            return false;
        result->tokens += losses.step_tokens;
    }
    result->ns = clock_ns() - began;
    result->operations = (double)result->tokens * trainer_facts(b->trainer).operations_per_token;
    return true;
}

struct trainer_facts bench_training_facts(const struct bench_training *b)
{
    return trainer_facts(b->trainer);
}
