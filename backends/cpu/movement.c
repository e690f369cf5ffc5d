/* SPDX-License-Identifier: Apache-2.0 */
/* movement.c - ops that move 4-byte elements, float32 or int32 alike: transpose, slice, pad, concat,
 * broadcast, gather; and scatter, which adds. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

typedef uint32_t cell; /* one element; copied, never computed with */

enum { TILE = 32 };

static void copy_cells(cell *to, const cell *from, int64_t n)
{
    memcpy(to, from, (size_t)n * sizeof(cell));
}

/* Copies the walk's operand 1 (from) to operand 0 (to). Both are contiguous along its last axis, or `from`
 * has stride 0 there. */
typedef struct row_copy {
    const work_walk *walk;
    cell *to;
    const cell *from;
    int outer, fill;                  /* fill: one element is repeated along a row */
    int64_t rows, n, cut, cuts, many; /* a piece is `many` rows of n elements, or a cut of one row */
} row_copy;

static void copy_piece(const row_copy *c, int64_t p)
{
    int64_t row = p / c->cuts * c->many, end = work_min(c->rows, row + c->many), at = p % c->cuts * c->cut;
    int64_t len = work_min(c->cut, c->n - at);
    work_place place = work_at(c->walk, c->outer, row);
    for (; row < end; row++, work_next(c->walk, &place)) {
        cell *y = c->to + place.offset[0] + at;
        const cell *x = c->from + place.offset[1] + (c->fill ? 0 : at);
        if (!c->fill)
            copy_cells(y, x, len);
        else
            for (int64_t i = 0; i < len; i++)
                y[i] = *x;
    }
}

static void copy_pieces(const void *job, int64_t first, int64_t end, int thread)
{
    (void)thread;
    for (int64_t p = first; p < end; p++)
        copy_piece(job, p);
}

static void copy_rows(const work_walk *w, cell *to, const cell *from, cpu_team *team)
{
    row_copy c = {.walk = w, .to = to, .from = from, .outer = w->rank > 0 ? w->rank - 1 : 0};
    c.n = w->rank > 0 ? w->dim[c.outer] : 1;
    c.rows = work_count(w, c.outer);
    c.fill = w->rank > 0 && w->stride[1][c.outer] == 0;
    c.cut = work_min(c.n, 4 * WORK_PIECE);
    c.cuts = work_pieces(c.n, c.cut);
    c.many = work_max(1, WORK_PIECE / c.cut);
    cpu_team_share(team, work_pieces(c.rows, c.many) * c.cuts, c.rows * c.n, copy_pieces, &c);
}

/* ---- transpose ---- */

/* y[i * ys + j] = x[j * xs + i] for i < ni, j < nj; whole VL x VL blocks are transposed in registers. */
static void turn_tile(cell *y, int64_t ys, const cell *x, int64_t xs, int64_t ni, int64_t nj)
{
    int64_t wi = ni / VL * VL, wj = nj / VL * VL;
    for (int64_t i = 0; i < wi; i += VL)
        for (int64_t j = 0; j < wj; j += VL) {
            vf m[VL];
#pragma GCC unroll 16
            for (int k = 0; k < VL; k++)
                memcpy(&m[k], x + (j + k) * xs + i, sizeof m[k]);
            vturn(m);
#pragma GCC unroll 16
            for (int k = 0; k < VL; k++)
                memcpy(y + (i + k) * ys + j, &m[k], sizeof m[k]);
        }
    for (int64_t i = 0; i < ni; i++)
        for (int64_t j = i < wi ? wj : 0; j < nj; j++)
            y[i * ys + j] = x[j * xs + i];
}

/* y's last axis is strided in x, and x's contiguous axis is `fast` in y. */
typedef struct turning {
    cell *to;
    const cell *from;
    work_walk outer;
    int64_t ni, nj, ys, xs, ti, tj; /* elements, strides, tiles */
} turning;

static void turn_tiles(const void *job, int64_t first, int64_t end, int thread)
{
    const turning *u = job;
    (void)thread;
    for (int64_t t = first; t < end; t++) {
        work_place place = work_at(&u->outer, u->outer.rank, t / (u->ti * u->tj));
        int64_t i = t / u->tj % u->ti * TILE, j = t % u->tj * TILE;
        turn_tile(u->to + place.offset[0] + i * u->ys + j, u->ys, u->from + place.offset[1] + j * u->xs + i,
                  u->xs, work_min(TILE, u->ni - i), work_min(TILE, u->nj - j));
    }
}

