/* SPDX-License-Identifier: Apache-2.0 */
/* fit_train.c - a stage is run in pieces. After each piece its checkpoint is written, and of a candidate's
 * last stage the validation subjects are looked at. */
#include "fit_train.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "fit_curve.h"
#include "fit_score.h"
#include "interrupt.h"
#include "must.h"
#include "stream.h"
#include "tool.h"
#include "training.h"

enum { PIECES = 12, VALIDATION_SLICES = 24 };
static const double looking_part = 0.15; /* of a stage's time, at most */

typedef struct stage_run {
    const fit_run *run;
    const fit_candidate *candidate;
    size_t index;
    const fit_stage *stage;
    char *name, *checkpoint;
    slmt_trainer *trainer;
    FILE *curves;
    progress bar;
    double before; /* seconds of earlier runs */
    double began;
    double allowed; /* seconds in all; infinite: any */
    double looking; /* seconds of validation and checkpoints so far, and of the last of them */
    double last_look;
    bool last; /* of the candidate: validated */
    bool time_is_up;
} stage_run;

/* ---- names ---- */

char *fit_stage_name(const fit_candidate *c, size_t stage)
{
    return must_format("%s-%s", c->method, c->stages[stage].task);
}

char *fit_stage_file(const fit_run *run, const fit_candidate *c, size_t stage, const char *ending)
{
    return must_format("%s/%s-%s.%s", run->folder, c->method, c->stages[stage].task, ending);
}

char *fit_best_file(const fit_run *run, const fit_candidate *c)
{
    return must_format("%s/%s-best.h5", run->folder, c->method);
}

double fit_best_psnr(const fit_run *run, const fit_candidate *c)
{
    char *name = fit_stage_name(c, c->stage_count - 1);
    double best = fit_state_get(run->state, name, "best", NAN);
    free(name);
    return best;
}

/* ---- the state of a stage ---- */

static double get(const stage_run *s, const char *name, double otherwise)
{
    return fit_state_get(s->run->state, s->name, name, otherwise);
}

static void set(const stage_run *s, const char *name, double value)
{
    fit_state_set(s->run->state, s->name, name, value);
}

static double seconds_used(const stage_run *s)
{
    return s->before + seconds_now() - s->began;
}

/* What is left until the deadline is shared by the stages that are not done, as the plan shares the time. */
static double allowed_seconds(const stage_run *s)
{
    const fit_plan *plan = s->run->plan;
    double planned = s->stage->seconds > 0 ? s->stage->seconds : INFINITY, all = 0;
    if (!isfinite(s->run->deadline) || !isfinite(planned))
        return planned;
    for (size_t i = 0; i < plan->candidate_count; i++)
        for (size_t k = 0; k < plan->candidates[i].stage_count; k++) {
            char *name = fit_stage_name(&plan->candidates[i], k);
            double left =
                plan->candidates[i].stages[k].seconds - fit_state_get(s->run->state, name, "seconds", 0);
            all += fit_state_get(s->run->state, name, "done", 0) == 0 ? fmax(left, 0) : 0;
            free(name);
        }
    double share = all > 0 ? fmax(planned - s->before, 0) / all : 1;
    return fmin(planned, s->before + fmax(s->run->deadline - s->began, 0) * share);
}

/* ---- beginning ---- */

static slmt_status fill_card(const stage_run *s, slmt_model *model)
{
    char *settings =
        number_list_text(&s->stage->settings, (number_owner){s->candidate->method, s->stage->task});
    char *text =
        must_format("%s by slmt fit: %s, seed %" PRIu64, s->stage->task, settings, s->run->plan->seed);
    slmt_status status = training_append_card(model, "training", text);
    if (status == SLMT_OK)
        status = slmt_model_set_card(model, "intended_use", "Research. Not for diagnosis.");
    free(settings);
    free(text);
    return status;
}

/* A fresh model, or that of the stage before. */
static slmt_status first_model(const stage_run *s, slmt_model **model)
{
    const fit_candidate *c = s->candidate;
    if (s->index == 0)
        return slmt_model_create(s->run->context, c->method, c->options.items, c->options.count,
                                 s->run->plan->seed, model);
    char *before = fit_stage_file(s->run, c, s->index - 1, "h5");
    slmt_status status = slmt_model_load(s->run->context, before, model);
    free(before);
    return status;
}

static slmt_status new_trainer(stage_run *s)
{
    slmt_model *model = NULL;
    slmt_status status = first_model(s, &model);
    if (status == SLMT_OK)
        status = fill_card(s, model);
    if (status == SLMT_OK)
        status = slmt_trainer_create(model, s->stage->task, s->stage->settings.items,
                                     s->stage->settings.count, s->run->plan->seed, &s->trainer);
    slmt_model_free(model); /* the trainer keeps it */
    return status;
}

