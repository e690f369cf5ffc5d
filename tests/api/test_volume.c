/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes: NIfTI files of niftiio come in, files go out with their header untouched, damaged and hostile
 * files are refused, and nothing leaks. Works in a folder of its own beside where it is started. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <math.h>
#include <nifti1_io.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/volume.h"
#include "lib/random.h"
#include "slmt/slmt.h"

#include <cmocka.h> /* after lib/status.h: it makes fail() a macro */

static slmt_context *context;
static char folder[] = "test_volume_XXXXXX";

/* ---- files ---- */

static const char *in_folder(const char *name)
{
    static char path[4][512];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static int files_in_folder(int delete)
{
    int n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        n++;
        if (delete)
            unlink(in_folder(e->d_name));
    }
    closedir(d);
    return n;
}

static void put_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static size_t get_file(const char *path, unsigned char *bytes, size_t room)
{
    gzFile f = gzopen(path, "rb");
    assert_non_null(f);
    int n = gzread(f, bytes, (unsigned)room);
    assert_true(n >= 0 && (size_t)n < room);
    gzclose(f);
    return (size_t)n;
}

/* The file's own bytes, not decompressed. */
static size_t get_raw(const char *path, unsigned char *bytes, size_t room)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, room, f);
    fclose(f);
    assert_true(n < room);
    return n;
}

static slmt_volume *read_ok(const char *path)
{
    slmt_volume *v = NULL;
    slmt_status s = slmt_volume_read(context, path, &v);
    if (s != SLMT_OK)
        fail_msg("%s: %s", path, slmt_error_text());
    return v;
}

static void assert_refused(const char *path, slmt_status want, const char *text)
{
    slmt_volume *v = (slmt_volume *)&context;
    slmt_status s = slmt_volume_read(context, path, &v);
    if (s != want)
        fail_msg("%s: %d instead of %d (%s)", path, s, want, slmt_error_text());
    if (!strstr(slmt_error_text(), text))
        fail_msg("\"%s\" does not say \"%s\"", slmt_error_text(), text);
    assert_ptr_equal(v, &context);
}

static uint64_t own_bytes; /* of the context itself */

static int set_up(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    if (!mkdtemp(folder) || slmt_context_create(NULL, &context) != SLMT_OK)
        return 1;
    own_bytes = slmt_context_live_bytes(context);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    int leaked = slmt_context_live_bytes(context) != own_bytes;
    slmt_context_free(context);
    rmdir(folder);
    return leaked;
}

static int clean(void **state)
{
    (void)state;
    files_in_folder(1);
    return 0;
}

/* ---- what niftiio writes comes in ---- */

enum { NX = 4, NY = 3, NZ = 5, NVOX = NX * NY * NZ };

static void set_value(void *data, int type, int i, double x)
{
    switch (type) {
    case DT_UINT8:
        ((uint8_t *)data)[i] = (uint8_t)x;
        break;
    case DT_INT8:
        ((int8_t *)data)[i] = (int8_t)x;
        break;
    case DT_INT16:
        ((int16_t *)data)[i] = (int16_t)x;
        break;
    case DT_UINT16:
        ((uint16_t *)data)[i] = (uint16_t)x;
        break;
    case DT_INT32:
        ((int32_t *)data)[i] = (int32_t)x;
        break;
    case DT_UINT32:
        ((uint32_t *)data)[i] = (uint32_t)x;
        break;
    case DT_INT64:
        ((int64_t *)data)[i] = (int64_t)x;
        break;
    case DT_UINT64:
        ((uint64_t *)data)[i] = (uint64_t)x;
        break;
    case DT_FLOAT32:
        ((float *)data)[i] = (float)x;
        break;
    default:
        ((double *)data)[i] = x;
    }
}

static const struct {
    int type;
    double low, high, step; /* values that the type holds: low, ..., high at i = 0, NVOX - 1 */
} types[] = {
    {DT_UINT8, 0, 255, 4},
    {DT_INT8, -128, 127, 3},
    {DT_INT16, -32768, 32767, 800},
    {DT_UINT16, 0, 65535, 1000},
    {DT_INT32, -2147483648.0, 2147483647.0, 1e7},
    {DT_UINT32, 0, 4294967295.0, 1e7},
    {DT_INT64, -9223372036854775808.0, 9223372036854774784.0, 1e16},
    {DT_UINT64, 0, 18446744073709549568.0, 1e16},
    {DT_FLOAT32, -1.5e30, 2.5e-30, 0.1},
    {DT_FLOAT64, -1.5e30, 2.5e-30, 0.1},
};

enum { TYPES = sizeof types / sizeof types[0] };

static double value_of(int k, int i)
{
    return i == 0 ? types[k].low : i == NVOX - 1 ? types[k].high : types[k].low / 2 + types[k].step * i;
}

static nifti_image *image_of_type(int k, const char *path)
{
    const int dims[8] = {3, NX, NY, NZ, 1, 1, 1, 1};
    nifti_image *image = nifti_make_new_nim(dims, types[k].type, 1);
    assert_non_null(image);
    for (int i = 0; i < NVOX; i++)
        set_value(image->data, types[k].type, i, value_of(k, i));
    assert_int_equal(nifti_set_filenames(image, path, 0, 1), 0);
    nifti_set_type_from_names(image);
    return image;
}

static void check_type(int k, const char *name, float slope, float inter)
{
    int64_t dims[3];
    nifti_image *image = image_of_type(k, in_folder(name));
    image->scl_slope = slope;
    image->scl_inter = inter;
    nifti_image_write(image);
    nifti_image_free(image);
    slmt_volume *v = read_ok(in_folder(name));
    slmt_volume_dims(v, dims);
    assert_true(dims[0] == NX && dims[1] == NY && dims[2] == NZ);
    for (int i = 0; i < NVOX; i++) {
        double x = types[k].type == DT_FLOAT32 ? (float)value_of(k, i) : value_of(k, i);
        if (types[k].type != DT_FLOAT32 && types[k].type != DT_FLOAT64)
            x = trunc(x); /* as set_value() stores it */
        if (slope != 0)
            x = x * slope + inter;
        assert_true(slmt_volume_voxels(v)[i] == (float)x);
    }
    slmt_volume_free(v);
    files_in_folder(1);
}

static void every_scalar_type_and_kind_of_file_is_read(void **state)
{
    static const char *const names[] = {"a.nii", "a.nii.gz", "a.hdr", "a.img", "a.hdr.gz", "a.img.gz"};
    (void)state;
    for (int k = 0; k < TYPES; k++) {
        for (size_t n = 0; n < 6; n++)
            check_type(k, names[n], 0, 0);
        check_type(k, "a.nii", 1, 0);
        check_type(k, "a.nii.gz", 0.25f, -3);
        check_type(k, "a.hdr", -2, 0);
    }
}

