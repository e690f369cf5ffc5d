/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.c - sum and maximum over any set of axes.
 *
 * Two shapes of work. Rows: the last axis is reduced; a piece of it runs through four vectors of partial
 * results. Columns: the last axis stays; vectors of columns run down the rows. Long reductions are cut
 * into chunks (of a size that depends on the shapes only), whose results lie in scratch and are joined in
 * double, in order: accurate, and the same for any number of threads. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

enum {
    SEGMENT = 8192, /* a row is cut here */
    CHUNK = 16384,  /* elements of a chunk, about */
    MIN_ROWS = 32,  /* rows of a chunk of columns, at least and at most */
    MAX_ROWS = 256,
    WIDE = 4,    /* vectors side by side */
    STRIP = 1024 /* columns of one piece of work */
};

/* Axes that stay and axes that are reduced, each walked over the input; the contiguous last axis is in
 * neither walk. */
typedef struct reduction {
    int rows; /* the last axis is reduced */
    work_walk keep, drop;
    int64_t kept, dropped; /* counts of the walks */
    int64_t length;        /* of the last axis */
    int64_t units, chunk_units, chunks;
} reduction;

static reduction plan_of(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    int64_t stride[BK_MAX_RANK];
    reduction r = {.length = 1};
    int last = x->rank - 1;
    work_strides(x, stride);
    while (last >= 0 && x->dim[last] == 1)
        last--;
    r.rows = last < 0 || call->attr.axes[last] != 0;
    for (int i = 0; i <= last; i++)
        work_axis(call->attr.axes[i] != 0 ? &r.drop : &r.keep, x->dim[i], stride[i], 0);
    work_walk *inner = r.rows ? &r.drop : &r.keep;
    if (inner->rank > 0)
        r.length = inner->dim[--inner->rank];
    r.kept = work_count(&r.keep, r.keep.rank);
    r.dropped = work_count(&r.drop, r.drop.rank);
    if (r.rows) {
        r.units = r.dropped * work_pieces(r.length, SEGMENT);
        r.chunk_units = work_max(1, CHUNK / work_min(r.length, SEGMENT));
    } else {
        r.units = r.dropped;
        r.chunk_units = work_max(MIN_ROWS, work_min(MAX_ROWS, CHUNK / r.length));
    }
    r.chunks = work_pieces(r.units, r.chunk_units);
    return r;
}

/* Returns the larger number, or a NaN if either is one. */
INLINE vf vlarger(vf a, vf b)
{
    return vselect((a > b) | (a != a), a, b);
}

INLINE vf join(vf a, vf b, int sum)
{
    return sum ? a + b : vlarger(a, b);
}

INLINE float identity(int sum)
{
    return sum ? 0.0f : -INFINITY;
}

static float join_floats(const float *x, int64_t n, int64_t step, int sum)
{
    double total = sum ? 0.0 : (double)x[0];
    for (int64_t i = 0; i < n; i++) {
        double v = x[i * step];
        if (sum)
            total += v;
        else if (v > total || v != v)
            total = v;
    }
    return (float)total;
}

INLINE void add_segment(const float *x, int64_t n, vf acc[WIDE], int sum)
{
    int64_t i = 0;
    for (; i + WIDE * VL <= n; i += WIDE * VL)
        for (int k = 0; k < WIDE; k++)
            acc[k] = join(acc[k], vload(x + i + k * VL), sum);
    for (; i + VL <= n; i += VL)
        acc[0] = join(acc[0], vload(x + i), sum);
    if (i < n)
        acc[1] = join(acc[1], vload_part(x + i, n - i, identity(sum)), sum);
}

INLINE float chunk_of_rows(const reduction *r, const float *x, int64_t first, int64_t last, int sum)
{
    int64_t cuts = work_pieces(r->length, SEGMENT);
    vf acc[WIDE];
    float lane[WIDE * VL];
    work_place place = work_at(&r->drop, r->drop.rank, first / cuts);
    for (int k = 0; k < WIDE; k++)
        acc[k] = vset(identity(sum));
    for (int64_t u = first; u < last; u++) {
        int64_t at = u % cuts * SEGMENT;
        add_segment(x + place.offset[0] + at, work_min(SEGMENT, r->length - at), acc, sum);
        if ((u + 1) % cuts == 0)
            work_next(&r->drop, &place);
    }
    for (int k = 0; k < WIDE; k++)
        vstore(lane + k * VL, acc[k]);
    return join_floats(lane, WIDE * VL, 1, sum);
}

/* A reduction that is running: `to` is y, or the partial results of its chunks. */
typedef struct reducing {
    const reduction *r;
    const float *x;
    float *y, *partial, *to;
    int sum;
} reducing;

static void row_chunks(const void *job, int64_t first_task, int64_t end, int thread)
{
    const reducing *j = job;
    const reduction *r = j->r;
    (void)thread;
    for (int64_t t = first_task; t < end; t++) {
        int64_t first = t % r->chunks * r->chunk_units;
        int64_t last = work_min(r->units, first + r->chunk_units);
        const float *from = j->x + work_at(&r->keep, r->keep.rank, t / r->chunks).offset[0];
        j->to[t] = j->sum ? chunk_of_rows(r, from, first, last, 1) : chunk_of_rows(r, from, first, last, 0);
    }
}

