/* Chat families against what published templates render (tests/data/tokenizers/README.md), and the conversations that are refused. */
#include "tests/support.h"

#include "base/text.h"
#include "engine/engine.h"

#include <cjson/cJSON.h>
#include <string.h>

static const char date[] = "2026-11-24";

static size_t messages_of(const cJSON *conversation, struct chat_message *out)
{
    size_t n = 0;
    const cJSON *message;
    cJSON_ArrayForEach(message, conversation)
        out[n++] =
            (struct chat_message){cJSON_GetObjectItem(message, "role")->valuestring, cJSON_GetObjectItem(message, "content")->valuestring};
    return n;
}

/* A conversation that the template doesn't take, or renders with the day's date, is null in the data and refused here. */
Test(chat, families_render_what_published_templates_do)
{
    char *source = read_whole("tests/data/tokenizers/chat.json", NULL);
    cJSON *all = cJSON_Parse(source);
    cr_assert_not_null(all);
    const cJSON *conversations = cJSON_GetObjectItem(all, "conversations"), *family;
    size_t families = 0;
    cJSON_ArrayForEach(family, cJSON_GetObjectItem(all, "families")) {
        const char *name = cJSON_GetObjectItem(family, "family")->valuestring;
        cr_expect_str_eq(chat_family_name(families++), name);
        for (int i = 0; i < cJSON_GetArraySize(conversations); i++) {
            const cJSON *wanted = cJSON_GetArrayItem(cJSON_GetObjectItem(family, "texts"), i);
            struct chat_message messages[16];
            struct text text = {0};
            struct error err = {0};
            size_t n = messages_of(cJSON_GetArrayItem(conversations, i), messages);
            bool ok = chat_render(name, messages, n, date, &text, &err);
            if (cJSON_IsString(wanted)) {
                cr_assert(ok, "%s: %s", name, err.message);
                cr_expect_str_eq(text.bytes, wanted->valuestring, "%s, conversation %d: %s", name, i, text.bytes);
            } else {
                cr_expect_not(ok, "%s, conversation %d", name, i);
            }
            text_free(&text);
        }
    }
    cr_expect_null(chat_family_name(families));
    cJSON_Delete(all);
    free(source);
}

static void expect_refused(const char *family, const char *words, size_t n, const struct chat_message *messages)
{
    struct text text = {0};
    struct error err = {0};
    cr_expect_not(chat_render(family, messages, n, date, &text, &err), "%s", words);
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect_not_null(strstr(err.message, words), "\"%s\" is not in: %s", words, err.message);
    text_free(&text);
}

Test(chat, messages_out_of_turn_are_refused)
{
    static const struct chat_message system = {"system", "s"}, user = {"user", "u"}, assistant = {"assistant", "a"};
    expect_refused("chatml", "ends with a message of the user", 0, NULL);
    expect_refused("chatml", "ends with a message of the user", 1, &system);
    expect_refused("chatml", "ends with a message of the user", 2, (struct chat_message[]){user, assistant});
    expect_refused("chatml", "message 0: its role is \"assistant\", \"user\" is wanted", 1, &assistant);
    expect_refused("chatml", "message 1: its role is \"user\"", 2, (struct chat_message[]){user, user});
    expect_refused("chatml", "message 1: its role is \"system\"", 2, (struct chat_message[]){user, system});
    expect_refused("chatml", "message 0: its role is \"tool\"", 1, &(struct chat_message){"tool", "t"});
    expect_refused("phi3", "message 0: the chat family phi3 has no system messages", 2, (struct chat_message[]){system, user});
    expect_refused("granite3.1", "begin with one", 1, &user);
    expect_refused("exaone4", "message 1: leave the reasoning", 3, (struct chat_message[]){user, {"assistant", "<think>b</think>a"}, user});
    expect_refused("no-such", "\"no-such\": no such chat family; known are: qwen2.5 chatml", 1, &user);
}

/* A file with nothing but a chat template. */
static const char *detect(const char *template, struct error *err)
{
    char path[] = "/tmp/jeoul-test-chat-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    FILE *stream = fdopen(fd, "wb");
    static const char key[] = "tokenizer.chat_template";
    uint64_t none = 0, one = 1, key_bytes = sizeof key - 1, bytes = strlen(template);
    uint32_t string = 8;
    fwrite("GGUF\3\0\0\0", 1, 8, stream);
    fwrite(&none, 8, 1, stream);
    fwrite(&one, 8, 1, stream);
    fwrite(&key_bytes, 8, 1, stream);
    fwrite(key, 1, key_bytes, stream);
    fwrite(&string, 4, 1, stream);
    fwrite(&bytes, 8, 1, stream);
    fwrite(template, 1, bytes, stream);
    cr_assert_eq(fclose(stream), 0);
    struct model_file *file = model_file_open(path, err);
    cr_assert_not_null(file, "%s", err->message);
    const char *family = chat_detect(file, err);
    model_file_close(file);
    unlink(path);
    return family;
}

Test(chat, a_family_is_told_by_the_words_of_its_template)
{
    static const struct {
        const char *words, *family;
    } cases[] = {
        {"{{'<|im_start|>' + message.role}}", "chatml"},
        {"<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.", "qwen2.5"},
        {"'<|start_header_id|>' + role + '<|end_header_id|>'", "llama3"},
        {"Cutting Knowledge Date: December 2023 \"Today Date: \" + date_string <|start_header_id|>system<|end_header_id|>", "llama3.1"},
        {"\"<|start|>assistant<|channel|>final\"", "gpt-oss"},
        {"{{'<｜Assistant｜>' + content}} is_first_sp", "deepseek-v3"},
        {"{{'Assistant: ' + message['content'] + eos_token }}", "deepseek-v2"},
        {"'[|assistant|]\\n' '[|tool|]\\n' '[|endofturn|]\\n'", "exaone4"},
        {"'[|assistant|]' '[|endofturn|]\\n'", "exaone3"},
        {"[gMASK]<sop>{{ '\\n<think></think>' }}", "glm4.5"},
        {"' [INST] ' + system_message", "mixtral"},
        {"\"[INST]\" + system_message", "mistral-nemo"},
        {"<|start_of_role|>", "granite3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        const char *family = detect(cases[i].words, &err);
        cr_assert_not_null(family, "%s: %s", cases[i].words, err.message);
        cr_expect_str_eq(family, cases[i].family);
    }
    static const char *const unknown[] = {"<|im_start|>user<|im_sep|>", "{{ 'USER: ' }}", "<start_of_turn>",
                                          "<|im_start|>system\\nYou are a helpful assistant",
                                          "<|im_start|>You are provided with {{ '<think>\\n' }}"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        struct error err = {0};
        cr_expect_null(detect(unknown[i], &err));
        cr_expect_not_null(strstr(err.message, "is of no known family: name one; known are: qwen2.5 "), "%s", err.message);
    }
    struct error err = {0};
    cr_expect_null(detect("", &err));
    cr_expect_not_null(strstr(err.message, "has no chat template"), "%s", err.message);
}