/* ---- headers by hand ---- */

static nifti_1_header plain_header(void)
{
    nifti_1_header h = {.sizeof_hdr = 348,
                        .regular = 'r',
                        .dim = {3, NX, NY, NZ, 1, 1, 1, 1},
                        .datatype = DT_INT16,
                        .bitpix = 16,
                        .pixdim = {1, 1, 1, 1, 1, 1, 1, 1},
                        .vox_offset = 352,
                        .magic = "n+1"};
    return h;
}

static size_t plain_file(const nifti_1_header *h, unsigned char *bytes)
{
    memset(bytes, 0, 352);
    memcpy(bytes, h, sizeof *h);
    for (int i = 0; i < NVOX; i++)
        memcpy(bytes + 352 + 2 * i, &(int16_t){(int16_t)(7 * i - 100)}, 2);
    return 352 + 2 * NVOX;
}

static void put_plain(const nifti_1_header *h, const char *path)
{
    unsigned char bytes[352 + 2 * NVOX];
    put_file(path, bytes, plain_file(h, bytes));
}

static void a_file_of_the_other_byte_order_is_read(void **state)
{
    unsigned char bytes[352 + 32 + 2 * NVOX] = {0};
    nifti_1_header h = plain_header();
    int32_t extension[2] = {32, NIFTI_ECODE_COMMENT};
    (void)state;
    h.vox_offset = 352 + 32;
    h.sform_code = 1;
    for (int i = 0; i < 3; i++)
        h.srow_x[i] = h.srow_y[(i + 1) % 3] = h.srow_z[(i + 2) % 3] = i == 0 ? 2.5f : 0;
    swap_nifti_header(&h, 1);
    nifti_swap_4bytes(2, extension);
    memcpy(bytes, &h, sizeof h);
    bytes[348] = 1;
    memcpy(bytes + 352, extension, sizeof extension);
    strcpy((char *)bytes + 360, "from far away");
    for (int i = 0; i < NVOX; i++)
        memcpy(bytes + 384 + 2 * i, &(int16_t){(int16_t)(7 * i - 100)}, 2);
    nifti_swap_2bytes(NVOX, bytes + 384);
    put_file(in_folder("a.nii"), bytes, sizeof bytes);
    slmt_volume *v = read_ok(in_folder("a.nii"));
    for (int i = 0; i < NVOX; i++)
        assert_true(slmt_volume_voxels(v)[i] == (float)(7 * i - 100));
    assert_int_equal(slmt_volume_write(v, in_folder("b.nii")), SLMT_OK);
    nifti_image *image = nifti_image_read(in_folder("b.nii"), 0);
    assert_int_equal(image->num_ext, 1);
    assert_int_equal(image->ext_list[0].ecode, NIFTI_ECODE_COMMENT);
    assert_string_equal(image->ext_list[0].edata, "from far away");
    assert_true(image->sto_xyz.m[0][0] == 2.5f);
    nifti_image_free(image);
    slmt_volume_free(v);
}

static void the_affine_is_sform_then_qform_then_spacing(void **state)
{
    nifti_1_header h = plain_header();
    double a[16];
    (void)state;
    for (int i = 1; i < 4; i++)
        h.pixdim[i] = 1.0f + 0.5f * (float)i;
    h.quatern_d = 1; /* half a turn about z */
    h.qoffset_x = 11;
    const float rows[12] = {0, 0, 3, 4, 5, 0, 0, 6, 0, -7, 0.125f, 8};
    memcpy(h.srow_x, rows, sizeof rows);
    const double want[4][16] = {
        {1.5, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2.5, 0, 0, 0, 0, 1},
        {-1.5, 0, 0, 11, 0, -2, 0, 0, 0, 0, 2.5, 0, 0, 0, 0, 1},
        {0, 0, 3, 4, 5, 0, 0, 6, 0, -7, 0.125, 8, 0, 0, 0, 1},
        {-1.5, 0, 0, 11, 0, -2, 0, 0, 0, 0, -2.5, 0, 0, 0, 0, 1}, /* left-handed */
    };
    for (int k = 0; k < 4; k++) {
        h.qform_code = (short)(k > 0);
        h.sform_code = (short)(k == 2);
        h.pixdim[0] = k == 3 ? -1 : 1;
        put_plain(&h, in_folder("a.nii"));
        slmt_volume *v = read_ok(in_folder("a.nii"));
        slmt_volume_affine(v, a);
        for (int i = 0; i < 16; i++)
            assert_true(fabs(a[i] - want[k][i]) < 1e-6);
        slmt_volume_free(v);
    }
}

static void trailing_axes_of_length_one_are_dropped_and_missing_ones_are_one(void **state)
{
    static const short dims[][8] = {
        {5, NX, NY, NZ, 1, 1, 9, 9}, {2, NX, NVOX / NX, 9, 9, 9, 9, 9}, {1, NVOX, 7, 7}};
    static const int64_t want[][3] = {{NX, NY, NZ}, {NX, NVOX / NX, 1}, {NVOX, 1, 1}};
    (void)state;
    for (int k = 0; k < 3; k++) {
        int64_t got[3];
        nifti_1_header h = plain_header();
        memcpy(h.dim, dims[k], sizeof h.dim);
        put_plain(&h, in_folder("a.nii"));
        slmt_volume *v = read_ok(in_folder("a.nii"));
        slmt_volume_dims(v, got);
        assert_memory_equal(got, want[k], sizeof got);
        assert_int_equal(slmt_volume_write(v, in_folder("b.nii")), SLMT_OK);
        slmt_volume_free(v);
        v = read_ok(in_folder("b.nii"));
        slmt_volume_dims(v, got);
        assert_memory_equal(got, want[k], sizeof got);
        assert_true(slmt_volume_voxels(v)[NVOX - 1] == 7 * (NVOX - 1) - 100);
        slmt_volume_free(v);
    }
}

/* ---- what goes out ---- */

