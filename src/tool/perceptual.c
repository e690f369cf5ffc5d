/* SPDX-License-Identifier: Apache-2.0 */
/* perceptual.c - runs the task "distance" of method vgg19, batch by batch. */
#include "perceptual.h"

#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "numbers.h"
#include "tool.h"

static const char method[] = "vgg19", task[] = "distance";

static int plan(perceptual *p, const char *file)
{
    static const int32_t roles[] = {SLMT_ROLE_BATCH, SLMT_ROLE_HEIGHT, SLMT_ROLE_WIDTH};
    slmt_number settings[3];
    size_t count = 0;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        slmt_number_info info;
        if (number_for((number_owner){method, task}, roles[i], &info))
            settings[count++] =
                (slmt_number){info.name, roles[i] == SLMT_ROLE_BATCH ? p->batch : (double)p->side};
    }
    slmt_status status = slmt_session_create(p->model, task, settings, count, &p->session);
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", file);
}

int perceptual_open(perceptual *p, slmt_context *context, const char *file, size_t side, int32_t batch)
{
    *p = (perceptual){.side = side, .batch = batch};
    slmt_status status = slmt_model_load(context, file, &p->model);
    if (status != SLMT_OK)
        return fail(status, "%s", file);
    if (strcmp(slmt_model_method(p->model), method) != 0)
        return fail_with(EXIT_USAGE, "--perceptual: %s is a model of %s, not of %s", file,
                         slmt_model_method(p->model), method);
    p->a = must_alloc((size_t)batch * side * side, sizeof *p->a);
    p->b = must_alloc((size_t)batch * side * side, sizeof *p->b);
    return plan(p, file);
}

/* From [0, 1] to the network's [-1, 1]. */
static void scale(const float *from, const uint8_t *mask, size_t count, float *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = 2 * (mask && !mask[i] ? 0 : from[i]) - 1;
}

static slmt_status run_batch(perceptual *p, size_t count, double *distance)
{
    const int64_t images[] = {(int64_t)count, (int64_t)p->side, (int64_t)p->side};
    float *found = must_alloc(count, sizeof *found);
    const slmt_tensor in[] = {
        {.name = "a", .data = p->a, .shape = images, .rank = 3, .type = SLMT_TENSOR_FLOAT32},
        {.name = "b", .data = p->b, .shape = images, .rank = 3, .type = SLMT_TENSOR_FLOAT32}};
    const slmt_tensor out = {
        .name = "distance", .data = found, .shape = images, .rank = 1, .type = SLMT_TENSOR_FLOAT32};
    slmt_status status = slmt_session_run(p->session, in, 2, &out, 1);
    for (size_t i = 0; i < count; i++)
        distance[i] = found[i];
    free(found);
    return status;
}

int perceptual_distances(perceptual *p, const float *a, const float *b, const uint8_t *mask, size_t slices,
                         double *distance)
{
    size_t pixels = p->side * p->side, step = (size_t)p->batch;
    slmt_status status = SLMT_OK;
    for (size_t first = 0; first < slices && status == SLMT_OK; first += step) {
        size_t count = slices - first < step ? slices - first : step, at = first * pixels;
        scale(a + at, mask ? mask + at : NULL, count * pixels, p->a);
        scale(b + at, mask ? mask + at : NULL, count * pixels, p->b);
        status = run_batch(p, count, distance + first);
    }
    return status == SLMT_OK ? EXIT_OK : fail(status, "perceptual distance");
}

void perceptual_close(perceptual *p)
{
    slmt_session_free(p->session);
    slmt_model_free(p->model);
    free(p->a);
    free(p->b);
    *p = (perceptual){0};
}
