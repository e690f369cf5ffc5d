/* SPDX-License-Identifier: Apache-2.0 */
/* tiles.c - products as serial products of tiles, distributed over the backend's own threads, each followed
 * by bias, activation and residual while the tile is in cache. Of a library only the serial product is used,
 * not its threads: per core it is as fast, and the library's own split over threads is often worse. */
#include "backends/cpu/tiles.h"

#include <limits.h>
#include <stdatomic.h>

#include "backends/cpu/library.h"
#include "backends/cpu/team.h"
#include "backends/cpu/work.h"

enum {
    TILE_ROWS = 512, /* the most floats of a tile with bias, activation or residual */
    STEP = 16        /* rows and columns of a tile are multiples */
};

/* The tiles of y, of rows x cols each: `down` times `across` of each matrix. */
typedef struct tiling {
    int64_t rows, cols, down, across, count;
} tiling;

/* The length of equal pieces of n: each is at most `most` long, and each of `parts` threads gets as many. */
static int64_t balanced(int64_t n, int64_t parts, int64_t most)
{
    int64_t each = work_pieces(work_pieces(n, parts), most);
    return work_min(n, work_pieces(work_pieces(n, parts * each), STEP) * STEP);
}

static tiling tiling_of(const product *p, int threads)
{
    int64_t parts = work_pieces(threads, p->batch); /* tiles of one matrix, so that all threads have some */
    int tall = p->m >= p->n, alone = !p->bias && !p->residual && !p->act.kind;
    tiling t = {.rows = balanced(p->m, tall ? parts : 1, alone ? p->m : TILE_ROWS), .cols = p->n};
    if (!tall)
        t.cols = balanced(p->n, parts, p->n);
    t.down = work_pieces(p->m, t.rows);
    t.across = work_pieces(p->n, t.cols);
    t.count = p->batch * t.down * t.across;
    return t;
}

/* The residual may be in y's memory: without activation the product is added to it; with one the product
 * needs separate memory. */
static int64_t tile_floats(const product *p, const tiling *t)
{
    return p->act.kind && p->residual ? work_pieces(t->rows * t->cols, STEP) * STEP : 0;
}

typedef struct tiles_call {
    cpu_way way;
    product p;
    tiling tiles;
    int64_t floats; /* floats of a tile's separate memory for its product; 0: none */
} tiles_call;

static int run_tile(const cpu_device *dev, const bk_call *call, int64_t index, float *scratch)
{
    const product *p = &((const tiles_call *)call->state)->p;
    const tiling *t = &((const tiles_call *)call->state)->tiles;
    int64_t i = index / t->across % t->down * t->rows, j = index % t->across * t->cols;
    int64_t batch = index / (t->across * t->down), rows = work_min(t->rows, p->m - i);
    int64_t cols = work_min(t->cols, p->n - j), at = batch * p->m * p->n + i * p->n + j;
    const float *a = (const float *)call->in[0].data + (p->shared_a ? 0 : batch * p->m * p->k);
    const float *b = (const float *)call->in[1].data + (p->shared_b ? 0 : batch * p->k * p->n);
    const float *bias = product_bias(call), *residual = product_residual(call);
    cpu_epilogue e = {.rows = rows, .cols = cols, .y_step = p->n, .act = p->act};
    e.y = (float *)call->out[0].data + at;
    e.bias = bias ? bias + j : NULL;
    e.residual = residual ? residual + at : NULL;
    tile y = {.rows = rows, .cols = cols, .y = scratch ? scratch : e.y, .step = scratch ? cols : p->n};
    y.a = a + i * (p->trans_a ? 1 : p->k);
    y.b = b + j * (p->trans_b ? p->k : 1);
    e.product = y.y;
    e.product_step = y.step;
    if (!scratch && e.residual == e.y) {
        y.beta = 1.0f;
        e.residual = NULL;
    }
    int good = dev->library->serial(p, &y);
    if (e.bias || e.residual || e.act.kind)
        dev->kernels->epilogue(&e);
    return good;
}

typedef struct tiles_job {
    const cpu_device *dev;
    const bk_call *call;
    atomic_int *good;
} tiles_job;

static void some_tiles(const void *job, int64_t first, int64_t end, int thread)
{
    const tiles_job *j = job;
    const tiles_call *c = j->call->state;
    float *scratch = c->floats ? (float *)j->call->scratch + c->floats * thread : NULL;
    for (int64_t i = first; i < end; i++)
        if (!run_tile(j->dev, j->call, i, scratch))
            atomic_store(j->good, 0);
}

static bk_status run_tiles(cpu_device *dev, bk_call *call)
{
    const tiles_call *c = call->state;
    atomic_int good = 1;
    cpu_team_run(dev->team, dev->threads, c->tiles.count, 1, some_tiles, &(tiles_job){dev, call, &good});
    return atomic_load(&good) ? BK_OK : BK_ERR_FAILED;
}

bk_status tiles_prepare(cpu_device *dev, const product *p, bk_call *call)
{
    if (p->m > INT_MAX || p->n > INT_MAX || p->k > INT_MAX)
        return BK_ERR_UNSUPPORTED;
    cpu_team_limit_openmp(dev->team);
    bk_status taken = cpu_way_new(dev, call, sizeof(tiles_call), run_tiles);
    if (taken != BK_OK)
        return taken;
    tiles_call *c = call->state;
    c->p = *p;
    c->tiles = tiling_of(p, dev->threads);
    c->floats = tile_floats(p, &c->tiles);
    call->scratch_bytes = (size_t)(c->floats * dev->threads) * sizeof(float);
    return BK_OK;
}
