/* SPDX-License-Identifier: Apache-2.0 */
/* Files under a scan's name that hold something else are called what they are; voxels that no float32 can be
 * are told apart from NaN. Works in a folder of its own beside where it is started. */
#include <math.h>
#include <string.h>

#include "tests/api/scan_folder.h"

static int set_up(void **state)
{
    (void)state;
    return !mkdtemp(folder) || slmt_context_create(NULL, &context) != SLMT_OK;
}

static int tear_down(void **state)
{
    (void)state;
    slmt_context_free(context);
    return rmdir(folder);
}

static int clean(void **state)
{
    (void)state;
    empty_folder();
    return 0;
}

/* ---- other files ---- */

/* A file of 700 bytes that begins with a text at a place. filler: what the other bytes are. */
static void files_of_other_kinds_are_called_what_they_are(void **state)
{
    static const struct {
        size_t at, size;
        const char *bytes, *kind;
        int filler;
    } files[] = {
        {0, 15, "<!DOCTYPE html>", "an HTML page", ' '},
        {0, 8, "\n\n <HTML", "an HTML page", '\n'},
        {0, 9, "\xef\xbb\xbf<html>", "an HTML page", 'x'},
        {0, 6, "<?xml ", "an XML file", ' '},
        {0, 10, "{\"error\":1", "JSON", ' '},
        {0, 9, "403 error", "a text file", ' '},
        {0, 42, "version https://git-lfs.github.com/spec/v1", "git lfs pull", '\n'},
        {0, 15, "/annex/objects/", "git annex get", 'a'},
        {128, 4, "DICM", "dcm2niix", 0},
        {0, 6, "\x08\0\x05\0CS", "DICOM", 1},
        {0, 8, "\x89HDF\r\n\x1a\n", "an HDF5 file", 0},
        {0, 18, "libslmt checkpoint", "a checkpoint of libslmt", 0},
        {0, 15, "libslmt dataset", "a training set of libslmt", 0},
        {0, 8, "\x89PNG\r\n\x1a\n", "a PNG picture", 0},
        {0, 3, "\xff\xd8\xff", "a JPEG picture", 0},
        {0, 4, "PK\3\4", "a ZIP archive", 0},
        {257, 5, "ustar", "a tar archive", 'a'},
        {0, 4, "BZh9", "bzip2", 1},
        {0, 6,
         "\xfd"
         "7zXZ",
         "xz", 1},
        {0, 8, "%PDF-1.7", "a PDF document", ' '},
        {0, 5, "NRRD0", "an NRRD file", '\n'},
        {0, 4, "CDF\1", "MINC", 0},
        {0, 6, "\x93NUMPY", "a NumPy array", 1},
        {0, 4, "\0\5\x16\7", "AppleDouble", 0},
        {0, 1, "", "nothing but zeros", 0},
        {0, 4, "\1\2\3\4", "begins neither as NIfTI", 9},
    };
    static const char *const names[] = {"a.nii", "a.nii.gz", "a.mgz", "a b (1).gz", "none"};
    unsigned char bytes[700];
    (void)state;
    for (size_t k = 0; k < sizeof files / sizeof files[0]; k++) {
        memset(bytes, files[k].filler, sizeof bytes);
        memcpy(bytes + files[k].at, files[k].bytes, files[k].size);
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
            put_file(in_folder(names[n]), bytes, sizeof bytes);
            assert_refused(in_folder(names[n]), SLMT_ERR_FORMAT, files[k].kind);
            put_compressed(in_folder(names[n]), bytes, sizeof bytes);
            assert_refused(in_folder(names[n]), SLMT_ERR_FORMAT, files[k].kind);
        }
    }
}

static void an_empty_file_and_a_compressed_nothing_are_called_empty(void **state)
{
    (void)state;
    put_file(in_folder("a.nii.gz"), "", 0);
    assert_refused(in_folder("a.nii.gz"), SLMT_ERR_FORMAT, "it is empty");
    put_compressed(in_folder("a.nii.gz"), "", 0);
    assert_refused(in_folder("a.nii.gz"), SLMT_ERR_FORMAT, "what is compressed in it is empty");
}