static void turn(const work_walk *w, int fast, cell *to, const cell *from, cpu_team *team)
{
    int last = w->rank - 1;
    turning u = {.to = to, .from = from, .ni = w->dim[fast], .nj = w->dim[last]};
    for (int i = 0; i < last; i++)
        if (i != fast)
            work_axis(&u.outer, w->dim[i], w->stride[0][i], w->stride[1][i]);
    u.ys = w->stride[0][fast];
    u.xs = w->stride[1][last];
    u.ti = work_pieces(u.ni, TILE);
    u.tj = work_pieces(u.nj, TILE);
    cpu_team_share(team, work_count(&u.outer, u.outer.rank) * u.ti * u.tj, work_count(w, w->rank), turn_tiles,
                   &u);
}

static bk_status run_transpose(const bk_call *call, cpu_team *team)
{
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    int64_t xs[BK_MAX_RANK], ys[BK_MAX_RANK];
    work_walk w = {0};
    work_strides(x, xs);
    work_strides(y, ys);
    for (int i = 0; i < y->rank; i++)
        work_axis(&w, y->dim[i], ys[i], xs[call->attr.axes[i]]);
    int fast = 0;
    for (int i = 0; i < w.rank; i++)
        if (w.stride[1][i] == 1)
            fast = i;
    if (w.rank < 2 || fast == w.rank - 1)
        copy_rows(&w, call->out[0].data, call->in[0].data, team);
    else
        turn(&w, fast, call->out[0].data, call->in[0].data, team);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_transpose) = {.run = run_transpose, .types = CPU_I32};

/* ---- slice, pad, concat, broadcast ---- */

/* A small box, from `first` on, of a large dense tensor; small is operand `which` of the walk. */
static work_walk box_walk(const bk_shape *small, const bk_shape *large, int which)
{
    int64_t s[BK_MAX_RANK], l[BK_MAX_RANK];
    work_walk w = {0};
    work_strides(small, s);
    work_strides(large, l);
    for (int i = 0; i < small->rank; i++)
        work_axis(&w, small->dim[i], which == 0 ? s[i] : l[i], which == 0 ? l[i] : s[i]);
    return w;
}

static int64_t box_offset(const bk_shape *large, const int64_t *first)
{
    int64_t stride[BK_MAX_RANK], offset = 0;
    work_strides(large, stride);
    for (int i = 0; i < large->rank; i++)
        offset += first[i] * stride[i];
    return offset;
}

/* The last axis of the walk must be contiguous: an axis of length 1 that was dropped may hide a stride. */
static void copy_box(work_walk *w, cell *to, const cell *from, cpu_team *team)
{
    int last = w->rank - 1;
    if (last >= 0 && (w->stride[0][last] != 1 || w->stride[1][last] > 1)) {
        w->dim[w->rank] = 1;
        w->stride[0][w->rank] = w->stride[1][w->rank] = 1;
        w->rank++;
    }
    copy_rows(w, to, from, team);
}

static bk_status run_slice(const bk_call *call, cpu_team *team)
{
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    work_walk w = box_walk(y, x, 0);
    const cell *from = call->in[0].data;
    copy_box(&w, call->out[0].data, from + box_offset(x, call->attr.axes), team);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_slice) = {.run = run_slice, .types = CPU_I32};

typedef struct clearing {
    cell *y;
    int64_t n;
} clearing;

static void clear_pieces(const void *job, int64_t first, int64_t end, int thread)
{
    const clearing *c = job;
    int64_t at = first * WORK_PIECE;
    (void)thread;
    memset(c->y + at, 0, (size_t)work_min((end - first) * WORK_PIECE, c->n - at) * sizeof(cell));
}

static void clear(cell *y, int64_t n, cpu_team *team)
{
    cpu_team_share(team, work_pieces(n, WORK_PIECE), n, clear_pieces, &(clearing){y, n});
}

static bk_status run_pad(const bk_call *call, cpu_team *team)
{
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    work_walk w = box_walk(x, y, 1);
    cell *to = call->out[0].data;
    clear(to, bk_count(y), team);
    copy_box(&w, to + box_offset(y, call->attr.axes), call->in[0].data, team);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_pad) = {.run = run_pad, .types = CPU_I32};

