/* SPDX-License-Identifier: Apache-2.0 */
/* fit.c - slmt fit: one command from scans to a model. It looks, plans, trains, evaluates and reports; each
 * of these is a file of its own. */
#include "tool.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slmt/slmt.h"

#include "common.h"
#include "console.h"
#include "field.h"
#include "fit_data.h"
#include "fit_evaluate.h"
#include "fit_notes.h"
#include "fit_plan.h"
#include "fit_report.h"
#include "fit_size.h"
#include "fit_state.h"
#include "fit_train.h"
#include "interrupt.h"
#include "journal.h"
#include "must.h"
#include "options.h"
#include "outputs.h"
#include "paths.h"

typedef struct fit {
    fit_places places;
    const char *out, *report, *plan_in, *method;
    const char *validation, *test; /* names with commas between, or NULL */
    double validation_part, test_part, seconds;
    uint64_t memory;
    bool plan_only;
    common common;
    const command_line *line;
    slmt_context *context;
    slmt_dataset *set;
    fit_data data;
    fit_plan plan;
    fit_size sizes[FIT_CANDIDATES];
    bool measured;
    fit_state state;
    fit_notes notes;
    fit_evaluation evaluation;
    journal log;
    char *folder, *set_path, *plan_path, *report_path;
    double began;
} fit;

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
static const field fit_fields[] = {
    {"source", "[NAME=]PLACE",
     "scans of the contrast to start from: a folder, a pattern such as 'scans/*/*_T1w.nii.gz' whose first "
     "star is the "
     "subject, or what else `slmt prepare' takes",
     FIELD_TEXT, FIT(places.source), .flags = FIELD_REQUIRED | FIELD_INPUT | FIELD_NAMED},
    {"target", "[NAME=]PLACE", "scans of the contrast to make, likewise", FIELD_TEXT, FIT(places.target),
     .flags = FIELD_REQUIRED | FIELD_INPUT | FIELD_NAMED},
    {"extra", "NAME=PLACE",
     "more scans of a contrast, of subjects who lack the other one: for pre-training; can be given more than "
     "once",
     FIELD_CUSTOM, .flags = FIELD_INPUT | FIELD_NAMED, .set = set_extra},
    {"out", "MODEL", "the model to write; the work is kept beside it in the folder MODEL.fit", FIELD_TEXT,
     FIT(out), .flags = FIELD_REQUIRED | FIELD_OUTPUT, .endings = ".h5 .hdf5"},
    {"report", "FILE", "the report to write; default: MODEL with the ending .html", FIELD_TEXT, FIT(report),
     .flags = FIELD_OUTPUT, .endings = ".html .htm"},
    {"time", "TIME", "how long all of it may take, such as 30m or 2h; default: 1h", FIELD_CUSTOM,
     .set = set_time},
    {"memory", "SIZE", "memory that a training may take, such as 8G; 0: three quarters of what is free",
     FIELD_BYTES, FIT(memory)},
    {"method", "auto|NAME",
     "the method whose model is kept; auto: the one that does best on the validation subjects", FIELD_TEXT,
     FIT(method)},
    {"plan", "FILE", "follow this plan, which an earlier fit has written, instead of making one", FIELD_TEXT,
     FIT(plan_in), .flags = FIELD_INPUT},
    {"plan-only", NULL, "write the plan to MODEL.fit/plan.json, and stop", FIELD_FLAG, FIT(plan_only)},
    {"validation-fraction", "PART", "part of the persons that the models are compared on", FIELD_REAL,
     FIT(validation_part)},
    {"validation", "A,B,...", "the subjects that the models are compared on", FIELD_TEXT, FIT(validation)},
    {"test-fraction", "PART", "part of the persons that the report's figures are taken on", FIELD_REAL,
     FIT(test_part)},
    {"test", "A,B,...", "the subjects that the report's figures are taken on", FIELD_TEXT, FIT(test)},
    {"person", "PATTERN", "which part of a subject's name is the person, as for `slmt prepare'", FIELD_TEXT,
     FIT(places.person)},
    {0}};

static const char doc[] = "Make a model from scans: look at them, plan sizes and epochs for the time and "
                          "memory there is, train SLMT-Net in "
                          "its two stages and a U-Net as the bar, keep the one that does best on the "
                          "validation subjects, evaluate it on the "
                          "test subjects, and write one HTML report. Nothing has to be renamed. The first "
                          "ctrl-C saves and ends; the same "
                          "command line goes on.";

/* ---- the request ---- */

/* What must be the same for a run to go on. */
static char *request_text(const fit *f)
{
    char *text =
        must_format("--source %s --target %s --method %s --time %.0f --memory %llu --seed %llu "
                    "--validation-fraction %g --test-fraction %g",
                    f->places.source, f->places.target, f->method, f->seconds, (unsigned long long)f->memory,
                    (unsigned long long)f->common.seed, f->validation_part, f->test_part);
    const char *const more[][2] = {
        {"validation", f->validation}, {"test", f->test}, {"person", f->places.person}, {"plan", f->plan_in}};
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

static int check_options(const fit *f)
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
    const char *const outputs[] = {f->out, f->report_path};
    for (size_t i = 0; i < 2; i++)
        if (!can_write(outputs[i]))
            return fail_with(EXIT_DATA, "%s: %s", outputs[i], strerror(errno));
    return EXIT_OK;
}

