/* SPDX-License-Identifier: Apache-2.0 */
/* segment.c - labels of whole volumes: windows that overlap, their probabilities blended, and the most
 * probable class of each voxel of the scan's own grid. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/session.h"
#include "core/finite.h"
#include "core/structs.h"
#include "data/blend.h"
#include "data/label_values.h"
#include "data/volume_slices.h"
#include "slmt/segment.h"

/* Ports of a task that labels, in its order. */
enum { IMAGE, LABELS, PROBABILITIES, PORTS };
enum { MOST_CLASSES = 64, MIRRORS = 4, ROWS_MIRRORED = 1, COLUMNS_MIRRORED = 2 };

typedef struct segmenting {
    runner *r;
    mem *m;
    slmt_segmentation how;
    volume_view view; /* of the first source */
    int64_t channels, classes, slices, side;
    int64_t extent[3], window[3]; /* slices, rows, columns of the canvas, and of what the network takes */
    blend_axis axis[3];
    float *canvas;                  /* [channels][extent]: the slices, and zeros where a window is longer */
    float *image, *made;            /* of one window: [channels][window], [classes][window] */
    int32_t *labels;                /* of one window */
    float *probabilities, *weights; /* [classes][extent], [extent] */
    float *voxels;                  /* of the label map, on the scan's grid */
    int64_t windows, done;
} segmenting;

static int64_t volume_of(const int64_t extent[3])
{
    return extent[0] * extent[1] * extent[2];
}

/* ---- what is asked for ---- */

void slmt_segmentation_init(slmt_segmentation *how)
{
    if (how)
        *how = (slmt_segmentation){.struct_size = sizeof *how, .overlap = 0.5};
}

static status read_how(const slmt_segmentation *given, slmt_segmentation *how)
{
    slmt_segmentation_init(how);
    if (given)
        TRY(struct_read(how, sizeof *how, given, "slmt_segmentation"));
    if (!(how->overlap >= 0 && how->overlap <= 0.9))
        return fail(ERR_ARGUMENT, "slmt_segmentation.overlap is %g, expected 0 to 0.9", how->overlap);
    if (how->mirror != 0 && how->mirror != 1)
        return fail(ERR_ARGUMENT, "slmt_segmentation.mirror is %d, expected 0 or 1", (int)how->mirror);
    return OK;
}

static int is_labelling(const task *t)
{
    return t->kind->inputs.n == 1 && t->kind->outputs.n == 2 &&
           task_port(t, LABELS)->role == SLMT_ROLE_LABELS &&
           task_port(t, PROBABILITIES)->role == SLMT_ROLE_PROBABILITIES;
}

static status find_windows(segmenting *s, size_t sources)
{
    const task *t = &s->r->task;
    if (!is_labelling(t))
        return fail(ERR_UNSUPPORTED, "task %s of %s labels no volumes", t->kind->name,
                    s->r->model->method->name);
    const bk_shape *in = &t->shape[IMAGE];
    s->channels = in->dim[1];
    s->classes = t->shape[PROBABILITIES].dim[1];
    for (int32_t i = 0; i < 3; i++)
        s->window[i] = in->rank == 4 && i == 0 ? 1 : in->dim[in->rank - 3 + i];
    if ((int64_t)sources == s->channels)
        return OK;
    return fail(ERR_ARGUMENT, "slmt_segment_volume: %zu volumes are given, the model takes %lld", sources,
                (long long)s->channels);
}

/* ---- the canvas ---- */

static status same_grids(const slmt_volume *const *sources, size_t n)
{
    grid first = grid_of(sources[0]->scan.dims, sources[0]->scan.affine);
    for (size_t i = 1; i < n; i++) {
        char name[40];
        snprintf(name, sizeof name, "volume %zu", i);
        grid other = grid_of(sources[i]->scan.dims, sources[i]->scan.affine);
        TRY(grid_same(&other, name, &first, "volume 0"));
    }
    return OK;
}

static status take(segmenting *s, int64_t n, float **array)
{
    void *block;
    TRY(mem_array(s->m, (size_t)n, sizeof(float), &block));
    memset(block, 0, (size_t)n * sizeof(float));
    *array = block;
    return OK;
}

static status make_canvas(segmenting *s)
{
    const int64_t size[3] = {s->slices, s->side, s->side};
    s->windows = 1;
    for (int i = 0; i < 3; i++) {
        s->extent[i] = size[i] > s->window[i] ? size[i] : s->window[i];
        s->axis[i] =
            blend_axis_of(s->extent[i], s->window[i], i == 0 && s->window[0] == 1 ? 0 : s->how.overlap);
        s->windows *= blend_count(&s->axis[i]);
    }
    s->windows *= s->how.mirror ? MIRRORS : 1;
    TRY(take(s, s->channels * volume_of(s->extent), &s->canvas));
    TRY(take(s, s->classes * volume_of(s->extent), &s->probabilities));
    return take(s, volume_of(s->extent), &s->weights);
}

