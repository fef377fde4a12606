/* Writing a trained network as GGUF: its configuration under the keys of its architecture, the vocabulary's entries as they are, its values
 * in F32. What is read back gives the same logits. */
#include "engine/train/network.h"

#include "base/file.h"
#include "engine/gguf_write.h"

#include <stdio.h>
#include <string.h>

enum { ALIGNMENT = 32 };

struct header {
    struct text text;
    uint64_t entries;
    const char *arch;
};

static void put_key(struct header *h, const char *key, enum gguf_type type)
{
    char whole[128];
    int n = key[0] == '.' ? snprintf(whole, sizeof whole, "%s%s", h->arch, key) : snprintf(whole, sizeof whole, "%s", key);
    gguf_put_string(&h->text, whole, (size_t)n);
    gguf_put_u32(&h->text, type);
    h->entries++;
}

static void put_number(struct header *h, const char *key, int value)
{
    put_key(h, key, GGUF_U32);
    gguf_put_u32(&h->text, (uint32_t)value);
}

static void put_float(struct header *h, const char *key, float value)
{
    put_key(h, key, GGUF_F32);
    text_add(&h->text, (const char *)&value, 4);
}

static void put_text(struct header *h, const char *key, const char *value)
{
    put_key(h, key, GGUF_STRING);
    gguf_put_string(&h->text, value, strlen(value));
}

static void put_configuration(struct header *h, const struct model_config *c, const char *name)
{
    put_text(h, "general.architecture", h->arch);
    put_text(h, "general.name", name);
    put_number(h, "general.file_type", 0);
    put_number(h, "general.alignment", ALIGNMENT);
    put_number(h, ".context_length", c->context_length);
    put_number(h, ".embedding_length", c->n_embd);
    put_number(h, ".block_count", c->n_layers);
    put_number(h, ".feed_forward_length", c->n_experts ? c->n_ff : c->n_ff_dense);
    put_number(h, ".attention.head_count", c->n_heads);
    put_number(h, ".attention.head_count_kv", c->n_kv_heads);
    put_float(h, ".attention.layer_norm_rms_epsilon", c->norm_epsilon);
    put_float(h, ".rope.freq_base", c->rope_base);
    if (c->architecture->qk_norm != QK_NORM_WHOLE) { // olmoe's heads are n_embd / n_heads by definition
        put_number(h, ".attention.key_length", c->head_dim);
        put_number(h, ".attention.value_length", c->head_dim);
    }
    if (strcmp(h->arch, "llama") == 0) {
        put_number(h, ".rope.dimension_count", c->rope_dims);
        put_number(h, ".vocab_size", c->n_vocab);
    }
    if (!c->n_experts)
        return;
    put_number(h, ".expert_count", c->n_experts);
    put_number(h, ".expert_used_count", c->routing.top_k);
    if (strcmp(c->architecture->expert_width_key, "feed_forward_length") != 0) {
        char key[64];
        snprintf(key, sizeof key, ".%s", c->architecture->expert_width_key);
        put_number(h, key, c->n_ff);
    }
}

static void put_tensors(struct text *out, const struct network *net)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < net->n_parameters; i++) {
        const struct parameter *p = &net->parameters[i];
        int64_t shape[3] = {p->cols, p->rows, p->experts};
        uint32_t dims = p->use == WEIGHT_VECTOR ? 1 : p->experts > 1 ? 3 : 2;
        gguf_put_string(out, p->name, strlen(p->name));
        gguf_put_u32(out, dims);
        for (uint32_t d = 0; d < dims; d++)
            gguf_put_u64(out, (uint64_t)shape[d]);
        gguf_put_u32(out, TENSOR_F32);
        gguf_put_u64(out, offset);
        offset += (p->count * sizeof *net->values + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
}

static void pad(struct text *out)
{
    while (out->length % ALIGNMENT && !out->failed)
        text_add(out, "\0", 1);
}

bool network_write(const struct network *net, const struct train_shape *shape, const struct model_file *vocabulary, const char *path,
                   struct error *err)
{
    struct header header = {.arch = net->model.config.architecture->name}, *h = &header;
    struct text out = {0};
    put_configuration(h, &net->model.config, shape->name);
    for (size_t i = 0; gguf_value_at(vocabulary, i); i++)
        if (strncmp(gguf_value_at(vocabulary, i)->key, "tokenizer.", 10) == 0) {
            gguf_put_entry(&h->text, gguf_value_at(vocabulary, i));
            h->entries++;
        }
    text_add_string(&out, "GGUF");
    gguf_put_u32(&out, 3);
    gguf_put_u64(&out, net->n_parameters);
    gguf_put_u64(&out, h->entries);
    text_add(&out, h->text.bytes, h->text.length);
    put_tensors(&out, net);
    pad(&out);
    for (size_t i = 0; i < net->n_parameters; i++) {
        text_add(&out, (const char *)(net->values + net->parameters[i].first), net->parameters[i].count * sizeof *net->values);
        pad(&out);
    }
    bool ok = text_ok(&h->text, err) && text_ok(&out, err) && file_write(path, out.bytes, out.length, err);
    text_free(&h->text);
    text_free(&out);
    return ok;
}
