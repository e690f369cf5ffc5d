/* SPDX-License-Identifier: Apache-2.0 */
/* epilogue.c - bias, activation and residual after a matrix product, while its rows are still in cache. The
 * functions are serial: the caller distributes rows over threads. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"

/* `count` vectors from column i on, of which the last may be cut at e->cols. */
INLINE void epilogue_few(const cpu_epilogue *e, const float *x, const float *residual, float *y, int64_t i,
                         const int count)
{
    vf v[GELUS];
#pragma GCC unroll 4
    for (int k = 0; k < count; k++) {
        int64_t at = i + k * VL;
        v[k] = vload_n(x + at, e->cols - at);
        if (e->bias)
            v[k] += vload_n(e->bias + at, e->cols - at);
    }
    if (e->act.kind == BK_ACT_GELU)
        vgelu(v, count);
    if (e->act.kind == BK_ACT_LEAKY_RELU)
#pragma GCC unroll 4
        for (int k = 0; k < count; k++)
            v[k] = vselect(v[k] > vset(0.0f), v[k], e->act.slope * v[k]);
#pragma GCC unroll 4
    for (int k = 0; k < count; k++) {
        int64_t at = i + k * VL;
        if (residual)
            v[k] += vload_n(residual + at, e->cols - at);
        vstore_n(y + at, v[k], e->cols - at);
    }
}

void KERNEL(cpu_epilogue_rows)(const cpu_epilogue *e)
{
    for (int64_t r = 0; r < e->rows; r++) {
        const float *x = e->product + r * e->product_step;
        const float *residual = e->residual ? e->residual + r * e->y_step : NULL;
        float *y = e->y + r * e->y_step;
        int64_t i = 0;
        for (; i + GELUS * VL <= e->cols; i += GELUS * VL)
            epilogue_few(e, x, residual, y, i, GELUS);
        for (; i < e->cols; i += VL)
            epilogue_few(e, x, residual, y, i, 1);
    }
}
