/* Metadata of a GGUF file: values by key, and as people see them. */
#include "engine/gguf_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[GGUF_TYPE_COUNT] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                        "bool", "string", "array", "u64", "i64", "f64"};

uint64_t gguf_alignment(const struct model_file *file)
{
    return file->alignment;
}

const struct gguf_value *gguf_value_at(const struct model_file *file, size_t index)
{
    return index < file->n_values ? &file->values[index] : NULL;
}

uint64_t gguf_value_bytes(const struct gguf_value *value)
{
    uint64_t bytes = 0;
    if (value->type == GGUF_STRING)
        return value->count;
    if (value->type != GGUF_ARRAY)
        return (uint64_t)gguf_scalar_bytes[value->type];
    if (value->element != GGUF_STRING)
        return value->count * (uint64_t)gguf_scalar_bytes[value->element]; // lies in the file
    for (uint64_t i = 0; i < value->count; i++)
        (void)gguf_next_string(value, &bytes);
    return bytes;
}

const struct gguf_value *gguf_find(const struct model_file *file, const char *key)
{
    struct gguf_value wanted = {.key = key};
    return file->n_values ? bsearch(&wanted, file->values, file->n_values, sizeof *file->values, gguf_compare_keys) : NULL;
}

static bool wrong_type(const struct model_file *file, const struct gguf_value *value, const char *wanted, struct error *err)
{
    return error_set(err, ERROR_INPUT, "%s: key %s is a %s, %s is wanted", file->path, value->key, type_names[value->type], wanted);
}

static double load_number(enum gguf_type type, const uint8_t *data)
{
    union {
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        float f32;
        uint64_t u64;
        int64_t i64;
        double f64;
    } v = {0};
    memcpy(&v, data, (size_t)gguf_scalar_bytes[type]);
    switch (type) {
    case GGUF_U8:
    case GGUF_BOOL:
        return data[0];
    case GGUF_I8:
        return (int8_t)data[0];
    case GGUF_U16:
        return v.u16;
    case GGUF_I16:
        return v.i16;
    case GGUF_U32:
        return v.u32;
    case GGUF_I32:
        return v.i32;
    case GGUF_F32:
        return (double)v.f32;
    case GGUF_U64:
        return (double)v.u64;
    case GGUF_I64:
        return (double)v.i64;
    default:
        return v.f64;
    }
}

static bool is_integer(enum gguf_type type)
{
    return type <= GGUF_I32 || type == GGUF_U64 || type == GGUF_I64;
}

bool gguf_u32(const struct model_file *file, const char *key, uint32_t *out, struct error *err)
{
    const struct gguf_value *value = gguf_find(file, key);
    if (!value)
        return true;
    if (!is_integer(value->type))
        return wrong_type(file, value, "an integer", err);
    double number = load_number(value->type, value->data);
    if (number < 0 || number > UINT32_MAX)
        return error_set(err, ERROR_INPUT, "%s: key %s is %.0f, a number from 0 to 2^32 − 1 is wanted", file->path, key, number);
    *out = (uint32_t)number;
    return true;
}

bool gguf_need_u32(const struct model_file *file, const char *key, uint32_t *out, struct error *err)
{
    if (!gguf_find(file, key))
        return error_set(err, ERROR_INPUT, "%s: the key %s is missing", file->path, key);
    return gguf_u32(file, key, out, err);
}

bool gguf_f32(const struct model_file *file, const char *key, float *out, struct error *err)
{
    const struct gguf_value *value = gguf_find(file, key);
    if (!value)
        return true;
    if (value->type != GGUF_F32 && value->type != GGUF_F64)
        return wrong_type(file, value, "a float", err);
    *out = (float)load_number(value->type, value->data);
    return true;
}

bool gguf_bool(const struct model_file *file, const char *key, bool *out, struct error *err)
{
    const struct gguf_value *value = gguf_find(file, key);
    if (!value)
        return true;
    if (value->type != GGUF_BOOL)
        return wrong_type(file, value, "a bool", err);
    *out = value->data[0];
    return true;
}

bool gguf_text(const struct model_file *file, const char *key, struct gguf_string *out, struct error *err)
{
    const struct gguf_value *value = gguf_find(file, key);
    if (!value)
        return true;
    if (value->type != GGUF_STRING)
        return wrong_type(file, value, "a string", err);
    *out = (struct gguf_string){(const char *)value->data, value->count};
    return true;
}

