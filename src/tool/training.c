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
#include "journal.h"
#include "must.h"
#include "paths.h"
#include "settings.h"
#include "tool.h"

static const char pretrain_contrast[] = "pretrain_contrast"; /* card field: a name, or unset for all */

typedef enum stop_reason { STOP_NONE, STOP_CHECKPOINT, STOP_INTERRUPT } stop_reason;

typedef struct training {
    const training_options *options;
    slmt_context *context;
    slmt_dataset *dataset;
    slmt_trainer *trainer;
    slmt_profile *profile;
    journal log;
    progress bar;
    char *source; /* contrasts that are trained on */
    char *target;
    uint64_t steps; /* of this run */
    stop_reason stop;
} training;

/* ---- what may be given together ---- */

static int needs_contrasts(const training_files *f, int32_t stage)
{
    if (stage == SLMT_STAGE_PRETRAIN || f->resume || (f->source && f->target))
        return EXIT_OK;
    return fail_with(EXIT_USAGE, "--source and --target are needed");
}

/* A loaded model has its sizes, a resumed run its settings, seed and start: they cannot be given again. */
static int check_options(const command_line *line, const training_options *o)
{
    const training_files *f = &o->files;
    const char *sizes = options_given(line, &o->sizes, NULL);
    const char *settings = options_given(line, &o->config, NULL);
    if (!settings)
        settings = options_given(line, &o->common, "seed");
    if (!settings)
        settings = options_given(line, f, "model");
    const char *given = f->resume && settings ? settings : f->resume || f->model ? sizes : NULL;
    if (given)
        return fail_with(EXIT_USAGE, "--%s cannot be used with --%s: the checkpoint has its own", given,
                         f->resume ? "resume" : "model");
    if (f->checkpoint_every < 0)
        return fail_with(EXIT_USAGE, "--checkpoint-every: less than 0");
    if (!can_write(f->out))
        return fail_with(EXIT_DATA, "%s: %s", f->out, strerror(errno));
    return needs_contrasts(f, o->stage);
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

static char *training_text(const training_options *o)
{
    char *shared = settings_text(trainer_fields, &o->config);
    char *own = settings_text(stage_fields(o->stage), &o->config);
    char *text = must_format("%s: %s, %s, seed %" PRIu64, stage_name(o->stage), shared, own, o->config.seed);
    free(shared);
    free(own);
    return text;
}

static char *data_text(const training *t)
{
    const training_files *f = &t->options->files;
    size_t subjects = slmt_dataset_subject_count(t->dataset);
    size_t test = 0;
    for (size_t i = 0; i < subjects; i++)
        test += slmt_dataset_subject_split(t->dataset, i) == SLMT_SPLIT_TEST;
    char *contrasts = f->target ? must_format("%s to %s", f->source, f->target)
                                : must_copy(f->source ? f->source : "all contrasts");
    char *text = must_format("%s: %s, %zu training subjects, %s", stage_name(t->options->stage),
                             file_name(f->data), subjects - test, contrasts);
    free(contrasts);
    return text;
}

static slmt_status set_contrast_cards(slmt_model *model, const training_options *o)
{
    if (o->stage == SLMT_STAGE_PRETRAIN)
        return slmt_model_set_card(model, pretrain_contrast, o->files.source);
    slmt_status status = slmt_model_set_card(model, "source_contrast", o->files.source);
    return status == SLMT_OK ? slmt_model_set_card(model, "target_contrast", o->files.target) : status;
}

static slmt_status fill_card(const training *t, slmt_model *model)
{
    char *training = training_text(t->options);
    char *data = data_text(t);
    slmt_status status = set_contrast_cards(model, t->options);
    if (status == SLMT_OK)
        status = append_card(model, "training", training);
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

static int resume_trainer(training *t)
{
    const training_options *o = t->options;
    slmt_status status = slmt_trainer_load(t->context, o->files.resume, &t->trainer);
    if (status != SLMT_OK)
        return fail(status, "%s", o->files.resume);
    slmt_training_state state = {.struct_size = sizeof state};
    status = slmt_trainer_get_state(t->trainer, &state);
    if (status != SLMT_OK)
        return fail(status, "%s", o->files.resume);
    if (state.stage != o->stage)
        return fail_with(EXIT_USAGE, "%s: is a checkpoint of slmt %s", o->files.resume,
                         stage_name(state.stage));
    const slmt_model *model = slmt_trainer_model(t->trainer);
    bool pretrain = o->stage == SLMT_STAGE_PRETRAIN;
    t->source = card_copy(model, pretrain ? pretrain_contrast : "source_contrast");
    t->target = pretrain ? NULL : card_copy(model, "target_contrast");
    return check_contrasts(t);
}

static int start_model(const training *t, slmt_model **model)
{
    const training_options *o = t->options;
    slmt_status status = o->files.model ? slmt_model_load(t->context, o->files.model, model)
                                        : slmt_model_create(t->context, &o->sizes, o->common.seed, model);
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", o->files.model ? o->files.model : "model");
}

/* The model takes over how the slices it learns from were made. */
static int fit_model(const training *t, slmt_model *model)
{
    slmt_preprocess preprocess;
    slmt_preprocess_init(&preprocess);
    slmt_status status = slmt_dataset_get_preprocess(t->dataset, &preprocess);
    if (status == SLMT_OK)
        status = slmt_model_set_preprocess(model, &preprocess);
    if (status != SLMT_OK)
        return fail(status, "%s does not fit the model", t->options->files.data);
    status = fill_card(t, model);
    return status == SLMT_OK ? EXIT_OK : fail(status, "model card");
}

static int new_trainer(training *t)
{
    const training_options *o = t->options;
    slmt_model *model = NULL;
    uint64_t bytes = 0;
    int code = start_model(t, &model);
    if (code == EXIT_OK)
        code = fit_model(t, model);
    if (code == EXIT_OK && slmt_trainer_memory(model, &o->config, &bytes) == SLMT_OK)
        say("training takes %" PRIu64 " MiB besides the model", bytes >> 20);
    if (code == EXIT_OK) {
        slmt_status status = slmt_trainer_create(model, &o->config, &t->trainer);
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

static void log_step(training *t, const slmt_training_state *state, const slmt_losses *losses)
{
    bool pretrain = state->stage == SLMT_STAGE_PRETRAIN;
    cJSON *event = journal_event("step");
    cJSON_AddNumberToObject(event, "step", (double)state->step);
    cJSON_AddNumberToObject(event, "epoch", (double)epoch_of(state));
    cJSON_AddNumberToObject(event, "loss", losses->total);
    cJSON_AddNumberToObject(event, pretrain ? "reconstruction" : "l1",
                            pretrain ? losses->reconstruction : losses->l1);
    cJSON_AddNumberToObject(event, pretrain ? "edge" : "consistency",
                            pretrain ? losses->edge : losses->consistency);
    cJSON_AddNumberToObject(event, "learning_rate", losses->learning_rate);
    cJSON_AddNumberToObject(event, "seconds", seconds_now() - t->bar.began);
    journal_write(&t->log, event);
}

static void show_step(training *t, const slmt_training_state *state, const slmt_losses *losses)
{
    uint64_t most = t->options->files.max_steps;
    uint64_t total = state->total_steps;
    if (most && (!total || total - t->bar.first > most))
        total = t->bar.first + most;
    char note[128];
    snprintf(note, sizeof note, "epoch %" PRIu64 ", loss %.5g, learning rate %.3g", epoch_of(state),
             losses->total, losses->learning_rate);
    progress_update(&t->bar, state->step, total, note);
}

static bool checkpoint_due(const training *t, const slmt_training_state *state)
{
    uint64_t interval = state->steps_in_epoch * (uint64_t)t->options->files.checkpoint_every;
    return interval && state->step % interval == 0 && state->step < state->total_steps;
}

static int32_t on_step(void *user, const slmt_training_state *state, const slmt_losses *losses)
{
    training *t = user;
    t->steps++;
    log_step(t, state, losses);
    show_step(t, state, losses);
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
    progress_begin(&t->bar, stage_name(state.stage), "steps", state.step);
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

static int train(const training_options *o)
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
    free(t.source);
    free(t.target);
    return code ? code : report_code ? report_code : log_code;
}

int training_command(int32_t stage, const char *doc, const field *fields, int argc, char **argv)
{
    training_options o = {.stage = stage, .files.checkpoint_every = 1};
    slmt_model_options_init(&o.sizes, SLMT_PRESET_BASE);
    slmt_trainer_config_init(&o.config, stage);
    const option_group groups[] = {
        {"Files and run:", fields, &o.files}, {"Training:", trainer_fields, &o.config},
        {"", stage_fields(stage), &o.config}, {"Sizes of the network:", preset_fields, &o.sizes},
        {"", size_fields, &o.sizes},          {"Common:", common_fields, &o.common},
        {"", log_fields, &o.common},          {"", report_fields, &o.report},
        {"", seed_fields, &o.common},         {0}};
    command_line line = {.doc = doc, .groups = groups};
    options_parse(&line, argc, argv);
    o.config.seed = o.common.seed;
    int code = check_options(&line, &o);
    if (code == EXIT_OK)
        code = train(&o);
    options_free(&line);
    return code;
}
