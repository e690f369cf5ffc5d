/* SPDX-License-Identifier: Apache-2.0 */
/* NIfTI-2, MGH, one volume of several, headers in memory, and what a reader assumes: written here byte by
 * byte from the formats' descriptions, and read by the library. Works in a folder of its own beside where it
 * is started. */
#include <math.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "lib/random.h"
#include "tests/api/scan_folder.h"

enum { NX = 4, NY = 3, NZ = 2, NVOX = NX * NY * NZ, ROOM = 4000 };

/* ---- files ---- */

/* Stores a number at a place: b, h, i, q integers of 1, 2, 4, 8 bytes, f and d floats. */
static void put(unsigned char *bytes, size_t at, char type, double value, int big)
{
    union {
        int8_t b;
        int16_t h;
        int32_t i;
        int64_t q;
        float f;
        double d;
        unsigned char raw[8];
    } u = {.q = 0};
    size_t n = type == 'b' ? 1 : type == 'h' ? 2 : type == 'i' || type == 'f' ? 4 : 8;
    if (type == 'f')
        u.f = (float)value;
    else if (type == 'd')
        u.d = value;
    else
        u.q = (int64_t)value; /* little-endian: the low bytes come first */
    for (size_t k = 0; k < n; k++)
        bytes[at + k] = u.raw[big ? n - 1 - k : k];
}

static slmt_volume *read_ok(const char *path)
{
    slmt_volume *v = NULL;
    slmt_status s = slmt_volume_read(context, path, &v);
    if (s != SLMT_OK)
        fail_msg("%s: %s", path, slmt_error_text());
    return v;
}

/* ---- warnings ---- */

static char warned[4000];
static int warning_result;

static int32_t keep_warning(void *user, const char *text)
{
    (void)user;
    size_t used = strlen(warned);
    snprintf(warned + used, sizeof warned - used, "%s\n", text);
    return warning_result;
}

static uint64_t own_bytes;

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || slmt_context_create(NULL, &context) != SLMT_OK)
        return 1;
    own_bytes = slmt_context_live_bytes(context);
    return slmt_context_set_warning(context, keep_warning, NULL) != SLMT_OK;
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
    warned[0] = '\0';
    warning_result = 0;
    empty_folder();
    return 0;
}

/* ---- NIfTI-2 ---- */

enum { NIFTI2 = 544 /* where voxels begin */ };

static const double rows[12] = {0, -2.1, 0, 5.00000001, 1, 0, 0, -3, 0, 0, 3, 1e-7};

static double value_of(int i)
{
    return 7 * i - 100;
}

/* int16 voxels 7 i - 100, the sform above. Returns the file's length. */
static size_t nifti_2(unsigned char *bytes, const char *magic, int big)
{
    memset(bytes, 0, ROOM);
    put(bytes, 0, 'i', 540, big);
    memcpy(bytes + 4, magic, 8);
    put(bytes, 12, 'h', DT_INT16, big);
    put(bytes, 14, 'h', 16, big);
    const double dim[8] = {3, NX, NY, NZ, 1, 1, 1, 1};
    for (size_t i = 0; i < 8; i++) {
        put(bytes, 16 + 8 * i, 'q', dim[i], big);
        put(bytes, 104 + 8 * i, 'd', i == 2 ? 2.1 : i == 3 ? 3 : 1, big);
    }
    put(bytes, 168, 'q', NIFTI2, big);
    put(bytes, 348, 'i', 1, big);
    for (size_t i = 0; i < 12; i++)
        put(bytes, 400 + 8 * i, 'd', rows[i], big);
    put(bytes, 500, 'i', NIFTI_UNITS_MM, big);
    for (size_t i = 0; i < NVOX; i++)
        put(bytes, NIFTI2 + 2 * i, 'h', value_of((int)i), big);
    return NIFTI2 + 2 * NVOX;
}

static const char single_2[8] = {'n', '+', '2', 0, '\r', '\n', 032, '\n'};
static const char pair_2[8] = {'n', 'i', '2', 0, '\r', '\n', 032, '\n'};

