/* SPDX-License-Identifier: Apache-2.0 */
/* mgh_read.c - the MGH header: sizes, type, and the place of the volume's middle; what follows the voxels
 * (echo times, tags) is not needed. */
#include "io/mgh_read.h"

#include <string.h>

#include "io/scan_name.h"
#include "io/voxel_read.h"

enum {
    MGH_VERSION = 1,
    MGH_BYTES = 284, /* of the header; voxels follow */
    AT_DIMS = 4,     /* width, height, depth, frames */
    AT_TYPE = 20,
    AT_GOOD = 28,    /* int16: the geometry below was set */
    AT_SPACING = 30, /* float32 from here on: 3 spacings, 3 x 3 directions, the middle */
    AT_DIRECTIONS = 42,
    AT_MIDDLE = 78
};

static int32_t int_at(const unsigned char *p)
{
    return (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

static double float_at(const unsigned char *p)
{
    int32_t bits = int_at(p);
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static int machine_is_big_endian(void)
{
    const unsigned char one[4] = {0, 0, 0, 1};
    uint32_t read;
    memcpy(&read, one, sizeof read);
    return read == 1;
}

/* NIfTI's code for one of MGH's; 0: unknown. */
static int datatype_of(int32_t type)
{
    static const int types[][2] = {
        {0, DT_UINT8}, {1, DT_INT32}, {3, DT_FLOAT32}, {4, DT_INT16}, {10, DT_UINT16}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i][0] == type)
            return types[i][1];
    return 0;
}

int mgh_is(const unsigned char *head, size_t size)
{
    if (size < AT_GOOD || int_at(head) != MGH_VERSION)
        return 0;
    for (int i = 0; i < 4; i++)
        if (int_at(head + AT_DIMS + 4 * i) < 1)
            return 0;
    return int_at(head + AT_TYPE) >= 0 && int_at(head + AT_TYPE) < 100;
}

static status read_sizes(const char *path, const unsigned char *head, voxel_form *form, voxel_place *place)
{
    const uint64_t most = (uint64_t)1 << 48;
    int32_t type = int_at(head + AT_TYPE);
    uint64_t product = 1;
    *form = (voxel_form){.datatype = datatype_of(type)};
    if (form->datatype == 0)
        return fail(ERR_FORMAT, "%s: voxels of MGH's type %d are not read", path, type);
    form->bytes = voxel_bytes(form->datatype);
    form->swapped = !machine_is_big_endian();
    for (int i = 0; i < 4; i++) {
        uint64_t n = (uint64_t)int_at(head + AT_DIMS + 4 * i);
        if (n > most / product)
            return fail(ERR_FORMAT, "%s: the header's axes give more than 2^48 voxels", path);
        product *= n;
        if (i < 3)
            form->dims[i] = (int64_t)n;
        else
            place->volumes = n;
    }
    place->offset = MGH_BYTES;
    place->voxels = product / place->volumes;
    return OK;
}

/* Where the header has no geometry, FreeSurfer takes a coronal volume of 1 mm around the origin. */
static void directions(const unsigned char *head, double columns[9], double middle[3], int *notes)
{
    static const double coronal[9] = {-1, 0, 0, 0, 0, -1, 0, 1, 0};
    int good = head[AT_GOOD] != 0 || head[AT_GOOD + 1] != 0;
    for (int i = 0; i < 9; i++)
        columns[i] = good ? float_at(head + AT_DIRECTIONS + 4 * i) * float_at(head + AT_SPACING + 4 * (i / 3))
                          : coronal[i];
    for (int i = 0; i < 3; i++)
        middle[i] = good ? float_at(head + AT_MIDDLE + 4 * i) : 0;
    *notes = good ? 0 : NIFTI_NO_GEOMETRY;
}

/* The middle is the place of voxel (width/2, height/2, depth/2). */
static status read_affine(const char *path, const unsigned char *head, nifti_scan *scan)
{
    double columns[9], middle[3], *a = scan->affine;
    directions(head, columns, middle, &scan->notes);
    memset(a, 0, sizeof scan->affine);
    a[15] = 1;
    for (int r = 0; r < 3; r++) {
        a[4 * r + 3] = middle[r];
        for (int c = 0; c < 3; c++) {
            a[4 * r + c] = columns[3 * c + r];
            a[4 * r + 3] -= columns[3 * c + r] * (double)scan->dims[c] / 2;
        }
    }
    if (!affine_is_storable(a))
        return fail(ERR_FORMAT, "%s: the directions of the header's axes are singular or not finite", path);
    return OK;
}

status mgh_read(mem *m, gz_input *in, const unsigned char *head, size_t size, int64_t wanted, int rules,
                nifti_scan *scan)
{
    voxel_form form;
    voxel_place place;
    if (size < MGH_BYTES)
        return fail(ERR_CORRUPT, "%s is cut short: it ends within its header", in->path);
    TRY(read_sizes(in->path, head, &form, &place));
    form.nan_to_zero = (rules & NIFTI_NAN_TO_ZERO) != 0;
    memcpy(scan->dims, form.dims, sizeof scan->dims);
    TRY(read_affine(in->path, head, scan));
    TRY(scan_name_volume(in->path, wanted, place.volumes, &place.index));
    TRY(voxel_check_size(in, &form, &place));
    return voxel_read(m, in, &form, &place, scan);
}
