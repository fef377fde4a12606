/* Pre-tokenizers: see pretokenizer.h.
 *
 * A family is a list of expressions. The first cuts the text into its matches and what lies between them; the next cuts each of those
 * again, and so on: the "Split" steps of a tokenizer's published definition. PCRE2 with UTF and Unicode properties, compiled just in time.
 *
 * Expressions are as published but for two things. "\s" is Unicode's White_Space, as in the engines that they were written for (PCRE2
 * counts U+180E too): see spell_spaces. And what could cost more than linear time, or a stack that grows with the text, is written
 * possessively where that doesn't change what is matched. */
#include "engine/pretokenizer.h"

#include "base/memory.h"
#include "base/text.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 6 };

struct family {
    const char *names; // values of tokenizer.ggml.pre, separated by spaces
    bool ignores_merges, adds_bos;
    const char *steps[MAX_STEPS];
};

#define CONTRACTIONS   "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACES         "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GPT2           "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define LLAMA3(digits) CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES
#define UPPER          "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER          "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K(contractions, digits)                                                                                                        \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" contractions "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" contractions "|" digits        \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES
#define CJK "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"

static const struct family families[] = {
    {"gpt-2 gpt2 phi-2 olmo mpt jais jina-es jina-de jina-v2-es jina-v2-de modern-bert gigachat mellum granite-docling exaone4 a.x-4.0 "
     "trillion",
     false,
     false,
     {GPT2}},
    {"qwen2 deepseek-r1-qwen stablelm2 megrez hunyuan kormo f2llmv2 grok-2 solar-open", false, false, {LLAMA3("\\p{N}")}},
    {"qwen35", false, false, {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACES}},
    {"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2", true, true, {LLAMA3("\\p{N}{1,3}")}},
    {"glm4 chatglm-bpe dbrx smaug-bpe", false, false, {LLAMA3("\\p{N}{1,3}")}},
    {"gpt-4o llama4 kanana2 minimax-m2", false, false, {O200K(CONTRACTIONS "?", "\\p{N}{1,3}")}},
    {"tekken", true, true, {O200K("", "\\p{N}")}},
    {"exaone-moe", // words keep the spaces between them
     false,
     false,
     {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*+(?: \\p{L}\\p{M}*+)*+)++|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|"
                   "\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
    {"starcoder refact command-r smollm codeshell exaone minerva-7b mellum2", false, false, {"\\p{N}", GPT2}},
    {"bailingmoe bailingmoe2 llada-moe",
     false,
     false,
     {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
    {"falcon", false, false, {"[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"}},
    {"default", false, false, {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
    {"deepseek-llm",
     false,
     false,
     {"[\\r\\n]",
      "\\s?[A-Za-z\\x{00B5}\\x{00C0}-\\x{00D6}\\x{00D8}-\\x{00F6}\\x{00F8}-\\x{01BA}\\x{01BC}-\\x{01BF}\\x{01C4}-\\x{0293}\\x{0295}-\\x{"
      "02AF}\\x{0370}-\\x{0373}\\x{0376}\\x{0377}\\x{037B}-\\x{037D}\\x{037F}\\x{0386}\\x{0388}-\\x{038A}\\x{038C}\\x{038E}-\\x{"
      "03A1}\\x{03A3}-\\x{03F5}\\x{03F7}-\\x{0481}\\x{048A}-\\x{052F}\\x{0531}-\\x{0556}\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{"
      "13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{"
      "1F15}\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{"
      "1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{"
      "1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{"
      "211D}\\x{2124}\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}\\x{"
      "214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{"
      "A680}-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{"
      "FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{"
      "10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}]+",
      "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+", "(?<!\\s)\\s++$", CJK, "\\p{N}+"}},
    {"deepseek-coder", false, false, {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK, "\\p{N}"}},
    {"deepseek-v3 hunyuan-dense joyai-llm hy_v4",
     false,
     false,
     {"\\p{N}{1,3}", "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
      "?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|"
      "\\s+(?!\\S)|\\s+"}},
};

struct pretokenizer {
    const struct family *family;
    pcre2_code *steps[MAX_STEPS];
    int n_steps;
};

static bool names_include(const char *names, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = strstr(names, name); n && at; at = strstr(at + 1, name))
        if ((at == names || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

/* The expression with White_Space for \s. PCRE2's property of that name is younger than what distributions carry. */
static void spell_spaces(const char *expression, struct text *out)
{
    static const char white_space[] = "\\t-\\r \\x{85}\\p{Z}";
    bool in_class = false;
    for (const char *at = expression; *at; at++) {
        if (at[0] == '\\' && (at[1] == 's' || at[1] == 'S')) {
            text_format(out, in_class ? "%s" : at[1] == 's' ? "[%s]" : "[^%s]", white_space); // no class here has an \S
            at++;
            continue;
        }
        in_class = *at == '[' || (in_class && *at != ']');
        text_add(out, at, at[0] == '\\' ? 2 : 1);
        at += at[0] == '\\';
    }
}

static pcre2_code *compile(const char *expression, const char *name, struct error *err)
{
    struct text spelled = {0};
    pcre2_code *code = NULL;
    int number;
    PCRE2_SIZE offset;
    spell_spaces(expression, &spelled);
    if (text_ok(&spelled, err) &&
        !(code = pcre2_compile((PCRE2_SPTR)spelled.bytes, spelled.length, PCRE2_UTF | PCRE2_UCP, &number, &offset, NULL)))
        error_set(err, ERROR_MACHINE, "pre-tokenizer %s: \"%s\" does not compile (PCRE2 error %d at %zu)", name, spelled.bytes, number,
                  (size_t)offset);
    if (code)
        (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); // without it, it is only slower
    text_free(&spelled);
    return code;
}

struct pretokenizer *pretokenizer_open(const char *name, struct error *err)
{
    const struct family *family = NULL;
    for (size_t i = 0; i < sizeof families / sizeof *families && !family; i++)
        if (!strchr(name, ' ') && names_include(families[i].names, name))
            family = &families[i];
    if (!family) {
        struct text list = {0};
        for (size_t i = 0; i < sizeof families / sizeof *families; i++)
            text_format(&list, "%s%s", i ? " " : "", families[i].names);
        error_set(err, ERROR_INPUT, "the pre-tokenizer \"%.64s\" (tokenizer.ggml.pre) is not known; known are: %s", name,
                  list.bytes ? list.bytes : "");
        text_free(&list);
        return NULL;
    }
    struct pretokenizer *p = memory_array(1, sizeof *p, "pre-tokenizer", err);
    if (!p)
        return NULL;
    p->family = family;
    for (; p->n_steps < MAX_STEPS && family->steps[p->n_steps]; p->n_steps++)
        if (!(p->steps[p->n_steps] = compile(family->steps[p->n_steps], name, err))) {
            pretokenizer_close(p);
            return NULL;
        }
    return p;
}

void pretokenizer_close(struct pretokenizer *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->n_steps; i++)
        pcre2_code_free(p->steps[i]);
    free(p);
}

bool pretokenizer_ignores_merges(const struct pretokenizer *p)
{
    return p->family->ignores_merges;
}

bool pretokenizer_adds_bos(const struct pretokenizer *p)
{
    return p->family->adds_bos;
}

struct splitter {
    const struct pretokenizer *p;
    pretokenizer_fn *fn;
    void *context;
    pcre2_match_data *match[MAX_STEPS];
    pcre2_match_context *limits;
    struct error *err;
};

/* As pcre2_match. A stack that is too small for compiled code is no answer: the interpreter, whose frames are on the heap, gives one. */
static int match(const struct splitter *s, int step, const char *bytes, size_t n, size_t at)
{
    int found = pcre2_match(s->p->steps[step], (PCRE2_SPTR)bytes, n, at, PCRE2_NO_UTF_CHECK, s->match[step], s->limits);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
        found = pcre2_match(s->p->steps[step], (PCRE2_SPTR)bytes, n, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, s->match[step], s->limits);
    return found;
}

/* Cuts valid UTF-8 by the expressions from `step` on. */
static bool split(const struct splitter *s, int step, const char *bytes, size_t n)
{
    if (step == s->p->n_steps)
        return s->fn(s->context, bytes, n, s->err);
    size_t at = 0, done = 0; // done: what was given out
    while (at < n) {
        int found = match(s, step, bytes, n, at);
        if (found == PCRE2_ERROR_NOMATCH)
            break;
        if (found < 0)
            return error_set(s->err, ERROR_MACHINE, "the pre-tokenizer's expression %d failed at byte %zu of %zu (PCRE2 error %d)", step,
                             at, n, found);
        const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(s->match[step]);
        size_t begin = ends[0], end = ends[1];
        if (end == begin) { // no expression here matches nothing; never loop on it
            at = end + 1;
            continue;
        }
        if ((begin > done && !split(s, step + 1, bytes + done, begin - done)) || !split(s, step + 1, bytes + begin, end - begin))
            return false;
        at = done = end;
    }
    return done == n || split(s, step + 1, bytes + done, n - done);
}

bool pretokenize(const struct pretokenizer *p, const char *bytes, size_t n, pretokenizer_fn *fn, void *context, struct error *err)
{
    struct splitter s = {.p = p, .fn = fn, .context = context, .err = err};
    bool ok = (s.limits = pcre2_match_context_create(NULL)) || error_set(err, ERROR_MACHINE, "out of memory for a pre-tokenizer");
    if (ok)
        pcre2_set_match_limit(s.limits, UINT32_MAX); // no expression backtracks more than twice over a piece, and a piece may be long
    for (int i = 0; ok && i < p->n_steps; i++)
        if (!(s.match[i] = pcre2_match_data_create(1, NULL)))
            ok = error_set(err, ERROR_MACHINE, "out of memory for a pre-tokenizer");
    while (ok && n) {
        size_t valid = utf8_invalid_at(bytes, n);
        ok = valid == 0 || split(&s, 0, bytes, valid);
        if (ok && valid < n) {
            ok = fn(context, bytes + valid, 1, err);
            valid++;
        }
        bytes += valid;
        n -= valid;
    }
    for (int i = 0; i < p->n_steps; i++)
        pcre2_match_data_free(s.match[i]);
    pcre2_match_context_free(s.limits);
    return ok;
}