/* A header whose every field differs from the default, codes 0 with geometry beside them included. */
static nifti_1_header rich_header(void)
{
    nifti_1_header h = plain_header();
    memcpy(h.data_type, "datatype", 8);
    memcpy(h.db_name, "name of the base", 16);
    h.extents = 16384;
    h.dim_info = 0x39;
    h.intent_p1 = 0.1f;
    h.intent_p2 = 0.2f;
    h.intent_p3 = 0.3f;
    h.intent_code = NIFTI_INTENT_ESTIMATE;
    h.slice_start = 1;
    for (int i = 0; i < 8; i++)
        h.pixdim[i] = -0.7f - 0.1f * (float)i;
    h.scl_slope = 0.5f;
    h.scl_inter = 3;
    h.slice_end = 4;
    h.slice_code = 2;
    h.xyzt_units = NIFTI_UNITS_MM | NIFTI_UNITS_SEC;
    h.cal_max = 90;
    h.cal_min = -80;
    h.slice_duration = 0.33f;
    h.toffset = 1.7f;
    h.glmax = 5;
    h.glmin = 6;
    memcpy(h.descrip, "FSL5.0 and so on", 16);
    memcpy(h.aux_file, "aux", 3);
    h.quatern_b = 0.1234567f;
    h.quatern_c = -0.2345678f;
    h.quatern_d = 1e-20f;
    h.qoffset_x = 90.000001f;
    h.qoffset_y = -126.3f;
    h.qoffset_z = 1e-38f;
    const float rows[12] = {-0.9999f, 1e-9f, 0.1f, 89.9f, 0.01f, 1.1f, 0.02f, -125, 0.03f, -0.1f, 1.3f, -72};
    memcpy(h.srow_x, rows, sizeof rows);
    memcpy(h.intent_name, "intent", 6);
    return h;
}

/* The fields that a float32 copy has to change. */
static void blank_changed(nifti_1_header *h)
{
    h->datatype = h->bitpix = 0;
    h->scl_slope = h->scl_inter = h->vox_offset = 0;
}

static void every_field_of_the_header_and_its_extensions_go_through_untouched(void **state)
{
    static const short codes[][2] = {{0, 0}, {0, 1}, {1, 0}, {4, 2}};
    static const char *const names[] = {"out.nii", "out.nii.gz"};
    unsigned char in[352 + 48 + 2 * NVOX] = {0}, out[2000];
    (void)state;
    for (int k = 0; k < 8; k++) {
        nifti_1_header h = rich_header(), got;
        h.qform_code = codes[k / 2][0];
        h.sform_code = codes[k / 2][1];
        h.vox_offset = 352 + 48;
        memcpy(in, &h, sizeof h);
        in[348] = 1;
        memcpy(in + 352, (int32_t[]){16, NIFTI_ECODE_AFNI}, 8);
        memcpy(in + 360, "8 bytes.", 8);
        memcpy(in + 368, (int32_t[]){32, NIFTI_ECODE_COMMENT}, 8);
        strcpy((char *)in + 376, "second of two");
        put_file(in_folder("in.nii"), in, sizeof in);
        slmt_volume *v = read_ok(in_folder("in.nii"));
        assert_int_equal(slmt_volume_write(v, in_folder(names[k % 2])), SLMT_OK);
        assert_int_equal(get_file(in_folder(names[k % 2]), out, sizeof out), 400 + 4 * NVOX);
        memcpy(&got, out, sizeof got);
        assert_int_equal(got.datatype, DT_FLOAT32);
        assert_int_equal(got.bitpix, 32);
        assert_true(got.scl_slope == 1 && got.scl_inter == 0 && got.vox_offset == 400);
        blank_changed(&h);
        blank_changed(&got);
        assert_memory_equal(&h, &got, sizeof h);
        assert_memory_equal(in + 348, out + 348, 52);
        assert_memory_equal(out + 400, slmt_volume_voxels(v), 4 * NVOX);
        slmt_volume_free(v);
    }
}

/* A header that says nothing but where voxels are. */
static nifti_1_header geometry_alone(const nifti_1_header *h, const char *descrip)
{
    nifti_1_header g = plain_header();
    g.pixdim[0] = -1;
    for (int i = 1; i <= 3; i++)
        g.pixdim[i] = fabsf(h->pixdim[i]);
    g.xyzt_units = h->xyzt_units;
    g.qform_code = h->qform_code;
    g.sform_code = h->sform_code;
    memcpy(&g.quatern_b, &h->quatern_b, 6 * sizeof(float));
    memcpy(g.srow_x, h->srow_x, 12 * sizeof(float));
    strcpy(g.descrip, descrip);
    return g;
}

static slmt_volume *like_with_one_voxel(const slmt_volume *v)
{
    slmt_volume *like = NULL;
    void *voxels;
    assert_int_equal(mem_zeros(&v->context->mem, NVOX, sizeof(float), &voxels), OK);
    ((float *)voxels)[1] = 0.5f;
    assert_int_equal(volume_like(v, voxels, &like), OK);
    return like;
}

static void a_volume_of_other_voxels_keeps_the_geometry_and_nothing_that_spoke_of_the_old_ones(void **state)
{
    static const char *const descrips[] = {"libslmt " SLMT_VERSION_STRING ": intensities scaled to 0..1",
                                           "libslmt " SLMT_VERSION_STRING
                                           ": synthetic MR, not for diagnosis"};
    unsigned char in[352 + 48 + 2 * NVOX] = {0}, out[2000];
    (void)state;
    for (int k = 0; k < 6; k++) {
        nifti_1_header h = rich_header(), got;
        h.sform_code = k / 2 == 1;
        h.qform_code = k / 2 == 2;
        h.vox_offset = 352 + 48;
        memcpy(in, &h, sizeof h);
        in[348] = 1;
        memcpy(in + 352, (int32_t[]){48, NIFTI_ECODE_DICOM}, 8);
        put_file(in_folder("in.nii"), in, sizeof in);
        slmt_volume *v = read_ok(in_folder("in.nii")), *like = like_with_one_voxel(v);
        slmt_volume_free(v);
        if (k % 2)
            volume_mark_synthetic(like);
        assert_int_equal(slmt_volume_write(like, in_folder("out.nii")), SLMT_OK);
        assert_int_equal(get_file(in_folder("out.nii"), out, sizeof out), 352 + 4 * NVOX);
        assert_memory_equal(out + 352, slmt_volume_voxels(like), 4 * NVOX);
        assert_true(slmt_volume_voxels(like)[1] == 0.5f);
        memcpy(&got, out, sizeof got);
        nifti_1_header want = geometry_alone(&h, descrips[k % 2]);
        blank_changed(&want);
        blank_changed(&got);
        assert_memory_equal(&want, &got, sizeof want);
        assert_int_equal(out[348], 0);
        slmt_volume_free(like);
    }
}

