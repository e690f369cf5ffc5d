/* SPDX-License-Identifier: Apache-2.0 */
/* Options of methods and settings of tasks: what there is, and values given as NAME=VALUE. */
#ifndef SLMT_TOOL_NUMBERS_H
#define SLMT_TOOL_NUMBERS_H

#include <stdbool.h>

#include "slmt/slmt.h"

#include "field.h"

/* Whose numbers: a method's options, or a task's settings. */
typedef struct number_owner {
    const char *method;
    const char *task; /* NULL: the method's options */
} number_owner;

typedef struct number_list {
    slmt_number *items; /* no name twice */
    size_t count;
} number_list;

/* Texts of the form NAME=VALUE, as they were given. */
typedef struct text_list {
    char **items;
    size_t count;
} text_list;

/* Describes number `index`; false past the last. */
bool number_at(number_owner owner, size_t index, slmt_number_info *info);

/* Describes the number of this name; false: there is none. */
bool number_named(number_owner owner, const char *name, slmt_number_info *info);

/* A value as text, the name of a choice where it is one. */
void number_format(const slmt_number_info *info, double value, char *text, size_t size);

/* "1 to 64", or "off|on". */
void number_range(const slmt_number_info *info, char *text, size_t size);

/* Adds NAME=VALUE, in place of an earlier one of that name. Complains and returns an exit code; the complaint
 * says what there is. */
int number_list_add(number_list *list, number_owner owner, const char *text);

int number_list_add_all(number_list *list, number_owner owner, const text_list *texts);

/* The value in the list, or where it is not in it, the initial one. */
double number_value(const number_list *list, const slmt_number_info *info);

/* "name value, name value, ..." of all numbers of the owner; the caller frees it. */
char *number_list_text(const number_list *list, number_owner owner);

void number_list_free(number_list *list);

/* Takes over `text`. */
void text_list_add(text_list *list, char *text);
void text_list_free(text_list *list);

/* For FIELD_CUSTOM: adds a text to the text_list that is the target. */
bool set_number_text(void *target, const char *text, char reason[FIELD_REASON]);

/* ---- methods and tasks ---- */

/* Describes a method; false: there is none of that name. */
bool method_find(const char *name, slmt_method_info *info);

/* Describes a task of a method; false: there is none. */
bool task_find(const char *method, const char *name, slmt_task_info *info);

/* Whether a task has an input of that name. */
bool task_has_input(const char *method, const char *task, const char *name);

/* Complains that there is no such method, and which there are. Returns EXIT_USAGE. */
int no_such_method(const char *name);

/* Names of a method's tasks that train, or of those that do not, joined by ", "; the caller frees them. */
char *task_names(const char *method, bool trains);

#endif
