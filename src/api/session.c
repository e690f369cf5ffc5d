/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - synthesis: one planned graph, run for a few slices at a time. */
#include "slmt/session.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "api/model.h"
#include "api/profile.h"
#include "api/structs.h"
#include "api/tally.h"
#include "api/volume.h"
#include "data/preprocess.h"
#include "data/resize.h"
#include "lib/plan.h"
#include "methods/mt_net.h"

struct slmt_session {
    slmt_context *context; /* whose memory it takes: the model's, or a counting one */
    slmt_model *model;
    slmt_session_config config;
    int32_t together; /* slices of one run, at most a batch */
    plan *plan;
    slmt_profile *profile; /* or NULL */
    void **bound;          /* by plan slot */
    int32_t n_bound;
    void *source, *target; /* the reals of one run */
    atomic_int cancel;
};

void slmt_session_config_init(slmt_session_config *config)
{
    if (config)
        *config = (slmt_session_config){.struct_size = sizeof *config, .batch = 1};
}

static status read_config(const slmt_session_config *given, slmt_session_config *c)
{
    slmt_session_config_init(c);
    if (given)
        TRY(struct_read(c, sizeof *c, given, "slmt_session_config"));
    if (c->batch < 1 || c->batch > 65536)
        return fail(ERR_ARGUMENT, "slmt_session_config.batch is %d, expected 1 to 65536", c->batch);
    return OK;
}

/* ---- life ---- */

static size_t slice_pixels(const slmt_session *s)
{
    size_t side = (size_t)s->model->net.options.image_size;
    return side * side;
}

static status build_graph(const slmt_session *s, graph *g)
{
    const slmt_net *net = &s->model->net;
    nn e, gen;
    TRY(nn_open(&e, g, net, "E.", slot_weight(net)));
    status st = nn_open(&gen, g, net, "G.", slot_weight(net));
    if (st == OK) {
        mt_net_synthesis(&e, &gen, net, s->together);
        st = graph_status(g);
        nn_close(&gen);
    }
    nn_close(&e);
    return st;
}

static status make_plan(slmt_session *s, int arena)
{
    graph *g;
    TRY(graph_create(&s->context->mem, model_real(s->model), &g));
    status st = build_graph(s, g);
    if (st == OK)
        st = context_plan(s->context, g, arena, &s->plan);
    graph_free(g);
    return st;
}

/* Cuts a batch into equal runs, with as many slices as the back end is fast with. */
static status cut_batch(slmt_session *s)
{
    int32_t batch = s->config.batch;
    size_t fast = s->context->backend->fast_bytes;
    s->together = batch;
    if (batch == 1 || fast == 0)
        return OK;
    s->together = 1;
    TRY(make_plan(s, 0));
    size_t most = fast / (plan_arena_bytes(s->plan) + 1);
    plan_free(s->plan);
    s->plan = NULL;
    s->together = (int32_t)(most < 1 ? 1 : most < (size_t)batch ? most : (size_t)batch);
    while (batch % s->together != 0)
        s->together--;
    return OK;
}

static status fill_session(slmt_session *s, tally *t)
{
    const slmt_net *net = &s->model->net;
    void *p;
    TRY(cut_batch(s));
    TRY(make_plan(s, !t->dry));
    if (t->dry)
        t->bytes += mem_cost(plan_arena_bytes(s->plan));
    s->n_bound = slot_data(net) + SYNTH_SLOTS;
    TRY(mem_zeros(&s->context->mem, (size_t)s->n_bound, sizeof(void *), &p));
    s->bound = p;
    size_t bytes = (size_t)s->together * slice_pixels(s) * bk_dtype_size(model_real(s->model));
    TRY(tally_take(t, bytes, &s->source));
    TRY(tally_take(t, bytes, &s->target));
    for (int32_t k = 0; k < net->params.n; k++)
        if (net->params.list[k].used)
            s->bound[slot_weight(net) + k] = model_tensor(s->model, k);
    s->bound[slot_data(net) + SYNTH_SOURCE] = s->source;
    s->bound[slot_data(net) + SYNTH_TARGET] = s->target;
    return OK;
}

static status open_session(slmt_context *context, slmt_model *model, const slmt_session_config *config,
                           tally *t, slmt_session **out)
{
    void *p;
    TRY(mem_zeros(&context->mem, 1, sizeof(slmt_session), &p));
    slmt_session *s = p;
    s->context = context_retain(context);
    s->model = slmt_model_retain(model);
    s->config = *config;
    atomic_init(&s->cancel, 0);
    status st = fill_session(s, t);
    if (st != OK) {
        slmt_session_free(s);
        return st;
    }
    *out = s;
    return OK;
}

slmt_status slmt_session_create(slmt_model *model, const slmt_session_config *config, slmt_session **session)
{
    slmt_session_config c;
    REQUIRE(model);
    REQUIRE(session);
    TRY(read_config(config, &c));
    tally t = {.mem = &model->context->mem};
    return open_session(model->context, model, &c, &t, session);
}

slmt_status slmt_session_memory(slmt_model *model, const slmt_session_config *config, uint64_t *bytes)
{
    slmt_session_config c;
    slmt_context *counting;
    slmt_session *s = NULL;
    REQUIRE(model);
    REQUIRE(bytes);
    TRY(read_config(config, &c));
    TRY(tally_context(model->context, &counting));
    tally t = {.mem = &counting->mem, .dry = 1};
    uint64_t before = slmt_context_live_bytes(counting);
    status st = open_session(counting, model, &c, &t, &s);
    if (st == OK)
        *bytes = slmt_context_live_bytes(counting) - before + t.bytes;
    slmt_session_free(s);
    slmt_context_free(counting);
    return st;
}

