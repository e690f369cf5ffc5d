/* SPDX-License-Identifier: Apache-2.0 */
/* nifti_read.c - one volume from a NIfTI-1 file, or a pair of files; nifti.h says which part niftiio does. */
#include "io/nifti_form.h"

#include <errno.h>
#include <math.h>
#include <nifti1_io.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

enum {
    NIFTI2_HEADER_BYTES = 540,
    SMALLEST_EXTENSION = 16,
    CHUNK = 1 << 16,  /* voxels converted at a time */
    MAX_RATIO = 1032, /* deflate cannot compress better than 1032:1 */
    MAX_TRAILING = 1 << 20,
    MAX_OFFSET = 1 << 28 /* multiples of 16 up to here are exact in the header's float vox_offset */
};

/* ---- names ---- */

static int is_file(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

/* Finds the .img of a .hdr or the .hdr of a .img, compressed or not, independently of the other file. *out is
 * NULL if there is no such file. */
static status partner(mem *m, const char *path, const char *to, char **out)
{
    void *p;
    *out = NULL;
    size_t stem = strlen(path) - (ends_in(path, ".gz") ? 3 : 0) - strlen(to);
    TRY(mem_take(m, stem + strlen(to) + 4, &p));
    char *name = p;
    memcpy(name, path, stem);
    strcpy(name + stem, to);
    if (!is_file(name))
        strcat(name, ".gz");
    if (!is_file(name)) {
        mem_give(m, name);
        return OK;
    }
    *out = name;
    return OK;
}

static int is_pair(const char *path)
{
    return ends_in(path, ".hdr") || ends_in(path, ".hdr.gz") || ends_in(path, ".img") ||
           ends_in(path, ".img.gz");
}

/* ---- a file being read ---- */

typedef struct source {
    const char *path;
    gzFile file;   /* reads compressed and plain files */
    uint64_t most; /* the most bytes after decompression */
} source;

static status source_open(const char *path, source *in)
{
    struct stat s;
    *in = (source){.path = path};
    if (stat(path, &s) != 0)
        return fail(errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path,
                    strerror(errno));
    if (!S_ISREG(s.st_mode))
        return fail(ERR_IO, "%s is not a regular file", path);
    errno = 0;
    in->file = gzopen(path, "rb");
    if (!in->file)
        return fail(ERR_IO, "%s cannot be opened: %s", path,
                    errno != 0 ? strerror(errno) : "no memory in zlib");
    gzbuffer(in->file, 1 << 17);
    in->most = (uint64_t)s.st_size * (gzdirect(in->file) ? 1 : MAX_RATIO);
    return OK;
}

static void source_close(source *in)
{
    if (in->file)
        gzclose_r(in->file);
    in->file = NULL;
}

static status source_failed(const source *in)
{
    int code;
    const char *text = gzerror(in->file, &code);
    if (code == Z_ERRNO)
        return fail(ERR_IO, "%s cannot be read: %s", in->path, strerror(errno));
    if (code == Z_DATA_ERROR)
        return fail(ERR_CORRUPT, "%s is damaged: %s", in->path, text);
    return fail(ERR_CORRUPT, "%s is cut short", in->path);
}

static status source_read(source *in, void *out, size_t bytes)
{
    unsigned char *p = out;
    while (bytes > 0) {
        unsigned want = bytes < (1u << 30) ? (unsigned)bytes : 1u << 30;
        int got = gzread(in->file, p, want);
        if (got <= 0)
            return source_failed(in);
        p += got;
        bytes -= (size_t)got;
    }
    return OK;
}

static status source_seek(source *in, uint64_t position)
{
    if (gzseek(in->file, (z_off_t)position, SEEK_SET) != (z_off_t)position)
        return source_failed(in);
    return OK;
}

/* Reads to the end of the file, where zlib compares the checksum, but not if much follows the voxels. */
static status source_check_end(source *in)
{
    char rest[4096];
    int code, got = 1;
    for (int i = 0; i < MAX_TRAILING / (int)sizeof rest && got > 0; i++)
        got = gzread(in->file, rest, sizeof rest);
    gzerror(in->file, &code);
    return got < 0 || (code != Z_OK && code != Z_STREAM_END) ? source_failed(in) : OK;
}

/* ---- header ---- */

typedef struct layout {
    int swapped;     /* the file has the other byte order */
    int type_bytes;  /* of a voxel */
    uint64_t offset; /* of the first voxel */
    uint64_t voxels; /* their number */
    double slope, inter;
    int scaled;
} layout;

static status check_kind(const char *path, nifti_1_header *h, int *swapped)
{
    int size = h->sizeof_hdr;
    *swapped = size != HEADER_BYTES && size != NIFTI2_HEADER_BYTES;
    if (*swapped)
        nifti_swap_4bytes(1, &size);
    if (size == NIFTI2_HEADER_BYTES)
        return fail(ERR_FORMAT, "%s is NIfTI-2; only NIfTI-1 is read", path);
    if (size != HEADER_BYTES)
        return fail(ERR_FORMAT, "%s is not a NIfTI file: its first number is not %d", path, HEADER_BYTES);
    if (memcmp(h->magic, is_single(path) ? "n+1" : "ni1", 4) != 0)
        return fail(ERR_FORMAT, "%s is not a NIfTI-1 file of its kind: its magic text is not \"%s\"", path,
                    is_single(path) ? "n+1" : "ni1");
    if (*swapped)
        swap_nifti_header(h, 1);
    return OK;
}

static status check_dims(const char *path, const nifti_1_header *h, uint64_t *voxels)
{
    int rank = h->dim[0];
    if (rank < 1 || rank > 7)
        return fail(ERR_FORMAT, "%s: the header's number of axes is %d", path, rank);
    *voxels = 1;
    for (int i = 1; i <= rank; i++) {
        if (h->dim[i] < 1)
            return fail(ERR_FORMAT, "%s: the header's axis %d has length %d", path, i, h->dim[i]);
        if (i > 3 && h->dim[i] > 1)
            return fail(ERR_FORMAT, "%s has more than three axes: axis %d has length %d", path, i, h->dim[i]);
        *voxels *= (uint64_t)h->dim[i]; /* three factors below 2^15 */
    }
    return OK;
}

static status check_type(const char *path, const nifti_1_header *h, int *bytes)
{
    static const short known[] = {DT_UINT8,  DT_INT8,  DT_INT16,  DT_UINT16,  DT_INT32,
                                  DT_UINT32, DT_INT64, DT_UINT64, DT_FLOAT32, DT_FLOAT64};
    int swap_bytes;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (h->datatype == known[i]) {
            nifti_datatype_sizes(h->datatype, bytes, &swap_bytes);
            return OK;
        }
    }
    return fail(ERR_FORMAT, "%s: voxels of type %d (%s) are not integers or floats of up to 64 bits", path,
                h->datatype, nifti_datatype_string(h->datatype));
}

