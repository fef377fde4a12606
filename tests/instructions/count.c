/* How many instructions the hot kernels take, counted one by one: a child runs a kernel while this process steps it (ptrace). Unlike
 * time, the count is the same on every machine, and unlike an emulator's it knows AVX-512.
 *
 * Prints a line for each kernel: instruction set, kernel, instructions. bench/instructions compares them with those that were agreed on.
 * Exits with 77 where the system lets no process step another. */
#include "engine/cpu/kernels.h"
#include "engine/cpu/pack.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_ALLOWED = 77 };
enum { K = 256, FEW = 6, MANY = ONE_STREAM + 2, HEAD_DIM = 128, PANEL_BYTES = K * PANEL_ROWS * 4 };

/* Operands of every kernel. Their values are of no matter: no kernel branches on them. */
static struct {
    uint8_t panels[2][PANEL_BYTES];
    float out[2][MANY * PANEL_ROWS], x[K], y[K], head[MANY][HEAD_DIM];
    int8_t q[K];
    uint16_t b[K];
    float scale[K];
    int32_t sum[K];
    int16_t sum32[K];
    uint8_t keys[PAGE_TOKENS * HEAD_DIM * 4], values[PAGE_TOKENS * HEAD_DIM * 4];
    struct column columns[MANY];
    struct query queries[MANY];
} data;

static const char *const format_names[PACK_COUNT] = {"f32",  "f16",  "bf16",   "q8_0",  "q4_0", "q4_k", "q6_k", "q4_1",
                                                     "q5_0", "q5_1", "iq4_nl", "mxfp4", "q2_k", "q3_k", "q5_k", "iq4_xs"};
static const char *const page_names[PAGE_FORMAT_COUNT] = {"f32", "f16", "bf16"};
static const char *const activation_names[ACTIVATION_COUNT] = {NULL, "bf16", "int8_32", "int8_256"};

enum kind { NOTHING, PANELS, ATTEND, QUANTISE, NORM, SWIGLU, ADD_SCALED, SUM_EXP };

struct workload {
    const struct cpu_kernels *kernels;
    enum kind kind;
    int of, n; // format or kind of activation; columns or queries
};

static void run(const struct workload *w)
{
    const struct cpu_kernels *k = w->kernels;
    switch (w->kind) {
    case NOTHING:
        break;
    case PANELS: {
        struct panels panels = {
            .count = 2, .at = {data.panels[0], data.panels[1]}, .out = {data.out[0], data.out[1]}, .stride = PANEL_ROWS};
        panels.bytes = pack_panel_bytes((enum pack_format)w->of, K);
        k->panels[w->of](&panels, K, data.columns, w->n);
        break;
    }
    case ATTEND:
        k->attend_page[w->of](data.queries, w->n, data.keys, data.values, &(struct attention_shape){HEAD_DIM, HEAD_DIM, 0.1f});
        break;
    case QUANTISE: {
        struct column_room room = {data.b, data.q, data.scale, data.sum, data.sum32};
        k->quantise[w->of](data.x, K, &room);
        break;
    }
    case NORM:
        k->norm(data.y, data.x, data.x, K, 1e-6f);
        break;
    case SWIGLU:
        k->swiglu(data.y, data.x, data.x, K);
        break;
    case ADD_SCALED:
        k->add_scaled(data.y, data.x, 0.5f, K);
        break;
    case SUM_EXP:
        (void)k->sum_exp(data.x, K, 1);
        break;
    }
}

/* Instructions between the child's two stops; −1: this system doesn't let a process step its child. */
static long count(const struct workload *w)
{
    int status;
    long steps = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(1);
        run(w); // pages and lazily bound functions
        raise(SIGSTOP);
        run(w);
        raise(SIGSTOP);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
        return -1;
    do {
        if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) != 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
            return -1;
        steps++;
    } while (WSTOPSIG(status) == SIGTRAP);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return steps;
}

static bool print(struct workload w, const char *kernel, const char *of)
{
    char name[64];
    static long empty; // what stopping takes
    long all = count(&w);
    if (!empty)
        empty = count(&(struct workload){w.kernels, NOTHING, 0, 0});
    if (empty < 0 || all < 0)
        return false;
    if (w.n)
        snprintf(name, sizeof name, "%s_%s_by_%d", kernel, of, w.n);
    else
        snprintf(name, sizeof name, "%s%s%s", kernel, of ? "_" : "", of ? of : "");
    printf("%s\t%s\t%ld\n", w.kernels->name, name, all - empty);
    return true;
}

static bool print_all(const struct cpu_kernels *k)
{
    static const int columns[] = {1, FEW, MANY}, queries[] = {1, FEW}; // MANY: two panels at once
    bool ok = true;
    for (int f = 0; f < PACK_COUNT; f++)
        for (int i = 0; i < (k == &cpu_kernels_avx512 ? 3 : 2); i++) // the others have one way for any number
            ok = ok && print((struct workload){k, PANELS, f, columns[i]}, "panels", format_names[f]);
    for (int f = 0; f < PAGE_FORMAT_COUNT; f++)
        for (int i = 0; i < 2; i++)
            ok = ok && print((struct workload){k, ATTEND, f, queries[i]}, "attend", page_names[f]);
    for (int a = ACTIVATION_BF16; a < ACTIVATION_COUNT; a++)
        ok = ok && print((struct workload){k, QUANTISE, a, 0}, "quantise", activation_names[a]);
    return ok && print((struct workload){k, NORM, 0, 0}, "norm", NULL) && print((struct workload){k, SWIGLU, 0, 0}, "swiglu", NULL) &&
           print((struct workload){k, ADD_SCALED, 0, 0}, "add_scaled", NULL) && print((struct workload){k, SUM_EXP, 0, 0}, "sum_exp", NULL);
}

int main(void)
{
    for (int i = 0; i < K; i++)
        data.x[i] = (float)(i % 7) - 3;
    for (int i = 0; i < MANY; i++) {
        data.columns[i] = (struct column){data.x, data.b, data.q, data.scale, data.sum, data.sum32};
        data.queries[i] = (struct query){.q = data.x, .b = data.b, .count = PAGE_TOKENS, .maximum = 0, .sum = 1, .out = data.head[i]};
    }
    bool ok = true;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
        ok = print_all(&cpu_kernels_avx2);
    if (ok && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16"))
        ok = print_all(&cpu_kernels_avx512);
#endif
    return ok ? 0 : NOT_ALLOWED;
}
