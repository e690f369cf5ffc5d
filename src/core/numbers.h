/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.h - options and settings: tables of named numbers and texts, and arrays of values in their order.
 */
#ifndef SLMT_CORE_NUMBERS_H
#define SLMT_CORE_NUMBERS_H

#include <stddef.h>

#include "lib/status.h"
#include "slmt/method.h"

/* An option or a setting: the one description of it, from which follow the struct that its method reads, the
 * public description, the command line, the manual page and the attribute in checkpoints. Values lie in an
 * array of doubles, each row's after the last one's: a whole number, a real one, the index of a choice, or a
 * list of whole numbers, whose elements are called NAME_0, NAME_1 and so on. The bytes of a text and its NUL
 * lie in as many doubles as hold them. */
typedef struct number {
    const char *name;
    int32_t kind; /* SLMT_NUMBER_... */
    double initial, low, high;
    const char *help;
    const char *choices; /* "a|b|c", or NULL */
    const char *list;    /* the initial elements, "64,128,256", or the initial text; or NULL */
    int32_t count;       /* elements of a list, at most LIST_MOST; bytes of a text, at most; other kinds: 0 */
    const char *was;     /* the name in older files, or NULL */
    int32_t is_later;    /* 1: checkpoints from before the row lack it, which means its initial value */
    size_t offset; /* in the struct of numbers_read(): int32_t, double, int32_t[count], char[count + 1] */
    int32_t role;  /* SLMT_ROLE_... */
    const char *pattern; /* of a text: the whole of it matches this extended regular expression of POSIX */
    int32_t multiple;    /* of a setting: it is a multiple of this; 0: of anything */
} number;

enum { LIST_MOST = 8, TEXT_MOST = 255 };

/* The offset of a row that no struct has a member for. */
#define NO_MEMBER ((size_t)-1)

/* Rows for the members of a struct. */
#define NUMBER_WHOLE(type, member, first, least, most, text)                                                 \
    {                                                                                                        \
        .name = #member, .kind = SLMT_NUMBER_WHOLE, .initial = first, .low = least, .high = most,            \
        .help = text, .offset = offsetof(type, member)                                                       \
    }
/* The same for a number that the library or a program looks for: role_ is BATCH, SIDE, HEIGHT and so on. */
#define NUMBER_ROLE(type, member, role_, first, least, most, text)                                           \
    {                                                                                                        \
        .name = #member, .kind = SLMT_NUMBER_WHOLE, .initial = first, .low = least, .high = most,            \
        .help = text, .offset = offsetof(type, member), .role = SLMT_ROLE_##role_                            \
    }
/* The same for an extent that is a multiple of a number. */
#define NUMBER_MULTIPLE(type, member, role_, multiple_, first, least, most, text)                            \
    {                                                                                                        \
        .name = #member, .kind = SLMT_NUMBER_WHOLE, .initial = first, .low = least, .high = most,            \
        .help = text, .offset = offsetof(type, member), .role = SLMT_ROLE_##role_, .multiple = multiple_     \
    }
#define NUMBER_REAL(type, member, first, least, most, text)                                                  \
    {                                                                                                        \
        .name = #member, .kind = SLMT_NUMBER_REAL, .initial = first, .low = least, .high = most,             \
        .help = text, .offset = offsetof(type, member)                                                       \
    }
/* A setting that was added after checkpoints without it had been written. */
#define NUMBER_REAL_LATER(type, member, first, least, most, text)                                            \
    {                                                                                                        \
        .name = #member, .kind = SLMT_NUMBER_REAL, .initial = first, .low = least, .high = most,             \
        .help = text, .is_later = 1, .offset = offsetof(type, member)                                        \
    }
/* most: the index of the last one of `names`, "a|b|c". */
#define NUMBER_CHOICE(type, member, first, most, names, text)                                                \
    {                                                                                                        \
        .name = #member, .kind = SLMT_NUMBER_CHOICE, .initial = first, .high = most, .help = text,           \
        .choices = names, .offset = offsetof(type, member)                                                   \
    }
