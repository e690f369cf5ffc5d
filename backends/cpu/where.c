/* SPDX-License-Identifier: Apache-2.0 */
/* where.c - the choice between two inputs by a mask, all three broadcast.
 *
 * As with two inputs (elementwise.c), axes are joined if the strides of all three allow, and the last axis is
 * walked with each input either contiguous or one value. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/team.h"
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

/* A piece is `many` rows of n elements, or a cut of one row. */
typedef struct choice {
    const bk_call *call;
    axes all;
    int64_t rows, n, cut, cuts, many, step[OPERANDS];
} choice;

static void choose_piece(const choice *c, int64_t p)
{
    int64_t row = p / c->cuts * c->many, end = work_min(c->rows, row + c->many), at = p % c->cuts * c->cut;
    for (; row < end; row++) {
        const float *x[OPERANDS];
        for (int k = 0; k < OPERANDS; k++)
            x[k] = (const float *)c->call->in[k].data + offset_of(&c->all, k, row) + at * c->step[k];
        choose(x, c->step, (float *)c->call->out[0].data + row * c->n + at, work_min(c->cut, c->n - at));
    }
}

static void choose_pieces(const void *job, int64_t first, int64_t end, int thread)
{
    (void)thread;
    for (int64_t p = first; p < end; p++)
        choose_piece(job, p);
}

static bk_status run_where(const bk_call *call, cpu_team *team)
{
    choice c = {.call = call, .all = axes_of(call)};
    c.n = c.all.dim[c.all.rank - 1];
    c.rows = bk_count(&call->out[0].shape) / c.n;
    c.cut = work_min(c.n, WORK_PIECE);
    c.cuts = work_pieces(c.n, c.cut);
    c.many = work_max(1, WORK_PIECE / c.cut);
    for (int k = 0; k < OPERANDS; k++)
        c.step[k] = c.all.stride[k][c.all.rank - 1];
    cpu_team_share(team, work_pieces(c.rows, c.many) * c.cuts, c.rows * c.n, choose_pieces, &c);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_where) = {.run = run_where};