static void assert_volume(const slmt_volume *v, double slope, double inter)
{
    int64_t dims[3];
    slmt_volume_dims(v, dims);
    assert_true(dims[0] == NX && dims[1] == NY && dims[2] == NZ);
    for (int i = 0; i < NVOX; i++)
        assert_true(slmt_volume_voxels(v)[i] == (float)(value_of(i) * slope + inter));
}

static void nifti_2_is_read_in_either_byte_order_with_its_double_precision(void **state)
{
    unsigned char bytes[ROOM];
    double affine[16];
    (void)state;
    for (int big = 0; big < 2; big++) {
        size_t n = nifti_2(bytes, single_2, big);
        put(bytes, 176, 'd', 0.1, big); /* a slope that no float32 is */
        put(bytes, 184, 'd', -3.7, big);
        put_file(in_folder("a.nii"), bytes, n);
        put_compressed(in_folder("a.nii.gz"), bytes, n);
        for (int k = 0; k < 2; k++) {
            slmt_volume *v = read_ok(in_folder(k ? "a.nii.gz" : "a.nii"));
            assert_volume(v, 0.1, -3.7);
            slmt_volume_affine(v, affine);
            assert_memory_equal(affine, rows, sizeof rows);
            slmt_volume_free(v);
        }
    }
    assert_string_equal(warned, "");
}

static void nifti_2_is_written_as_nifti_1_without_losing_a_field(void **state)
{
    unsigned char bytes[ROOM], out[ROOM];
    nifti_1_header h;
    (void)state;
    size_t n = nifti_2(bytes, single_2, 1);
    put(bytes, 80, 'd', 1.5, 1);
    put(bytes, 192, 'd', 90, 1);
    put(bytes, 224, 'q', 1, 1);
    memcpy(bytes + 240, "scanner 7", 9);
    memcpy(bytes + 320, "aux", 3);
    put(bytes, 344, 'i', 2, 1);
    put(bytes, 352, 'd', 0.5, 1);
    put(bytes, 376, 'd', -90.5, 1);
    put(bytes, 496, 'i', 3, 1);
    put(bytes, 504, 'i', 1001, 1);
    memcpy(bytes + 508, "intent", 6);
    put(bytes, 524, 'b', 57, 1);
    put_file(in_folder("a.nii"), bytes, n);
    slmt_volume *v = read_ok(in_folder("a.nii"));
    assert_int_equal(slmt_volume_write(v, in_folder("b.nii")), SLMT_OK);
    slmt_volume_free(v);
    FILE *f = fopen(in_folder("b.nii"), "rb");
    assert_int_equal(fread(out, 1, sizeof out, f), 352 + 4 * NVOX);
    fclose(f);
    memcpy(&h, out, sizeof h);
    assert_true(h.sizeof_hdr == 348 && memcmp(h.magic, "n+1", 4) == 0 && h.vox_offset == 352);
    assert_true(h.intent_p1 == 1.5f && h.cal_max == 90 && h.slice_start == 1 && h.slice_code == 3);
    assert_true(h.qform_code == 2 && h.quatern_b == 0.5f && h.qoffset_x == -90.5f && h.sform_code == 1);
    assert_true(h.intent_code == 1001 && h.dim_info == 57 && h.xyzt_units == NIFTI_UNITS_MM);
    assert_true(h.srow_x[1] == -2.1f && h.srow_z[3] == 1e-7f && h.dim[1] == NX);
    assert_string_equal(h.descrip, "scanner 7");
    assert_string_equal(h.aux_file, "aux");
    assert_string_equal(h.intent_name, "intent");
}

static void a_pair_of_nifti_2_is_read_and_so_are_capital_names(void **state)
{
    static const char *const names[][2] = {{"a.hdr", "a.img"},
                                           {"b.HDR", "b.IMG"},
                                           {"c.hdr", "c.img.gz"},
                                           {"d.HDR", "d.img"},
                                           {"e.HDR.GZ", "e.IMG.GZ"}};
    unsigned char bytes[ROOM];
    (void)state;
    size_t n = nifti_2(bytes, pair_2, 0);
    put(bytes, 168, 'q', 0, 0);
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        const char *ending = strrchr(names[k][1], '.');
        (strcasecmp(strrchr(names[k][0], '.'), ".gz") == 0 ? put_compressed
                                                           : put_file)(in_folder(names[k][0]), bytes, 544);
        (strcasecmp(ending, ".gz") == 0 ? put_compressed : put_file)(in_folder(names[k][1]), bytes + NIFTI2,
                                                                     n - NIFTI2);
        for (int i = 0; i < 2; i++) {
            slmt_volume *v = read_ok(in_folder(names[k][i]));
            assert_volume(v, 1, 0);
            slmt_volume_free(v);
        }
    }
}

