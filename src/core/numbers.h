/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.h - options and settings: tables of named numbers, and arrays of values in their order. */
#ifndef SLMT_CORE_NUMBERS_H
#define SLMT_CORE_NUMBERS_H

#include "lib/status.h"
#include "slmt/method.h"

/* An option or a setting. Its value is a double: a whole number, a real one, or the index of a choice. */
typedef struct number {
    const char *name;
    int32_t kind; /* SLMT_NUMBER_... */
    double initial, low, high;
    const char *help;
    const char *choices; /* "a|b|c", or NULL */
} number;

/* NUMBERS(table): a table and its length. */
typedef struct number_table {
    const number *rows;
    int32_t n;
} number_table;
#define NUMBERS(table)                                                                                       \
    {                                                                                                        \
        table, (int32_t)(sizeof(table) / sizeof *(table))                                                    \
    }

int32_t number_index(number_table t, const char *name); /* -1: none */

/* The value of a row; the name must exist. For a misspelt one the function returns 1, which harms no
 * arithmetic, and numbers_watched() fails. */
double number_of(number_table t, const double *values, const char *name);

/* Called before and after a method's code. numbers_watched() returns ERR_INTERNAL with the name if that code
 * asked for a row that does not exist. where: for the message. */
void numbers_watch(void);
status numbers_watched(const char *where);

void numbers_init(number_table t, double *values);

/* Sets some by name. what: "option" or "setting", for the text. ERR_NOT_FOUND, ERR_ARGUMENT; values then
 * undefined. */
status numbers_set(number_table t, const char *what, const slmt_number *given, size_t n, double *values);

/* ERR_ARGUMENT with the row and its range. */
status numbers_check(number_table t, const char *what, const double *values);

#endif
