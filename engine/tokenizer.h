/* What the kinds of tokenizers share. Private to the tokenizer. */
#ifndef JEOUL_ENGINE_TOKENIZER_H
#define JEOUL_ENGINE_TOKENIZER_H

#include "engine/engine.h"

bool token_list_add(struct token_list *list, int32_t id, struct error *err) MUST_CHECK;

#endif
