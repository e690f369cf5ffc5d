/* SPDX-License-Identifier: Apache-2.0 */
/* validation.c - scores a trainer's model between two parts of its run. What was found is in the model's
 * card, "step 300: psnr 21.5; best: step 200, psnr 22.25", so that a run that goes on knows it. */
#include "validation.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "must.h"
#include "outputs.h"
#include "score_split.h"
#include "tool.h"

enum { BATCH = 4 };

static bool is_wanted(const training *t)
{
    return t->options->files.validate_every > 0;
}

static bool keeps_best(const training *t)
{
    return t->options->files.keep == KEEP_BEST;
}

/* ---- what an earlier part of the run found ---- */

static const char form[] = "step %" SCNu64 ": %*s %*f; best: step %" SCNu64 ", %*s %lf";

static void read_card(training *t)
{
    validation *v = &t->validation;
    const char *text = slmt_model_card(slmt_trainer_model(t->trainer), "validation");
    v->best = NAN;
    if (t->options->files.resume && sscanf(text, form, &v->last_step, &v->best_step, &v->best) != 3)
        v->best = NAN;
}

static slmt_status write_card(const training *t, const char *key, double now)
{
    const validation *v = &t->validation;
    char *text = must_format("step %" PRIu64 ": %s %.17g; best: step %" PRIu64 ", %s %.17g", v->last_step,
                             key, now, v->best_step, key, v->best);
    slmt_status status = slmt_model_set_card(slmt_trainer_model(t->trainer), "validation", text);
    free(text);
    return status;
}

/* A run that goes on under another name takes its best weights along. */
static int move_best(training *t)
{
    validation *v = &t->validation;
    slmt_model *model = NULL;
    if (isnan(v->best) || !keeps_best(t) || access(v->best_file, R_OK) == 0)
        return EXIT_OK;
    char *old = must_format("%s.best", t->options->files.resume);
    slmt_status status = slmt_model_load(t->context, old, &model);
    if (status == SLMT_OK)
        status = slmt_model_save(model, v->best_file);
    slmt_model_free(model);
    int code = status == SLMT_OK ? EXIT_OK
                                 : warn("%s: the best weights so far, of step %" PRIu64
                                        ", are not there; the best of the steps to come are kept",
                                        old, v->best_step);
    free(old);
    v->best = status == SLMT_OK ? v->best : NAN;
    return code;
}

/* ---- opening ---- */

static size_t validation_pairs(const training *t)
{
    size_t pairs = 0, contrasts = slmt_dataset_contrast_count(t->dataset);
    for (size_t s = 0; s < slmt_dataset_subject_count(t->dataset); s++) {
        size_t found = 0;
        if (slmt_dataset_subject_split(t->dataset, s) != SLMT_SPLIT_VALIDATION)
            continue;
        for (size_t c = 0; c < contrasts; c++) {
            const char *name = slmt_dataset_contrast(t->dataset, c);
            bool named = strcmp(name, t->source) == 0 || strcmp(name, t->target) == 0;
            found += named && slmt_dataset_slice_count(t->dataset, s, c) > 0;
        }
        pairs += found == 2;
    }
    return pairs;
}

/* What a run without --validate-every may have been meant to be. */
static int check_unwanted(const training *t)
{
    if (keeps_best(t))
        return fail_with(EXIT_USAGE, "--keep best: --validate-every is needed with it");
    if (!t->options->files.resume || !*slmt_model_card(slmt_trainer_model(t->trainer), "validation"))
        return EXIT_OK;
    return warn("%s: was scored on validation subjects on its way; without --validate-every it is no longer",
                t->options->files.resume);
}

/* The file of the best weights may be none that the line names. */
static int check_best_file(const training *t)
{
    path_list files = {0};
    path_list_add(&files, must_copy(t->validation.best_file));
    int code = keeps_best(t) ? outputs_check_files(t->options->line, NULL, &files) : EXIT_OK;
    path_list_free(&files);
    return code;
}

