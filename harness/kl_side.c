/* One side of a comparison: see kl_side.h. */
#include "harness/kl_side.h"

#include "base/json.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static bool fingerprint_vocabulary(const struct tokenizer *tokenizer, int n_vocab, char hex[HASH_HEX], struct error *err)
{
    struct text text = {0};
    for (int id = 0; id < n_vocab; id++) {
        size_t n = 0;
        const char *bytes = token_bytes(tokenizer, id, &n);
        text_format(&text, "%zu:", n);
        text_add(&text, bytes ? bytes : "", bytes ? n : 0);
    }
    bool ok = text_ok(&text, err) && hash_bytes(text.bytes, text.length, hex, err);
    text_free(&text);
    return ok;
}

bool kl_side_open(struct kl_side *side, struct error *err)
{
    return (side->o.file = model_file_open(side->path, err)) && model_file_info(side->o.file, &side->o.info, err) &&
           open_tokenizer(&side->o, err) && fingerprint_vocabulary(side->o.tokenizer, side->o.info.n_vocab, side->vocabulary, err);
}

static cJSON *describe(const struct kl_side *side, const struct engine_options *options, struct error *err)
{
    char fingerprint[65];
    const char *slash = strrchr(side->path, '/');
    struct engine_facts facts = engine_facts(side->o.engine);
    if (!open_fingerprint(side->path, fingerprint, err))
        return NULL;
    cJSON *what = cJSON_CreateObject();
    cJSON_AddStringToObject(what, "name", side->o.info.name);
    cJSON_AddStringToObject(what, "file", slash ? slash + 1 : side->path);
    cJSON_AddStringToObject(what, "fingerprint", fingerprint);
    cJSON_AddStringToObject(what, "arch", side->o.info.arch);
    cJSON_AddStringToObject(what, "quantisation", side->o.info.quantisation);
    cJSON_AddBoolToObject(what, "random_weights", side->o.info.random_weights);
    cJSON_AddStringToObject(what, "backend", facts.backend);
    cJSON_AddStringToObject(what, "isa", facts.isa);
    cJSON_AddStringToObject(what, "kv", open_kv_name(options->kv));
    cJSON_AddBoolToObject(what, "exact", options->exact);
    return what;
}

bool kl_side_start(struct kl_side *side, const struct engine_options *options, struct error *err)
{
    return ((side->o.engine = engine_open(side->o.file, options, err)) && walk_open(&side->walk, side->o.engine, options->max_rows, err) &&
            (side->what = describe(side, options, err))) ||
           error_prefix(err, "%s", side->path);
}

bool kl_side_compatible(const struct kl_side *side, const char *reference, const char *vocabulary, size_t n_vocab, struct error *err)
{
    if ((size_t)side->o.info.n_vocab != n_vocab)
        return error_set(
            err, ERROR_INPUT,
            "%s has a vocabulary of %d tokens, the reference %s one of %zu: distributions over different tokens can't be compared; "
            "give two forms of one model",
            side->path, side->o.info.n_vocab, reference, n_vocab);
    if (strcmp(side->vocabulary, vocabulary) != 0)
        return error_set(
            err, ERROR_INPUT,
            "%s and the reference %s have vocabularies of %zu tokens that differ: the same id is another piece of text in each; "
            "give two forms of one model",
            side->path, reference, n_vocab);
    return true;
}

bool kl_side_takes(const struct kl_side *side, int window, struct error *err)
{
    return window <= side->o.info.context_length ||
           error_set(err, ERROR_INPUT, "--window %d: %s takes %d tokens at most", window, side->path, side->o.info.context_length);
}

void kl_side_print(const char *label, const cJSON *what)
{
    printf("%-10s %s %s, %s, K and V in %s%s%s\n", label, json_text(what, "name"), json_text(what, "quantisation"), json_text(what, "isa"),
           json_text(what, "kv"), cJSON_IsTrue(cJSON_GetObjectItem(what, "exact")) ? ", float activations" : "",
           cJSON_IsTrue(cJSON_GetObjectItem(what, "random_weights")) ? " (random weights)" : "");
}

void kl_side_close(struct kl_side *side)
{
    if (side->walk.engine)
        walk_close(&side->walk);
    cJSON_Delete(side->what);
    open_close(&side->o);
}