/* Copies slices [slices][side][side] to or from a canvas of one channel. */
static void copy_slices(const segmenting *s, float *canvas, float *slices, int back)
{
    size_t bytes = (size_t)s->side * sizeof(float);
    for (int64_t z = 0; z < s->slices; z++)
        for (int64_t y = 0; y < s->side; y++) {
            float *a = canvas + (z * s->extent[1] + y) * s->extent[2],
                  *b = slices + (z * s->side + y) * s->side;
            memcpy(back ? b : a, back ? a : b, bytes);
        }
}

static status draw_source(segmenting *s, const slmt_volume *source, int32_t spacing, int64_t channel)
{
    volume_view view;
    float *slices = NULL;
    status made = volume_slices(s->r->model, s->m, source, spacing, &view, &slices);
    if (made == OK && channel == 0) {
        s->view = view;
        s->slices = view.count;
        s->side = s->r->model->preprocess.image_size;
        made = make_canvas(s);
    }
    if (made == OK)
        copy_slices(s, s->canvas + channel * volume_of(s->extent), slices, 0);
    mem_give(s->m, slices);
    return made;
}

/* ---- windows ---- */

/* Copies window pixels from the canvas, mirrored. */
static void cut_window(const segmenting *s, const int64_t start[3], int mirror)
{
    const int64_t *n = s->window;
    for (int64_t c = 0; c < s->channels; c++)
        for (int64_t z = 0; z < n[0]; z++)
            for (int64_t y = 0; y < n[1]; y++) {
                int64_t row = start[1] + (mirror & ROWS_MIRRORED ? n[1] - 1 - y : y);
                const float *from = s->canvas +
                                    ((c * s->extent[0] + start[0] + z) * s->extent[1] + row) * s->extent[2] +
                                    start[2];
                float *to = s->image + ((c * n[0] + z) * n[1] + y) * n[2];
                for (int64_t x = 0; x < n[2]; x++)
                    to[x] = from[mirror & COLUMNS_MIRRORED ? n[2] - 1 - x : x];
            }
}

static void swap(float *a, float *b)
{
    float kept = *a;
    *a = *b;
    *b = kept;
}

static void mirror_columns(float *plane, int64_t rows, int64_t columns)
{
    for (int64_t y = 0; y < rows; y++)
        for (int64_t x = 0; x < columns / 2; x++)
            swap(&plane[y * columns + x], &plane[y * columns + columns - 1 - x]);
}

static void mirror_rows(float *plane, int64_t rows, int64_t columns)
{
    for (int64_t y = 0; y < rows / 2; y++)
        for (int64_t x = 0; x < columns; x++)
            swap(&plane[y * columns + x], &plane[(rows - 1 - y) * columns + x]);
}

static void mirror_back(const segmenting *s, int mirror)
{
    int64_t area = s->window[1] * s->window[2];
    for (int64_t i = 0; i < s->classes * s->window[0]; i++) {
        if (mirror & ROWS_MIRRORED)
            mirror_rows(s->made + i * area, s->window[1], s->window[2]);
        if (mirror & COLUMNS_MIRRORED)
            mirror_columns(s->made + i * area, s->window[1], s->window[2]);
    }
}

static status run_window(segmenting *s, const int64_t start[3])
{
    const arrays a = {.at = {s->image, s->labels, s->made}, .samples = 1};
    for (int mirror = 0; mirror < (s->how.mirror ? MIRRORS : 1); mirror++) {
        cut_window(s, start, mirror);
        TRY(runner_run(s->r, &a, 0, 1));
        TRY(check_made("probabilities", s->made,
                       (const int64_t[]){s->classes, s->window[0], s->window[1], s->window[2]}, 4));
        mirror_back(s, mirror);
        blend_add(s->axis, BLEND_GAUSSIAN, start, s->made, s->classes, s->probabilities, s->weights);
        TRY(runner_report(s->r, (size_t)++s->done, (size_t)s->windows));
    }
    return OK;
}

