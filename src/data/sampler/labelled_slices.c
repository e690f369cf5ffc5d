/* SPDX-License-Identifier: Apache-2.0 */
/* labelled_slices.c - draws slices with labels, and changes both. */
#include "data/sampler/labelled_slices.h"

#include <math.h>
#include <string.h>

#include "core/dataset.h"
#include "data/sampler/draw.h"
#include "data/sampler/epoch.h"
#include "data/sampler/whole_slices.h"
#include "data/view.h"
#include "data/warp.h"

#define PI 3.14159265358979323846

typedef struct labelled {
    whole_slices from;
    labelled_plan plan;
    int32_t image, target; /* inputs */
    float *slice;          /* a plane before it is changed */
    float *labels;         /* of a slice, as stored */
    float *flow;           /* of one sample */
} labelled;

static size_t pixels_of(const labelled *own)
{
    return (size_t)(own->from.side * own->from.side);
}

/* ---- opening ---- */

void labelled_close(feed *f)
{
    labelled *own = f->own;
    if (!own)
        return;
    whole_slices_close(f, &own->from);
    mem_give(f->mem, own->slice);
    mem_give(f->mem, own->labels);
    mem_give(f->mem, own->flow);
    mem_give(f->mem, own);
    f->own = NULL;
}

static status read_shapes(const feed *f, labelled *own)
{
    own->image = port_with_role(f->kind->inputs, SLMT_ROLE_SOURCE);
    own->target = port_with_role(f->kind->inputs, SLMT_ROLE_PROBABILITIES);
    if (own->image < 0 || own->target < 0)
        return fail(ERR_INTERNAL, "a task that the sampler of labelled slices feeds has inputs of roles "
                                  "SOURCE and PROBABILITIES");
    own->from.scan.channels = f->shape[own->image].dim[1];
    own->from.side = f->shape[own->image].dim[2];
    return OK;
}

static status take_room(feed *f, labelled *own)
{
    void *p;
    TRY(mem_array(f->mem, pixels_of(own), sizeof(float), &p));
    own->slice = p;
    TRY(mem_array(f->mem, pixels_of(own), sizeof(float), &p));
    own->labels = p;
    TRY(mem_array(f->mem, 2 * pixels_of(own), sizeof(float), &p));
    own->flow = p;
    return OK;
}

status labelled_open(feed *f)
{
    void *p;
    const labelled_rule *rule = f->rule;
    TRY(mem_zeros(f->mem, 1, sizeof(labelled), &p));
    labelled *own = f->own = p;
    own->plan = rule->plan(f->at);
    TRY(read_shapes(f, own));
    own->from.scan.ignored = INT32_MIN; /* every pixel counts */
    own->from.scan.classes = rule->classes(f->at, own->from.scan.values);
    TRY(scan_find_images(f, &own->from.scan));
    TRY(scan_find_labels(f, &own->from.scan, rule->labels));
    TRY(scan_order_images(f, &own->from.scan));
    TRY(whole_slices_open(f, &own->from, 1));
    f->steps_in_epoch = (uint64_t)own->plan.steps;
    f->samples = f->samples_used = f->steps_in_epoch * samples_together(f);
    return take_room(f, own);
}

/* ---- turned, scaled, mirrored ---- */

typedef struct turn {
    double angle, scale;
    int mirrored;
} turn;

static turn draw_turn(random_stream *r)
{
    turn t = {.scale = 1};
    int64_t kind = draw_below(r, 5), eighths = draw_below(r, 8);
    double u = 2 * random_uniform(r) - 1;
    if (kind == 0)
        t.angle = 15 * u * PI / 180;
    else if (kind == 1)
        t.scale = round(100 * (1 + 0.05 * u)) / 100;
    else if (kind == 2)
        t.mirrored = u < 0;
    else if (kind == 3)
        t.angle = (double)eighths * PI / 4;
    return t;
}

/* from and to differ. */
static void apply_turn(const turn *t, int side, int nearest, const float *from, float *to)
{
    if (t->angle != 0 || t->scale != 1) {
        warp_turn(from, side, side, t->angle, t->scale, nearest, to);
        return;
    }
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            to[y * side + x] = from[y * side + (t->mirrored ? side - 1 - x : x)];
}

static int is_empty(const labelled *own, const float *image)
{
    float most = 0;
    for (size_t i = 0; i < pixels_of(own) * (size_t)own->from.scan.channels; i++)
        most = image[i] > most ? image[i] : most;
    return most <= 0.001F;
}

/* ---- a sample ---- */

/* Class by class, where the labels have it. What comes from outside of the slice is of class 0. */
static status put_classes(const feed *f, const labelled *own, float *to)
{
    size_t pixels = pixels_of(own);
    for (size_t i = 0; i < pixels; i++) {
        int32_t value = (int32_t)own->labels[i], k = scan_class(&own->from.scan, value);
        if (k < 0)
            return scan_no_class(f, &own->from.scan, value);
        for (int32_t j = 0; j < own->from.scan.classes; j++)
            to[(size_t)j * pixels + i] = j == k;
    }
    return OK;
}

