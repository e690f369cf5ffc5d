/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - entry points of slmt/session.h: sessions and their tensors; synthesize.c has slices and
 * volumes. */
#include "api/session.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/finite.h"
#include "core/structs.h"

/* ---- life ---- */

status session_open(const task *t, slmt_session **session)
{
    slmt_context *context = t->model->context;
    dry_run y = {.mem = &context->mem};
    void *p;
    TRY(mem_zeros(&context->mem, 1, sizeof(slmt_session), &p));
    slmt_session *made = p;
    made->word = HANDLE_SESSION;
    status s = runner_open(&made->runner, context, t, &y);
    if (s != OK) {
        mem_give(&context->mem, made);
        return s;
    }
    *session = made;
    return OK;
}

static status named_task(slmt_model *model, const char *name, const slmt_number *settings, size_t count,
                         task *t)
{
    const method_task *kind = name ? NULL : task_synthesis(model->method);
    double setting[METHOD_NUMBERS];
    if (!name && !kind)
        return fail(ERR_NOT_FOUND, "method %s has no task that synthesizes; name one", model->method->name);
    TRY(task_find(model, name ? name : kind->name, 0, &kind));
    TRY(task_settings(kind, settings, count, setting));
    return task_init(t, model, kind, setting);
}

slmt_status slmt_session_create(slmt_model *model, const char *name, const slmt_number *settings,
                                size_t count, slmt_session **session)
{
    task t;
    REQUIRE(model);
    REQUIRE(session);
    if (count > 0)
        REQUIRE(settings);
    TRY(named_task(model, name, settings, count, &t));
    return session_open(&t, session);
}

static status count_memory(slmt_model *model, const char *name, const slmt_number *settings, size_t count,
                           held_bytes *held)
{
    task t;
    REQUIRE(model);
    if (count > 0)
        REQUIRE(settings);
    TRY(named_task(model, name, settings, count, &t));
    return runner_count(&t, sizeof(slmt_session), held);
}

slmt_status slmt_session_memory(slmt_model *model, const char *name, const slmt_number *settings,
                                size_t count, uint64_t *bytes)
{
    held_bytes held;
    REQUIRE(bytes);
    TRY(count_memory(model, name, settings, count, &held));
    *bytes = held.all;
    return OK;
}

slmt_status slmt_session_device_memory(slmt_model *model, const char *name, const slmt_number *settings,
                                       size_t count, uint64_t *bytes)
{
    held_bytes held;
    REQUIRE(bytes);
    TRY(count_memory(model, name, settings, count, &held));
    *bytes = held.device;
    return OK;
}

void slmt_session_free(slmt_session *session)
{
    if (!session || !HANDLE_IS(session))
        return;
    slmt_context *context = context_retain(session->runner.context);
    runner_close(&session->runner);
    handle_end(session);
    mem_give(&context->mem, session);
    context_release(context);
}

slmt_status slmt_session_set_profile(slmt_session *session, slmt_profile *profile)
{
    REQUIRE(session);
    return runner_profile(&session->runner, profile);
}

slmt_model *slmt_session_model(slmt_session *session)
{
    return session ? session->runner.model : NULL;
}

const char *slmt_session_task(const slmt_session *session)
{
    return session ? session->runner.task.kind->name : "";
}

slmt_status slmt_session_set_spacing(slmt_session *session, int32_t spacing)
{
    REQUIRE(session);
    if (spacing < SLMT_SPACING_REFUSE || spacing > SLMT_SPACING_ANY)
        return fail(
            ERR_ARGUMENT,
            "slmt_session_set_spacing: spacing is %d, expected SLMT_SPACING_REFUSE, _RESAMPLE or _ANY",
            spacing);
    session->spacing = spacing;
    return OK;
}

void slmt_session_cancel(slmt_session *session)
{
    if (session)
        atomic_store(&session->runner.cancel, 1);
}

