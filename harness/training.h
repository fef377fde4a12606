/* A training: its file (docs/training.md), and what is made of it before the first step: corpus, vocabulary, tokens. */
#ifndef JEOUL_TRAINING_H
#define JEOUL_TRAINING_H

#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "engine/train.h"

struct training_config {
    cJSON *document; // what the strings belong to
    const char *path, *name;
    uint64_t corpus_seed;
    size_t corpus_bytes;
    size_t vocabulary_bytes; // of the corpus, that the vocabulary is learnt from
    struct vocabulary_options vocabulary;
    struct train_shape shape; // n_vocab comes with the data
    struct train_settings settings;
    const char *teacher; // below the directory of all models; NULL: none
};

/* Reads a file, strictly. */
bool training_config_read(const char *path, struct training_config *config, struct error *err) MUST_CHECK;
void training_config_free(struct training_config *config);

/* What is trained on. */
struct training_data {
    char corpus_sha256[HASH_HEX];
    size_t corpus_bytes;
    struct model_file *vocabulary; // the file DIRECTORY/vocabulary.gguf
    struct tokenizer *tokenizer;
    struct token_list tokens, fresh_tokens;
    size_t *starts, *fresh_starts;
    struct train_data train, fresh; // fresh: of another seed, a little, to see how text goes that was not trained on
};

/* Makes the corpus, learns the vocabulary and writes it into the directory, turns the corpus into tokens. */
bool training_data_make(struct training_config *config, const char *directory, struct training_data *data, struct error *err) MUST_CHECK;
void training_data_free(struct training_data *data);

/* Whether a teacher speaks the same tokens; ERROR_INPUT with the first that differs. */
bool training_same_tokens(const struct training_data *data, struct model_file *teacher, struct error *err) MUST_CHECK;

#endif
