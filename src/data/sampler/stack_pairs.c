/* SPDX-License-Identifier: Apache-2.0 */
/* stack_pairs.c - draws pairs of sequences, subjects and crops, and reads the stacks of a step. */
#include "data/sampler/stack_pairs.h"

#include <math.h>
#include <string.h>

#include "core/model.h"
#include "data/mr_set.h"
#include "data/sampler/draw.h"
#include "data/sampler/epoch.h"
#include "io/dataset_format.h"

typedef struct stack_shape {
    int64_t slices, rows, columns; /* of a sample */
    int64_t crops;                 /* samples of a subject in an epoch */
    float low, range;              /* values of a sample are low + range * pixel */
} stack_shape;

enum { STACK_SOURCE, STACK_TARGET, STACK_SOURCE_CONTRAST, STACK_TARGET_CONTRAST, STACK_INPUTS };

typedef struct stack_pairs {
    stack_shape shape;
    int32_t input[STACK_INPUTS]; /* of the task */
    uint32_t *subjects;          /* subjects of the training part that have any sequence */
    uint32_t n;
    uint32_t *order; /* of an epoch's samples */
    uint64_t epoch;  /* UINT64_MAX: no epoch yet */
    int32_t *code;   /* by contrast: its sequence's index */
    float *slice;
} stack_pairs;

static uint64_t epoch_samples(const stack_pairs *own)
{
    return (uint64_t)own->n * (uint64_t)own->shape.crops;
}

/* Returns the number of slices at which a stack of both contrasts can begin; 0: none. */
static int64_t places(const feed *f, uint32_t subject, size_t a, size_t b)
{
    const stack_pairs *own = f->own;
    size_t n = mr_set_slices(f->set, subject, a), m = mr_set_slices(f->set, subject, b);
    int64_t count = (int64_t)(n < m ? n : m) - own->shape.slices + 1;
    return count > 0 ? count : 0;
}

static int has_any(const feed *f, uint32_t subject)
{
    for (size_t c = 0; c < f->set->contrasts; c++)
        if (places(f, subject, c, c) > 0)
            return 1;
    return 0;
}

/* ---- sequences ---- */

static const char *contrast_name(const feed *f, size_t contrast)
{
    return dataset_file_field(f->set->file, contrast)->name;
}

/* The names of the model's contrasts come from the first set that the model is trained on. */
static status name_contrasts(feed *f)
{
    const char *names[FIELDS_MAX];
    if (f->model->n_contrasts > 0)
        return OK;
    for (size_t c = 0; c < f->set->contrasts; c++)
        names[c] = contrast_name(f, c);
    return contrasts_set(f->model, names, f->set->contrasts);
}

static status find_codes(feed *f, stack_pairs *own)
{
    void *p;
    char text[1024];
    size_t n = f->set->contrasts;
    if (n > contrasts_most(f->model))
        return fail(ERR_ARGUMENT, "the training set has %zu contrasts, and the model tells %zu apart", n,
                    contrasts_most(f->model));
    TRY(name_contrasts(f));
    TRY(mem_array(f->mem, n, sizeof(int32_t), &p));
    own->code = p;
    for (size_t c = 0; c < n; c++) {
        own->code[c] = contrast_index(f->model, contrast_name(f, c));
        if (own->code[c] < 0)
            return fail(ERR_NOT_FOUND, "the training set has contrast %s, the model's contrasts are %s",
                        contrast_name(f, c), contrasts_text(f->model, text, sizeof text));
    }
    return OK;
}

/* ---- opening ---- */

static status list_subjects(feed *f, stack_pairs *own)
{
    void *p;
    size_t all = dataset_file_records(f->set->file);
    TRY(mem_array(f->mem, all + 1, sizeof(uint32_t), &p));
    own->subjects = p;
    for (uint32_t s = 0; s < all; s++)
        if (dataset_file_record(f->set->file, s)->split == SLMT_SPLIT_TRAIN && has_any(f, s))
            own->subjects[own->n++] = s;
    f->records = own->n;
    f->samples = epoch_samples(own);
    own->n = (uint32_t)floor(own->n * f->at.setting[TRAIN_DATA_RATE] + 1e-9);
    uint64_t n = epoch_samples(own);
    f->records_used = own->n;
    f->samples_used = n;
    f->steps_in_epoch = n / samples_together(f);
    if (f->steps_in_epoch == 0 || n > UINT32_MAX)
        return fail(
            ERR_ARGUMENT,
            "the training set gives %llu samples an epoch (%u subjects with %lld neighbouring slices), a "
            "batch needs %d",
            (unsigned long long)n, own->n, (long long)own->shape.slices, (int)samples_together(f));
    TRY(mem_array(f->mem, n, sizeof(uint32_t), &p));
    own->order = p;
    return OK;
}