static bk_status run_concat(const bk_call *call, cpu_team *team)
{
    const bk_shape *y = &call->out[0].shape;
    int64_t first[BK_MAX_RANK] = {0};
    for (int k = 0; k < call->n_in; k++) {
        const bk_shape *x = &call->in[k].shape;
        work_walk w = box_walk(x, y, 1);
        cell *to = call->out[0].data;
        copy_box(&w, to + box_offset(y, first), call->in[k].data, team);
        first[call->attr.axis] += x->dim[call->attr.axis];
    }
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_concat) = {.run = run_concat, .types = CPU_I32};

static bk_status run_broadcast(const bk_call *call, cpu_team *team)
{
    const bk_shape *x = &call->in[0].shape, *y = &call->out[0].shape;
    int64_t xs[BK_MAX_RANK], ys[BK_MAX_RANK];
    work_walk w = {0};
    work_strides(x, xs);
    work_strides(y, ys);
    for (int i = 0; i < y->rank; i++)
        work_axis(&w, y->dim[i], ys[i], x->dim[i] == 1 ? 0 : xs[i]);
    copy_rows(&w, call->out[0].data, call->in[0].data, team);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_broadcast) = {.run = run_broadcast, .types = CPU_I32};

/* ---- gather and scatter of rows: `all` is [B,N,C], `picked` [B,K,C], index [B,K] ---- */

static int index_fits(const bk_tensor *index, int64_t limit)
{
    const int32_t *at = index->data;
    int64_t n = bk_count(&index->shape);
    for (int64_t i = 0; i < n; i++)
        if (at[i] < 0 || at[i] >= limit)
            return 0;
    return 1;
}

static void gather_rows(const void *job, int64_t first, int64_t end, int thread)
{
    const bk_call *call = job;
    const int32_t *index = call->in[1].data;
    const cell *from = call->in[0].data;
    cell *to = call->out[0].data;
    int64_t n = call->in[0].shape.dim[1], picks = call->out[0].shape.dim[1], c = call->out[0].shape.dim[2];
    (void)thread;
    for (int64_t r = first; r < end; r++)
        copy_cells(to + r * c, from + (r / picks * n + index[r]) * c, c);
}

static bk_status run_gather(const bk_call *call, cpu_team *team)
{
    const bk_shape *y = &call->out[0].shape;
    if (!index_fits(&call->in[1], call->in[0].shape.dim[1]))
        return BK_ERR_FAILED;
    cpu_team_share(team, y->dim[0] * y->dim[1], bk_count(y), gather_rows, call);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_gather) = {.run = run_gather, .types = CPU_I32 | CPU_INDEX};

/* Unsigned addition wraps as two's complement does. */
static void add_cells(int32_t dtype, void *sum, const void *x, int64_t n)
{
    if (dtype == BK_F32)
        for (int64_t i = 0; i < n; i++)
            ((float *)sum)[i] += ((const float *)x)[i];
    else
        for (int64_t i = 0; i < n; i++)
            ((uint32_t *)sum)[i] += ((const uint32_t *)x)[i];
}

/* A piece is OWNED target rows, for which all indices of their batch entry are searched: no two pieces write
 * the same row, and the order of additions is that of the indices. */
enum { OWNED = 256 };

static void scatter_piece(const bk_call *call, int64_t piece)
{
    const bk_shape *x = &call->out[0].shape;
    const int32_t *index = call->in[1].data;
    const cell *from = call->in[0].data;
    int64_t n = x->dim[1], picks = call->in[0].shape.dim[1], c = x->dim[2], ranges = work_pieces(n, OWNED);
    int64_t b = piece / ranges, first = piece % ranges * OWNED, last = work_min(n, first + OWNED);
    cell *rows = (cell *)call->out[0].data + b * n * c;
    memset(rows + first * c, 0, (size_t)((last - first) * c) * sizeof(cell));
    for (int64_t k = b * picks; k < (b + 1) * picks; k++)
        if (index[k] >= first && index[k] < last)
            add_cells(x->dtype, rows + index[k] * c, from + k * c, c);
}

static void scatter_pieces(const void *job, int64_t first, int64_t end, int thread)
{
    (void)thread;
    for (int64_t p = first; p < end; p++)
        scatter_piece(job, p);
}

