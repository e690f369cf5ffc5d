/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.c - numbers by name, their defaults and their ranges. */
#include "core/numbers.h"

#include <math.h>
#include <string.h>

int32_t number_index(number_table t, const char *name)
{
    for (int32_t i = 0; i < t.n; i++)
        if (strcmp(t.rows[i].name, name) == 0)
            return i;
    return -1;
}

/* The first name since numbers_watch() that number_of() did not find: number_of() has no status to return. */
static _Thread_local const char *unknown_row;

double number_of(number_table t, const double *values, const char *name)
{
    int32_t k = number_index(t, name);
    if (k >= 0)
        return values[k];
    if (!unknown_row)
        unknown_row = name;
    return 1;
}

void numbers_watch(void)
{
    unknown_row = NULL;
}

status numbers_watched(const char *where)
{
    if (!unknown_row)
        return OK;
    return fail(ERR_INTERNAL, "%s asks for option or setting %s, which does not exist", where, unknown_row);
}

void numbers_init(number_table t, double *values)
{
    for (int32_t i = 0; i < t.n; i++)
        values[i] = t.rows[i].initial;
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

status numbers_check(number_table t, const char *what, const double *values)
{
    for (int32_t i = 0; i < t.n; i++) {
        const number *r = &t.rows[i];
        double x = values[i];
        if (r->kind == SLMT_NUMBER_REAL ? !(x >= r->low && x <= r->high)
                                        : !(x >= r->low && x <= r->high && x == floor(x)))
            return fail(ERR_ARGUMENT, "%s %s is %.10g, expected %s%.10g to %.10g", what, r->name, x,
                        r->kind == SLMT_NUMBER_REAL || x == floor(x) ? "" : "a whole number, ", r->low,
                        r->high);
    }
    return OK;
}
