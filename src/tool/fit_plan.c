/* SPDX-License-Identifier: Apache-2.0 */
/* fit_plan.c - plans, and plans to JSON. */
#include "fit_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "console.h"
#include "must.h"
#include "settings.h"
#include "tool.h"
#include "whole_file.h"

/* ---- plans ---- */

void fit_plan_init(fit_plan *plan)
{
    *plan = (fit_plan){0};
    slmt_preprocess_init(&plan->preprocess);
}

static void free_candidate(fit_candidate *c)
{
    for (size_t i = 0; i < c->stage_count; i++) {
        number_list_free(&c->stages[i].settings);
        free(c->stages[i].task);
    }
    number_list_free(&c->options);
    free(c->method);
}

void fit_plan_free(fit_plan *plan)
{
    for (size_t i = 0; i < plan->candidate_count; i++)
        free_candidate(&plan->candidates[i]);
    fit_names_free(&plan->validation);
    fit_names_free(&plan->test);
    free(plan->source);
    free(plan->target);
    free(plan->keep);
    fit_plan_init(plan);
}

/* ---- writing ---- */

/* A number where the text is one: "20", but not "20:8". */
static void add_value(cJSON *object, const char *name, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end != text && !*end)
        cJSON_AddNumberToObject(object, name, value);
    else
        cJSON_AddStringToObject(object, name, text);
}

static void add_numbers(cJSON *object, const char *name, const number_list *list, number_owner owner)
{
    slmt_number_info info;
    cJSON *numbers = cJSON_AddObjectToObject(object, name);
    if (number_list_has(list, "preset") && number_named(owner, "preset", &info)) {
        char *text = number_text(&info, number_in_list, list);
        cJSON_AddStringToObject(numbers, "preset", text);
        free(text);
    }
    for (size_t i = 0; number_at(owner, i, &info); i++) {
        if (!number_list_has(list, info.name))
            continue;
        char *text = number_text(&info, number_in_list, list);
        add_value(numbers, info.name, text);
        free(text);
    }
}

static void add_names(cJSON *object, const char *name, const fit_names *names)
{
    cJSON *list = cJSON_AddArrayToObject(object, name);
    for (size_t i = 0; i < names->count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(names->items[i]));
}

static void add_preprocess(cJSON *object, const slmt_preprocess *preprocess)
{
    cJSON *values = cJSON_AddObjectToObject(object, "preprocess");
    for (const field *f = preprocess_fields; f->name; f++) {
        char text[128];
        field_format(f, preprocess, text, sizeof text);
        add_value(values, f->name, text);
    }
}

static void add_candidate(cJSON *list, const fit_candidate *c)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddItemToArray(list, object);
    cJSON_AddStringToObject(object, "method", c->method);
    add_numbers(object, "options", &c->options, (number_owner){c->method, NULL});
    cJSON *stages = cJSON_AddArrayToObject(object, "stages");
    for (size_t i = 0; i < c->stage_count; i++) {
        cJSON *stage = cJSON_CreateObject();
        cJSON_AddItemToArray(stages, stage);
        cJSON_AddStringToObject(stage, "task", c->stages[i].task);
        cJSON_AddNumberToObject(stage, "seconds", c->stages[i].seconds);
        add_numbers(stage, "settings", &c->stages[i].settings, (number_owner){c->method, c->stages[i].task});
    }
}

char *fit_plan_text(const fit_plan *plan)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "slmt_fit_plan", FIT_PLAN_VERSION);
    cJSON_AddStringToObject(object, "source", plan->source);
    cJSON_AddStringToObject(object, "target", plan->target);
    cJSON_AddStringToObject(object, "keep", plan->keep);
    cJSON_AddNumberToObject(object, "seconds", plan->seconds);
    cJSON_AddNumberToObject(object, "seed", (double)plan->seed);
    add_preprocess(object, &plan->preprocess);
    add_names(object, "validation", &plan->validation);
    add_names(object, "test", &plan->test);
    cJSON *list = cJSON_AddArrayToObject(object, "candidates");
    for (size_t i = 0; i < plan->candidate_count; i++)
        add_candidate(list, &plan->candidates[i]);
    char *text = cJSON_Print(object);
    cJSON_Delete(object);
    if (!text)
        exit(fail_with(EXIT_MEMORY, "out of memory"));
    return text;
}

int fit_plan_write(const char *path, const fit_plan *plan)
{
    char *text = fit_plan_text(plan);
    bool good = write_whole_file(path, text);
    free(text);
    return good ? EXIT_OK : fail_errno(errno, "%s", path);
}
