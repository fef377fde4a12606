/* See corpus.h. A document's random numbers depend on the seed and its number only. */
#include "datasets/corpus.h"

#include "datasets/corpus/grammar.h"
#include "datasets/corpus/numbers.h"

#include <string.h>

/* A grammar whose documents are all held out would go on for ever. */
enum { MAX_REFUSED = 10000 };

static bool write_document(struct grammar *grammar, const struct hold_out *held, struct random *random, struct text *out, struct error *err)
{
    int document = grammar_document(grammar, random);
    const char *name = grammar_document_name(grammar, document);
    return name[0] == '@' ? numbers_document(name, held, random, out, err) : grammar_expand(grammar, document, random, out, err);
}

static bool generate(const struct corpus_options *o, struct grammar *grammar, const struct hold_out *held, struct text *out,
                     struct error *err)
{
    size_t first = out->length, refused = 0;
    for (uint64_t number = 0; out->length - first < o->bytes; number++) {
        struct random random = random_seed(o->seed, number);
        size_t start = out->length;
        if (!write_document(grammar, held, &random, out, err) || !text_ok(out, err))
            return error_prefix(err, "%s", o->grammar);
        if (hold_out_document(held, out->bytes + start, out->length - start)) {
            out->length = start;
            if (++refused == MAX_REFUSED)
                return error_set(err, ERROR_INPUT, "%s: %d documents one after the other hold what is held out", o->grammar, MAX_REFUSED);
            continue;
        }
        refused = 0;
        text_add_string(out, "\n");
        if (o->progress && number % 4096 == 0)
            o->progress(o->context, out->length - first, o->bytes);
    }
    return text_ok(out, err);
}

bool corpus_generate(const struct corpus_options *o, struct text *out, struct error *err)
{
    struct hold_out held = {0};
    struct grammar *grammar = NULL;
    bool ok = hold_out_read(&held, o->held_out, err) && (grammar = grammar_open(o->grammar, &held, err)) != NULL &&
              generate(o, grammar, &held, out, err);
    grammar_close(grammar);
    hold_out_free(&held);
    return ok;
}
