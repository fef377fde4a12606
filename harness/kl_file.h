/* A reference's logits in a file, for models that a machine's memory doesn't hold beside each other: what was run, on which tokens, and
 * every logit as float32, so that a figure from the file is the one of a single run to the bit.
 *
 *     "JEOULKL1"
 *     u64                    bytes of the JSON behind it
 *     JSON                   {"reference": {…}, "n_vocab", "vocabulary_sha256", "window", "skip",
 *                             "languages": [{"language", "sources"}], "blocks": [[language's number, tokens], …]}
 *     i32[tokens]            all blocks' tokens, one behind the other
 *     u64                    their checksum (base/checksum.h, seed 0)
 *     for each scored position, in order:
 *         f32[n_vocab]       logits
 *         u64                their checksum, seed: the position's number from 1
 *
 * Little-endian. A file is hostile until parsed: sizes are checked against the file's before anything is read. */
#ifndef JEOUL_KL_FILE_H
#define JEOUL_KL_FILE_H

#include "base/file.h"
#include "harness/kl_texts.h"

/* Writing: begin, a row for each scored position, end. Atomic. */
struct kl_writer {
    struct file_writer file;
    size_t n_vocab, rows;
};
bool kl_writer_begin(struct kl_writer *writer, const char *path, const struct kl_texts *texts, const cJSON *reference,
                     const char *vocabulary, size_t n_vocab, struct error *err) MUST_CHECK;
bool kl_writer_rows(struct kl_writer *writer, const float *logits, int n, struct error *err) MUST_CHECK;
bool kl_writer_end(struct kl_writer *writer, struct error *err) MUST_CHECK;
void kl_writer_abandon(struct kl_writer *writer);

/* Reading. Zero-initialise; kl_reader_close. */
struct kl_reader {
    FILE *stream;
    const char *path;
    cJSON *header;
    const cJSON *reference; // of the header
    const char *vocabulary; // of the header: SHA-256
    size_t n_vocab, rows;
};
/* Opens the file and fills `texts` with the blocks that it was made on. */
bool kl_reader_open(struct kl_reader *reader, const char *path, struct kl_texts *texts, struct error *err) MUST_CHECK;
bool kl_reader_rows(struct kl_reader *reader, float *logits, int n, struct error *err) MUST_CHECK; // the next n
void kl_reader_close(struct kl_reader *reader);

#endif
