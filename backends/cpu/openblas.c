/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products by OpenBLAS: serial products of tiles, shared out over our own threads, each followed by
 * bias, activation and residual while the tile is in cache.
 *
 * OpenBLAS itself never starts a thread for us. Its OpenMP build runs serially inside a parallel region, or
 * where OpenMP may use one thread; its pthread build is told at open(). Its serial build is refused: without
 * USE_LOCKING, which cannot be asked for, it gives wrong results when two threads call it at once (Debian
 * 12's does, and its alternatives may put it in place of the one we were linked to). */
#include "backends/cpu/matrix.h"
#include "backends/cpu/work.h"

#include <cblas.h>
#include <limits.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

enum { TILE_ROWS = 512, STEP = 16 }; /* most rows of a tile; tiles are multiples of STEP */

/* y is cut into tiles of rows x cols. */
typedef struct tiling {
    int64_t rows, cols, down, across, count;
} tiling;

bk_status openblas_open(cpu_device *dev)
{
    enum { SERIAL = 0, PTHREAD = 1 };
    if (openblas_get_parallel() == SERIAL) {
        cpu_log(dev, 0,
                "cpu: this OpenBLAS is a serial build, which threads may not share; install its OpenMP "
                "or pthread build (Debian: libopenblas0-openmp) or choose oneDNN");
        return BK_ERR_UNSUPPORTED;
    }
    if (openblas_get_parallel() == PTHREAD)
        openblas_set_num_threads(1);
    if (strcmp(openblas_get_corename(), "Prescott") == 0)
        cpu_log(dev, 1,
                "cpu: OpenBLAS does not know this processor and takes kernels of 2004, several times too "
                "slow; a newer OpenBLAS, oneDNN, or OPENBLAS_CORETYPE=Haswell in the environment help");
    return BK_OK;
}

void openblas_text(char *text, size_t size)
{
    char version[32] = "";
    sscanf(openblas_get_config(), "OpenBLAS %31s", version);
    snprintf(text, size, "OpenBLAS %s", version);
}

static tiling tiling_of(const product *p, int threads)
{
    int64_t parts = work_pieces(threads, p->batch); /* of one matrix, so that all threads have some */
    tiling t = {p->m, p->n, 1, 1, 0};
    if (p->m >= p->n)
        t.rows = work_pieces(work_pieces(p->m, parts), STEP) * STEP;
    else
        t.cols = work_pieces(work_pieces(p->n, parts), STEP) * STEP;
    t.rows = work_min(t.rows, work_min(p->m, TILE_ROWS));
    t.cols = work_min(t.cols, p->n);
    t.down = work_pieces(p->m, t.rows);
    t.across = work_pieces(p->n, t.cols);
    t.count = p->batch * t.down * t.across;
    return t;
}

/* The residual may lie where y goes: without activation the product is added to it, with one the product
 * needs a place of its own. */
static int64_t tile_floats(const product *p, const tiling *t)
{
    return p->gelu && p->residual ? work_pieces(t->rows * t->cols, STEP) * STEP : 0;
}

bk_status openblas_prepare(cpu_device *dev, const product *p, bk_call *call)
{
    if (p->m > INT_MAX || p->n > INT_MAX || p->k > INT_MAX)
        return BK_ERR_UNSUPPORTED;
    tiling t = tiling_of(p, dev->threads);
    call->scratch_bytes = (size_t)(tile_floats(p, &t) * dev->threads) * sizeof(float);
    return BK_OK;
}

static void multiply(const product *p, const float *a, const float *b, float beta, float *y, int64_t step,
                     int64_t rows, int64_t cols)
{
    cblas_sgemm(CblasRowMajor, p->trans_a ? CblasTrans : CblasNoTrans, p->trans_b ? CblasTrans : CblasNoTrans,
                (int)rows, (int)cols, (int)p->k, 1.0f, a, (int)(p->trans_a ? p->m : p->k), b,
                (int)(p->trans_b ? p->k : p->n), beta, y, (int)step);
}

static void run_tile(const cpu_device *dev, const bk_call *call, const product *p, const tiling *t,
                     int64_t index, float *scratch)
{
    int64_t i = index / t->across % t->down * t->rows, j = index % t->across * t->cols;
    int64_t batch = index / (t->across * t->down), rows = work_min(t->rows, p->m - i);
    int64_t cols = work_min(t->cols, p->n - j), at = batch * p->m * p->n + i * p->n + j;
    const float *a = (const float *)call->in[0].data + (p->shared_a ? 0 : batch * p->m * p->k);
    const float *b = (const float *)call->in[1].data + (p->shared_b ? 0 : batch * p->k * p->n);
    const float *bias = product_bias(call), *residual = product_residual(call);
    cpu_epilogue e = {.rows = rows, .cols = cols, .y_step = p->n, .gelu = p->gelu};
    e.y = (float *)call->out[0].data + at;
    e.bias = bias ? bias + j : NULL;
    e.residual = residual ? residual + at : NULL;
    float *to = scratch ? scratch : e.y;
    float beta = 0.0f;
    e.product = to;
    e.product_step = scratch ? cols : p->n;
    if (!scratch && e.residual == e.y) {
        beta = 1.0f;
        e.residual = NULL;
    }
    multiply(p, a + i * (p->trans_a ? 1 : p->k), b + j * (p->trans_b ? p->k : 1), beta, to, e.product_step,
             rows, cols);
    if (e.bias || e.residual || e.gelu)
        dev->kernels->epilogue(&e);
}

bk_status openblas_run(cpu_device *dev, const product *p, bk_call *call)
{
    tiling t = tiling_of(p, dev->threads);
    int64_t floats = tile_floats(p, &t);
    float *scratch = call->scratch;
    int team = (int)work_min(dev->threads, t.count), before = omp_get_max_threads();
    if (team == 1)
        omp_set_num_threads(1);
#pragma omp parallel for num_threads(team) if (team > 1) schedule(static)
    for (int64_t i = 0; i < t.count; i++)
        run_tile(dev, call, p, &t, i, floats ? scratch + floats * omp_get_thread_num() : NULL);
    if (team == 1)
        omp_set_num_threads(before);
    return BK_OK;
}
