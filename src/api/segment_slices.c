/* SPDX-License-Identifier: Apache-2.0 */
/* segment_slices.c - labels of slices that are prepared already, such as those of a training set. */
#include "api/segment.h"
#include "core/finite.h"
#include "core/structs.h"
#include "lib/size.h"

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

/* The value of the most probable class of each pixel; the first of equals. */
static void choose(const segmenting *s, const int32_t *values, const float *p, int32_t *labels)
{
    const int64_t n = s->size[0] * s->size[1] * s->size[2];
    for (int64_t i = 0; i < n; i++) {
        int64_t best = 0;
        for (int64_t c = 1; c < s->classes; c++)
            if (p[c * n + i] > p[best * n + i])
                best = c;
        labels[i] = values[best];
    }
}

static status make_labels(segmenting *s, int32_t *labels, float *probabilities)
{
    int32_t values[SEGMENT_MOST_CLASSES];
    void *own = NULL;
    const int64_t n = s->size[0] * s->size[1] * s->size[2];
    TRY(segment_class_values(s, values));
    if (!probabilities)
        TRY(mem_array(s->m, (size_t)(n * s->classes), sizeof(float), &own));
    float *p = probabilities ? probabilities : own;
    for (int64_t c = 0; c < s->classes; c++)
        segment_probability(s, c, p + c * n);
    choose(s, values, p, labels);
    mem_give(s->m, own);
    return OK;
}

slmt_status slmt_segment_slices(slmt_session *session, const float *image, const int64_t size[3],
                                const double spacing[3], const slmt_segmentation *how, int32_t *labels,
                                float *probabilities)
{
    REQUIRE(session);
    REQUIRE(image);
    REQUIRE(size);
    REQUIRE(labels);
    segmenting s;
    double distance[3];
    TRY(segment_begin(&s, session, -1, how));
    TRY(check_image(&s, image, size));
    TRY(check_spacing(spacing, distance));
    status done = segment_canvas(&s, size);
    for (int64_t c = 0; c < s.channels && done == OK; c++)
        segment_draw(&s, c, image + c * size[0] * size[1] * size[2]);
    if (done == OK)
        done = segment_run(&s, distance);
    if (done == OK)
        done = make_labels(&s, labels, probabilities);
    segment_end(&s);
    return done;
}
