/* Chat templates by family: see engine.h. GGUF files carry a Jinja program; this reads no Jinja. It knows the published templates as rows
 * of a table, tells them by a few of their words, and renders what they render for conversations without tools.
 *
 * Conversations have one shape: a system message where the family has one, then user and assistant in turns, the user last. On that shape
 * the templates' branches agree with a row. What would be rendered otherwise (reasoning in earlier answers, which templates cut out) is
 * refused rather than guessed. BOS is left to the tokenizer. */
#include "base/text.h"
#include "engine/engine.h"
#include "engine/gguf.h"

#include <ctype.h>
#include <string.h>

struct frame {
    const char *before, *after; // of a message's content
};

enum {
    TRIM_SYSTEM = 1,
    TRIM_USER = 2,
    TRIM_ASSISTANT = 4,
    TRIM_ALL = TRIM_SYSTEM | TRIM_USER | TRIM_ASSISTANT,
    SYSTEM_WITH_FIRST_USER = 8, // the system message stands inside a user's message
    SYSTEM_WITH_LAST_USER = 16,
    SYSTEM_NEEDED = 32, // what the template puts in its place depends on the day
    THINKS = 64,        // earlier answers are cut where their reasoning ends
    PLAIN = 128,        // only of templates that don't tell the model who it is
};

struct family {
    const char *name;
    const char *has[2], *lacks[4]; // words of the Jinja text
    const char *begin, *behind_date;
    const char *without_system;
    struct frame system, user, assistant;
    const char *answer; // what an answer begins behind
    int traits;
};

#define DEEPSEEK_END "<｜end▁of▁sentence｜>"
#define IM                                                                                                                                 \
    .system = {"<|im_start|>system\n", "<|im_end|>\n"}, .user = {"<|im_start|>user\n", "<|im_end|>\n"},                                    \
    .assistant = {"<|im_start|>assistant\n", "<|im_end|>\n"}
#define HEADER(role) "<|start_header_id|>" role "<|end_header_id|>\n\n"
#define ROLE(role)   "<|start_of_role|>" role "<|end_of_role|>"
#define GRANITE                                                                                                                            \
    .system = {ROLE("system"), "<|end_of_text|>\n"}, .user = {ROLE("user"), "<|end_of_text|>\n"},                                          \
    .assistant = {ROLE("assistant"), "<|end_of_text|>\n"}

