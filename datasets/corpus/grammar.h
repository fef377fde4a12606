/* A grammar: rules with alternatives, expanded at random.
 *
 *     {"documents": {"greeting": 3, "@sum_ko": 1},                  what a document is, and how often in proportion
 *      "fields": {"animal": ["en", "ens", "ko"]},                   the forms of a rule's entries
 *      "rules": {"animal": ["cow|cows|소"], "greeting": ["{animal#1.ko:은} {animal#1.en}"]}}
 *
 * {rule} is a random alternative, {rule.field} one of its forms, {rule:form} the word with its particle or article (korean.h), {rule#1} the
 * same alternative wherever #1 stands in the document, another than #2. Names with an @ are documents of numbers (numbers.c). */
#ifndef JEOUL_CORPUS_GRAMMAR_H
#define JEOUL_CORPUS_GRAMMAR_H

#include "base/random.h"
#include "datasets/corpus/hold_out.h"

struct grammar;

/* Reads a grammar; entries with a held-out noun are dropped. */
struct grammar *grammar_open(const char *path, const struct hold_out *held, struct error *err) MUST_CHECK;
void grammar_close(struct grammar *grammar);

/* A kind of document by its weight. Its name begins with '@' where numbers.c has to write it. */
int grammar_document(const struct grammar *grammar, struct random *random);
const char *grammar_document_name(const struct grammar *grammar, int document);

/* Appends a document. Fails where rules go round without end. */
bool grammar_expand(struct grammar *grammar, int document, struct random *random, struct text *out, struct error *err) MUST_CHECK;

#endif
