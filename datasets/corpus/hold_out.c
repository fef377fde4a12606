/* See hold_out.h. One row of a table for each built-in set says what its items hold. */
#include "datasets/corpus/hold_out.h"

#include "base/json.h"
#include "datasets/corpus/korean.h"
#include "datasets/datasets.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool add(struct hold_out *held, const char ***list, size_t *n, size_t *capacity, const char *bytes, size_t length, struct error *err)
{
    char *copy = arena_copy(&held->arena, bytes, length, err);
    if (!copy || !memory_grow((void **)list, capacity, *n + 1, sizeof **list, "held-out words", err))
        return false;
    (*list)[(*n)++] = copy;
    return true;
}

#define ADD(list, bytes, length) add(held, &held->list, &held->n_##list, &held->list##_capacity, bytes, length, err)

struct item {
    const char *context, *choices[8];
    int n_choices, gold;
};

typedef bool hold_fn(struct hold_out *held, const struct item *item, struct error *err);

static size_t without_stop(const char *text)
{
    size_t n = strlen(text);
    return n && text[n - 1] == '.' ? n - 1 : n;
}

/* The word behind the last space. */
static const char *last_word(const char *text)
{
    const char *space = strrchr(text, ' ');
    return space ? space + 1 : text;
}

/* The numbers in a text, at most `most`; returns how many. */
static int numbers_in(const char *text, int *out, int most)
{
    int n = 0;
    while (*text && n < most)
        if (isdigit((unsigned char)*text))
            out[n++] = (int)strtol(text, (char **)&text, 10);
        else
            text++;
    return n;
}

static bool hold_context(struct hold_out *held, const struct item *item, struct error *err)
{
    return ADD(phrases, item->context, strlen(item->context));
}

/* "시계가 12시를 가리킨다": what stands before the question. */
static bool hold_first_sentence(struct hold_out *held, const struct item *item, struct error *err)
{
    return ADD(phrases, item->context, strcspn(item->context, "."));
}

static bool hold_choices(struct hold_out *held, const struct item *item, struct error *err)
{
    for (int i = 0; i < item->n_choices; i++)
        if (!ADD(phrases, item->choices[i], without_stop(item->choices[i])))
            return false;
    return true;
}

static bool hold_whole_sentences(struct hold_out *held, const struct item *item, struct error *err)
{
    char sentence[512];
    for (int i = 0; i < item->n_choices; i++) {
        int n = snprintf(sentence, sizeof sentence, "%s %.*s", item->context, (int)without_stop(item->choices[i]), item->choices[i]);
        if (n < 0 || (size_t)n >= sizeof sentence)
            return error_set(err, ERROR_INPUT, "an item is longer than %zu bytes: %.60s", sizeof sentence, item->context);
        if (!ADD(phrases, sentence, (size_t)n))
            return false;
    }
    return true;
}

/* The noun leaves the lexicon, and stands with none of the particles. */
static bool hold_korean_noun(struct hold_out *held, const struct item *item, struct error *err)
{
    static const char *const all[] = {"은", "는", "이", "가", "을", "를", "과", "와", "으로", "로"};
    const char *noun = last_word(item->context);
    char word[128];
    if (!ADD(nouns, noun, strlen(noun)))
        return false;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!ADD(words, word, (size_t)snprintf(word, sizeof word, "%.100s%s", noun, all[i])))
            return false;
    return true;
}

static bool hold_english_noun(struct hold_out *held, const char *noun, size_t n, struct error *err)
{
    return ADD(nouns, noun, n) && ADD(words, noun, n);
}

static bool hold_article_noun(struct hold_out *held, const struct item *item, struct error *err)
{
    const char *noun = last_word(item->choices[0]);
    return hold_english_noun(held, noun, without_stop(noun), err);
}

/* The subject's noun is nowhere. Pronouns have to be somewhere, and a noun whose plural is a matter of learning has to be seen: of those
 * the sentences are held out. */
static bool hold_subject(struct hold_out *held, const struct item *item, struct error *err)
{
    static const char *const seen[] = {"I", "You", "He", "She", "It", "We", "They", "child", "children", NULL};
    const char *noun = last_word(item->context);
    for (const char *const *word = seen; *word; word++)
        if (strcmp(*word, noun) == 0)
            return hold_whole_sentences(held, item, err);
    return hold_english_noun(held, noun, strlen(noun), err);
}

