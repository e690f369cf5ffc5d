/* SPDX-License-Identifier: Apache-2.0 */
/* Everything here is asked of the library: no method is known by name. */
#include "numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "tool.h"

/* Adds a name to a list of them, joined by ", ". */
static void join(char **names, const char *name)
{
    char *longer = must_format("%s%s%s", *names, **names ? ", " : "", name);
    free(*names);
    *names = longer;
}

bool number_at(number_owner owner, size_t index, slmt_number_info *info)
{
    *info = (slmt_number_info){.struct_size = sizeof *info};
    slmt_status status = owner.task ? slmt_task_setting(owner.method, owner.task, index, info)
                                    : slmt_method_option(owner.method, index, info);
    return status == SLMT_OK;
}

bool number_named(number_owner owner, const char *name, slmt_number_info *info)
{
    for (size_t i = 0; number_at(owner, i, info); i++)
        if (strcmp(info->name, name) == 0)
            return true;
    return false;
}

/* ---- values and texts ---- */

/* Length of choice `index` of "a|b|c", which then starts at *name; 0: there are fewer. */
static size_t choice_at(const char *choices, int index, const char **name)
{
    while (index-- > 0) {
        choices += strcspn(choices, "|");
        if (!*choices++)
            return 0;
    }
    *name = choices;
    return strcspn(choices, "|");
}

static bool choice_value(const char *choices, const char *text, double *value)
{
    const char *name;
    size_t length;
    for (int i = 0; (length = choice_at(choices, i, &name)) > 0; i++)
        if (length == strlen(text) && strncmp(name, text, length) == 0) {
            *value = i;
            return true;
        }
    return false;
}

void number_format(const slmt_number_info *info, double value, char *text, size_t size)
{
    const char *name;
    size_t length = info->kind == SLMT_NUMBER_CHOICE ? choice_at(info->choices, (int)value, &name) : 0;
    if (length)
        snprintf(text, size, "%.*s", (int)length, name);
    else
        snprintf(text, size, "%.12g", value);
}

void number_range(const slmt_number_info *info, char *text, size_t size)
{
    if (info->kind == SLMT_NUMBER_CHOICE)
        snprintf(text, size, "%s", info->choices);
    else
        snprintf(text, size, "%.10g to %.10g", info->low, info->high);
}

static bool read_value(const slmt_number_info *info, const char *text, double *value)
{
    char *end;
    if (info->kind == SLMT_NUMBER_CHOICE && choice_value(info->choices, text, value))
        return true;
    *value = strtod(text, &end);
    if (end == text || *end || !isfinite(*value) || *value < info->low || *value > info->high)
        return false;
    return info->kind == SLMT_NUMBER_REAL || *value == floor(*value);
}

/* ---- lists ---- */

static void put(number_list *list, const char *name, double value)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0) {
            list->items[i].value = value;
            return;
        }
    list->items = must_grow(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = (slmt_number){name, value};
}

static const char *kind_text(const slmt_number_info *info)
{
    return info->kind == SLMT_NUMBER_WHOLE ? "a whole number of " : "";
}

static char *names_of(number_owner owner)
{
    slmt_number_info info;
    char *names = must_copy("");
    for (size_t i = 0; number_at(owner, i, &info); i++)
        join(&names, info.name);
    return names;
}

static int no_such_number(number_owner owner, const char *name)
{
    char *names = names_of(owner);
    int code = owner.task
                   ? fail_with(EXIT_USAGE, "task %s of %s has no setting '%s'; it has %s", owner.task,
                               owner.method, name, names)
                   : fail_with(EXIT_USAGE, "%s has no option '%s'; it has %s", owner.method, name, names);
    free(names);
    return code;
}

int number_list_add(number_list *list, number_owner owner, const char *text)
{
    slmt_number_info info;
    char range[256];
    double value;
    size_t length = strcspn(text, "=");
    char *name = must_format("%.*s", (int)length, text);
    int code = EXIT_OK;
    if (!number_named(owner, name, &info)) {
        code = no_such_number(owner, name);
    } else if (!text[length] || !read_value(&info, text + length + 1, &value)) {
        number_range(&info, range, sizeof range);
        code = fail_with(EXIT_USAGE, "%s '%s' is '%s', expected %s%s", owner.task ? "setting" : "option",
                         name, text[length] ? text + length + 1 : "", kind_text(&info), range);
    } else {
        put(list, info.name, value);
    }
    free(name);
    return code;
}

int number_list_add_all(number_list *list, number_owner owner, const text_list *texts)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < texts->count && code == EXIT_OK; i++)
        code = number_list_add(list, owner, texts->items[i]);
    return code;
}

double number_value(const number_list *list, const slmt_number_info *info)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, info->name) == 0)
            return list->items[i].value;
    return info->initial;
}

char *number_list_text(const number_list *list, number_owner owner)
{
    slmt_number_info info;
    char value[128];
    char *text = must_copy("");
    for (size_t i = 0; number_at(owner, i, &info); i++) {
        number_format(&info, number_value(list, &info), value, sizeof value);
        char *both = must_format("%s %s", info.name, value);
        join(&text, both);
        free(both);
    }
    return text;
}

void number_list_free(number_list *list)
{
    free(list->items);
    *list = (number_list){0};
}

void text_list_add(text_list *list, char *text)
{
    list->items = must_grow(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = text;
}

void text_list_free(text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (text_list){0};
}

bool set_number_text(void *target, const char *text, char reason[FIELD_REASON])
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1]) {
        snprintf(reason, FIELD_REASON, "'%s' is not of the form NAME=VALUE", text);
        return false;
    }
    text_list_add(target, must_copy(text));
    return true;
}

/* ---- methods and tasks ---- */

bool method_find(const char *name, slmt_method_info *info)
{
    for (size_t i = 0; i < slmt_method_count(); i++) {
        *info = (slmt_method_info){.struct_size = sizeof *info};
        if (slmt_method_describe(i, info) == SLMT_OK && strcmp(info->name, name) == 0)
            return true;
    }
    return false;
}

static bool task_at(const char *method, size_t index, slmt_task_info *info)
{
    *info = (slmt_task_info){.struct_size = sizeof *info};
    return slmt_method_task(method, index, info) == SLMT_OK;
}

bool task_find(const char *method, const char *name, slmt_task_info *info)
{
    for (size_t i = 0; task_at(method, i, info); i++)
        if (strcmp(info->name, name) == 0)
            return true;
    return false;
}

bool task_has_input(const char *method, const char *task, const char *name)
{
    slmt_port_info info = {.struct_size = sizeof info};
    for (size_t i = 0; slmt_task_input(method, task, i, &info) == SLMT_OK; i++)
        if (strcmp(info.name, name) == 0)
            return true;
    return false;
}

int no_such_method(const char *name)
{
    char *names = must_copy("");
    for (size_t i = 0; i < slmt_method_count(); i++) {
        slmt_method_info info = {.struct_size = sizeof info};
        slmt_method_describe(i, &info);
        join(&names, info.name);
    }
    int code = fail_with(EXIT_USAGE, "there is no method '%s'; there are %s", name, names);
    free(names);
    return code;
}

char *task_names(const char *method, bool trains)
{
    slmt_task_info info;
    char *names = must_copy("");
    for (size_t i = 0; task_at(method, i, &info); i++)
        if ((info.trains != 0) == trains)
            join(&names, info.name);
    return names;
}
