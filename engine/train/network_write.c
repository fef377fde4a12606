/* Writing a trained network as GGUF: its configuration under the keys of its architecture, the vocabulary's entries as they are, its values
 * in F32. What is read back gives the same logits. */
#include "engine/train/network.h"

#include "base/file.h"
#include "engine/gguf_write.h"

#include <stdio.h>
#include <string.h>

enum { ALIGNMENT = 32 };

static void put_configuration(struct gguf_entries *h, const struct model_config *c, const char *name)
{
    gguf_put_text(h, "general.architecture", h->arch);
    gguf_put_text(h, "general.name", name);
    gguf_put_number(h, "general.file_type", 0);
    gguf_put_number(h, "general.alignment", ALIGNMENT);
    gguf_put_number(h, ".context_length", (uint32_t)c->context_length);
    gguf_put_number(h, ".embedding_length", (uint32_t)c->n_embd);
    gguf_put_number(h, ".block_count", (uint32_t)c->n_layers);
    gguf_put_number(h, ".feed_forward_length", (uint32_t)(c->n_experts ? c->n_ff : c->n_ff_dense));
    gguf_put_number(h, ".attention.head_count", (uint32_t)c->n_heads);
    gguf_put_number(h, ".attention.head_count_kv", (uint32_t)c->n_kv_heads);
    gguf_put_float(h, ".attention.layer_norm_rms_epsilon", c->norm_epsilon);
    gguf_put_float(h, ".rope.freq_base", c->rope_base);
    if (c->architecture->qk_norm != QK_NORM_WHOLE) { // olmoe's heads are n_embd / n_heads by definition
        gguf_put_number(h, ".attention.key_length", (uint32_t)c->head_dim);
        gguf_put_number(h, ".attention.value_length", (uint32_t)c->head_dim);
    }
    if (strcmp(h->arch, "llama") == 0) {
        gguf_put_number(h, ".rope.dimension_count", (uint32_t)c->rope_dims);
        gguf_put_number(h, ".vocab_size", (uint32_t)c->n_vocab);
    }
    if (!c->n_experts)
        return;
    gguf_put_number(h, ".expert_count", (uint32_t)c->n_experts);
    gguf_put_number(h, ".expert_used_count", (uint32_t)c->routing.top_k);
    if (strcmp(c->architecture->expert_width_key, "feed_forward_length") != 0) {
        char key[64];
        snprintf(key, sizeof key, ".%s", c->architecture->expert_width_key);
        gguf_put_number(h, key, (uint32_t)c->n_ff);
    }
}

static void put_tensors(struct text *out, const struct network *net)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < net->n_parameters; i++) {
        const struct parameter *p = &net->parameters[i];
        int64_t shape[3] = {p->cols, p->rows, p->experts};
        gguf_put_tensor(out, p->name, p->use == WEIGHT_VECTOR ? 1 : p->experts > 1 ? 3 : 2, shape, TENSOR_F32, offset);
        offset += (p->count * sizeof *net->values + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
}

bool network_write(const struct network *net, const struct train_shape *shape, const struct model_file *vocabulary, const char *path,
                   struct error *err)
{
    struct gguf_entries entries = {.arch = net->model.config.architecture->name};
    struct text out = {0};
    put_configuration(&entries, &net->model.config, shape->name);
    for (size_t i = 0; gguf_value_at(vocabulary, i); i++)
        if (strncmp(gguf_value_at(vocabulary, i)->key, "tokenizer.", 10) == 0)
            gguf_put_entry(&entries, gguf_value_at(vocabulary, i));
    gguf_put_head(&out, net->n_parameters, &entries);
    put_tensors(&out, net);
    gguf_pad(&out, ALIGNMENT);
    for (size_t i = 0; i < net->n_parameters; i++) {
        text_add(&out, (const char *)(net->values + net->parameters[i].first), net->parameters[i].count * sizeof *net->values);
        gguf_pad(&out, ALIGNMENT);
    }
    bool ok = text_ok(&entries.text, err) && text_ok(&out, err) && file_write(path, out.bytes, out.length, err);
    text_free(&entries.text);
    text_free(&out);
    return ok;
}