static bool hold_pair(struct hold_out *held, const struct item *item, struct error *err)
{
    int pair[3];
    if (numbers_in(item->context, pair, 3) != 2 || pair[0] >= HELD_NUMBERS || pair[1] >= HELD_NUMBERS)
        return error_set(err, ERROR_INPUT, "\"%.80s\": two numbers below %d are wanted", item->context, HELD_NUMBERS);
    held->compared[pair[0]][pair[1]] = held->compared[pair[1]][pair[0]] = true;
    return true;
}

static bool hold_sequence(struct hold_out *held, const struct item *item, struct error *err)
{
    int n[5];
    if (numbers_in(item->context, n, 5) != 4)
        return error_set(err, ERROR_INPUT, "\"%.80s\": four numbers are wanted", item->context);
    if (!memory_grow((void **)&held->runs, &held->runs_capacity, held->n_runs + 1, sizeof *held->runs, "held-out sequences", err))
        return false;
    held->runs[held->n_runs++] = (struct held_run){n[0], n[1] - n[0]};
    return true;
}

/* The ways in which items say two numbers and a sign: what stands before the first, between, behind; the particle that fits the second. */
static const struct {
    const char *before, *between, *behind;
    int particle; // of enum form; −1: none
    bool korean, minus, second_first;
} sayings[] = {
    {"", " 더하기 ", "", FORM_TOPIC, true, false, false},   {"", " 빼기 ", "", FORM_TOPIC, true, true, false},
    {"", "에서 ", " 빼면", FORM_OBJECT, true, true, false}, {"", " plus ", " is", -1, false, false, false},
    {"", " minus ", " is", -1, false, true, false},         {"If you take ", " from ", ",", -1, false, true, true},
};

static void say(struct text *out, size_t saying, int a, int b)
{
    int first = sayings[saying].second_first ? b : a, second = sayings[saying].second_first ? a : b;
    text_clear(out);
    text_add_string(out, sayings[saying].before);
    if (sayings[saying].korean)
        number_sino(out, first);
    else
        number_english(out, first, !sayings[saying].before[0]);
    text_add_string(out, sayings[saying].between);
    if (sayings[saying].korean)
        number_sino(out, second);
    else
        number_english(out, second, false);
    if (sayings[saying].particle >= 0 && !out->failed)
        text_add_string(out, particle((enum form)sayings[saying].particle, out->bytes, out->length));
    text_add_string(out, sayings[saying].behind);
}

/* Found by saying all that there can be. */
static bool hold_sum(struct hold_out *held, const struct item *item, struct error *err)
{
    enum { MOST = 30 };
    struct text said = {0};
    bool found = false;
    for (int a = 0; a <= MOST && !found; a++)
        for (int b = 0; b <= MOST && !found; b++)
            for (size_t k = 0; k < sizeof sayings / sizeof *sayings && !found; k++) {
                say(&said, k, a, b);
                found = !said.failed && strcmp(said.bytes, item->context) == 0;
                if (found && sayings[k].minus)
                    held->differences[a][b] = true;
                else if (found)
                    held->sums[a][b] = held->sums[b][a] = true;
            }
    text_free(&said);
    return found || error_set(err, ERROR_INPUT, "\"%.80s\": no sum or difference of two numbers up to %d", item->context, MOST);
}

/* Each is there twice: builtin_…, and confirm_…, the items that were written when the models had been trained. */
static const struct {
    const char *set;
    hold_fn *hold;
} sets[] = {
    {"ko_particles", hold_korean_noun}, {"ko_endings", hold_context},   {"ko_numerals", hold_first_sentence},
    {"ko_spacing", hold_choices},       {"ko_arithmetic", hold_sum},    {"ko_comparison", hold_pair},
    {"ko_sequences", hold_sequence},    {"en_agreement", hold_subject}, {"en_articles", hold_article_noun},
    {"en_irregular", hold_context},     {"en_arithmetic", hold_sum},    {"en_comparison", hold_pair},
    {"en_sequences", hold_sequence},
};

