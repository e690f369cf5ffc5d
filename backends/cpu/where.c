/* SPDX-License-Identifier: Apache-2.0 */
/* where.c - the choice between two inputs by a mask, all three broadcast.
 *
 * As with two inputs (elementwise.c), axes are joined if the strides of all three allow, and the last axis is
 * walked with each input either contiguous or one value. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/work.h"

enum { OPERANDS = 3 };

typedef struct axes {
    int rank;
    int64_t dim[BK_MAX_RANK], stride[OPERANDS][BK_MAX_RANK];
} axes;

/* Appends an axis, joined to the one before if that is one walk for every operand. */
static void append(axes *all, int64_t dim, const int64_t stride[OPERANDS])
{
    int last = all->rank - 1, joined = last >= 0;
    if (dim == 1)
        return;
    for (int k = 0; joined && k < OPERANDS; k++)
        joined = all->stride[k][last] == stride[k] * dim;
    last += !joined;
    all->rank = last + 1;
    all->dim[last] = joined ? all->dim[last] * dim : dim;
    for (int k = 0; k < OPERANDS; k++)
        all->stride[k][last] = stride[k];
}

static axes axes_of(const bk_call *call)
{
    axes all = {0};
    int64_t dense[OPERANDS][BK_MAX_RANK], stride[OPERANDS];
    for (int k = 0; k < OPERANDS; k++)
        work_strides(&call->in[k].shape, dense[k]);
    for (int i = 0; i < call->out[0].shape.rank; i++) {
        for (int k = 0; k < OPERANDS; k++)
            stride[k] = call->in[k].shape.dim[i] == 1 ? 0 : dense[k][i];
        append(&all, call->out[0].shape.dim[i], stride);
    }
    if (all.rank == 0)
        all = (axes){.rank = 1, .dim = {1}};
    return all;
}

/* Returns the offset in operand k of row number `row` of the last axis. */
static int64_t offset_of(const axes *all, int k, int64_t row)
{
    int64_t offset = 0;
    for (int i = all->rank - 2; i >= 0; i--) {
        offset += row % all->dim[i] * all->stride[k][i];
        row /= all->dim[i];
    }
    return offset;
}

INLINE vf operand(const float *p, int64_t step, int64_t i, int64_t n)
{
    return step ? vload_n(p + i, n - i) : vset(*p);
}

static void choose(const float *const x[OPERANDS], const int64_t step[OPERANDS], float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += VL) {
        vf mask = operand(x[0], step[0], i, n), a = operand(x[1], step[1], i, n);
        vstore_n(y + i, vselect(mask != vset(0.0f), a, operand(x[2], step[2], i, n)), n - i);
    }
}

static bk_status run_where(const bk_call *call, int threads)
{
    axes all = axes_of(call);
    int64_t n = all.dim[all.rank - 1], rows = bk_count(&call->out[0].shape) / n;
    int64_t cut = work_min(n, WORK_PIECE), cuts = work_pieces(n, cut), step[OPERANDS];
    int64_t many = work_max(1, WORK_PIECE / cut), pieces = work_pieces(rows, many) * cuts;
    int team = work_team(threads, pieces, rows * n);
    for (int k = 0; k < OPERANDS; k++)
        step[k] = all.stride[k][all.rank - 1];
#pragma omp parallel for num_threads(team) if (team > 1) schedule(static)
    for (int64_t p = 0; p < pieces; p++) {
        int64_t row = p / cuts * many, end = work_min(rows, row + many), at = p % cuts * cut;
        for (; row < end; row++) {
            const float *x[OPERANDS];
            for (int k = 0; k < OPERANDS; k++)
                x[k] = (const float *)call->in[k].data + offset_of(&all, k, row) + at * step[k];
            choose(x, step, (float *)call->out[0].data + row * n + at, work_min(cut, n - at));
        }
    }
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_where) = {.run = run_where};