void stack_pairs_close(feed *f)
{
    stack_pairs *own = f->own;
    if (!own)
        return;
    mem_give(f->mem, own->subjects);
    mem_give(f->mem, own->order);
    mem_give(f->mem, own->code);
    mem_give(f->mem, own->slice);
    mem_give(f->mem, own);
    f->own = NULL;
}

/* The inputs and the setting that the sampler needs, by their roles. */
static status find_inputs(const feed *f, int32_t input[STACK_INPUTS])
{
    static const int32_t roles[STACK_INPUTS] = {SLMT_ROLE_SOURCE, SLMT_ROLE_TARGET, SLMT_ROLE_SOURCE_CONTRAST,
                                                SLMT_ROLE_TARGET_CONTRAST};
    for (int i = 0; i < STACK_INPUTS; i++)
        if ((input[i] = port_with_role(f->kind->inputs, roles[i])) < 0)
            return fail(ERR_INTERNAL, "task %s lacks an input that the sampler of stacks fills",
                        f->kind->name);
    if (!f->kind->slices || number_with_role(f->kind->settings, SLMT_ROLE_CROPS) < 0)
        return fail(ERR_INTERNAL, "task %s does not say how the sampler of stacks makes samples",
                    f->kind->name);
    return OK;
}

static stack_shape shape_of_samples(const feed *f, int32_t source)
{
    const slicing *rule = f->kind->slices;
    const bk_shape *s = &f->shape[source];
    return (stack_shape){.slices = stacking_of(&f->kind->inputs.rows[source], s).slices,
                         .rows = s->dim[s->rank - 2],
                         .columns = s->dim[s->rank - 1],
                         .crops =
                             (int64_t)f->at.setting[number_with_role(f->kind->settings, SLMT_ROLE_CROPS)],
                         .low = (float)rule->low,
                         .range = (float)(rule->high - rule->low)};
}

static status check_run(const feed *f, const stack_shape *shape)
{
    int32_t side = f->preprocess.image_size;
    if (f->set->contrasts == 0)
        return fail(ERR_STATE, "%s: the set was not made from MR volumes", dataset_file_label(f->set->file));
    if (f->source >= 0 || f->target >= 0)
        return fail(ERR_ARGUMENT,
                    "this task draws source and target from all contrasts of the set; name none");
    if (shape->slices == 0)
        return fail(
            ERR_ARGUMENT,
            "with these options and settings a sample is no stack of slices of a set, which has one time "
            "point and one channel; give samples step by step");
    if (shape->rows > side || shape->columns > side)
        return fail(ERR_ARGUMENT,
                    "settings height = %lld and width = %lld must fit into the training set's images, %d",
                    (long long)shape->rows, (long long)shape->columns, side);
    return OK;
}

status stack_pairs_open(feed *f)
{
    void *p;
    int32_t input[STACK_INPUTS];
    size_t side = (size_t)f->preprocess.image_size;
    TRY(find_inputs(f, input));
    stack_shape shape = shape_of_samples(f, input[STACK_SOURCE]);
    TRY(check_run(f, &shape));
    TRY(mem_zeros(f->mem, 1, sizeof(stack_pairs), &p));
    stack_pairs *own = f->own = p;
    own->shape = shape;
    memcpy(own->input, input, sizeof input);
    own->epoch = UINT64_MAX;
    TRY(mem_array(f->mem, side * side, sizeof(float), &p));
    own->slice = p;
    TRY(list_subjects(f, own));
    return find_codes(f, own);
}

/* ---- a step ---- */

typedef struct pair {
    size_t source, target; /* contrasts */
} pair;

static pair draw_pair(const feed *f, uint32_t subject, random_stream *r)
{
    size_t have[64], n = 0;
    for (size_t c = 0; c < f->set->contrasts && n < 64; c++)
        if (places(f, subject, c, c) > 0)
            have[n++] = c;
    size_t source = have[draw_below(r, (int64_t)n)];
    size_t target = have[draw_below(r, (int64_t)n)];
    return (pair){source, target};
}

