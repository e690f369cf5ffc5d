/* SPDX-License-Identifier: Apache-2.0 */
/* preprocess.c - orientation, intensity and crop; each takes a pass over the volume and none copies it. */
#include "data/preprocess.h"

#include <math.h>
#include <string.h>

#include "data/resize.h"

/* ---- orientation ---- */

/* Column c of the affine as a direction (unit length) in canonical axes: NIfTI's x and y run to the right and
 * to the front, the canonical ones to the left and to the back. */
static void directions(const double affine[16], double to[3][3])
{
    static const double sign[3] = {-1, -1, 1};
    for (int c = 0; c < 3; c++) {
        double x = affine[c], y = affine[4 + c], z = affine[8 + c], length = sqrt(x * x + y * y + z * z);
        for (int a = 0; a < 3; a++)
            to[a][c] = sign[a] * affine[4 * a + c] / length;
    }
}

orient orient_from_affine(const int64_t dims[3], const double affine[16])
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const int64_t stride[3] = {1, dims[0], dims[0] * dims[1]};
    double to[3][3], best = -1;
    int chosen = 0;
    orient o = {.corner = 0};
    directions(affine, to);
    for (int i = 0; i < 6; i++) {
        double along = 0;
        for (int a = 0; a < 3; a++)
            along += fabs(to[a][orders[i][a]]);
        if (along > best + 1e-6) { /* at a tie, such as a rotation by 45 degrees, the earlier order is used */
            best = along;
            chosen = i;
        }
    }
    for (int a = 0; a < 3; a++) {
        int c = o.axis[a] = orders[chosen][a];
        o.flip[a] = to[a][c] < 0;
        o.dims[a] = dims[c];
        o.stride[a] = o.flip[a] ? -stride[c] : stride[c];
        o.corner += o.flip[a] ? (dims[c] - 1) * stride[c] : 0;
    }
    return o;
}

void orient_to_canonical(const orient *o, const float *voxels, float *canonical)
{
    for (int64_t z = 0; z < o->dims[2]; z++)
        for (int64_t y = 0; y < o->dims[1]; y++)
            for (int64_t x = 0; x < o->dims[0]; x++)
                *canonical++ = voxels[o->corner + x * o->stride[0] + y * o->stride[1] + z * o->stride[2]];
}

void orient_from_canonical(const orient *o, const float *canonical, float *voxels)
{
    for (int64_t z = 0; z < o->dims[2]; z++)
        for (int64_t y = 0; y < o->dims[1]; y++)
            for (int64_t x = 0; x < o->dims[0]; x++)
                voxels[o->corner + x * o->stride[0] + y * o->stride[1] + z * o->stride[2]] = *canonical++;
}

/* ---- crop ---- */

static int64_t half_down(int64_t n)
{
    return n >= 0 ? n / 2 : -((1 - n) / 2);
}

static status place_crop(int64_t n, int32_t size, int32_t first, const char *field, int64_t *out)
{
    *out = first == SLMT_CENTRE ? half_down(n - size) : first;
    if (*out >= n)
        return fail(ERR_ARGUMENT, "slmt_preprocess.%s is %d, but the volume has %lld voxels there", field,
                    first, (long long)n);
    return OK;
}

status preprocess_window_of(const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                            preprocess_window *w)
{
    w->orient = orient_from_affine(dims, affine);
    w->count[0] = w->count[1] = p->crop_size;
    TRY(place_crop(w->orient.dims[0], p->crop_size, p->crop_x, "crop_x", &w->first[0]));
    TRY(place_crop(w->orient.dims[1], p->crop_size, p->crop_y, "crop_y", &w->first[1]));
    int64_t left = w->orient.dims[2] - p->slice_first;
    int64_t wanted = p->slice_count > 0 ? p->slice_count : left;
    if (left < 1 || wanted > left)
        return fail(ERR_ARGUMENT,
                    "too few slices: the volume has %lld axial slices, and slices %d:%d (FIRST:COUNT) need "
                    "at least %lld",
                    (long long)w->orient.dims[2], p->slice_first, p->slice_count,
                    (long long)p->slice_first + (wanted > 0 ? wanted : 1));
    if (wanted > PREPROCESS_FIRST_MAX)
        return fail(ERR_ARGUMENT, "the volume has %lld axial slices, at most %d are supported",
                    (long long)w->orient.dims[2], PREPROCESS_FIRST_MAX);
    w->first[2] = p->slice_first;
    w->count[2] = wanted;
    return OK;
}

status preprocess_count(const slmt_preprocess *p, const int64_t dims[3], const double affine[16], int *count)
{
    preprocess_window w;
    TRY(preprocess_window_of(p, dims, affine, &w));
    *count = (int)w.count[2];
    return OK;
}

/* Returns the element of the volume at pixel [r][c] of slice k, or -1 outside. */
static int64_t element_at(const preprocess_window *w, int k, int r, int c)
{
    const orient *o = &w->orient;
    int64_t x = w->first[0] + r, y = w->first[1] + c, z = w->first[2] + k;
    if (x < 0 || x >= o->dims[0] || y < 0 || y >= o->dims[1])
        return -1;
    return o->corner + x * o->stride[0] + y * o->stride[1] + z * o->stride[2];
}

