/* A reference's logits in a file: see kl_file.h. */
#include "harness/kl_file.h"

#include "base/checksum.h"
#include "base/json.h"
#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char magic[8] = {'J', 'E', 'O', 'U', 'L', 'K', 'L', '1'};

enum { MAX_HEADER = 1 << 26, MAX_VOCABULARY = 1 << 24, MAX_WINDOW = 1 << 24 };

/* --- writing ---------------------------------------------------------------------------------------------------------------------------
 */

static cJSON *header_json(const struct kl_texts *texts, const cJSON *reference, const char *vocabulary, size_t n_vocab)
{
    cJSON *header = cJSON_CreateObject();
    cJSON_AddItemToObject(header, "reference", cJSON_Duplicate(reference, true));
    cJSON_AddNumberToObject(header, "n_vocab", (double)n_vocab);
    cJSON_AddStringToObject(header, "vocabulary_sha256", vocabulary);
    cJSON_AddNumberToObject(header, "window", texts->window);
    cJSON_AddNumberToObject(header, "skip", texts->skip);
    cJSON *languages = cJSON_AddArrayToObject(header, "languages"), *blocks = cJSON_AddArrayToObject(header, "blocks");
    for (int l = 0; l < texts->n_languages; l++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "language", texts->languages[l].name);
        cJSON_AddItemToObject(one, "sources", cJSON_Duplicate(texts->languages[l].sources, true));
        cJSON_AddItemToArray(languages, one);
    }
    for (size_t b = 0; b < texts->n_blocks; b++)
        cJSON_AddItemToArray(blocks, cJSON_CreateIntArray((const int[]){texts->blocks[b].language, texts->blocks[b].n}, 2));
    return header;
}

static bool put(struct kl_writer *writer, const void *bytes, size_t n, struct error *err)
{
    return fwrite(bytes, 1, n, writer->file.stream) == n || error_set_errno(err, "%s: cannot be written", writer->file.path);
}

bool kl_writer_begin(struct kl_writer *writer, const char *path, const struct kl_texts *texts, const cJSON *reference,
                     const char *vocabulary, size_t n_vocab, struct error *err)
{
    cJSON *header = header_json(texts, reference, vocabulary, n_vocab);
    char *json = cJSON_PrintUnformatted(header);
    uint64_t length = json ? strlen(json) : 0;
    size_t bytes = texts->tokens.count * sizeof *texts->tokens.ids;
    uint64_t sum = checksum(texts->tokens.ids, bytes, 0);
    cJSON_Delete(header);
    *writer = (struct kl_writer){.n_vocab = n_vocab};
    bool ok = json ? file_create(&writer->file, path, err) : error_set(err, ERROR_MACHINE, "%s: out of memory", path);
    if (ok && !(put(writer, magic, sizeof magic, err) && put(writer, &length, sizeof length, err) && put(writer, json, length, err) &&
                put(writer, texts->tokens.ids, bytes, err) && put(writer, &sum, sizeof sum, err))) {
        kl_writer_abandon(writer);
        ok = false;
    }
    free(json);
    return ok;
}

bool kl_writer_rows(struct kl_writer *writer, const float *logits, int n, struct error *err)
{
    size_t bytes = writer->n_vocab * sizeof *logits;
    for (int i = 0; i < n; i++) {
        const float *row = logits + (size_t)i * writer->n_vocab;
        uint64_t sum = checksum(row, bytes, ++writer->rows);
        if (!put(writer, row, bytes, err) || !put(writer, &sum, sizeof sum, err))
            return false;
    }
    return true;
}

bool kl_writer_end(struct kl_writer *writer, struct error *err)
{
    return file_commit(&writer->file, err);
}

void kl_writer_abandon(struct kl_writer *writer)
{
    file_abandon(&writer->file);
}

/* --- reading ---------------------------------------------------------------------------------------------------------------------------
 */