const struct gguf_value *gguf_array(const struct model_file *file, const char *key, enum gguf_type element, struct error *err)
{
    const struct gguf_value *value = gguf_find(file, key);
    if (!value) {
        error_set(err, ERROR_INPUT, "%s: the key %s is missing", file->path, key);
        return NULL;
    }
    bool same = value->type == GGUF_ARRAY && (value->element == element || (element == GGUF_I32 && value->element == GGUF_U32));
    if (!same) {
        error_set(err, ERROR_INPUT, "%s: key %s is not an array of %s", file->path, key, type_names[element]);
        return NULL;
    }
    return value;
}

struct gguf_string gguf_next_string(const struct gguf_value *array, uint64_t *cursor)
{
    uint64_t n;
    memcpy(&n, array->data + *cursor, 8);
    struct gguf_string string = {(const char *)array->data + *cursor + 8, n};
    *cursor += 8 + n;
    return string;
}

int32_t gguf_i32_at(const struct gguf_value *array, uint64_t index)
{
    int32_t value;
    memcpy(&value, array->data + index * 4, 4);
    return value;
}

float gguf_f32_at(const struct gguf_value *array, uint64_t index)
{
    float value;
    memcpy(&value, array->data + index * 4, 4);
    return value;
}

/* --- what people see -------------------------------------------------------------------------------------------------------------------
 */

static void show_scalar(struct text *text, enum gguf_type type, const uint8_t *data)
{
    uint64_t u64;
    int64_t i64;
    switch (type) {
    case GGUF_BOOL:
        text_add_string(text, data[0] ? "true" : "false");
        break;
    case GGUF_U64:
        memcpy(&u64, data, 8);
        text_format(text, "%" PRIu64, u64);
        break;
    case GGUF_I64:
        memcpy(&i64, data, 8);
        text_format(text, "%" PRId64, i64);
        break;
    case GGUF_F32:
        text_format(text, "%.9g", load_number(type, data));
        break;
    case GGUF_F64:
        text_format(text, "%.17g", load_number(type, data));
        break;
    default:
        text_format(text, "%.0f", load_number(type, data));
    }
}

/* Text for people: control characters and bytes that are not UTF-8 are escaped, long strings cut. */
static void show_string(struct text *text, const char *bytes, uint64_t n, uint64_t limit)
{
    for (uint64_t i = 0; i < n && i < limit;) {
        uint32_t c;
        int length = utf8_decode(bytes + i, n - i, &c);
        if (length == 0 || c < 0x20 || c == 0x7F) {
            text_format(text, "\\x%02x", (unsigned char)bytes[i]);
            i++;
        } else {
            text_add(text, bytes + i, (size_t)length);
            i += (uint64_t)length;
        }
    }
    if (n > limit)
        text_add_string(text, "…");
}

bool model_file_meta(struct model_file *file, size_t index, struct model_meta *out)
{
    enum { SHOWN_ELEMENTS = 6, SHOWN_BYTES = 2000, SHOWN_ELEMENT_BYTES = 40 };
    if (index >= file->n_values)
        return false;
    const struct gguf_value *value = &file->values[index];
    struct text *text = &file->shown;
    text_clear(text);
    size_t type_at;
    if (value->type == GGUF_ARRAY)
        text_format(text, "array of %s[%" PRIu64 "]", type_names[value->element], value->count);
    else
        text_add_string(text, type_names[value->type]);
    text_add(text, "", 1);
    type_at = text->length;
    uint64_t cursor = 0;
    if (value->type == GGUF_STRING)
        show_string(text, (const char *)value->data, value->count, SHOWN_BYTES);
    else if (value->type != GGUF_ARRAY)
        show_scalar(text, value->type, value->data);
    else
        for (uint64_t i = 0; i < value->count; i++) {
            if (i == SHOWN_ELEMENTS) {
                text_add_string(text, ", …");
                break;
            }
            text_add_string(text, i ? ", " : "");
            if (value->element == GGUF_STRING) {
                struct gguf_string string = gguf_next_string(value, &cursor);
                text_add_string(text, "\"");
                show_string(text, string.bytes, string.n, SHOWN_ELEMENT_BYTES);
                text_add_string(text, "\"");
            } else
                show_scalar(text, value->element, value->data + i * (uint64_t)gguf_scalar_bytes[value->element]);
        }
    if (text->failed || !text->bytes)
        *out = (struct model_meta){value->key, "", "(out of memory)"};
    else
        *out = (struct model_meta){value->key, text->bytes, text->bytes + type_at};
    return true;
}
