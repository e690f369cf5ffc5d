/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.c - options and settings, asked of the library: no method is known by name. */
#include "numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pattern.h"

#include "console.h"
#include "must.h"
#include "nearest.h"
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

/* The presets of a method, as a number that slmt_model_create() takes; false: it has none. */
static bool preset_of(const char *method, slmt_number_info *info)
{
    slmt_method_info m;
    if (!method_find(method, &m) || !*m.presets)
        return false;
    *info = (slmt_number_info){.struct_size = sizeof *info,
                               .kind = SLMT_NUMBER_CHOICE,
                               .name = "preset",
                               .help = "sizes to start from; the other options change single ones",
                               .choices = m.presets,
                               .list = ""};
    return true;
}

bool number_named(number_owner owner, const char *name, slmt_number_info *info)
{
    for (size_t i = 0; number_at(owner, i, info); i++)
        if (strcmp(info->name, name) == 0)
            return true;
    return !owner.task && strcmp(name, "preset") == 0 && preset_of(owner.method, info);
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

static char *scalar_text(const slmt_number_info *info, double value)
{
    const char *name;
    size_t length = info->kind == SLMT_NUMBER_CHOICE ? choice_at(info->choices, (int)value, &name) : 0;
    return length ? must_format("%.*s", (int)length, name) : must_format("%.12g", value);
}

static char *element_name(const slmt_number_info *info, int32_t i)
{
    return must_format("%s_%d", info->name, (int)i);
}

/* The elements that can be read; the default if the first cannot. */
static char *list_text(const slmt_number_info *info, number_reader *read, const void *from)
{
    char *text = must_copy("");
    for (int32_t i = 0; read && i < info->count; i++) {
        double value;
        char *name = element_name(info, i);
        if (read(from, name, &value, NULL)) {
            char *longer = must_format("%s%s%.12g", text, *text ? "," : "", value);
            free(text);
            text = longer;
        }
        free(name);
    }
    if (*text)
        return text;
    free(text);
    return must_copy(info->list);
}

char *number_text(const slmt_number_info *info, number_reader *read, const void *from)
{
    double value = info->initial;
    const char *text = info->list;
    if (info->kind == SLMT_NUMBER_LIST)
        return list_text(info, read, from);
    if (info->kind == SLMT_NUMBER_TEXT)
        return must_copy(read && read(from, info->name, NULL, &text) ? text : info->list);
    if (read && !read(from, info->name, &value, NULL))
        value = info->initial;
    return scalar_text(info, value);
}

void number_range(const slmt_number_info *info, char *text, size_t size)
{
    if (info->kind == SLMT_NUMBER_CHOICE)
        snprintf(text, size, "%s", info->choices);
    else if (info->kind == SLMT_NUMBER_TEXT)
        snprintf(text, size, "%s", info->pattern);
    else
        snprintf(text, size, "%.10g to %.10g", info->low, info->high);
}

static bool in_range(const slmt_number_info *info, double value)
{
    return isfinite(value) && value >= info->low && value <= info->high &&
           (info->kind == SLMT_NUMBER_REAL || value == floor(value));
}

/* ---- lists ---- */

static bool same_name(const char *a, const char *b)
{
    size_t length = strcspn(a, "=");
    return length == strcspn(b, "=") && strncmp(a, b, length) == 0;
}

/* Takes over `name`, which for a text is "NAME=TEXT". */
static void put(number_list *list, char *name, double value)
{
    for (size_t i = 0; i < list->count; i++)
        if (same_name(list->items[i].name, name)) {
            free((char *)list->items[i].name);
            list->items[i] = (slmt_number){name, value};
            return;
        }
    list->items = must_grow(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = (slmt_number){name, value};
}

static bool put_scalar(number_list *list, const slmt_number_info *info, const char *text)
{
    char *end;
    double value;
    if (info->kind != SLMT_NUMBER_CHOICE) {
        value = strtod(text, &end);
        if (end == text || *end || !in_range(info, value))
            return false;
    } else if (!choice_value(info->choices, text, &value)) {
        return false;
    }
    put(list, must_copy(info->name), value);
    return true;
}

static bool put_words(number_list *list, const slmt_number_info *info, const char *text)
{
    bool good = strlen(text) <= (size_t)info->count && pattern_matches(info->pattern, text);
    if (good)
        put(list, must_format("%s=%s", info->name, text), 0);
    return good;
}

static bool put_elements(number_list *list, const slmt_number_info *info, const char *text)
{
    for (int32_t i = 0; i < info->count; i++) {
        char *end;
        double value = strtod(text, &end);
        if (end == text || *end != (i == info->count - 1 ? '\0' : ',') || !in_range(info, value))
            return false;
        put(list, element_name(info, i), value);
        text = end + 1;
    }
    return true;
}

/* Options of the command have '-' where the library's names have '_'. */
static char *with_characters(const char *name, char from, char to)
{
    char *copy = must_copy(name);
    for (char *c = copy; *c; c++)
        if (*c == from)
            *c = to;
    return copy;
}

static char *option_names(number_owner owner)
{
    slmt_number_info info;
    char *names = must_copy("");
    for (size_t i = 0; number_at(owner, i, &info); i++) {
        char *name = with_characters(info.name, '_', '-');
        join(&names, name);
        free(name);
    }
    return names;
}

static int no_such_number(number_owner owner, const char *option)
{
    char *names = option_names(owner);
    int code = owner.task ? fail_with(EXIT_USAGE, "--%s: task %s of %s has no such setting; it has %s",
                                      option, owner.task, owner.method, names)
                          : fail_with(EXIT_USAGE, "--%s: %s has no such option; it has %s", option,
                                      owner.method, names);
    free(names);
    return code;
}

/* "'many', expected a whole number of 1 to 64" */
static void value_reason(const slmt_number_info *info, const char *text, char *reason, size_t size)
{
    char range[256], form[64] = "";
    number_range(info, range, sizeof range);
    if (info->kind == SLMT_NUMBER_LIST)
        snprintf(form, sizeof form, "%d whole numbers, joined by ',', of ", (int)info->count);
    else if (info->kind == SLMT_NUMBER_TEXT)
        snprintf(form, sizeof form, "a text of at most %d bytes that matches ", (int)info->count);
    else if (info->kind == SLMT_NUMBER_WHOLE)
        snprintf(form, sizeof form, "a whole number of ");
    snprintf(reason, size, "'%s', expected %s%s%s", text, form, range,
             info->kind == SLMT_NUMBER_REAL && has_decimal_comma(text) ? ", with a point, not a comma" : "");
}

static int bad_value(const slmt_number_info *info, const option_given *given)
{
    char reason[NUMBER_REASON];
    value_reason(info, given->text, reason, sizeof reason);
    return fail_with(EXIT_USAGE, "--%s: %s", given->field->name, reason);
}

static bool put_text(number_list *list, const slmt_number_info *info, const char *text)
{
    return info->kind == SLMT_NUMBER_LIST   ? put_elements(list, info, text)
           : info->kind == SLMT_NUMBER_TEXT ? put_words(list, info, text)
                                            : put_scalar(list, info, text);
}

static int add_one(number_list *list, number_owner owner, const option_given *given)
{
    slmt_number_info info;
    char *name = with_characters(given->field->name, '-', '_');
    bool found = number_named(owner, name, &info);
    free(name);
    if (!found)
        return no_such_number(owner, given->field->name);
    return put_text(list, &info, given->text) ? EXIT_OK : bad_value(&info, given);
}

int number_list_add(number_list *list, number_owner owner, const command_line *line, const void *target)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < line->given_count && code == EXIT_OK; i++)
        if (line->given[i].target == target)
            code = add_one(list, owner, &line->given[i]);
    return code;
}