static void wrong_headers_of_nifti_2_are_refused_with_their_reason(void **state)
{
    static const struct {
        size_t at;
        char type;
        double value;
        slmt_status want;
        const char *text;
    } wrong[] = {
        {4, 'b', 'm', SLMT_ERR_FORMAT, "magic"},
        {8, 'b', '\n', SLMT_ERR_CORRUPT, "transfer as text"},
        {12, 'h', DT_COMPLEX64, SLMT_ERR_FORMAT, "COMPLEX64"},
        {16, 'q', 0, SLMT_ERR_FORMAT, "number of axes is 0"},
        {16, 'q', 8, SLMT_ERR_FORMAT, "number of axes is 8"},
        {24, 'q', 0, SLMT_ERR_FORMAT, "axis 1 has length 0"},
        {24, 'q', -5, SLMT_ERR_FORMAT, "axis 1 has length -5"},
        {24, 'q', 9e18, SLMT_ERR_FORMAT, "more than 2^48 voxels"},
        {24, 'q', 100000, SLMT_ERR_CORRUPT, "cut short"},
        {168, 'q', 500, SLMT_ERR_FORMAT, "vox_offset"},
        {168, 'q', -9e18, SLMT_ERR_FORMAT, "vox_offset"},
        {168, 'q', 560, SLMT_ERR_CORRUPT, "cut short"},
        {408, 'd', 0, SLMT_ERR_FORMAT, "sform"},
        {408, 'd', NAN, SLMT_ERR_FORMAT, "sform"},
    };
    unsigned char bytes[ROOM];
    (void)state;
    for (int big = 0; big < 2; big++)
        for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
            size_t n = nifti_2(bytes, single_2, big);
            put(bytes, wrong[k].at, wrong[k].type, wrong[k].value, big);
            put_file(in_folder("a.nii"), bytes, n);
            assert_refused(in_folder("a.nii"), wrong[k].want, wrong[k].text);
        }
}

static void a_result_too_long_for_nifti_1_is_refused_and_not_cut(void **state)
{
    static unsigned char bytes[NIFTI2 + 2 * 40000];
    (void)state;
    nifti_2(bytes, single_2, 0);
    put(bytes, 24, 'q', 40000, 0);
    put(bytes, 32, 'q', 1, 0);
    put(bytes, 40, 'q', 1, 0);
    put_file(in_folder("a.nii"), bytes, sizeof bytes);
    slmt_volume *v = read_ok(in_folder("a.nii"));
    nifti_1_header h;
    assert_int_equal(slmt_volume_write(v, in_folder("b.nii")), SLMT_ERR_ARGUMENT);
    assert_non_null(strstr(slmt_error_text(), "axis 1 has 40000 voxels"));
    assert_int_equal(slmt_volume_nifti_header(v, &h), SLMT_ERR_ARGUMENT);
    slmt_volume_free(v);
}

/* ---- MGH ---- */

enum { MGH = 284 };

static const struct {
    int type, bytes;
    char store;
} mgh_types[] = {{0, 1, 'b'}, {4, 2, 'h'}, {10, 2, 'h'}, {1, 4, 'i'}, {3, 4, 'f'}};

/* Voxels i of a type; 2 x 1 x 3 mm, x to the front, y to the left, z up. Returns the file's length. */
static size_t mgh(unsigned char *bytes, int type, int frames)
{
    memset(bytes, 0, ROOM);
    put(bytes, 0, 'i', 1, 1);
    const double dims[4] = {NX, NY, NZ, frames};
    for (size_t i = 0; i < 4; i++)
        put(bytes, 4 + 4 * i, 'i', dims[i], 1);
    put(bytes, 20, 'i', mgh_types[type].type, 1);
    put(bytes, 28, 'h', 1, 1);
    const double geometry[15] = {2, 1, 3, 0, 1, 0, -1, 0, 0, 0, 0, 1, 10, -20, 30};
    for (size_t i = 0; i < 15; i++)
        put(bytes, 30 + 4 * i, 'f', geometry[i], 1);
    for (int i = 0; i < NVOX * frames; i++)
        put(bytes, (size_t)(MGH + mgh_types[type].bytes * i), mgh_types[type].store, i, 1);
    return (size_t)(MGH + mgh_types[type].bytes * NVOX * frames);
}