static void cut(const preprocess_window *w, const intensity *scale, const float *voxels, float *slices)
{
    for (int k = 0; k < w->count[2]; k++)
        for (int r = 0; r < w->count[0]; r++)
            for (int c = 0; c < w->count[1]; c++) {
                int64_t at = element_at(w, k, r, c);
                *slices++ = at < 0 ? 0 : intensity_apply(scale, voxels[at]);
            }
}

static int is_empty(const float *slice, size_t pixels)
{
    size_t i = 0;
    while (i < pixels && slice[i] == 0)
        i++;
    return i == pixels;
}

/* Empty slices that have filled ones below and above. */
static int count_gaps(const float *slices, size_t pixels, size_t count)
{
    int gaps = 0, since = 0, begun = 0;
    for (size_t k = 0; k < count; k++)
        if (is_empty(slices + k * pixels, pixels))
            since += begun;
        else {
            gaps += since;
            since = 0;
            begun = 1;
        }
    return gaps;
}

status preprocess_volume(mem *m, const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                         const float *voxels, float **slices, int *count, intensity_facts *facts)
{
    preprocess_window w;
    intensity scale;
    void *out;
    TRY(preprocess_window_of(p, dims, affine, &w));
    TRY(intensity_find(m, p, voxels, dims, w.orient.corner, &scale, facts));
    size_t pixels = (size_t)w.count[0] * (size_t)w.count[0];
    TRY(mem_array(m, (size_t)w.count[2], pixels * sizeof(float), &out));
    cut(&w, &scale, voxels, out);
    *slices = out;
    *count = (int)w.count[2];
    if (facts)
        facts->gaps = count_gaps(out, pixels, (size_t)w.count[2]);
    return OK;
}

status preprocess_greys(mem *m, const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                        const float *voxels, float **slices, int *count)
{
    static const intensity as_it_is = {.corner = NAN, .high = 1, .top = 1};
    preprocess_window w;
    void *out;
    TRY(preprocess_window_of(p, dims, affine, &w));
    size_t pixels = (size_t)w.count[0] * (size_t)w.count[1];
    TRY(mem_array(m, (size_t)w.count[2], pixels * sizeof(float), &out));
    cut(&w, &as_it_is, voxels, out);
    *slices = out;
    *count = (int)w.count[2];
    return OK;
}

/* Beyond 2^24 float32 cannot represent every whole number. */
static status check_labels(const float *voxels, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(voxels[i]) <= 16777216.0f) || voxels[i] != floorf(voxels[i]))
            return fail(ERR_ARGUMENT, "voxel %zu of the label map is %g, expected a whole number up to 2^24",
                        i, voxels[i]);
    return OK;
}

static void cut_labels(const preprocess_window *w, const float *voxels, int32_t *slices)
{
    for (int k = 0; k < w->count[2]; k++)
        for (int r = 0; r < w->count[0]; r++)
            for (int c = 0; c < w->count[1]; c++) {
                int64_t at = element_at(w, k, r, c);
                *slices++ = at < 0 ? 0 : (int32_t)voxels[at];
            }
}

status preprocess_labels(mem *m, const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                         const float *voxels, int32_t **slices, int *count)
{
    preprocess_window w;
    void *out;
    TRY(preprocess_window_of(p, dims, affine, &w));
    TRY(check_labels(voxels, (size_t)(dims[0] * dims[1] * dims[2])));
    size_t pixels = (size_t)w.count[0] * (size_t)w.count[0];
    TRY(mem_array(m, (size_t)w.count[2], pixels * sizeof(int32_t), &out));
    cut_labels(&w, voxels, out);
    *slices = out;
    *count = (int)w.count[2];
    return OK;
}

static void paste(const preprocess_window *w, int k, const float *slice, float *voxels)
{
    for (int r = 0; r < w->count[0]; r++)
        for (int c = 0; c < w->count[1]; c++) {
            int64_t at = element_at(w, k, r, c);
            if (at >= 0)
                voxels[at] = slice[(size_t)r * (size_t)w->count[1] + (size_t)c];
        }
}

status preprocess_restore(mem *m, const slmt_preprocess *p, const int64_t dims[3], const double affine[16],
                          const float *slices, float *voxels)
{
    preprocess_window w;
    void *slice;
    TRY(preprocess_window_of(p, dims, affine, &w));
    size_t pixels = (size_t)p->image_size * (size_t)p->image_size;
    TRY(mem_array(m, (size_t)w.count[0] * (size_t)w.count[0], sizeof(float), &slice));
    memset(voxels, 0, (size_t)(dims[0] * dims[1] * dims[2]) * sizeof(float));
    for (int k = 0; k < w.count[2]; k++) {
        resize_bilinear(slices + (size_t)k * pixels, p->image_size, p->image_size, slice, p->crop_size,
                        p->crop_size);
        paste(&w, k, slice, voxels);
    }
    mem_give(m, slice);
    return OK;
}