static void put_read(number_list *list, const slmt_number_info *info, number_reader *read, const void *from)
{
    double value = 0;
    const char *text = "";
    bool is_list = info->kind == SLMT_NUMBER_LIST;
    if (info->kind == SLMT_NUMBER_TEXT && read(from, info->name, NULL, &text)) {
        put(list, must_format("%s=%s", info->name, text), 0);
        return;
    }
    for (int32_t i = 0; i < (is_list ? info->count : 1); i++) {
        char *name = is_list ? element_name(info, i) : must_copy(info->name);
        if (read(from, name, &value, NULL))
            put(list, name, value);
        else
            free(name);
    }
}

void number_list_read(number_list *list, number_owner owner, number_reader *read, const void *from)
{
    slmt_number_info info;
    for (size_t i = 0; number_at(owner, i, &info); i++)
        put_read(list, &info, read, from);
}

bool number_list_set(number_list *list, number_owner owner, const char *name, const char *text,
                     char reason[NUMBER_REASON])
{
    slmt_number_info info;
    if (!number_named(owner, name, &info)) {
        char *options = option_names(owner);
        char *names = with_characters(options, '-', '_');
        free(options);
        snprintf(reason, NUMBER_REASON, "%s%s%s has no such %s; it has %s", owner.task ? owner.task : "",
                 owner.task ? " of " : "", owner.method, owner.task ? "setting" : "option", names);
        free(names);
        return false;
    }
    if (put_text(list, &info, text))
        return true;
    value_reason(&info, text, reason, NUMBER_REASON);
    return false;
}

bool number_in_list(const void *from, const char *name, double *value, const char **text)
{
    const number_list *list = from;
    for (size_t i = 0; i < list->count; i++)
        if (same_name(list->items[i].name, name)) {
            if (value)
                *value = list->items[i].value;
            else
                *text = strchr(list->items[i].name, '=') + 1;
            return true;
        }
    return false;
}

void number_list_default(number_list *list, const char *name, double *value)
{
    if (!number_in_list(list, name, value, NULL))
        put(list, must_copy(name), *value);
}

bool number_list_has(const number_list *list, const char *name)
{
    double value;
    char *first = must_format("%s_0", name);
    bool has = number_in_list(list, name, &value, NULL) || number_in_list(list, first, &value, NULL);
    free(first);
    return has;
}

