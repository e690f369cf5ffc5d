/* SPDX-License-Identifier: Apache-2.0 */
/* slices.c - lists the slices of a set that a run trains on, and reads those of a step. */
#include "data/sampler/slices.h"

#include <math.h>

#include "data/mr_set.h"

/* One training example: a slice of a subject, in one contrast or in two. */
typedef struct example {
    uint32_t subject, slice;
    int32_t source, target; /* contrast indices; target -1 if there is none */
} example;

typedef struct slices {
    example *items;
    uint32_t n;
    uint32_t *order;                    /* of the epoch that was requested last */
    uint64_t epoch;                     /* UINT64_MAX: no epoch yet */
    float *spare;                       /* one slice, for augmentation */
    int32_t stack;                      /* slices of a source */
    int32_t source_input, target_input; /* target_input -1: single slices */
} slices;

/* ---- the list ---- */

static size_t common_slices(const feed *f, size_t subject, size_t contrast)
{
    size_t n = mr_set_slices(f->set, subject, contrast);
    if (f->target >= 0 && mr_set_slices(f->set, subject, (size_t)f->target) < n)
        n = mr_set_slices(f->set, subject, (size_t)f->target);
    return n;
}

/* Slices of a subject in one contrast that are trained on: those of the contrast that the caller named, or of
 * every contrast. */
static size_t examples_of(const feed *f, size_t subject, size_t contrast)
{
    if (dataset_file_record(f->set->file, subject)->split != SLMT_SPLIT_TRAIN)
        return 0;
    return f->source >= 0 && (size_t)f->source != contrast ? 0 : common_slices(f, subject, contrast);
}

/* Counts the examples, every step-th slice, and writes the first `room` of them, in the set's order. */
static uint64_t list_examples(const feed *f, size_t step, example *items, uint64_t room)
{
    uint64_t n = 0;
    for (size_t s = 0; s < dataset_file_records(f->set->file); s++)
        for (size_t c = 0; c < f->set->contrasts; c++) {
            size_t count = examples_of(f, s, c);
            for (size_t k = 0; k < count; k += step, n++)
                if (n < room)
                    items[n] = (example){(uint32_t)s, (uint32_t)k, (int32_t)c, f->target};
        }
    return n;
}

static size_t slice_step(const feed *f)
{
    const slice_rule *rule = f->rule;
    int32_t place = rule->step ? number_index(f->kind->settings, rule->step) : -1;
    return place < 0 ? 1 : (size_t)f->at.setting[number_place(f->kind->settings, place)];
}

static status make_list(feed *f, slices *own)
{
    void *p;
    size_t step = slice_step(f);
    uint64_t all = list_examples(f, 1, NULL, 0), listed = list_examples(f, step, NULL, 0);
    uint64_t used = (uint64_t)floor((double)listed * f->at.setting[TRAIN_DATA_RATE] + 1e-9);
    if (used > UINT32_MAX)
        return fail(ERR_ARGUMENT, "the set has more than %u training slices", UINT32_MAX);
    TRY(mem_array(f->mem, used ? used : 1, sizeof(example), &p));
    own->items = p;
    TRY(mem_array(f->mem, used ? used : 1, sizeof(uint32_t), &p));
    own->order = p;
    own->n = (uint32_t)used;
    list_examples(f, step, own->items, used);
    f->samples = all;
    f->samples_used = used;
    return OK;
}

/* Examples come in the order of subjects. */
static void count_records(feed *f, const slices *own)
{
    f->records = f->records_used = 0;
    for (size_t s = 0; s < dataset_file_records(f->set->file); s++) {
        size_t n = 0;
        for (size_t c = 0; c < f->set->contrasts; c++)
            n += examples_of(f, s, c);
        f->records += n > 0;
    }
    for (uint32_t i = 0; i < own->n; i++)
        f->records_used += i == 0 || own->items[i].subject != own->items[i - 1].subject;
}

/* Returns the example at an index of an epoch's shuffled order. */
static const example *example_at(slices *own, uint64_t seed, uint64_t epoch, uint32_t place)
{
    if (own->epoch != epoch) {
        random_stream r = random_open(seed, random_purpose("order", epoch));
        random_permutation(&r, own->order, own->n);
        own->epoch = epoch;
    }
    return &own->items[own->order[place]];
}

/* ---- the sampler ---- */

