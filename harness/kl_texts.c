/* Texts for jeoul kl: see kl_texts.h. */
#include "harness/kl_texts.h"

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "datasets/datasets.h"
#include "harness/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT_BYTES = 1 << 28 };

int kl_texts_language(struct kl_texts *texts, const char *name, struct error *err)
{
    int l = 0;
    while (l < texts->n_languages && strcmp(texts->languages[l].name, name) != 0)
        l++;
    if (l < texts->n_languages)
        return l;
    if (!*name || strlen(name) >= sizeof texts->languages[l].name) {
        error_record(err, ERROR_INPUT, "\"%.40s\" is no language: a code such as ko or en is wanted", name);
        return -1;
    }
    if (l == KL_LANGUAGES) {
        error_record(err, ERROR_INPUT, "texts of more than %d languages", KL_LANGUAGES);
        return -1;
    }
    snprintf(texts->languages[l].name, sizeof texts->languages[l].name, "%s", name);
    texts->languages[l].sources = cJSON_CreateArray();
    return texts->n_languages++;
}

int kl_block_scored(const struct kl_texts *texts, const struct kl_block *block)
{
    return block->n - 1 - texts->skip;
}

size_t kl_texts_scored(const struct kl_texts *texts)
{
    size_t sum = 0;
    for (int l = 0; l < texts->n_languages; l++)
        sum += texts->languages[l].scored;
    return sum;
}

/* One window: BOS, where there is one, and n tokens. Takes fewer where the limit says so. */
static bool add_block(struct kl_texts *texts, int language, int32_t bos, const int32_t *ids, size_t n, struct error *err)
{
    size_t before = bos >= 0, unscored = 1 + (size_t)texts->skip, scored = before + n > unscored ? before + n - unscored : 0;
    size_t left = texts->limit ? texts->limit - texts->languages[language].scored : scored;
    if (scored > left) {
        n -= scored - left;
        scored = left;
    }
    if (!scored)
        return true;
    struct token_list *list = &texts->tokens;
    if (!memory_grow((void **)&texts->blocks, &texts->capacity, texts->n_blocks + 1, sizeof *texts->blocks, "texts", err) ||
        !memory_grow((void **)&list->ids, &list->capacity, list->count + before + n, sizeof *list->ids, "texts", err))
        return false;
    texts->blocks[texts->n_blocks++] = (struct kl_block){language, list->count, (int)(before + n)};
    if (before)
        list->ids[list->count++] = bos;
    memcpy(list->ids + list->count, ids, n * sizeof *ids);
    list->count += n;
    texts->languages[language].scored += scored;
    return true;
}

bool kl_texts_add(struct kl_texts *texts, const struct tokenizer *tokenizer, const char *language, const char *source, const char *bytes,
                  size_t n, struct error *err)
{
    struct token_list list = {0};
    struct tokenizer_info info = tokenizer_info(tokenizer);
    int32_t bos = info.adds_bos ? info.bos : -1;
    size_t room = (size_t)texts->window - (bos >= 0);
    int l = kl_texts_language(texts, language, err);
    if (l < 0)
        return false;
    bool known = false, ok = tokenize(tokenizer, bytes, n, 0, &list, err);
    const cJSON *one;
    cJSON_ArrayForEach(one, texts->languages[l].sources)
        known = known || strcmp(one->valuestring, source) == 0;
    if (!known)
        cJSON_AddItemToArray(texts->languages[l].sources, cJSON_CreateString(source));
    for (size_t at = 0; ok && at < list.count; at += room)
        ok = add_block(texts, l, bos, list.ids + at, list.count - at < room ? list.count - at : room, err);
    token_list_free(&list);
    return ok || error_prefix(err, "%s", source);
}