char *number_list_text(const number_list *list, number_owner owner)
{
    slmt_number_info info;
    char *text = must_copy("");
    for (size_t i = 0; number_at(owner, i, &info); i++) {
        char *value = number_text(&info, number_in_list, list);
        char *both = must_format("%s %s", info.name, value);
        join(&text, both);
        free(both);
        free(value);
    }
    return text;
}

void number_list_free(number_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free((char *)list->items[i].name);
    free(list->items);
    *list = (number_list){0};
}

/* ---- as options of the command ---- */

/* What the help text calls the value: "N", "N,N,N", "X", "off|on". */
static char *value_name(const slmt_number_info *info)
{
    if (info->kind == SLMT_NUMBER_CHOICE)
        return must_copy(info->choices);
    if (info->kind == SLMT_NUMBER_REAL)
        return must_copy("X");
    if (info->kind == SLMT_NUMBER_TEXT)
        return must_copy("TEXT");
    char *text = must_copy("N");
    for (int32_t i = 1; i < info->count; i++) {
        char *longer = must_format("%s,N", text);
        free(text);
        text = longer;
    }
    return text;
}

static field_choice *choices_of(const slmt_number_info *info)
{
    field_choice *choices = NULL;
    const char *name;
    size_t length;
    int n = 0;
    for (; (length = choice_at(info->choices, n, &name)) > 0; n++) {
        choices = must_grow(choices, (size_t)n + 1, sizeof *choices);
        choices[n] = (field_choice){must_format("%.*s", (int)length, name), n};
    }
    choices = must_grow(choices, (size_t)n + 1, sizeof *choices);
    choices[n] = (field_choice){0};
    return choices;
}

static void add_field(field **fields, size_t *count, const slmt_number_info *info)
{
    *fields = must_grow(*fields, *count + 1, sizeof **fields);
    (*fields)[(*count)++] = (field){.name = with_characters(info->name, '_', '-'),
                                    .arg = value_name(info),
                                    .doc = info->help,
                                    .type = FIELD_NUMBER,
                                    .choices = info->kind == SLMT_NUMBER_CHOICE ? choices_of(info) : NULL,
                                    .initial = number_text(info, NULL, NULL)};
}

field *number_fields(number_owner owner)
{
    slmt_number_info info;
    field *fields = NULL;
    size_t count = 0;
    if (!owner.task && preset_of(owner.method, &info))
        add_field(&fields, &count, &info);
    for (size_t i = 0; number_at(owner, i, &info); i++)
        add_field(&fields, &count, &info);
    fields = must_grow(fields, count + 1, sizeof *fields);
    fields[count] = (field){0};
    return fields;
}

void number_fields_free(field *fields)
{
    for (field *f = fields; f && f->name; f++) {
        for (field_choice *c = (field_choice *)f->choices; c && c->name; c++)
            free((char *)c->name);
        free((field_choice *)f->choices);
        free((char *)f->name);
        free((char *)f->arg);
        free((char *)f->initial);
    }
    free(fields);
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

bool task_at(const char *method, size_t index, slmt_task_info *info)
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

bool number_for(number_owner owner, int32_t role, slmt_number_info *info)
{
    for (size_t i = 0; number_at(owner, i, info); i++)
        if (info->role == role)
            return true;
    return false;
}

typedef slmt_status port_function(const char *method, const char *task, size_t index, slmt_port_info *info);

static bool port_for(port_function *at, const char *method, const char *task, int32_t role,
                     slmt_port_info *info)
{
    *info = (slmt_port_info){.struct_size = sizeof *info};
    for (size_t i = 0; at(method, task, i, info) == SLMT_OK; i++)
        if (info->role == role)
            return true;
    return false;
}

bool input_for(const char *method, const char *task, int32_t role, slmt_port_info *info)
{
    return port_for(slmt_task_input, method, task, role, info);
}

const char *synthesis_task(const char *method)
{
    slmt_task_info info;
    slmt_port_info target;
    for (size_t i = 0; task_at(method, i, &info); i++)
        if (!info.trains && port_for(slmt_task_output, method, info.name, SLMT_ROLE_TARGET, &target))
            return info.name;
    return NULL;
}

const char *only_training_task(const char *method, bool with_teacher)
{
    slmt_task_info info;
    const char *only = NULL;
    for (size_t i = 0; task_at(method, i, &info); i++) {
        if (!info.trains || (*info.second_model != '\0') != with_teacher)
            continue;
        if (only)
            return NULL;
        only = info.name;
    }
    return only;
}

int no_such_method(const char *name)
{
    char *names = must_copy("");
    nearest n = nearest_to(name);
    for (size_t i = 0; i < slmt_method_count(); i++) {
        slmt_method_info info = {.struct_size = sizeof info};
        slmt_method_describe(i, &info);
        join(&names, info.name);
        nearest_try(&n, info.name);
    }
    int code = n.found ? fail_with(EXIT_USAGE, "there is no method '%s'; did you mean '%s'? There are %s",
                                   name, n.found, names)
                       : fail_with(EXIT_USAGE, "there is no method '%s'; there are %s", name, names);
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