static status check_run(const feed *f, int32_t source, int32_t target)
{
    if (source < 0)
        return fail(ERR_INTERNAL, "a task that the sampler of slices feeds has an input of role SOURCE");
    const bk_shape *shape = &f->shape[source];
    int side = f->preprocess.image_size;
    if (f->set->contrasts == 0)
        return fail(ERR_STATE, "%s: the set was not made from MR volumes", dataset_file_label(f->set->file));
    if (target < 0 && f->target >= 0)
        return fail(ERR_ARGUMENT, "this task learns from single slices, so that it takes no target contrast");
    if (target >= 0 && (f->source < 0 || f->target < 0))
        return fail(
            ERR_ARGUMENT,
            "this task learns from pairs of slices: both the source and the target contrast are needed");
    if (shape->dim[shape->rank - 1] != side || shape->dim[shape->rank - 2] != side)
        return fail(ERR_ARGUMENT, "the training set's images have %d x %d pixels, the model's %lld x %lld",
                    side, side, (long long)shape->dim[shape->rank - 2],
                    (long long)shape->dim[shape->rank - 1]);
    return OK;
}

status slices_open(feed *f)
{
    void *p;
    size_t side = (size_t)f->preprocess.image_size;
    int32_t source = port_with_role(f->kind->inputs, SLMT_ROLE_SOURCE);
    int32_t target = port_with_role(f->kind->inputs, SLMT_ROLE_TARGET);
    TRY(check_run(f, source, target));
    TRY(mem_zeros(f->mem, 1, sizeof(slices), &p));
    slices *own = f->own = p;
    own->epoch = UINT64_MAX;
    own->source_input = source;
    own->target_input = target;
    own->stack = f->shape[source].rank == 4 ? (int32_t)f->shape[source].dim[1] : 1;
    TRY(mem_array(f->mem, side * side, sizeof(float), &p));
    own->spare = p;
    TRY(make_list(f, own));
    count_records(f, own);
    uint64_t together = (uint64_t)f->at.setting[TRAIN_BATCH] * (uint64_t)f->ranks;
    f->steps_in_epoch = own->n / together;
    if (f->steps_in_epoch == 0)
        return fail(ERR_ARGUMENT,
                    "of the training set's %llu slices %u are used (setting data_rate is %g, and a slice is "
                    "taken of every %zu), a batch needs %d",
                    (unsigned long long)f->samples, own->n, f->at.setting[TRAIN_DATA_RATE], slice_step(f),
                    (int)together);
    return OK;
}

void slices_close(feed *f)
{
    slices *own = f->own;
    if (!own)
        return;
    mem_give(f->mem, own->items);
    mem_give(f->mem, own->order);
    mem_give(f->mem, own->spare);
    mem_give(f->mem, own);
    f->own = NULL;
}

/* The slice in place j of an example's stack. */
static size_t slice_in_place(const feed *f, const example *x, int32_t j)
{
    int64_t slice = (int64_t)x->slice + j - ((slices *)f->own)->stack / 2;
    int64_t last = (int64_t)mr_set_slices(f->set, x->subject, (size_t)x->source) - 1;
    return (size_t)(slice < 0 ? 0 : slice > last ? last : slice);
}

/* target NULL: single slices. */
static status read_example(feed *f, const example *x, size_t pixels, float *source, float *target)
{
    const slices *own = f->own;
    for (int32_t j = 0; j < own->stack; j++)
        TRY(mr_set_read_slice(f->set, x->subject, (size_t)x->source, slice_in_place(f, x, j),
                              SLMT_RESIZE_BILINEAR, source + (size_t)j * pixels));
    return target ? mr_set_read_slice(f->set, x->subject, (size_t)x->target, x->slice,
                                      f->preprocess.target_resize, target)
                  : OK;
}

static status fill_one(feed *f, const example *x, const random_stream *r, float *source, float *target)
{
    slices *own = f->own;
    const slice_rule *rule = f->rule;
    int side = f->preprocess.image_size;
    size_t pixels = (size_t)side * (size_t)side;
    TRY(read_example(f, x, pixels, source, target));
    for (int32_t j = 0; j < own->stack && f->at.setting[TRAIN_AUGMENT] != 0; j++) {
        random_stream same = *r;
        rule->augment(source + (size_t)j * pixels, j == own->stack / 2 ? target : NULL, side, own->spare,
                      &same);
    }
    return OK;
}

/* Reads and augments the examples of a step: sources and, of pairs, targets. */
status slices_fill(feed *f, uint64_t step, void *const *in)
{
    size_t batch = (size_t)f->at.setting[TRAIN_BATCH], side = (size_t)f->preprocess.image_size;
    const slices *own = f->own;
    float *sources = in[own->source_input], *targets = own->target_input < 0 ? NULL : in[own->target_input];
    for (size_t i = 0; i < batch; i++) {
        uint64_t place = (uint64_t)f->rank * batch + i, together = (uint64_t)f->ranks * batch;
        const example *x = example_at(f->own, f->seed, step / f->steps_in_epoch,
                                      (uint32_t)(step % f->steps_in_epoch * together + place));
        random_stream r = random_open(f->seed, random_purpose("augment", step * together + place));
        TRY(fill_one(f, x, &r, sources + i * (size_t)own->stack * side * side,
                     targets ? targets + i * side * side : NULL));
    }
    return OK;
}