static bool read_item(const struct json_at *at, struct item *item, struct error *err)
{
    struct json_at context = json_member(at, "context"), choices = json_member(at, "choices");
    *item = (struct item){0};
    if (!json_string(&context, &item->context, err) || !json_array(&choices, &item->n_choices, err))
        return false;
    if (item->n_choices < 1 || item->n_choices > 8)
        return json_error(&choices, err, "%d choices: 1 … 8 are allowed", item->n_choices);
    for (int i = 0; i < item->n_choices; i++) {
        struct json_at choice = json_element(&choices, i);
        if (!json_string(&choice, &item->choices[i], err))
            return false;
    }
    return true;
}

static bool read_set(struct hold_out *held, const char *path, hold_fn *hold, struct error *err)
{
    cJSON *records = records_read(path, &(struct record_options){.format = RECORD_JSON_LINES}, 0, err);
    const cJSON *record;
    bool ok = records != NULL;
    if (ok)
        cJSON_ArrayForEach(record, records) {
            struct json_at at = json_root(path, record);
            struct item item;
            ok = ok && read_item(&at, &item, err) && (hold(held, &item, err) || error_prefix(err, "%s", path));
        }
    cJSON_Delete(records);
    return ok;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static uint32_t first_two(const char *bytes)
{
    return (uint32_t)(uint8_t)bytes[0] << 8 | (uint8_t)bytes[1];
}

/* Every place of every document is compared with the few phrases that begin as it does, not with all. */
static bool index_phrases(struct hold_out *held, struct error *err)
{
    enum { PAIRS = 1 << 16 };
    if (!(held->beginnings = memory_array(PAIRS + 1, sizeof *held->beginnings, "held-out phrases", err)))
        return false;
    for (size_t i = 0; i < held->n_phrases; i++) {
        if (strlen(held->phrases[i]) < 2)
            return error_set(err, ERROR_INPUT, "\"%s\" is too short to be kept out of a text", held->phrases[i]);
        held->beginnings[first_two(held->phrases[i]) + 1]++;
    }
    for (size_t pair = 0; pair < PAIRS; pair++)
        held->beginnings[pair + 1] += held->beginnings[pair];
    return true;
}

bool hold_out_read(struct hold_out *held, const char *directory, struct error *err)
{
    enum { N_SETS = sizeof sets / sizeof *sets };
    for (size_t i = 0; i < 2 * N_SETS; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%.4000s/%s_%s.jsonl", directory, i < N_SETS ? "builtin" : "confirm", sets[i % N_SETS].set);
        if (!read_set(held, path, sets[i % N_SETS].hold, err))
            return false;
    }
    qsort(held->words, held->n_words, sizeof *held->words, by_bytes);
    qsort(held->nouns, held->n_nouns, sizeof *held->nouns, by_bytes);
    qsort(held->phrases, held->n_phrases, sizeof *held->phrases, by_bytes);
    return index_phrases(held, err);
}

void hold_out_free(struct hold_out *held)
{
    free(held->words);
    free(held->nouns);
    free(held->phrases);
    free(held->beginnings);
    free(held->runs);
    arena_free(&held->arena);
    *held = (struct hold_out){0};
}

static bool is_in(const char *const *sorted, size_t n, const char *word, size_t length)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strncmp(sorted[middle], word, length);
        if (order == 0)
            order = sorted[middle][length] != '\0';
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool hold_out_noun(const struct hold_out *held, const char *word, size_t n)
{
    return is_in(held->nouns, held->n_nouns, word, n);
}

bool hold_out_run(const struct hold_out *held, int first, int step, int count)
{
    for (size_t i = 0; i < held->n_runs; i++) {
        const struct held_run *run = &held->runs[i];
        if (run->step == step && run->first >= first && (run->first - first) % step == 0 &&
            run->first + 3 * step <= first + (count - 1) * step)
            return true;
    }
    return false;
}

bool hold_out_document(const struct hold_out *held, const char *document, size_t n)
{
    static const char ends[] = " .,:;\"\n";
    const char *end = document + n;
    for (const char *at = document; at < end;) {
        size_t length = strcspn(at, ends);
        if (length && is_in(held->words, held->n_words, at, length))
            return true;
        at += length + 1;
    }
    for (const char *at = document; held->beginnings && at + 1 < end; at++)
        for (uint32_t pair = first_two(at), i = held->beginnings[pair]; i < held->beginnings[pair + 1]; i++)
            if (strncmp(at, held->phrases[i], strlen(held->phrases[i])) == 0)
                return true;
    return false;
}