/* MODEL without .h5 or .hdf5, and .html. */
static char *report_name(const fit *f)
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

/* ---- planning ---- */

/* Three quarters of the memory that the machine has free. */
static uint64_t free_memory(void)
{
    long pages = sysconf(_SC_AVPHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 4 * 3 : 0;
}

static double elapsed(const fit *f)
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

/* What is left of the time for trainings: the set is still to be written, then everything to be evaluated. */
static double training_seconds(const fit *f)
{
    static const double evaluation_part = 0.08;
    double writing = f->data.look_seconds * (double)f->data.scan_count;
    return (f->seconds - elapsed(f) - writing) * (1 - evaluation_part);
}

static int make_plan(fit *f)
{
    fit_budget budget = {.bytes = f->memory ? f->memory : free_memory()};
    f->plan.source = must_copy(f->data.contrasts[FIT_SOURCE]);
    f->plan.target = must_copy(f->data.contrasts[FIT_TARGET]);
    f->plan.keep = must_copy(f->method);
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

static int plan(fit *f)
{
    int code = fit_data_look(&f->data, f->context);
    if (code != EXIT_OK)
        return code;
    if (f->state.resumed && access(f->plan_path, F_OK) == 0)
        return fit_plan_read(f->plan_path, &f->plan);
    if (!f->plan_in)
        return make_plan(f);
    code = fit_plan_read(f->plan_in, &f->plan);
    return code == EXIT_OK ? check_plan(f) : code;
}

static void tell_plan(const fit *f)
{
    const slmt_preprocess *p = &f->plan.preprocess;
    say("%s from %s: %zu subjects with both contrasts, %zu for validation, %zu for testing", f->plan.target,
        f->plan.source, f->data.pair_count, f->plan.validation.count, f->plan.test.count);
    say("slices %d to %d, crop %d x %d, images of %d x %d", p->slice_first,
        p->slice_first + p->slice_count - 1, p->crop_size, p->crop_size, p->image_size, p->image_size);
    for (size_t i = 0; i < f->plan.candidate_count; i++)
        for (size_t k = 0; k < f->plan.candidates[i].stage_count; k++)
            say("%s %s: %.0f s", f->plan.candidates[i].method, f->plan.candidates[i].stages[k].task,
                f->plan.candidates[i].stages[k].seconds);
    say("plan: %s", f->plan_path);
}

/* ---- the work ---- */

/* The time that was spent counts when the run goes on. */
static int save_time(fit *f)
{
    fit_state_set(&f->state, "run", "seconds", elapsed(f));
    f->began = seconds_now();
    return fit_state_save(&f->state);
}

static int write_set(fit *f)
{
    if (fit_state_get(&f->state, "set", "done", 0) == 0) {
        int code = fit_data_write(&f->data, f->context, &f->plan, f->set_path);
        if (code != EXIT_OK)
            return code;
        fit_state_set(&f->state, "set", "done", 1);
        code = save_time(f);
        if (code != EXIT_OK)
            return code;
    }
    slmt_status status = slmt_dataset_open(f->context, f->set_path, &f->set);
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", f->set_path);
}

static int train(fit *f, const fit_run *run)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < f->plan.candidate_count && code == EXIT_OK; i++)
        code = fit_train(run, &f->plan.candidates[i]);
    int time_code = save_time(f);
    return code ? code : time_code;
}

static int write_model(fit *f, const fit_run *run)
{
    const fit_candidate *c = &f->plan.candidates[f->evaluation.winner];
    slmt_model *model = NULL;
    char *best = fit_best_file(run, c);
    char *text =
        must_format("PSNR %.2f dB on the validation subjects, %.2f dB on %zu test subjects (slmt fit)",
                    f->evaluation.validation[f->evaluation.winner],
                    fit_mean(&f->evaluation, f->evaluation.winner, fit_psnr_of), f->evaluation.subject_count);
    slmt_status status = slmt_model_load(f->context, best, &model);
    if (status == SLMT_OK && f->evaluation.split == SLMT_SPLIT_TEST)
        status = slmt_model_set_card(model, "evaluation", text);
    if (status == SLMT_OK)
        status = slmt_model_save(model, f->out);
    int code = status == SLMT_OK ? EXIT_OK : fail(status, "%s", f->out);
    slmt_model_free(model);
    free(best);
    free(text);
    return code;
}

static int report(fit *f, const fit_run *run)
{
    fit_story story = {.run = run,
                       .data = &f->data,
                       .evaluation = &f->evaluation,
                       .sizes = f->measured ? f->sizes : NULL,
                       .notes = &f->notes,
                       .model = f->out,
                       .set = f->set_path,
                       .plan_path = f->plan_path,
                       .seconds = elapsed(f),
                       .threads = f->common.threads};
    int code = fit_report_write(f->report_path, &story);
    if (code != EXIT_OK)
        return code;
    const fit_evaluation *e = &f->evaluation;
    for (size_t row = 0; row < e->row_count; row++)
        printf("%-14s validation %6.2f dB, %s %6.2f dB%s\n", e->names[row], e->validation[row],
               e->split == SLMT_SPLIT_TEST ? "test" : "again", fit_mean(e, row, fit_psnr_of),
               row == e->winner ? "  kept" : "");
    say("%s: written\n%s: the report", f->out, f->report_path);
    return EXIT_OK;
}