slmt_status slmt_session_set_progress(slmt_session *session, slmt_progress_fn progress, void *user)
{
    REQUIRE(session);
    session->runner.progress = progress;
    session->runner.progress_user = user;
    return OK;
}

/* ---- tensors ---- */

slmt_status slmt_session_shape(const slmt_session *session, const char *name, int64_t shape[6], int32_t *rank)
{
    REQUIRE(session);
    REQUIRE(name);
    REQUIRE(shape);
    REQUIRE(rank);
    return task_shape_named(&session->runner.task, name, session->runner.batch, shape, rank);
}

/* by_port: the tensors of the outputs. */
static status check_outputs(const task *t, const slmt_tensor *const *by_port)
{
    for (int32_t i = 0; i < t->kind->outputs.n; i++) {
        const slmt_tensor *y = by_port[i];
        char what[PARAM_NAME_MAX + 8];
        if (!y || y->type != SLMT_TENSOR_FLOAT32)
            continue;
        snprintf(what, sizeof what, "tensor %s", y->name);
        TRY(check_made(what, y->data, y->shape, y->rank));
    }
    return OK;
}

slmt_status slmt_session_run(slmt_session *session, const slmt_tensor *inputs, size_t n_inputs,
                             const slmt_tensor *outputs, size_t n_outputs)
{
    REQUIRE(session);
    REQUIRE(inputs);
    REQUIRE(outputs);
    const task *t = &session->runner.task;
    const slmt_tensor *by_port[METHOD_PORTS];
    arrays a = {{0}, 0};
    int64_t samples = 0;
    int32_t n = t->kind->inputs.n;
    TRY(task_match(t, &t->kind->inputs, 0, inputs, n_inputs, by_port, &samples));
    TRY(task_match(t, &t->kind->outputs, n, outputs, n_outputs, by_port + n, &samples));
    for (int32_t i = 0; i < task_ports(t); i++) {
        a.at[i] = by_port[i]->data;
        if (i < n)
            TRY(task_check_values(t, &t->kind->inputs.rows[i], by_port[i]));
    }
    a.samples = samples > 0 ? (size_t)samples : 1;
    status s = runner_run_all(&session->runner, &a);
    if (s == OK)
        s = check_outputs(t, by_port + n);
    atomic_store(&session->runner.cancel, 0);
    return s;
}

slmt_status slmt_session_set(slmt_session *session, const slmt_tensor *input)
{
    REQUIRE(session);
    REQUIRE(input);
    const task *t = &session->runner.task;
    const slmt_tensor *by_port[METHOD_PORTS];
    for (int32_t i = 0; i < t->kind->inputs.n; i++) {
        const port_table one = {&t->kind->inputs.rows[i], 1};
        int64_t samples = 0;
        if (!input->name || strcmp(input->name, one.rows->name) != 0 || !(one.rows->flags & PORT_SHARED))
            continue;
        TRY(task_match(t, &one, i, input, 1, by_port, &samples));
        TRY(task_check_values(t, one.rows, input));
        runner_take(&session->runner, i, input->data, (size_t)bk_count(&t->shape[i]));
        return OK;
    }
    return fail(ERR_NOT_FOUND, "task %s has no input %s that all samples share", t->kind->name,
                input->name ? input->name : "NULL");
}

slmt_status slmt_session_set_target(slmt_session *session, const char *contrast)
{
    REQUIRE(session);
    REQUIRE(contrast);
    const slmt_model *model = session->runner.model;
    int32_t i = port_with_role(session->runner.task.kind->inputs, SLMT_ROLE_TARGET_CONTRAST), index;
    const char *only = card_text(model, "target_contrast");
    if (i >= 0) {
        TRY(contrasts_find(model, contrast, &index));
        runner_take(&session->runner, i, &index, 1);
        return OK;
    }
    if (strcmp(only, contrast) == 0)
        return OK;
    if (!*only)
        return fail(ERR_NOT_FOUND, "the model's card does not say that it makes %s", contrast);
    return fail(ERR_NOT_FOUND, "the model makes %s alone, not %s", only, contrast);
}
