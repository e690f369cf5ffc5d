/* SPDX-License-Identifier: Apache-2.0 */
/* fit_options.c - the options of slmt fit, and what they ask for. */
#include "fit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "paths.h"
#include "tool.h"

/* ---- options ---- */

static bool set_extra(void *target, const char *text, char reason[FIELD_REASON])
{
    fit_places *p = &((fit *)target)->places;
    if (p->extra_count == FIT_EXTRAS) {
        snprintf(reason, FIELD_REASON, "more than %d of them", FIT_EXTRAS);
        return false;
    }
    p->extras[p->extra_count++] = text;
    return true;
}

/* "90", "90s", "30m", "2h", "1h30m" */
static bool set_time(void *target, const char *text, char reason[FIELD_REASON])
{
    double seconds = 0;
    const char *at = text;
    while (*at) {
        char *end;
        double value = strtod(at, &end);
        double unit = *end == 'h' ? 3600 : *end == 'm' ? 60 : *end == 's' || !*end ? 1 : 0;
        if (end == at || !(value >= 0 && value <= 1e8) || unit == 0) {
            snprintf(reason, FIELD_REASON, "'%s', expected a time such as 90s, 30m, 2h or 1h30m", text);
            return false;
        }
        seconds += value * unit;
        at = *end ? end + 1 : end;
    }
    if (seconds < 20) {
        snprintf(reason, FIELD_REASON, "'%s', expected 20 seconds or more", text);
        return false;
    }
    ((fit *)target)->seconds = seconds;
    return true;
}

#define FIT(member) .offset = offsetof(fit, member)
const field fit_fields[] = {
    {"source", "[NAME=]SCANS",
     "scans of the contrast to start from: a folder, a pattern such as 'scans/*/*_T1w.nii.gz' whose first "
     "star is the subject, or what else `slmt prepare' takes",
     FIELD_TEXT, FIT(places.source), .flags = FIELD_REQUIRED | FIELD_INPUT | FIELD_NAMED},
    {"target", "[NAME=]SCANS", "scans of the contrast to make, likewise", FIELD_TEXT, FIT(places.target),
     .flags = FIELD_REQUIRED | FIELD_INPUT | FIELD_NAMED},
    {"extra", "NAME=SCANS",
     "more scans of a contrast, of subjects who lack the other one: for pre-training; can be given more than "
     "once",
     FIELD_CUSTOM, .set = set_extra, .flags = FIELD_INPUT | FIELD_NAMED},
    {"out", "MODEL", "the model to write; the work is kept beside it in the folder MODEL.fit", FIELD_TEXT,
     FIT(out), .flags = FIELD_REQUIRED | FIELD_OUTPUT, .endings = ".h5 .hdf5", .magic = MAGIC_CHECKPOINT},
    {"report", "FILE", "the report to write; default: MODEL with the ending .html", FIELD_TEXT, FIT(report),
     .flags = FIELD_OUTPUT, .endings = ".html .htm"},
    {"time", "TIME",
     "how long all of it is planned to take, such as 30m or 2h; training ends in time, reading and "
     "evaluating are not cut short; default: 1h",
     FIELD_CUSTOM, .set = set_time},
    {"memory", "SIZE", "memory that a training may take, such as 8G; 0: three quarters of what is free",
     FIELD_BYTES, FIT(memory)},
    {"method", "auto|NAME",
     "the method whose model is kept; auto: the one that does best on the validation subjects", FIELD_TEXT,
     FIT(method)},
    {"plan", "FILE", "follow this plan, which an earlier fit has written, instead of making one", FIELD_TEXT,
     FIT(plan_in), .flags = FIELD_INPUT},
    {"plan-only", NULL, "write the plan to MODEL.fit/plan.json, and stop", FIELD_FLAG, FIT(plan_only)},
    {"validation-fraction", "PART", "part of the persons on whom the models are compared", FIELD_REAL,
     FIT(validation_part)},
    {"validation", "A,B,...", "the subjects on whom the models are compared", FIELD_TEXT, FIT(validation)},
    {"test-fraction", "PART", "part of the persons on whom the report's figures are measured", FIELD_REAL,
     FIT(test_part)},
    {"test", "A,B,...", "the subjects on whom the report's figures are measured", FIELD_TEXT, FIT(test)},
    {"resample", NULL, "resample scans whose voxels differ in size from the first scan's to that size",
     FIELD_FLAG, FIT(places.resample)},
    {"person", "PATTERN", "which part of a subject's name is the person, as for `slmt prepare'", FIELD_TEXT,
     FIT(places.person)},
    {0}};

