/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.h - options of methods and settings of tasks: what there is, as options of the command, and values
 * that were given on the line. */
#ifndef SLMT_TOOL_NUMBERS_H
#define SLMT_TOOL_NUMBERS_H

#include <stdbool.h>

#include "slmt/slmt.h"

#include "options.h"

/* Whose numbers: a method's options, or a task's settings. */
typedef struct number_owner {
    const char *method;
    const char *task; /* NULL: the method's options */
} number_owner;

typedef struct number_list {
    slmt_number *items; /* no name twice; the list owns the names */
    size_t count;
} number_list;

/* Describes number `index`; false past the last. */
bool number_at(number_owner owner, size_t index, slmt_number_info *info);

/* Describes the number of this name, among options also "preset"; false: there is none. */
bool number_named(number_owner owner, const char *name, slmt_number_info *info);

/* Asks for the value of a number, or with value NULL for a text; false: there is none, and the default
 * counts. */
typedef bool number_reader(const void *from, const char *name, double *value, const char **text);

/* Returns a value as text: the name of a choice, the elements of a list joined by ','. NULL for `read`: the
 * default. The caller frees it. */
char *number_text(const slmt_number_info *info, number_reader *read, const void *from);

/* "1 to 64", or "off|on". */
void number_range(const slmt_number_info *info, char *text, size_t size);

/* Adds what was given of the options that set `target`. Reports an error and returns its exit code; the
 * complaint says what there is. */
int number_list_add(number_list *list, number_owner owner, const command_line *line, const void *target);

/* Adds all numbers of the owner that there are to be read. */
void number_list_read(number_list *list, number_owner owner, number_reader *read, const void *from);

enum { NUMBER_REASON = 1024 /* room for a reason */ };

/* Sets a number, a choice or a list from a text as an option of the command would have it; false: there is no
 * such number, or the text will not do, and `reason` says what will. */
bool number_list_set(number_list *list, number_owner owner, const char *name, const char *text,
                     char reason[NUMBER_REASON]);

/* This is a number_reader over a list. */
bool number_in_list(const void *list, const char *name, double *value, const char **text);

/* Returns true if the list has a value for the number, or for the first element of a list of that name. */
bool number_list_has(const number_list *list, const char *name);

/* "name value, name value, ..." of all numbers of the owner; the caller frees it. */
char *number_list_text(const number_list *list, number_owner owner);

/* Reads a value of the list; one that is not there becomes *value first. */
void number_list_default(number_list *list, const char *name, double *value);

void number_list_free(number_list *list);

/* ---- as options of the command ---- */

/* Returns an option for each number, ended by a NULL name; number_fields_free() frees them. */
field *number_fields(number_owner owner);
void number_fields_free(field *fields);

/* ---- methods and tasks ---- */

/* Describes a method; false: there is none of that name. */
bool method_find(const char *name, slmt_method_info *info);

/* Describes task `index` of a method; false past the last. */
bool task_at(const char *method, size_t index, slmt_task_info *info);

/* Describes a task of a method; false: there is none. */
bool task_find(const char *method, const char *name, slmt_task_info *info);

/* Finds the number, or the input of a task, that has a role SLMT_ROLE_...; false: there is none. */
bool number_for(number_owner owner, int32_t role, slmt_number_info *info);
bool input_for(const char *method, const char *task, int32_t role, slmt_port_info *info);

/* Returns the name of the task that makes a target; NULL: there is none. */
const char *synthesis_task(const char *method);

/* Returns the name of the only task that trains, among those that learn from a second model (with_teacher) or
 * among the others; NULL: there are several, or none. */
const char *only_training_task(const char *method, bool with_teacher);

/* Complains that there is no such method, and which there are. Returns EXIT_USAGE. */
int no_such_method(const char *name);

/* Names of a method's tasks that train, or of those that do not, joined by ", "; the caller frees them. */
char *task_names(const char *method, bool trains);

#endif
