/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a trainer over a training set. A run is cut at checkpoints and at ctrl-C by the step callback, and
 * begun again where it stopped: the library promises the same bits as without the cut. */
#include "training.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "interrupt.h"
#include "judge.h"
#include "journal.h"
#include "must.h"
#include "pairs.h"
#include "paths.h"
#include "tool.h"

typedef enum stop_reason { STOP_NONE, STOP_CHECKPOINT, STOP_INTERRUPT } stop_reason;

typedef struct training {
    const training_options *options;
    slmt_context *context;
    slmt_dataset *dataset;
    slmt_trainer *trainer;
    slmt_profile *profile;
    const char *method;
    const char *task;
    number_list settings;
    journal log;
    progress bar;
    char *source; /* contrasts that are trained on */
    char *target;
    uint64_t steps; /* of this run */
    stop_reason stop;
} training;

/* ---- what may be given together ---- */

int training_check(const training_options *o, const char *sizes, const char *settings)
{
    const training_files *f = &o->files;
    if (!settings && f->model)
        settings = "model";
    const char *given = f->resume && settings ? settings : f->resume || f->model ? sizes : NULL;
    if (given)
        return fail_with(EXIT_USAGE, "--%s cannot be used with --%s: the checkpoint has its own", given,
                         f->resume ? "resume" : "model");
    if (f->checkpoint_every < 0)
        return fail_with(EXIT_USAGE, "--checkpoint-every: less than 0");
    if (!can_write(f->out))
        return fail_with(EXIT_DATA, "%s: %s", f->out, strerror(errno));
    return EXIT_OK;
}

/* ---- the method and its task ---- */

/* `file` has a model of another method than the command was given. */
static int other_method(const training *t, const char *file)
{
    return fail_with(EXIT_USAGE, "%s: is a model of %s, not of %s", file, t->method,
                     t->options->files.method);
}

static int find_task(training *t)
{
    const char *asked = t->options->files.task ? t->options->files.task : only_training_task(t->method);
    char *names = task_names(t->method, true);
    int code = EXIT_USAGE;
    slmt_task_info info;
    if (asked && task_find(t->method, asked, &info) && info.trains) {
        t->task = info.name;
        code = EXIT_OK;
    } else if (!*names) {
        fail_with(code, "%s has no task that trains", t->method);
    } else if (!t->options->files.task) {
        fail_with(code, "--task is needed: %s trains %s", t->method, names);
    } else {
        fail_with(code, "%s has no training task '%s'; it has %s", t->method, asked, names);
    }
    free(names);
    return code;
}

/* ---- the model card ---- */

/* Adds a line to a card field: what each stage did stays readable. */
static slmt_status append_card(slmt_model *model, const char *key, const char *text)
{
    const char *old = slmt_model_card(model, key);
    char *both = must_format("%s%s%s", old, *old ? "\n" : "", text);
    slmt_status status = slmt_model_set_card(model, key, both);
    free(both);
    return status;
}

static char *training_text(const training *t)
{
    char *settings = number_list_text(&t->settings, (number_owner){t->method, t->task});
    char *text = must_format("%s: %s, seed %" PRIu64, t->task, settings, t->options->common.seed);
    free(settings);
    return text;
}

static char *data_text(const training *t)
{
    const training_files *f = &t->options->files;
    size_t subjects = slmt_dataset_subject_count(t->dataset);
    size_t train = 0;
    for (size_t i = 0; i < subjects; i++)
        train += slmt_dataset_subject_split(t->dataset, i) == SLMT_SPLIT_TRAIN;
    char *contrasts = f->target ? must_format("%s to %s", f->source, f->target)
                                : must_copy(f->source ? f->source : "all contrasts");
    char *text =
        must_format("%s: %s, %zu training subjects, %s", t->task, file_name(f->data), train, contrasts);
    free(contrasts);
    return text;
}

/* Card field of a task that was given one contrast: a name, or unset for all. slmt_trainer_run() sets it. */
static char *contrast_key(const training *t)
{
    return must_format("%s_contrast", t->task);
}

