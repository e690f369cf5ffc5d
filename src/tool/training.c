/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a trainer over a training set. A run is cut at checkpoints and at ctrl-C by the step callback, and
 * begun again where it stopped: the library promises the same bits as without the cut. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "must.h"
#include "paths.h"
#include "tool.h"
#include "training_parts.h"
#include "validation.h"

const field_choice keep_choices[] = {{"last", KEEP_LAST}, {"best", KEEP_BEST}, {0}};

/* ---- what may be given together ---- */

int training_check(const training_options *o, const char *sizes, const char *settings)
{
    const training_files *f = &o->files;
    if (!settings && f->model)
        settings = "model";
    const char *given = f->resume && settings ? settings : f->resume || f->model ? sizes : NULL;
    if (f->teacher && sizes && !given)
        return fail_with(EXIT_USAGE,
                         "--%s cannot be used with --teacher: the student has the teacher's options", sizes);
    if (given)
        return fail_with(EXIT_USAGE, "--%s cannot be used with --%s: the checkpoint has its own", given,
                         f->resume ? "resume" : "model");
    if (f->checkpoint_every < 0)
        return fail_with(EXIT_USAGE, "--checkpoint-every: less than 0");
    if (f->validate_every < 0)
        return fail_with(EXIT_USAGE, "--validate-every: less than 0");
    if (!can_write(f->out))
        return fail_errno(errno, "%s", f->out);
    return EXIT_OK;
}

/* ---- the run ---- */

static uint64_t epoch_of(const slmt_training_state *state)
{
    return state->steps_in_epoch && state->step ? (state->step - 1) / state->steps_in_epoch + 1 : 0;
}

static double value_at(const training *t, size_t index)
{
    double value = 0;
    slmt_trainer_value(t->trainer, slmt_trainer_value_name(t->trainer, index), &value);
    return value;
}

/* The loss is the last value before the learning rate. */
static size_t loss_index(const training *t)
{
    size_t n = slmt_trainer_value_count(t->trainer);
    return n >= 2 ? n - 2 : 0;
}

static void log_step(training *t, const slmt_training_state *state)
{
    cJSON *event = journal_event("step");
    cJSON_AddNumberToObject(event, "step", (double)state->step);
    cJSON_AddNumberToObject(event, "epoch", (double)epoch_of(state));
    cJSON_AddNumberToObject(event, "loss", value_at(t, loss_index(t)));
    for (size_t i = 0; i < slmt_trainer_value_count(t->trainer); i++)
        if (i != loss_index(t))
            cJSON_AddNumberToObject(event, slmt_trainer_value_name(t->trainer, i), value_at(t, i));
    cJSON_AddNumberToObject(event, "seconds", seconds_now() - t->bar.began);
    journal_write(&t->log, event);
}

static void show_step(training *t, const slmt_training_state *state)
{
    uint64_t most = t->options->files.max_steps;
    uint64_t total = state->total_steps;
    if (most && (!total || total - t->bar.first > most))
        total = t->bar.first + most;
    char note[128];
    snprintf(note, sizeof note, "epoch %" PRIu64 ", loss %.5g, learning rate %.3g", epoch_of(state),
             value_at(t, loss_index(t)), value_at(t, loss_index(t) + 1));
    progress_update(&t->bar, state->step, total, note);
}

/* The error of the slices, of tasks that report it under this name; else NaN. */
static double slice_error(const training *t)
{
    double error;
    return slmt_trainer_value(t->trainer, "l1", &error) == SLMT_OK ? error : NAN;
}

/* A loss that is told which pixels count grows with them; their mean cross-entropy does not. */
static double watched_loss(const training *t)
{
    double loss;
    bool is_paced = t->teacher && slmt_trainer_value(t->trainer, "cross_entropy", &loss) == SLMT_OK;
    return is_paced ? loss : value_at(t, loss_index(t));
}

/* Hours would be lost on what learns nothing. */
static void watch_loss(training *t, const slmt_training_state *state)
{
    bool is_last = state->step % state->steps_in_epoch == 0;
    char *why = watch_step(&t->watch, epoch_of(state), is_last, watched_loss(t), slice_error(t));
    if (why && warn("%s: still on its plateau: %s; the learning rate may be too high or too low, or the "
                    "contrasts may not be registered",
                    t->task, why) != EXIT_OK)
        t->stop = STOP_WARNING;
    free(why);
}

static void watch_run(training *t)
{
    double warmup = 0, epochs = 0;
    slmt_trainer_setting(t->trainer, "warmup_epochs", &warmup);
    slmt_trainer_setting(t->trainer, "epochs", &epochs);
    watch_begin(&t->watch, warmup, epochs, watch_grey(t->dataset, t->target));
}

static bool checkpoint_due(const training *t, const slmt_training_state *state)
{
    uint64_t interval = state->steps_in_epoch * (uint64_t)t->options->files.checkpoint_every;
    return interval && state->step % interval == 0 && state->step < state->total_steps;
}

