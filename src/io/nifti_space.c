/* SPDX-License-Identifier: Apache-2.0 */
/* nifti_space.c - sform, qform or spacing to an affine in millimetres, and what was odd about them. */
#include "io/nifti_space.h"

#include <math.h>
#include <nifti1_io.h>
#include <string.h>

static double determinant(const double a[16])
{
    return a[0] * (a[5] * a[10] - a[6] * a[9]) - a[1] * (a[4] * a[10] - a[6] * a[8]) +
           a[2] * (a[4] * a[9] - a[5] * a[8]);
}

static double column_length(const double a[16], int c)
{
    return sqrt(a[c] * a[c] + a[4 + c] * a[4 + c] + a[8 + c] * a[8 + c]);
}

int affine_is_valid(const double a[16])
{
    double longest = 0, volume = determinant(a);
    for (int i = 0; i < 16; i++)
        if (!isfinite(a[i]))
            return 0;
    if (a[12] != 0 || a[13] != 0 || a[14] != 0 || a[15] != 1)
        return 0;
    for (int c = 0; c < 3; c++)
        longest = fmax(longest, column_length(a, c));
    return isfinite(volume) && fabs(volume) > 1e-12 * longest * longest * longest;
}

int affine_is_storable(const double a[16])
{
    double rounded[16];
    for (int i = 0; i < 16; i++)
        rounded[i] = (float)a[i];
    return affine_is_valid(a) && affine_is_valid(rounded);
}

void nifti_space_of_fields(const nifti_1_header *h, nifti_space *s)
{
    *s = (nifti_space){.sform_code = h->sform_code,
                       .qform_code = h->qform_code,
                       .units = XYZT_TO_SPACE((unsigned char)h->xyzt_units),
                       .quatern = {h->quatern_b, h->quatern_c, h->quatern_d},
                       .origin = {h->qoffset_x, h->qoffset_y, h->qoffset_z}};
    for (int i = 0; i < 4; i++) {
        s->rows[i] = h->srow_x[i];
        s->rows[4 + i] = h->srow_y[i];
        s->rows[8 + i] = h->srow_z[i];
        s->pixdim[i] = h->pixdim[i];
    }
}

/* A spacing has no sign. */
static double spacing(const nifti_space *s, int axis)
{
    double d = fabs(s->pixdim[axis]);
    return isfinite(d) && d > 0 ? d : 1;
}

static int lacks_spacing(const nifti_space *s)
{
    for (int i = 1; i <= 3; i++)
        if (!isfinite(s->pixdim[i]) || s->pixdim[i] == 0)
            return 1;
    return 0;
}

static void empty(double a[16])
{
    memset(a, 0, 16 * sizeof *a);
    a[15] = 1;
}

static void from_sform(const nifti_space *s, double a[16])
{
    empty(a);
    memcpy(a, s->rows, sizeof s->rows);
}

static void from_qform(const nifti_space *s, double a[16])
{
    mat44 q = nifti_quatern_to_mat44(s->quatern[0], s->quatern[1], s->quatern[2], s->origin[0], s->origin[1],
                                     s->origin[2], (float)spacing(s, 1), (float)spacing(s, 2),
                                     (float)spacing(s, 3), s->pixdim[0] < 0 ? -1.0f : 1.0f);
    empty(a);
    for (int i = 0; i < 12; i++)
        a[i] = q.m[i / 4][i % 4];
}

static void from_spacing(const nifti_space *s, double a[16])
{
    empty(a);
    for (int i = 0; i < 3; i++)
        a[5 * i] = spacing(s, i + 1);
}

/* The forms lead an axis of voxels to patients' sides that are more than 45 degrees apart. */
static int forms_differ(const nifti_space *s)
{
    double a[16], b[16];
    from_sform(s, a);
    from_qform(s, b);
    if (!affine_is_valid(b))
        return 0;
    for (int c = 0; c < 3; c++) {
        double cosine = (a[c] * b[c] + a[4 + c] * b[4 + c] + a[8 + c] * b[8 + c]) /
                        (column_length(a, c) * column_length(b, c));
        if (!(cosine > 0.7))
            return 1;
    }
    return 0;
}

static int sizes_differ(const nifti_space *s)
{
    double a[16];
    from_sform(s, a);
    for (int c = 0; c < 3; c++)
        if (fabs(column_length(a, c) - spacing(s, c + 1)) > 0.02 * spacing(s, c + 1))
            return 1;
    return 0;
}

/* Returns 1 if an axis of voxels is more than 30 degrees off all axes of the patient. */
static int is_oblique(const double a[16])
{
    const double cosine = 0.866;
    for (int c = 0; c < 3; c++) {
        double nearest = fmax(fmax(fabs(a[c]), fabs(a[4 + c])), fabs(a[8 + c]));
        if (nearest < cosine * column_length(a, c))
            return 1;
    }
    return 0;
}