/* Reads a slice to [channel][pixels], and its labels to own->labels. */
static status read_sample(feed *f, labelled *own, random_stream *r, float *image)
{
    whole_slices *from = &own->from;
    uint64_t nth = (uint64_t)draw_below(r, (int64_t)from->before[from->n]);
    uint32_t record = 0;
    while (from->before[record + 1] <= nth)
        record++;
    int64_t slice = (int64_t)(nth - from->before[record]), channels = from->scan.channels;
    for (int64_t c = 0; c < channels; c++)
        TRY(whole_slices_read(f, from, record, slice, c, image + (size_t)c * pixels_of(own)));
    return whole_slices_read(f, from, record, slice, channels, own->labels);
}

static void turn_image(labelled *own, const turn *t, float *image)
{
    memcpy(own->slice, image, pixels_of(own) * sizeof(float));
    apply_turn(t, (int)own->from.side, 0, own->slice, image);
}

/* Classes are turned one by one, so that what comes from outside is 0 in each of them, and then the first. */
static void turn_classes(labelled *own, const turn *t, float *classes)
{
    size_t pixels = pixels_of(own);
    for (int32_t j = 1; j < own->from.scan.classes; j++) {
        memcpy(own->slice, classes + (size_t)j * pixels, pixels * sizeof(float));
        apply_turn(t, (int)own->from.side, 1, own->slice, classes + (size_t)j * pixels);
    }
    for (size_t i = 0; i < pixels; i++) {
        classes[i] = 1;
        for (int32_t j = 1; j < own->from.scan.classes; j++)
            classes[i] -= classes[(size_t)j * pixels + i];
    }
}

/* Contrast by 0.8 to 1.2, or brightness by up to 0.1. */
static void change_tone(labelled *own, random_stream *r, int contrast, float *image)
{
    double u = 2 * random_uniform(r) - 1;
    for (int64_t c = 0; c < own->from.scan.channels; c++)
        view_tone(image + (size_t)c * pixels_of(own), pixels_of(own), contrast ? 0 : 0.1 * u,
                  contrast ? 1 + 0.2 * u : 1, -HUGE_VAL, HUGE_VAL);
}

static void bend(labelled *own, random_stream *r, float *image, float *classes)
{
    double grid[2][WARP_GRID][WARP_GRID];
    int side = (int)own->from.side;
    size_t pixels = pixels_of(own), channels = (size_t)own->from.scan.channels;
    for (int i = 0; i < 2 * WARP_GRID * WARP_GRID; i++)
        (&grid[0][0][0])[i] = own->plan.bend * random_normal(r);
    warp_flow((const double(*)[WARP_GRID][WARP_GRID])grid, side, side, own->flow);
    for (size_t p = 0; p < channels + (size_t)own->from.scan.classes; p++) {
        float *plane = p < channels ? image + p * pixels : classes + (p - channels) * pixels;
        memcpy(own->slice, plane, pixels * sizeof(float));
        warp_bend(own->slice, side, side, own->flow, plane);
    }
}

/* How many slices at the beginning of a batch are not bent. */
static size_t draw_straight(const feed *f, uint64_t step, size_t batch)
{
    uint64_t nth = step * (uint64_t)f->ranks + (uint64_t)f->rank;
    random_stream r = random_open(f->seed, random_purpose("straight", nth));
    return 1 + (size_t)draw_below(&r, batch > 3 ? (int64_t)batch - 2 : 1);
}

static status fill_one(feed *f, uint64_t step, size_t i, size_t straight, float *image, float *classes)
{
    labelled *own = f->own;
    size_t batch = (size_t)f->at.setting[TRAIN_BATCH];
    uint64_t nth = (step * (uint64_t)f->ranks + (uint64_t)f->rank) * batch + i;
    random_stream r = random_open(f->seed, random_purpose("labelled", nth));
    TRY(read_sample(f, own, &r, image));
    TRY(put_classes(f, own, classes));
    if (f->at.setting[TRAIN_AUGMENT] == 0)
        return OK;
    turn t = draw_turn(&r);
    if (!is_empty(own, image)) {
        for (int64_t c = 0; c < own->from.scan.channels; c++)
            turn_image(own, &t, image + (size_t)c * pixels_of(own));
        turn_classes(own, &t, classes);
    }
    if (own->plan.intensity)
        change_tone(own, &r, i < batch / 2, image);
    if (own->plan.bend > 0 && i >= straight)
        bend(own, &r, image, classes);
    return OK;
}

status labelled_fill(feed *f, uint64_t step, void *const *in)
{
    labelled *own = f->own;
    size_t batch = (size_t)f->at.setting[TRAIN_BATCH], pixels = pixels_of(own);
    size_t one = pixels * (size_t)own->from.scan.channels, all = pixels * (size_t)own->from.scan.classes;
    size_t straight = draw_straight(f, step, batch);
    for (size_t i = 0; i < batch; i++)
        TRY(fill_one(f, step, i, straight, (float *)in[own->image] + i * one,
                     (float *)in[own->target] + i * all));
    return OK;
}