/* Every record's "text". */
static bool add_records(struct kl_texts *texts, const struct tokenizer *tokenizer, const char *language, const char *source,
                        const char *path, const cJSON *records, struct error *err)
{
    struct json_at root = json_root(path, records);
    for (int i = 0; i < cJSON_GetArraySize(records); i++) {
        struct json_at record = json_element(&root, i), text = json_member(&record, "text");
        const char *bytes;
        if (!json_string(&text, &bytes, err) || !kl_texts_add(texts, tokenizer, language, source, bytes, strlen(bytes), err))
            return false;
    }
    return true;
}

static bool add_json_lines(struct kl_texts *texts, const struct tokenizer *tokenizer, const char *language, const char *source,
                           const char *path, struct error *err)
{
    struct record_options options = {.format = RECORD_JSON_LINES};
    cJSON *records = records_read(path, &options, 0, err);
    bool ok = records && add_records(texts, tokenizer, language, source, path, records, err);
    cJSON_Delete(records);
    return ok;
}

static bool ends_with(const char *string, const char *end)
{
    size_t n = strlen(string), m = strlen(end);
    return n >= m && strcmp(string + n - m, end) == 0;
}

static bool some_text(struct kl_texts *texts, const char *language, const char *source, struct error *err)
{
    int l = kl_texts_language(texts, language, err);
    return l >= 0 && (texts->languages[l].scored > 0 ||
                      error_set(err, ERROR_INPUT, "%s: no window has tokens to score: %d and more are wanted", source, texts->skip + 2));
}

bool kl_texts_add_file(struct kl_texts *texts, const struct tokenizer *tokenizer, const char *argument, struct error *err)
{
    const char *equals = strchr(argument, '='), *path = equals ? equals + 1 : NULL;
    char language[16] = "";
    if (equals && equals - argument < (ptrdiff_t)sizeof language)
        memcpy(language, argument, (size_t)(equals - argument));
    if (!*language || !*path)
        return error_set(err, ERROR_INPUT, "%.200s: a language and a file are wanted, such as ko=news.txt", argument);
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    if (ends_with(path, ".jsonl") || ends_with(path, ".jsonl.gz"))
        return add_json_lines(texts, tokenizer, language, name, path, err) && some_text(texts, language, path, err);
    struct text text = {0};
    bool ok = file_read(path, MAX_TEXT_BYTES, &text, err) && kl_texts_add(texts, tokenizer, language, name, text.bytes, text.length, err) &&
              some_text(texts, language, path, err);
    text_free(&text);
    return ok;
}

static bool add_built_in(struct kl_texts *texts, const struct tokenizer *tokenizer, const char *language, struct error *err)
{
    char piece[64], path[4096];
    snprintf(piece, sizeof piece, "datasets/builtin/texts_%s.jsonl", language);
    return places_find(piece, path, sizeof path, err) && add_json_lines(texts, tokenizer, language, strrchr(piece, '/') + 1, path, err) &&
           some_text(texts, language, path, err);
}

static bool add_wikitext(struct kl_texts *texts, const struct tokenizer *tokenizer, const char *data, struct error *err)
{
    char directory[4096];
    struct data_places places = {.data = data};
    struct source_used used;
    struct source *source =
        places_find("datasets/sources", directory, sizeof directory, err) ? source_read(directory, "wikitext2_raw", err) : NULL;
    cJSON *records = source ? source_records(source, "test", "", &places, 0, &used, err) : NULL;
    bool ok = records && add_records(texts, tokenizer, "en", "WikiText-2 raw, test", used.path, records, err) &&
              some_text(texts, "en", used.path, err);
    cJSON_Delete(records);
    source_free(source);
    return ok;
}

bool kl_texts_add_own(struct kl_texts *texts, const struct tokenizer *tokenizer, const char *data, struct error *err)
{
    return add_built_in(texts, tokenizer, "ko", err) &&
           (data ? add_wikitext(texts, tokenizer, data, err) : add_built_in(texts, tokenizer, "en", err));
}

void kl_texts_free(struct kl_texts *texts)
{
    for (int l = 0; l < texts->n_languages; l++)
        cJSON_Delete(texts->languages[l].sources);
    token_list_free(&texts->tokens);
    free(texts->blocks);
    *texts = (struct kl_texts){0};
}
