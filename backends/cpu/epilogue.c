/* SPDX-License-Identifier: Apache-2.0 */
/* What follows a matrix product while its rows are still in cache: bias, GELU, residual. Serial: the
 * caller shares rows out. */
#include "backends/cpu/kernels.h"
#include "backends/cpu/vec.h"

INLINE void epilogue_row(const cpu_epilogue *e, int64_t r, int has_bias, int has_residual, int gelu)
{
    const float *x = e->product + r * e->product_step;
    float *y = e->y + r * e->y_step;
    for (int64_t i = 0; i < e->cols; i += VL) {
        int64_t k = e->cols - i;
        vf v = vload_n(x + i, k);
        if (has_bias)
            v += vload_n(e->bias + i, k);
        if (gelu)
            v = vgelu(v);
        if (has_residual)
            v += vload_n(e->residual + r * e->y_step + i, k);
        vstore_n(y + i, v, k);
    }
}

void KERNEL(cpu_epilogue_rows)(const cpu_epilogue *e)
{
    int has_bias = e->bias != NULL, has_residual = e->residual != NULL;
    for (int64_t r = 0; r < e->rows; r++)
        epilogue_row(e, r, has_bias, has_residual, e->gelu);
}