static void mgh_of_every_type_is_read_with_its_geometry(void **state)
{
    /* The middle, voxel (2, 1.5, 1), is at (10, -20, 30). */
    const double want[16] = {0, -1, 0, 11.5, 2, 0, 0, -24, 0, 0, 3, 27, 0, 0, 0, 1};
    static const char *const names[] = {"a.mgh", "a.mgz", "a.MGZ", "noname"};
    unsigned char bytes[ROOM];
    double affine[16];
    (void)state;
    for (int type = 0; type < 5; type++)
        for (int k = 0; k < 4; k++) {
            size_t n = mgh(bytes, type, 1);
            memcpy(bytes + n, "TR and tags behind the voxels", 29);
            (k % 2 ? put_compressed : put_file)(in_folder(names[k]), bytes, n + 29);
            slmt_volume *v = read_ok(in_folder(names[k]));
            for (int i = 0; i < NVOX; i++)
                assert_true(slmt_volume_voxels(v)[i] == (float)i);
            slmt_volume_affine(v, affine);
            assert_memory_equal(affine, want, sizeof want);
            slmt_volume_free(v);
        }
    assert_string_equal(warned, "");
}

static void the_scale_of_integers_in_mgh_has_their_signs(void **state)
{
    unsigned char bytes[ROOM];
    (void)state;
    for (int type = 0; type < 5; type++) {
        size_t n = mgh(bytes, type, 1);
        put(bytes, MGH, mgh_types[type].store, -2, 1);
        put_file(in_folder("a.mgh"), bytes, n);
        slmt_volume *v = read_ok(in_folder("a.mgh"));
        assert_true(slmt_volume_voxels(v)[0] == (type == 0 ? 254 : type == 2 ? 65534 : -2));
        slmt_volume_free(v);
    }
}

static void mgh_without_geometry_is_coronal_and_a_warning(void **state)
{
    const double want[12] = {-1, 0, 0, 2, 0, 0, 1, -1, 0, -1, 0, 1.5};
    unsigned char bytes[ROOM];
    double affine[16];
    (void)state;
    size_t n = mgh(bytes, 0, 1);
    put(bytes, 28, 'h', 0, 1);
    put_file(in_folder("a.mgh"), bytes, n);
    slmt_volume *v = read_ok(in_folder("a.mgh"));
    slmt_volume_affine(v, affine);
    assert_memory_equal(affine, want, sizeof want);
    slmt_volume_free(v);
    assert_non_null(strstr(warned, "a.mgh: "));
    assert_non_null(strstr(warned, "goodRASFlag is 0"));
    assert_null(strstr(warned, "qform"));
    assert_non_null(strstr(warned, "orientation"));
}

static void wrong_headers_of_mgh_are_refused_with_their_reason(void **state)
{
    static const struct {
        size_t at;
        char type;
        double value;
        slmt_status want;
        const char *text;
    } wrong[] = {
        {0, 'i', 2, SLMT_ERR_FORMAT, "nor as MGH"},       {4, 'i', 0, SLMT_ERR_FORMAT, "nor as MGH"},
        {4, 'i', -1, SLMT_ERR_FORMAT, "nor as MGH"},      {4, 'i', 2e9, SLMT_ERR_CORRUPT, "cut short"},
        {8, 'i', 2e9, SLMT_ERR_CORRUPT, "cut short"},     {20, 'i', 2, SLMT_ERR_FORMAT, "type 2"},
        {20, 'i', 99, SLMT_ERR_FORMAT, "type 99"},        {30, 'f', 0, SLMT_ERR_FORMAT, "singular"},
        {78, 'f', INFINITY, SLMT_ERR_FORMAT, "singular"}, {16, 'i', 2, SLMT_ERR_FORMAT, "holds 2 volumes"},
    };
    unsigned char bytes[ROOM];
    (void)state;
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
        size_t n = mgh(bytes, 1, 1);
        put(bytes, wrong[k].at, wrong[k].type, wrong[k].value, 1);
        put_file(in_folder("a.mgh"), bytes, n);
        assert_refused(in_folder("a.mgh"), wrong[k].want, wrong[k].text);
    }
    size_t n = mgh(bytes, 4, 1);
    put(bytes, MGH + 4 * 5, 'f', NAN, 1);
    put_file(in_folder("a.mgh"), bytes, n);
    assert_refused(in_folder("a.mgh"), SLMT_ERR_NONFINITE, "voxel [1,1,0] is a NaN");
}

