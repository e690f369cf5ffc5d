/* SPDX-License-Identifier: Apache-2.0 */
/* views.c - draws slices, and makes views of them. */
#include "data/sampler/views.h"

#include <string.h>

#include "core/dataset.h"
#include "data/sampler/draw.h"
#include "data/sampler/epoch.h"
#include "data/sampler/whole_slices.h"
#include "data/view.h"

enum { DRAWS = 2 };

/* A slice of a record. */
typedef struct drawn {
    uint32_t record;
    int64_t slice;
} drawn;

typedef struct views {
    whole_slices from;
    view_plan plan;
    int32_t image;     /* the input */
    uint32_t *volumes; /* of a draw, in the order drawn */
    drawn *slices;     /* [DRAWS][batch] */
    float *spare;      /* a slice, and a cut of it */
} views;

static size_t batch_of(const feed *f)
{
    return (size_t)f->at.setting[TRAIN_BATCH];
}

int64_t partition_length(int64_t slices, int32_t partitions)
{
    return slices / partitions;
}

int64_t partition_first(int64_t slices, int32_t partitions, int32_t k)
{
    return k * partition_length(slices, partitions);
}

/* ---- opening ---- */

void views_close(feed *f)
{
    views *own = f->own;
    if (!own)
        return;
    whole_slices_close(f, &own->from);
    mem_give(f->mem, own->volumes);
    mem_give(f->mem, own->slices);
    mem_give(f->mem, own->spare);
    mem_give(f->mem, own);
    f->own = NULL;
}

/* Enough volumes for a batch, each with a slice of every partition. */
static status check_volumes(const feed *f, const views *own)
{
    int32_t partitions = own->plan.partitions;
    const char *label = dataset_file_label(f->set->file);
    if (partitions == 0)
        return OK;
    if (own->from.n < batch_of(f) / (size_t)partitions)
        return fail(ERR_ARGUMENT, "%s: a batch of %d with %d partitions is of %d volumes, and the set has %u",
                    label, (int)batch_of(f), (int)partitions, (int)batch_of(f) / (int)partitions,
                    own->from.n);
    for (uint32_t i = 0; i < own->from.n; i++)
        if (whole_slices_of(&own->from, i) < partitions)
            return fail(ERR_ARGUMENT, "%s: %s has %d slices, fewer than the %d partitions", label,
                        dataset_file_record(f->set->file, own->from.records[i])->id,
                        (int)whole_slices_of(&own->from, i), (int)partitions);
    return OK;
}

static status take_room(feed *f, views *own)
{
    void *p;
    size_t pixels = (size_t)(own->from.side * own->from.side), cut = (size_t)own->plan.crop;
    TRY(mem_array(f->mem, own->from.n, sizeof(uint32_t), &p));
    own->volumes = p;
    TRY(mem_array(f->mem, DRAWS * batch_of(f), sizeof(drawn), &p));
    own->slices = p;
    TRY(mem_array(f->mem, pixels + cut * cut, sizeof(float), &p));
    own->spare = p;
    return OK;
}

status views_open(feed *f)
{
    void *p;
    const view_rule *rule = f->rule;
    TRY(mem_zeros(f->mem, 1, sizeof(views), &p));
    views *own = f->own = p;
    own->plan = rule->plan(f->at);
    own->image = port_with_role(f->kind->inputs, SLMT_ROLE_SOURCE);
    if (own->image < 0)
        return fail(ERR_INTERNAL, "a task that the sampler of views feeds has an input of role SOURCE");
    own->from.scan.channels = f->shape[own->image].dim[2];
    own->from.side = f->shape[own->image].dim[3];
    TRY(scan_find_images(f, &own->from.scan));
    TRY(scan_order_images(f, &own->from.scan));
    TRY(whole_slices_open(f, &own->from, 0));
    TRY(check_volumes(f, own));
    f->steps_in_epoch = (uint64_t)own->plan.steps;
    f->samples = f->samples_used = f->steps_in_epoch * samples_together(f);
    return take_room(f, own);
}

/* ---- drawing slices ---- */