/* The first row whose words are there counts: the narrower ones stand before the wider. */
static const struct family families[] = {
    {.name = "qwen2.5",
     .has = {"<|im_start|>", "You are Qwen, created by Alibaba Cloud."},
     .without_system = "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n",
     IM,
     .answer = "<|im_start|>assistant\n"},
    {.name = "chatml",
     .has = {"<|im_start|>"},
     .lacks = {"<|im_sep|>", "<think>\\n' }}", "set system_message", "In this environment"},
     IM,
     .answer = "<|im_start|>assistant\n",
     .traits = THINKS | PLAIN},
    {.name = "llama3.1",
     .has = {"Cutting Knowledge Date: December 2023", "\"Today Date: \" + date_string"},
     .lacks = {"strftime_now"},
     .begin = HEADER("system") "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n",
     .without_system = "<|eot_id|>",
     .system = {"", "<|eot_id|>"},
     .user = {HEADER("user"), "<|eot_id|>"},
     .assistant = {HEADER("assistant"), "<|eot_id|>"},
     .answer = HEADER("assistant"),
     .traits = TRIM_ALL},
    {.name = "llama3",
     .has = {"<|start_header_id|>"},
     .lacks = {"<|start_header_id|>system", "functions", "unsafe content", "generation %}"},
     .system = {HEADER("system"), "<|eot_id|>"},
     .user = {HEADER("user"), "<|eot_id|>"},
     .assistant = {HEADER("assistant"), "<|eot_id|>"},
     .answer = HEADER("assistant"),
     .traits = TRIM_ALL | PLAIN},
    {.name = "gpt-oss",
     .has = {"<|start|>", "<|channel|>"},
     .begin =
         "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\nCurrent date: ",
     .behind_date =
         "\n\nReasoning: medium\n\n# Valid channels: analysis, commentary, final. Channel must be included for every message.<|end|>",
     .system = {"<|start|>developer<|message|># Instructions\n\n", "\n\n<|end|>"},
     .user = {"<|start|>user<|message|>", "<|end|>"},
     .assistant = {"<|start|>assistant<|channel|>final<|message|>", "<|end|>"},
     .answer = "<|start|>assistant"},
    {.name = "deepseek-v3.1",
     .has = {"<｜Assistant｜>", "'</think>'}}"},
     .system = {"", ""},
     .user = {"<｜User｜>", ""},
     .assistant = {"<｜Assistant｜></think>", DEEPSEEK_END},
     .answer = "<｜Assistant｜></think>",
     .traits = THINKS},
    {.name = "deepseek-r1",
     .has = {"<｜Assistant｜><think>\\n'}}"},
     .lacks = {"enable_thinking"},
     .system = {"", ""},
     .user = {"<｜User｜>", ""},
     .assistant = {"<｜Assistant｜>", DEEPSEEK_END},
     .answer = "<｜Assistant｜><think>\n",
     .traits = THINKS},
    {.name = "deepseek-v3",
     .has = {"<｜Assistant｜>", "is_first_sp"},
     .lacks = {"think"},
     .system = {"", ""},
     .user = {"<｜User｜>", ""},
     .assistant = {"<｜Assistant｜>", DEEPSEEK_END},
     .answer = "<｜Assistant｜>"},
    {.name = "deepseek-v2",
     .has = {"'Assistant: ' + message['content'] + eos_token"},
     .system = {"", "\n\n"},
     .user = {"User: ", "\n\n"},
     .assistant = {"Assistant: ", DEEPSEEK_END},
     .answer = "Assistant:"},
    {.name = "exaone4",
     .has = {"[|assistant|]", "[|tool|]"},
     .system = {"[|system|]\n", "[|endofturn|]\n"},
     .user = {"[|user|]\n", "[|endofturn|]\n"},
     .assistant = {"[|assistant|]\n<think>\n\n</think>\n\n", "[|endofturn|]\n"},
     .answer = "[|assistant|]\n<think>\n\n</think>\n\n",
     .traits = THINKS},
    {.name = "exaone3",
     .has = {"[|assistant|]", "[|endofturn|]"},
     .lacks = {"thought"},
     .without_system = "[|system|][|endofturn|]\n",
     .system = {"[|system|]", "[|endofturn|]\n"},
     .user = {"[|user|]", "\n"},
     .assistant = {"[|assistant|]", "[|endofturn|]\n"},
     .answer = "[|assistant|]"},
    {.name = "glm4.5",
     .has = {"[gMASK]<sop>", "'\\n<think></think>'"},
     .lacks = {"Reasoning Effort"},
     .begin = "[gMASK]<sop>",
     .system = {"<|system|>\n", ""},
     .user = {"<|user|>\n", ""},
     .assistant = {"<|assistant|>\n<think></think>\n", ""},
     .answer = "<|assistant|>",
     .traits = THINKS | TRIM_ASSISTANT},
    {.name = "glm4",
     .has = {"[gMASK]<sop>", "<|assistant|>{% endif %}"},
     .begin = "[gMASK]<sop>",
     .system = {"<|system|>\n", ""},
     .user = {"<|user|>\n", ""},
     .assistant = {"<|assistant|>\n", ""},
     .answer = "<|assistant|>"},
    {.name = "granite4",
     .has = {"<|start_of_role|>", "Please ensure responses are professional, accurate, and safe."},
     .without_system =
         ROLE("system") "You are a helpful assistant. Please ensure responses are professional, accurate, and safe.<|end_of_text|>\n",
     GRANITE,
     .answer = ROLE("assistant")},
    {.name = "granite3.1", .has = {"<|start_of_role|>", "Today's Date: "}, GRANITE, .answer = ROLE("assistant"), .traits = SYSTEM_NEEDED},
    {.name = "granite3", .has = {"<|start_of_role|>"}, .lacks = {"A chat between"}, GRANITE, .answer = ROLE("assistant"), .traits = PLAIN},
    {.name = "phi3.5",
     .has = {"<|assistant|>", "<|system|>\n' + message['content'] + '<|end|>"},
     .system = {"<|system|>\n", "<|end|>\n"},
     .user = {"<|user|>\n", "<|end|>\n"},
     .assistant = {"<|assistant|>\n", "<|end|>\n"},
     .answer = "<|assistant|>\n"},
    {.name = "phi3",
     .has = {"'<|end|>' + '", "'<|assistant|>' + '"},
     .lacks = {"system"},
     .user = {"<|user|>\n", "<|end|>\n"},
     .assistant = {"<|assistant|>\n", "<|end|>\n"},
     .answer = "<|assistant|>\n"},
    {.name = "mistral-v7",
     .has = {"[SYSTEM_PROMPT] "},
     .system = {"[SYSTEM_PROMPT] ", "[/SYSTEM_PROMPT]"},
     .user = {"[INST] ", "[/INST]"},
     .assistant = {" ", "</s>"},
     .answer = ""},
    {.name = "mixtral", // Mixtral-8x7B, Mistral-7B v0.1 and v0.2
     .has = {"' [INST] ' + system_message"},
     .system = {"", "\n\n"},
     .user = {" [INST] ", " [/INST]"},
     .assistant = {" ", "</s>"},
     .answer = "",
     .traits = SYSTEM_WITH_FIRST_USER},
    {.name = "mixtral-8x22b",
     .has = {"'[INST] ' + system_message"},
     .system = {"", "\n\n"},
     .user = {"[INST] ", "[/INST]"},
     .assistant = {" ", "</s>"},
     .answer = "",
     .traits = SYSTEM_WITH_LAST_USER},
    {.name = "mistral-v3",
     .has = {"\"[INST] \" + system_message", "|trim + eos_token"},
     .system = {"", "\n\n"},
     .user = {"[INST] ", "[/INST]"},
     .assistant = {" ", "</s>"},
     .answer = "",
     .traits = SYSTEM_WITH_LAST_USER | TRIM_ASSISTANT},
    {.name = "mistral-nemo",
     .has = {"\"[INST]\" + system_message"},
     .system = {"", "\n\n"},
     .user = {"[INST]", "[/INST]"},
     .assistant = {"", "</s>"},
     .answer = "",
     .traits = SYSTEM_WITH_LAST_USER},
};