static void directions_of_mgh_that_no_nifti_file_holds_are_refused(void **state)
{
    unsigned char bytes[ROOM];
    (void)state;
    size_t n = mgh(bytes, 1, 1);
    for (size_t k = 0; k < 3; k++)
        put(bytes, 30 + 4 * k, 'f', 1e30, 1); /* spacings */
    for (size_t k = 0; k < 9; k++)
        put(bytes, 42 + 4 * k, 'f', k % 4 == 0 ? 1e10 : 0, 1); /* directions */
    put_file(in_folder("a.mgh"), bytes, n);
    assert_refused(in_folder("a.mgh"), SLMT_ERR_FORMAT, "not finite");
}

/* ---- damage ---- */

static size_t raw_bytes(const char *path, unsigned char *bytes)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, ROOM, f);
    fclose(f);
    return n;
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    static unsigned char bytes[ROOM], whole[ROOM];
    (void)state;
    for (int k = 0; k < 4; k++) {
        size_t n = k < 2 ? nifti_2(bytes, single_2, 0) : mgh(bytes, 1, 1);
        (k % 2 ? put_compressed : put_file)(in_folder("whole"), bytes, n);
        n = raw_bytes(in_folder("whole"), whole);
        for (size_t cut = 0; cut < n; cut++) {
            slmt_volume *v = NULL;
            put_file(in_folder("cut"), whole, cut);
            slmt_status s = slmt_volume_read(context, in_folder("cut"), &v);
            if (s != SLMT_ERR_CORRUPT && s != SLMT_ERR_FORMAT)
                fail_msg("file %d cut to %zu of %zu bytes: %d %s", k, cut, n, s, slmt_error_text());
            assert_null(v);
        }
        slmt_volume_free(read_ok(in_folder("whole")));
    }
}

/* Run this with the sanitizers. */
static void random_damage_never_crashes(void **state)
{
    static unsigned char bytes[ROOM];
    random_stream r = random_open(5, 1);
    int read = 0;
    (void)state;
    for (int k = 0; k < 3000; k++) {
        slmt_volume *v = NULL;
        size_t n = k % 2 ? nifti_2(bytes, single_2, k % 4 == 1) : mgh(bytes, k % 5, 2);
        for (uint32_t m = 1 + random_below(&r, 5); m > 0; m--)
            bytes[4 + random_below(&r, (uint32_t)n - 4)] = (unsigned char)random_u32(&r);
        put_file(in_folder("a"), bytes, n - random_below(&r, 2) * random_below(&r, 30));
        slmt_status s = slmt_volume_read(context, k % 2 ? in_folder("a") : in_folder("a[1]"), &v);
        assert_true((s == SLMT_OK) == (v != NULL));
        assert_true(s == SLMT_OK || slmt_error_text()[0] != '\0');
        read += v != NULL;
        slmt_volume_free(v);
    }
    assert_true(read > 100 && read < 2900);
}

/* ---- one volume of several ---- */

