/* SPDX-License-Identifier: Apache-2.0 */
/* matmul.c - matrix products: BK_MATMUL with either side transposed, and BK_LINEAR with its epilogue.
 *
 *   y[i,j] = act(sum_k a[i,k] b[k,j] + bias[j]) + residual[i,j]
 *
 * b may be stored as 16-bit floats, which are widened as they are read.
 *
 * A panel of columns of b is copied to scratch as double, rows of length `width`; then a few rows of a
 * at a time run along it, so that the innermost loop is over contiguous memory whatever is transposed. */
#include "backends/reference/activation.h"
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"

#include <string.h>

enum { PANEL = 64, TILE = 4 };

typedef struct product {
    int64_t rows, cols, depth;
    const real *a;
    const void *b;
    int32_t b_type;                     /* bk_dtype: that of real, or of 16-bit floats */
    int64_t a_row, a_col, b_row, b_col; /* strides; b_row is along the depth */
    const real *bias, *residual;        /* NULL: none */
    const bk_attr *attr;                /* has the activation; NULL: none */
    real *y;                            /* dense; may be the residual's memory */
} product;

static size_t product_scratch(int64_t depth)
{
    return (size_t)depth * PANEL * sizeof(double);
}

static double b_at(const product *p, int64_t i)
{
    return bk_is_half(p->b_type) ? bk_widen(p->b_type, ((const uint16_t *)p->b)[i]) : ((const real *)p->b)[i];
}

static void pack_panel(const product *p, int64_t col, int64_t width, double *panel)
{
    int64_t first = col * p->b_col;
    if (p->b_col == 1) {
        for (int64_t k = 0; k < p->depth; k++)
            for (int64_t j = 0; j < width; j++)
                panel[k * width + j] = b_at(p, first + k * p->b_row + j);
    } else {
        for (int64_t j = 0; j < width; j++)
            for (int64_t k = 0; k < p->depth; k++)
                panel[k * width + j] = b_at(p, first + k * p->b_row + j * p->b_col);
    }
}

/* sums[r][j] = sum_k a[row + r, k] panel[k, j]; past the last row of a, its last row again. */
static void multiply_tile(const product *p, int64_t row, const double *restrict panel, int64_t width,
                          double sums[restrict TILE][PANEL])
{
    const real *a[TILE];
    for (int64_t r = 0; r < TILE; r++)
        a[r] = p->a + (row + r < p->rows ? row + r : p->rows - 1) * p->a_row;
    memset(sums, 0, sizeof(double[TILE][PANEL]));
    for (int64_t k = 0; k < p->depth; k++) {
        const double *b = panel + k * width;
        double a0 = a[0][k * p->a_col], a1 = a[1][k * p->a_col];
        double a2 = a[2][k * p->a_col], a3 = a[3][k * p->a_col];
        for (int64_t j = 0; j < width; j++) {
            sums[0][j] += a0 * b[j];
            sums[1][j] += a1 * b[j];
            sums[2][j] += a2 * b[j];
            sums[3][j] += a3 * b[j];
        }
    }
}

static void store_row(const product *p, int64_t row, int64_t col, int64_t width, const double *sum)
{
    int64_t at = row * p->cols + col;
    for (int64_t j = 0; j < width; j++) {
        double y = sum[j];
        if (p->bias)
            y += p->bias[col + j];
        if (p->attr)
            y = activate(p->attr, y);
        if (p->residual)
            y += p->residual[at + j];
        p->y[at + j] = (real)y;
    }
}

static void multiply(const product *p, double *panel)
{
    double sums[TILE][PANEL];
    for (int64_t col = 0; col < p->cols; col += PANEL) {
        int64_t width = p->cols - col < PANEL ? p->cols - col : PANEL;
        pack_panel(p, col, width, panel);
        for (int64_t row = 0; row < p->rows; row += TILE) {
            multiply_tile(p, row, panel, width, sums);
            for (int64_t r = 0; r < TILE && row + r < p->rows; r++)
                store_row(p, row + r, col, width, sums[r]);
        }
    }
}

/* ---- matmul ---- */

static int64_t row_dim(const bk_shape *s, int32_t transposed)
{
    return s->dim[s->rank - (transposed ? 1 : 2)];
}

static int64_t col_dim(const bk_shape *s, int32_t transposed)
{
    return s->dim[s->rank - (transposed ? 2 : 1)];
}