enum { N_FAMILIES = sizeof families / sizeof *families };

const char *chat_family_name(size_t index)
{
    return index < N_FAMILIES ? families[index].name : NULL;
}

static bool contains(struct gguf_string text, const char *words)
{
    return memmem(text.bytes, text.n, words, strlen(words)) != NULL;
}

/* "You are …", but for what introduces tools and documents, or the same in Chinese: such a template has a system message of its own. */
static bool introduces_the_model(struct gguf_string text)
{
    static const char words[] = "ou are ";
    for (const char *at = text.bytes, *end = text.bytes + text.n; (at = memmem(at, (size_t)(end - at), words, sizeof words - 1));) {
        at += sizeof words - 1;
        if (end - at < 8 || (memcmp(at, "provided", 8) != 0 && memcmp(at, "given", 5) != 0))
            return true;
    }
    return contains(text, "你是");
}

static bool tells(const struct family *f, struct gguf_string text)
{
    for (size_t i = 0; i < sizeof f->lacks / sizeof *f->lacks; i++)
        if (f->lacks[i] && contains(text, f->lacks[i]))
            return false;
    return contains(text, f->has[0]) && (!f->has[1] || contains(text, f->has[1])) && !((f->traits & PLAIN) && introduces_the_model(text));
}

/* Sets an error that ends with the families that are known. */
static bool refuse_with_list(const char *what, struct error *err)
{
    struct text list = {0};
    for (size_t i = 0; i < N_FAMILIES; i++)
        text_format(&list, " %s", families[i].name);
    error_set(err, ERROR_INPUT, "%s; known are:%s", what, list.failed ? "" : list.bytes);
    text_free(&list);
    return false;
}