static void one_volume_of_several_is_named_by_its_number(void **state)
{
    unsigned char bytes[ROOM];
    (void)state;
    size_t n = mgh(bytes, 1, 3);
    put_compressed(in_folder("a.mgz"), bytes, n);
    for (int k = 0; k < 3; k++) {
        char name[32];
        snprintf(name, sizeof name, "a.mgz[%d]", k);
        slmt_volume *v = read_ok(in_folder(name));
        for (int i = 0; i < NVOX; i++)
            assert_true(slmt_volume_voxels(v)[i] == (float)(k * NVOX + i));
        slmt_volume_free(v);
    }
    assert_refused(in_folder("a.mgz"), SLMT_ERR_FORMAT, "add [0] to [2] to its name");
    assert_refused(in_folder("a.mgz[3]"), SLMT_ERR_FORMAT, "[3]: there is no such volume: the file holds 3");
    assert_refused(in_folder("a.mgz[99999999999999999999]"), SLMT_ERR_FORMAT, "the file holds 3");
    for (int k = 0; k < 4; k++) {
        static const char *const names[] = {"a.mgz[]", "a.mgz[-1]", "a.mgz[1", "a.mgz[x]"};
        assert_refused(in_folder(names[k]), SLMT_ERR_NOT_FOUND, names[k]);
    }
    assert_refused(in_folder("b.mgz[0]"), SLMT_ERR_NOT_FOUND, "b.mgz");
}

static void a_file_whose_name_ends_in_a_number_in_brackets_comes_first(void **state)
{
    unsigned char bytes[ROOM];
    (void)state;
    size_t n = mgh(bytes, 1, 2);
    put_file(in_folder("a"), bytes, n);
    put(bytes, MGH, 'h', 77, 1);
    put(bytes, 16, 'i', 1, 1);
    put_file(in_folder("a[1]"), bytes, n);
    slmt_volume *v = read_ok(in_folder("a[1]"));
    assert_true(slmt_volume_voxels(v)[0] == 77);
    slmt_volume_free(v);
    v = read_ok(in_folder("a[0]"));
    assert_true(slmt_volume_voxels(v)[0] == 0);
    slmt_volume_free(v);
    v = read_ok(in_folder("a[1][0]")); /* volume 0 of that file */
    assert_true(slmt_volume_voxels(v)[0] == 77);
    slmt_volume_free(v);
}

static void damage_behind_the_chosen_volume_is_seen(void **state)
{
    static unsigned char bytes[ROOM];
    (void)state;
    size_t n = mgh(bytes, 3, 3);
    put_compressed(in_folder("a.mgz"), bytes, n);
    n = raw_bytes(in_folder("a.mgz"), bytes);
    bytes[n - 6] ^= 0x40; /* the checksum */
    put_file(in_folder("a.mgz"), bytes, n);
    assert_refused(in_folder("a.mgz[0]"), SLMT_ERR_CORRUPT, "damaged");
    put_file(in_folder("a.mgz"), bytes, n - 20);
    assert_refused(in_folder("a.mgz[0]"), SLMT_ERR_CORRUPT, "a.mgz");
}

static void a_volume_of_several_is_written_with_three_axes(void **state)
{
    unsigned char bytes[ROOM];
    nifti_1_header h = {.sizeof_hdr = 348,
                        .dim = {5, NX, NY, NZ, 2, 2, 1, 1},
                        .datatype = DT_UINT8,
                        .bitpix = 8,
                        .pixdim = {1, 1, 1, 1, 2.5f, 1, 1, 1},
                        .vox_offset = 352,
                        .sform_code = 1,
                        .srow_x = {1},
                        .srow_y = {0, 1},
                        .srow_z = {0, 0, 1},
                        .magic = "n+1"};
    (void)state;
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, &h, sizeof h);
    for (int i = 0; i < 4 * NVOX; i++)
        bytes[352 + i] = (unsigned char)i;
    put_file(in_folder("a.nii"), bytes, 352 + 4 * NVOX);
    assert_refused(in_folder("a.nii"), SLMT_ERR_FORMAT, "more than three axes and holds 4 volumes");
    slmt_volume *v = read_ok(in_folder("a.nii[3]"));
    assert_true(slmt_volume_voxels(v)[0] == 3 * NVOX);
    assert_int_equal(slmt_volume_write(v, in_folder("b.nii")), SLMT_OK);
    slmt_volume_free(v);
    v = read_ok(in_folder("b.nii"));
    assert_true(slmt_volume_voxels(v)[NVOX - 1] == 4 * NVOX - 1);
    slmt_volume_free(v);
}

/* ---- headers in memory ---- */