static void a_file_compressed_twice_is_called_that(void **state)
{
    unsigned char bytes[800];
    (void)state;
    memset(bytes, 7, sizeof bytes);
    put_compressed(in_folder("once"), bytes, sizeof bytes);
    FILE *f = fopen(in_folder("once"), "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    put_compressed(in_folder("a.nii.gz"), bytes, n);
    assert_refused(in_folder("a.nii.gz"), SLMT_ERR_FORMAT, "gzip twice");
}

static void a_link_to_nowhere_is_called_that(void **state)
{
    (void)state;
    assert_int_equal(symlink("elsewhere/scan.nii.gz", in_folder("a.nii.gz")), 0);
    assert_refused(in_folder("a.nii.gz"), SLMT_ERR_NOT_FOUND,
                   "is a link to elsewhere/scan.nii.gz, which is not");
    assert_int_equal(symlink("../.git/annex/objects/x1/y2/SHA256E-s3--0.nii.gz", in_folder("b.nii.gz")), 0);
    assert_refused(in_folder("b.nii.gz"), SLMT_ERR_NOT_FOUND, "git annex get");
    assert_refused(in_folder("c.nii.gz"), SLMT_ERR_NOT_FOUND, "No such file");
}

static void an_analyze_header_is_told_from_nifti(void **state)
{
    unsigned char bytes[348] = {0};
    int32_t size = 348;
    (void)state;
    memcpy(bytes, &size, sizeof size);
    put_file(in_folder("a.hdr"), bytes, sizeof bytes);
    put_file(in_folder("a.img"), bytes, sizeof bytes);
    assert_refused(in_folder("a.hdr"), SLMT_ERR_FORMAT, "ANALYZE 7.5");
    assert_refused(in_folder("a.img"), SLMT_ERR_FORMAT, "ANALYZE 7.5");
}

/* ---- voxels that are no float32 ---- */

enum { NX = 3, NY = 2, NZ = 2, NVOX = NX * NY * NZ };

/* A file of one type; voxels are as wide as the type. */
static void put_scan(const char *path, int type, const void *voxels, float slope)
{
    int width = type == DT_FLOAT64 ? 8 : type == DT_FLOAT32 ? 4 : 2;
    unsigned char bytes[352 + 8 * NVOX] = {0};
    nifti_1_header h = {.sizeof_hdr = 348,
                        .dim = {3, NX, NY, NZ, 1, 1, 1, 1},
                        .datatype = (short)type,
                        .bitpix = (short)(8 * width),
                        .pixdim = {1, 1, 1, 1, 1, 1, 1, 1},
                        .vox_offset = 352,
                        .scl_slope = slope,
                        .sform_code = 1,
                        .srow_x = {1},
                        .srow_y = {0, 1},
                        .srow_z = {0, 0, 1},
                        .magic = "n+1"};
    memcpy(bytes, &h, sizeof h);
    memcpy(bytes + 352, voxels, (size_t)(width * NVOX));
    put_file(path, bytes, 352 + (size_t)(width * NVOX));
}

static void a_finite_number_beyond_float32_is_not_called_a_nan(void **state)
{
    double voxels[NVOX] = {0};
    int16_t integers[NVOX] = {0};
    (void)state;
    voxels[4] = 7e38; /* [1,1,0] */
    put_scan(in_folder("a.nii"), DT_FLOAT64, voxels, 0);
    assert_refused(in_folder("a.nii"), SLMT_ERR_NONFINITE, "voxel [1,1,0] is 7e+38, beyond float32");
    voxels[4] = -1;
    put_scan(in_folder("a.nii"), DT_FLOAT64, voxels, 3e38f);
    slmt_volume *v = NULL;
    assert_int_equal(slmt_volume_read(context, in_folder("a.nii"), &v), SLMT_OK);
    assert_true(slmt_volume_voxels(v)[4] == -3e38f);
    slmt_volume_free(v);
    integers[11] = 200; /* [2,1,1] */
    put_scan(in_folder("a.nii"), DT_INT16, integers, 1e37f);
    assert_refused(in_folder("a.nii"), SLMT_ERR_NONFINITE, "voxel [2,1,1] is 2e+39, beyond float32");
    voxels[4] = INFINITY;
    put_scan(in_folder("a.nii"), DT_FLOAT64, voxels, 0);
    assert_refused(in_folder("a.nii"), SLMT_ERR_NONFINITE, "voxel [1,1,0] is a NaN or an infinity");
}

static void nan_becomes_zero_where_asked_and_is_counted_but_infinity_does_not(void **state)
{
    float voxels[NVOX];
    nifti_scan scan;
    (void)state;
    for (int i = 0; i < NVOX; i++)
        voxels[i] = i % 3 == 0 ? NAN : (float)i;
    put_scan(in_folder("a.nii"), DT_FLOAT32, voxels, 2);
    assert_refused(in_folder("a.nii"), SLMT_ERR_NONFINITE, "voxel [0,0,0] is a NaN or an infinity");
    assert_int_equal(nifti_scan_read(&context->mem, in_folder("a.nii"), NIFTI_NAN_TO_ZERO, &scan), OK);
    assert_int_equal(scan.zeroed, 4);
    for (int i = 0; i < NVOX; i++)
        assert_true(scan.voxels[i] == (i % 3 == 0 ? 0 : 2 * (float)i));
    nifti_scan_free(&context->mem, &scan);
    voxels[7] = -INFINITY;
    put_scan(in_folder("a.nii"), DT_FLOAT32, voxels, 0);
    assert_int_equal(nifti_scan_read(&context->mem, in_folder("a.nii"), NIFTI_NAN_TO_ZERO, &scan),
                     ERR_NONFINITE);
    assert_non_null(strstr(slmt_error_text(), "voxel [1,0,1]"));
    assert_null(scan.voxels);
}

#define TEST(name) cmocka_unit_test_teardown(name, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_of_other_kinds_are_called_what_they_are),
        TEST(an_empty_file_and_a_compressed_nothing_are_called_empty),
        TEST(a_file_compressed_twice_is_called_that),
        TEST(a_link_to_nowhere_is_called_that),
        TEST(an_analyze_header_is_told_from_nifti),
        TEST(a_finite_number_beyond_float32_is_not_called_a_nan),
        TEST(nan_becomes_zero_where_asked_and_is_counted_but_infinity_does_not),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