void slmt_session_free(slmt_session *s)
{
    if (!s)
        return;
    slmt_context *context = s->context;
    plan_free(s->plan);
    slmt_profile_free(s->profile);
    mem_give(&context->mem, s->bound);
    mem_give(&context->mem, s->source);
    mem_give(&context->mem, s->target);
    slmt_model_free(s->model);
    mem_give(&context->mem, s);
    context_release(context);
}

slmt_status slmt_session_set_profile(slmt_session *session, slmt_profile *profile)
{
    REQUIRE(session);
    return profile_exchange(session->plan, &session->profile, profile);
}

void slmt_session_cancel(slmt_session *session)
{
    if (session)
        atomic_store(&session->cancel, 1);
}

/* ---- slices ---- */

static status check_slices(const slmt_session *s, const float *source, size_t count, const float *target)
{
    size_t pixels = slice_pixels(s);
    if (count == 0 || count > SIZE_MAX / pixels / sizeof(float))
        return fail(ERR_ARGUMENT, "slmt_synthesize: count is %zu", count);
    uintptr_t a = (uintptr_t)source, b = (uintptr_t)target, bytes = count * pixels * sizeof(float);
    if (a < b + bytes && b < a + bytes)
        return fail(ERR_ARGUMENT, "slmt_synthesize: source and target overlap");
    for (size_t i = 0; i < count * pixels; i++)
        if (!isfinite(source[i]))
            return fail(ERR_NONFINITE, "slmt_synthesize: source[%zu][%zu][%zu] is not finite", i / pixels,
                        i % pixels / (size_t)s->model->net.options.image_size,
                        i % (size_t)s->model->net.options.image_size);
    return OK;
}

/* n slices, at most s->together; the rest of those are zeros. */
static status run_together(slmt_session *s, const float *source, size_t n, float *target)
{
    bk_dtype real = model_real(s->model);
    size_t used = n * slice_pixels(s), all = (size_t)s->together * slice_pixels(s);
    for (size_t i = 0; i < all; i++)
        real_set(s->source, real, i, i < used ? source[i] : 0);
    TRY(plan_run(s->plan, s->bound, s->n_bound, &s->cancel));
    for (size_t i = 0; i < used; i++)
        target[i] = (float)real_get(s->target, real, i);
    return OK;
}

static status report(const slmt_session *s, size_t done, size_t total)
{
    const slmt_session_config *c = &s->config;
    if (c->progress && c->progress(c->progress_user, "synthesize", done, total) != 0)
        return fail(ERR_CANCELLED, "cancelled by the progress callback after %zu of %zu slices", done, total);
    return OK;
}

static status run_slices(slmt_session *s, const float *source, size_t count, float *target)
{
    size_t step = (size_t)s->together, pixels = slice_pixels(s);
    for (size_t first = 0; first < count; first += step) {
        size_t n = count - first < step ? count - first : step;
        TRY(run_together(s, source + first * pixels, n, target + first * pixels));
        TRY(report(s, first + n, count));
    }
    return OK;
}

slmt_status slmt_synthesize(slmt_session *session, const float *source, size_t count, float *target)
{
    REQUIRE(session);
    REQUIRE(source);
    REQUIRE(target);
    TRY(check_slices(session, source, count, target));
    status s = run_slices(session, source, count, target);
    atomic_store(&session->cancel, 0);
    return s;
}

/* ---- volumes ---- */

/* Crops [count][crop][crop] are resized, then synthesized: slices [count][side][side]. */
static status run_crops(slmt_session *s, const float *crops, int count, float *slices)
{
    int crop = s->model->preprocess.crop_size, side = s->model->net.options.image_size;
    size_t area = (size_t)crop * (size_t)crop, pixels = slice_pixels(s);
    for (size_t i = 0; i < (size_t)count; i++)
        resize_bilinear(crops + i * area, crop, crop, slices + i * pixels, side, side);
    return run_slices(s, slices, (size_t)count, slices);
}

static status restore(const slmt_session *s, const slmt_volume *source, const float *slices,
                      slmt_volume **target)
{
    mem *m = &source->context->mem;
    const nifti_scan *scan = &source->scan;
    void *voxels;
    TRY(mem_array(m, (size_t)(scan->dims[0] * scan->dims[1] * scan->dims[2]), sizeof(float), &voxels));
    status st = preprocess_restore(m, &s->model->preprocess, scan->dims, scan->affine, slices, voxels);
    if (st == OK)
        st = volume_like(source, voxels, target);
    if (st != OK)
        mem_give(m, voxels);
    return st;
}

slmt_status slmt_synthesize_volume(slmt_session *session, const slmt_volume *source, slmt_volume **target)
{
    REQUIRE(session);
    REQUIRE(source);
    REQUIRE(target);
    mem *m = &session->context->mem;
    const nifti_scan *scan = &source->scan;
    float *crops = NULL;
    void *slices = NULL;
    int count;
    TRY(preprocess_volume(m, &session->model->preprocess, scan->dims, scan->affine, scan->voxels, &crops,
                          &count));
    status s = mem_array(m, (size_t)count * slice_pixels(session), sizeof(float), &slices);
    if (s == OK)
        s = run_crops(session, crops, count, slices);
    if (s == OK)
        s = restore(session, source, slices, target);
    atomic_store(&session->cancel, 0);
    mem_give(m, slices);
    mem_give(m, crops);
    return s;
}
