/* Conversations for the verbs: messages as JSON, and the text that a chat family makes of them. */
#ifndef JEOUL_CONVERSATION_H
#define JEOUL_CONVERSATION_H

#include "base/text.h"
#include "harness/open.h"

#define CONVERSATION_OPTION_CHAT(help)                                                                                                     \
    {                                                                                                                                      \
        "chat", 0, "FAMILY", help                                                                                                          \
    }
#define CONVERSATION_OPTION_DATE                                                                                                           \
    {                                                                                                                                      \
        "date", 0, "YYYY-MM-DD", "the day that gpt-oss is told (today)"                                                                    \
    }

/* Appends what the family of --chat ("auto": the model's own) makes of the messages. */
bool conversation_render(const struct cli *cli, const struct opened *opened, const struct chat_message *messages, size_t n,
                         struct text *out, struct error *err) MUST_CHECK;

/* The same for a JSON array [{"role": …, "content": …}]; `name` is the file's, for messages of errors. */
bool conversation_render_json(const struct cli *cli, const struct opened *opened, const char *name, const struct text *json,
                              struct text *out, struct error *err) MUST_CHECK;

#endif