static int run_plan(fit *f)
{
    fit_run run = {
        .plan = &f->plan, .context = f->context, .folder = f->folder, .state = &f->state, .log = &f->log};
    int code = write_set(f);
    run.set = f->set;
    if (code == EXIT_OK)
        code = train(f, &run);
    if (code == EXIT_OK)
        code = fit_evaluate(&run, &f->evaluation);
    if (code == EXIT_OK && f->evaluation.split != SLMT_SPLIT_TEST)
        code = warn(
            "no subject is kept for testing: the figures are those of the validation subjects, by which the "
            "model was chosen");
    if (code == EXIT_OK)
        code = write_model(f, &run);
    return code == EXIT_OK ? report(f, &run) : code;
}

static int open_work(fit *f)
{
    /* a plan that lies there may have been changed by hand: it is not written over */
    char *request = request_text(f);
    int code = fit_state_open(&f->state, f->folder, request);
    free(request);
    if (code == EXIT_OK && f->state.resumed)
        say("%s: goes on", f->folder);
    else if (code == EXIT_OK && !f->plan_in && access(f->plan_path, F_OK) == 0)
        code = fail_with(EXIT_USAGE, "%s: is there already: give it by --plan, or remove it", f->plan_path);
    return code;
}

/* From here on the folder says what was asked for. */
static int begin_work(fit *f)
{
    if (f->plan_only && mkdir(f->folder, 0777) != 0 && errno != EEXIST)
        return fail_with(EXIT_DATA, "%s: %s", f->folder, strerror(errno));
    int code = f->plan_only ? EXIT_OK : fit_state_begin(&f->state, f->folder);
    return code == EXIT_OK ? fit_plan_write(f->plan_path, &f->plan) : code;
}

/* No scan may be what is written: the model, the report, the set and the plan beside the model. */
static int check_outputs(const fit *f)
{
    path_list scans = scans_files(&f->data.pairs), results = {0};
    for (size_t i = 0; i < f->data.extra_count; i++) {
        path_list more = scans_files(&f->data.extras[i]);
        for (size_t k = 0; k < more.count; k++)
            path_list_add(&scans, must_copy(more.items[k]));
        path_list_free(&more);
    }
    if (!f->report)
        path_list_add(&results, must_copy(f->report_path));
    path_list_add(&results, must_copy(f->set_path));
    int code = outputs_check_files(f->line, &scans, &results);
    path_list_free(&scans);
    path_list_free(&results);
    return code;
}

static int fit_all(fit *f)
{
    int code = common_context(&f->common, &f->context);
    if (code == EXIT_OK)
        code = check_options(f);
    if (code == EXIT_OK)
        code = fit_data_find(&f->data, &f->places);
    if (code == EXIT_OK)
        code = check_outputs(f);
    if (code == EXIT_OK)
        code = journal_open(&f->log, f->common.log, false);
    fit_notes_begin(&f->notes, &f->log);
    if (code == EXIT_OK)
        code = open_work(f);
    if (code == EXIT_OK)
        code = plan(f);
    if (code == EXIT_OK)
        code = begin_work(f);
    if (code != EXIT_OK)
        return code;
    tell_plan(f);
    return f->plan_only ? EXIT_OK : run_plan(f);
}

static void free_fit(fit *f)
{
    fit_evaluation_free(&f->evaluation);
    fit_notes_free(&f->notes);
    fit_state_free(&f->state);
    fit_plan_free(&f->plan);
    fit_data_free(&f->data);
    slmt_dataset_free(f->set);
    slmt_context_free(f->context);
    free(f->folder);
    free(f->set_path);
    free(f->plan_path);
    free(f->report_path);
}

int command_fit(int argc, char **argv)
{
    fit f = {
        .method = "auto", .seconds = 3600, .validation_part = 0.2, .test_part = 0.2, .began = seconds_now()};
    const option_group groups[] = {{"Files and run:", fit_fields, &f},
                                   {"Common:", common_fields, &f.common},
                                   {"", log_fields, &f.common},
                                   {"", seed_fields, &f.common},
                                   {0}};
    command_line line = {.doc = doc, .groups = groups};
    options_parse(&line, argc, argv);
    f.line = &line;
    f.folder = must_format("%s.fit", f.out);
    f.set_path = must_format("%s/set.h5", f.folder);
    f.plan_path = must_format("%s/plan.json", f.folder);
    f.report_path = report_name(&f);
    fit_plan_init(&f.plan);
    int code = fit_all(&f);
    if (code == EXIT_INTERRUPTED)
        say("interrupted; the same command line goes on");
    int log_code = journal_close(&f.log);
    free_fit(&f);
    options_free(&line);
    return code ? code : log_code;
}