int validation_open(training *t)
{
    const training_files *f = &t->options->files;
    if (!is_wanted(t))
        return check_unwanted(t);
    if (!t->source || !t->target)
        return fail_with(EXIT_USAGE, "--validate-every: %s makes no target contrast that could be compared",
                         t->task);
    if (validation_pairs(t) == 0)
        return fail_with(EXIT_USAGE,
                         "--validate-every: no validation subject of %s has both %s and %s; `slmt prepare "
                         "--validation-fraction' sets some subjects apart",
                         f->data, t->source, t->target);
    t->validation.best_file = must_format("%s.best", f->out);
    read_card(t);
    int code = check_best_file(t);
    return code == EXIT_OK ? move_best(t) : code;
}

bool validation_due(const training *t, const slmt_training_state *state)
{
    uint64_t interval = state->steps_in_epoch * (uint64_t)t->options->files.validate_every;
    return is_wanted(t) && interval && state->step > 0 && state->step != t->validation.last_step &&
           (state->step % interval == 0 || state->step == state->total_steps);
}

/* ---- scoring ---- */

/* PSNR, or the method's first figure with a direction. */
static const figure *leading(const figure_list *list, size_t *index)
{
    for (*index = 0; *index < list->count; ++*index)
        if (strcmp(list->row[*index].key, "psnr") == 0)
            return &list->row[*index];
    *index = 0;
    return &list->row[0];
}

static bool is_better(const training *t, const figure *f, double now)
{
    double best = t->validation.best;
    if (isnan(now))
        return false;
    return isnan(best) || (f->direction == SLMT_METRIC_LOWER ? now < best : now > best);
}

static void log_scores(training *t, const split_scores *s, const scores *mean)
{
    cJSON *event = journal_event("validation");
    cJSON_AddNumberToObject(event, "step", (double)t->validation.last_step);
    cJSON_AddNumberToObject(event, "subjects", (double)s->count);
    for (size_t i = 0; i < s->figures.count; i++)
        cJSON_AddNumberToObject(event, s->figures.row[i].key, mean->value[i]);
    cJSON_AddBoolToObject(event, "best", t->validation.best_step == t->validation.last_step);
    journal_write(&t->log, event);
}

/* Keeps what was found: in the card, and with --keep best the weights too. */
static int keep(training *t, const split_scores *s)
{
    size_t index;
    validation *v = &t->validation;
    const figure *f = leading(&s->figures, &index);
    scores mean = split_mean(s, SCORE_NETWORK, SLMT_DEFINITION_VOLUME);
    double now = mean.value[index];
    bool better = is_better(t, f, now);
    if (better) {
        v->best = now;
        v->best_step = v->last_step;
    }
    log_scores(t, s, &mean);
    say("validation after step %" PRIu64 ": %s %.4g%s", v->last_step, f->column, now,
        better ? ", the best" : "");
    slmt_status status = isnan(now) ? SLMT_OK : write_card(t, f->key, now);
    if (status == SLMT_OK && better && keeps_best(t))
        status = slmt_model_save(slmt_trainer_model(t->trainer), v->best_file);
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", v->best_file);
}

int validation_run(training *t)
{
    slmt_training_state state = {.struct_size = sizeof state};
    slmt_trainer_get_state(t->trainer, &state);
    split_scores s = {0};
    score_options o = SCORE_DEFAULTS;
    o.model_name = t->options->files.out;
    o.set_name = t->options->files.data;
    o.source = t->source;
    o.target = t->target;
    o.split = SLMT_SPLIT_VALIDATION;
    o.batch = BATCH;
    t->validation.last_step = state.step;
    int code = score_split(t->context, slmt_trainer_model(t->trainer), t->dataset, &o, &s);
    if (code == EXIT_OK)
        code = keep(t, &s);
    split_scores_free(&s);
    return code;
}

int validation_close(training *t)
{
    const validation *v = &t->validation;
    const char *out = t->options->files.out;
    slmt_training_state state = {.struct_size = sizeof state};
    slmt_trainer_get_state(t->trainer, &state);
    if (!is_wanted(t) || !keeps_best(t) || isnan(v->best))
        return EXIT_OK;
    if (state.step < state.total_steps) {
        say("%s: the best weights so far, of step %" PRIu64, v->best_file, v->best_step);
        return EXIT_OK;
    }
    if (rename(v->best_file, out) != 0)
        return fail_errno(errno, "%s: cannot become %s", v->best_file, out);
    say("%s: now the best weights, of step %" PRIu64, out, v->best_step);
    return EXIT_OK;
}

void validation_free(training *t)
{
    free(t->validation.best_file);
}
