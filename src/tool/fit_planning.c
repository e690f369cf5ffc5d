/* SPDX-License-Identifier: Apache-2.0 */
/* fit_planning.c - frame, split and sizes of a fit, for the time and memory there is. */
#include "fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "must.h"
#include "tool.h"

/* ---- planning ---- */

/* Three quarters of the memory that the machine has free. */
static uint64_t free_memory(void)
{
    long pages = sysconf(_SC_AVPHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 4 * 3 : 0;
}

double fit_elapsed(const fit *f)
{
    return fit_state_get(&f->state, "run", "seconds", 0) + seconds_now() - f->began;
}

static void add_names(const char *list, fit_names *to)
{
    char *names = must_copy(list), *rest = NULL;
    for (char *name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        if (!fit_names_have(to, name))
            fit_names_add(to, name);
    free(names);
}

/* Named subjects take the place of the persons that a fraction would choose. */
static int plan_split(fit *f)
{
    int code = EXIT_OK;
    if (!f->validation || !f->test)
        code = fit_data_split(&f->data, f->validation ? 0 : f->validation_part, f->test ? 0 : f->test_part,
                              &f->plan);
    if (f->validation)
        add_names(f->validation, &f->plan.validation);
    if (f->test)
        add_names(f->test, &f->plan.test);
    return code == EXIT_OK ? fit_data_check_split(&f->data, &f->plan) : code;
}

/* Slices to train on: pairs, and single ones of every contrast. */
static void count_slices(const fit *f, fit_budget *budget)
{
    for (size_t i = 0; i < f->data.subject_count; i++) {
        const fit_subject *s = &f->data.subjects[i];
        if (fit_names_have(&f->plan.validation, s->name) || fit_names_have(&f->plan.test, s->name))
            continue;
        budget->pairs += fit_has_pair(s);
        for (size_t c = 0; c < f->data.contrast_count; c++)
            budget->singles += s->file[c] != NULL;
    }
    budget->pairs *= (size_t)f->plan.preprocess.slice_count;
    budget->singles *= (size_t)f->plan.preprocess.slice_count;
}

static const double evaluation_part = 0.08; /* of the time: to evaluate and report */

/* What is left of the time for trainings: the set is still to be written, then everything to be evaluated. */
static double training_seconds(const fit *f)
{
    double writing = f->data.look_seconds * (double)f->data.scan_count;
    return f->seconds * (1 - evaluation_part) - fit_elapsed(f) - writing;
}

double fit_deadline(const fit *f)
{
    double left = f->plan.seconds * (1 - evaluation_part) - fit_elapsed(f);
    return f->plan.seconds > 0 ? seconds_now() + left : INFINITY;
}

static int new_plan(fit *f)
{
    fit_budget budget = {.bytes = f->memory ? f->memory : free_memory()};
    f->plan.source = must_copy(f->data.contrasts[FIT_SOURCE]);
    f->plan.target = must_copy(f->data.contrasts[FIT_TARGET]);
    f->plan.keep = must_copy(f->method);
    f->plan.seconds = f->seconds;
    f->plan.seed = f->common.seed;
    int code = fit_data_frame(&f->data, &f->plan.preprocess);
    if (code == EXIT_OK)
        code = plan_split(f);
    if (code != EXIT_OK)
        return code;
    count_slices(f, &budget);
    budget.seconds = training_seconds(f);
    if (budget.seconds < 10)
        return fail_with(EXIT_USAGE,
                         "--time: looking at the scans and preparing them takes %.0f seconds of it; give "
                         "more",
                         f->seconds - budget.seconds);
    f->measured = true;
    return fit_size_choose(f->context, &budget, &f->plan, f->sizes);
}

static int check_plan(fit *f)
{
    if (strcmp(f->plan.source, f->data.contrasts[FIT_SOURCE]) != 0 ||
        strcmp(f->plan.target, f->data.contrasts[FIT_TARGET]) != 0)
        return fail_with(EXIT_USAGE,
                         "%s: is a plan from %s to %s, the scans are %s and %s; name them by --source %s=... "
                         "--target %s=...",
                         f->plan_in, f->plan.source, f->plan.target, f->data.contrasts[FIT_SOURCE],
                         f->data.contrasts[FIT_TARGET], f->plan.source, f->plan.target);
    return fit_data_check_split(&f->data, &f->plan);
}

int fit_make_plan(fit *f)
{
    int code = fit_data_look(&f->data, f->context);
    if (code != EXIT_OK)
        return code;
    if (f->state.resumed && access(f->plan_path, F_OK) == 0)
        return fit_plan_read(f->plan_path, &f->plan);
    if (!f->plan_in)
        return new_plan(f);
    code = fit_plan_read(f->plan_in, &f->plan);
    return code == EXIT_OK ? check_plan(f) : code;
}
