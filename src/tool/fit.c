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

#include "console.h"
#include "fit.h"
#include "fit_report.h"
#include "fit_train.h"
#include "journal.h"
#include "must.h"
#include "outputs.h"
#include "shown.h"

static const char doc[] = "Make a model from scans: look at them, plan sizes and epochs for the time and "
                          "memory there is, train SLMT-Net in "
                          "its two stages and a U-Net as the bar, keep the one that does best on the "
                          "validation subjects, evaluate it on the "
                          "test subjects, and write one HTML report. Nothing has to be renamed. The first "
                          "ctrl-C saves and ends; the same "
                          "command line goes on.";

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
    fit_state_set(&f->state, "run", "seconds", fit_elapsed(f));
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
        must_format("PSNR %.2f dB on the validation subjects, %.2f dB on %zu test subject%s (slmt fit)",
                    f->evaluation.validation[f->evaluation.winner],
                    fit_mean(&f->evaluation, f->evaluation.winner, fit_psnr_of), f->evaluation.subject_count,
                    f->evaluation.subject_count == 1 ? "" : "s");
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
                       .seconds = fit_elapsed(f),
                       .threads = f->common.threads};
    int code = fit_report_write(f->report_path, &story);
    if (code != EXIT_OK)
        return code;
    const fit_evaluation *e = &f->evaluation;
    for (size_t row = 0; row < e->row_count; row++)
        printf("%-14s validation %6.2f dB, %s %6.2f dB%s\n", shown(e->names[row]), e->validation[row],
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
    run.deadline = fit_deadline(f);
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

/* No file that is written, named on the line or not, may be a scan. */
static int check_files(const fit *f)
{
    path_list inputs = fit_data_files(&f->data), outputs = {0};
    if (!f->report)
        path_list_add(&outputs, must_copy(f->report_path));
    path_list_add(&outputs, must_copy(f->set_path));
    int code = outputs_check_files(f->line, &inputs, &outputs);
    path_list_free(&inputs);
    path_list_free(&outputs);
    return code;
}

static int open_work(fit *f)
{
    /* a plan that lies there may have been changed by hand: it is not written over */
    char *request = fit_request(f);
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
        return fail_errno(errno, "%s", f->folder);
    int code = f->plan_only ? EXIT_OK : fit_state_begin(&f->state, f->folder);
    return code == EXIT_OK ? fit_plan_write(f->plan_path, &f->plan) : code;
}

static int fit_all(fit *f)
{
    int code = common_context(&f->common, &f->context);
    if (code == EXIT_OK)
        code = fit_check_options(f);
    if (code == EXIT_OK)
        code = fit_data_find(&f->data, &f->places);
    if (code == EXIT_OK)
        code = check_files(f);
    if (code == EXIT_OK)
        code = journal_open(&f->log, f->common.log, false);
    if (code == EXIT_OK)
        log_computer(&f->log, f->context, &f->common);
    fit_notes_begin(&f->notes, &f->log); /* those that there were, too */
    if (code == EXIT_OK)
        code = open_work(f);
    if (code == EXIT_OK)
        code = fit_make_plan(f);
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
    const option_group groups[] = {{"Files and run:", fit_fields, &f}, {"Common:", common_fields, &f.common},
                                   {"", arithmetic_fields, &f.common}, {"", log_fields, &f.common},
                                   {"", seed_fields, &f.common},       {0}};
    command_line line = {.doc = doc, .groups = groups};
    options_parse(&line, argc, argv);
    f.line = &line;
    f.folder = must_format("%s.fit", f.out);
    f.set_path = must_format("%s/set.h5", f.folder);
    f.plan_path = must_format("%s/plan.json", f.folder);
    f.report_path = fit_report_name(&f);
    fit_plan_init(&f.plan);
    int code = fit_all(&f);
    if (code == EXIT_INTERRUPTED)
        say("interrupted; the same command line goes on");
    int log_code = journal_close(&f.log);
    free_fit(&f);
    options_free(&line);
    return code ? code : log_code;
}
