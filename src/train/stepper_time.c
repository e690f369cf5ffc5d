/* SPDX-License-Identifier: Apache-2.0 */
/* stepper_time.c - how long a step takes, measured before the first one. */
#include <string.h>

#include "lib/profile.h"
#include "train/stepper.h"

static void clear_inputs(stepper *s)
{
    for (int32_t i = 0; i < s->task.kind->inputs.n; i++) {
        const bk_shape *shape = &s->task.shape[i];
        memset(s->data[i], 0, (size_t)bk_count(shape) * bk_dtype_size(shape->dtype));
        s->is_newer[i] = 1;
    }
    s->taken = 0;
}

/* States that a graph assigns keep their values: nothing assigns them here. */
static status run_graphs(stepper *s)
{
    for (int32_t i = 0; i < task_graph_count(s->task.kind); i++)
        TRY(plan_run(s->graph[i].plan, s->bound, task_slots(&s->task), NULL));
    return OK;
}

static status time_once(stepper *s, double *seconds)
{
    double began = profile_clock();
    int32_t bad;
    TRY(run_graphs(s));
    TRY(stepper_look(s, NULL, 0, &bad)); /* waits for a device */
    *seconds = profile_clock() - began;
    return OK;
}

/* The first run also touches its memory for the first time: a short one is measured again. */
status stepper_time(stepper *s, double *seconds)
{
    TRY(stepper_check_attached(s));
    TRY(stepper_finish(s));
    clear_inputs(s);
    TRY(stepper_push(s));
    TRY(stepper_upload(s));
    TRY(time_once(s, seconds));
    return *seconds < 2 ? time_once(s, seconds) : OK;
}