static void a_description_follows_the_librarys_name_and_is_cut_to_fit(void **state)
{
    float voxels[2] = {1, 2}, wrong[2] = {1, NAN};
    char words[100];
    slmt_volume *v = NULL, *like = NULL;
    nifti_1_header h;
    (void)state;
    memset(words, 'w', sizeof words);
    words[99] = '\0';
    assert_int_equal(slmt_volume_create(context, (int64_t[]){2, 1, 1}, NULL, voxels, &v), SLMT_OK);
    static const char *const given[] = {NULL, "", "half of it"};
    static const char *const want[] = {"libslmt " SLMT_VERSION_STRING, "libslmt " SLMT_VERSION_STRING,
                                       "libslmt " SLMT_VERSION_STRING ": half of it"};
    for (int k = 0; k < 4; k++) {
        assert_int_equal(slmt_volume_like(v, voxels, k < 3 ? given[k] : words, &like), SLMT_OK);
        assert_int_equal(slmt_volume_nifti_header(like, &h), SLMT_OK);
        if (k < 3)
            assert_string_equal(h.descrip, want[k]);
        else
            assert_true(h.descrip[78] == 'w' && h.descrip[79] == '\0');
        slmt_volume_free(like);
    }
    like = NULL;
    assert_int_equal(slmt_volume_like(v, wrong, "x", &like), SLMT_ERR_NONFINITE);
    assert_non_null(strstr(slmt_error_text(), "slmt_volume_like: voxel [1,0,0]"));
    assert_int_equal(slmt_volume_like(v, NULL, "x", &like), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_like(v, voxels, "x", NULL), SLMT_ERR_ARGUMENT);
    assert_null(like);
    slmt_volume_free(v);
}

static void a_volume_made_from_an_array_is_described_too(void **state)
{
    const double affine[16] = {0, -2, 0, 5, 1, 0, 0, -3, 0, 0, 3, 1, 0, 0, 0, 1};
    float voxels[NVOX] = {1};
    slmt_volume *v = NULL;
    nifti_1_header h;
    (void)state;
    assert_int_equal(slmt_volume_create(context, (int64_t[]){NX, NY, NZ}, affine, voxels, &v), SLMT_OK);
    slmt_volume *like = like_with_one_voxel(v);
    volume_mark_synthetic(like);
    assert_int_equal(slmt_volume_nifti_header(like, &h), SLMT_OK);
    assert_non_null(strstr(h.descrip, "synthetic MR, not for diagnosis"));
    assert_true(h.sform_code == 1 && h.srow_x[1] == -2 && h.srow_z[3] == 1 && h.dim[3] == NZ);
    slmt_volume_free(like);
    slmt_volume_free(v);
}

static void an_affine_that_no_file_holds_is_refused_when_it_is_set(void **state)
{
    static const double scales[] = {1e300, 1e150, 1e39, 1e-46, 1e-150, 1e-300, NAN, INFINITY};
    float voxels[NVOX] = {1};
    slmt_volume *v = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        const double s = scales[i], affine[16] = {s, 0, 0, 0, 0, s, 0, 0, 0, 0, s, 0, 0, 0, 0, 1};
        assert_int_equal(slmt_volume_create(context, (int64_t[]){NX, NY, NZ}, affine, voxels, &v),
                         SLMT_ERR_ARGUMENT);
        assert_non_null(strstr(slmt_error_text(), "affine must be finite and not singular"));
    }
    const double far[16] = {1, 0, 0, 1e300, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    assert_int_equal(slmt_volume_create(context, (int64_t[]){NX, NY, NZ}, far, voxels, &v),
                     SLMT_ERR_ARGUMENT);
    assert_null(v);
}

static void malformed_extensions_are_left_behind(void **state)
{
    static const int32_t sizes[] = {0, 8, 24, -16, 48, 1 << 30, 16};
    unsigned char in[352 + 32 + 2 * NVOX], out[2000];
    nifti_1_header h = plain_header();
    (void)state;
    h.vox_offset = 352 + 32;
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        size_t kept = sizes[k] == 16 ? 16 : 0;
        memset(in, 0, sizeof in);
        memcpy(in, &h, sizeof h);
        in[348] = 1;
        memcpy(in + 352, &sizes[k], 4);
        put_file(in_folder("in.nii"), in, sizeof in);
        slmt_volume *v = read_ok(in_folder("in.nii"));
        assert_int_equal(slmt_volume_write(v, in_folder("out.nii")), SLMT_OK);
        assert_int_equal(get_file(in_folder("out.nii"), out, sizeof out), 352 + kept + 4 * NVOX);
        assert_int_equal(out[348], kept > 0);
        slmt_volume_free(v);
    }
}

static void a_pair_is_written_as_one_file_with_its_extensions(void **state)
{
    unsigned char bytes[352 + 32 + 1], voxels[2 * NVOX] = {0};
    nifti_1_header h = plain_header();
    (void)state;
    memset(bytes, 0, sizeof bytes);
    memcpy(h.magic, "ni1", 4);
    h.vox_offset = 0;
    memcpy(bytes, &h, sizeof h);
    bytes[348] = 1;
    memcpy(bytes + 352, (int32_t[]){32, NIFTI_ECODE_COMMENT}, 8);
    strcpy((char *)bytes + 360, "of a pair");
    put_file(in_folder("a.hdr"), bytes, sizeof bytes);
    put_file(in_folder("a.img"), voxels, sizeof voxels);
    slmt_volume *v = read_ok(in_folder("a.img"));
    assert_int_equal(slmt_volume_write(v, in_folder("b.nii.gz")), SLMT_OK);
    slmt_volume_free(v);
    nifti_image *image = nifti_image_read(in_folder("b.nii.gz"), 1);
    assert_non_null(image);
    assert_int_equal(image->nifti_type, NIFTI_FTYPE_NIFTI1_1);
    assert_int_equal(image->num_ext, 1);
    assert_string_equal(image->ext_list[0].edata, "of a pair");
    nifti_image_free(image);
}