static int open_stage(stage_run *s)
{
    bool goes_on = get(s, "seconds", 0) > 0 && access(s->checkpoint, F_OK) == 0;
    slmt_status status =
        goes_on ? slmt_trainer_load(s->run->context, s->checkpoint, &s->trainer) : new_trainer(s);
    if (status != SLMT_OK)
        return fail(status, "%s", goes_on ? s->checkpoint : s->name);
    char *path = fit_stage_file(s->run, s->candidate, s->index, "curves");
    s->curves = stream_open(path, goes_on);
    int code = s->curves ? EXIT_OK : fail_errno(errno, "%s", path);
    free(path);
    s->before = goes_on ? get(s, "seconds", 0) : 0;
    s->began = seconds_now();
    s->allowed = allowed_seconds(s);
    return code;
}

/* ---- a piece ---- */

/* The loss is the last value before the learning rate. */
static double last_loss(slmt_trainer *trainer)
{
    size_t n = slmt_trainer_value_count(trainer);
    double value = NAN;
    if (n >= 2)
        slmt_trainer_value(trainer, slmt_trainer_value_name(trainer, n - 2), &value);
    return value;
}

static int32_t on_step(void *user, slmt_trainer *trainer, const slmt_training_state *state)
{
    stage_run *s = user;
    char note[64];
    double loss = last_loss(trainer);
    fit_curve_append(s->curves, "loss", state->step, loss);
    snprintf(note, sizeof note, "loss %.5g", loss);
    progress_update(&s->bar, state->step, state->total_steps, note);
    s->time_is_up = seconds_used(s) >= s->allowed && state->step < state->total_steps;
    return s->time_is_up || interrupted();
}

/* Trains some steps; *done: the schedule or the time is at its end. */
static int run_piece(stage_run *s, uint64_t steps, bool *done)
{
    const fit_plan *plan = s->run->plan;
    slmt_port_info target;
    bool pairs = input_for(s->candidate->method, s->stage->task, SLMT_ROLE_TARGET, &target);
    slmt_training_state state = {.struct_size = sizeof state};
    slmt_status status = slmt_trainer_run(s->trainer, s->run->set, pairs ? plan->source : NULL,
                                          pairs ? plan->target : NULL, steps, on_step, s);
    if (status == SLMT_ERR_CANCELLED && (s->time_is_up || interrupted()))
        status = SLMT_OK;
    slmt_trainer_get_state(s->trainer, &state);
    *done = s->time_is_up || (state.total_steps && state.step >= state.total_steps);
    set(s, "step", (double)state.step);
    set(s, "steps", (double)state.total_steps);
    if (status == SLMT_ERR_NONFINITE) {
        set(s, "failed", 1);
        *done = true;
        return warn("%s: given up after step %" PRIu64 ": %s", s->name, state.step, slmt_error_text());
    }
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", s->name);
}

static void log_validation(const stage_run *s, double psnr)
{
    cJSON *event = journal_event("validation");
    cJSON_AddStringToObject(event, "stage", s->name);
    cJSON_AddNumberToObject(event, "step", get(s, "step", 0));
    cJSON_AddNumberToObject(event, "psnr", psnr);
    journal_write(s->run->log, event);
}

/* While it is trained a few slices tell enough; the kept weights are measured on all of them in the end. */
static int validate(const stage_run *s)
{
    double psnr, best = get(s, "best", -INFINITY);
    slmt_model *model = slmt_trainer_model(s->trainer);
    int code = fit_psnr(model, s->run->set, SLMT_SPLIT_VALIDATION, VALIDATION_SLICES, &psnr);
    if (code != EXIT_OK)
        return code;
    fit_curve_append(s->curves, "validation", (uint64_t)get(s, "step", 0), psnr);
    log_validation(s, psnr);
    if (!(psnr > best))
        return EXIT_OK;
    char *path = fit_best_file(s->run, s->candidate);
    slmt_status status = slmt_model_save(model, path);
    if (status != SLMT_OK)
        code = fail(status, "%s", path);
    free(path);
    set(s, "best", psnr);
    set(s, "best_step", get(s, "step", 0));
    return code;
}

/* The checkpoint before the state: what the state says is always there. */
static int save(stage_run *s)
{
    slmt_status status = slmt_trainer_save(s->trainer, s->checkpoint);
    if (status != SLMT_OK)
        return fail(status, "%s", s->checkpoint);
    fflush(s->curves);
    set(s, "seconds", seconds_used(s));
    return fit_state_save(s->run->state);
}