static slmt_status fill_card(const training *t, slmt_model *model)
{
    char *training = training_text(t);
    char *data = data_text(t);
    slmt_status status = append_card(model, "training", training);
    if (status == SLMT_OK)
        status = append_card(model, "data", data);
    if (status == SLMT_OK && !*slmt_model_card(model, "intended_use"))
        status = slmt_model_set_card(model, "intended_use", "Research. Not for diagnosis.");
    free(training);
    free(data);
    return status;
}

/* ---- the trainer, new or resumed ---- */

static int check_contrasts(const training *t)
{
    const training_options *o = t->options;
    const char *const asked[] = {o->files.source, o->files.target};
    const char *const kept[] = {t->source, t->target};
    for (size_t i = 0; i < 2; i++)
        if (asked[i] && (!kept[i] || strcmp(asked[i], kept[i]) != 0))
            return fail_with(EXIT_USAGE, "%s: was trained on %s, not %s", o->files.resume,
                             kept[i] ? kept[i] : "all contrasts", asked[i]);
    return EXIT_OK;
}

static char *card_copy(const slmt_model *model, const char *key)
{
    const char *text = slmt_model_card(model, key);
    return *text ? must_copy(text) : NULL;
}

/* The contrasts that a resumed run was given, as slmt_trainer_run() kept them. */
static void read_contrasts(training *t, const slmt_model *model)
{
    slmt_port_info target;
    if (input_for(t->method, t->task, SLMT_ROLE_TARGET, &target)) {
        t->source = card_copy(model, "source_contrast");
        t->target = card_copy(model, "target_contrast");
    } else {
        char *key = contrast_key(t);
        t->source = card_copy(model, key);
        free(key);
    }
}

static int resume_trainer(training *t)
{
    const training_files *f = &t->options->files;
    slmt_status status = slmt_trainer_load(t->context, f->resume, &t->trainer);
    if (status != SLMT_OK)
        return fail(status, "%s", f->resume);
    const slmt_model *model = slmt_trainer_model(t->trainer);
    t->method = slmt_model_method(model);
    t->task = slmt_trainer_task(t->trainer);
    if (f->method && strcmp(f->method, t->method) != 0)
        return other_method(t, f->resume);
    if (f->task && strcmp(f->task, t->task) != 0)
        return fail_with(EXIT_USAGE, "%s: is a checkpoint of %s, not of %s", f->resume, t->task, f->task);
    read_contrasts(t, model);
    return check_contrasts(t);
}

static int load_model(training *t, slmt_model **model)
{
    const training_files *f = &t->options->files;
    slmt_status status = slmt_model_load(t->context, f->model, model);
    if (status != SLMT_OK)
        return fail(status, "%s", f->model);
    t->method = slmt_model_method(*model);
    return f->method && strcmp(f->method, t->method) != 0 ? other_method(t, f->model) : EXIT_OK;
}

static int make_model(training *t, slmt_model **model)
{
    const training_options *o = t->options;
    number_list options = {0};
    int code = number_list_add(&options, (number_owner){t->method, NULL}, o->line, &o->options_given);
    if (code == EXIT_OK) {
        slmt_status status =
            slmt_model_create(t->context, t->method, options.items, options.count, o->common.seed, model);
        code = status == SLMT_OK ? EXIT_OK : fail(status, "model");
    }
    number_list_free(&options);
    return code;
}

/* Loads the model or makes it, when method, task and settings are known to be right. */
static int start_model(training *t, slmt_model **model)
{
    const training_files *f = &t->options->files;
    slmt_method_info info;
    int code = EXIT_OK;
    if (f->method && !method_find(f->method, &info))
        return no_such_method(f->method);
    if (f->model)
        code = load_model(t, model);
    else
        t->method = info.name;
    if (code == EXIT_OK)
        code = find_task(t);
    if (code == EXIT_OK)
        code = number_list_add(&t->settings, (number_owner){t->method, t->task}, t->options->line,
                               &t->options->settings_given);
    return code == EXIT_OK && !f->model ? make_model(t, model) : code;
}

/* What the card says of the run; slmt_trainer_run() adds what the set was. */
static int describe_run(const training *t, slmt_model *model)
{
    slmt_status status = fill_card(t, model);
    return status == SLMT_OK ? EXIT_OK : fail(status, "model card");
}

