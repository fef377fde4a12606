/* jeoul tokenize: text in, token ids out. */
#include "harness/conversation.h"
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
    struct text input = {0}, rendered = {0};
    struct token_list list = {0};
    const char *model, *path = cli->n_arguments ? cli->arguments[0] : "-";
    bool chat = cli_text(cli, "chat", NULL);
    int flags = (cli_flag(cli, "no-bos") ? 0 : TOKENIZE_BOS) | (chat || cli_flag(cli, "special") ? TOKENIZE_SPECIAL : 0);
    if (!cli_need(cli, "model", &model, err) || !(o.file = model_file_open(model, err)) || !file_read(path, (size_t)1 << 30, &input, err))
        goto out;
    if (chat && !conversation_render_json(cli, &o, path, &input, &rendered, err))
        goto out;
    const struct text *text = chat ? &rendered : &input;
    if (cli_flag(cli, "text"))
        fwrite(text->bytes, 1, text->length, stdout);
    else if (open_tokenizer(&o, err) && tokenize(o.tokenizer, text->bytes, text->length, flags, &list, err))
        print_ids(&list, cli_flag(cli, "json"));
out:
    token_list_free(&list);
    text_free(&rendered);
    text_free(&input);
    open_close(&o);
    return 0;
}

const struct cli_verb verb_tokenize = {
    .name = "tokenize",
    .arguments = "[FILE]",
    .most = 1,
    .summary = "Turn text into token ids by a model's own vocabulary",
    .text = "Reads FILE, or standard input. A vocabulary-only GGUF will do. BOS and EOS are\nadded where the model's own tokenizer adds "
            "them. With --chat the input is JSON:\n[{\"role\": \"user\", \"content\": \"...\"}]; FAMILY is auto (by the model's "
            "template)\nor a name that docs/tokenizers.md lists.",
    .example = "echo -n '저울은 무게를 잰다' | jeoul tokenize -m model.gguf --json",
    .run = run,
    .options = {OPEN_OPTION_MODEL,
                {"no-bos", 0, NULL, "add no BOS or EOS"},
                {"special", 0, NULL, "recognise control tokens in the text"},
                CONVERSATION_OPTION_CHAT("the input is messages: render them first"),
                CONVERSATION_OPTION_DATE,
                {"text", 0, NULL, "print the text that would be tokenized"},
                {"json", 0, NULL, "print {\"ids\": [...]}"}},
};