static bool get(struct kl_reader *reader, void *bytes, size_t n, struct error *err)
{
    if (fread(bytes, 1, n, reader->stream) == n)
        return true;
    return ferror(reader->stream) ? error_set_errno(err, "%s: cannot be read", reader->path)
                                  : error_set(err, ERROR_INPUT, "%s: ends too early; make it anew with --save", reader->path);
}

static bool read_header(struct kl_reader *reader, struct error *err)
{
    char begin[sizeof magic], *json;
    uint64_t length;
    if (fread(begin, 1, sizeof begin, reader->stream) != sizeof begin || memcmp(begin, magic, sizeof magic) != 0)
        return error_set(err, ERROR_INPUT, "%s: is no file that 'jeoul kl --save' wrote", reader->path);
    if (!get(reader, &length, sizeof length, err))
        return false;
    if (length > MAX_HEADER)
        return error_set(err, ERROR_INPUT, "%s: a header of %" PRIu64 " bytes; %d are allowed", reader->path, length, MAX_HEADER);
    if (!(json = memory_array((size_t)length + 1, 1, "header", err)))
        return false;
    bool ok = get(reader, json, (size_t)length, err) && (reader->header = json_parse(reader->path, json, (size_t)length, err));
    free(json);
    return ok;
}

static bool read_languages(const struct json_at *root, struct kl_texts *texts, struct error *err)
{
    struct json_at list = json_member(root, "languages");
    int n;
    if (!json_array(&list, &n, err))
        return false;
    for (int i = 0; i < n; i++) {
        struct json_at one = json_element(&list, i), language = json_member(&one, "language"), sources = json_member(&one, "sources");
        const char *name;
        int count;
        if (!json_string(&language, &name, err) || !json_array(&sources, &count, err))
            return false;
        if (kl_texts_language(texts, name, err) != i)
            return json_error(&language, err, "stands there twice, or is no language");
        for (int k = 0; k < count; k++) {
            struct json_at source = json_element(&sources, k);
            const char *text;
            if (!json_string(&source, &text, err))
                return false;
            cJSON_AddItemToArray(texts->languages[i].sources, cJSON_CreateString(text));
        }
    }
    return true;
}

static bool read_blocks(const struct json_at *root, struct kl_texts *texts, struct error *err)
{
    struct json_at list = json_member(root, "blocks");
    int n;
    if (!json_array(&list, &n, err))
        return false;
    if (!(texts->blocks = memory_array((size_t)n, sizeof *texts->blocks, "blocks", err)))
        return false;
    texts->capacity = (size_t)n;
    const cJSON *value; // not by index, which walks the list from its beginning
    cJSON_ArrayForEach(value, list.value) {
        struct json_at block = list, language, count;
        int64_t l, tokens;
        int pair;
        block.value = value;
        snprintf(block.path, sizeof block.path, "blocks[%zu]", texts->n_blocks);
        if (!json_array(&block, &pair, err))
            return false;
        language = json_element(&block, 0);
        count = json_element(&block, 1);
        if (!json_integer(&language, 0, texts->n_languages - 1, &l, err) ||
            !json_integer(&count, texts->skip + 2, texts->window, &tokens, err))
            return false;
        struct kl_block *out = &texts->blocks[texts->n_blocks++];
        *out = (struct kl_block){(int)l, texts->tokens.count, (int)tokens};
        texts->tokens.count += (size_t)tokens; // the list itself is read behind the header
        texts->languages[l].scored += (size_t)kl_block_scored(texts, out);
    }
    return texts->n_blocks > 0 || json_error(&list, err, "is empty");
}

