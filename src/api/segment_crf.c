/* SPDX-License-Identifier: Apache-2.0 */
/* segment_crf.c - the probabilities of classes, refined by a conditional random field over the image. */
#include "api/segment.h"
#include "data/crf.h"

/* Intensities are counted from 0 to 255, as in the publication. */
static const double most_grey = 255;

static int axes_of(const segmenting *s)
{
    return s->how.crf_axes ? s->how.crf_axes : s->volumes ? 3 : 2;
}

int64_t segment_fields(const segmenting *s)
{
    return axes_of(s) == 3 ? 1 : s->size[0];
}

/* The image of a field: slices from `first` on, without what was put behind them. */
typedef struct cutting {
    const segmenting *s;
    int64_t first;
    const crf_image *x;
} cutting;

static size_t pixels_of(const crf_image *x)
{
    return (size_t)(x->dim[0] * x->dim[1] * x->dim[2]);
}

/* Where row y of slice z of a channel, or of a class, begins on the canvas. */
static size_t canvas_at(const cutting *c, int64_t channel, int64_t z, int64_t y)
{
    const int64_t *n = c->s->extent;
    return (size_t)(((channel * n[0] + c->first + z) * n[1] + y) * n[2]);
}

static void cut(const cutting *c, const float *canvas, int64_t channels, double scale, double *to)
{
    for (int64_t k = 0; k < channels; k++)
        for (int64_t z = 0; z < c->x->dim[0]; z++)
            for (int64_t y = 0; y < c->x->dim[1]; y++)
                for (int64_t x = 0; x < c->x->dim[2]; x++)
                    *to++ = scale * (double)canvas[canvas_at(c, k, z, y) + (size_t)x];
}

static void paste(const cutting *c, const double *from, float *canvas)
{
    for (int64_t k = 0; k < c->x->classes; k++)
        for (int64_t z = 0; z < c->x->dim[0]; z++)
            for (int64_t y = 0; y < c->x->dim[1]; y++)
                for (int64_t x = 0; x < c->x->dim[2]; x++)
                    canvas[canvas_at(c, k, z, y) + (size_t)x] = (float)*from++;
}

static crf_options options_of(const segmenting *s, const double spacing[3])
{
    crf_options o = crf_defaults();
    o.steps = s->how.crf_steps;
    o.weight[0] = s->how.crf_near_weight;
    o.weight[1] = s->how.crf_weight;
    o.near_sd = s->how.crf_near_sd;
    o.position_sd = s->how.crf_position_sd;
    o.intensity_sd = s->how.crf_intensity_sd;
    for (int a = 0; a < 3; a++)
        o.spacing[a] = spacing[a];
    return o;
}

/* room: intensities, probabilities and what becomes of them. */
static status refine_slices(segmenting *s, const crf_options *o, crf_image *x, int64_t first, double *room)
{
    const cutting c = {s, first, x};
    double *p = room + pixels_of(x) * (size_t)x->channels, *q = p + pixels_of(x) * (size_t)x->classes;
    cut(&c, s->canvas, x->channels, most_grey, room);
    cut(&c, s->probabilities, x->classes, 1, p);
    x->intensity = room;
    x->p = p;
    TRY(crf_refine(s->m, o, x, q));
    paste(&c, q, s->probabilities);
    return runner_report(s->r, (size_t)++s->done, (size_t)s->steps);
}

status segment_refine(segmenting *s, const double spacing[3])
{
    const crf_options o = options_of(s, spacing);
    crf_image x = {.dim = {axes_of(s) == 3 ? s->size[0] : 1, s->size[1], s->size[2]},
                   .axes = axes_of(s),
                   .channels = (int32_t)s->channels,
                   .classes = (int32_t)s->classes};
    void *room;
    TRY(mem_array(s->m, pixels_of(&x) * (size_t)(x.channels + 2 * x.classes), sizeof(double), &room));
    status done = OK;
    for (int64_t z = 0; z < s->size[0] && done == OK; z += x.dim[0])
        done = refine_slices(s, &o, &x, z, room);
    mem_give(s->m, room);
    return done;
}
