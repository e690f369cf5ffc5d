/* SPDX-License-Identifier: Apache-2.0 */
/* softmax.c - softmax over the last axis: y = exp(x - max) / sum exp(x - max), three passes over a row that
 * the first-level cache holds; and its logarithm, y = (x - max) - log sum exp(x - max). Attention has its own
 * (attention.c). */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/work.h"

static float row_max(const float *x, int64_t n)
{
    float m = x[0];
    int64_t i = 0;
    if (n >= VL) {
        vf acc = vload(x);
        for (i = VL; i + VL <= n; i += VL)
            acc = vmax(acc, vload(x + i));
        m = vmax_lane(acc);
    }
    for (; i < n; i++)
        m = m > x[i] ? m : x[i];
    return m;
}

static void softmax_row(const float *x, float *y, int64_t n)
{
    vf m = vset(row_max(x, n)), sum = vset(0.0f);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf e = vexp_negative(vload(x + i) - m);
        vstore(y + i, e);
        sum += e;
    }
    float total = vsum(sum);
    if (i < n) {
        float lane[VL];
        vstore(lane, vexp_negative(vload_part(x + i, n - i, m[0]) - m));
        for (int64_t k = 0; i + k < n; k++) {
            y[i + k] = lane[k];
            total += lane[k];
        }
    }
    vf inverse = vset(1.0f / total);
    for (i = 0; i < n; i += VL)
        vstore_n(y + i, vload_n(y + i, n - i) * inverse, n - i);
}

static float sum_of_powers(const float *x, float most, int64_t n)
{
    vf m = vset(most), sum = vset(0.0f);
    for (int64_t i = 0; i < n; i += VL)
        sum += vexp_negative((n - i >= VL ? vload(x + i) : vload_part(x + i, n - i, -INFINITY)) - m);
    return vsum(sum);
}

static void log_softmax_row(const float *x, float *y, int64_t n)
{
    float most = row_max(x, n), far = logf(sum_of_powers(x, most, n));
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - most) - far;
}

static bk_status run_rows(const bk_call *call, int threads, void (*row)(const float *, float *, int64_t))
{
    const bk_shape *s = &call->out[0].shape;
    const float *x = call->in[0].data;
    float *y = call->out[0].data;
    int64_t n = s->rank > 0 ? s->dim[s->rank - 1] : 1, rows = bk_count(s) / work_max(n, 1);
    int team = work_team(threads, rows, rows * n);
#pragma omp parallel for num_threads(team) if (team > 1) schedule(static)
    for (int64_t r = 0; r < rows; r++)
        row(x + r * n, y + r * n, n);
    return BK_OK;
}

static bk_status run_softmax(const bk_call *call, int threads)
{
    return run_rows(call, threads, softmax_row);
}

static bk_status run_log_softmax(const bk_call *call, int threads)
{
    return run_rows(call, threads, log_softmax_row);
}

const cpu_kernel KERNEL(cpu_softmax) = {.run = run_softmax};
const cpu_kernel KERNEL(cpu_log_softmax) = {.run = run_log_softmax};
