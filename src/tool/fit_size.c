/* SPDX-License-Identifier: Apache-2.0 */
/* fit_size.c - recipes: for each method its sizes from small to large, with the settings that go with them.
 * The largest size is taken that gets enough epochs. */
#include "fit_size.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "fit_speed.h"
#include "must.h"
#include "tool.h"

/* ---- recipes ---- */

typedef struct setting {
    const char *name, *value; /* a NULL name ends a list; a name that the method does not have is left out */
} setting;

typedef struct size {
    const char *name;
    int32_t image_size;
    const setting *options;
    const setting *stages[FIT_STAGES];
} size;

typedef struct recipe {
    const char *method;
    const char *tasks[FIT_STAGES];
    double shares[FIT_STAGES]; /* of the candidate's time */
    bool on_pairs[FIT_STAGES]; /* it trains on pairs, else on single slices */
    const size *sizes;         /* ended by a NULL name */
} recipe;

enum { LEAST_EPOCHS = 40, LEAST_STEPS = 2000, MOST_EPOCHS = 400 };
static const double validation_share = 0.08; /* of a stage's time */
static const double safety = 0.9;

/* Few blocks and small patches learn in minutes (examples/demo/train). */
static const setting minutes[] = {{"preset", "tiny"},
                                  {"mae_patch", "4"},
                                  {"patch", "2"},
                                  {"depth", "2"},
                                  {"generator_depths", "2,1,1,1"},
                                  {0}};
static const setting tiny[] = {{"preset", "tiny"}, {0}};
static const setting small[] = {{"preset", "small"}, {0}};
static const setting base[] = {{"preset", "base"}, {0}};
static const setting pretrain_minutes[] = {{"batch", "8"}, {"learning_rate", "3e-3"}, {0}};
static const setting finetune_minutes[] = {
    {"batch", "2"}, {"learning_rate", "1e-3"}, {"beta2", "0.99"}, {"data_rate", "1"}, {0}};
static const setting pretrain_small[] = {{"batch", "16"}, {0}};
static const setting finetune_small[] = {{"batch", "4"}, {"data_rate", "1"}, {0}};
static const setting pretrain_base[] = {{"batch", "20"}, {0}};
static const setting finetune_base[] = {{"batch", "10"}, {"data_rate", "1"}, {0}};
static const size slmt_net_sizes[] = {
    {"minutes", 128, minutes, {pretrain_minutes, finetune_minutes}},
    {"tiny", 128, tiny, {pretrain_small, finetune_small}},
    {"small", 256, small, {pretrain_small, finetune_small}},
    {"base", 256, base, {pretrain_base, finetune_base}},
    {0},
};

static const setting unet_batch[] = {{"batch", "4"}, {0}};
static const size unet_sizes[] = {
    {"small", 128, small, {unet_batch}},
    {"base", 128, base, {unet_batch}},
    {0},
};

