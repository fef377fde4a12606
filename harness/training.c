/* Reading a training's file: see training.h. */
#include "harness/training.h"

#include <string.h>

enum { MAX_CONFIG_BYTES = 1 << 20 };

static const char *const root_keys[] = {"name", "seed", "corpus", "vocabulary", "model", "train", "distill", NULL};
static const char *const corpus_keys[] = {"seed", "bytes", NULL};
static const char *const vocabulary_keys[] = {"pre", "tokens", "longest_bytes", "bytes", NULL};
static const char *const model_keys[] = {"arch",  "layers", "embedding", "heads", "kv_heads",  "head_dim",  "experts",
                                         "top_k", "width",  "context",   "tied",  "rope_base", "deviation", NULL};
static const char *const train_keys[] = {"steps",        "warmup_steps", "tokens_per_step", "rate",     "last_rate",
                                         "weight_decay", "clip",         "load_balance",    "router_z", NULL};
static const char *const distill_keys[] = {"teacher", "temperature", "mix", NULL};

struct integer {
    const char *key;
    int *out;
    int64_t low, high;
    int64_t fallback; // −1: it has to be there
};

static bool read_integers(const struct json_at *at, const struct integer *numbers, size_t n, struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct json_at member = json_member(at, numbers[i].key);
        int64_t value;
        if (numbers[i].fallback < 0 ? !json_integer(&member, numbers[i].low, numbers[i].high, &value, err)
                                    : !json_integer_or(&member, numbers[i].low, numbers[i].high, numbers[i].fallback, &value, err))
            return false;
        *numbers[i].out = (int)value;
    }
    return true;
}

static bool size_of(const struct json_at *at, const char *key, int64_t high, size_t *out, struct error *err)
{
    struct json_at member = json_member(at, key);
    int64_t value;
    if (!json_integer(&member, 1000, high, &value, err))
        return false;
    *out = (size_t)value;
    return true;
}

static bool seed_of(const struct json_at *at, uint64_t *out, struct error *err)
{
    struct json_at member = json_member(at, "seed");
    int64_t value;
    if (!json_integer_or(&member, 0, INT64_MAX >> 11, 1, &value, err))
        return false;
    *out = (uint64_t)value;
    return true;
}

static bool read_text(const struct json_at *root, struct training_config *c, struct error *err)
{
    struct json_at corpus = json_member(root, "corpus"), vocabulary = json_member(root, "vocabulary");
    struct integer numbers[] = {{"tokens", &c->vocabulary.tokens, 258, 1 << 16, -1},
                                {"longest_bytes", &c->vocabulary.longest_bytes, 0, 256, 0}};
    return json_only(&corpus, corpus_keys, err) && seed_of(&corpus, &c->corpus_seed, err) &&
           size_of(&corpus, "bytes", (int64_t)1 << 32, &c->corpus_bytes, err) && json_only(&vocabulary, vocabulary_keys, err) &&
           json_filled(&vocabulary, "pre", &c->vocabulary.pre, err) && read_integers(&vocabulary, numbers, 2, err) &&
           size_of(&vocabulary, "bytes", (int64_t)1 << 30, &c->vocabulary_bytes, err);
}

static bool read_model(const struct json_at *root, struct train_shape *s, struct error *err)
{
    struct json_at at = json_member(root, "model"), tied = json_member(&at, "tied"), base = json_member(&at, "rope_base");
    struct integer numbers[] = {
        {"layers", &s->n_layers, 1, 128, -1},     {"embedding", &s->n_embd, 8, 8192, -1}, {"heads", &s->n_heads, 1, 256, -1},
        {"kv_heads", &s->n_kv_heads, 1, 256, -1}, {"head_dim", &s->head_dim, 2, 512, -1}, {"experts", &s->n_experts, 0, 256, 0},
        {"top_k", &s->top_k, 0, 64, 0},           {"width", &s->n_ff, 8, 32768, -1},      {"context", &s->context_length, 8, 1 << 16, -1}};
    return json_only(&at, model_keys, err) && json_filled(&at, "arch", &s->arch, err) &&
           read_integers(&at, numbers, sizeof numbers / sizeof *numbers, err) && json_bool_or(&tied, true, &s->tied, err) &&
           json_number_or(&base, 1, 1e9, 10000, &s->rope_base, err) && json_value(&at, "deviation", 1e-4, 1, &s->deviation, err);
}

static bool read_train(const struct json_at *root, struct train_settings *s, struct error *err)
{
    struct json_at at = json_member(root, "train");
    struct integer numbers[] = {{"steps", &s->steps, 1, 1 << 30, -1},
                                {"warmup_steps", &s->warmup_steps, 0, 1 << 30, -1},
                                {"tokens_per_step", &s->tokens_per_step, 16, 1 << 20, -1}};
    if (!json_only(&at, train_keys, err) || !read_integers(&at, numbers, 3, err) || !json_value(&at, "rate", 1e-9, 1, &s->rate, err) ||
        !json_value(&at, "last_rate", 0, 1, &s->last_rate, err) || !json_value(&at, "weight_decay", 0, 1, &s->weight_decay, err) ||
        !json_value(&at, "clip", 0, 1e9, &s->clip, err) || !json_value(&at, "load_balance", 0, 10, &s->load_balance, err) ||
        !json_value(&at, "router_z", 0, 10, &s->router_z, err))
        return false;
    return s->warmup_steps < s->steps || json_error(&at, err, "%d of %d steps are warm-up: fewer are allowed", s->warmup_steps, s->steps);
}

static bool read_distill(const struct json_at *root, struct training_config *c, struct error *err)
{
    struct json_at at = json_member(root, "distill");
    return !at.value ||
           (json_only(&at, distill_keys, err) && json_filled(&at, "teacher", &c->teacher, err) &&
            json_value(&at, "temperature", 0.1, 100, &c->settings.temperature, err) && json_value(&at, "mix", 0, 1, &c->settings.mix, err));
}

bool training_config_read(const char *path, struct training_config *c, struct error *err)
{
    *c = (struct training_config){.path = path, .document = json_read(path, MAX_CONFIG_BYTES, err)};
    struct json_at root = json_root(path, c->document), name = json_member(&root, "name");
    if (!c->document || !json_only(&root, root_keys, err) || !json_filled(&root, "name", &c->name, err))
        return false;
    if (strlen(c->name) > 64 || strspn(c->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(c->name))
        return json_error(&name, err, "\"%.80s\" is not a name of 1 … 64 letters, digits, - and _", c->name);
    if (!seed_of(&root, &c->settings.seed, err) || !read_text(&root, c, err) || !read_model(&root, &c->shape, err) ||
        !read_train(&root, &c->settings, err) || !read_distill(&root, c, err))
        return false;
    c->shape.name = c->name;
    c->shape.n_vocab = c->vocabulary.tokens; // at most; for the check
    struct train_size size;
    return train_shape_check(&c->shape, &size, err) || error_prefix(err, "%s: model", path);
}

void training_config_free(struct training_config *c)
{
    cJSON_Delete(c->document);
    *c = (struct training_config){0};
}