static bk_status run_scatter(const bk_call *call, cpu_team *team)
{
    const bk_shape *y = &call->in[0].shape, *x = &call->out[0].shape;
    if (!index_fits(&call->in[1], x->dim[1]))
        return BK_ERR_FAILED;
    cpu_team_share(team, x->dim[0] * work_pieces(x->dim[1], OWNED), bk_count(x) + bk_count(y), scatter_pieces,
                   call);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_scatter) = {.run = run_scatter, .types = CPU_I32 | CPU_INDEX};

/* ---- pick and put: `all` is [B,N,C], `picked` and index are [B,K,C] ---- */

static void pick_rows(const void *job, int64_t first, int64_t end, int thread)
{
    const bk_call *call = job;
    const int32_t *index = call->in[1].data;
    const cell *from = call->in[0].data;
    cell *to = call->out[0].data;
    int64_t n = call->in[0].shape.dim[1], picks = call->out[0].shape.dim[1], c = call->out[0].shape.dim[2];
    (void)thread;
    for (int64_t r = first; r < end; r++)
        for (int64_t i = 0; i < c; i++)
            to[r * c + i] = from[(r / picks * n + index[r * c + i]) * c + i];
}

static bk_status run_pick(const bk_call *call, cpu_team *team)
{
    const bk_shape *y = &call->out[0].shape;
    if (!index_fits(&call->in[1], call->in[0].shape.dim[1]))
        return BK_ERR_FAILED;
    cpu_team_share(team, y->dim[0] * y->dim[1], bk_count(y), pick_rows, call);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_pick) = {.run = run_pick, .types = CPU_I32 | CPU_INDEX};

/* Sums over all picks for some channels of one sample, in the order of the picks. */
typedef struct put_strip {
    int32_t dtype;
    const cell *from;
    const int32_t *index;
    cell *to;
    int64_t n, picks, step, channels; /* step: cells of a row */
} put_strip;

static void put(const put_strip *s)
{
    for (int64_t r = 0; r < s->n; r++)
        memset(s->to + r * s->step, 0, (size_t)s->channels * sizeof(cell));
    for (int64_t k = 0; k < s->picks; k++) {
        const int32_t *index = s->index + k * s->step;
        const cell *from = s->from + k * s->step;
        if (s->dtype == BK_F32)
            for (int64_t i = 0; i < s->channels; i++)
                ((float *)s->to)[index[i] * s->step + i] += ((const float *)from)[i];
        else
            for (int64_t i = 0; i < s->channels; i++)
                s->to[index[i] * s->step + i] += from[i];
    }
}

/* A piece is a sample or, if samples are few, some channels of one: no two pieces write the same number, and
 * the order of additions is that of the picks. */
typedef struct putting {
    const bk_call *call;
    int64_t strip; /* channels of a piece */
} putting;

static void put_piece(const putting *p, int64_t piece)
{
    const bk_call *call = p->call;
    const bk_shape *x = &call->out[0].shape;
    int64_t n = x->dim[1], picks = call->in[0].shape.dim[1], c = x->dim[2], strips = work_pieces(c, p->strip);
    int64_t b = piece / strips, first = piece % strips * p->strip;
    put(&(put_strip){.dtype = x->dtype,
                     .from = (const cell *)call->in[0].data + b * picks * c + first,
                     .index = (const int32_t *)call->in[1].data + b * picks * c + first,
                     .to = (cell *)call->out[0].data + b * n * c + first,
                     .n = n,
                     .picks = picks,
                     .step = c,
                     .channels = work_min(p->strip, c - first)});
}

static void put_pieces(const void *job, int64_t first, int64_t end, int thread)
{
    (void)thread;
    for (int64_t p = first; p < end; p++)
        put_piece(job, p);
}

static bk_status run_put(const bk_call *call, cpu_team *team)
{
    enum { LINE = 16 }; /* channels of a cache line */
    const bk_shape *y = &call->in[0].shape, *x = &call->out[0].shape;
    int64_t c = x->dim[2];
    putting p = {.call = call, .strip = x->dim[0] >= cpu_team_threads(team) ? c : LINE};
    if (!index_fits(&call->in[1], x->dim[1]))
        return BK_ERR_FAILED;
    cpu_team_share(team, x->dim[0] * work_pieces(c, p.strip), bk_count(x) + bk_count(y), put_pieces, &p);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_put) = {.run = run_put, .types = CPU_I32 | CPU_INDEX};