static void reduce_rows(const reducing *j, cpu_team *team)
{
    const reduction *r = j->r;
    cpu_team_share(team, r->kept * r->chunks, r->kept * r->dropped * r->length, row_chunks, j);
    if (r->chunks > 1)
        for (int64_t i = 0; i < r->kept; i++)
            j->y[i] = join_floats(j->partial + i * r->chunks, r->chunks, 1, j->sum);
}

/* n columns, n <= WIDE * VL, down the rows first..last. */
static void chunk_of_maxima(const reduction *r, const float *x, int64_t n, int64_t first, int64_t last,
                            float *y)
{
    work_place place = work_at(&r->drop, r->drop.rank, first);
    vf acc[WIDE];
    for (int k = 0; k < WIDE; k++)
        acc[k] = vset(identity(0));
    for (int64_t u = first; u < last; u++, work_next(&r->drop, &place))
        for (int k = 0; k * VL < n; k++)
            acc[k] = vlarger(acc[k], vload_n(x + place.offset[0] + k * VL, n - k * VL));
    for (int k = 0; k * VL < n; k++)
        vstore_n(y + k * VL, acc[k], n - k * VL);
}

/* The sum is in double, because a long column may sum to almost 0, like the gradient of a bias before a norm.
 */
static void chunk_of_sums(const reduction *r, const float *x, int64_t n, int64_t first, int64_t last,
                          float *y)
{
    work_place place = work_at(&r->drop, r->drop.rank, first);
    vd acc[WIDE];
    for (int k = 0; k < WIDE; k++)
        acc[k] = vwide(vset(0.0f));
    for (int64_t u = first; u < last; u++, work_next(&r->drop, &place)) {
        const float *row = x + place.offset[0];
        if (n == WIDE * VL)
            for (int k = 0; k < WIDE; k++)
                acc[k] += vwide(vload(row + k * VL));
        else
            for (int k = 0; k * VL < n; k++)
                acc[k] += vwide(vload_n(row + k * VL, n - k * VL));
    }
    for (int k = 0; k * VL < n; k++)
        vstore_n(y + k * VL, vnarrow(acc[k]), n - k * VL);
}

static void strip_of_columns(const reduction *r, const float *x, int64_t n, int64_t chunk, float *y, int sum)
{
    int64_t first = chunk * r->chunk_units, last = work_min(r->units, first + r->chunk_units);
    for (int64_t i = 0; i < n; i += WIDE * VL) {
        int64_t k = work_min(WIDE * VL, n - i);
        (sum ? chunk_of_sums : chunk_of_maxima)(r, x + i, k, first, last, y + i);
    }
}

static void join_columns(const void *job, int64_t first, int64_t end, int thread)
{
    const reducing *j = job;
    int64_t length = j->r->length, chunks = j->r->chunks;
    (void)thread;
    for (int64_t i = first; i < end; i++)
        j->y[i] = join_floats(j->partial + i / length * chunks * length + i % length, chunks, length, j->sum);
}

static void column_strips(const void *job, int64_t first, int64_t end, int thread)
{
    const reducing *j = job;
    const reduction *r = j->r;
    int64_t strips = work_pieces(r->length, STRIP);
    (void)thread;
    for (int64_t t = first; t < end; t++) {
        int64_t at = t % strips * STRIP, block = t / strips; /* block = kept * chunks + chunk */
        const float *from = j->x + work_at(&r->keep, r->keep.rank, block / r->chunks).offset[0];
        strip_of_columns(r, from + at, work_min(STRIP, r->length - at), block % r->chunks,
                         j->to + block * r->length + at, j->sum);
    }
}

static void reduce_columns(const reducing *j, cpu_team *team)
{
    const reduction *r = j->r;
    int64_t strips = work_pieces(r->length, STRIP), n = r->kept * r->length;
    cpu_team_share(team, r->kept * r->chunks * strips, r->kept * r->dropped * r->length, column_strips, j);
    if (r->chunks > 1)
        cpu_team_share(team, n, n * r->chunks, join_columns, j);
}

static size_t scratch_reduce(const bk_call *call, int threads)
{
    (void)threads;
    reduction r = plan_of(call);
    if (r.chunks <= 1)
        return 0;
    return (size_t)(r.kept * r.chunks * (r.rows ? 1 : r.length)) * sizeof(float);
}

static bk_status run_reduce(const bk_call *call, cpu_team *team)
{
    reduction r = plan_of(call);
    reducing j = {.r = &r, .x = call->in[0].data, .y = call->out[0].data, .partial = call->scratch};
    j.to = r.chunks > 1 ? j.partial : j.y;
    j.sum = call->op == BK_SUM;
    (r.rows ? reduce_rows : reduce_columns)(&j, team);
    return BK_OK;
}

const cpu_kernel KERNEL(cpu_sum) = {.scratch = scratch_reduce, .run = run_reduce};
const cpu_kernel KERNEL(cpu_reduce_max) = {.scratch = scratch_reduce, .run = run_reduce};
