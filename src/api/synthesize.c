/* SPDX-License-Identifier: Apache-2.0 */
/* synthesize.c - entry points of slmt/session.h for slices and volumes. */
#include <math.h>
#include <stdatomic.h>

#include "api/session.h"
#include "core/finite.h"
#include "core/stacks.h"
#include "core/structs.h"
#include "data/volume_slices.h"

/* ---- slices ---- */

static status check_slices(const stacks *k, const float *source, const float *target)
{
    const bk_shape *in = &k->runner->task.shape[0];
    size_t width = (size_t)in->dim[in->rank - 1];
    if (k->count == 0 || k->count > SIZE_MAX / 4 / k->pixels / sizeof(float))
        return fail(ERR_ARGUMENT, "slmt_synthesize: count is %zu, expected at least 1, and what memory holds",
                    k->count);
    uintptr_t a = (uintptr_t)source, b = (uintptr_t)target, bytes = k->count * k->pixels * sizeof(float);
    if (a < b + bytes && b < a + bytes)
        return fail(ERR_ARGUMENT, "slmt_synthesize: source and target overlap");
    for (size_t i = 0; i < k->count * k->pixels; i++)
        if (!isfinite(source[i]))
            return fail(ERR_NONFINITE, "slmt_synthesize: source[%zu][%zu][%zu] is not finite", i / k->pixels,
                        i % k->pixels / width, i % width);
    return OK;
}

static status check_target(const stacks *k, const float *target)
{
    const bk_shape *in = &k->runner->task.shape[0];
    const int64_t width = in->dim[in->rank - 1];
    return check_made("target", target,
                      (const int64_t[]){(int64_t)k->count, (int64_t)k->pixels / width, width}, 3);
}

slmt_status slmt_synthesize(slmt_session *session, const float *source, size_t count, float *target)
{
    stacks k;
    REQUIRE(session);
    REQUIRE(source);
    REQUIRE(target);
    TRY(stacks_open(&session->runner, count, &k));
    TRY(check_slices(&k, source, target));
    status s = stacks_run(&k, source, target);
    if (s == OK)
        s = check_target(&k, target);
    atomic_store(&session->runner.cancel, 0);
    return s;
}

/* ---- volumes ---- */

static status check_image_size(const runner *r)
{
    const bk_shape *in = &r->task.shape[0];
    int32_t side = r->model->preprocess.image_size;
    if (in->dim[in->rank - 1] == side && in->dim[in->rank - 2] == side)
        return OK;
    return fail(ERR_ARGUMENT,
                "slmt_synthesize_volume: the session's images are %lld x %lld, the preprocessing kept with "
                "the model makes %d x %d",
                (long long)in->dim[in->rank - 2], (long long)in->dim[in->rank - 1], side, side);
}

/* Slices [count][side][side] become those of the target; theirs may be another array. */
static status replace_slices(const stacks *k, float **slices)
{
    mem *m = &k->runner->context->mem;
    void *made;
    if (stacks_are_plain(k))
        return stacks_run(k, *slices, *slices);
    TRY(mem_array(m, k->count * k->pixels, sizeof(float), &made));
    status s = stacks_run(k, *slices, made);
    mem_give(m, *slices);
    *slices = made;
    return s;
}

/* Once for each session: a folder of scans would say it for each. */
static status tell_of_no_spacing(slmt_session *session)
{
    const slmt_model *model = session->runner.model;
    if (model->geometry.volumes > 0 || session->told_of_no_spacing || session->spacing == SLMT_SPACING_ANY)
        return OK;
    session->told_of_no_spacing = 1;
    return context_warn(
        model->context,
        "the model does not know the voxel size and the position of the scans it was trained on: "
        "they are not compared");
}

/* Writes slices back and looks at the result: resampling may overflow, too. */
static status make_target(const volume_view *view, const float *slices, slmt_volume **target)
{
    slmt_volume *made;
    TRY(volume_of_slices(view, slices, &made));
    status s = volume_check_finite(made);
    if (s == OK)
        s = volume_check_result(view, made);
    if (s == OK)
        volume_mark_synthetic(*target = made);
    else
        volume_free(made);
    return s;
}

slmt_status slmt_synthesize_volume(slmt_session *session, const slmt_volume *source, slmt_volume **target)
{
    REQUIRE(session);
    REQUIRE(source);
    REQUIRE(target);
    runner *r = &session->runner;
    mem *m = &r->context->mem;
    float *slices = NULL;
    stacks k;
    volume_view view;
    TRY(stacks_open(r, 0, &k));
    TRY(check_image_size(r));
    TRY(tell_of_no_spacing(session));
    status s = volume_slices(r->model, m, source, session->spacing, &view, &slices);
    k.count = (size_t)view.count;
    if (s == OK)
        s = replace_slices(&k, &slices);
    if (s == OK)
        s = check_target(&k, slices);
    if (s == OK)
        s = make_target(&view, slices, target);
    atomic_store(&r->cancel, 0);
    mem_give(m, slices);
    return s;
}

static status make_normalized(const volume_view *view, const float *slices, slmt_volume **normalized)
{
    slmt_volume *made;
    TRY(volume_of_slices(view, slices, &made));
    status s = volume_check_finite(made);
    if (s == OK)
        *normalized = made;
    else
        volume_free(made);
    return s;
}

static status normalize(const slmt_model *model, const slmt_volume *source, int32_t spacing,
                        slmt_volume **normalized)
{
    mem *m = &model->context->mem;
    float *slices = NULL;
    volume_view view;
    status s = volume_slices(model, m, source, spacing, &view, &slices);
    if (s == OK)
        s = make_normalized(&view, slices, normalized);
    mem_give(m, slices);
    return s;
}

slmt_status slmt_normalize_volume(const slmt_model *model, const slmt_volume *source,
                                  slmt_volume **normalized)
{
    REQUIRE(model);
    REQUIRE(source);
    REQUIRE(normalized);
    return normalize(model, source, SLMT_SPACING_REFUSE, normalized);
}

slmt_status slmt_session_normalize_volume(slmt_session *session, const slmt_volume *source,
                                          slmt_volume **normalized)
{
    REQUIRE(session);
    REQUIRE(source);
    REQUIRE(normalized);
    return normalize(session->runner.model, source, session->spacing, normalized);
}