/* Before anything is allocated by the header's numbers: the file has exactly the bytes that they come to. */
static bool check_size(struct kl_reader *reader, const struct kl_texts *texts, struct error *err)
{
    struct stat status;
    long at = ftell(reader->stream);
    size_t row, rows, tokens, wanted;
    if (at < 0 || fstat(fileno(reader->stream), &status) != 0)
        return error_set_errno(err, "%s: cannot be read", reader->path);
    if (__builtin_mul_overflow(reader->n_vocab, sizeof(float), &row) || __builtin_add_overflow(row, sizeof(uint64_t), &row) ||
        __builtin_mul_overflow(row, kl_texts_scored(texts), &rows) ||
        __builtin_mul_overflow(texts->tokens.count, sizeof(int32_t), &tokens) ||
        __builtin_add_overflow(rows, tokens + sizeof(uint64_t) + (size_t)at, &wanted) || (uint64_t)status.st_size != wanted)
        return error_set(err, ERROR_INPUT, "%s: has %lld bytes, which its header doesn't come to; make it anew with --save", reader->path,
                         (long long)status.st_size);
    return true;
}

static bool read_tokens(struct kl_reader *reader, struct kl_texts *texts, struct error *err)
{
    struct token_list *list = &texts->tokens;
    size_t n = list->count;
    uint64_t sum;
    if (!(list->ids = memory_array(n, sizeof *list->ids, "tokens", err)))
        return false;
    list->capacity = n;
    if (!get(reader, list->ids, n * sizeof *list->ids, err) || !get(reader, &sum, sizeof sum, err))
        return false;
    if (checksum(list->ids, n * sizeof *list->ids, 0) != sum)
        return error_set(err, ERROR_INPUT, "%s: its tokens are damaged; make it anew with --save", reader->path);
    for (size_t i = 0; i < n; i++)
        if (list->ids[i] < 0 || (size_t)list->ids[i] >= reader->n_vocab)
            return error_set(err, ERROR_INPUT, "%s: token %zu is %d, beyond a vocabulary of %zu", reader->path, i, list->ids[i],
                             reader->n_vocab);
    return true;
}

bool kl_reader_open(struct kl_reader *reader, const char *path, struct kl_texts *texts, struct error *err)
{
    *reader = (struct kl_reader){.path = path, .stream = fopen(path, "rbe")};
    if (!reader->stream)
        return error_set_errno(err, "%s: cannot be opened", path);
    if (!read_header(reader, err))
        return false;
    struct json_at root = json_root(path, reader->header), reference = json_member(&root, "reference"),
                   vocabulary = json_member(&root, "vocabulary_sha256"), n_vocab = json_member(&root, "n_vocab"),
                   window = json_member(&root, "window"), skip = json_member(&root, "skip");
    int64_t size, most, skipped;
    if (!json_object(&reference, err) || !json_string(&vocabulary, &reader->vocabulary, err) ||
        !json_integer(&n_vocab, 1, MAX_VOCABULARY, &size, err) || !json_integer(&window, 2, MAX_WINDOW, &most, err) ||
        !json_integer(&skip, 0, most - 2, &skipped, err))
        return false;
    reader->reference = reference.value;
    reader->n_vocab = (size_t)size;
    texts->window = (int)most;
    texts->skip = (int)skipped;
    return read_languages(&root, texts, err) && read_blocks(&root, texts, err) && check_size(reader, texts, err) &&
           read_tokens(reader, texts, err);
}

bool kl_reader_rows(struct kl_reader *reader, float *logits, int n, struct error *err)
{
    size_t bytes = reader->n_vocab * sizeof *logits;
    for (int i = 0; i < n; i++) {
        float *row = logits + (size_t)i * reader->n_vocab;
        uint64_t sum;
        if (!get(reader, row, bytes, err) || !get(reader, &sum, sizeof sum, err))
            return false;
        if (checksum(row, bytes, ++reader->rows) != sum)
            return error_set(err, ERROR_INPUT, "%s: position %zu is damaged; make it anew with --save", reader->path, reader->rows);
    }
    return true;
}

void kl_reader_close(struct kl_reader *reader)
{
    if (reader->stream)
        fclose(reader->stream);
    cJSON_Delete(reader->header);
    *reader = (struct kl_reader){0};
}
