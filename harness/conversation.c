/* Conversations for the verbs: see conversation.h. */
#include "harness/conversation.h"

#include "base/json.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_MESSAGES = 1 << 16 };

/* --date as given, else this day's. */
static bool read_date(const struct cli *cli, char out[11], struct error *err)
{
    const char *given = cli_text(cli, "date", NULL);
    struct tm day = {0};
    if (given) {
        const char *end = strptime(given, "%Y-%m-%d", &day);
        if (!end || *end || strlen(given) != 10)
            return error_set(err, ERROR_INPUT, "--date: \"%.32s\" is no day like 2026-11-24", given);
        memcpy(out, given, 11);
        return true;
    }
    time_t now = time(NULL);
    localtime_r(&now, &day);
    strftime(out, 11, "%Y-%m-%d", &day);
    return true;
}

bool conversation_render(const struct cli *cli, const struct opened *opened, const struct chat_message *messages, size_t n,
                         struct text *out, struct error *err)
{
    const char *family = cli_text(cli, "chat", "auto");
    char date[11];
    if (strcmp(family, "auto") == 0 && !(family = chat_detect(opened->file, err)))
        return error_prefix(err, "--chat auto");
    return read_date(cli, date, err) && chat_render(family, messages, n, date, out, err);
}

static bool read_messages(const struct json_at *root, struct chat_message *messages, int n, struct error *err)
{
    static const char *const members[] = {"role", "content", NULL};
    for (int i = 0; i < n; i++) {
        struct json_at at = json_element(root, i), role = json_member(&at, "role"), content = json_member(&at, "content");
        if (!json_only(&at, members, err) || !json_string(&role, &messages[i].role, err) ||
            !json_string(&content, &messages[i].content, err))
            return false;
    }
    return true;
}

bool conversation_render_json(const struct cli *cli, const struct opened *opened, const char *name, const struct text *json,
                              struct text *out, struct error *err)
{
    static const char nul[] = "\\u0000";
    if (json->length && memmem(json->bytes, json->length, nul, sizeof nul - 1)) // strings of messages end at one
        return error_set(err, ERROR_INPUT, "%s: a NUL (%s) stands in it: no message may have one", name, nul);
    cJSON *document = json_parse(name, json->bytes ? json->bytes : "", json->length, err);
    if (!document)
        return false;
    struct json_at root = json_root(name, document);
    struct chat_message *messages = NULL;
    int n;
    bool ok = json_array(&root, &n, err) &&
              (n <= MAX_MESSAGES || json_error(&root, err, "has %d messages, %d are allowed", n, MAX_MESSAGES)) &&
              (messages = memory_array((size_t)n, sizeof *messages, "messages", err)) && read_messages(&root, messages, n, err) &&
              (conversation_render(cli, opened, messages, (size_t)n, out, err) || error_prefix(err, "%s", name));
    free(messages);
    cJSON_Delete(document);
    return ok;
}
