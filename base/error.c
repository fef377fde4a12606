/* Errors: see error.h. Messages that do not fit are cut at a whole UTF-8 character. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Cuts a message that fills its buffer before the first byte of an incomplete UTF-8 sequence. */
static void trim_utf8(char *text, size_t capacity)
{
    size_t n = strlen(text), start = n;
    if (n + 1 < capacity)
        return;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (n - (start - 1) < wanted)
        text[start - 1] = '\0';
}

static void append(char *text, size_t capacity, const char *more)
{
    size_t used = strlen(text), n = strlen(more);
    if (n > capacity - 1 - used)
        n = capacity - 1 - used;
    memcpy(text + used, more, n);
    text[used + n] = '\0';
    trim_utf8(text, capacity);
}

static void set_va(struct error *err, enum error_code code, const char *format, va_list args)
{
    err->code = code;
    vsnprintf(err->message, sizeof err->message, format, args);
    trim_utf8(err->message, sizeof err->message);
}

void error_record(struct error *err, enum error_code code, const char *format, ...)
{
    if (!err)
        return;
    va_list args;
    va_start(args, format);
    set_va(err, code, format, args);
    va_end(args);
}

static bool errno_is_input(int number)
{
    switch (number) {
    case ENOENT:
    case EISDIR:
    case ENOTDIR:
    case EACCES:
    case EPERM:
    case EROFS:
    case ENAMETOOLONG:
    case ELOOP:
    case EEXIST:
    case ENOTEMPTY:
    case ENXIO:
    case ENODEV:
        return true;
    default:
        return false;
    }
}

void error_record_errno(struct error *err, const char *format, ...)
{
    int number = errno;
    if (!err)
        return;
    va_list args;
    va_start(args, format);
    set_va(err, errno_is_input(number) ? ERROR_INPUT : ERROR_MACHINE, format, args);
    va_end(args);
    append(err->message, sizeof err->message, ": ");
    append(err->message, sizeof err->message, strerror(number));
}

void error_record_prefix(struct error *err, const char *format, ...)
{
    if (!err)
        return;
    struct error whole = {.code = err->code};
    va_list args;
    va_start(args, format);
    vsnprintf(whole.message, sizeof whole.message, format, args);
    va_end(args);
    append(whole.message, sizeof whole.message, ": ");
    append(whole.message, sizeof whole.message, err->message);
    *err = whole;
}