static void a_volume_from_an_array_is_read_back_by_niftiio(void **state)
{
    static const double affines[][16] = {
        {-1.5, 0, 0, 90, 0, -2, 0, 100, 0, 0, 3, -70, 0, 0, 0, 1},
        {0, 0, 1.2, -9, 0.8 * 0.6, -0.8 * 0.8, 0, 5, 0.8 * 0.8, 0.8 * 0.6, 0, 6, 0, 0, 0, 1},
        {1, 0.3, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}, /* shear */
    };
    const int64_t dims[3] = {NX, NY, NZ};
    float voxels[NVOX];
    (void)state;
    for (int i = 0; i < NVOX; i++)
        voxels[i] = (float)i / 7;
    for (int k = 0; k < 3; k++) {
        slmt_volume *v = NULL;
        double affine[16];
        assert_int_equal(slmt_volume_create(context, dims, affines[k], voxels, &v), SLMT_OK);
        slmt_volume_affine(v, affine);
        assert_memory_equal(affine, affines[k], sizeof affine);
        assert_int_equal(slmt_volume_write(v, in_folder("a.nii.gz")), SLMT_OK);
        slmt_volume_free(v);
        nifti_image *image = nifti_image_read(in_folder("a.nii.gz"), 1);
        assert_non_null(image);
        assert_true(image->nx == NX && image->ny == NY && image->nz == NZ && image->datatype == DT_FLOAT32);
        assert_memory_equal(image->data, voxels, sizeof voxels);
        assert_int_equal(image->xyz_units, NIFTI_UNITS_MM);
        assert_int_equal(image->sform_code, NIFTI_XFORM_SCANNER_ANAT);
        assert_int_equal(image->qform_code, k < 2 ? NIFTI_XFORM_SCANNER_ANAT : 0);
        for (int i = 0; i < 12; i++) {
            assert_true(image->sto_xyz.m[i / 4][i % 4] == (float)affine[i]);
            if (k < 2)
                assert_true(fabs(image->qto_xyz.m[i / 4][i % 4] - affine[i]) < 1e-5 * (1 + fabs(affine[i])));
        }
        nifti_image_free(image);
    }
}

static void a_volume_without_affine_has_millimetre_voxels(void **state)
{
    const int64_t dims[3] = {1, 1, 1};
    double affine[16];
    slmt_volume *v = NULL;
    (void)state;
    assert_int_equal(slmt_volume_create(context, dims, NULL, &(float){3}, &v), SLMT_OK);
    slmt_volume_affine(v, affine);
    for (int i = 0; i < 16; i++)
        assert_true(affine[i] == (i % 5 == 0));
    slmt_volume_free(v);
}

/* ---- writing that fails ---- */

static void a_name_that_is_no_nifti_name_is_refused(void **state)
{
    static const char *const names[] = {"a.img", "a.hdr", "a.gz", "a.nii.bz2", "a", "anii", ".nii"};
    const int64_t dims[3] = {1, 1, 1}, long_axis[3] = {32768, 1, 1};
    slmt_volume *v = NULL;
    (void)state;
    assert_int_equal(slmt_volume_create(context, dims, NULL, &(float){3}, &v), SLMT_OK);
    for (size_t i = 0; i + 1 < sizeof names / sizeof names[0]; i++)
        assert_int_equal(slmt_volume_write(v, in_folder(names[i])), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_write(v, ".nii"), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_write(v, ""), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_write(v, in_folder("none/a.nii")), SLMT_ERR_IO);
    slmt_volume_free(v);
    float *row = calloc(32768, sizeof *row);
    assert_int_equal(slmt_volume_create(context, long_axis, NULL, row, &v), SLMT_OK);
    assert_int_equal(slmt_volume_write(v, in_folder("a.nii")), SLMT_ERR_ARGUMENT);
    slmt_volume_free(v);
    free(row);
    assert_int_equal(files_in_folder(0), 0);
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit now;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &now), 0);
    now.rlim_cur = bytes == 0 ? now.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
}

static void a_full_disk_leaves_the_old_file_whole(void **state)
{
    static const char *const names[] = {"a.nii", "a.nii.gz", "b.nii", "b.nii.gz"};
    const int64_t dims[3] = {40, 40, 40};
    float *voxels = malloc(64000 * sizeof *voxels);
    unsigned char bytes[16];
    slmt_volume *v = NULL;
    (void)state;
    for (uint32_t i = 0; i < 64000; i++)
        voxels[i] = (float)(i * 2654435761u);
    assert_int_equal(slmt_volume_create(context, dims, NULL, voxels, &v), SLMT_OK);
    for (int k = 0; k < 4;
         k++) { /* 20000 bytes: while writing; 20 bytes of a small file: when it is closed */
        if (k == 2) {
            slmt_volume_free(v);
            assert_int_equal(slmt_volume_create(context, (int64_t[]){4, 4, 4}, NULL, voxels, &v), SLMT_OK);
        }
        put_file(in_folder(names[k]), "the old file", 12);
        limit_file_size(k < 2 ? 20000 : 20);
        slmt_status s = slmt_volume_write(v, in_folder(names[k]));
        limit_file_size(0);
        assert_int_equal(s, SLMT_ERR_IO);
        assert_int_equal(get_raw(in_folder(names[k]), bytes, sizeof bytes), 12);
        assert_memory_equal(bytes, "the old file", 12);
        assert_int_equal(files_in_folder(0), k + 1);
    }
    assert_int_equal(slmt_volume_write(v, in_folder("a.nii")), SLMT_OK);
    assert_int_equal(files_in_folder(0), 4);
    slmt_volume_free(v);
    free(voxels);
}

static void a_new_file_has_the_rights_of_the_one_it_replaces(void **state)
{
    struct stat s;
    slmt_volume *v = NULL;
    (void)state;
    assert_int_equal(slmt_volume_create(context, (int64_t[]){1, 1, 1}, NULL, &(float){3}, &v), SLMT_OK);
    put_file(in_folder("a.nii"), "x", 1);
    assert_int_equal(chmod(in_folder("a.nii"), 0600), 0);
    assert_int_equal(slmt_volume_write(v, in_folder("a.nii")), SLMT_OK);
    assert_int_equal(stat(in_folder("a.nii"), &s), 0);
    assert_int_equal(s.st_mode & 0777, 0600);
    slmt_volume_free(v);
}

/* ---- damaged and hostile files ---- */

