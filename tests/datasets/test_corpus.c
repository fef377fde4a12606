/* The training corpus: the same for the same seed, what the grammar says, and nothing of the built-in items in it. */
#include "tests/support.h"

#include "base/checksum.h"
#include "base/file.h"
#include "base/json.h"
#include "datasets/corpus.h"
#include "datasets/corpus/grammar.h"
#include "datasets/corpus/korean.h"
#include "datasets/corpus/numbers.h"
#include "datasets/datasets.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

enum { WHOLE_BYTES = 24000000 }; // what the reference models are trained on (bench/models)

static struct text corpus_of(uint64_t seed, size_t bytes)
{
    struct error err = {0};
    struct text text = {0};
    struct corpus_options options = {
        .grammar = "datasets/corpus/grammar.json", .held_out = "datasets/builtin", .seed = seed, .bytes = bytes};
    cr_assert(corpus_generate(&options, &text, &err), "%s", err.message);
    return text;
}

Test(corpus, is_the_same_for_the_same_seed_and_another_for_another)
{
    struct text a = corpus_of(7, 50000), b = corpus_of(7, 50000), longer = corpus_of(7, 90000), other = corpus_of(8, 50000);
    cr_assert_eq(a.length, b.length);
    cr_assert_arr_eq(a.bytes, b.bytes, a.length);
    cr_assert(longer.length > a.length && memcmp(longer.bytes, a.bytes, a.length) == 0, "a longer corpus begins with the shorter one");
    cr_assert(memcmp(a.bytes, other.bytes, 50000) != 0);
    cr_assert_eq(utf8_invalid_at(a.bytes, a.length), a.length);
    cr_assert_eq(a.bytes[a.length - 1], '\n');
    text_free(&a);
    text_free(&b);
    text_free(&longer);
    text_free(&other);
}

/* --- nothing of the built-in items; written without the code that holds them out
 * --------------------------------------------------------- */

/* What the corpus may not hold (of an item), and what it has to hold, found in one pass: by the first word, as only at a word's beginning
 * something can begin. */
struct phrase {
    char *words;
    char id[64];
    bool wanted, found;
    struct phrase *next; // of the same slot
};

enum { SLOTS = 1 << 14 };
static struct phrase *phrases[SLOTS];

/* Letters and digits, those of Hangul too: with one of them right before or behind, it is another word. */
static size_t word_bytes(const char *text)
{
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || (unsigned char)text[n] >= 0x80)
        n++;
    return n;
}

static struct phrase **slot_of(const char *word, size_t n)
{
    return &phrases[checksum(word, n, 0) % SLOTS];
}

static struct phrase *add_phrase(const char *id, const char *words)
{
    size_t n = word_bytes(words);
    struct phrase *phrase = calloc(1, sizeof *phrase), **slot = slot_of(words, n);
    cr_assert(n > 0, "%s: \"%s\" does not begin with a word", id, words);
    *phrase = (struct phrase){.words = strdup(words), .next = *slot};
    snprintf(phrase->id, sizeof phrase->id, "%s", id);
    *slot = phrase;
    return phrase;
}

