/* jeoul generate: text that continues a prompt, greedily or drawn. */
#include "harness/conversation.h"
#include "harness/verbs.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sampling {
    double temperature;
    struct random random;
    float *logits; // [n_vocab]
    int n_vocab;
};

/* Draws from softmax(logits / temperature); temperature 0 takes the greatest. */
static int32_t draw(struct sampling *s)
{
    int best = 0;
    for (int i = 1; i < s->n_vocab; i++)
        if (s->logits[i] > s->logits[best])
            best = i;
    if (s->temperature <= 0)
        return best;
    double total = 0, greatest = (double)s->logits[best];
    for (int i = 0; i < s->n_vocab; i++)
        total += exp(((double)s->logits[i] - greatest) / s->temperature);
    double point = random_unit(&s->random) * total;
    for (int i = 0; i < s->n_vocab; i++)
        if ((point -= exp(((double)s->logits[i] - greatest) / s->temperature)) < 0)
            return i;
    return best;
}

static bool generate(struct opened *o, const struct token_list *prompt, int64_t count, struct sampling *s, struct error *err)
{
    enum { STEP = 512 };
    struct engine_row rows[STEP];
    struct tokenizer_info info = tokenizer_info(o->tokenizer);
    int seq = engine_seq_new(o->engine, err);
    if (seq < 0)
        return false;
    for (size_t at = 0; at < prompt->count;) {
        int n = 0;
        for (; n < STEP && at < prompt->count; n++, at++) {
            bool last = at + 1 == prompt->count;
            rows[n] = (struct engine_row){
                .seq = seq, .token = prompt->ids[at], .want = last ? ENGINE_WANT_LOGITS : ENGINE_WANT_NOTHING, .logits = s->logits};
        }
        if (!engine_step(o->engine, rows, n, err))
            return false;
    }
    uint64_t began = clock_ns();
    int64_t done = 0;
    while (done < count) {
        int32_t token = draw(s);
        size_t n;
        const char *bytes = token_bytes(o->tokenizer, token, &n);
        if (token == info.eos || token == info.eot || !bytes)
            break;
        fwrite(bytes, 1, n, stdout);
        fflush(stdout);
        done++;
        struct engine_row row = {.seq = seq, .token = token, .want = ENGINE_WANT_LOGITS, .logits = s->logits};
        if (done < count && !engine_step(o->engine, &row, 1, err))
            return false;
    }
    puts("");
    fprintf(stderr, "%lld tokens, %s tok/s\n", (long long)done, number_for_people((double)done * 1e9 / (double)(clock_ns() - began)));
    return true;
}

static int run(struct cli *cli, struct error *err)
{
    struct opened o = {0};
    struct token_list prompt = {0};
    struct sampling sampling = {0};
    struct text rendered = {0};
    const char *text = cli_text(cli, "prompt", "저울은");
    int64_t count, threads, seed;
    double temperature;
    if (!cli_number(cli, "count", 1, 1 << 20, 64, &count, err) || !cli_number(cli, "threads", 1, 1024, 0, &threads, err) ||
        !cli_number(cli, "seed", 0, INT64_MAX, 1, &seed, err) || !cli_decimal(cli, "temperature", 0, 10, 0, &temperature, err) ||
        !open_file(cli, &o, err) || !open_tokenizer(&o, err))
        goto out;
    if (cli_text(cli, "chat", NULL)) {
        struct chat_message messages[] = {{"system", cli_text(cli, "system", "")}, {"user", text}};
        size_t first = cli_text(cli, "system", NULL) == NULL;
        if (!conversation_render(cli, &o, messages + first, 2 - first, &rendered, err))
            goto out;
        text = rendered.bytes;
    }
    if (!tokenize(o.tokenizer, text, strlen(text), TOKENIZE_BOS | TOKENIZE_SPECIAL, &prompt, err))
        goto out;
    if (!prompt.count) {
        error_set(err, ERROR_INPUT, "--prompt: an empty prompt, and this model has no BOS token to begin with");
        goto out;
    }
    sampling = (struct sampling){.temperature = temperature,
                                 .random = random_seed((uint64_t)seed, 0),
                                 .n_vocab = o.info.n_vocab,
                                 .logits = memory_array((size_t)o.info.n_vocab, sizeof(float), "logits", err)};
    if (sampling.logits &&
        open_engine(cli, &o,
                    &(struct engine_options){.threads = (int)threads, .kv = ENGINE_KV_BF16, .kv_tokens = prompt.count + (size_t)count},
                    err))
        (void)(generate(&o, &prompt, count, &sampling, err) || error_prefix(err, "generate"));
out:
    free(sampling.logits);
    token_list_free(&prompt);
    text_free(&rendered);
    open_close(&o);
    return 0;
}

const struct cli_verb verb_generate = {
    .name = "generate",
    .arguments = "",
    .summary = "Continue a prompt with the engine, as text on standard output",
    .example = "jeoul generate -m model.gguf -p '대한민국의 수도는' -n 32",
    .run = run,
    .options = {OPEN_OPTION_MODEL,
                {"prompt", 'p', "TEXT", "what to continue"},
                CONVERSATION_OPTION_CHAT("answer the prompt as a message; auto: by the model"),
                {"system", 0, "TEXT", "a system message before it, with --chat"},
                CONVERSATION_OPTION_DATE,
                {"count", 'n', "N", "tokens at most (64)"},
                {"temperature", 0, "T", "draw from softmax(logits / T); 0 is greedy (0)"},
                {"seed", 0, "N", "seed of the draws (1)"},
                OPEN_OPTION_THREADS,
                OPEN_OPTION_KV,
                OPEN_OPTIONS_ENGINE},
};
