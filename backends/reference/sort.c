/* SPDX-License-Identifier: Apache-2.0 */
/* sort.c - ops along the last axis that depend on the order of its elements: sort and cumulative sum. */
#include "backends/reference/kernel.h"
#include "backends/reference/real.h"

#include <math.h>
#include <string.h>

/* ---- sort: a merge sort of indices, which keeps equal numbers in order ---- */

static bool fits_sort(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    return has_arity(call, 1, 2) && x->rank >= 1 && last_dim(x) <= INT32_MAX && x->dtype != BK_I32 &&
           call->out[0].shape.dtype == x->dtype && call->out[1].shape.dtype == BK_I32 &&
           same_dims(x, &call->out[0].shape) && same_dims(x, &call->out[1].shape);
}

static size_t scratch_sort(const bk_call *call)
{
    return 2 * (size_t)last_dim(&call->in[0].shape) * sizeof(int32_t);
}

/* True if b comes before a, which has the lower index: b is larger, or b is a NaN and a is not. */
static bool goes_first(real b, real a)
{
    return b > a || (isnan(b) && !isnan(a));
}

/* Merges from[first..middle-1] and from[middle..last-1] into to. */
static void merge(const real *x, const int32_t *from, int64_t first, int64_t middle, int64_t last,
                  int32_t *to)
{
    int64_t a = first, b = middle;
    for (int64_t i = first; i < last; i++) {
        bool take_b = a == middle || (b < last && goes_first(x[from[b]], x[from[a]]));
        to[i] = from[take_b ? b++ : a++];
    }
}

static const int32_t *sort_row(const real *x, int64_t n, int32_t *index, int32_t *spare)
{
    for (int64_t i = 0; i < n; i++)
        index[i] = (int32_t)i;
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t first = 0; first < n; first += 2 * width) {
            int64_t middle = first + width < n ? first + width : n;
            int64_t last = middle + width < n ? middle + width : n;
            merge(x, index, first, middle, last, spare);
        }
        int32_t *sorted = spare;
        spare = index;
        index = sorted;
    }
    return index;
}

static bk_status run_sort(const bk_call *call)
{
    const real *x = call->in[0].data;
    real *y = call->out[0].data;
    int32_t *index = call->out[1].data, *work = call->scratch;
    int64_t n = last_dim(&call->in[0].shape), all = bk_count(&call->in[0].shape);
    for (int64_t row = 0; row < all; row += n) {
        const int32_t *sorted = sort_row(x + row, n, work, work + n);
        for (int64_t i = 0; i < n; i++)
            y[row + i] = x[row + sorted[i]];
        if (index)
            memcpy(index + row, sorted, (size_t)n * sizeof *sorted);
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_sort) = {
    .fits = fits_sort, .scratch = scratch_sort, .run = run_sort, .types = REFERENCE_OWN_TYPES};

/* ---- cumulative sum ---- */

static bool fits_cumsum(const bk_call *call)
{
    const bk_shape *x = &call->in[0].shape;
    return has_arity(call, 1, 1) && x->rank >= 1 && same_dims(x, &call->out[0].shape);
}

static bk_status run_cumsum(const bk_call *call)
{
    const real *x = call->in[0].data;
    real *y = call->out[0].data;
    int64_t n = last_dim(&call->in[0].shape), all = bk_count(&call->in[0].shape);
    for (int64_t row = 0; row < all; row += n) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            int64_t at = row + (call->attr.reverse ? n - 1 - i : i);
            y[at] = (real)(sum += x[at]);
        }
    }
    return BK_OK;
}

const reference_kernel REAL_NAME(reference_cumsum) = {.fits = fits_cumsum, .run = run_cumsum};
