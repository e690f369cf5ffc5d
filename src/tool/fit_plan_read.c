/* SPDX-License-Identifier: Apache-2.0 */
/* fit_plan_read.c - JSON to plans. Every object of the file is a table of its members, so that what is not in
 * a table is an error that names it. */
#include "fit_plan.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "console.h"
#include "must.h"
#include "settings.h"
#include "tool.h"
#include "whole_file.h"

enum { MOST_BYTES = 1 << 20 };

/* ---- reading: objects by tables ---- */

/* Where the reader is: "plan.json: candidates[1].stages[0]". */
typedef struct place {
    const struct place *parent;
    const char *path; /* of the file; of the first place only */
    const char *name; /* NULL: an element */
    int index;
} place;

typedef int read_member(const place *at, const cJSON *value, void *to);

typedef struct member {
    const char *name; /* NULL ends a table */
    read_member *read;
    size_t offset;
} member;

static char *place_text(const place *at)
{
    if (!at->parent)
        return must_format("%s: ", at->path);
    char *before = place_text(at->parent);
    const char *dot = at->name && at->parent->parent ? "." : "";
    char *text =
        at->name ? must_format("%s%s%s", before, dot, at->name) : must_format("%s[%d]", before, at->index);
    free(before);
    return text;
}

static int refuse(const place *at, const char *reason)
{
    char *text = place_text(at);
    int code = at->parent ? fail_with(EXIT_USAGE, "%s: %s", text, reason)
                          : fail_with(EXIT_USAGE, "%s%s", text, reason);
    free(text);
    return code;
}

static int no_such_member(const place *at, const char *name, const member *rows)
{
    char *names = must_copy(rows->name);
    for (const member *m = rows + 1; m->name; m++) {
        char *longer = must_format("%s, %s", names, m->name);
        free(names);
        names = longer;
    }
    char *reason = must_format("there is no '%s' in a plan here; there are %s", name, names);
    int code = refuse(at, reason);
    free(reason);
    free(names);
    return code;
}

static const member *find_member(const member *rows, const char *name)
{
    while (rows->name && strcmp(rows->name, name) != 0)
        rows++;
    return rows->name ? rows : NULL;
}

/* Every member of the table must be there, once, and no other. */
static int read_object(const place *at, const cJSON *object, const member *rows, void *to)
{
    int code = cJSON_IsObject(object) ? EXIT_OK : refuse(at, "expected an object {...}");
    for (const cJSON *value = object->child; value && code == EXIT_OK; value = value->next) {
        const member *m = find_member(rows, value->string);
        place inner = {.parent = at, .name = value->string};
        if (!m)
            code = no_such_member(at, value->string, rows);
        else if (cJSON_GetObjectItemCaseSensitive(object, value->string) != value)
            code = refuse(&inner, "stands there twice");
        else
            code = m->read(&inner, value, (char *)to + m->offset);
    }
    for (const member *m = rows; m->name && code == EXIT_OK; m++)
        if (!cJSON_GetObjectItemCaseSensitive(object, m->name))
            code = refuse(&(place){.parent = at, .name = m->name}, "is missing");
    return code;
}

/* ---- reading: single values ---- */

static int read_text(const place *at, const cJSON *value, void *to)
{
    if (!cJSON_IsString(value) || !*value->valuestring)
        return refuse(at, "expected a text in quotes");
    *(char **)to = must_copy(value->valuestring);
    return EXIT_OK;
}

static int read_seconds(const place *at, const cJSON *value, void *to)
{
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0 && value->valuedouble <= 1e9))
        return refuse(at, "expected a number of seconds, 0 or more");
    *(double *)to = value->valuedouble;
    return EXIT_OK;
}

static int read_seed(const place *at, const cJSON *value, void *to)
{
    double v = value->valuedouble;
    if (!cJSON_IsNumber(value) || !(v >= 0 && v <= 9007199254740992.0 && v == floor(v)))
        return refuse(at, "expected a whole number from 0 to 9007199254740992");
    *(uint64_t *)to = (uint64_t)v;
    return EXIT_OK;
}

static int read_version(const place *at, const cJSON *value, void *to)
{
    (void)to;
    if (cJSON_IsNumber(value) && value->valuedouble == FIT_PLAN_VERSION)
        return EXIT_OK;
    return refuse(at, "this version of slmt reads plans of version 1");
}