const char *chat_detect(const struct model_file *file, struct error *err)
{
    struct gguf_string text = {"", 0};
    if (!gguf_text(file, "tokenizer.chat_template", &text, err))
        return NULL;
    for (size_t i = 0; i < N_FAMILIES; i++)
        if (tells(&families[i], text))
            return families[i].name;
    (void)(refuse_with_list(text.n ? "its chat template (tokenizer.chat_template) is of no known family: name one"
                                   : "it has no chat template (tokenizer.chat_template): name a family",
                            err) ||
           error_prefix(err, "%s", gguf_path(file)));
    return NULL;
}

static void add_framed(struct text *out, struct frame frame, const char *content, bool trim)
{
    size_t n = strlen(content);
    while (trim && n && isspace((uint8_t)*content))
        content++, n--;
    while (trim && n && isspace((uint8_t)content[n - 1]))
        n--;
    text_add_string(out, frame.before);
    text_add(out, content, n);
    text_add_string(out, frame.after);
}

static bool check(const struct family *f, const struct chat_message *messages, size_t n, struct error *err)
{
    bool system = n && strcmp(messages[0].role, "system") == 0;
    if (system && !f->system.before)
        return error_set(err, ERROR_INPUT, "message 0: the chat family %s has no system messages", f->name);
    if (!system && (f->traits & SYSTEM_NEEDED))
        return error_set(err, ERROR_INPUT,
                         "the chat family %s puts a text with today's date where there is no system message: begin with one", f->name);
    for (size_t i = system; i < n; i++) {
        bool user = (i - system) % 2 == 0;
        if (strcmp(messages[i].role, user ? "user" : "assistant") != 0)
            return error_set(err, ERROR_INPUT,
                             "message %zu: its role is \"%.32s\", \"%s\" is wanted: behind a system message, if any, user and assistant "
                             "take turns",
                             i, messages[i].role, user ? "user" : "assistant");
        if (!user && (f->traits & THINKS) && strstr(messages[i].content, "</think>"))
            return error_set(err, ERROR_INPUT, "message %zu: leave the reasoning (up to </think>) out of earlier answers", i);
    }
    if (n == system || (n - system) % 2 == 0)
        return error_set(err, ERROR_INPUT, "a conversation ends with a message of the user, which is to be answered");
    return true;
}

bool chat_render(const char *family, const struct chat_message *messages, size_t n, const char *date, struct text *out, struct error *err)
{
    const struct family *f = NULL;
    for (size_t i = 0; i < N_FAMILIES && !f; i++)
        if (strcmp(families[i].name, family) == 0)
            f = &families[i];
    if (!f)
        return refuse_with_list("no such chat family", err) || error_prefix(err, "\"%.32s\"", family);
    if (!check(f, messages, n, err))
        return false;
    bool system = strcmp(messages[0].role, "system") == 0, inside = f->traits & (SYSTEM_WITH_FIRST_USER | SYSTEM_WITH_LAST_USER);
    size_t host = f->traits & SYSTEM_WITH_LAST_USER ? n - 1 : system; // the user's message that a system message stands in
    text_add_string(out, f->begin ? f->begin : "");
    if (f->behind_date) {
        text_add_string(out, date);
        text_add_string(out, f->behind_date);
    }
    if (system && !inside)
        add_framed(out, f->system, messages[0].content, f->traits & TRIM_SYSTEM);
    else if (!system && f->without_system)
        text_add_string(out, f->without_system);
    for (size_t i = system; i < n; i++) {
        bool user = (i - system) % 2 == 0;
        struct frame frame = user ? f->user : f->assistant;
        if (system && inside && i == host) {
            text_add_string(out, frame.before);
            add_framed(out, f->system, messages[0].content, f->traits & TRIM_SYSTEM);
            frame.before = "";
        }
        add_framed(out, frame, messages[i].content, f->traits & (user ? TRIM_USER : TRIM_ASSISTANT));
    }
    text_add_string(out, f->answer);
    return text_ok(out, err);
}