static void refuse_format(const char *id, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void refuse_format(const char *id, const char *format, ...)
{
    char words[512];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    add_phrase(id, words);
}

static void find_phrases(const char *text)
{
    for (const char *at = text; *at;) {
        size_t n = word_bytes(at);
        for (struct phrase *phrase = n ? *slot_of(at, n) : NULL; phrase; phrase = phrase->next) {
            size_t whole = strlen(phrase->words);
            if (strncmp(at, phrase->words, whole) != 0 || word_bytes(at + whole) != 0)
                continue;
            phrase->found = true;
            cr_assert(phrase->wanted, "%s: the corpus holds \"%s\"", phrase->id, phrase->words);
        }
        at += n ? n : 1;
    }
}

static void free_phrases(void)
{
    for (int i = 0; i < SLOTS; i++)
        while (phrases[i]) {
            struct phrase *next = phrases[i]->next;
            free(phrases[i]->words);
            free(phrases[i]);
            phrases[i] = next;
        }
}

static const char *last_word(const char *text)
{
    const char *space = strrchr(text, ' ');
    return space ? space + 1 : text;
}

static void without_stop(const char *from, char out[256])
{
    snprintf(out, 256, "%s", from);
    size_t n = strlen(out);
    if (n && out[n - 1] == '.')
        out[n - 1] = '\0';
}

static void refuse_sum(const char *id, const char *context)
{
    bool known = false;
    for (int a = 0; a <= 25; a++)
        for (int b = 0; b <= 25; b++)
            for (int plus = 0; plus < 2; plus++) {
                struct text ko = {0}, en = {0}, ko_b = {0}, en_b = {0};
                number_sino(&ko, a);
                number_sino(&ko_b, b);
                number_english(&en, a, true);
                number_english(&en_b, b, false);
                char korean[256], english[256], taken_korean[256], taken_english[256];
                snprintf(korean, sizeof korean, "%s %s %s%s", ko.bytes, plus ? "더하기" : "빼기", ko_b.bytes,
                         particle(FORM_TOPIC, ko_b.bytes, ko_b.length));
                snprintf(english, sizeof english, "%s %s %s is", en.bytes, plus ? "plus" : "minus", en_b.bytes);
                snprintf(taken_korean, sizeof taken_korean, "%s에서 %s%s 빼면", ko.bytes, ko_b.bytes,
                         particle(FORM_OBJECT, ko_b.bytes, ko_b.length));
                struct text en_plain = {0};
                number_english(&en_plain, a, false);
                snprintf(taken_english, sizeof taken_english, "If you take %s from %s,", en_b.bytes, en_plain.bytes);
                text_free(&en_plain);
                bool taken = !plus && (strcmp(context, taken_korean) == 0 || strcmp(context, taken_english) == 0);
                if (taken || strcmp(context, korean) == 0 || strcmp(context, english) == 0) {
                    known = true;
                    refuse_format(id, "%s", korean);
                    refuse_format(id, "%s", english);
                    if (!plus) {
                        refuse_format(id, "%s", taken_korean);
                        refuse_format(id, "%s", taken_english);
                    }
                    refuse_format(id, "%d %c %d =", a, plus ? '+' : '-', b);
                    if (plus)
                        refuse_format(id, "%d + %d =", b, a);
                }
                text_free(&ko);
                text_free(&en);
                text_free(&ko_b);
                text_free(&en_b);
            }
    cr_assert(known, "%s: no sum is known in \"%s\"", id, context);
}

static void refuse_numbers(const char *id, const char *context)
{
    int n[4], count = 0;
    for (const char *at = context; *at && count < 4;)
        if (isdigit((unsigned char)*at))
            n[count++] = (int)strtol(at, (char **)&at, 10);
        else
            at++;
    if (count == 4) {
        refuse_format(id, "%d, %d, %d, %d", n[0], n[1], n[2], n[3]);
        return;
    }
    cr_assert_eq(count, 2, "%s", id);
    for (int turn = 0; turn < 2; turn++) {
        int a = n[turn], b = n[1 - turn];
        refuse_format(id, "%d and %d", a, b);
        refuse_format(id, "%d, %d 가운데", a, b);
        refuse_format(id, "%d, %d 중에서", a, b);
        refuse_format(id, "%d is larger than %d", a, b);
        refuse_format(id, "%d is smaller than %d", a, b);
        refuse_format(id, "%d은 %d보다", a, b);
        refuse_format(id, "%d는 %d보다", a, b);
    }
}

static void refuse_item(const char *set, const char *id, const char *context, const cJSON *choices)
{
    bool particles = strcmp(set, "ko_particles") == 0;
    const cJSON *choice;
    char words[256];
    cJSON_ArrayForEach(choice, choices) {
        without_stop(choice->valuestring, words);
        refuse_format(id, "%s%s%s", context, particles ? "" : " ", words);
        if (strcmp(set, "ko_spacing") == 0)
            refuse_format(id, "%s", words);
        if (strcmp(set, "en_articles") == 0)
            refuse_format(id, "%s", last_word(words)); // the noun is nowhere
    }
    static const char *const all[] = {"은", "는", "이", "가", "을", "를", "과", "와", "으로", "로"};
    for (size_t i = 0; particles && i < sizeof all / sizeof *all; i++)
        refuse_format(id, "%s%s", last_word(context), all[i]);
    if (strcmp(set, "ko_endings") == 0 || strcmp(set, "en_irregular") == 0)
        refuse_format(id, "%s", context);
    if (strcmp(set, "ko_numerals") == 0)
        refuse_format(id, "%.*s", (int)strcspn(context, "."), context);
    if (strcmp(set, "en_agreement") == 0 && !strstr(" I You He She It We They child children ", last_word(context)))
        refuse_format(id, "%s", last_word(context));
    if (strstr(set, "arithmetic"))
        refuse_sum(id, context);
    if (strstr(set, "comparison") || strstr(set, "sequences"))
        refuse_numbers(id, context);
}

Test(corpus, holds_nothing_of_the_built_in_items_nor_of_those_to_confirm_with)
{
    static const char *const sets[] = {"ko_particles",  "ko_endings",    "ko_numerals",  "ko_spacing",  "ko_arithmetic",
                                       "ko_comparison", "ko_sequences",  "en_agreement", "en_articles", "en_irregular",
                                       "en_arithmetic", "en_comparison", "en_sequences"};
    enum { N_SETS = sizeof sets / sizeof *sets };
    struct text text = corpus_of(1, WHOLE_BYTES);
    struct error err = {0};
    int items = 0;
    for (size_t i = 0; i < 2 * N_SETS; i++) {
        const char *set = sets[i % N_SETS];
        char path[256];
        snprintf(path, sizeof path, "datasets/builtin/%s_%s.jsonl", i < N_SETS ? "builtin" : "confirm", set);
        cJSON *records = records_read(path, &(struct record_options){.format = RECORD_JSON_LINES}, 0, &err);
        const cJSON *record;
        cr_assert_not_null(records, "%s", err.message);
        cJSON_ArrayForEach(record, records) {
            refuse_item(set, json_text(record, "id"), json_text(record, "context"), cJSON_GetObjectItem(record, "choices"));
            items++;
        }
        cJSON_Delete(records);
    }
    cr_assert_eq(items, 456 + 300);
    /* The check itself finds what is there. */
    static const char *const there[] = {"The past tense of \"come\" is \"came\"", "두 수", "더하기"};
    struct phrase *wanted[sizeof there / sizeof *there];
    for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
        wanted[i] = add_phrase("there", there[i]);
        wanted[i]->wanted = true;
    }
    find_phrases(text.bytes);
    for (size_t i = 0; i < sizeof there / sizeof *there; i++)
        cr_assert(wanted[i]->found, "\"%s\" is not found", there[i]);
    free_phrases();
    text_free(&text);
}

