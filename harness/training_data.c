/* What a training is fed with: see training.h. */
#include "harness/training.h"

#include "datasets/corpus.h"
#include "harness/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRESH_BYTES = 200000 };

static bool make_corpus(uint64_t seed, size_t bytes, struct text *out, struct error *err)
{
    char grammar[4096], held_out[4096];
    struct corpus_options options = {.grammar = grammar, .held_out = held_out, .seed = seed, .bytes = bytes};
    return places_find("datasets/corpus/grammar.json", grammar, sizeof grammar, err) &&
           places_find("datasets/builtin", held_out, sizeof held_out, err) && corpus_generate(&options, out, err);
}

/* Lines become sequences. */
static bool to_tokens(const struct tokenizer *tokenizer, const struct text *text, struct token_list *tokens, size_t **starts,
                      struct train_data *out, struct error *err)
{
    size_t capacity = 0, n = 0;
    for (size_t at = 0; at < text->length;) {
        const char *end = memchr(text->bytes + at, '\n', text->length - at);
        size_t length = end ? (size_t)(end - text->bytes) - at : text->length - at;
        if (!memory_grow((void **)starts, &capacity, n + 2, sizeof **starts, "sequences", err))
            return false;
        (*starts)[n++] = tokens->count;
        if (!tokenize(tokenizer, text->bytes + at, length, TOKENIZE_BOS, tokens, err))
            return false;
        at += length + 1;
    }
    if (*starts)
        (*starts)[n] = tokens->count;
    *out = (struct train_data){.tokens = tokens->ids, .starts = *starts, .n_sequences = n, .end = tokenizer_info(tokenizer).eos};
    return true;
}

static bool learn_vocabulary(const struct training_config *c, const struct text *corpus, const char *directory, struct training_data *data,
                             struct error *err)
{
    char path[4096];
    size_t n = c->vocabulary_bytes < corpus->length ? c->vocabulary_bytes : corpus->length;
    while (n < corpus->length && corpus->bytes[n - 1] != '\n') // to the end of a document
        n++;
    snprintf(path, sizeof path, "%.4000s/vocabulary.gguf", directory);
    return vocabulary_train(corpus->bytes, n, &c->vocabulary, path, err) && (data->vocabulary = model_file_open(path, err)) &&
           (data->tokenizer = tokenizer_open(data->vocabulary, err));
}

bool training_data_make(struct training_config *c, const char *directory, struct training_data *data, struct error *err)
{
    struct text corpus = {0}, fresh = {0};
    *data = (struct training_data){0};
    bool ok = make_corpus(c->corpus_seed, c->corpus_bytes, &corpus, err) &&
              hash_bytes(corpus.bytes, corpus.length, data->corpus_sha256, err) && learn_vocabulary(c, &corpus, directory, data, err) &&
              to_tokens(data->tokenizer, &corpus, &data->tokens, &data->starts, &data->train, err) &&
              make_corpus(c->corpus_seed + 1, FRESH_BYTES, &fresh, err) &&
              to_tokens(data->tokenizer, &fresh, &data->fresh_tokens, &data->fresh_starts, &data->fresh, err);
    data->corpus_bytes = corpus.length;
    text_free(&corpus);
    text_free(&fresh);
    if (ok)
        c->shape.n_vocab = tokenizer_info(data->tokenizer).n_vocab;
    return ok;
}

void training_data_free(struct training_data *data)
{
    tokenizer_close(data->tokenizer);
    model_file_close(data->vocabulary);
    token_list_free(&data->tokens);
    token_list_free(&data->fresh_tokens);
    free(data->starts);
    free(data->fresh_starts);
    *data = (struct training_data){0};
}

bool training_same_tokens(const struct training_data *data, struct model_file *teacher, struct error *err)
{
    struct tokenizer *other = tokenizer_open(teacher, err);
    if (!other)
        return error_prefix(err, "the teacher");
    int n = tokenizer_info(data->tokenizer).n_vocab, m = tokenizer_info(other).n_vocab, first = 0;
    for (; first < n && first < m; first++) {
        size_t a, b;
        const char *own = token_bytes(data->tokenizer, first, &a), *theirs = token_bytes(other, first, &b);
        if (a != b || memcmp(own, theirs, a) != 0)
            break;
    }
    tokenizer_close(other);
    return (first == n && first == m) ||
           error_set(
               err, ERROR_INPUT,
               "the teacher's vocabulary is another: %d and %d tokens, the first that differs is %d; train both from the same corpus and "
               "vocabulary",
               m, n, first);
}
