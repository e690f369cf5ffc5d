/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.c - numbers by name, their defaults and their ranges. */
#include "core/numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows and their places ---- */

static int32_t values_of(const number *r)
{
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
        int32_t k = r->kind == SLMT_NUMBER_LIST  ? element_index(r, name)
                    : strcmp(r->name, name) == 0 ? 0
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
        if (!choices++)
            return NULL;
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
        else
            *values = t.rows[i].initial;
    }
}

status numbers_set(number_table t, const char *what, const slmt_number *given, size_t n, double *values)
{
    for (size_t i = 0; i < n; i++) {
        int32_t k = given[i].name ? number_index(t, given[i].name) : -1;
        if (k < 0)
            return fail(ERR_NOT_FOUND, "there is no %s %s", what, given[i].name ? given[i].name : "NULL");
        values[k] = given[i].value;
    }
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
    for (int32_t i = 0; i < t.n; i++)
        for (int32_t k = values_of(&t.rows[i]); k > 0; k--)
            TRY(check_one(&t.rows[i], what, *values++));
    return OK;
}

/* ---- structs ---- */

void numbers_read(number_table t, const double *values, void *to)
{
    for (int32_t i = 0; i < t.n; i++) {
        unsigned char *at = (unsigned char *)to + t.rows[i].offset;
        for (int32_t k = 0; k < values_of(&t.rows[i]); k++, values++) {
            int32_t whole = (int32_t)*values;
            if (t.rows[i].kind == SLMT_NUMBER_REAL)
                memcpy(at, values, sizeof *values);
            else
                memcpy(at + (size_t)k * sizeof whole, &whole, sizeof whole);
        }
    }
}

void numbers_write(number_table t, const void *from, double *values)
{
    for (int32_t i = 0; i < t.n; i++) {
        const unsigned char *at = (const unsigned char *)from + t.rows[i].offset;
        for (int32_t k = 0; k < values_of(&t.rows[i]); k++, values++) {
            int32_t whole;
            if (t.rows[i].kind == SLMT_NUMBER_REAL) {
                memcpy(values, at, sizeof *values);
            } else {
                memcpy(&whole, at + (size_t)k * sizeof whole, sizeof whole);
                *values = whole;
            }
        }
    }
}
