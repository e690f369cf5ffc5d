/* SPDX-License-Identifier: Apache-2.0 */
/* stacks.c - filling stacks from slices, and taking slices from stacks. */
#include "core/stacks.h"

const slicing slices_alone = {0, 1};

/* What is no stack on one side is none on the other. */
static stacking find_stacking(const task *t)
{
    stacking in = stacking_of(task_port(t, 0), &t->shape[0]);
    stacking out = stacking_of(task_port(t, t->kind->inputs.n), &t->shape[t->kind->inputs.n]);
    return out.slices == 0 ? out : in;
}

status stacks_open(runner *r, size_t count, stacks *k)
{
    const task *t = &r->task;
    const slicing *rule = t->kind->slices;
    *k = (stacks){.runner = r, .count = count};
    if (rule)
        k->of = find_stacking(t);
    if (k->of.slices == 0)
        return fail(ERR_UNSUPPORTED, "task %s of method %s takes no slices of a volume%s", t->kind->name,
                    r->model->method->name, rule ? " with these options and settings" : "");
    for (int32_t i = 0; i < t->kind->inputs.n; i++)
        if ((t->kind->inputs.rows[i].flags & PORT_SHARED) && !r->is_set[i])
            return fail(ERR_STATE, "input %s is not set; see slmt_session_set()",
                        t->kind->inputs.rows[i].name);
    const bk_shape *in = &t->shape[0];
    k->low = rule->low;
    k->high = rule->high;
    k->pixels = (size_t)(in->dim[in->rank - 1] * in->dim[in->rank - 2]);
    const bk_shape *out = &t->shape[t->kind->inputs.n];
    k->made = (int32_t)((size_t)bk_count(out) / (size_t)out->dim[0] / k->pixels);
    return OK;
}

int stacks_are_plain(const stacks *k)
{
    return k->of.slices == 1 && k->low == 0 && k->high == 1;
}

static size_t stack_count(const stacks *k)
{
    size_t height = (size_t)k->of.slices;
    return k->of.whole ? (k->count + height - 1) / height : k->count;
}

/* Returns the slice in place j of stack i; below 0 or beyond the last one, it is a repeated one. The last of
 * the stacks that lie side by side ends with the volume. */
static int64_t slice_of(const stacks *k, size_t i, int32_t j)
{
    int64_t first = (int64_t)i - k->of.slices / 2, last = (int64_t)k->count - k->of.slices;
    if (k->of.whole)
        first = (int64_t)i * k->of.slices;
    if (k->of.whole && last > 0 && first > last)
        first = last;
    return first + j;
}

/* Copies the stacks from first to first + n - 1 into samples. */
static void fill_stacks(const stacks *k, const float *source, size_t first, size_t n, float *samples)
{
    float low = (float)k->low, range = (float)(k->high - k->low);
    for (size_t i = 0; i < n; i++)
        for (int32_t j = 0; j < k->of.slices; j++, samples += k->pixels) {
            int64_t slice = slice_of(k, first + i, j), last = (int64_t)k->count - 1;
            const float *from = source + (size_t)(slice < 0 ? 0 : slice > last ? last : slice) * k->pixels;
            for (size_t e = 0; e < k->pixels; e++)
                samples[e] = low + range * from[e];
        }
}

/* Copies the slices that count of each output to the target. */
static void take_stacks(const stacks *k, const float *output, size_t first, size_t n, float *target)
{
    float low = (float)k->low, range = (float)(k->high - k->low);
    for (size_t i = 0; i < n; i++)
        for (int32_t j = 0; j < k->made; j++, output += k->pixels) {
            int64_t slice = k->of.whole ? slice_of(k, first + i, j) : (int64_t)(first + i);
            if ((!k->of.whole && j != k->made / 2) || slice >= (int64_t)k->count)
                continue;
            for (size_t e = 0; e < k->pixels; e++)
                target[(size_t)slice * k->pixels + e] = (output[e] - low) / range;
        }
}

/* Runs all stacks, as many at a time as `samples` has room for. */
static status run_stacks(const stacks *k, const float *source, float *target, float *samples)
{
    runner *r = k->runner;
    arrays a = {{samples}, 0};
    size_t step = (size_t)runner_samples(r), all = stack_count(k);
    a.at[r->task.kind->inputs.n] = samples;
    for (size_t first = 0; first < all; first += step) {
        size_t n = all - first < step ? all - first : step;
        fill_stacks(k, source, first, n, samples);
        TRY(runner_run(r, &a, 0, n));
        take_stacks(k, samples, first, n, target);
        size_t done = (first + n) * (k->of.whole ? (size_t)k->of.slices : 1);
        TRY(runner_report(r, done < k->count ? done : k->count, k->count));
    }
    return OK;
}

status stacks_run(const stacks *k, const float *source, float *target)
{
    mem *m = &k->runner->context->mem;
    void *samples;
    if (stacks_are_plain(k)) {
        arrays a = {{(void *)(uintptr_t)source, target}, k->count};
        return runner_run_all(k->runner, &a);
    }
    TRY(mem_array(m, (size_t)runner_samples(k->runner) * (size_t)k->of.slices * k->pixels, sizeof(float),
                  &samples));
    status s = run_stacks(k, source, target, samples);
    mem_give(m, samples);
    return s;
}