static void files_that_are_not_there_or_not_files_are_told_apart(void **state)
{
    (void)state;
    assert_refused(in_folder("none.nii"), SLMT_ERR_NOT_FOUND, "none.nii");
    assert_refused(in_folder("none/none.nii.gz"), SLMT_ERR_NOT_FOUND, "none");
    assert_refused(folder, SLMT_ERR_IO, "is a folder");
    assert_int_equal(mkdir(in_folder("d.nii"), 0700), 0);
    assert_refused(in_folder("d.nii"), SLMT_ERR_IO, "not a regular file");
    rmdir(in_folder("d.nii"));
    put_file(in_folder("a.dcm"), "x", 1);
    assert_refused(in_folder("a.dcm"), SLMT_ERR_FORMAT, "it is a text file");
    nifti_1_header h = plain_header();
    put_plain(&h, in_folder("alone.hdr"));
    assert_refused(in_folder("alone.hdr"), SLMT_ERR_NOT_FOUND, ".img");
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    static const char *const names[] = {"a.nii", "a.nii.gz"};
    static unsigned char bytes[4000];
    slmt_volume *v;
    (void)state;
    nifti_1_header h = plain_header();
    put_plain(&h, in_folder("in.nii"));
    v = read_ok(in_folder("in.nii"));
    for (int k = 0; k < 2; k++) {
        assert_int_equal(slmt_volume_write(v, in_folder(names[k])), SLMT_OK);
        size_t n = get_raw(in_folder(names[k]), bytes, sizeof bytes);
        for (size_t cut = 0; cut < n; cut++) {
            slmt_volume *none = NULL;
            put_file(in_folder(names[k]), bytes, cut);
            slmt_status s = slmt_volume_read(context, in_folder(names[k]), &none);
            if (s != SLMT_ERR_CORRUPT && s != SLMT_ERR_FORMAT)
                fail_msg("%s cut to %zu of %zu bytes: %d %s", names[k], cut, n, s, slmt_error_text());
            if (k == 0)
                assert_int_equal(s, cut < 348 ? SLMT_ERR_FORMAT : SLMT_ERR_CORRUPT);
            assert_null(none);
        }
        put_file(in_folder(names[k]), bytes, n);
        slmt_volume_free(read_ok(in_folder(names[k])));
    }
    slmt_volume_free(v);
}

static void a_flipped_bit_in_a_compressed_file_is_seen(void **state)
{
    static unsigned char bytes[4000];
    nifti_1_header h = plain_header();
    (void)state;
    put_plain(&h, in_folder("in.nii"));
    slmt_volume *v = read_ok(in_folder("in.nii"));
    assert_int_equal(slmt_volume_write(v, in_folder("a.nii.gz")), SLMT_OK);
    size_t n = get_raw(in_folder("a.nii.gz"), bytes, sizeof bytes);
    int harmless = 0; /* the bits that fill up the last byte before the check sum mean nothing */
    for (size_t i = 10; i < n; i++) { /* behind gzip's own header */
        slmt_volume *damaged = NULL;
        bytes[i] ^= 0x10;
        put_file(in_folder("a.nii.gz"), bytes, n);
        if (slmt_volume_read(context, in_folder("a.nii.gz"), &damaged) == SLMT_OK) {
            assert_int_equal(i, n - 9);
            assert_memory_equal(slmt_volume_voxels(damaged), slmt_volume_voxels(v), NVOX * sizeof(float));
            harmless++;
        }
        slmt_volume_free(damaged);
        bytes[i] ^= 0x10;
    }
    assert_true(harmless <= 1);
    slmt_volume_free(v);
}

