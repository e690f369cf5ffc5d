/* SPDX-License-Identifier: Apache-2.0 */
/* Text to field and back. Strict: the whole text must be the value. */
#include "field.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_int(const char *text, const char **end, int32_t *value)
{
    char *stop;
    errno = 0;
    long number = strtol(text, &stop, 10);
    *end = stop;
    *value = (int32_t)number;
    return stop != text && errno == 0 && number >= INT32_MIN && number <= INT32_MAX;
}

static bool set_int(const field *f, void *place, const char *text, char *reason)
{
    const char *end;
    int32_t value;
    bool bounded = f->low || f->high, whole = read_int(text, &end, &value) && *end == '\0';
    if (whole && (!bounded || (value >= f->low && value <= f->high))) {
        *(int32_t *)place = value;
        return true;
    }
    if (bounded)
        snprintf(reason, FIELD_REASON, "'%s' is not a whole number of %" PRId32 " to %" PRId32, text, f->low,
                 f->high);
    else
        snprintf(reason, FIELD_REASON, "'%s' is not a whole number", text);
    return false;
}

static bool read_uint(const char *text, char **end, uint64_t *value)
{
    errno = 0;
    *value = strtoull(text, end, 10);
    return *end != text && errno == 0 && !strchr(text, '-');
}

static bool set_uint(const field *f, void *place, const char *text, char *reason)
{
    (void)f;
    char *end;
    if (read_uint(text, &end, place) && *end == '\0')
        return true;
    snprintf(reason, FIELD_REASON, "'%s' is not a whole number of at least 0", text);
    return false;
}

static bool set_bytes(const field *f, void *place, const char *text, char *reason)
{
    (void)f;
    static const char units[] = "KMG";
    char *end;
    uint64_t bytes;
    bool good = read_uint(text, &end, &bytes);
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    const char *rest = unit ? end + 1 : end; /* "B" and "iB" say no more */
    good = good && (!*rest || strcasecmp(rest, "B") == 0 || (unit && strcasecmp(rest, "iB") == 0)) &&
           bytes <= UINT64_MAX >> shift;
    if (!good) {
        snprintf(reason, FIELD_REASON, "'%s' is not a size such as 800M or 12G", text);
        return false;
    }
    *(uint64_t *)place = bytes << shift;
    return true;
}

bool has_decimal_comma(const char *text)
{
    size_t before = strspn(text, "+-0123456789");
    const char *after = text + before + 1;
    return text[before] == ',' && *after && after[strspn(after, "0123456789eE+-")] == '\0';
}

static bool set_real(const field *f, void *place, const char *text, char *reason)
{
    (void)f;
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value)) {
        snprintf(reason, FIELD_REASON, "'%s' is not a number%s", text,
                 has_decimal_comma(text) ? ": write a point, not a comma" : "");
        return false;
    }
    *(double *)place = value;
    return true;
}

static bool set_choice(const field *f, void *place, const char *text, char *reason)
{
    for (const field_choice *c = f->choices; c->name; c++)
        if (strcmp(c->name, text) == 0) {
            *(int32_t *)place = c->value;
            return true;
        }
    snprintf(reason, FIELD_REASON, "'%s' is not one of %s", text, f->arg);
    return false;
}

static bool set_list(const field *f, void *place, const char *text, char *reason)
{
    int32_t *values = place;
    const char *next = text;
    for (int32_t i = 0; i < f->count; i++) {
        const char *end;
        bool last = i == f->count - 1;
        if (!read_int(next, &end, &values[i]) || *end != (last ? '\0' : f->separator)) {
            snprintf(reason, FIELD_REASON, "'%s' is not of the form %s", text, f->arg);
            return false;
        }
        next = end + 1;
    }
    return true;
}

static bool set_text(const field *f, void *place, const char *text, char *reason)
{
    (void)f;
    if (!*text) {
        snprintf(reason, FIELD_REASON, "the value is empty");
        return false;
    }
    *(const char **)place = text;
    return true;
}

static bool set_flag(const field *f, void *place, const char *text, char *reason)
{
    (void)f, (void)text, (void)reason;
    *(bool *)place = true;
    return true;
}

bool field_set(const field *f, void *target, const char *text, char reason[FIELD_REASON])
{
    static bool (*const set[])(const field *, void *, const char *, char *) = {
        [FIELD_TEXT] = set_text,     [FIELD_FLAG] = set_flag,   [FIELD_INT] = set_int,
        [FIELD_UINT] = set_uint,     [FIELD_BYTES] = set_bytes, [FIELD_REAL] = set_real,
        [FIELD_CHOICE] = set_choice, [FIELD_LIST] = set_list,
    };
    if (f->type == FIELD_NUMBER)
        return true;
    if (f->type == FIELD_CUSTOM)
        return f->set(target, text, reason);
    return set[f->type](f, (char *)target + f->offset, text, reason);
}

static void format_list(const field *f, const int32_t *values, char *text, size_t size)
{
    size_t used = 0;
    for (int32_t i = 0; i < f->count && used < size; i++) {
        const char separator[] = {f->separator, '\0'};
        used += (size_t)snprintf(text + used, size - used, "%s%" PRId32, i ? separator : "", values[i]);
    }
}

static const char *choice_name(const field_choice *choices, int32_t value)
{
    while (choices->name && choices->value != value)
        choices++;
    return choices->name ? choices->name : "?";
}

void field_format(const field *f, const void *target, char *text, size_t size)
{
    const void *place = (const char *)target + f->offset;
    const char *string = NULL;
    switch (f->type) {
    case FIELD_TEXT:
        string = *(const char *const *)place;
        snprintf(text, size, "%s", string ? string : "");
        break;
    case FIELD_FLAG:
        snprintf(text, size, "%s", *(const bool *)place ? "yes" : "no");
        break;
    case FIELD_INT:
        snprintf(text, size, "%" PRId32, *(const int32_t *)place);
        break;
    case FIELD_UINT:
    case FIELD_BYTES:
        snprintf(text, size, "%" PRIu64, *(const uint64_t *)place);
        break;
    case FIELD_REAL:
        snprintf(text, size, "%.12g", *(const double *)place);
        break;
    case FIELD_CHOICE:
        snprintf(text, size, "%s", choice_name(f->choices, *(const int32_t *)place));
        break;
    case FIELD_LIST:
        format_list(f, place, text, size);
        break;
    case FIELD_NUMBER:
        snprintf(text, size, "%s", f->initial);
        break;
    case FIELD_CUSTOM:
        snprintf(text, size, "%s", "");
        break;
    }
}
