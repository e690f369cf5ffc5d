/* SPDX-License-Identifier: Apache-2.0 */
/* segment_slices.c - labels of slices that are prepared already, such as those of a training set. */
#include "api/segment.h"
#include "core/finite.h"
#include "core/structs.h"
#include "data/resize.h"
#include "lib/size.h"

typedef struct slices_job {
    segmenting s;
    const int64_t *size; /* of the slices that are given */
    float *resized;      /* [slices][rows][columns] of the canvas; NULL: the slices are taken as they are */
} slices_job;

static status check_image(const segmenting *s, const float *image, const int64_t size[3])
{
    int64_t all, extents[] = {s->channels, size[0], size[1], size[2]};
    for (int i = 0; i < 3; i++)
        if (size[i] < 1)
            return fail(ERR_ARGUMENT, "slmt_segment_slices: size[%d] is %lld, expected 1 or more", i,
                        (long long)size[i]);
    if (!size_product(extents, 4, SIZE_MOST, &all))
        return fail(ERR_ARGUMENT, "slmt_segment_slices: %lld x %lld x %lld x %lld pixels are too many",
                    (long long)extents[0], (long long)size[0], (long long)size[1], (long long)size[2]);
    return check_made("the image", image, extents, 4);
}

static status check_spacing(const double *given, double spacing[3])
{
    for (int i = 0; i < 3; i++) {
        spacing[i] = given ? given[i] : 1;
        if (!(spacing[i] > 0 && spacing[i] < 1e6))
            return fail(ERR_ARGUMENT, "slmt_segment_slices: spacing[%d] is %g, expected a number above 0", i,
                        spacing[i]);
    }
    return OK;
}

/* ---- models of one image size ---- */

/* Returns 1 if the training resized slices of this size to the model's images. */
static int is_resized(const segmenting *s, const int64_t size[3])
{
    const int64_t side = model_image_side(s->r->model), crop = s->r->model->preprocess.crop_size;
    return side && side != crop && size[1] == crop && size[2] == crop;
}

static void resize_all(const float *from, const int64_t in[3], float *to, const int64_t out[3])
{
    for (int64_t z = 0; z < in[0]; z++)
        resize_bilinear(from + z * in[1] * in[2], (int)in[1], (int)in[2], to + z * out[1] * out[2],
                        (int)out[1], (int)out[2]);
}

static status open_canvas(slices_job *j)
{
    segmenting *s = &j->s;
    const int64_t side = model_image_side(s->r->model);
    void *block;
    if (!is_resized(s, j->size))
        return segment_canvas(s, j->size);
    TRY(segment_canvas(s, (const int64_t[]){j->size[0], side, side}));
    TRY(mem_array(s->m, (size_t)(j->size[0] * side * side), sizeof(float), &block));
    j->resized = block;
    return OK;
}

static void draw_slices(slices_job *j, int64_t c, const float *image)
{
    if (j->resized)
        resize_all(image, j->size, j->resized, j->s.size);
    segment_draw(&j->s, c, j->resized ? j->resized : image);
}

static void read_probability(slices_job *j, int64_t c, float *p)
{
    segment_probability(&j->s, c, j->resized ? j->resized : p);
    if (j->resized)
        resize_all(j->resized, j->s.size, p, j->size);
}

/* ---- labels ---- */

static int64_t pixels_of(const slices_job *j)
{
    return j->size[0] * j->size[1] * j->size[2];
}

/* The most probable class of each pixel; the first of equals. */
static void choose(const slices_job *j, const float *p, int32_t *labels)
{
    const int64_t n = pixels_of(j);
    for (int64_t i = 0; i < n; i++) {
        int32_t best = 0;
        for (int32_t c = 1; c < j->s.classes; c++)
            if (p[c * n + i] > p[best * n + i])
                best = c;
        labels[i] = best;
    }
}

static status make_labels(slices_job *j, int32_t *labels, float *probabilities)
{
    int32_t values[SEGMENT_MOST_CLASSES];
    void *own = NULL;
    const int64_t n = pixels_of(j), classes = j->s.classes;
    TRY(segment_class_values(&j->s, values));
    if (!probabilities)
        TRY(mem_array(j->s.m, (size_t)(n * classes), sizeof(float), &own));
    float *p = probabilities ? probabilities : own;
    for (int64_t c = 0; c < classes; c++)
        read_probability(j, c, p + c * n);
    choose(j, p, labels);
    mem_give(j->s.m, own);
    TRY(segment_tidy(&j->s, labels, j->size));
    for (int64_t i = 0; i < n; i++)
        labels[i] = values[labels[i]];
    return OK;
}

static status run(slices_job *j, const double spacing[3])
{
    const segmenting *s = &j->s;
    const double mm[] = {spacing[0], spacing[1] * (double)j->size[1] / (double)s->size[1],
                         spacing[2] * (double)j->size[2] / (double)s->size[2]};
    return segment_run(&j->s, mm);
}

slmt_status slmt_segment_slices(slmt_session *session, const float *image, const int64_t size[3],
                                const double spacing[3], const slmt_segmentation *how, int32_t *labels,
                                float *probabilities)
{
    REQUIRE(session);
    REQUIRE(image);
    REQUIRE(size);
    REQUIRE(labels);
    slices_job j = {.size = size};
    double distance[3];
    TRY(segment_begin(&j.s, session, -1, how));
    TRY(check_image(&j.s, image, size));
    TRY(check_spacing(spacing, distance));
    status done = open_canvas(&j);
    for (int64_t c = 0; c < j.s.channels && done == OK; c++)
        draw_slices(&j, c, image + c * pixels_of(&j));
    if (done == OK)
        done = run(&j, distance);
    if (done == OK)
        done = make_labels(&j, labels, probabilities);
    mem_give(j.s.m, j.resized);
    segment_end(&j.s);
    return done;
}
