/* jeoul verify: a model's logits against a stored reference. */
#include "harness/verbs.h"

#include "base/file.h"
#include "base/memory.h"
#include "eval/eval.h"
#include "harness/positions.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct comparison {
    struct eval_agreement agreement;
    FILE *reference;
    const char *path;
    float *row;
    size_t n_vocab;
};

static bool compare_positions(void *context, size_t first, int n, const float *logits, struct error *err)
{
    struct comparison *c = context;
    for (int i = 0; i < n; i++) {
        if (fread(c->row, sizeof *c->row, c->n_vocab, c->reference) != c->n_vocab)
            return error_set(err, ERROR_INPUT, "%s: cannot be read at position %zu", c->path, first + (size_t)i);
        eval_agreement_add(&c->agreement, logits + (size_t)i * c->n_vocab, c->row, c->n_vocab);
    }
    return true;
}

static bool open_reference(struct comparison *c, size_t tokens, struct error *err)
{
    struct stat status;
    c->reference = fopen(c->path, "rb");
    if (!c->reference || fstat(fileno(c->reference), &status) != 0)
        return error_set_errno(err, "%s: cannot be opened", c->path);
    size_t wanted = tokens * c->n_vocab * sizeof *c->row;
    if ((size_t)status.st_size != wanted)
        return error_set(err, ERROR_INPUT, "%s: has %lld bytes; %zu tokens of a vocabulary of %zu as float32 are %zu", c->path,
                         (long long)status.st_size, tokens, c->n_vocab, wanted);
    c->row = memory_array(c->n_vocab, sizeof *c->row, "logits", err);
    return c->row != NULL;
}

static void print_result(const struct comparison *c, const struct eval_agreement_figures *f, double limit, bool json)
{
    const char *verdict = f->nmse <= limit ? "agrees" : "differs";
    if (json) {
        cJSON *root = cJSON_CreateObject();
        cJSON_AddStringToObject(root, "verdict", verdict);
        cJSON_AddNumberToObject(root, "positions", (double)c->agreement.positions);
        cJSON_AddNumberToObject(root, "nmse", f->nmse);
        cJSON_AddNumberToObject(root, "mean_kl_nats", f->mean_kl);
        cJSON_AddNumberToObject(root, "top1_agreement", f->top1);
        cJSON_AddNumberToObject(root, "max_nmse", limit);
        char *text = cJSON_Print(root);
        puts(text ? text : "");
        free(text);
        cJSON_Delete(root);
        return;
    }
    printf("%zu positions: NMSE %.3g, mean KL divergence %.3g nats, top-1 agreement %.2f %%\n", c->agreement.positions, f->nmse, f->mean_kl,
           100 * f->top1);
    printf("%s: NMSE up to %.3g is allowed\n", verdict, limit);
}

static int run(struct cli *cli, struct error *err)
{
    const char *tokens;
    struct token_list list = {0};
    struct opened o = {0};
    struct comparison c = {0};
    int64_t threads, chunk;
    double limit;
    bool ok = cli_need(cli, "tokens", &tokens, err) && cli_need(cli, "reference", &c.path, err) &&
              cli_number(cli, "threads", 1, 1024, 0, &threads, err) && cli_number(cli, "chunk", 1, 4096, 512, &chunk, err) &&
              cli_decimal(cli, "max-nmse", 0, 1e9, cli_flag(cli, "exact") ? 1e-9 : 2e-3, &limit, err) &&
              positions_read(tokens, &list, err) && open_file(cli, &o, err);
    c.n_vocab = ok ? (size_t)o.info.n_vocab : 0;
    ok = ok && open_reference(&c, list.count, err) && positions_open_engine(cli, &o, (int)threads, &list, (int)chunk, err) &&
         positions_each(o.engine, &list, (int)chunk, compare_positions, &c, err);
    struct eval_agreement_figures figures = eval_agreement_figures(&c.agreement);
    if (ok)
        print_result(&c, &figures, limit, cli_flag(cli, "json"));
    if (c.reference)
        fclose(c.reference);
    free(c.row);
    open_close(&o);
    token_list_free(&list);
    return ok && !(figures.nmse <= limit) ? 3 : 0;
}

const struct cli_verb verb_verify = {
    .name = "verify",
    .arguments = "",
    .summary = "Compare a model's logits with a stored reference",
    .text = "The reference is float32, [n_tokens][n_vocab], as `logits` writes it. NMSE is the sum of\n"
            "squared differences ÷ the reference's sum of squares; exit code 3 where it is beyond\n"
            "--max-nmse. --exact takes float activations, which other engines' rounding isn't in.",
    .example = "jeoul verify -m model.gguf --tokens tokens.txt --reference logits.f32",
    .run = run,
    .options = {OPEN_OPTION_MODEL,
                {"tokens", 0, "FILE", "token ids, one a line (- for standard input)"},
                {"reference", 0, "FILE", "logits of every position"},
                {"max-nmse", 0, "X", "what is allowed (0.002; with --exact 1e-9)"},
                {"chunk", 0, "N", "tokens in a step: 1 is token by token (512)"},
                OPEN_OPTION_THREADS,
                {"kv", 0, "TYPE", "K and V cache: f16, bf16 or f32 (f32 here)"},
                OPEN_OPTIONS_ENGINE,
                {"json", 0, NULL, "the figures as JSON"}},
};
