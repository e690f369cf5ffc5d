/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_tensors.c - tensors of a caller: names, types, ranks, extents and strides that do not fit, and values
 * that are no numbers.
 *
 * The input chooses a job (a session or a trainer), then changes the tensors that it wants, three bytes each.
 * Memory is as large as a tensor says, where it says little enough. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "slmt/slmt.h"

enum { JOBS = 4, MOST_TENSORS = 12, RANK = 6, MOST_ELEMENTS = 1 << 20 };

/* ---- jobs ---- */

typedef struct job {
    const char *method, *task;
    slmt_session *session; /* or */
    slmt_trainer *trainer;
} job;

static slmt_context *context;
static job jobs[JOBS];

static void demand(slmt_status status)
{
    if (status == SLMT_OK)
        return;
    fprintf(stderr, "%s\n", slmt_error_text());
    abort();
}

static slmt_model *make_model(const char *method, const slmt_number *options, size_t count)
{
    slmt_model *model;
    demand(slmt_model_create(context, method, options, count, 1, &model));
    return model;
}

static void open_jobs(void)
{
    static const slmt_number unet[] = {{"image_size", 32}, {"width", 2}};
    static const slmt_number seq2seq[] = {{"channels", 1},    {"widths_0", 2},       {"widths_1", 2},
                                          {"widths_2", 2},    {"lstm_width", 2},     {"bank", 2},
                                          {"code_length", 2}, {"residual_blocks", 1}};
    static const slmt_number size[] = {{"height", 16}, {"width", 16}, {"batch", 2}};
    slmt_context_config config;
    slmt_context_config_init(&config);
    config.threads = 1;
    demand(slmt_context_create(&config, &context));
    slmt_model *u = make_model("unet", unet, 2), *s = make_model("seq2seq", seq2seq, 8);
    jobs[0] = (job){.method = "unet", .task = "synthesize"};
    jobs[1] = (job){.method = "unet", .task = "train"};
    jobs[2] = (job){.method = "seq2seq", .task = "synthesize"};
    jobs[3] = (job){.method = "seq2seq", .task = "train"};
    demand(slmt_session_create(u, jobs[0].task, &size[2], 1, &jobs[0].session));
    demand(slmt_trainer_create(u, jobs[1].task, &size[2], 1, 1, &jobs[1].trainer));
    demand(slmt_session_create(s, jobs[2].task, size, 3, &jobs[2].session));
    demand(slmt_trainer_create(s, jobs[3].task, size, 3, 1, &jobs[3].trainer));
    slmt_model_free(u);
    slmt_model_free(s);
}

/* ---- tensors ---- */

typedef struct view {
    slmt_tensor tensor;
    int64_t shape[RANK], strides[RANK];
    int no_data, no_shape;
} view;

typedef struct views {
    view items[MOST_TENSORS];
    size_t inputs, count;
} views;

static void add_view(views *v, const job *j, const slmt_port_info *port)
{
    view *new = &v->items[v->count++];
    *new = (view){.tensor = {.name = port->name, .type = port->type}};
    demand(j->session ? slmt_session_shape(j->session, port->name, new->shape, &new->tensor.rank)
                      : slmt_trainer_shape(j->trainer, port->name, new->shape, &new->tensor.rank));
}

static void honest_views(views *v, const job *j)
{
    slmt_port_info port = {.struct_size = sizeof port};
    *v = (views){0};
    for (size_t i = 0; slmt_task_input(j->method, j->task, i, &port) == SLMT_OK; i++)
        add_view(v, j, &port);
    v->inputs = v->count;
    for (size_t i = 0; j->session && slmt_task_output(j->method, j->task, i, &port) == SLMT_OK; i++)
        add_view(v, j, &port);
}

static void compact(view *v)
{
    int64_t stride = 1;
    for (int i = (v->tensor.rank < RANK ? v->tensor.rank : RANK) - 1; i >= 0; i--) {
        v->strides[i] = stride;
        if (__builtin_mul_overflow(stride, v->shape[i], &stride))
            stride = 1;
    }
    v->tensor.strides = v->strides;
}

