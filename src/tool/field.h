/* SPDX-License-Identifier: Apache-2.0 */
/* A field of a struct that has a name, a text form and a description: the one row from which an option, its
 * help text and its line in `slmt info` are made. */
#ifndef SLMT_TOOL_FIELD_H
#define SLMT_TOOL_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum field_type {
    FIELD_TEXT,   /* const char * */
    FIELD_FLAG,   /* bool; as an option it takes no value */
    FIELD_INT,    /* int32_t */
    FIELD_UINT,   /* uint64_t */
    FIELD_BYTES,  /* uint64_t; the text may end in K, M or G */
    FIELD_REAL,   /* double, finite */
    FIELD_CHOICE, /* int32_t, by name */
    FIELD_LIST,   /* int32_t[count] */
    FIELD_NUMBER, /* of a method or a task, kept as a text (numbers.h) */
    FIELD_CUSTOM  /* whatever set() makes of the text */
} field_type;

typedef struct field_choice {
    const char *name; /* NULL ends a list */
    int32_t value;
} field_choice;

enum {
    FIELD_REQUIRED = 1, /* the option must be given */
    FIELD_EARLY = 2,    /* set before the others, wherever it stands on the line */
    FIELD_HIDDEN = 4,   /* the help text does not show the default */
    FIELD_INPUT = 16,   /* the text is the path of what is read */
    FIELD_OUTPUT = 32,  /* the text is the path of what is written */
    FIELD_INPLACE = 64, /* an input that --out may replace */
    FIELD_NAMED = 128,  /* the path stands behind NAME= */
    FIELD_REASON = 160  /* room for a reason */
};

typedef struct field {
    const char *name; /* the long option, without dashes; NULL ends a table */
    const char *arg;  /* what the help text calls the value */
    const char *doc;
    field_type type;
    size_t offset;               /* in the struct; FIELD_CUSTOM: unused */
    const field_choice *choices; /* FIELD_CHOICE; FIELD_NUMBER, FIELD_CUSTOM: NULL or what to offer */
    int32_t count;               /* FIELD_LIST */
    char separator;              /* FIELD_LIST */
    uint32_t flags;
    const char *initial; /* FIELD_NUMBER: its default */
    int32_t low, high;   /* FIELD_INT: the range; both 0: any */
    const char *endings; /* FIELD_OUTPUT: those that the name may have, ".nii.gz .nii"; NULL: any */
    const char *magic;   /* FIELD_OUTPUT: how a file that it may replace begins; NULL: as it likes */
    bool (*set)(void *target, const char *text, char reason[FIELD_REASON]);
} field;

#define MAGIC_CHECKPOINT "libslmt checkpoint\n"
#define MAGIC_SET        "libslmt dataset\n"

/* Whether a text is a number but for a comma in place of the point, such as "0,001". */
bool has_decimal_comma(const char *text);

/* Sets the field of `target` from a text; false: `reason` says why the text will not do. `text` must outlive
 * the target (FIELD_TEXT keeps the pointer). */
bool field_set(const field *f, void *target, const char *text, char reason[FIELD_REASON]);

/* Writes the field's value as field_set() would read it; "" for FIELD_CUSTOM. */
void field_format(const field *f, const void *target, char *text, size_t size);

#endif