/* What the grammar never says (the items to confirm with were written so) would be held out as well. */
Test(corpus, documents_that_hold_an_item_are_refused)
{
    static const char *const sets[] = {"ko_particles", "ko_endings",  "ko_numerals", "ko_spacing",
                                       "en_agreement", "en_articles", "en_irregular"};
    enum { N_SETS = sizeof sets / sizeof *sets };
    struct hold_out held = {0};
    struct error err = {0};
    cr_assert(hold_out_read(&held, "datasets/builtin", &err), "%s", err.message);
    for (size_t i = 0; i < 2 * N_SETS; i++) {
        char path[256];
        snprintf(path, sizeof path, "datasets/builtin/%s_%s.jsonl", i < N_SETS ? "builtin" : "confirm", sets[i % N_SETS]);
        cJSON *records = records_read(path, &(struct record_options){.format = RECORD_JSON_LINES}, 0, &err);
        const cJSON *record;
        cr_assert_not_null(records, "%s", err.message);
        cJSON_ArrayForEach(record, records) {
            const cJSON *choices = cJSON_GetObjectItem(record, "choices"), *gold = cJSON_GetObjectItem(record, "gold");
            char document[512];
            snprintf(document, sizeof document, "%s%s%s", json_text(record, "context"), i % N_SETS == 0 ? "" : " ",
                     cJSON_GetArrayItem(choices, gold->valueint)->valuestring);
            cr_expect(hold_out_document(&held, document, strlen(document)), "%s: \"%s\" would be written", json_text(record, "id"),
                      document);
        }
        cJSON_Delete(records);
    }
    static const char fine[] = "우리는 걷는다.";
    cr_expect(!hold_out_document(&held, fine, strlen(fine)));
    hold_out_free(&held);
}

