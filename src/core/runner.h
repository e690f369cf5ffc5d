/* SPDX-License-Identifier: Apache-2.0 */
/* runner.h - a task of a model, planned and ready to run, for a few samples at a time. */
#ifndef SLMT_CORE_RUNNER_H
#define SLMT_CORE_RUNNER_H

#include "core/profile.h"
#include "core/shared_arena.h"
#include "core/task.h"
#include "slmt/session.h"

typedef struct runner {
    slmt_context *context; /* whose memory it takes: the model's, or a counting one */
    slmt_model *model;
    task task;     /* its batch is that of one run, at most `batch` */
    int32_t batch; /* of the task's setting, before it was cut */
    plan *plan;
    plan *fold; /* computes what depends on weights and shared inputs alone, or NULL */
    shared_arena arena;
    int32_t hoisted; /* how many values that is; their memory is bound behind the task's slots */
    uint64_t seen;   /* the version of the weights in the last run; 0: none, or a shared input has changed */
    slmt_profile *profile;         /* or NULL */
    void **bound;                  /* by plan slot, in the device's memory */
    size_t *hoisted_bytes;         /* of each hoisted value */
    void *data[METHOD_PORTS];      /* of one run, on the host */
    void *on_device[METHOD_PORTS]; /* the same in the device's memory; NULL if that is the host's */
    int is_set[METHOD_PORTS];      /* of a shared input: data holds the caller's */
    uint64_t
        generation; /* counts the changes of weights and shared inputs: the version of invariant inputs */
    int is_newer[METHOD_PORTS]; /* data has changed since it was copied to the device */
    slmt_progress_fn progress;
    void *progress_user;
    atomic_int cancel;
    atomic_int busy; /* a thread is in runner_run() */
} runner;

/* Fills *r, which the caller has zeroed; closes it again on failure. y counts the large blocks. */
status runner_open(runner *r, slmt_context *context, const task *t, dry_run *y);
void runner_close(runner *r);

/* Counts the bytes that a runner and `own` bytes around it hold, exactly. */
status runner_count(const task *t, size_t own, held_bytes *held);

status runner_profile(runner *r, slmt_profile *profile); /* NULL: no more */

/* ---- running ---- */

/* What a call works on: each port's array, inputs and then outputs, and how many samples they hold. Shared
 * inputs whose array is NULL are as they were. */
typedef struct arrays {
    void *at[METHOD_PORTS];
    size_t samples;
} arrays;

int32_t runner_samples(const runner *r); /* of one run */

/* Copies n elements of input i, float32 or int32; the rest are zeros. */
void runner_take(runner *r, int32_t i, const void *x, size_t n);

/* Runs n samples from `first` on, at most those of one run. An output may be the memory of an input.
 * ERR_STATE: another thread is in such a run. */
status runner_run(runner *r, const arrays *a, size_t first, size_t n);

/* Runs all samples, one run after the other, with progress. */
status runner_run_all(runner *r, const arrays *a);

/* Calls the progress callback. ERR_CANCELLED: it wants no more. */
status runner_report(const runner *r, size_t done, size_t total);

#endif