static status run_windows(segmenting *s)
{
    int64_t pixels = volume_of(s->window);
    void *block;
    TRY(take(s, s->channels * pixels, &s->image));
    TRY(take(s, s->classes * pixels, &s->made));
    TRY(mem_array(s->m, (size_t)pixels, sizeof(int32_t), &block));
    s->labels = block;
    for (int64_t z = 0; z < blend_count(&s->axis[0]); z++)
        for (int64_t y = 0; y < blend_count(&s->axis[1]); y++)
            for (int64_t x = 0; x < blend_count(&s->axis[2]); x++)
                TRY(run_window(s, (const int64_t[]){blend_start(&s->axis[0], z), blend_start(&s->axis[1], y),
                                                    blend_start(&s->axis[2], x)}));
    blend_finish(volume_of(s->extent), s->classes, s->weights, s->probabilities);
    return OK;
}

/* ---- back to the scan ---- */

/* The value of each class in label maps: those of the option `classes`. */
static status class_values(const segmenting *s, int32_t values[MOST_CLASSES])
{
    int32_t n = label_values(slmt_model_option_text(s->r->model, "classes"), values, MOST_CLASSES);
    if (n == s->classes)
        return OK;
    return fail(ERR_INTERNAL, "option classes has %d values for %d classes", n, (int)s->classes);
}

static int64_t scan_voxels(const segmenting *s)
{
    return volume_of(s->view.source->scan.dims);
}

/* Outside the crop and the slices every probability is 0 but that of the first class, the background. */
static void fill_outside(const segmenting *s, slmt_volume *const *probabilities)
{
    for (int64_t i = 0; i < scan_voxels(s); i++) {
        float sum = 0;
        for (int64_t c = 0; c < s->classes; c++)
            sum += probabilities[c]->scan.voxels[i];
        probabilities[0]->scan.voxels[i] += sum < 1 ? 1 - sum : 0;
    }
}

static status restore_class(segmenting *s, int64_t c, slmt_volume **made)
{
    float *slices = NULL;
    TRY(take(s, s->slices * s->side * s->side, &slices));
    copy_slices(s, s->probabilities + c * volume_of(s->extent), slices, 1);
    status restored = volume_of_slices(&s->view, slices, made);
    mem_give(s->m, slices);
    if (restored == OK)
        volume_describe(*made, "probability of a class, not for diagnosis");
    return restored;
}

static status choose_labels(segmenting *s, slmt_volume *const *probabilities, slmt_volume **labels)
{
    int32_t values[MOST_CLASSES];
    TRY(class_values(s, values));
    TRY(take(s, scan_voxels(s), &s->voxels));
    for (int64_t i = 0; i < scan_voxels(s); i++) {
        int64_t best = 0;
        for (int64_t c = 1; c < s->classes; c++)
            if (probabilities[c]->scan.voxels[i] > probabilities[best]->scan.voxels[i])
                best = c;
        s->voxels[i] = (float)values[best];
    }
    TRY(volume_like(s->view.source, s->voxels, labels));
    s->voxels = NULL; /* the volume has them */
    volume_mark_labels(*labels);
    return OK;
}

static status restore(segmenting *s, slmt_volume **labels, slmt_volume **probabilities)
{
    slmt_volume *made[MOST_CLASSES] = {NULL};
    status done = OK;
    for (int64_t c = 0; c < s->classes && done == OK; c++)
        done = restore_class(s, c, &made[c]);
    if (done == OK) {
        fill_outside(s, made);
        done = choose_labels(s, made, labels);
    }
    for (int64_t c = 0; c < s->classes; c++)
        if (done == OK && probabilities)
            probabilities[c] = made[c];
        else
            volume_free(made[c]);
    return done;
}

static void close_segmenting(segmenting *s)
{
    void *blocks[] = {s->canvas, s->image, s->made, s->labels, s->probabilities, s->weights, s->voxels};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        mem_give(s->m, blocks[i]);
}

slmt_status slmt_segment_volume(slmt_session *session, const slmt_volume *const *sources, size_t n_sources,
                                const slmt_segmentation *how, slmt_volume **labels,
                                slmt_volume **probabilities)
{
    REQUIRE(session);
    REQUIRE(sources);
    REQUIRE(labels);
    for (size_t i = 0; i < n_sources; i++)
        if (!sources[i])
            return fail(ERR_ARGUMENT, "slmt_segment_volume: sources[%zu] is NULL", i);
    segmenting s = {.r = &session->runner, .m = &session->runner.context->mem};
    TRY(read_how(how, &s.how));
    TRY(find_windows(&s, n_sources));
    TRY(same_grids(sources, n_sources));
    status done = OK;
    for (int64_t c = 0; c < s.channels && done == OK; c++)
        done = draw_source(&s, sources[c], session->spacing, c);
    if (done == OK)
        done = run_windows(&s);
    if (done == OK)
        done = restore(&s, labels, probabilities);
    atomic_store(&s.r->cancel, 0);
    close_segmenting(&s);
    return done;
}