static void a_header_in_memory_is_read_like_its_file(void **state)
{
    unsigned char bytes[ROOM];
    double one[16], other[16];
    (void)state;
    for (int big = 0; big < 2; big++) {
        size_t n = nifti_2(bytes, single_2, big);
        put(bytes, 176, 'd', -0.3, big);
        put_file(in_folder("a.nii"), bytes, n);
        slmt_volume *from_file = read_ok(in_folder("a.nii")), *v = NULL;
        assert_int_equal(slmt_volume_from_nifti(context, bytes, 540, bytes + NIFTI2, 2 * NVOX, &v), SLMT_OK);
        assert_memory_equal(slmt_volume_voxels(v), slmt_volume_voxels(from_file), 4 * NVOX);
        slmt_volume_affine(v, one);
        slmt_volume_affine(from_file, other);
        assert_memory_equal(one, other, sizeof one);
        slmt_volume_free(from_file);
        slmt_volume_free(v);
    }
}

static void wrong_headers_in_memory_are_refused(void **state)
{
    unsigned char bytes[ROOM];
    slmt_volume *v = NULL;
    nifti_1_header h;
    (void)state;
    nifti_2(bytes, pair_2, 0);
    const unsigned char *voxels = bytes + NIFTI2;
    assert_int_equal(slmt_volume_from_nifti(NULL, bytes, 540, voxels, 2 * NVOX, &v), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_from_nifti(context, NULL, 540, voxels, 2 * NVOX, &v), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_from_nifti(context, bytes, 540, NULL, 2 * NVOX, &v), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_from_nifti(context, bytes, 540, voxels, 2 * NVOX, NULL), SLMT_ERR_ARGUMENT);
    assert_int_equal(slmt_volume_from_nifti(context, bytes, 540, voxels, 2 * NVOX - 1, &v),
                     SLMT_ERR_ARGUMENT);
    assert_non_null(strstr(slmt_error_text(), "promises 24 voxels of 2 bytes, there are 47 bytes"));
    assert_int_equal(slmt_volume_from_nifti(context, bytes, 539, voxels, 2 * NVOX, &v), SLMT_ERR_FORMAT);
    assert_int_equal(slmt_volume_from_nifti(context, bytes, 3, voxels, 2 * NVOX, &v), SLMT_ERR_FORMAT);
    put(bytes, 16, 'q', 4, 0);
    put(bytes, 48, 'q', 2, 0);
    assert_int_equal(slmt_volume_from_nifti(context, bytes, 540, voxels, 4 * NVOX, &v), SLMT_ERR_FORMAT);
    assert_non_null(strstr(slmt_error_text(), "2 volumes"));
    put(bytes, 16, 'q', 3, 0);
    put(bytes, 12, 'h', DT_FLOAT32, 0);
    put(bytes, NIFTI2, 'f', NAN, 0);
    assert_int_equal(slmt_volume_from_nifti(context, bytes, 540, voxels, 4 * NVOX, &v), SLMT_ERR_NONFINITE);
    assert_int_equal(slmt_volume_nifti_header(NULL, &h), SLMT_ERR_ARGUMENT);
    assert_null(v);
}

/* ---- what a reader assumes ---- */

static void put_nifti_1(short sform, short qform, const float pixdim[4], float quatern_d, char units)
{
    unsigned char bytes[352 + NVOX] = {0};
    nifti_1_header h = {.sizeof_hdr = 348,
                        .dim = {3, NX, NY, NZ, 1, 1, 1, 1},
                        .datatype = DT_UINT8,
                        .bitpix = 8,
                        .vox_offset = 352,
                        .xyzt_units = units,
                        .sform_code = sform,
                        .qform_code = qform,
                        .quatern_d = quatern_d,
                        .srow_x = {2},
                        .srow_y = {0, 2},
                        .srow_z = {0, 0, 2},
                        .magic = "n+1"};
    memcpy(h.pixdim, pixdim, 4 * sizeof(float));
    memcpy(bytes, &h, sizeof h);
    put_file(in_folder("a.nii"), bytes, sizeof bytes);
}