/* ---- the request ---- */

char *fit_request(const fit *f)
{
    char *text =
        must_format("--source %s --target %s --method %s --time %.0f --memory %llu --seed %llu "
                    "--validation-fraction %g --test-fraction %g",
                    f->places.source, f->places.target, f->method, f->seconds, (unsigned long long)f->memory,
                    (unsigned long long)f->common.seed, f->validation_part, f->test_part);
    const char *arithmetic =
        f->common.arithmetic == SLMT_ARITHMETIC_FLOAT32 ? NULL : arithmetic_name(f->common.arithmetic);
    const char *const more[][2] = {{"validation", f->validation},
                                   {"test", f->test},
                                   {"person", f->places.person},
                                   {"plan", f->plan_in},
                                   {"arithmetic", arithmetic}};
    if (f->places.resample) {
        char *longer = must_format("%s --resample", text);
        free(text);
        text = longer;
    }
    for (size_t i = 0; i < sizeof more / sizeof *more + f->places.extra_count; i++) {
        size_t named = sizeof more / sizeof *more;
        const char *name = i < named ? more[i][0] : "extra";
        const char *value = i < named ? more[i][1] : f->places.extras[i - named];
        if (!value)
            continue;
        char *longer = must_format("%s --%s %s", text, name, value);
        free(text);
        text = longer;
    }
    return text;
}

static const char *given(const fit *f, const char *name)
{
    return options_given(f->line, f, name);
}

int fit_check_options(const fit *f)
{
    static const char *const planned[] = {"time",       "memory",        "method", "validation-fraction",
                                          "validation", "test-fraction", "test"};
    for (size_t i = 0; f->plan_in && i < sizeof planned / sizeof *planned; i++)
        if (given(f, planned[i]))
            return fail_with(EXIT_USAGE, "--%s cannot be used with --plan: the plan has its own", planned[i]);
    if (f->plan_in && options_given(f->line, &f->common, "seed"))
        return fail_with(EXIT_USAGE, "--seed cannot be used with --plan: the plan has its own");
    if (f->validation && given(f, "validation-fraction"))
        return fail_with(EXIT_USAGE, "--validation and --validation-fraction exclude each other");
    if (f->test && given(f, "test-fraction"))
        return fail_with(EXIT_USAGE, "--test and --test-fraction exclude each other");
    if (!(f->validation_part > 0 && f->validation_part < 1))
        return fail_with(EXIT_USAGE, "--validation-fraction: %g is not between 0 and 1", f->validation_part);
    if (!(f->test_part >= 0 && f->test_part < 1))
        return fail_with(EXIT_USAGE, "--test-fraction: %g is not between 0 and 1", f->test_part);
    if (strcmp(f->method, "auto") != 0 && !fit_knows(f->method))
        return fail_with(EXIT_USAGE, "--method: fit has no recipe for '%s'; it has%s%s, and auto", f->method,
                         fit_knows("slmt-net") ? " slmt-net" : "", fit_knows("unet") ? " unet" : "");
    if (!can_write(f->report_path))
        return fail_errno(errno, "%s", f->report_path);
    return EXIT_OK;
}

char *fit_report_name(const fit *f)
{
    static const char *const endings[] = {".h5", ".hdf5"};
    size_t length = strlen(f->out);
    if (f->report)
        return must_copy(f->report);
    for (size_t i = 0; i < 2; i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strcmp(f->out + length - ending, endings[i]) == 0)
            return must_format("%.*s.html", (int)(length - ending), f->out);
    }
    return must_format("%s.html", f->out);
}