static status check_offset(const source *in, const nifti_1_header *h, layout *l)
{
    float lowest = is_single(in->path) ? HEADER_BYTES : 0;
    float offset = h->vox_offset == 0 ? lowest : h->vox_offset;
    if (!(offset >= lowest && offset <= MAX_OFFSET))
        return fail(ERR_FORMAT, "%s: the header's vox_offset is %g", in->path, h->vox_offset);
    l->offset = (uint64_t)offset;
    return OK;
}

static void read_scaling(const nifti_1_header *h, layout *l)
{
    l->scaled = isfinite(h->scl_slope) && isfinite(h->scl_inter) && h->scl_slope != 0 &&
                !(h->scl_slope == 1 && h->scl_inter == 0);
    l->slope = h->scl_slope;
    l->inter = h->scl_inter;
}

static status read_fields(source *in, nifti_1_header *h, layout *l)
{
    if (source_read(in, h, HEADER_BYTES) != OK)
        return fail(ERR_FORMAT, "%s is not a NIfTI file: it is shorter than a header, or damaged there",
                    in->path);
    TRY(check_kind(in->path, h, &l->swapped));
    TRY(check_dims(in->path, h, &l->voxels));
    TRY(check_type(in->path, h, &l->type_bytes));
    TRY(check_offset(in, h, l));
    read_scaling(h, l);
    return OK;
}

/* ---- extensions ---- */

static void swap_extension_head(unsigned char *extension)
{
    nifti_swap_4bytes(2, extension);
}

/* Returns the length of the well-formed extensions at the start of the region and converts their heads to
 * this machine's byte order. */
static size_t well_formed(unsigned char *region, size_t bytes, int swapped)
{
    size_t at = 0;
    while (bytes - at >= SMALLEST_EXTENSION) {
        int32_t size;
        if (swapped)
            swap_extension_head(region + at);
        memcpy(&size, region + at, sizeof size);
        if (size < SMALLEST_EXTENSION || size % 16 != 0 || (size_t)size > bytes - at)
            break;
        at += (size_t)size;
    }
    return at;
}