/* Returns the subject at an index of the epoch, or the next one that has both contrasts. */
static uint32_t subject_with(const feed *f, const stack_pairs *own, uint32_t place, pair p)
{
    for (uint32_t i = 0; i < own->n; i++) {
        uint32_t s = own->subjects[(place + i) % own->n];
        if (places(f, s, p.source, p.target) > 0)
            return s;
    }
    return own->subjects[place % own->n];
}

/* The position of a sample: its first slice and its corner; `flip` reverses its rows. */
typedef struct crop {
    int64_t slice, row, column;
    int flip;
} crop;

static status read_stack(feed *f, uint32_t subject, size_t contrast, crop at, float *to)
{
    stack_pairs *own = f->own;
    int64_t side = f->preprocess.image_size, h = own->shape.rows, w = own->shape.columns;
    for (int64_t z = 0; z < own->shape.slices; z++) {
        TRY(mr_set_read_slice(f->set, subject, contrast, (size_t)(at.slice + z), SLMT_RESIZE_BILINEAR,
                              own->slice));
        for (int64_t y = 0; y < h; y++)
            for (int64_t x = 0; x < w; x++) {
                int64_t column = at.column + (at.flip ? w - 1 - x : x);
                to[(z * h + y) * w + x] =
                    own->shape.low + own->shape.range * own->slice[(at.row + y) * side + column];
            }
    }
    return OK;
}

static int is_background(const float *x, size_t n, float low)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return fabs(sum / (double)n - (double)low) < 1e-8;
}

/* A crop whose source is background is drawn again, up to a few times. */
static status fill_one(feed *f, uint32_t subject, pair p, random_stream *r, float *source, float *target)
{
    enum { TRIES = 16 };
    const stack_shape *shape = &((stack_pairs *)f->own)->shape;
    int64_t side = f->preprocess.image_size;
    crop at = {0, 0, 0, 0};
    for (int i = 0; i < TRIES; i++) {
        at.slice = draw_below(r, places(f, subject, p.source, p.target));
        at.row = draw_below(r, side - shape->rows + 1);
        at.column = draw_below(r, side - shape->columns + 1);
        at.flip = f->at.setting[TRAIN_AUGMENT] != 0 && random_uniform(r) < 0.5;
        TRY(read_stack(f, subject, p.source, at, source));
        if (!is_background(source, (size_t)(shape->rows * shape->columns * shape->slices), shape->low))
            break;
    }
    return read_stack(f, subject, p.target, at, target);
}

/* The indices of this process's samples in the epoch's order. */
static const uint32_t *places_of_step(const feed *f, stack_pairs *own, uint64_t step)
{
    uint64_t epoch = step / f->steps_in_epoch;
    if (own->epoch != epoch) {
        random_stream r = random_open(f->seed, random_purpose("order", epoch));
        random_permutation(&r, own->order, (uint32_t)epoch_samples(own));
        own->epoch = epoch;
    }
    return own->order + step % f->steps_in_epoch * samples_together(f) +
           (uint64_t)f->rank * (uint64_t)f->at.setting[TRAIN_BATCH];
}

status stack_pairs_fill(feed *f, uint64_t step, void *const *in)
{
    stack_pairs *own = f->own;
    const int32_t *input = own->input;
    uint64_t batch = (uint64_t)f->at.setting[TRAIN_BATCH];
    uint64_t first = step * samples_together(f) + (uint64_t)f->rank * batch;
    size_t one = (size_t)(own->shape.rows * own->shape.columns * own->shape.slices);
    const uint32_t *place = places_of_step(f, own, step);
    random_stream choice =
        random_open(f->seed, random_purpose("pair", step * (uint64_t)f->ranks + (uint64_t)f->rank));
    pair p = draw_pair(f, own->subjects[place[0] % own->n], &choice);
    for (uint64_t i = 0; i < batch; i++) {
        random_stream r = random_open(f->seed, random_purpose("crop", first + i));
        TRY(fill_one(f, subject_with(f, own, place[i] % own->n, p), p, &r,
                     (float *)in[input[STACK_SOURCE]] + i * one, (float *)in[input[STACK_TARGET]] + i * one));
    }
    *(int32_t *)in[input[STACK_SOURCE_CONTRAST]] = own->code[p.source];
    *(int32_t *)in[input[STACK_TARGET_CONTRAST]] = own->code[p.target];
    return OK;
}
