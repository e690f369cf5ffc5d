/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.c - numbers by name, their defaults and their ranges. */
#include "core/numbers.h"
#include "core/pattern.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows and their places ---- */

static int32_t values_of(const number *r)
{
    if (r->kind == SLMT_NUMBER_TEXT)
        return (int32_t)(((size_t)r->count + sizeof(double)) / sizeof(double));
    return r->kind == SLMT_NUMBER_LIST ? r->count : 1;
}

int32_t number_place(number_table t, int32_t k)
{
    int32_t place = 0;
    for (int32_t i = 0; i < k; i++)
        place += values_of(&t.rows[i]);
    return place;
}

int32_t numbers_count(number_table t)
{
    return number_place(t, t.n);
}

/* The element that `name` means of a list; -1: none. */
static int32_t element_index(const number *r, const char *name)
{
    size_t length = strlen(r->name);
    if (strncmp(r->name, name, length) != 0 || name[length] != '_')
        return -1;
    const char *digit = name + length + 1;
    return *digit >= '0' && *digit < '0' + r->count && !digit[1] ? *digit - '0' : -1;
}

int32_t number_index(number_table t, const char *name)
{
    int32_t place = 0;
    for (int32_t i = 0; i < t.n; i++) {
        const number *r = &t.rows[i];
        int32_t k = r->kind == SLMT_NUMBER_LIST   ? element_index(r, name)
                    : r->kind == SLMT_NUMBER_TEXT ? -1
                    : strcmp(r->name, name) == 0  ? 0
                                                  : -1;
        if (k >= 0)
            return place + k;
        place += values_of(r);
    }
    return -1;
}

int32_t number_with_role(number_table t, int32_t role)
{
    for (int32_t i = 0; i < t.n; i++)
        if (t.rows[i].role == role)
            return number_place(t, i);
    return -1;
}

/* ---- choices ---- */

const char *choice_name(const char *choices, int32_t index, size_t *length)
{
    for (; index > 0; index--) {
        choices = strchr(choices, '|');
        if (!choices)
            return NULL;
        choices++;
    }
    *length = strcspn(choices, "|");
    return choices;
}

int32_t choice_index(const char *choices, const char *text, size_t length)
{
    const char *name;
    size_t n;
    for (int32_t i = 0; (name = choice_name(choices, i, &n)) != NULL; i++)
        if (n == length && strncmp(name, text, n) == 0)
            return i;
    return -1;
}

/* ---- texts ---- */

/* The row of the text whose name is name[0, length); NULL: there is none. */
static const number *text_row(number_table t, const char *name, size_t length, int32_t *place)
{
    *place = 0;
    for (int32_t i = 0; i < t.n; *place += values_of(&t.rows[i++]))
        if (t.rows[i].kind == SLMT_NUMBER_TEXT && strlen(t.rows[i].name) == length &&
            strncmp(t.rows[i].name, name, length) == 0)
            return &t.rows[i];
    return NULL;
}

const char *number_text(number_table t, const double *values, const char *name)
{
    int32_t place;
    return text_row(t, name, strlen(name), &place) ? (const char *)(values + place) : NULL;
}

status text_set(const number *r, const char *what, const char *text, double *values)
{
    size_t length = strlen(text);
    if (length > (size_t)r->count)
        return fail(ERR_ARGUMENT, "%s %s has %zu bytes, and at most %d fit", what, r->name, length,
                    (int)r->count);
    memset(values, 0, (size_t)values_of(r) * sizeof *values);
    memcpy(values, text, length);
    return OK;
}

static status check_text(const number *r, const char *what, const char *text)
{
    if (!memchr(text, '\0', (size_t)r->count + 1))
        return fail(ERR_ARGUMENT, "%s %s has no end", what, r->name);
    if (pattern_matches(r->pattern, text))
        return OK;
    return fail(ERR_ARGUMENT, "%s %s is '%s', expected a text that matches %s", what, r->name, text,
                r->pattern);
}

/* ---- values ---- */

static void list_init(const number *r, double *values)
{
    const char *next = r->list;
    for (int32_t i = 0; i < r->count; i++) {
        char *end;
        values[i] = (double)strtol(next, &end, 10);
        next = *end ? end + 1 : end;
    }
}

