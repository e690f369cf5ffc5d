/* SPDX-License-Identifier: Apache-2.0 */
/* fit_speed.c - real steps of a throw-away trainer, fed by hand. */
#include "fit_speed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "interrupt.h"
#include "must.h"
#include "tool.h"

enum { MOST_INPUTS = 8, MOST_STEPS = 20, MOST_AXES = 6 };

typedef struct inputs {
    slmt_tensor tensors[MOST_INPUTS];
    int64_t shapes[MOST_INPUTS][MOST_AXES];
    size_t count;
} inputs;

/* Images of grey noise; numbers that choose something are 0. */
static void fill(slmt_tensor *t, size_t n)
{
    uint32_t state = 1;
    t->data = must_alloc(n, t->type == SLMT_TENSOR_INT32 ? sizeof(int32_t) : sizeof(float));
    for (size_t i = 0; i < n && t->type == SLMT_TENSOR_FLOAT32; i++) {
        state = state * 1664525u + 1013904223u;
        ((float *)t->data)[i] = (float)(state >> 8) / 16777216.0f;
    }
}

static slmt_status make_inputs(const slmt_trainer *trainer, const char *method, const char *task, inputs *in)
{
    slmt_port_info port = {.struct_size = sizeof port};
    slmt_status status = SLMT_OK;
    while (in->count < MOST_INPUTS && status == SLMT_OK &&
           slmt_task_input(method, task, in->count, &port) == SLMT_OK) {
        size_t n = 1;
        int32_t rank = 0;
        int64_t *shape = in->shapes[in->count];
        slmt_tensor *t = &in->tensors[in->count];
        status = slmt_trainer_shape(trainer, port.name, shape, &rank);
        for (int32_t i = 0; i < rank; i++)
            n *= (size_t)shape[i];
        *t = (slmt_tensor){.name = port.name, .shape = shape, .rank = rank, .type = port.type};
        fill(t, n);
        in->count++;
    }
    return status;
}

static void free_inputs(inputs *in)
{
    for (size_t i = 0; i < in->count; i++)
        free(in->tensors[i].data);
}

/* The first step warms up caches and pages; unless patience has ended with it, it does not count. */
static slmt_status time_steps(slmt_trainer *trainer, const inputs *in, double patience, double *seconds)
{
    double began = seconds_now(), first = 0;
    int steps = 0;
    slmt_status status = SLMT_OK;
    while (status == SLMT_OK && !interrupted()) {
        status = slmt_trainer_step(trainer, in->tensors, in->count, 1e-6);
        double used = seconds_now() - began;
        first = steps == 0 ? used : first;
        steps++;
        *seconds = steps == 1 ? used : (used - first) / (steps - 1);
        if (used >= patience || steps == MOST_STEPS)
            break;
    }
    return status;
}

/* What the weights take, as the context counts them. */
static uint64_t model_bytes(slmt_context *context, uint64_t before)
{
    uint64_t now = slmt_context_live_bytes(context);
    return now > before ? now - before : 0;
}

static slmt_status measure(slmt_model *model, const char *task, const number_list *settings, double patience,
                           double *seconds)
{
    slmt_trainer *trainer = NULL;
    inputs in = {0};
    slmt_status status = slmt_trainer_create(model, task, settings->items, settings->count, 0, &trainer);
    if (status == SLMT_OK)
        status = make_inputs(trainer, slmt_model_method(model), task, &in);
    if (status == SLMT_OK)
        status = time_steps(trainer, &in, patience, seconds);
    free_inputs(&in);
    slmt_trainer_free(trainer);
    return status;
}

int fit_speed_measure(slmt_context *context, const char *method, const number_list *options, const char *task,
                      const number_list *settings, double patience, uint64_t most_bytes, fit_speed *speed)
{
    slmt_model *model = NULL;
    uint64_t trainer = 0, before = slmt_context_live_bytes(context);
    *speed = (fit_speed){.seconds = INFINITY};
    slmt_status status = slmt_model_create(context, method, options->items, options->count, 0, &model);
    if (status == SLMT_OK)
        status = slmt_trainer_memory(model, task, settings->items, settings->count, &trainer);
    speed->bytes = trainer + model_bytes(context, before);
    if (status == SLMT_OK && (!most_bytes || speed->bytes <= most_bytes))
        status = measure(model, task, settings, patience, &speed->seconds);
    slmt_model_free(model);
    if (status == SLMT_ERR_LIMIT || status == SLMT_ERR_MEMORY)
        return EXIT_OK; /* too much for --max-memory: seconds stay infinite */
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s %s", method, task);
}
