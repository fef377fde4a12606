/* Any text through any pre-tokenizer (the first byte chooses): its pieces lie one behind the other and are the text. */
#include "engine/pretokenizer.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static bool follow(void *context, const char *bytes, size_t n, struct error *err)
{
    (void)err;
    const char **at = context;
    if (*at != bytes || !n)
        abort();
    *at += n;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const names[] = {"gpt-2",  "qwen2",      "qwen35", "llama-bpe", "gpt-4o",       "tekken",         "exaone-moe",
                                        "exaone", "bailingmoe", "falcon", "default",   "deepseek-llm", "deepseek-coder", "deepseek-v3"};
    static struct pretokenizer *open[sizeof names / sizeof *names];
    struct error err = {0};
    if (!n)
        return 0;
    size_t which = bytes[0] % (sizeof names / sizeof *names);
    if (!open[which] && !(open[which] = pretokenizer_open(names[which], &err)))
        abort();
    const char *text = (const char *)bytes + 1, *at = text;
    if (!pretokenize(open[which], text, n - 1, follow, &at, &err) || at != text + n - 1)
        abort();
    return 0;
}
