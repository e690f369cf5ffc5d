/* SPDX-License-Identifier: Apache-2.0 */
/* nifti_result.c - the header of a volume that was made from another one: it keeps the place in the patient,
 * and nothing that spoke of the old values, of how they were acquired, or of whom. */
#include <nifti1_io.h>
#include <stdio.h>
#include <string.h>

#include "io/nifti_layout.h"
#include "io/nifti_space.h"

/* What is about the grid and nothing else. */
static nifti_1_header geometry_of(const nifti_1_header *h)
{
    nifti_1_header g = {.sizeof_hdr = NIFTI1_BYTES,
                        .regular = 'r',
                        .xyzt_units = h->xyzt_units,
                        .qform_code = h->qform_code,
                        .sform_code = h->sform_code,
                        .quatern_b = h->quatern_b,
                        .quatern_c = h->quatern_c,
                        .quatern_d = h->quatern_d,
                        .qoffset_x = h->qoffset_x,
                        .qoffset_y = h->qoffset_y,
                        .qoffset_z = h->qoffset_z};
    memcpy(g.srow_x, h->srow_x, sizeof g.srow_x);
    memcpy(g.srow_y, h->srow_y, sizeof g.srow_y);
    memcpy(g.srow_z, h->srow_z, sizeof g.srow_z);
    for (int i = 0; i < 8; i++)
        g.pixdim[i] = i <= 3 ? h->pixdim[i] : 1;
    nifti_space_tidy(&g);
    return g;
}

static void set_dims(const int64_t dims[3], nifti_1_header *h)
{
    h->dim[0] = 3;
    for (int i = 1; i < 8; i++)
        h->dim[i] = i > 3 ? 1 : dims[i - 1] > INT16_MAX ? INT16_MAX : (short)dims[i - 1];
}

status nifti_result_header(mem *m, const nifti_scan *source, const char *what, nifti_header **out)
{
    void *p;
    TRY(mem_take(m, sizeof(nifti_header), &p));
    nifti_header *h = *out = p;
    h->extension_bytes = 0;
    if (source->header)
        h->fields = geometry_of(&source->header->fields);
    else
        nifti_fields_from_affine(source, &h->fields);
    set_dims(source->dims, &h->fields);
    nifti_header_describe(h, what);
    return OK;
}

void nifti_header_describe(nifti_header *header, const char *what)
{
    memset(header->fields.descrip, 0, sizeof header->fields.descrip);
    snprintf(header->fields.descrip, sizeof header->fields.descrip, "%s", what);
}
