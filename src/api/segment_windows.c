/* SPDX-License-Identifier: Apache-2.0 */
/* segment_windows.c - labels of slices: windows that overlap, and their probabilities blended. */
#include <stdatomic.h>
#include <string.h>

#include "api/segment.h"
#include "core/finite.h"
#include "core/structs.h"
#include "data/crf.h"
#include "data/label_objects.h"
#include "data/label_values.h"

/* Ports of a task that labels, in its order. */
enum { IMAGE, LABELS, PROBABILITIES };
enum { MIRRORS = 4, ROWS_MIRRORED = 1, COLUMNS_MIRRORED = 2 };

static int64_t volume_of(const int64_t extent[3])
{
    return extent[0] * extent[1] * extent[2];
}

/* ---- what is asked for ---- */

void slmt_segmentation_init(slmt_segmentation *how)
{
    const crf_options crf = crf_defaults();
    if (how)
        *how = (slmt_segmentation){.struct_size = sizeof *how,
                                   .overlap = 0.5,
                                   .crf_near_weight = crf.weight[0],
                                   .crf_near_sd = crf.near_sd,
                                   .crf_weight = crf.weight[1],
                                   .crf_position_sd = crf.position_sd,
                                   .crf_intensity_sd = crf.intensity_sd};
}

static status check_number(const char *name, double value, double low, double high)
{
    if (value >= low && value <= high)
        return OK;
    return fail(ERR_ARGUMENT, "slmt_segmentation.%s is %g, expected %g to %g", name, value, low, high);
}

static status check_crf(const slmt_segmentation *how, int64_t channels)
{
    TRY(check_number("crf_steps", how->crf_steps, 0, 1000));
    if (how->crf_steps == 0)
        return OK;
    if (how->crf_axes != 0 && how->crf_axes != 2 && how->crf_axes != 3)
        return fail(ERR_ARGUMENT, "slmt_segmentation.crf_axes is %d, expected 0, 2 or 3", (int)how->crf_axes);
    TRY(check_number("crf_near_weight", how->crf_near_weight, 0, 1e6));
    TRY(check_number("crf_near_sd", how->crf_near_sd, 1e-3, 1e6));
    TRY(check_number("crf_weight", how->crf_weight, 0, 1e6));
    TRY(check_number("crf_position_sd", how->crf_position_sd, 1e-3, 1e6));
    TRY(check_number("crf_intensity_sd", how->crf_intensity_sd, 1e-3, 1e6));
    if (channels <= CRF_CHANNELS)
        return OK;
    return fail(ERR_ARGUMENT, "a random field takes %d contrasts at most, and the model has %lld",
                CRF_CHANNELS, (long long)channels);
}

static status read_how(const slmt_segmentation *given, slmt_segmentation *how)
{
    slmt_segmentation_init(how);
    if (given)
        TRY(struct_read(how, sizeof *how, given, "slmt_segmentation"));
    TRY(check_number("overlap", how->overlap, 0, 0.9));
    if (how->mirror != 0 && how->mirror != 1)
        return fail(ERR_ARGUMENT, "slmt_segmentation.mirror is %d, expected 0 or 1", (int)how->mirror);
    if (how->largest != 0 && how->largest != 1)
        return fail(ERR_ARGUMENT, "slmt_segmentation.largest is %d, expected 0 or 1", (int)how->largest);
    return OK;
}

static int is_labelling(const task *t)
{
    return t->kind->inputs.n == 1 && t->kind->outputs.n == 2 &&
           task_port(t, LABELS)->role == SLMT_ROLE_LABELS &&
           task_port(t, PROBABILITIES)->role == SLMT_ROLE_PROBABILITIES;
}

status segment_begin(segmenting *s, slmt_session *session, int64_t channels, const slmt_segmentation *how)
{
    *s = (segmenting){.r = &session->runner, .m = &session->runner.context->mem};
    const task *t = &s->r->task;
    TRY(read_how(how, &s->how));
    if (!is_labelling(t))
        return fail(ERR_UNSUPPORTED, "task %s of %s labels no volumes", t->kind->name,
                    s->r->model->method->name);
    const bk_shape *in = &t->shape[IMAGE];
    s->volumes = in->rank == 5;
    s->channels = in->dim[1];
    s->classes = t->shape[PROBABILITIES].dim[1];
    for (int32_t i = 0; i < 3; i++)
        s->window[i] = !s->volumes && i == 0 ? 1 : in->dim[in->rank - 3 + i];
    if (channels >= 0 && channels != s->channels)
        return fail(ERR_ARGUMENT, "slmt_segment_volume: %lld volumes are given, the model takes %lld",
                    (long long)channels, (long long)s->channels);
    return check_crf(&s->how, s->channels);
}

