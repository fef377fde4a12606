/* jeoul corpus: writes the training corpus. */
#include "harness/verbs.h"

#include "base/file.h"
#include "base/hash.h"
#include "datasets/corpus.h"
#include "harness/places.h"

#include <stdio.h>

static void show(void *context, size_t done, size_t total)
{
    progress_show(context, (double)done, (double)total);
}

static int run(struct cli *cli, struct error *err)
{
    char grammar[4096], held_out[4096], hash[HASH_HEX];
    const char *path, *given = cli_text(cli, "grammar", NULL);
    int64_t seed, bytes;
    struct text text = {0};
    struct progress progress = progress_begin("writing");
    if (!cli_need(cli, "output", &path, err) || !cli_number(cli, "seed", 0, INT64_MAX, 1, &seed, err) ||
        !cli_number(cli, "bytes", 1, (int64_t)1 << 32, 1000000, &bytes, err) ||
        (!given && !places_find("datasets/corpus/grammar.json", grammar, sizeof grammar, err)) ||
        !places_find("datasets/builtin", held_out, sizeof held_out, err))
        return 0;
    struct corpus_options options = {.grammar = given ? given : grammar,
                                     .held_out = held_out,
                                     .seed = (uint64_t)seed,
                                     .bytes = (size_t)bytes,
                                     .progress = show,
                                     .context = &progress};
    bool ok = corpus_generate(&options, &text, err);
    progress_end(&progress);
    if (ok && file_write(path, text.bytes, text.length, err) && hash_bytes(text.bytes, text.length, hash, err))
        fprintf(stderr, "%s: %s, SHA-256 %s\n", path, bytes_for_people((double)text.length), hash);
    text_free(&text);
    return 0;
}

const struct cli_verb verb_corpus = {
    .name = "corpus",
    .arguments = "",
    .summary = "Write the training corpus: Korean and English by a grammar and a seed",
    .text = "One document a line. What the built-in evaluation sets hold is left out; docs/training.md\n"
            "says what that is for each set.",
    .example = "jeoul corpus --seed 1 --bytes 1000000 -o corpus.txt",
    .run = run,
    .options = {{"seed", 0, "N", "seed (1)"},
                {"bytes", 0, "N", "bytes, to the end of a document (1000000)"},
                {"grammar", 0, "FILE", "another grammar (datasets/corpus/grammar.json)"},
                {"output", 'o', "FILE", "where to write"}},
};