static int read_names(const place *at, const cJSON *value, void *to)
{
    int code = cJSON_IsArray(value) ? EXIT_OK : refuse(at, "expected a list of subjects [...]");
    const cJSON *element = code == EXIT_OK ? value->child : NULL;
    for (int i = 0; element && code == EXIT_OK; element = element->next, i++) {
        char *name = NULL;
        place inner = {.parent = at, .index = i};
        code = read_text(&inner, element, &name);
        if (code == EXIT_OK && fit_names_have(to, name))
            code = refuse(&inner, "the subject stands there twice");
        if (code == EXIT_OK)
            fit_names_add(to, name);
        free(name);
    }
    return code;
}

/* A number or a text as an option of the command would have it; the caller frees it. NULL: it is neither. */
static char *value_text(const cJSON *value)
{
    if (cJSON_IsNumber(value))
        return must_format("%.15g", value->valuedouble);
    return cJSON_IsString(value) ? must_copy(value->valuestring) : NULL;
}

static int read_field(const place *at, const cJSON *value, void *to)
{
    char reason[FIELD_REASON] = "expected a number or a text";
    const field *f = preprocess_fields;
    while (f->name && strcmp(f->name, at->name) != 0)
        f++;
    if (!f->name)
        return refuse(at, "is no option of the preprocessing; see slmt prepare --help");
    char *text = value_text(value);
    bool good = text && field_set(f, to, text, reason);
    free(text); /* no field of the preprocessing keeps its text */
    return good ? EXIT_OK : refuse(at, reason);
}

static int read_preprocess(const place *at, const cJSON *value, void *to)
{
    int code = cJSON_IsObject(value) ? EXIT_OK : refuse(at, "expected an object {...}");
    for (const cJSON *v = value->child; v && code == EXIT_OK; v = v->next)
        code = read_field(&(place){.parent = at, .name = v->string}, v, to);
    return code;
}

/* ---- reading: candidates ---- */

static int read_numbers(const place *at, const cJSON *value, number_owner owner, number_list *list)
{
    int code = cJSON_IsObject(value) ? EXIT_OK : refuse(at, "expected an object {...}");
    for (const cJSON *v = value->child; v && code == EXIT_OK; v = v->next) {
        char reason[NUMBER_REASON] = "expected a number or a text";
        char *text = value_text(v);
        place inner = {.parent = at, .name = v->string};
        if (cJSON_GetObjectItemCaseSensitive(value, v->string) != v)
            code = refuse(&inner, "stands there twice");
        else if (!text || !number_list_set(list, owner, v->string, text, reason))
            code = refuse(&inner, reason);
        free(text);
    }
    return code;
}

static int keep_value(const place *at, const cJSON *value, void *to)
{
    (void)at;
    *(const cJSON **)to = value;
    return EXIT_OK;
}

typedef struct stage_parts {
    fit_stage *stage;
    const cJSON *settings;
} stage_parts;

static int read_stage_task(const place *at, const cJSON *value, void *to)
{
    return read_text(at, value, &((stage_parts *)to)->stage->task);
}

static int read_stage_seconds(const place *at, const cJSON *value, void *to)
{
    return read_seconds(at, value, &((stage_parts *)to)->stage->seconds);
}

static const member stage_members[] = {
    {"task", read_stage_task, 0},
    {"seconds", read_stage_seconds, 0},
    {"settings", keep_value, offsetof(stage_parts, settings)},
    {0},
};

static int check_task(const place *at, const char *method, const char *task)
{
    slmt_task_info info;
    if (task_find(method, task, &info) && info.trains)
        return EXIT_OK;
    char *names = task_names(method, true);
    char *reason = must_format("%s has no training task '%s'; it has %s", method, task, names);
    int code = refuse(&(place){.parent = at, .name = "task"}, reason);
    free(reason);
    free(names);
    return code;
}

static int read_stage(const place *at, const cJSON *value, const char *method, fit_stage *stage)
{
    stage_parts parts = {.stage = stage};
    int code = read_object(at, value, stage_members, &parts);
    if (code == EXIT_OK)
        code = check_task(at, method, stage->task);
    if (code != EXIT_OK)
        return code;
    place inner = {.parent = at, .name = "settings"};
    return read_numbers(&inner, parts.settings, (number_owner){method, stage->task}, &stage->settings);
}

static int read_stages(const place *at, const cJSON *value, fit_candidate *c)
{
    int n = cJSON_GetArraySize(value);
    if (!cJSON_IsArray(value) || n < 1 || n > FIT_STAGES)
        return refuse(at, "expected a list of one to four stages [...]");
    int code = EXIT_OK;
    for (int i = 0; i < n && code == EXIT_OK; i++) {
        c->stage_count++;
        place inner = {.parent = at, .index = i};
        code = read_stage(&inner, cJSON_GetArrayItem(value, i), c->method, &c->stages[i]);
    }
    return code;
}