/* Extents that are small, or so large that no memory could hold them. */
static int64_t odd_extent(uint8_t value)
{
    static const int64_t odd[] = {
        -1, 0, 1, 2, 3, 5, 16, INT64_MAX, INT64_MIN, INT64_MAX / 2 + 1, INT64_MAX / 4 + 1, 7};
    return odd[value % (sizeof odd / sizeof *odd)];
}

static void change(views *v, uint8_t which, uint8_t what, uint8_t value)
{
    static const char *const names[] = {"source", "", "nothing", NULL, "target", "source_sequence"};
    view *at = &v->items[which % v->count];
    int axis = value >> 4 & 3;
    switch (what % 9) {
    case 0:
        at->tensor.name = names[value % 6];
        break;
    case 1:
        at->tensor.type = (int8_t)value;
        break;
    case 2:
        at->tensor.rank = (int32_t)(value % 10) - 1; /* there are shapes of RANK extents alone */
        break;
    case 3:
        at->shape[axis] = odd_extent(value & 15);
        break;
    case 4:
        compact(at);
        break;
    case 5:
        compact(at);
        at->strides[axis] = odd_extent(value & 15);
        break;
    case 6:
        v->inputs = value % (v->count + 1);
        break;
    case 7:
        *at = v->items[value % v->count];
        break;
    default:
        at->no_data = value & 1;
        at->no_shape = value & 2;
    }
}

/* Number of elements; 0: more than there will be memory for. */
static size_t elements(const view *v)
{
    int64_t n = 1;
    for (int i = 0; i < v->tensor.rank && i < RANK; i++)
        if (v->shape[i] < 0 || __builtin_mul_overflow(n, v->shape[i], &n) || n > MOST_ELEMENTS)
            return 0;
    return (size_t)n;
}

static void give_memory(view *v, uint8_t odd_value)
{
    static const float odd[] = {0, 1, -1, 1e38f, NAN, INFINITY};
    size_t n = elements(v);
    v->tensor.shape = v->no_shape ? NULL : v->shape;
    v->tensor.data = v->no_data ? NULL : calloc(n + 1, sizeof(float));
    if (v->tensor.data && v->tensor.type == SLMT_TENSOR_FLOAT32 && n > 0)
        ((float *)v->tensor.data)[n - 1] = odd[odd_value % 6];
    else if (v->tensor.data && n > 0)
        ((int32_t *)v->tensor.data)[0] = (int8_t)odd_value % 4;
}

static void run(const job *j, const slmt_tensor *list, const views *v, uint8_t how)
{
    if (j->trainer)
        slmt_trainer_step(j->trainer, list, v->inputs, how & 1 ? 1e-3 : NAN);
    else if (how & 1)
        slmt_session_set(j->session, &list[how % v->count]);
    else
        slmt_session_run(j->session, list, v->inputs, list + v->inputs, v->count - v->inputs);
}

static void give_all(views *v, slmt_tensor *list, uint8_t odd_value)
{
    for (size_t i = 0; i < v->count; i++) {
        give_memory(&v->items[i], odd_value);
        list[i] = v->items[i].tensor;
    }
}

static void take_all(views *v)
{
    for (size_t i = 0; i < v->count; i++)
        free(v->items[i].tensor.data);
}

/* What a job takes in its first call it keeps. */
static void warm_up(const job *j)
{
    views v;
    slmt_tensor list[MOST_TENSORS];
    honest_views(&v, j);
    give_all(&v, list, 0);
    run(j, list, &v, j->trainer != NULL);
    take_all(&v);
}

static void open_all(void)
{
    open_jobs();
    for (int i = 0; i < JOBS; i++)
        warm_up(&jobs[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    views v;
    slmt_tensor list[MOST_TENSORS];
    if (size < 3)
        return 0;
    if (!context)
        open_all();
    const job *j = &jobs[bytes[0] % JOBS];
    uint64_t idle = slmt_context_live_bytes(context);
    honest_views(&v, j);
    for (size_t i = 3; i + 3 <= size && i < 3 + 3 * 8; i += 3)
        change(&v, bytes[i], bytes[i + 1], bytes[i + 2]);
    give_all(&v, list, bytes[2]);
    run(j, list, &v, bytes[1]);
    take_all(&v);
    if (slmt_context_live_bytes(context) != idle)
        abort();
    return 0;
}