static void wrong_headers_are_refused_with_their_reason(void **state)
{
    static const struct {
        size_t field;
        int is_float;
        float value;
        slmt_status want;
        const char *text;
    } wrong[] = {
        {offsetof(nifti_1_header, dim[0]), 0, 0, SLMT_ERR_FORMAT, "number of axes is 0"},
        {offsetof(nifti_1_header, dim[0]), 0, 8, SLMT_ERR_FORMAT, "number of axes is 8"},
        {offsetof(nifti_1_header, dim[0]), 0, -3, SLMT_ERR_FORMAT, "number of axes"},
        {offsetof(nifti_1_header, dim[1]), 0, 0, SLMT_ERR_FORMAT, "axis 1 has length 0"},
        {offsetof(nifti_1_header, dim[2]), 0, -4, SLMT_ERR_FORMAT, "axis 2 has length -4"},
        {offsetof(nifti_1_header, dim[3]), 0, 6, SLMT_ERR_CORRUPT, "cut short"},
        {offsetof(nifti_1_header, datatype), 0, DT_RGB24, SLMT_ERR_FORMAT, "RGB24"},
        {offsetof(nifti_1_header, datatype), 0, DT_COMPLEX64, SLMT_ERR_FORMAT, "COMPLEX64"},
        {offsetof(nifti_1_header, datatype), 0, DT_FLOAT128, SLMT_ERR_FORMAT, "FLOAT128"},
        {offsetof(nifti_1_header, datatype), 0, 3, SLMT_ERR_FORMAT, "type 3"},
        {offsetof(nifti_1_header, vox_offset), 1, 340, SLMT_ERR_FORMAT, "vox_offset"},
        {offsetof(nifti_1_header, vox_offset), 1, -1, SLMT_ERR_FORMAT, "vox_offset"},
        {offsetof(nifti_1_header, vox_offset), 1, 1e30f, SLMT_ERR_FORMAT, "vox_offset"},
        {offsetof(nifti_1_header, vox_offset), 1, NAN, SLMT_ERR_FORMAT, "vox_offset"},
        {offsetof(nifti_1_header, vox_offset), 1, 368, SLMT_ERR_CORRUPT, "cut short"},
        {offsetof(nifti_1_header, srow_x[0]), 1, NAN, SLMT_ERR_FORMAT, "sform"},
        {offsetof(nifti_1_header, srow_x[0]), 1, 0, SLMT_ERR_FORMAT, "sform"},
        {offsetof(nifti_1_header, scl_slope), 1, 1e38f, SLMT_ERR_NONFINITE, "voxel [0,0,0]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        nifti_1_header h = plain_header();
        h.sform_code = 1;
        h.srow_x[0] = h.srow_y[1] = h.srow_z[2] = 1;
        short s = (short)wrong[i].value;
        put_plain(&h, in_folder("a.nii"));
        slmt_volume_free(read_ok(in_folder("a.nii")));
        if (wrong[i].is_float)
            memcpy((char *)&h + wrong[i].field, &wrong[i].value, sizeof(float));
        else
            memcpy((char *)&h + wrong[i].field, &s, sizeof s);
        put_plain(&h, in_folder("a.nii"));
        assert_refused(in_folder("a.nii"), wrong[i].want, wrong[i].text);
    }
}

static void four_axes_other_formats_and_huge_promises_are_refused(void **state)
{
    nifti_1_header h = plain_header();
    (void)state;
    h.dim[0] = 4;
    h.dim[3] = 1;
    h.dim[4] = NZ;
    put_plain(&h, in_folder("a.nii"));
    assert_refused(in_folder("a.nii"), SLMT_ERR_FORMAT, "more than three axes");
    h = plain_header();
    h.sizeof_hdr = 349;
    put_plain(&h, in_folder("a.nii"));
    assert_refused(in_folder("a.nii"), SLMT_ERR_FORMAT, "its first number is not 348 or 540");
    h = plain_header();
    memset(h.magic, 0, 4);
    put_plain(&h, in_folder("a.nii"));
    assert_refused(in_folder("a.nii"), SLMT_ERR_FORMAT, "magic");
    h = plain_header();
    h.dim[1] = h.dim[2] = h.dim[3] = 32767;
    put_plain(&h, in_folder("a.nii"));
    assert_refused(in_folder("a.nii"), SLMT_ERR_CORRUPT, "cut short");
    put_plain(&h, in_folder("a.nii.gz"));
    assert_refused(in_folder("a.nii.gz"), SLMT_ERR_CORRUPT, "cut short");
}

static void a_nan_is_refused_with_its_place(void **state)
{
    const int dims[8] = {3, NX, NY, NZ, 1, 1, 1, 1};
    nifti_image *image = nifti_make_new_nim(dims, DT_FLOAT32, 1);
    (void)state;
    ((float *)image->data)[1 + NX * (2 + NY * 3)] = NAN;
    nifti_set_filenames(image, in_folder("a.nii"), 0, 1);
    nifti_image_write(image);
    nifti_image_free(image);
    assert_refused(in_folder("a.nii"), SLMT_ERR_NONFINITE, "voxel [1,2,3]");
}

/* Whatever bytes: a volume or an error with a text, no crash (run this with the sanitizers). */
static void random_damage_never_crashes(void **state)
{
    static unsigned char bytes[1000];
    random_stream r = random_open(1, 1);
    nifti_1_header h = rich_header();
    int read = 0;
    (void)state;
    h.vox_offset = 352 + 64;
    for (int k = 0; k < 4000; k++) {
        slmt_volume *v = NULL;
        memset(bytes, 1, sizeof bytes);
        memcpy(bytes, &h, sizeof h);
        memcpy(bytes + 352, (int32_t[]){32, 4}, 8);
        memcpy(bytes + 384, (int32_t[]){32, 6}, 8);
        int all = k % 10 == 0;
        for (uint32_t n = 1 + random_below(&r, 6); n > 0; n--)
            bytes[random_below(&r, k % 2 ? 60 : 400) + (k % 2 ? 40 : 0)] = (unsigned char)random_u32(&r);
        for (size_t i = 0; all && i < sizeof bytes; i++)
            bytes[i] = (unsigned char)random_u32(&r);
        put_file(in_folder("a.nii"), bytes, 352 + 64 + 2 * NVOX + random_below(&r, 200));
        slmt_status s = slmt_volume_read(context, in_folder("a.nii"), &v);
        assert_true((s == SLMT_OK) == (v != NULL));
        assert_true(s == SLMT_OK || slmt_error_text()[0] != '\0');
        if (v && k % 200 == 1)
            assert_int_equal(slmt_volume_write(v, in_folder("b.nii")), SLMT_OK);
        read += v != NULL;
        slmt_volume_free(v);
    }
    assert_true(read > 100 && read < 3900);
}

/* ---- arguments ---- */

static void wrong_arguments_are_named(void **state)
{
    const int64_t dims[3] = {2, 1, 1}, zero[3] = {2, 0, 1}, huge[3] = {INT64_MAX, INT64_MAX, 2};
    const float voxels[2] = {1, 2}, nan_voxels[2] = {1, NAN};
    const double flat[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    double last_row[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2};
    slmt_volume *v = NULL;
    (void)state;
    assert_int_equal(slmt_volume_create(NULL, dims, NULL, voxels, &v), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_create(context, NULL, NULL, voxels, &v), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_create(context, dims, NULL, NULL, &v), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_create(context, dims, NULL, voxels, NULL), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_create(context, zero, NULL, voxels, &v), SLMT_ERR_ARGUMENT);
    assert_non_null(strstr(slmt_error_text(), "dims[1]"));
    assert_int_equal(slmt_volume_create(context, huge, NULL, voxels, &v), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_create(context, dims, flat, voxels, &v), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_create(context, dims, last_row, voxels, &v), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_create(context, dims, NULL, nan_voxels, &v), SLMT_ERR_NONFINITE);
    assert_non_null(strstr(slmt_error_text(), "[1,0,0]"));
    assert_int_equal(slmt_volume_like(NULL, voxels, "x", &v), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_read(NULL, "a.nii", &v), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_read(context, NULL, &v), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_read(context, "a.nii", NULL), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_write(NULL, "a.nii"), SLMT_ERR_ARGUMENT);
    assert_null(v);
    slmt_volume_free(NULL);
}

static void comparing_checks_its_arguments(void **state)
{
    float a[56] = {0}, b[56] = {0};
    slmt_metrics m = {.struct_size = sizeof m};
    struct {
        uint32_t struct_size;
        int32_t reserved;
        double psnr, behind;
    } shorter = {.struct_size = 16, .behind = 5};
    (void)state;
    assert_int_equal(slmt_compare(NULL, b, 7, 8, &m), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_compare(a, NULL, 7, 8, &m), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_compare(a, b, 7, 8, NULL), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_compare(a, b, 6, 8, &m), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_compare(a, b, 8, 6, &m), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_compare(a, b, SIZE_MAX / 8, 8, &m), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_compare(a, b, 7, 8, &(slmt_metrics){.struct_size = 0}), SLMT_ERR_ARGUMENT);
    b[9] = INFINITY;
    assert_int_equal(slmt_compare(a, b, 7, 8, &m), SLMT_ERR_NONFINITE);
    assert_non_null(strstr(slmt_error_text(), "target[1][1]"));
    b[9] = 0;
    assert_int_equal(slmt_compare(a, b, 7, 8, &m), SLMT_OK);
    assert_true(m.psnr == 100 && m.ssim == 1 && m.struct_size == sizeof m);
    assert_int_equal(slmt_compare(a, b, 7, 8, (slmt_metrics *)&shorter), SLMT_OK);
    assert_true(shorter.psnr == 100 && shorter.behind == 5);
}

static void preprocessing_defaults_are_the_papers(void **state)
{
    slmt_preprocess p;
    (void)state;
    slmt_preprocess_init(&p);
    assert_int_equal(p.struct_size, sizeof p);
    assert_int_equal(p.crop_size, 200);
    assert_true(p.crop_x == SLMT_CENTRE && p.crop_y == SLMT_CENTRE);
    assert_true(p.slice_first == 50 && p.slice_count == 60 && p.image_size == 256);
    assert_true(p.target_resize == SLMT_RESIZE_BILINEAR && p.low_percentile == 0.2 &&
                p.high_percentile == 99.8);
}

/* ---- memory ---- */

typedef struct scarce {
    int left, live; /* allocations that still succeed; blocks not given back */
} scarce;

static void *scarce_alloc(void *user, size_t bytes)
{
    scarce *s = user;
    if (s->left-- <= 0)
        return NULL;
    s->live++;
    return malloc(bytes);
}

static void scarce_free(void *user, void *p)
{
    ((scarce *)user)->live--;
    free(p);
}

/* Makes a volume like v with ever more memory until there is enough; the number of failures. */
static int like_in_scarcity(const slmt_volume *v, scarce *s)
{
    mem *m = &v->context->mem;
    slmt_volume *like = NULL;
    void *voxels;
    int failures = 0;
    s->left = 1;
    assert_int_equal(mem_zeros(m, NVOX, sizeof(float), &voxels), OK);
    for (status r = ERR_MEMORY; r != OK; failures += r != OK) {
        int live = s->live;
        s->left = failures;
        r = volume_like(v, voxels, &like);
        assert_true(r == OK || (r == ERR_MEMORY && s->live == live));
        assert_true(failures < 10);
    }
    slmt_volume_free(like);
    return failures;
}

static void running_out_of_memory_leaves_nothing_behind(void **state)
{
    static const char *const in_names[] = {"in.nii", "in.nii.gz", "in.hdr"};
    const int64_t dims[3] = {NX, NY, NZ};
    scarce s = {.left = 1000};
    slmt_context_config config;
    slmt_context *c = NULL;
    float voxels[NVOX] = {0};
    int failures = 0;
    (void)state;
    for (int k = 0; k < 3; k++) {
        nifti_image *image = image_of_type(2, in_folder(in_names[k]));
        nifti_image_write(image);
        nifti_image_free(image);
    }
    slmt_context_config_init(&config);
    config.alloc = scarce_alloc;
    config.free = scarce_free;
    config.alloc_user = &s;
    assert_int_equal(slmt_context_create(&config, &c), SLMT_OK);
    int before = s.live, files = files_in_folder(0);
    for (int what = 0; what < 4; what++) {
        slmt_status r = SLMT_ERR_MEMORY;
        for (int n = 0; r != SLMT_OK; n++) {
            slmt_volume *v = NULL;
            s.left = n;
            r = what < 3 ? slmt_volume_read(c, in_folder(in_names[what]), &v)
                         : slmt_volume_create(c, dims, NULL, voxels, &v);
            assert_true(r == SLMT_OK || r == SLMT_ERR_MEMORY);
            failures += r != SLMT_OK;
            slmt_status w = r == SLMT_OK ? SLMT_ERR_MEMORY : SLMT_OK;
            for (int k = 0; w != SLMT_OK; k++) {
                s.left = k;
                w = slmt_volume_write(v, in_folder("out.nii"));
                assert_true(w == SLMT_OK || w == SLMT_ERR_MEMORY);
                failures += w != SLMT_OK;
                assert_true(k < 50);
            }
            if (v)
                failures += like_in_scarcity(v, &s);
            slmt_volume_free(v);
            assert_int_equal(s.live, before);
            assert_true(n < 50);
        }
    }
    assert_true(failures > 15);
    assert_int_equal(files_in_folder(0), files + 1);
    slmt_context_free(c);
    assert_int_equal(s.live, 0);
}

static void the_contexts_limit_holds_for_files_too(void **state)
{
    slmt_context_config config;
    slmt_context *small = NULL;
    nifti_1_header h = plain_header();
    slmt_volume *v = NULL;
    (void)state;
    put_plain(&h, in_folder("a.nii"));
    slmt_context_config_init(&config);
    config.max_bytes = 100000;
    config.backend = SLMT_BACKEND_REFERENCE;
    assert_int_equal(slmt_context_create(&config, &small), SLMT_OK);
    assert_int_equal(slmt_volume_read(small, in_folder("a.nii"), &v), SLMT_ERR_LIMIT);
    assert_null(v);
    slmt_context_free(small);
}

static void a_volume_keeps_its_context_alive(void **state)
{
    slmt_context *own = NULL;
    slmt_volume *v = NULL;
    (void)state;
    assert_int_equal(slmt_context_create(NULL, &own), SLMT_OK);
    assert_int_equal(slmt_volume_create(own, (int64_t[]){1, 1, 2}, NULL, (float[]){1, 2}, &v), SLMT_OK);
    slmt_context_free(own);
    assert_true(slmt_volume_voxels(v)[1] == 2);
    slmt_volume_free(v);
}

#define TEST(name) cmocka_unit_test_teardown(name, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_scalar_type_and_kind_of_file_is_read),
        TEST(a_file_of_the_other_byte_order_is_read),
        TEST(the_affine_is_sform_then_qform_then_spacing),
        TEST(trailing_axes_of_length_one_are_dropped_and_missing_ones_are_one),
        TEST(every_field_of_the_header_and_its_extensions_go_through_untouched),
        TEST(a_volume_of_other_voxels_keeps_the_geometry_and_nothing_that_spoke_of_the_old_ones),
        TEST(a_description_follows_the_librarys_name_and_is_cut_to_fit),
        TEST(a_volume_made_from_an_array_is_described_too),
        TEST(an_affine_that_no_file_holds_is_refused_when_it_is_set),
        TEST(malformed_extensions_are_left_behind),
        TEST(a_pair_is_written_as_one_file_with_its_extensions),
        TEST(a_volume_from_an_array_is_read_back_by_niftiio),
        TEST(a_volume_without_affine_has_millimetre_voxels),
        TEST(a_name_that_is_no_nifti_name_is_refused),
        TEST(a_full_disk_leaves_the_old_file_whole),
        TEST(a_new_file_has_the_rights_of_the_one_it_replaces),
        TEST(files_that_are_not_there_or_not_files_are_told_apart),
        TEST(a_file_cut_anywhere_is_refused),
        TEST(a_flipped_bit_in_a_compressed_file_is_seen),
        TEST(wrong_headers_are_refused_with_their_reason),
        TEST(four_axes_other_formats_and_huge_promises_are_refused),
        TEST(a_nan_is_refused_with_its_place),
        TEST(random_damage_never_crashes),
        TEST(wrong_arguments_are_named),
        TEST(comparing_checks_its_arguments),
        TEST(preprocessing_defaults_are_the_papers),
        TEST(running_out_of_memory_leaves_nothing_behind),
        TEST(the_contexts_limit_holds_for_files_too),
        TEST(a_volume_keeps_its_context_alive),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
