/* SPDX-License-Identifier: Apache-2.0 */
/* voxel_form.c - integers and floats of any width and byte order to float32, checked. */
#include "io/voxel_form.h"

#include <float.h>
#include <math.h>
#include <nifti1_io.h>
#include <string.h>

int voxel_bytes(int datatype)
{
    static const short known[] = {DT_UINT8,  DT_INT8,  DT_INT16,  DT_UINT16,  DT_INT32,
                                  DT_UINT32, DT_INT64, DT_UINT64, DT_FLOAT32, DT_FLOAT64};
    int bytes, swap_bytes;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (datatype == known[i]) {
            nifti_datatype_sizes(datatype, &bytes, &swap_bytes);
            return bytes;
        }
    }
    return 0;
}

void voxel_scaling(double slope, double inter, voxel_form *form)
{
    form->scaled = isfinite(slope) && isfinite(inter) && slope != 0 && !(slope == 1 && inter == 0);
    form->slope = slope;
    form->inter = inter;
}

#define CONVERT(type)                                                                                        \
    for (size_t i = 0; i < n; i++) {                                                                         \
        type x;                                                                                              \
        memcpy(&x, raw + i * sizeof x, sizeof x);                                                            \
        out[i] = f->scaled ? (float)((double)x * f->slope + f->inter) : (float)x;                            \
    }                                                                                                        \
    break

static void convert(const voxel_form *f, const unsigned char *raw, size_t n, float *out)
{
    switch (f->datatype) {
    case DT_UINT8:
        CONVERT(uint8_t);
    case DT_INT8:
        CONVERT(int8_t);
    case DT_INT16:
        CONVERT(int16_t);
    case DT_UINT16:
        CONVERT(uint16_t);
    case DT_INT32:
        CONVERT(int32_t);
    case DT_UINT32:
        CONVERT(uint32_t);
    case DT_INT64:
        CONVERT(int64_t);
    case DT_UINT64:
        CONVERT(uint64_t);
    case DT_FLOAT32:
        CONVERT(float);
    case DT_FLOAT64:
        CONVERT(double);
    default:
        break; /* voxel_bytes() knows no others */
    }
}

/* The value that became no finite float32, before it was rounded to one. */
static double exact_value(const voxel_form *f, const unsigned char *raw)
{
    double x = 0;
    float y;
    if (f->datatype == DT_FLOAT64) {
        memcpy(&x, raw, sizeof x);
    } else if (f->datatype == DT_FLOAT32) {
        memcpy(&y, raw, sizeof y);
        x = y;
    } else {
        voxel_form unscaled = *f;
        unscaled.scaled = 0;
        convert(&unscaled, raw, 1, &y);
        x = y; /* near enough for a message: integers are finite */
    }
    return f->scaled ? x * f->slope + f->inter : x;
}

static status not_finite(const voxel_form *f, const char *path, uint64_t at, double value)
{
    uint64_t nx = (uint64_t)f->dims[0], ny = (uint64_t)f->dims[1];
    unsigned long long i = at % nx, j = at / nx % ny, k = at / nx / ny;
    if (isfinite(value))
        return fail(ERR_NONFINITE, "%s: voxel [%llu,%llu,%llu] is %g, beyond float32, whose largest is %g",
                    path, i, j, k, value, (double)FLT_MAX);
    return fail(ERR_NONFINITE, "%s: voxel [%llu,%llu,%llu] is a NaN or an infinity%s", path, i, j, k,
                isnan(value) ? "; --nan zero (SLMT_NAN_ZERO) takes NaN as 0, the background" : "");
}

status voxel_convert(const voxel_form *f, const char *path, unsigned char *raw, uint64_t start, size_t n,
                     float *out, uint64_t *zeroed)
{
    if (f->swapped && f->bytes > 1)
        nifti_swap_Nbytes(n, f->bytes, raw);
    convert(f, raw, n, out);
    for (size_t i = 0; i < n; i++) {
        if (isfinite(out[i]))
            continue;
        double value = exact_value(f, raw + i * (size_t)f->bytes);
        if (!isnan(value) || !f->nan_to_zero)
            return not_finite(f, path, start + i, value);
        out[i] = 0;
        ++*zeroed;
    }
    return OK;
}