static const recipe recipes[] = {
    {"slmt-net", {"pretrain", "finetune"}, {0.4, 0.6}, {false, true}, slmt_net_sizes},
    {"unet", {"train"}, {1}, {true}, unet_sizes},
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

static const recipe *find_recipe(const char *method)
{
    slmt_method_info info;
    for (size_t i = 0; i < RECIPES; i++)
        if (strcmp(recipes[i].method, method) == 0 && method_find(method, &info))
            return &recipes[i];
    return NULL;
}

bool fit_knows(const char *method)
{
    return find_recipe(method) != NULL;
}

/* ---- epochs ---- */

int fit_epochs(double seconds, double step_seconds, size_t samples, size_t batch, double *part)
{
    double steps = floor((double)samples / (double)batch);
    double epochs = steps > 0 ? seconds / (steps * step_seconds) : 1;
    *part = fmin(1, fmax(epochs, 1 / fmax(steps, 1)));
    return (int)fmin(fmax(floor(epochs), 1), MOST_EPOCHS);
}

/* ---- candidates ---- */

static void set_number(number_list *list, number_owner owner, const char *name, double value)
{
    char text[32], reason[NUMBER_REASON];
    slmt_number_info info;
    snprintf(text, sizeof text, "%.9g", value);
    if (number_named(owner, name, &info))
        number_list_set(list, owner, name, text, reason);
}

static void set_all(number_list *list, number_owner owner, const setting *settings)
{
    char reason[NUMBER_REASON];
    slmt_number_info info;
    for (; settings && settings->name; settings++)
        if (number_named(owner, settings->name, &info))
            number_list_set(list, owner, settings->name, settings->value, reason);
}

static double number_of(const number_list *list, number_owner owner, const char *name)
{
    double value;
    slmt_number_info info;
    if (number_in_list(list, name, &value, NULL))
        return value;
    return number_named(owner, name, &info) ? info.initial : 0;
}

static void add_stage(fit_candidate *c, const recipe *r, const size *s, size_t i)
{
    fit_stage *stage = &c->stages[c->stage_count++];
    *stage = (fit_stage){.task = must_copy(r->tasks[i])};
    set_all(&stage->settings, (number_owner){r->method, r->tasks[i]}, s->stages[i]);
}

/* A batch that leaves 16 steps to an epoch, and is no larger than the recipe's. */
static void limit_batch(const recipe *r, const fit_budget *b, fit_stage *stage, size_t i)
{
    number_owner owner = {r->method, stage->task};
    size_t samples = r->on_pairs[i] ? b->pairs : b->singles, most = samples / 16 ? samples / 16 : 1;
    double batch = number_of(&stage->settings, owner, "batch");
    if (batch > (double)most)
        set_number(&stage->settings, owner, "batch", (double)most);
}

static fit_candidate make_candidate(const recipe *r, const size *s, const fit_budget *b, int32_t image_size)
{
    fit_candidate c = {.method = must_copy(r->method)};
    number_owner owner = {r->method, NULL};
    set_all(&c.options, owner, s->options);
    set_number(&c.options, owner, "image_size", image_size);
    for (size_t i = 0; i < FIT_STAGES && r->tasks[i]; i++) {
        add_stage(&c, r, s, i);
        limit_batch(r, b, &c.stages[i], i);
    }
    return c;
}

/* Measures a step of each stage; a batch whose trainer is too large for the memory is halved. */
static int measure_stages(slmt_context *context, const fit_budget *b, fit_candidate *c, fit_size *found)
{
    int code = EXIT_OK;
    for (size_t i = 0; i < c->stage_count && code == EXIT_OK; i++) {
        fit_stage *stage = &c->stages[i];
        number_owner owner = {c->method, stage->task};
        fit_speed speed;
        for (;;) {
            code = fit_speed_measure(context, c->method, &c->options, stage->task, &stage->settings,
                                     fmin(2, b->seconds / 100), b->bytes, &speed);
            double batch = number_of(&stage->settings, owner, "batch");
            if (code != EXIT_OK || isfinite(speed.seconds) || batch < 2)
                break;
            set_number(&stage->settings, owner, "batch", floor(batch / 2));
        }
        found->step_seconds[i] = speed.seconds;
        found->bytes = speed.bytes > found->bytes ? speed.bytes : found->bytes;
    }
    return code;
}

/* Epochs of every stage that its share of the time allows, and what else depends on them. */
static void set_epochs(const recipe *r, const fit_budget *b, double seconds, fit_candidate *c,
                       const fit_size *found)
{
    for (size_t i = 0; i < c->stage_count; i++) {
        fit_stage *stage = &c->stages[i];
        number_owner owner = {c->method, stage->task};
        double part, batch = number_of(&stage->settings, owner, "batch");
        stage->seconds = round(r->shares[i] * seconds);
        double training = safety * stage->seconds * (i + 1 == c->stage_count ? 1 - validation_share : 1);
        int epochs = fit_epochs(training, found->step_seconds[i], r->on_pairs[i] ? b->pairs : b->singles,
                                (size_t)batch, &part);
        set_number(&stage->settings, owner, "epochs", epochs);
        set_number(&stage->settings, owner, "data_rate", part);
        double warmup = number_of(&stage->settings, owner, "warmup_epochs");
        set_number(&stage->settings, owner, "warmup_epochs", fmin(warmup, fmax(1, floor(epochs / 20.0))));
        set_number(&stage->settings, owner, "decay_epochs", fmax(1, floor(0.75 * epochs)));
    }
}

static bool has_enough(const recipe *r, const fit_budget *b, const fit_candidate *c, const fit_size *found)
{
    for (size_t i = 0; i < c->stage_count; i++) {
        number_owner owner = {c->method, c->stages[i].task};
        double batch = number_of(&c->stages[i].settings, owner, "batch");
        double epochs = number_of(&c->stages[i].settings, owner, "epochs");
        double part = number_of(&c->stages[i].settings, owner, "data_rate");
        double steps = epochs * floor(part * (double)(r->on_pairs[i] ? b->pairs : b->singles) / batch);
        if (!isfinite(found->step_seconds[i]) || epochs < LEAST_EPOCHS ||
            (r->on_pairs[i] && steps < LEAST_STEPS))
            return false;
    }
    return true;
}

static void free_candidate(fit_candidate *c)
{
    fit_plan plan = {.candidates = {*c}, .candidate_count = 1};
    fit_plan_free(&plan);
}

/* Goes up the recipe's sizes while each gets enough epochs. `image_size` 0: free, and then chosen. */
static int choose_size(slmt_context *context, const recipe *r, const fit_budget *b, double seconds,
                       int32_t *image_size, fit_candidate *chosen, fit_size *found)
{
    int code = EXIT_OK;
    int32_t free_size = *image_size;
    for (const size *s = r->sizes; s->name && code == EXIT_OK; s++) {
        int32_t side = free_size ? free_size : s->image_size;
        fit_candidate c = make_candidate(r, s, b, side);
        fit_size now = {.method = r->method, .size = s->name};
        code = measure_stages(context, b, &c, &now);
        set_epochs(r, b, seconds, &c, &now);
        bool first = s == r->sizes, enough = code == EXIT_OK && has_enough(r, b, &c, &now);
        if (!first && !enough) {
            free_candidate(&c);
            break;
        }
        if (!first)
            free_candidate(chosen);
        *chosen = c;
        *found = now;
        *image_size = side;
        if (!enough)
            break;
    }
    return code;
}

static int check_memory(const fit_budget *b, const fit_candidate *c, const fit_size *found)
{
    for (size_t i = 0; i < c->stage_count; i++)
        if (!isfinite(found->step_seconds[i]))
            return fail_with(EXIT_MEMORY, "the smallest %s needs %llu MiB to train, --memory allows %llu MiB",
                             c->method, (unsigned long long)(found->bytes >> 20) + 1,
                             (unsigned long long)(b->bytes >> 20));
    return EXIT_OK;
}

int fit_size_choose(slmt_context *context, const fit_budget *budget, fit_plan *plan,
                    fit_size sizes[FIT_CANDIDATES])
{
    int32_t image_size = 0;
    size_t count = 0;
    int code = EXIT_OK;
    for (size_t i = 0; i < RECIPES; i++)
        count += fit_knows(recipes[i].method);
    for (size_t i = 0; i < RECIPES && code == EXIT_OK; i++) {
        if (!fit_knows(recipes[i].method))
            continue;
        fit_candidate *c = &plan->candidates[plan->candidate_count];
        fit_size *found = &sizes[plan->candidate_count];
        say("measuring steps of %s", recipes[i].method);
        code =
            choose_size(context, &recipes[i], budget, budget->seconds / (double)count, &image_size, c, found);
        plan->candidate_count++;
        if (code == EXIT_OK)
            code = check_memory(budget, c, found);
    }
    plan->preprocess.image_size = image_size;
    return code;
}