status segment_class_values(const segmenting *s, int32_t values[SEGMENT_MOST_CLASSES])
{
    int32_t n = label_values(slmt_model_option_text(s->r->model, "classes"), values, SEGMENT_MOST_CLASSES);
    if (n == s->classes)
        return OK;
    return fail(ERR_INTERNAL, "option classes has %d values for %d classes", n, (int)s->classes);
}

status segment_tidy(const segmenting *s, int32_t *classes, const int64_t dim[3])
{
    void *object, *stack;
    size_t n = (size_t)(dim[0] * dim[1] * dim[2]);
    if (!s->how.largest)
        return OK;
    TRY(mem_array(s->m, n, sizeof(int32_t), &object));
    status st = mem_array(s->m, n, sizeof(int64_t), &stack);
    if (st == OK) {
        label_keep_largest(classes, dim, object, stack);
        mem_give(s->m, stack);
    }
    mem_give(s->m, object);
    return st;
}

/* ---- the canvas ---- */

static status take(segmenting *s, int64_t n, float **array)
{
    void *block;
    TRY(mem_array(s->m, (size_t)n, sizeof(float), &block));
    memset(block, 0, (size_t)n * sizeof(float));
    *array = block;
    return OK;
}

status segment_canvas(segmenting *s, const int64_t size[3])
{
    s->steps = 1;
    for (int i = 0; i < 3; i++) {
        s->size[i] = size[i];
        s->extent[i] = size[i] > s->window[i] ? size[i] : s->window[i];
        s->axis[i] =
            blend_axis_of(s->extent[i], s->window[i], i == 0 && s->window[0] == 1 ? 0 : s->how.overlap);
        s->steps *= blend_count(&s->axis[i]);
    }
    s->steps *= s->how.mirror ? MIRRORS : 1;
    TRY(take(s, s->channels * volume_of(s->extent), &s->canvas));
    TRY(take(s, s->classes * volume_of(s->extent), &s->probabilities));
    return take(s, volume_of(s->extent), &s->weights);
}

static float *canvas_row(const segmenting *s, float *canvas, int64_t z, int64_t y)
{
    return canvas + (z * s->extent[1] + y) * s->extent[2];
}

void segment_draw(segmenting *s, int64_t channel, const float *slices)
{
    float *canvas = s->canvas + channel * volume_of(s->extent);
    for (int64_t z = 0; z < s->size[0]; z++)
        for (int64_t y = 0; y < s->size[1]; y++)
            memcpy(canvas_row(s, canvas, z, y), slices + (z * s->size[1] + y) * s->size[2],
                   (size_t)s->size[2] * sizeof(float));
}

void segment_probability(const segmenting *s, int64_t c, float *slices)
{
    float *canvas = s->probabilities + c * volume_of(s->extent);
    for (int64_t z = 0; z < s->size[0]; z++)
        for (int64_t y = 0; y < s->size[1]; y++)
            memcpy(slices + (z * s->size[1] + y) * s->size[2], canvas_row(s, canvas, z, y),
                   (size_t)s->size[2] * sizeof(float));
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
        TRY(runner_report(s->r, (size_t)++s->done, (size_t)s->steps));
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

status segment_run(segmenting *s, const double spacing[3])
{
    if (s->how.crf_steps > 0)
        s->steps += segment_fields(s);
    TRY(run_windows(s));
    return s->how.crf_steps > 0 ? segment_refine(s, spacing) : OK;
}

void segment_end(segmenting *s)
{
    void *blocks[] = {s->canvas, s->image, s->made, s->labels, s->probabilities, s->weights};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        mem_give(s->m, blocks[i]);
    atomic_store(&s->r->cancel, 0);
}