static int to_millimetres(const nifti_space *s, double a[16])
{
    double factor = s->units == NIFTI_UNITS_METER ? 1e3 : s->units == NIFTI_UNITS_MICRON ? 1e-3 : 1;
    for (int i = 0; i < 12 && factor != 1; i++)
        a[i] *= factor;
    return factor != 1;
}

status nifti_space_affine(const char *path, const nifti_space *s, double affine[16], int *notes)
{
    *notes = 0;
    if (s->sform_code > 0) {
        from_sform(s, affine);
    } else {
        if (s->qform_code > 0)
            from_qform(s, affine);
        else
            from_spacing(s, affine);
        if (s->qform_code <= 0)
            *notes |= NIFTI_NO_ORIENTATION;
        if (lacks_spacing(s))
            *notes |= NIFTI_NO_SPACING;
    }
    if (to_millimetres(s, affine))
        *notes |= NIFTI_OTHER_UNITS;
    if (!affine_is_storable(affine))
        return fail(ERR_FORMAT, "%s: the affine of the header's %s is singular or not finite", path,
                    s->sform_code > 0 ? "sform" : "qform");
    if (s->sform_code > 0 && s->qform_code > 0 && forms_differ(s))
        *notes |= NIFTI_FORMS_DIFFER;
    if (s->sform_code > 0 && !lacks_spacing(s) && sizes_differ(s))
        *notes |= NIFTI_SIZES_DIFFER;
    if (is_oblique(affine))
        *notes |= NIFTI_OBLIQUE;
    return OK;
}

/* ---- for other readers ---- */

static short tidy_code(short code)
{
    const short last = 5; /* NIFTI_XFORM_TEMPLATE_OTHER, which older headers of niftiio lack */
    return code <= 0 ? NIFTI_XFORM_UNKNOWN : code > last ? NIFTI_XFORM_ALIGNED_ANAT : code;
}

static char tidy_units(char units)
{
    int space = XYZT_TO_SPACE((unsigned char)units), time = XYZT_TO_TIME((unsigned char)units);
    if (space != NIFTI_UNITS_METER && space != NIFTI_UNITS_MICRON)
        space = NIFTI_UNITS_MM;
    return (char)SPACE_TIME_TO_XYZT(space, time <= NIFTI_UNITS_RADS ? time : NIFTI_UNITS_UNKNOWN);
}

static void tidy_spacing(nifti_1_header *h)
{
    double a[16];
    nifti_space s;
    nifti_space_of_fields(h, &s);
    from_sform(&s, a);
    h->pixdim[0] = h->pixdim[0] < 0 ? -1.0f : 1.0f;
    for (int i = 1; i <= 3; i++) {
        int lacks = !isfinite(h->pixdim[i]) || h->pixdim[i] == 0;
        h->pixdim[i] = (float)(lacks && h->sform_code > 0 ? column_length(a, i - 1) : spacing(&s, i));
    }
}

/* Turns a quaternion that is too long into the one that niftiio takes it for. */
static void tidy_quaternion(nifti_1_header *h)
{
    double b = h->quatern_b, c = h->quatern_c, d = h->quatern_d, sum = b * b + c * c + d * d;
    double offsets = (double)h->qoffset_x + h->qoffset_y + h->qoffset_z;
    if (!isfinite(sum) || !isfinite(offsets)) {
        h->qform_code = NIFTI_XFORM_UNKNOWN;
        h->quatern_b = h->quatern_c = h->quatern_d = h->qoffset_x = h->qoffset_y = h->qoffset_z = 0;
    } else if (sum > 1) {
        h->quatern_b = (float)(b / sqrt(sum));
        h->quatern_c = (float)(c / sqrt(sum));
        h->quatern_d = (float)(d / sqrt(sum));
    }
}

void nifti_space_tidy(nifti_1_header *h)
{
    h->sform_code = tidy_code(h->sform_code);
    h->qform_code = tidy_code(h->qform_code);
    h->xyzt_units = tidy_units(h->xyzt_units);
    tidy_spacing(h);
    tidy_quaternion(h);
}

const char *nifti_note_text(int i)
{
    static const char *const texts[NIFTI_NOTES] = {
        ("the header gives no orientation (its qform and sform codes are 0): left and right may be "
         "exchanged; x is taken to go to the right, y to the front, z up"),
        "the header gives no voxel size for an axis; 1 mm is taken",
        "the header's qform and sform turn or mirror the volume differently; the sform is taken",
        "the header counts in metres or micrometres; lengths are turned into millimetres",
        "the header's pixdim gives voxels of another size than its sform; the sform is taken",
        ("the volume lies more than 30 degrees off the patient's axes; its slices are taken along its own "
         "axes, as if these were the nearest ones of the patient"),
        ("the header gives no orientation and no voxel size (its goodRASFlag is 0): coronal slices with "
         "voxels of 1 mm are taken, as FreeSurfer does, and left and right may be exchanged"),
    };
    return texts[i];
}
