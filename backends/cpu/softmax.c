/* SPDX-License-Identifier: Apache-2.0 */
/* softmax.c - softmax over the last axis: y = exp(x - max) / sum exp(x - max), three passes over a row that
 * the first-level cache holds; and its logarithm, y = (x - max) - log sum exp(x - max). Attention has its own
 * (attention.c). */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/team.h"
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

typedef void (*row_function)(const float *x, float *y, int64_t n);

typedef struct rows_job {
    row_function row;
    const float *x;
    float *y;
    int64_t n;
} rows_job;

static void some_rows(const void *job, int64_t first, int64_t end, int thread)
{
    const rows_job *j = job;
    (void)thread;
    for (int64_t r = first; r < end; r++)
        j->row(j->x + r * j->n, j->y + r * j->n, j->n);
}

static bk_status run_rows(const bk_call *call, cpu_team *team, row_function row)
{
    const bk_shape *s = &call->in[0].shape;
    rows_job j = {row, call->in[0].data, call->out[0].data, s->rank > 0 ? s->dim[s->rank - 1] : 1};
    int64_t count = bk_count(s);
    cpu_team_share(team, count / work_max(j.n, 1), count, some_rows, &j);
    return BK_OK;
}

static bk_status run_softmax(const bk_call *call, cpu_team *team)
{
    return run_rows(call, team, softmax_row);
}

static bk_status run_log_softmax(const bk_call *call, cpu_team *team)
{
    return run_rows(call, team, log_softmax_row);
}

const cpu_kernel KERNEL(cpu_softmax) = {.run = run_softmax};
const cpu_kernel KERNEL(cpu_log_softmax) = {.run = run_log_softmax};