/* Any slice, each with equal odds. */
static drawn draw_anywhere(const whole_slices *from, random_stream *r)
{
    uint64_t nth = (uint64_t)draw_below(r, (int64_t)from->before[from->n]);
    uint32_t record = 0;
    while (from->before[record + 1] <= nth)
        record++;
    return (drawn){record, (int64_t)(nth - from->before[record])};
}

/* A slice of each partition of volumes that differ. */
static void draw_partitions(views *own, random_stream *r, size_t batch, drawn *to)
{
    int32_t partitions = own->plan.partitions;
    random_permutation(r, own->volumes, own->from.n);
    for (size_t i = 0; i < batch; i++) {
        uint32_t record = own->volumes[i / (size_t)partitions];
        int64_t slices = whole_slices_of(&own->from, record);
        int32_t k = (int32_t)(i % (size_t)partitions);
        to[i] = (drawn){record, partition_first(slices, partitions, k) +
                                    draw_below(r, partition_length(slices, partitions))};
    }
}

static void draw_slices(const feed *f, views *own, uint64_t step)
{
    size_t batch = batch_of(f);
    for (uint64_t d = 0; d < DRAWS; d++) {
        uint64_t nth = (step * (uint64_t)f->ranks + (uint64_t)f->rank) * DRAWS + d;
        random_stream r = random_open(f->seed, random_purpose("slices", nth));
        if (own->plan.partitions)
            draw_partitions(own, &r, batch, own->slices + d * batch);
        for (size_t i = 0; !own->plan.partitions && i < batch; i++)
            own->slices[d * batch + i] = draw_anywhere(&own->from, &r);
    }
}

/* ---- making views ---- */

/* How a view differs from its slice: the same for all of its channels. */
typedef struct view_change {
    view_kind kind;
    int corner[2];
    double brightness, contrast;
} view_change;

static view_change draw_change(const views *own, view_kind kind, random_stream *r)
{
    const view_plan *p = &own->plan;
    view_change c = {.kind = kind};
    for (int i = 0; i < 2; i++)
        c.corner[i] = p->corner[0] + (int)draw_below(r, p->corner[1] - p->corner[0] + 1);
    c.brightness = p->brightness * (2 * random_uniform(r) - 1);
    c.contrast = 1 + p->contrast * (2 * random_uniform(r) - 1);
    return c;
}

/* own->spare holds the slice. */
static void make_view(const views *own, const view_change *c, float *to)
{
    int side = (int)own->from.side;
    size_t pixels = (size_t)side * (size_t)side;
    if (c->kind == VIEW_CUT)
        view_cut(own->spare, side, side, own->plan.crop, c->corner, to, own->spare + pixels);
    else
        memcpy(to, own->spare, pixels * sizeof(float));
    if (c->kind != VIEW_PLAIN)
        view_tone(to, pixels, c->brightness, c->contrast, 0, 1.5);
}

static status fill_view(feed *f, views *own, const drawn *d, const view_change *c, float *to)
{
    size_t pixels = (size_t)(own->from.side * own->from.side);
    for (int64_t k = 0; k < own->from.scan.channels; k++) {
        TRY(whole_slices_read(f, &own->from, d->record, d->slice, k, own->spare));
        make_view(own, c, to + (size_t)k * pixels);
    }
    return OK;
}

status views_fill(feed *f, uint64_t step, void *const *in)
{
    views *own = f->own;
    size_t batch = batch_of(f), views_ = (size_t)own->plan.views;
    size_t one = (size_t)(own->from.scan.channels * own->from.side * own->from.side);
    int changes = f->at.setting[TRAIN_AUGMENT] != 0;
    draw_slices(f, own, step);
    for (size_t i = 0; i < batch * views_; i++) {
        uint64_t nth = (step * (uint64_t)f->ranks + (uint64_t)f->rank) * batch * views_ + i;
        random_stream r = random_open(f->seed, random_purpose("view", nth));
        size_t v = i % views_, draw = (size_t)own->plan.view[v].draw;
        view_change c = draw_change(own, changes ? own->plan.view[v].kind : VIEW_PLAIN, &r);
        TRY(fill_view(f, own, &own->slices[draw * batch + i / views_], &c,
                      (float *)in[own->image] + i * one));
    }
    return OK;
}