/* Returns the bytes between the extender and the voxels (of a single file) or the end (of a .hdr). */
static status extension_room(source *in, const layout *l, size_t *room)
{
    unsigned char extender[EXTENDER_BYTES];
    uint64_t start = HEADER_BYTES + EXTENDER_BYTES;
    uint64_t end = is_single(in->path) ? l->offset : in->most;
    *room = 0;
    if (end < start + SMALLEST_EXTENSION)
        return OK;
    TRY(source_read(in, extender, sizeof extender));
    if (extender[0] == 0)
        return OK;
    if (end - start > MAX_OFFSET)
        return fail(ERR_FORMAT, "%s: header extensions longer than %d bytes are not read", in->path,
                    MAX_OFFSET);
    *room = (size_t)(end - start);
    return OK;
}

static status read_header(mem *m, source *in, nifti_header **out, layout *l)
{
    nifti_1_header fields;
    size_t room;
    void *p;
    TRY(read_fields(in, &fields, l));
    if (is_single(in->path) && l->offset + l->voxels * (uint64_t)l->type_bytes > in->most)
        return fail(ERR_CORRUPT,
                    "%s is cut short: its header promises %llu voxels of %d bytes from byte %llu on",
                    in->path, (unsigned long long)l->voxels, l->type_bytes, (unsigned long long)l->offset);
    TRY(extension_room(in, l, &room));
    TRY(mem_take(m, sizeof(nifti_header) + room, &p));
    nifti_header *h = p;
    h->fields = fields;
    int got = room > 0 ? gzread(in->file, h->extensions, (unsigned)room) : 0;
    h->extension_bytes = got > 0 ? well_formed(h->extensions, (size_t)got, l->swapped) : 0;
    *out = h;
    return OK;
}

/* ---- geometry ---- */

int affine_is_valid(const double a[16])
{
    double longest = 0;
    for (int i = 0; i < 16; i++)
        if (!isfinite(a[i]))
            return 0;
    if (a[12] != 0 || a[13] != 0 || a[14] != 0 || a[15] != 1)
        return 0;
    double volume = a[0] * (a[5] * a[10] - a[6] * a[9]) - a[1] * (a[4] * a[10] - a[6] * a[8]) +
                    a[2] * (a[4] * a[9] - a[5] * a[8]);
    for (int c = 0; c < 3; c++)
        longest = fmax(longest, sqrt(a[c] * a[c] + a[4 + c] * a[4 + c] + a[8 + c] * a[8 + c]));
    return isfinite(volume) && fabs(volume) > 1e-12 * longest * longest * longest;
}

static float spacing(const nifti_1_header *h, int axis)
{
    float d = h->pixdim[axis];
    return isfinite(d) && d > 0 ? d : 1.0f;
}

static void affine_from_sform(const nifti_1_header *h, double a[16])
{
    const float *rows[3] = {h->srow_x, h->srow_y, h->srow_z};
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 4; c++)
            a[4 * r + c] = rows[r][c];
}

static void affine_from_qform(const nifti_1_header *h, double a[16])
{
    mat44 q = nifti_quatern_to_mat44(h->quatern_b, h->quatern_c, h->quatern_d, h->qoffset_x, h->qoffset_y,
                                     h->qoffset_z, spacing(h, 1), spacing(h, 2), spacing(h, 3),
                                     h->pixdim[0] < 0 ? -1.0f : 1.0f);
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 4; c++)
            a[4 * r + c] = q.m[r][c];
}

static status read_affine(const char *path, const nifti_1_header *h, double a[16])
{
    memset(a, 0, 16 * sizeof *a);
    a[15] = 1;
    if (h->sform_code > 0)
        affine_from_sform(h, a);
    else if (h->qform_code > 0)
        affine_from_qform(h, a);
    else
        for (int i = 0; i < 3; i++)
            a[5 * i] = spacing(h, i + 1);
    if (!affine_is_valid(a))
        return fail(ERR_FORMAT, "%s: the affine of the header's %s is singular or not finite", path,
                    h->sform_code > 0 ? "sform" : "qform");
    return OK;
}

/* ---- voxels ---- */

#define CONVERT(type)                                                                                        \
    for (size_t i = 0; i < n; i++) {                                                                         \
        type x;                                                                                              \
        memcpy(&x, raw + i * sizeof x, sizeof x);                                                            \
        out[i] = l->scaled ? (float)((double)x * l->slope + l->inter) : (float)x;                            \
    }                                                                                                        \
    break

static void convert(const unsigned char *raw, size_t n, int datatype, const layout *l, float *out)
{
    switch (datatype) {
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
        break; /* check_type() refuses all other types */
    }
}