static int new_trainer(training *t)
{
    const training_options *o = t->options;
    slmt_model *model = NULL;
    uint64_t bytes = 0;
    int code = start_model(t, &model);
    if (code == EXIT_OK && o->files.judge)
        code = judge_copy(t->context, o->files.judge, model);
    if (code == EXIT_OK)
        code = describe_run(t, model);
    if (code == EXIT_OK &&
        slmt_trainer_memory(model, t->task, t->settings.items, t->settings.count, &bytes) == SLMT_OK)
        say("training takes %" PRIu64 " MiB besides the model", bytes >> 20);
    if (code == EXIT_OK) {
        slmt_status status = slmt_trainer_create(model, t->task, t->settings.items, t->settings.count,
                                                 o->common.seed, &t->trainer);
        code = status == SLMT_OK ? EXIT_OK : fail(status, "trainer");
    }
    slmt_model_free(model); /* the trainer keeps it */
    t->source = o->files.source ? must_copy(o->files.source) : NULL;
    t->target = o->files.target ? must_copy(o->files.target) : NULL;
    return code;
}

static int open_all(training *t)
{
    const training_options *o = t->options;
    int code = common_context(&o->common, &t->context);
    if (code != EXIT_OK)
        return code;
    say("%s", slmt_context_describe(t->context));
    slmt_status status = slmt_dataset_open(t->context, o->files.data, &t->dataset);
    if (status != SLMT_OK)
        return fail(status, "%s", o->files.data);
    if (!o->files.resume && o->files.source && o->files.target)
        code = pairs_check(t->dataset, o->files.data, o->files.source, o->files.target);
    if (code == EXIT_OK)
        code = o->files.resume ? resume_trainer(t) : new_trainer(t);
    if (code != EXIT_OK)
        return code;
    status = report_open(&o->report, t->context, &t->profile);
    if (status == SLMT_OK)
        status = slmt_trainer_set_profile(t->trainer, t->profile);
    if (status != SLMT_OK)
        return fail(status, "profile");
    return journal_open(&t->log, o->common.log, o->files.resume != NULL);
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

static bool checkpoint_due(const training *t, const slmt_training_state *state)
{
    uint64_t interval = state->steps_in_epoch * (uint64_t)t->options->files.checkpoint_every;
    return interval && state->step % interval == 0 && state->step < state->total_steps;
}

static int32_t on_step(void *user, slmt_trainer *trainer, const slmt_training_state *state)
{
    training *t = user;
    (void)trainer; /* t has it */
    t->steps++;
    log_step(t, state);
    show_step(t, state);
    if (checkpoint_due(t, state))
        t->stop = STOP_CHECKPOINT;
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
    *more = cut && t->stop == STOP_CHECKPOINT && !(most && t->steps >= most);
    return status == SLMT_OK || cut ? EXIT_OK : fail(status, "training");
}

static int run(training *t)
{
    slmt_training_state state = {.struct_size = sizeof state};
    slmt_trainer_get_state(t->trainer, &state);
    progress_begin(&t->bar, t->task, "steps", state.step);
    int code = EXIT_OK;
    for (bool more = true; more && code == EXIT_OK;) {
        code = run_part(t, &more);
        if (code == EXIT_OK)
            code = save(t);
    }
    progress_end();
    if (code != EXIT_OK)
        return code;
    slmt_trainer_get_state(t->trainer, &state);
    say("%s: saved after step %" PRIu64 " of %" PRIu64, t->options->files.out, state.step, state.total_steps);
    return t->stop == STOP_INTERRUPT ? EXIT_INTERRUPTED : EXIT_OK;
}

int training_run(const training_options *o)
{
    training t = {.options = o};
    int code = open_all(&t);
    if (code == EXIT_OK)
        code = run(&t);
    int report_code = report_close(&o->report, t.profile);
    int log_code = journal_close(&t.log);
    slmt_trainer_free(t.trainer);
    slmt_dataset_free(t.dataset);
    slmt_context_free(t.context);
    number_list_free(&t.settings);
    free(t.source);
    free(t.target);
    return code ? code : report_code ? report_code : log_code;
}