static bool leading_dims_fit(const bk_shape *s, const bk_shape *y)
{
    if (s->rank == 2)
        return true;
    if (s->rank != y->rank)
        return false;
    for (int32_t i = 0; i < s->rank - 2; i++)
        if (s->dim[i] != y->dim[i])
            return false;
    return true;
}

static bool fits_matmul(const bk_call *call)
{
    const bk_shape *a = &call->in[0].shape, *b = &call->in[1].shape, *y = &call->out[0].shape;
    const bk_attr *t = &call->attr;
    if (!has_arity(call, 2, 1) || a->rank < 2 || b->rank < 2 ||
        y->rank != (a->rank > b->rank ? a->rank : b->rank))
        return false;
    return leading_dims_fit(a, y) && leading_dims_fit(b, y) && row_dim(a, t->trans_a) == row_dim(y, 0) &&
           col_dim(b, t->trans_b) == col_dim(y, 0) && col_dim(a, t->trans_a) == row_dim(b, t->trans_b);
}

static size_t scratch_matmul(const bk_call *call)
{
    return product_scratch(col_dim(&call->in[0].shape, call->attr.trans_a));
}

static bk_status run_matmul(const bk_call *call)
{
    const bk_shape *a = &call->in[0].shape, *b = &call->in[1].shape, *y = &call->out[0].shape;
    int32_t ta = call->attr.trans_a, tb = call->attr.trans_b;
    product p = {.rows = row_dim(y, 0), .cols = col_dim(y, 0), .depth = col_dim(a, ta), .b_type = b->dtype};
    p.a_row = ta ? 1 : p.depth;
    p.a_col = ta ? p.rows : 1;
    p.b_row = tb ? 1 : p.cols;
    p.b_col = tb ? p.depth : 1;

    int64_t batch = bk_count(y) / (p.rows * p.cols);
    int64_t a_step = a->rank == 2 ? 0 : p.rows * p.depth, b_step = b->rank == 2 ? 0 : p.depth * p.cols;
    int64_t y_step = p.rows * p.cols;
    if (b_step == 0 && a_step != 0 && !ta) { /* one tall product instead of many */
        p.rows *= batch;
        batch = 1;
    }
    for (int64_t i = 0; i < batch; i++) {
        p.a = (const real *)call->in[0].data + i * a_step;
        p.b = (const real *)call->in[1].data + i * b_step;
        p.y = (real *)call->out[0].data + i * y_step;
        multiply(&p, call->scratch);
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_matmul) = {
    .fits = fits_matmul, .scratch = scratch_matmul, .run = run_matmul};

/* ---- linear ---- */

static bool fits_linear(const bk_call *call)
{
    const bk_attr *attr = &call->attr;
    int32_t n_in = 2 + (attr->has_bias != 0) + (attr->has_residual != 0);
    bk_shape y = call->out[0].shape;
    if (!has_arity(call, n_in, 1) || y.rank < 1 || !is_activation(attr->activation))
        return false;
    int64_t cols = last_dim(&y), depth = last_dim(&call->in[0].shape);
    if (!is_matrix(&call->in[1].shape, cols, depth) ||
        (attr->has_bias && !is_vector(&call->in[2].shape, cols)) ||
        (attr->has_residual && !same_dims(&call->in[n_in - 1].shape, &y)))
        return false;
    y.dim[y.rank - 1] = depth;
    return same_dims(&call->in[0].shape, &y);
}

static size_t scratch_linear(const bk_call *call)
{
    return product_scratch(last_dim(&call->in[0].shape));
}

static bk_status run_linear(const bk_call *call)
{
    const bk_shape *y = &call->out[0].shape;
    product p = {.cols = last_dim(y), .depth = last_dim(&call->in[0].shape), .a_col = 1, .b_row = 1};
    p.rows = bk_count(y) / p.cols;
    p.a_row = p.b_col = p.depth;
    p.a = call->in[0].data;
    p.b = call->in[1].data;
    p.b_type = call->in[1].shape.dtype;
    p.bias = call->attr.has_bias ? call->in[2].data : NULL;
    p.residual = call->attr.has_residual ? call->in[call->n_in - 1].data : NULL;
    p.attr = &call->attr;
    p.y = call->out[0].data;
    multiply(&p, call->scratch);
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_linear) = {
    .fits = fits_linear, .scratch = scratch_linear, .run = run_linear, .types = REFERENCE_HALF_WEIGHT};