typedef struct candidate_parts {
    char *method;
    const cJSON *options, *stages;
} candidate_parts;

static const member candidate_members[] = {
    {"method", read_text, offsetof(candidate_parts, method)},
    {"options", keep_value, offsetof(candidate_parts, options)},
    {"stages", keep_value, offsetof(candidate_parts, stages)},
    {0},
};

static int check_method_name(const place *at, const char *method)
{
    slmt_method_info info;
    if (method_find(method, &info))
        return EXIT_OK;
    char *reason = must_format("there is no method '%s'; see slmt methods", method);
    int code = refuse(&(place){.parent = at, .name = "method"}, reason);
    free(reason);
    return code;
}

static int read_candidate(const place *at, const cJSON *value, fit_candidate *c)
{
    candidate_parts parts = {0};
    int code = read_object(at, value, candidate_members, &parts);
    c->method = parts.method;
    if (code == EXIT_OK)
        code = check_method_name(at, c->method);
    if (code == EXIT_OK)
        code = read_numbers(&(place){.parent = at, .name = "options"}, parts.options,
                            (number_owner){c->method, NULL}, &c->options);
    return code == EXIT_OK ? read_stages(&(place){.parent = at, .name = "stages"}, parts.stages, c) : code;
}

/* Two candidates of one method would have one name in every table. */
static int check_new(const place *at, const fit_plan *plan, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(plan->candidates[i].method, plan->candidates[index].method) == 0)
            return refuse(at, "the method is that of another candidate");
    return EXIT_OK;
}

static int read_candidates(const place *at, const cJSON *value, void *to)
{
    fit_plan *plan = to;
    int n = cJSON_GetArraySize(value);
    if (!cJSON_IsArray(value) || n < 1 || n > FIT_CANDIDATES)
        return refuse(at, "expected a list of one to four candidates [...]");
    int code = EXIT_OK;
    for (int i = 0; i < n && code == EXIT_OK; i++) {
        place inner = {.parent = at, .index = i};
        plan->candidate_count++;
        code = read_candidate(&inner, cJSON_GetArrayItem(value, i), &plan->candidates[i]);
        if (code == EXIT_OK)
            code = check_new(&inner, plan, (size_t)i);
    }
    return code;
}

/* ---- reading: the file ---- */

static const member plan_members[] = {
    {"slmt_fit_plan", read_version, 0},
    {"source", read_text, offsetof(fit_plan, source)},
    {"target", read_text, offsetof(fit_plan, target)},
    {"keep", read_text, offsetof(fit_plan, keep)},
    {"seconds", read_seconds, offsetof(fit_plan, seconds)},
    {"seed", read_seed, offsetof(fit_plan, seed)},
    {"preprocess", read_preprocess, offsetof(fit_plan, preprocess)},
    {"validation", read_names, offsetof(fit_plan, validation)},
    {"test", read_names, offsetof(fit_plan, test)},
    {"candidates", read_candidates, 0},
    {0},
};

static int check_plan(const place *at, const fit_plan *plan)
{
    bool found = strcmp(plan->keep, "auto") == 0;
    for (size_t i = 0; i < plan->candidate_count; i++)
        found |= strcmp(plan->keep, plan->candidates[i].method) == 0;
    if (!found)
        return refuse(&(place){.parent = at, .name = "keep"}, "expected auto, or the method of a candidate");
    if (plan->validation.count == 0)
        return refuse(&(place){.parent = at, .name = "validation"}, "expected one subject at least");
    if (strcmp(plan->source, plan->target) == 0)
        return refuse(&(place){.parent = at, .name = "target"}, "is the source");
    return EXIT_OK;
}

static int line_of(const char *text, const char *mark)
{
    int line = 1;
    for (; mark && text < mark; text++)
        line += *text == '\n';
    return line;
}

int fit_plan_read(const char *path, fit_plan *plan)
{
    place at = {.path = path};
    const char *end = NULL;
    char *text = whole_file(path, MOST_BYTES);
    if (!text)
        return fail_errno(errno, "%s", path);
    fit_plan_init(plan);
    cJSON *json = cJSON_ParseWithOpts(text, &end, true);
    int code = json ? read_object(&at, json, plan_members, plan)
                    : fail_with(EXIT_DATA, "%s: line %d: is not JSON", path, line_of(text, end));
    if (code == EXIT_OK)
        code = check_plan(&at, plan);
    cJSON_Delete(json);
    free(text);
    return code;
}