#define NUMBER_LIST(type, member, first, least, most, before, text)                                          \
    {                                                                                                        \
        .name = #member, .kind = SLMT_NUMBER_LIST, .low = least, .high = most, .help = text, .list = first,  \
        .count = (int32_t)(sizeof((type *)0)->member / sizeof(int32_t)), .was = before,                      \
        .offset = offsetof(type, member)                                                                     \
    }

/* The member is an array of char, as long as the longest text and its NUL. */
#define NUMBER_TEXT(type, member, first, form, text)                                                         \
    {                                                                                                        \
        .name = #member, .kind = SLMT_NUMBER_TEXT, .help = text, .list = first, .pattern = form,             \
        .count = (int32_t)sizeof((type *)0)->member - 1, .offset = offsetof(type, member)                    \
    }

/* NUMBERS(table): a table and its length. */
typedef struct number_table {
    const number *rows;
    int32_t n;
} number_table;
#define NUMBERS(table)                                                                                       \
    {                                                                                                        \
        table, (int32_t)(sizeof(table) / sizeof *(table))                                                    \
    }

/* A function of this name, which reads values into the struct that `rows` describe. Members without a row are
 * 0. */
#define NUMBERS_READER(type, function, rows)                                                                 \
    type function(const double *values)                                                                      \
    {                                                                                                        \
        type read = {0};                                                                                     \
        numbers_read((number_table)NUMBERS(rows), values, &read);                                            \
        return read;                                                                                         \
    }

/* The same for rows called NAME_rows that only one file reads: the function is NAME_of(). */
#define NUMBERS_OF(type, name) static NUMBERS_READER(type, name##_of, name##_rows)

/* Rows that no struct has a member for, because only the library looks for them, by role or by name. */
#define NUMBER_EXTENT(name_, role_, first, least, most, text)                                                \
    {                                                                                                        \
        .name = #name_, .kind = SLMT_NUMBER_WHOLE, .initial = first, .low = least, .high = most,             \
        .help = text, .role = SLMT_ROLE_##role_, .offset = NO_MEMBER                                         \
    }
#define NUMBER_BATCH(text) NUMBER_EXTENT(batch, BATCH, 1, 1, 65536, text)

/* Returns the number of values of a table, or of the rows before row `k`. */
int32_t numbers_count(number_table t);
int32_t number_place(number_table t, int32_t k);

/* Returns the index of a value by its name (of a list: by that of an element); -1: there is none, or it is a
 * text. */
int32_t number_index(number_table t, const char *name);

/* Returns the text of this name; NULL: there is none. */
const char *number_text(number_table t, const double *values, const char *name);

/* Returns the index of the value that has a role, or -1. */
int32_t number_with_role(number_table t, int32_t role);

/* Copies values into the struct that the rows are members of, and back. */
void numbers_read(number_table t, const double *values, void *to);
void numbers_write(number_table t, const void *from, double *values);

/* Returns the index of a choice by its name, which is text[0, length), or -1. */
int32_t choice_index(const char *choices, const char *text, size_t length);

/* Returns the name of a choice and its length; NULL: there are fewer. */
const char *choice_name(const char *choices, int32_t index, size_t *length);

void numbers_init(number_table t, double *values);

/* Sets the text of a row. ERR_ARGUMENT: it is too long. */
status text_set(const number *r, const char *what, const char *text, double *values);

/* Sets some values by name. what: "option" or "setting", for the text. ERR_NOT_FOUND, ERR_ARGUMENT; values
 * then undefined. */
status numbers_set(number_table t, const char *what, const slmt_number *given, size_t n, double *values);

/* Checks that values are in range and texts match. ERR_ARGUMENT with the row and its range or pattern. */
status numbers_check(number_table t, const char *what, const double *values);

#endif
