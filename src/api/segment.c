/* SPDX-License-Identifier: Apache-2.0 */
/* segment.c - labels of whole volumes: their slices labelled, and the most probable class of each voxel of
 * the scan's own grid. */
#include <stdio.h>

#include "api/segment.h"
#include "core/structs.h"
#include "data/volume_slices.h"

typedef struct volume_job {
    segmenting slices;
    volume_view view; /* of the first source */
    int32_t *classes; /* of the label map, on the scan's grid */
    float *voxels;    /* its values */
} volume_job;

/* ---- to slices ---- */

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

static status draw_source(volume_job *j, const slmt_volume *source, int32_t spacing, int64_t channel)
{
    segmenting *s = &j->slices;
    volume_view view;
    float *slices = NULL;
    const slmt_model *model = s->r->model;
    status made = model_image_side(model) ? volume_slices(model, s->m, source, spacing, &view, &slices)
                                          : volume_crops(model, s->m, source, spacing, &view, &slices);
    if (made == OK && channel == 0) {
        const int64_t side = view.preprocess.image_size;
        j->view = view;
        made = segment_canvas(s, (const int64_t[]){view.count, side, side});
    }
    if (made == OK)
        segment_draw(s, channel, slices);
    mem_give(s->m, slices);
    return made;
}

/* Rows of a slice go along x. */
static status run(volume_job *j)
{
    const double *mm = j->view.used.spacing;
    const double pixel = (double)j->view.preprocess.crop_size / j->view.preprocess.image_size;
    return segment_run(&j->slices, (const double[]){mm[2], pixel * mm[0], pixel * mm[1]});
}

/* ---- back to the scan ---- */

static int64_t scan_voxels(const volume_job *j)
{
    const int64_t *dims = j->view.source->scan.dims;
    return dims[0] * dims[1] * dims[2];
}

/* Outside the crop and the slices every probability is 0 but that of the first class, the background. */
static void fill_outside(const volume_job *j, slmt_volume *const *probabilities)
{
    for (int64_t i = 0; i < scan_voxels(j); i++) {
        float sum = 0;
        for (int64_t c = 0; c < j->slices.classes; c++)
            sum += probabilities[c]->scan.voxels[i];
        probabilities[0]->scan.voxels[i] += sum < 1 ? 1 - sum : 0;
    }
}

static status restore_class(volume_job *j, int64_t c, slmt_volume **made)
{
    segmenting *s = &j->slices;
    void *slices;
    TRY(mem_array(s->m, (size_t)(s->size[0] * s->size[1] * s->size[2]), sizeof(float), &slices));
    segment_probability(s, c, slices);
    status restored = volume_of_slices(&j->view, slices, made);
    mem_give(s->m, slices);
    if (restored == OK)
        volume_describe(*made, "probability of a class, not for diagnosis");
    return restored;
}

static status choose_labels(volume_job *j, slmt_volume *const *probabilities, slmt_volume **labels)
{
    int32_t values[SEGMENT_MOST_CLASSES];
    void *block;
    TRY(segment_class_values(&j->slices, values));
    TRY(mem_array(j->slices.m, (size_t)scan_voxels(j), sizeof(int32_t), &block));
    j->classes = block;
    for (int64_t i = 0; i < scan_voxels(j); i++) {
        int32_t best = 0;
        for (int32_t c = 1; c < j->slices.classes; c++)
            if (probabilities[c]->scan.voxels[i] > probabilities[best]->scan.voxels[i])
                best = c;
        j->classes[i] = best;
    }
    const int64_t *dims = j->view.source->scan.dims; /* x runs fastest */
    TRY(segment_tidy(&j->slices, j->classes, (const int64_t[]){dims[2], dims[1], dims[0]}));
    TRY(mem_array(j->slices.m, (size_t)scan_voxels(j), sizeof(float), &block));
    j->voxels = block;
    for (int64_t i = 0; i < scan_voxels(j); i++)
        j->voxels[i] = (float)values[j->classes[i]];
    TRY(volume_like(j->view.source, j->voxels, labels));
    j->voxels = NULL; /* the volume has them */
    volume_mark_labels(*labels);
    return OK;
}

static status restore(volume_job *j, slmt_volume **labels, slmt_volume **probabilities)
{
    slmt_volume *made[SEGMENT_MOST_CLASSES] = {NULL};
    status done = OK;
    for (int64_t c = 0; c < j->slices.classes && done == OK; c++)
        done = restore_class(j, c, &made[c]);
    if (done == OK) {
        fill_outside(j, made);
        done = choose_labels(j, made, labels);
    }
    for (int64_t c = 0; c < j->slices.classes; c++)
        if (done == OK && probabilities)
            probabilities[c] = made[c];
        else
            volume_free(made[c]);
    return done;
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
    volume_job j = {.classes = NULL};
    TRY(segment_begin(&j.slices, session, (int64_t)n_sources, how));
    TRY(same_grids(sources, n_sources));
    status done = OK;
    for (int64_t c = 0; c < j.slices.channels && done == OK; c++)
        done = draw_source(&j, sources[c], session->spacing, c);
    if (done == OK)
        done = run(&j);
    if (done == OK)
        done = restore(&j, labels, probabilities);
    mem_give(j.slices.m, j.classes);
    mem_give(j.slices.m, j.voxels);
    segment_end(&j.slices);
    return done;
}