/* Settings that the first step found, because the line did not give them. */
static void say_found(training *t)
{
    slmt_number_info info;
    const number_owner owner = {t->method, t->task};
    for (size_t i = 0; number_at(owner, i, &info); i++) {
        double given = info.initial, now = given;
        bool is_number = info.kind == SLMT_NUMBER_REAL || info.kind == SLMT_NUMBER_WHOLE;
        if (!is_number || slmt_trainer_setting(t->trainer, info.name, &now) != SLMT_OK)
            continue;
        number_list_default(&t->settings, info.name, &given);
        if (now != given)
            say("found before the first step: %s %.4g", info.name, now);
    }
}

static int32_t on_step(void *user, slmt_trainer *trainer, const slmt_training_state *state)
{
    training *t = user;
    (void)trainer; /* t has it */
    t->steps++;
    if (state->step == 1)
        say_found(t);
    log_step(t, state);
    show_step(t, state);
    watch_loss(t, state);
    if (checkpoint_due(t, state) || validation_due(t, state))
        t->stop = STOP_PAUSE;
    if (interrupted())
        t->stop = STOP_INTERRUPT;
    return t->stop != STOP_NONE;
}

static int save(training *t)
{
    const char *out = t->options->files.out;
    slmt_status status = slmt_trainer_save(t->trainer, out);
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", out);
}

/* Runs to the next reason to stop; `more` says whether to go on after saving. */
static int run_part(training *t, bool *more)
{
    uint64_t most = t->options->files.max_steps;
    t->stop = STOP_NONE;
    slmt_status status = slmt_trainer_run(t->trainer, t->dataset, t->source, t->target,
                                          most ? most - t->steps : 0, on_step, t);
    bool cut = status == SLMT_ERR_CANCELLED && t->stop != STOP_NONE;
    *more = cut && t->stop == STOP_PAUSE && !(most && t->steps >= most);
    return status == SLMT_OK || cut ? EXIT_OK : fail(status, "training");
}

/* Validates and saves what is due after a part. A validation that fails loses no training. */
static int end_part(training *t, bool more)
{
    slmt_training_state state = {.struct_size = sizeof state};
    slmt_trainer_get_state(t->trainer, &state);
    int code = t->stop != STOP_INTERRUPT && validation_due(t, &state) ? validation_run(t) : EXIT_OK;
    int saved = !more || code != EXIT_OK || checkpoint_due(t, &state) ? save(t) : EXIT_OK;
    return code != EXIT_OK ? code : saved;
}

/* A run that was interrupted where figures were due begins with them. */
static int run_parts(training *t)
{
    slmt_training_state state = {.struct_size = sizeof state};
    slmt_trainer_get_state(t->trainer, &state);
    int code = t->options->files.resume && validation_due(t, &state) ? validation_run(t) : EXIT_OK;
    for (bool more = true; more && code == EXIT_OK;) {
        code = run_part(t, &more);
        if (code == EXIT_OK)
            code = end_part(t, more);
    }
    return code;
}

static void say_how_to_go_on(const training *t)
{
    const training_files *f = &t->options->files;
    char *validation = f->validate_every ? must_format(" --validate-every %" PRId32 "%s", f->validate_every,
                                                       f->keep == KEEP_BEST ? " --keep best" : "")
                                         : must_copy("");
    char *teacher = f->teacher ? must_format(" --teacher %s", f->teacher) : must_copy("");
    say("go on with: %s --data %s --resume %s --out %s%s%s", t->options->command, f->data, f->out, f->out,
        teacher, validation);
    free(teacher);
    free(validation);
}

static int run(training *t)
{
    slmt_training_state state = {.struct_size = sizeof state};
    slmt_trainer_get_state(t->trainer, &state);
    progress_begin(&t->bar, t->task, "steps", state.step);
    watch_run(t);
    int code = run_parts(t);
    progress_end();
    if (code != EXIT_OK)
        return code;
    slmt_trainer_get_state(t->trainer, &state);
    say("%s: saved after step %" PRIu64 " of %" PRIu64, t->options->files.out, state.step, state.total_steps);
    if (state.step < state.total_steps && t->stop == STOP_INTERRUPT)
        say_how_to_go_on(t);
    code = validation_close(t);
    return t->stop == STOP_INTERRUPT ? EXIT_INTERRUPTED : code;
}

int training_run(const training_options *o)
{
    training t = {.options = o};
    int code = training_open(&t);
    if (code == EXIT_OK)
        code = validation_open(&t);
    if (code == EXIT_OK)
        code = training_forecast(&t);
    if (code == EXIT_OK)
        code = run(&t);
    int report_code = report_close(&o->report, t.profile);
    int log_code = journal_close(&t.log);
    slmt_trainer_free(t.trainer);
    slmt_model_free(t.teacher);
    slmt_dataset_free(t.dataset);
    slmt_context_free(t.context);
    number_list_free(&t.settings);
    validation_free(&t);
    free(t.source);
    free(t.target);
    return code ? code : report_code ? report_code : log_code;
}