/* Steps to the end of the piece: one to learn how many there are, then to the next multiple of a part of
 * them. So an interrupted stage looks at the validation subjects after the same steps as one that was not. */
static uint64_t piece_steps(const stage_run *s)
{
    uint64_t step = (uint64_t)get(s, "step", 0), part = (uint64_t)get(s, "steps", 0) / PIECES + 1;
    return step == 0 ? 1 : part - step % part;
}

/* Looking at the validation subjects and saving must not eat the time: where it is short, some pieces go
 * without. */
static bool is_too_soon(const stage_run *s)
{
    return isfinite(s->allowed) && s->looking + s->last_look > looking_part * seconds_used(s);
}

static int look_and_save(stage_run *s, bool done, bool first)
{
    double began = seconds_now();
    int code = EXIT_OK;
    if (s->last && (done || !first) && !interrupted() && get(s, "failed", 0) == 0)
        code = validate(s);
    set(s, "done", done && !interrupted());
    if (code == EXIT_OK)
        code = save(s);
    s->last_look = seconds_now() - began;
    s->looking += s->last_look;
    return code;
}

static int run_stage(stage_run *s)
{
    int code = EXIT_OK;
    progress_begin(&s->bar, s->name, "steps", (uint64_t)get(s, "step", 0));
    for (bool done = false; !done && code == EXIT_OK;) {
        bool first = get(s, "step", 0) == 0;
        code = run_piece(s, piece_steps(s), &done);
        if (code == EXIT_OK && (done || interrupted() || !is_too_soon(s)))
            code = look_and_save(s, done, first);
        if (code == EXIT_OK && interrupted())
            code = EXIT_INTERRUPTED;
    }
    progress_end();
    return code;
}

/* ---- stages ---- */

static int tell_time(const stage_run *s)
{
    if (!s->time_is_up)
        return EXIT_OK;
    return warn("%s: stopped after step %.0f of %.0f, as the time for it was used up", s->name,
                get(s, "step", 0), get(s, "steps", 0));
}

static int train_stage(const fit_run *run, const fit_candidate *candidate, size_t index)
{
    stage_run s = {.run = run,
                   .candidate = candidate,
                   .index = index,
                   .stage = &candidate->stages[index],
                   .name = fit_stage_name(candidate, index),
                   .checkpoint = fit_stage_file(run, candidate, index, "h5"),
                   .last = index + 1 == candidate->stage_count};
    int code = EXIT_OK;
    if (get(&s, "done", 0) == 0) {
        code = open_stage(&s);
        if (code == EXIT_OK)
            code = run_stage(&s);
        if (code == EXIT_OK)
            code = tell_time(&s);
        if (code == EXIT_OK)
            say("%s: %.0f %s in %.0f s", s.name, get(&s, "step", 0),
                get(&s, "step", 0) == 1 ? "step" : "steps", get(&s, "seconds", 0));
    }
    slmt_trainer_free(s.trainer);
    if (s.curves)
        fclose(s.curves);
    free(s.name);
    free(s.checkpoint);
    return code;
}

static bool has_failed(const fit_run *run, const fit_candidate *c, size_t stage)
{
    char *name = fit_stage_name(c, stage);
    bool failed = fit_state_get(run->state, name, "failed", 0) != 0;
    free(name);
    return failed;
}

/* The figure that candidates are compared by: all slices of the validation subjects. */
static int measure_best(const fit_run *run, const fit_candidate *c)
{
    slmt_model *model = NULL;
    double psnr = NAN;
    char *name = fit_stage_name(c, c->stage_count - 1), *path = fit_best_file(run, c);
    int code = EXIT_OK;
    if (fit_state_get(run->state, name, "measured", 0) == 0 && access(path, F_OK) == 0) {
        slmt_status status = slmt_model_load(run->context, path, &model);
        code = status == SLMT_OK ? fit_psnr(model, run->set, SLMT_SPLIT_VALIDATION, 0, &psnr)
                                 : fail(status, "%s", path);
        fit_state_set(run->state, name, "best", psnr);
        fit_state_set(run->state, name, "measured", 1);
        if (code == EXIT_OK)
            code = fit_state_save(run->state);
    }
    slmt_model_free(model);
    free(name);
    free(path);
    return code;
}

int fit_train(const fit_run *run, const fit_candidate *candidate)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < candidate->stage_count && code == EXIT_OK; i++) {
        code = train_stage(run, candidate, i);
        if (has_failed(run, candidate, i))
            break; /* of the last stage the weights that were kept still count */
    }
    return code == EXIT_OK ? measure_best(run, candidate) : code;
}