void numbers_init(number_table t, double *values)
{
    for (int32_t i = 0; i < t.n; values += values_of(&t.rows[i++])) {
        if (t.rows[i].kind == SLMT_NUMBER_LIST)
            list_init(&t.rows[i], values);
        else if (t.rows[i].kind == SLMT_NUMBER_TEXT)
            text_set(&t.rows[i], "", t.rows[i].list, values); /* it fits, or numbers_check() complains */
        else
            *values = t.rows[i].initial;
    }
}

/* A text comes as "NAME=TEXT". */
static status set_one(number_table t, const char *what, const slmt_number *given, double *values)
{
    const char *name = given->name ? given->name : "NULL";
    size_t length = strcspn(name, "=");
    int32_t place = number_index(t, name);
    if (place >= 0) {
        values[place] = given->value;
        return OK;
    }
    const number *text = text_row(t, name, length, &place);
    if (text && name[length])
        return text_set(text, what, name + length + 1, values + place);
    if (text)
        return fail(ERR_ARGUMENT, "%s %s is a text, and is given as \"%s=...\"", what, name, name);
    return fail(ERR_NOT_FOUND, "there is no %s %s", what, name);
}

status numbers_set(number_table t, const char *what, const slmt_number *given, size_t n, double *values)
{
    for (size_t i = 0; i < n; i++)
        TRY(set_one(t, what, &given[i], values));
    return OK;
}

static status check_one(const number *r, const char *what, double x)
{
    int in_range = x >= r->low && x <= r->high;
    if (in_range && (r->kind == SLMT_NUMBER_REAL || x == floor(x)))
        return OK;
    return fail(ERR_ARGUMENT, "%s %s is %.10g, expected %s%.10g to %.10g", what, r->name, x,
                r->kind == SLMT_NUMBER_REAL || x == floor(x) ? "" : "a whole number, ", r->low, r->high);
}

status numbers_check(number_table t, const char *what, const double *values)
{
    for (int32_t i = 0; i < t.n; values += values_of(&t.rows[i++]))
        if (t.rows[i].kind == SLMT_NUMBER_TEXT)
            TRY(check_text(&t.rows[i], what, (const char *)values));
        else
            for (int32_t k = 0; k < values_of(&t.rows[i]); k++)
                TRY(check_one(&t.rows[i], what, values[k]));
    return OK;
}

/* ---- structs ---- */

static void read_one(const number *r, const double *values, unsigned char *at)
{
    if (r->kind == SLMT_NUMBER_REAL)
        memcpy(at, values, sizeof *values);
    else if (r->kind == SLMT_NUMBER_TEXT)
        memcpy(at, values, (size_t)r->count + 1);
    else
        for (int32_t k = 0; k < values_of(r); k++) {
            int32_t whole = (int32_t)values[k];
            memcpy(at + (size_t)k * sizeof whole, &whole, sizeof whole);
        }
}

void numbers_read(number_table t, const double *values, void *to)
{
    for (int32_t i = 0; i < t.n; values += values_of(&t.rows[i++]))
        if (t.rows[i].offset != NO_MEMBER)
            read_one(&t.rows[i], values, (unsigned char *)to + t.rows[i].offset);
}

static void write_one(const number *r, const unsigned char *at, double *values)
{
    if (r->kind == SLMT_NUMBER_REAL)
        memcpy(values, at, sizeof *values);
    else if (r->kind == SLMT_NUMBER_TEXT)
        memcpy(values, at, (size_t)r->count + 1);
    else
        for (int32_t k = 0; k < values_of(r); k++) {
            int32_t whole;
            memcpy(&whole, at + (size_t)k * sizeof whole, sizeof whole);
            values[k] = whole;
        }
}

void numbers_write(number_table t, const void *from, double *values)
{
    for (int32_t i = 0; i < t.n; values += values_of(&t.rows[i++]))
        if (t.rows[i].offset != NO_MEMBER)
            write_one(&t.rows[i], (const unsigned char *)from + t.rows[i].offset, values);
}