/* --- rules
 * ------------------------------------------------------------------------------------------------------------------------------- */

Test(corpus, particles_follow_the_final_consonant)
{
    static const struct {
        enum form form;
        const char *word, *particle;
    } cases[] = {{FORM_TOPIC, "사람", "은"}, {FORM_TOPIC, "나무", "는"}, {FORM_SUBJECT, "말", "이"}, {FORM_SUBJECT, "소", "가"},
                 {FORM_OBJECT, "돈", "을"},  {FORM_OBJECT, "코", "를"},  {FORM_WITH, "말", "과"},    {FORM_WITH, "소", "와"},
                 {FORM_BY, "말", "로"},      {FORM_BY, "사람", "으로"},  {FORM_BY, "소", "로"},      {FORM_TOPIC, "27", "은"},
                 {FORM_TOPIC, "12", "는"},   {FORM_OBJECT, "10", "을"},  {FORM_BY, "11", "로"},      {FORM_BY, "3", "으로"},
                 {FORM_OF, "말", "의"},      {FORM_PLAIN, "말", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(particle(cases[i].form, cases[i].word, strlen(cases[i].word)), cases[i].particle, "%s", cases[i].word);
}

Test(corpus, numbers_are_said_in_both_systems_and_in_english)
{
    static const struct {
        int value;
        const char *sino, *native, *english;
    } cases[] = {{1, "일", "한", "one"},
                 {10, "십", "열", "ten"},
                 {11, "십일", "열한", "eleven"},
                 {20, "이십", "스무", "twenty"},
                 {21, "이십일", "스물한", "twenty-one"},
                 {99, "구십구", "아흔아홉", "ninety-nine"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text text = {0};
        number_sino(&text, cases[i].value);
        text_add_string(&text, " ");
        number_native(&text, cases[i].value);
        text_add_string(&text, " ");
        number_english(&text, cases[i].value, false);
        char wanted[128];
        snprintf(wanted, sizeof wanted, "%s %s %s", cases[i].sino, cases[i].native, cases[i].english);
        cr_expect_str_eq(text.bytes, wanted);
        text_free(&text);
    }
}

/* Every sum that is said in digits or in Korean is right: the corpus is what a model learns from. */
Test(corpus, sums_and_comparisons_are_right)
{
    struct text text = corpus_of(3, 1000000);
    int sums = 0, larger = 0;
    for (const char *line = text.bytes; *line; line = strchr(line, '\n') + 1) {
        int a, b, c;
        char sign;
        if (sscanf(line, "%d %c %d = %d", &a, &sign, &b, &c) == 4) {
            cr_assert_eq(c, sign == '+' ? a + b : a - b, "%.40s", line);
            sums++;
        } else if (sscanf(line, "%d is larger than %d", &a, &b) == 2) {
            cr_assert(a > b, "%.40s", line);
            larger++;
        }
    }
    cr_assert(sums > 100 && larger > 50);
    text_free(&text);
}

/* A grammar of these words as a file; remove it. */
static char *write_grammar(const char *json)
{
    static char path[] = "/tmp/jeoul-grammar-XXXXXX";
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    int file = mkstemp(path);
    cr_assert(file >= 0 && write(file, json, strlen(json)) == (ssize_t)strlen(json));
    close(file);
    return path;
}

static void expect_refusal(const char *json, const char *message)
{
    struct error err = {0};
    struct hold_out held = {0};
    const char *path = write_grammar(json);
    struct grammar *grammar = grammar_open(path, &held, &err);
    if (grammar) { // what cannot be seen at opening is found when it is expanded
        struct random random = random_seed(1, 1);
        struct text out = {0};
        cr_assert(!grammar_expand(grammar, 0, &random, &out, &err), "accepted: %s", json);
        text_free(&out);
    }
    cr_expect(strstr(err.message, message) != NULL, "\"%s\" is wanted in: %s", message, err.message);
    cr_expect_eq(err.code, ERROR_INPUT);
    grammar_close(grammar);
    unlink(path);
}

/* An entry leaves the lexicon with all its forms, whichever of them is held out. */
Test(corpus, entries_with_a_held_out_noun_are_dropped)
{
    static const char json[] = "{\"documents\":{\"a\":1},\"fields\":{\"n\":[\"en\",\"ko\"]},\"rules\":{\"n\":[\"cow|소\",\"dog|개\"],"
                               "\"a\":[\"{n.en}\"]}}";
    const char *nouns[] = {"개", "소"}; // sorted
    struct error err = {0};
    const char *path = write_grammar(json);
    struct grammar *grammar = grammar_open(path, &(struct hold_out){.nouns = nouns, .n_nouns = 1}, &err);
    cr_assert_not_null(grammar, "%s", err.message);
    for (uint64_t i = 0; i < 50; i++) {
        struct random random = random_seed(1, i);
        struct text out = {0};
        cr_assert(grammar_expand(grammar, 0, &random, &out, &err), "%s", err.message);
        cr_assert_str_eq(out.bytes, "cow");
        text_free(&out);
    }
    grammar_close(grammar);
    cr_assert_null(grammar_open(path, &(struct hold_out){.nouns = nouns, .n_nouns = 2}, &err));
    cr_assert(strstr(err.message, "all of them are held out") != NULL, "%s", err.message);
    unlink(path);
}

Test(corpus, broken_grammars_are_refused_with_their_place)
{
    expect_refusal("{", "line");
    expect_refusal("{\"documents\":{\"a\":1},\"rules\":{\"a\":[\"{b}\"]}}", "rules.a[0]: {b}: there is no rule \"b\"");
    expect_refusal("{\"documents\":{\"a\":1},\"rules\":{\"a\":[\"{a.x}\"]}}", "no field \"x\"");
    expect_refusal("{\"documents\":{\"a\":1},\"rules\":{\"a\":[\"{a:x}\"]}}", "not understood");
    expect_refusal("{\"documents\":{\"a\":1},\"rules\":{\"a\":[\"{a\"]}}", "without its }");
    expect_refusal("{\"documents\":{\"a\":1},\"rules\":{\"a\":[\"{a}\"]}}", "goes round");
    expect_refusal("{\"documents\":{\"a\":1},\"rules\":{\"a\":[]}}", "without an alternative");
    expect_refusal("{\"documents\":{\"a\":1},\"fields\":{\"a\":[\"x\",\"y\"]},\"rules\":{\"a\":[\"1\"]}}", "1 forms");
    expect_refusal("{\"documents\":{\"a\":1},\"fields\":{\"a\":[\"x\"]},\"rules\":{\"a\":[\"1|2\"]}}", "more than the 1 forms");
    expect_refusal("{\"documents\":{\"b\":1},\"rules\":{\"a\":[\"x\"]}}", "documents.b: there is no such rule");
    expect_refusal("{\"documents\":{\"a\":0},\"rules\":{\"a\":[\"x\"]}}", "documents.a");
    expect_refusal("{\"documents\":{},\"rules\":{\"a\":[\"x\"]}}", "at least one");
    expect_refusal("{\"documents\":{\"a\":1},\"rule\":{}}", "rule");
}

Test(corpus, unknown_documents_of_numbers_are_refused)
{
    struct error err = {0};
    struct hold_out held = {0};
    struct random random = random_seed(1, 1);
    struct text out = {0};
    cr_assert(!numbers_document("@products", &held, &random, &out, &err));
    cr_assert(strstr(err.message, "@sum_ko") != NULL, "%s", err.message);
    text_free(&out);
}

Test(corpus, missing_built_in_sets_are_an_error)
{
    struct error err = {0};
    struct text text = {0};
    struct corpus_options options = {.grammar = "datasets/corpus/grammar.json", .held_out = "/nowhere", .seed = 1, .bytes = 10};
    cr_assert(!corpus_generate(&options, &text, &err));
    cr_assert_eq(err.code, ERROR_INPUT);
    text_free(&text);
}
