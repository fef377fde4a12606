/* A GGUF's vocabulary: its tokens as the bytes that they stand for, found by those bytes. Private to the tokenizer. */
#ifndef JEOUL_ENGINE_VOCABULARY_H
#define JEOUL_ENGINE_VOCABULARY_H

#include "base/memory.h"
#include "engine/gguf.h"

/* As in tokenizer.ggml.token_type. */
enum token_type { TOKEN_NORMAL = 1, TOKEN_UNKNOWN = 2, TOKEN_CONTROL = 3, TOKEN_USER = 4, TOKEN_UNUSED = 5, TOKEN_BYTE = 6 };

enum { NO_TOKEN = -1, MAX_VOCABULARY = 1 << 24 };

/* How a file spells bytes. */
enum spelling {
    SPELLING_BYTE_LEVEL,    // each byte is a printable character (the GPT-2 alphabet)
    SPELLING_SENTENCEPIECE, // UTF-8, a space is U+2581, "<0x0A>" are the bytes that no other token has
};

struct token {
    const char *bytes;
    uint32_t n;
    float score; // of SentencePiece vocabularies
    uint8_t type;
};

struct vocabulary {
    struct arena arena;
    struct token *tokens; // [count]
    int count;
    uint32_t longest;     // bytes of the longest token
    int32_t *slots;       // hash of bytes → id + 1
    size_t n_slots;       // a power of two
    int32_t of_byte[256]; // NO_TOKEN: the vocabulary lacks that byte
    int32_t *specials;    // control, user-defined and unknown tokens, ascending by their bytes
    size_t n_specials;
};

/* Reads tokens, types and scores (needed by SentencePiece). Arrays of different lengths, tokens that stand twice, empty special tokens,
 * unknown types and scores that are no numbers are ERROR_INPUT with the entry named. Zero-initialise before; vocabulary_free after, on
 * failure too. */
bool vocabulary_read(struct vocabulary *v, const struct model_file *file, enum spelling spelling, struct error *err) MUST_CHECK;
void vocabulary_free(struct vocabulary *v);

/* Whether the token is looked for in a text as a whole, before anything else is done to the text. */
bool token_is_special(const struct token *token);

/* The token of these bytes, an ordinary one rather than a user-defined one; control tokens only where `control` is set. NO_TOKEN when there
 * is none. */
int32_t vocabulary_find(const struct vocabulary *v, const char *bytes, size_t n, bool control);

/* The longest special token that the text begins with. Without `control` only user-defined ones count. NO_TOKEN when there is none. */
int32_t vocabulary_special_at(const struct vocabulary *v, const char *bytes, size_t n, bool control);

/* The bytes that a string in the byte-level spelling stands for, into out (at least text.n bytes); false when a character is none of the
 * alphabet. */
bool vocabulary_unspell(struct gguf_string text, char *out, size_t *n);

#endif