static status check_finite(const char *path, const nifti_1_header *h, const float *v, uint64_t start,
                           size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i])) {
            uint64_t at = start + i, nx = (uint64_t)h->dim[1], ny = h->dim[0] > 1 ? (uint64_t)h->dim[2] : 1;
            return fail(ERR_NONFINITE, "%s: voxel [%llu,%llu,%llu] is a NaN or an infinity", path,
                        (unsigned long long)(at % nx), (unsigned long long)(at / nx % ny),
                        (unsigned long long)(at / nx / ny));
        }
    }
    return OK;
}

static status stream_voxels(source *in, const nifti_1_header *h, const layout *l, unsigned char *raw,
                            float *voxels)
{
    size_t size = (size_t)l->type_bytes;
    TRY(source_seek(in, l->offset));
    for (uint64_t at = 0; at < l->voxels; at += CHUNK) {
        size_t n = l->voxels - at < CHUNK ? (size_t)(l->voxels - at) : CHUNK;
        TRY(source_read(in, raw, n * size));
        if (l->swapped && size > 1)
            nifti_swap_Nbytes(n, l->type_bytes, raw);
        convert(raw, n, h->datatype, l, voxels + at);
        TRY(check_finite(in->path, h, voxels + at, at, n));
    }
    return source_check_end(in);
}

static status read_voxels(mem *m, source *in, const nifti_1_header *h, const layout *l, float **out)
{
    void *raw, *voxels;
    if (l->offset + l->voxels * (uint64_t)l->type_bytes > in->most)
        return fail(ERR_CORRUPT, "%s is cut short: its header promises %llu voxels of %d bytes", in->path,
                    (unsigned long long)l->voxels, l->type_bytes);
    TRY(mem_array(m, (size_t)l->voxels, sizeof(float), &voxels));
    status s = mem_array(m, CHUNK, (size_t)l->type_bytes, &raw);
    if (s == OK) {
        s = stream_voxels(in, h, l, raw, voxels);
        mem_give(m, raw);
    }
    if (s != OK)
        mem_give(m, voxels);
    else
        *out = voxels;
    return s;
}

/* ---- reading ---- */

static void take_dims(const nifti_1_header *h, int64_t dims[3])
{
    for (int i = 0; i < 3; i++)
        dims[i] = i < h->dim[0] ? h->dim[i + 1] : 1;
}

/* header_path and voxel_path are the same for a single file. */
static status read_files(mem *m, const char *header_path, const char *voxel_path, nifti_scan *scan)
{
    source in;
    layout l;
    status s = source_open(header_path, &in);
    if (s == OK)
        s = read_header(m, &in, &scan->header, &l);
    if (s == OK)
        s = read_affine(header_path, &scan->header->fields, scan->affine);
    if (s == OK && voxel_path != header_path) {
        source_close(&in);
        s = source_open(voxel_path, &in);
    }
    if (s == OK)
        s = read_voxels(m, &in, &scan->header->fields, &l, &scan->voxels);
    if (s == OK)
        take_dims(&scan->header->fields, scan->dims);
    else
        nifti_scan_free(m, scan);
    source_close(&in);
    return s;
}

static status read_pair(mem *m, const char *path, nifti_scan *scan)
{
    int given_header = ends_in(path, ".hdr") || ends_in(path, ".hdr.gz");
    const char *missing = given_header ? ".img" : ".hdr";
    char *other;
    TRY(partner(m, path, missing, &other));
    if (!other)
        return fail(ERR_NOT_FOUND, "%s: there is no %s file, or %s.gz, beside it", path, missing, missing);
    status s = given_header ? read_files(m, path, other, scan) : read_files(m, other, path, scan);
    mem_give(m, other);
    return s;
}

status nifti_scan_read(mem *m, const char *path, nifti_scan *scan)
{
    struct stat found;
    *scan = (nifti_scan){0};
    if (stat(path, &found) != 0)
        return fail(errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path,
                    strerror(errno));
    if (is_single(path))
        return read_files(m, path, path, scan);
    if (is_pair(path))
        return read_pair(m, path, scan);
    return fail(ERR_FORMAT, "%s: a NIfTI file's name ends in .nii, .nii.gz, .hdr or .img", path);
}

void nifti_scan_free(mem *m, nifti_scan *scan)
{
    mem_give(m, scan->voxels);
    mem_give(m, scan->header);
    *scan = (nifti_scan){0};
}

status nifti_header_copy(mem *m, const nifti_header *header, nifti_header **copy)
{
    void *p;
    *copy = NULL;
    if (!header)
        return OK;
    size_t bytes = sizeof *header + header->extension_bytes;
    TRY(mem_take(m, bytes, &p));
    *copy = memcpy(p, header, bytes);
    (*copy)->fields.cal_min = (*copy)->fields.cal_max = 0;
    return OK;
}