static void what_a_reader_assumes_is_a_warning_that_names_the_file(void **state)
{
    static const struct {
        short sform, qform;
        float pixdim[4], quatern_d;
        char units;
        double first; /* of the affine */
        const char *text;
    } files[] = {
        {1, 0, {1, 2, 2, 2}, 0, 2, 2, NULL},
        {1, 1, {1, 2, 2, 2}, 0, 2, 2, NULL},
        {1, 0, {1, 0, NAN, -1}, 0, 0, 2, NULL}, /* the sform has all */
        {0, 1, {1, -3, 2, 2}, 0, 0, 3, NULL},
        {0, 0, {1, 3, 2, 2}, 0, 2, 3, "no orientation"},
        {-2, -1, {1, 3, 2, 2}, 0, 2, 3, "no orientation"},
        {0, 1, {1, 0, 2, 2}, 0, 2, 1, "no voxel size"},
        {0, 1, {1, INFINITY, 2, 2}, 0, 2, 1, "no voxel size"},
        {1, 1, {1, 2, 2, 2}, 1, 2, 2, "turn or mirror"}, /* half a turn about z */
        {1, 1, {-1, 2, 2, 2}, 0, 2, 2, "turn or mirror"},
        {1, 0, {1, 2, 2, 2}, 0, 1, 2000, "metres"},
        {1, 0, {1, 2, 2, 2}, 0, 3, 0.002, "micrometres"},
        {1, 0, {1, 3, 2, 2}, 0, 2, 2, "another size than its sform"},
        {1, 0, {1, 2.03f, 2, 2}, 0, 2, 2, NULL},
        {0, 1, {1, 2, 2, 2}, 0.375f, 2, 1.4375, "more than 30 degrees off"}, /* a turn by 44 degrees */
        {0, 1, {1, 2, 2, 2}, 0.125f, 2, 1.9375, NULL},                       /* by 14 */
    };
    double affine[16];
    (void)state;
    for (size_t k = 0; k < sizeof files / sizeof files[0]; k++) {
        put_nifti_1(files[k].sform, files[k].qform, files[k].pixdim, files[k].quatern_d, files[k].units);
        warned[0] = '\0';
        slmt_volume *v = read_ok(in_folder("a.nii"));
        slmt_volume_affine(v, affine);
        slmt_volume_free(v);
        if (fabs(affine[0] - files[k].first) > 1e-9)
            fail_msg("file %zu: %g instead of %g", k, affine[0], files[k].first);
        if (!files[k].text)
            assert_string_equal(warned, "");
        else if (!strstr(warned, files[k].text) || !strstr(warned, "a.nii: "))
            fail_msg("file %zu: \"%s\" does not say \"%s\"", k, warned, files[k].text);
    }
}

static void a_warning_that_is_not_accepted_ends_the_call_and_nothing_is_made(void **state)
{
    (void)state;
    put_nifti_1(0, 0, (float[4]){1, 2, 2, 2}, 0, 2);
    warning_result = 1;
    assert_refused(in_folder("a.nii"), SLMT_ERR_CANCELLED, "no orientation");
}

#define TEST(name) cmocka_unit_test_teardown(name, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nifti_2_is_read_in_either_byte_order_with_its_double_precision),
        TEST(nifti_2_is_written_as_nifti_1_without_losing_a_field),
        TEST(a_pair_of_nifti_2_is_read_and_so_are_capital_names),
        TEST(wrong_headers_of_nifti_2_are_refused_with_their_reason),
        TEST(a_result_too_long_for_nifti_1_is_refused_and_not_cut),
        TEST(mgh_of_every_type_is_read_with_its_geometry),
        TEST(the_scale_of_integers_in_mgh_has_their_signs),
        TEST(mgh_without_geometry_is_coronal_and_a_warning),
        TEST(wrong_headers_of_mgh_are_refused_with_their_reason),
        TEST(directions_of_mgh_that_no_nifti_file_holds_are_refused),
        TEST(a_file_cut_anywhere_is_refused),
        TEST(random_damage_never_crashes),
        TEST(one_volume_of_several_is_named_by_its_number),
        TEST(a_file_whose_name_ends_in_a_number_in_brackets_comes_first),
        TEST(damage_behind_the_chosen_volume_is_seen),
        TEST(a_volume_of_several_is_written_with_three_axes),
        TEST(a_header_in_memory_is_read_like_its_file),
        TEST(wrong_headers_in_memory_are_refused),
        TEST(what_a_reader_assumes_is_a_warning_that_names_the_file),
        TEST(a_warning_that_is_not_accepted_ends_the_call_and_nothing_is_made),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
