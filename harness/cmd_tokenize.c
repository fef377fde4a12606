/* jeoul tokenize: text in, token ids out. */
#include "harness/verbs.h"

#include "base/file.h"

#include <stdio.h>

static void print_ids(const struct token_list *list, bool json)
{
    if (json)
        fputs("{\"ids\": [", stdout);
    for (size_t i = 0; i < list->count; i++)
        printf("%s%d", i ? (json ? ", " : " ") : "", list->ids[i]);
    puts(json ? "]}" : "");
}

static int run(struct cli *cli, struct error *err)
{
    struct opened o = {0};
    struct text text = {0};
    struct token_list list = {0};
    const char *path;
    int flags = (cli_flag(cli, "no-bos") ? 0 : TOKENIZE_BOS) | (cli_flag(cli, "special") ? TOKENIZE_SPECIAL : 0);
    if (cli_need(cli, "model", &path, err) && (o.file = model_file_open(path, err)) && open_tokenizer(&o, err) &&
        file_read(cli->n_arguments ? cli->arguments[0] : "-", (size_t)1 << 30, &text, err) &&
        tokenize(o.tokenizer, text.bytes, text.length, flags, &list, err))
        print_ids(&list, cli_flag(cli, "json"));
    token_list_free(&list);
    text_free(&text);
    open_close(&o);
    return 0;
}

const struct cli_verb verb_tokenize = {
    .name = "tokenize",
    .arguments = "[FILE]",
    .most = 1,
    .summary = "Turn text into token ids by a model's own vocabulary",
    .text =
        "Reads FILE, or standard input. A vocabulary-only GGUF will do. BOS and EOS are added where the\nmodel's own tokenizer adds them.",
    .example = "echo -n '저울은 무게를 잰다' | jeoul tokenize -m model.gguf --json",
    .run = run,
    .options = {OPEN_OPTION_MODEL,
                {"no-bos", 0, NULL, "add no BOS or EOS"},
                {"special", 0, NULL, "recognise control tokens in the text"},
                {"json", 0, NULL, "print {\"ids\": [...]}"}},
};
