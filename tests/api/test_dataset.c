/* SPDX-License-Identifier: Apache-2.0 */
/* test_dataset.c - training sets through the public functions: what was added comes back, a refused subject
 * changes nothing, a wrong file is named as what it is. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hdf5.h>

#include "data/preprocess.h"
#include "data/resize.h"
#include "io/dataset_seal.h"
#include "slmt/dataset.h"
#include "slmt/slmt_net.h"

#include <cmocka.h> /* last: its fail() is a macro, ours a function */

#include "tests/file_bytes.h"
#define OWN_FOLDER "/tmp/slmt-dataset-XXXXXX"
#include "tests/own_folder.h"
#include "tests/sealed_set.h"

enum {
    NX = 12,
    NY = 10,
    NZ = 7,
    CROP = 9,
    FIRST = 1,
    SLICES = 4,
    IMAGE = 16,
    PIXELS = IMAGE * IMAGE,
    PATH = 512
};

/* ---- a context whose allocator can fail ---- */

static long allocations_left, allocations_live;

static void *failing_alloc(void *user, size_t bytes)
{
    (void)user;
    if (allocations_left == 0)
        return NULL;
    if (allocations_left > 0)
        allocations_left--;
    __atomic_add_fetch(&allocations_live, 1, __ATOMIC_RELAXED);
    return malloc(bytes);
}

static void failing_free(void *user, void *p)
{
    (void)user;
    __atomic_sub_fetch(&allocations_live, 1, __ATOMIC_RELAXED);
    free(p);
}

static slmt_context *context;

static int make_context(void **state)
{
    (void)state;
    slmt_context_config config;
    slmt_context_config_init(&config);
    config.backend = SLMT_BACKEND_REFERENCE;
    config.threads = 1;
    config.alloc = failing_alloc;
    config.free = failing_free;
    allocations_left = -1;
    allocations_live = 0;
    return slmt_context_create(&config, &context);
}

static int free_context(void **state)
{
    (void)state;
    uint64_t live = slmt_context_live_bytes(context);
    slmt_context_free(context);
    count_files(1);
    return allocations_live == 0 ? 0 : (int)(1 + live);
}

/* ---- volumes and sets ---- */

static const int64_t grid[3] = {NX, NY, NZ};
static const double lps[16] = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
static const char *const contrasts[2] = {"T1", "T2-flair_x"};

/* kind 0: constant; else values that differ by kind, the corner being background. */
static void fill(int kind, float *voxels)
{
    for (int i = 0; i < NX * NY * NZ; i++)
        voxels[i] = kind && i ? (float)((i * 37 + kind * 101) % 251) + 1.0f : 0.0f;
}

static slmt_volume *volume(int kind)
{
    static float voxels[NX * NY * NZ];
    slmt_volume *v = NULL;
    fill(kind, voxels);
    assert_int_equal(slmt_volume_create(context, grid, lps, voxels, &v), SLMT_OK);
    return v;
}

static slmt_preprocess settings(void)
{
    slmt_preprocess p;
    slmt_preprocess_init(&p);
    p.crop_size = CROP;
    p.slice_first = FIRST;
    p.slice_count = SLICES;
    p.image_size = IMAGE;
    return p;
}

static slmt_status start(const char *path, slmt_dataset_writer **w)
{
    slmt_preprocess p = settings();
    return slmt_dataset_writer_create_mr(context, path, &p, contrasts, 2, w);
}

/* Kind below 0: missing. */
static slmt_status add(slmt_dataset_writer *w, const char *subject, int first, int second, int32_t split)
{
    slmt_volume *v[2] = {first < 0 ? NULL : volume(first), second < 0 ? NULL : volume(second)};
    slmt_status s = slmt_dataset_writer_add(w, subject, (const slmt_volume *const *)v, split);
    slmt_volume_free(v[0]);
    slmt_volume_free(v[1]);
    return s;
}

static void write_example(const char *path)
{
    slmt_dataset_writer *w;
    assert_int_equal(start(path, &w), SLMT_OK);
    assert_int_equal(add(w, "zoe.1", 1, 2, SLMT_SPLIT_TRAIN), SLMT_OK);
    assert_int_equal(add(w, "adam", 3, -1, SLMT_SPLIT_TEST), SLMT_OK);
    assert_int_equal(add(w, "a..b", -1, 4, SLMT_SPLIT_TRAIN), SLMT_OK);
    assert_int_equal(slmt_dataset_writer_finish(w), SLMT_OK);
}

/* What slice of the volume of that kind is expected to be. */
static void expected_slice(int kind, int slice, int32_t resize, float *pixels)
{
    static float voxels[NX * NY * NZ];
    slmt_preprocess p = settings();
    mem m;
    float *slices;
    int count;
    fill(kind, voxels);
    mem_init(&m, NULL, NULL, NULL, 0);
    assert_int_equal(preprocess_volume(&m, &p, grid, lps, voxels, &slices, &count, NULL), OK);
    assert_int_equal(count, SLICES);
    (resize == SLMT_RESIZE_NEAREST ? resize_nearest : resize_bilinear)(slices + slice * CROP * CROP, CROP,
                                                                       CROP, pixels, IMAGE, IMAGE);
    mem_give(&m, slices);
}

static void assert_slices(slmt_dataset *d, size_t subject, size_t contrast, int kind)
{
    float pixels[PIXELS], expected[PIXELS];
    assert_int_equal(slmt_dataset_slice_count(d, subject, contrast), SLICES);
    for (int i = 0; i < SLICES; i++)
        for (int32_t resize = SLMT_RESIZE_BILINEAR; resize <= SLMT_RESIZE_NEAREST; resize++) {
            assert_int_equal(slmt_dataset_read_slice(d, subject, contrast, (size_t)i, resize, pixels),
                             SLMT_OK);
            expected_slice(kind, i, resize, expected);
            assert_memory_equal(pixels, expected, sizeof expected);
        }
}

static void assert_fails(slmt_status s, slmt_status expected, const char *part)
{
    if (s != expected)
        fail_msg("status %d, expected %d: %s", s, expected, slmt_error_text());
    if (!strstr(slmt_error_text(), part))
        fail_msg("\"%s\" does not say \"%s\"", slmt_error_text(), part);
}

/* ---- round trip ---- */

static void slices_come_back_as_preprocessing_made_them(void **state)
{
    (void)state;
    slmt_dataset *d;
    slmt_preprocess p;
    write_example(in_folder("set.h5"));
    assert_int_equal(slmt_dataset_open(context, in_folder("set.h5"), &d), SLMT_OK);
    slmt_preprocess_init(&p);
    assert_int_equal(slmt_dataset_get_preprocess(d, &p), SLMT_OK);
    slmt_preprocess q = settings();
    assert_memory_equal(&p, &q, sizeof p);
    assert_int_equal(slmt_dataset_contrast_count(d), 2);
    assert_string_equal(slmt_dataset_contrast(d, 0), "T1");
    assert_string_equal(slmt_dataset_contrast(d, 1), "T2-flair_x");
    assert_null(slmt_dataset_contrast(d, 2));
    assert_slices(d, 0, 0, 1);
    assert_slices(d, 0, 1, 2);
    assert_slices(d, 1, 0, 3);
    assert_slices(d, 2, 1, 4);
    slmt_dataset_free(d);
}

static void subjects_keep_the_order_they_were_added_in(void **state)
{
    (void)state;
    slmt_dataset *d;
    write_example(in_folder("set.h5"));
    assert_int_equal(slmt_dataset_open(context, in_folder("set.h5"), &d), SLMT_OK);
    assert_int_equal(slmt_dataset_subject_count(d), 3);
    assert_string_equal(slmt_dataset_subject(d, 0), "zoe.1");
    assert_string_equal(slmt_dataset_subject(d, 1), "adam");
    assert_string_equal(slmt_dataset_subject(d, 2), "a..b");
    assert_null(slmt_dataset_subject(d, 3));
    assert_int_equal(slmt_dataset_subject_split(d, 0), SLMT_SPLIT_TRAIN);
    assert_int_equal(slmt_dataset_subject_split(d, 1), SLMT_SPLIT_TEST);
    assert_int_equal(slmt_dataset_subject_split(d, 3), 0);
    assert_int_equal(slmt_dataset_slice_count(d, 1, 1), 0);
    assert_int_equal(slmt_dataset_slice_count(d, 2, 0), 0);
    assert_int_equal(slmt_dataset_slice_count(d, 3, 0), 0);
    assert_int_equal(slmt_dataset_slice_count(d, 0, 2), 0);
    slmt_dataset_free(d);
}

static void a_set_has_three_parts(void **state)
{
    (void)state;
    static const int32_t splits[] = {SLMT_SPLIT_VALIDATION, SLMT_SPLIT_TRAIN, SLMT_SPLIT_TEST,
                                     SLMT_SPLIT_VALIDATION};
    slmt_dataset_writer *w;
    slmt_dataset *d;
    assert_int_equal(start(in_folder("set.h5"), &w), SLMT_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(add(w, (const char[]){(char)('a' + i), 0}, 1, -1, splits[i]), SLMT_OK);
    assert_fails(add(w, "e", 1, -1, 4), SLMT_ERR_ARGUMENT, "split is 4");
    assert_fails(add(w, "e", 1, -1, -1), SLMT_ERR_ARGUMENT, "split is -1");
    assert_int_equal(slmt_dataset_writer_finish(w), SLMT_OK);
    assert_int_equal(slmt_dataset_open(context, in_folder("set.h5"), &d), SLMT_OK);
    for (size_t i = 0; i < 4; i++) {
        slmt_record record = {.struct_size = sizeof record};
        assert_int_equal(slmt_dataset_record(d, i, &record), SLMT_OK);
        assert_int_equal(record.split, splits[i]);
        assert_int_equal(slmt_dataset_subject_split(d, i), splits[i]);
    }
    slmt_dataset_free(d);
}

static void a_set_keeps_its_context_alive(void **state)
{
    slmt_dataset *d;
    write_example(in_folder("set.h5"));
    assert_int_equal(slmt_dataset_open(context, in_folder("set.h5"), &d), SLMT_OK);
    slmt_context_free(context);
    assert_int_equal(slmt_dataset_subject_count(d), 3);
    slmt_dataset_free(d);
    assert_int_equal(allocations_live, 0);
    make_context(state);
}

static void equal_sets_are_equal_bytes(void **state)
{
    (void)state;
    unsigned char *a, *b;
    write_example(in_folder("a.h5"));
    sleep(1); /* a time stamp would differ */
    write_example(in_folder("b.h5"));
    size_t size = load(in_folder("a.h5"), &a);
    assert_int_equal(load(in_folder("b.h5"), &b), size);
    assert_memory_equal(a, b, size);
    free(a);
    free(b);
}

static void a_set_without_subjects_opens(void **state)
{
    (void)state;
    slmt_dataset_writer *w;
    slmt_dataset *d;
    assert_int_equal(start(in_folder("empty.h5"), &w), SLMT_OK);
    assert_int_equal(slmt_dataset_writer_finish(w), SLMT_OK);
    assert_int_equal(slmt_dataset_open(context, in_folder("empty.h5"), &d), SLMT_OK);
    assert_int_equal(slmt_dataset_subject_count(d), 0);
    slmt_dataset_free(d);
}

/* ---- arguments ---- */

static void wrong_arguments_of_create_are_named(void **state)
{
    (void)state;
    slmt_dataset_writer *w = NULL;
    slmt_preprocess p = settings();
    const char *twice[] = {"T1", "T1"}, *bad[] = {"T 1"}, *many[65];
    char longest[66];
    memset(longest, 'x', 65);
    longest[65] = 0;
    const char *too_long[] = {longest}, *path = in_folder("x.h5");
    for (int i = 0; i < 65; i++)
        many[i] = "T1";
    assert_fails(slmt_dataset_writer_create_mr(NULL, path, &p, contrasts, 2, &w), SLMT_ERR_ARGUMENT,
                 "context is NULL");
    assert_fails(slmt_dataset_writer_create_mr(context, NULL, &p, contrasts, 2, &w), SLMT_ERR_ARGUMENT,
                 "path is NULL");
    assert_fails(slmt_dataset_writer_create_mr(context, path, &p, NULL, 2, &w), SLMT_ERR_ARGUMENT,
                 "contrasts is NULL");
    assert_fails(slmt_dataset_writer_create_mr(context, path, &p, contrasts, 2, NULL), SLMT_ERR_ARGUMENT,
                 "writer");
    assert_fails(slmt_dataset_writer_create_mr(context, path, &p, contrasts, 0, &w), SLMT_ERR_ARGUMENT,
                 "0 contrasts");
    assert_fails(slmt_dataset_writer_create_mr(context, path, &p, many, 65, &w), SLMT_ERR_ARGUMENT,
                 "65 contrasts");
    assert_fails(slmt_dataset_writer_create_mr(context, path, &p, twice, 2, &w), SLMT_ERR_ARGUMENT,
                 "both T1");
    assert_fails(slmt_dataset_writer_create_mr(context, path, &p, bad, 1, &w), SLMT_ERR_ARGUMENT,
                 "contrasts[0]");
    assert_fails(slmt_dataset_writer_create_mr(context, path, &p, too_long, 1, &w), SLMT_ERR_ARGUMENT,
                 "contrasts[0]");
    p.crop_size = 0;
    assert_fails(slmt_dataset_writer_create_mr(context, path, &p, contrasts, 2, &w), SLMT_ERR_ARGUMENT,
                 "crop_size");
    assert_fails(slmt_dataset_writer_create_mr(context, in_folder("no/x.h5"), NULL, contrasts, 2, &w),
                 SLMT_ERR_IO, "no/x.h5");
    assert_null(w);
    assert_int_equal(count_files(0), 0);
}

static void wrong_arguments_of_add_are_named_and_change_nothing(void **state)
{
    (void)state;
    slmt_dataset_writer *w;
    slmt_dataset *d;
    slmt_volume *shifted, *right = volume(1);
    static float voxels[NX * NY * NZ];
    double elsewhere[16];
    char longest[257];
    memset(longest, 'x', 256);
    longest[256] = 0;
    memcpy(elsewhere, lps, sizeof lps);
    elsewhere[3] = 2;
    fill(2, voxels);
    assert_int_equal(slmt_volume_create(context, grid, elsewhere, voxels, &shifted), SLMT_OK);
    assert_int_equal(start(in_folder("set.h5"), &w), SLMT_OK);
    assert_int_equal(add(w, "one", 1, 2, SLMT_SPLIT_TRAIN), SLMT_OK);
    assert_fails(add(w, "one", 1, 2, SLMT_SPLIT_TRAIN), SLMT_ERR_ARGUMENT, "a record one already");
    assert_fails(add(w, "", 1, 2, SLMT_SPLIT_TRAIN), SLMT_ERR_ARGUMENT, "name of a subject must be");
    assert_fails(add(w, ".", 1, 2, SLMT_SPLIT_TRAIN), SLMT_ERR_ARGUMENT, "name of a subject must be");
    assert_fails(add(w, "..", 1, 2, SLMT_SPLIT_TRAIN), SLMT_ERR_ARGUMENT, "name of a subject must be");
    assert_fails(add(w, "a/b", 1, 2, SLMT_SPLIT_TRAIN), SLMT_ERR_ARGUMENT, "name of a subject must be");
    assert_fails(add(w, longest, 1, 2, SLMT_SPLIT_TRAIN), SLMT_ERR_ARGUMENT, "name of a subject must be");
    assert_fails(add(w, "two", 1, 2, SLMT_SPLIT_ALL), SLMT_ERR_ARGUMENT, "split is 0");
    assert_fails(add(w, "two", -1, -1, SLMT_SPLIT_TEST), SLMT_ERR_ARGUMENT, "all volumes are NULL");
    assert_fails(add(w, "two", 1, 0, SLMT_SPLIT_TEST), SLMT_ERR_ARGUMENT, "constant");
    const slmt_volume *unequal[2] = {right, shifted};
    assert_fails(slmt_dataset_writer_add(w, "two", unequal, SLMT_SPLIT_TEST), SLMT_ERR_ARGUMENT,
                 "another grid");
    assert_int_equal(add(w, "two", 3, 4, SLMT_SPLIT_TEST), SLMT_OK);
    assert_int_equal(slmt_dataset_writer_finish(w), SLMT_OK);
    assert_int_equal(slmt_dataset_open(context, in_folder("set.h5"), &d), SLMT_OK);
    assert_int_equal(slmt_dataset_subject_count(d), 2);
    assert_slices(d, 0, 0, 1);
    assert_slices(d, 0, 1, 2);
    assert_slices(d, 1, 0, 3);
    assert_slices(d, 1, 1, 4);
    slmt_dataset_free(d);
    slmt_volume_free(shifted);
    slmt_volume_free(right);
}

static void wrong_arguments_of_read_are_named(void **state)
{
    (void)state;
    slmt_dataset *d = NULL;
    float pixels[PIXELS];
    assert_fails(slmt_dataset_open(context, in_folder("absent.h5"), &d), SLMT_ERR_NOT_FOUND, "absent.h5");
    assert_fails(slmt_dataset_open(context, NULL, &d), SLMT_ERR_ARGUMENT, "path is NULL");
    assert_null(d);
    write_example(in_folder("set.h5"));
    assert_int_equal(slmt_dataset_open(context, in_folder("set.h5"), &d), SLMT_OK);
    assert_fails(slmt_dataset_read_slice(d, 3, 0, 0, 0, pixels), SLMT_ERR_ARGUMENT, "there are 3 subjects");
    assert_fails(slmt_dataset_read_slice(d, 0, 2, 0, 0, pixels), SLMT_ERR_ARGUMENT, "2 contrasts");
    assert_fails(slmt_dataset_read_slice(d, 0, 0, SLICES, 0, pixels), SLMT_ERR_ARGUMENT, "there are 4");
    assert_fails(slmt_dataset_read_slice(d, 0, 0, 0, 2, pixels), SLMT_ERR_ARGUMENT, "resize is 2");
    assert_fails(slmt_dataset_read_slice(d, 0, 0, 0, 0, NULL), SLMT_ERR_ARGUMENT, "pixels is NULL");
    assert_fails(slmt_dataset_read_slice(d, 1, 1, 0, 0, pixels), SLMT_ERR_NOT_FOUND,
                 "adam has no T2-flair_x");
    slmt_dataset_free(d);
    slmt_dataset_free(NULL);
}

/* ---- the file appears whole or not at all ---- */

static void a_subject_may_be_called_as_a_file_is(void **state)
{
    (void)state;
    char longest[256];
    memset(longest, 'x', 255);
    longest[255] = 0;
    const char *const names[] = {"Patient 01", "M\xC3\xBCller", "\xE5\x90\x8D\xE5\x89\x8D", "a+b",
                                 "sub-01(2)",  "100% \\ \"q\"", "\xF0\x9F\xA7\xA0",         " ",
                                 "...",        longest};
    const size_t count = sizeof names / sizeof *names;
    slmt_dataset_writer *w;
    slmt_dataset *d;
    assert_int_equal(start(in_folder("set.h5"), &w), SLMT_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(add(w, names[i], 1, 2, SLMT_SPLIT_TRAIN), SLMT_OK);
    assert_int_equal(slmt_dataset_writer_finish(w), SLMT_OK);
    assert_int_equal(slmt_dataset_open(context, in_folder("set.h5"), &d), SLMT_OK);
    assert_int_equal(slmt_dataset_subject_count(d), count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(slmt_dataset_subject(d, i), names[i]);
    assert_slices(d, 1, 0, 1);
    assert_slices(d, count - 1, 1, 2);
    slmt_dataset_free(d);
}

static void a_name_that_a_terminal_would_obey_is_refused(void **state)
{
    (void)state;
    const char *const names[] = {
        "a\nb",         "\x1B[2J",      "a\x7F",        "\xC2\x9B",         "\xFF",
        "\xC3",         "\xC0\xAF",     "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x80\xAE",
        "\xE2\x81\xA6", "\xE2\x80\xA8", "\xE0\x80\xAF"};
    slmt_dataset_writer *w;
    assert_int_equal(start(in_folder("set.h5"), &w), SLMT_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_fails(add(w, names[i], 1, 2, SLMT_SPLIT_TRAIN), SLMT_ERR_ARGUMENT,
                     "name of a subject must be");
    slmt_dataset_writer_cancel(w);
}

static void no_volume_model_or_set_takes_the_place_of_an_open_set(void **state)
{
    (void)state;
    slmt_dataset *d;
    slmt_dataset_writer *w;
    slmt_model *m;
    const slmt_number tiny = {"preset", SLMT_NET_PRESET_TINY};
    slmt_volume *v = volume(1);
    char set[256], other[256];
    snprintf(set, sizeof set, "%s", in_folder("set.nii"));
    snprintf(other, sizeof other, "%s", in_folder("other.nii"));
    write_example(set);
    assert_int_equal(symlink(set, other), 0);
    assert_int_equal(slmt_model_create(context, "slmt-net", &tiny, 1, 1, &m), SLMT_OK);
    assert_int_equal(slmt_dataset_open(context, set, &d), SLMT_OK);
    assert_fails(slmt_volume_write(v, set), SLMT_ERR_ARGUMENT, "is a training set that is open");
    assert_fails(slmt_volume_write(v, other), SLMT_ERR_ARGUMENT, "is a training set that is open");
    assert_fails(slmt_model_save(m, set), SLMT_ERR_ARGUMENT, "is a training set that is open");
    assert_fails(start(other, &w), SLMT_ERR_ARGUMENT, "is a training set that is open");
    assert_slices(d, 0, 0, 1);
    slmt_dataset_free(d);
    assert_int_equal(slmt_volume_write(v, set), SLMT_OK);
    slmt_model_free(m);
    slmt_volume_free(v);
}

static void another_context_and_another_process_know_that_a_set_is_open(void **state)
{
    (void)state;
    slmt_context *other;
    slmt_dataset *d, *again;
    slmt_dataset_writer *w;
    const char *contrasts[] = {"t1"};
    char set[256];
    snprintf(set, sizeof set, "%s", in_folder("set.h5"));
    write_example(set);
    assert_int_equal(slmt_context_create(NULL, &other), SLMT_OK);
    assert_int_equal(slmt_dataset_open(context, set, &d), SLMT_OK);
    assert_int_equal(slmt_dataset_open(other, set, &again), SLMT_OK); /* any number may read */
    slmt_dataset_free(again);
    assert_fails(slmt_dataset_writer_create_mr(other, set, NULL, contrasts, 1, &w), SLMT_ERR_ARGUMENT,
                 "open elsewhere");
    pid_t child = fork();
    if (child == 0) {
        slmt_dataset_free(d); /* this process's; the parent's stays open */
        _exit(slmt_dataset_writer_create_mr(other, set, NULL, contrasts, 1, &w) == SLMT_ERR_ARGUMENT ? 0 : 1);
    }
    int code;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(code, 0);
    slmt_dataset_free(d);
    assert_int_equal(slmt_dataset_writer_create_mr(other, set, NULL, contrasts, 1, &w), SLMT_OK);
    slmt_dataset_writer_cancel(w);
    slmt_context_free(other);
}

static void two_subjects_of_one_person_are_of_one_group(void **state)
{
    (void)state;
    slmt_dataset_writer *w;
    slmt_dataset *d;
    slmt_volume *v[2] = {volume(1), volume(2)};
    const slmt_volume *const *volumes = (const slmt_volume *const *)v;
    slmt_record record = {.struct_size = sizeof record, .split = SLMT_SPLIT_TEST, .group = "sub-01"};
    assert_int_equal(start(in_folder("set.h5"), &w), SLMT_OK);
    assert_fails(slmt_dataset_writer_add_subject(w, &record, volumes), SLMT_ERR_ARGUMENT, "id is NULL");
    record.id = "sub-01_ses-1";
    assert_int_equal(slmt_dataset_writer_add_subject(w, &record, volumes), SLMT_OK);
    record.id = "sub-01_ses-2";
    assert_int_equal(slmt_dataset_writer_add_subject(w, &record, volumes), SLMT_OK);
    record.id = "sub-02";
    record.group = "a/b";
    assert_fails(slmt_dataset_writer_add_subject(w, &record, volumes), SLMT_ERR_ARGUMENT,
                 "name of its group");
    record.group = NULL;
    assert_int_equal(slmt_dataset_writer_add_subject(w, &record, volumes), SLMT_OK);
    assert_int_equal(slmt_dataset_writer_finish(w), SLMT_OK);
    assert_int_equal(slmt_dataset_open(context, in_folder("set.h5"), &d), SLMT_OK);
    const char *const groups[] = {"sub-01", "sub-01", "sub-02"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(slmt_dataset_record(d, i, &record), SLMT_OK);
        assert_string_equal(record.group, groups[i]);
        assert_int_equal(record.split, SLMT_SPLIT_TEST);
    }
    assert_slices(d, 1, 1, 2);
    slmt_dataset_free(d);
    slmt_volume_free(v[0]);
    slmt_volume_free(v[1]);
}

static void a_cancelled_writer_leaves_nothing_and_the_old_set(void **state)
{
    (void)state;
    slmt_dataset_writer *w;
    slmt_dataset *d;
    assert_int_equal(start(in_folder("set.h5"), &w), SLMT_OK);
    assert_int_equal(add(w, "one", 1, 2, SLMT_SPLIT_TRAIN), SLMT_OK);
    slmt_dataset_writer_cancel(w);
    slmt_dataset_writer_cancel(NULL);
    assert_int_equal(count_files(0), 0);
    write_example(in_folder("set.h5"));
    assert_int_equal(start(in_folder("set.h5"), &w), SLMT_OK);
    assert_int_equal(slmt_dataset_open(context, in_folder("set.h5"), &d), SLMT_OK);
    assert_int_equal(slmt_dataset_writer_finish(w), SLMT_OK);
    assert_slices(d, 1, 0, 3); /* the old one stays readable while it is open */
    slmt_dataset_free(d);
    assert_int_equal(count_files(0), 1);
}

static void a_full_disk_is_reported_and_leaves_the_old_set(void **state)
{
    (void)state;
    struct rlimit old, small;
    unsigned char *bytes, *after;
    write_example(in_folder("set.h5"));
    size_t size = load(in_folder("set.h5"), &bytes);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    for (size_t limit = 0; limit < size; limit += 401) {
        slmt_dataset_writer *w;
        small = (struct rlimit){limit, old.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
        slmt_status s = start(in_folder("set.h5"), &w);
        if (s == SLMT_OK) {
            slmt_status one = add(w, "zoe.1", 1, 2, SLMT_SPLIT_TRAIN),
                        two = add(w, "adam", 3, -1, SLMT_SPLIT_TEST),
                        three = add(w, "a..b", -1, 4, SLMT_SPLIT_TRAIN);
            assert_true(one == SLMT_OK || (one == SLMT_ERR_IO && two == one && three == one));
            s = slmt_dataset_writer_finish(w);
        }
        setrlimit(RLIMIT_FSIZE, &old);
        assert_fails(s, SLMT_ERR_IO, "set.h5");
        assert_int_equal(load(in_folder("set.h5"), &after), size);
        assert_memory_equal(after, bytes, size);
        free(after);
    }
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(count_files(0), 1);
    assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
    free(bytes);
}

static void every_failed_allocation_of_add_leaves_the_set_usable(void **state)
{
    (void)state;
    slmt_dataset_writer *w;
    slmt_dataset *d;
    slmt_volume *v[2] = {volume(1), volume(2)};
    long n, before = allocations_live;
    assert_int_equal(start(in_folder("set.h5"), &w), SLMT_OK);
    for (n = 0;; n++) {
        long live = allocations_live;
        allocations_left = n;
        slmt_status s = slmt_dataset_writer_add(w, "one", (const slmt_volume *const *)v, SLMT_SPLIT_TRAIN);
        allocations_left = -1;
        if (s != SLMT_OK)
            assert_in_range(allocations_live - live, 0, 3); /* lists that grew stay for the next record */
        if (s == SLMT_OK)
            break;
        assert_int_equal(s, SLMT_ERR_MEMORY);
    }
    assert_true(n >= 20);
    assert_int_equal(slmt_dataset_writer_finish(w), SLMT_OK);
    assert_int_equal(allocations_live, before);
    for (n = 0;; n++) {
        long live = allocations_live;
        allocations_left = n;
        slmt_status s = slmt_dataset_open(context, in_folder("set.h5"), &d);
        allocations_left = -1;
        if (s == SLMT_OK)
            break;
        assert_int_equal(s, SLMT_ERR_MEMORY);
        assert_int_equal(allocations_live, live);
    }
    assert_true(n >= 10);
    assert_int_equal(slmt_dataset_subject_count(d), 1);
    assert_slices(d, 0, 0, 1);
    assert_slices(d, 0, 1, 2);
    slmt_dataset_free(d);
    slmt_volume_free(v[0]);
    slmt_volume_free(v[1]);
}

/* ---- wrong files ---- */

static slmt_status try_open(const char *path)
{
    slmt_dataset *d = NULL;
    slmt_status s = slmt_dataset_open(context, path, &d);
    assert_true((s == SLMT_OK) == (d != NULL));
    slmt_dataset_free(d);
    return s;
}

static void other_files_newer_versions_and_cut_ones_are_refused(void **state)
{
    (void)state;
    const char *path = in_folder("set.h5");
    unsigned char *bytes;
    write_example(path);
    size_t size = load(path, &bytes);
    for (size_t cut = 0; cut < size; cut += 97) {
        assert_int_equal(truncate(path, (off_t)cut), 0);
        slmt_status s = try_open(path);
        assert_fails(s, cut < 100 ? SLMT_ERR_FORMAT : SLMT_ERR_CORRUPT,
                     path); /* then its first lines are there */
        store(path, bytes, size);
    }
    assert_int_equal(try_open(path), SLMT_OK);
    bytes[strlen("libslmt dataset\nversion ")] = '4';
    store(path, bytes, size);
    assert_fails(try_open(path), SLMT_ERR_VERSION, "training set version 4, this library reads up to 3");
    bytes[strlen("libslmt dataset\nversion ")] = '0';
    store(path, bytes, size);
    assert_fails(try_open(path), SLMT_ERR_FORMAT, path);
    H5Fclose(H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
    assert_fails(try_open(path), SLMT_ERR_FORMAT, "not a libslmt training set");
    free(bytes);
}

/* The example opened with HDF5, to be spoilt. */
static hid_t spoil(const char *path)
{
    write_example(path);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

/* The same in version 1. */
static void copy_example_1(const char *path)
{
    unsigned char *bytes;
    size_t size = load(SLMT_SOURCE_DIR "/tests/data/set_1.h5", &bytes);
    store(path, bytes, size);
    free(bytes);
}

static hid_t spoil_1(const char *path)
{
    copy_example_1(path);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

static void assert_spoilt(hid_t file, const char *path, const char *part)
{
    close_and_seal_set(file, path);
    assert_fails(try_open(path), SLMT_ERR_SCHEMA, part);
}

static void put_number(hid_t file, const char *object, const char *name, int64_t value)
{
    H5Adelete_by_name(file, object, name, H5P_DEFAULT);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t a =
        H5Acreate_by_name(file, object, name, H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(a, H5T_NATIVE_INT64, &value) >= 0);
    H5Aclose(a);
    H5Sclose(space);
}

static void put_real(hid_t file, const char *object, const char *name, double value)
{
    H5Adelete_by_name(file, object, name, H5P_DEFAULT);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t a =
        H5Acreate_by_name(file, object, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(a, H5T_NATIVE_DOUBLE, &value) >= 0);
    H5Aclose(a);
    H5Sclose(space);
}

static void put_text(hid_t file, const char *object, const char *name, const char *value)
{
    H5Adelete_by_name(file, object, name, H5P_DEFAULT);
    hid_t space = H5Screate(H5S_SCALAR), type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, strlen(value) + 1);
    hid_t a = H5Acreate_by_name(file, object, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(a, type, value) >= 0);
    H5Aclose(a);
    H5Tclose(type);
    H5Sclose(space);
}

static void put_slices(hid_t file, const char *name, hid_t type, hsize_t slices, hsize_t side, float value)
{
    const hsize_t dims[3] = {slices, side, side}, chunk[3] = {1, side, side};
    float *values = malloc(slices * side * side * sizeof *values);
    for (hsize_t i = 0; i < slices * side * side; i++)
        values[i] = value;
    H5Ldelete(file, name, H5P_DEFAULT);
    hid_t space = H5Screate_simple(3, dims, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 3, chunk);
    hid_t d = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    assert_true(H5Dwrite(d, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(d);
    H5Pclose(plist);
    H5Sclose(space);
    free(values);
}

static void wrong_attributes_of_version_1_are_named(void **state)
{
    (void)state;
    const char *path = in_folder("set.h5");
    hid_t f = spoil_1(path);
    put_number(f, "/", "crop_size", 1ll << 40);
    assert_spoilt(f, path, "attribute crop_size of / is 1099511627776");
    f = spoil_1(path);
    put_number(f, "/", "crop_size", -3);
    assert_spoilt(f, path, "crop_size");
    f = spoil_1(path);
    H5Adelete(f, "crop_x");
    assert_spoilt(f, path, "no attribute crop_x");
    f = spoil_1(path);
    put_number(f, "/", "extra", 1);
    assert_spoilt(f, path, "has 12 attributes");
    f = spoil_1(path);
    put_text(f, "/", "contrasts", "T1,,T2");
    assert_spoilt(f, path, "attribute contrasts must be");
    f = spoil_1(path);
    put_text(f, "/", "contrasts", "T1,T1");
    assert_spoilt(f, path, "attribute contrasts must be");
    f = spoil_1(path);
    put_number(f, "/", "contrasts", 1);
    assert_spoilt(f, path, "attribute contrasts of / is int64, expected text");
    f = spoil_1(path);
    put_text(f, "/subjects/adam", "split", "half");
    assert_spoilt(f, path, "split is \"half\"");
    f = spoil_1(path);
    put_number(f, "/subjects/adam", "index", 0);
    assert_spoilt(f, path, "index 0 is past the last or taken");
    f = spoil_1(path);
    put_number(f, "/subjects/adam", "index", 3);
    assert_spoilt(f, path, "index 3 is past the last or taken");
}

static void wrong_groups_and_tensors_of_version_1_are_named(void **state)
{
    (void)state;
    const char *path = in_folder("set.h5");
    hid_t f = spoil_1(path);
    H5Gclose(H5Gcreate2(f, "/notes", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    assert_spoilt(f, path, "/notes is unexpected");
    f = spoil_1(path);
    H5Gclose(H5Gcreate2(f, "/subjects/adam/more", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    assert_spoilt(f, path, "/subjects/adam/more is unexpected");
    f = spoil_1(path);
    H5Ldelete(f, "/subjects/adam/T1", H5P_DEFAULT);
    assert_spoilt(f, path, "/subjects/adam: expected tensors named as contrasts");
    f = spoil_1(path);
    put_slices(f, "/subjects/adam/T3", H5T_IEEE_F32LE, SLICES, CROP, 0);
    assert_spoilt(f, path, "/subjects/adam: expected tensors named as contrasts");
    f = spoil_1(path);
    put_slices(f, "/subjects/adam/T1", H5T_IEEE_F32LE, SLICES, CROP + 1, 0);
    assert_spoilt(f, path, "is [4,10,10] in chunks [1,10,10], crop_size 9 needs [slices,9,9]");
    f = spoil_1(path);
    put_slices(f, "/subjects/adam/T1", H5T_IEEE_F64LE, SLICES, CROP, 0);
    assert_spoilt(f, path, "/subjects/adam/T1 is float64, expected float32");
    f = spoil_1(path);
    put_slices(f, "/subjects/zoe.1/T1", H5T_IEEE_F32LE, SLICES - 1, CROP, 0);
    assert_spoilt(f, path, "/subjects/zoe.1: its contrasts differ in the number of slices");
    f = spoil_1(path);
    H5Lcreate_soft("/subjects/adam", f, "/subjects/eve", H5P_DEFAULT, H5P_DEFAULT);
    assert_spoilt(f, path, "/subjects/eve is a soft or external link");
    f = spoil_1(path);
    H5Ldelete(f, "/subjects/adam", H5P_DEFAULT);
    assert_spoilt(f, path, "index 2 is past the last or taken");
}

static void wrong_attributes_of_the_source_are_named(void **state)
{
    (void)state;
    const char *path = in_folder("set.h5");
    hid_t f = spoil(path);
    put_number(f, "/source", "crop_size", 1ll << 40);
    assert_spoilt(f, path, "attribute crop_size of /source is 1099511627776");
    f = spoil(path);
    put_number(f, "/source", "crop_size", -3);
    assert_spoilt(f, path, "crop_size");
    f = spoil(path);
    put_number(f, "/source", "crop_size", CROP + 1);
    assert_spoilt(f, path, "/fields/T1: a set of MR volumes has images");
    f = spoil(path);
    H5Adelete_by_name(f, "/source", "crop_x", H5P_DEFAULT);
    assert_spoilt(f, path, "/source has no attribute crop_x");
    f = spoil(path);
    put_number(f, "/source", "extra", 1);
    assert_spoilt(f, path, "/source has 13 attributes");
    f = spoil(path);
    put_text(f, "/source", "importer", "ct");
    assert_spoilt(f, path, "/source: importer is \"ct\"");
    f = spoil(path);
    put_text(f, "/fields/T1", "axes", "slice,column,row");
    assert_spoilt(f, path, "/fields/T1: a set of MR volumes has images");
    f = spoil(path);
    put_slices(f, "/subjects/zoe.1/T1", H5T_IEEE_F32LE, SLICES - 1, CROP, 0);
    assert_spoilt(f, path, "/subjects/zoe.1: axis slice of T1 has extent 3, that of T2-flair_x 4");
}

/* The geometry of a record is whole, or not there: then nothing is known of the set, and it is read all the
 * same. */
static void a_records_geometry_is_whole_or_missing(void **state)
{
    (void)state;
    static const char *const axes[] = {"spacing", "field", "head", "place"};
    const char *path = in_folder("set.h5");
    slmt_geometry g = {.struct_size = sizeof g};
    slmt_dataset *d;
    hid_t f = spoil(path);
    H5Adelete_by_name(f, "/subjects/adam", "head_y", H5P_DEFAULT);
    assert_spoilt(f, path, "/subjects/adam has 15 attributes");
    f = spoil(path);
    put_real(f, "/subjects/adam", "spacing_x", -1);
    assert_spoilt(f, path, "/subjects/adam: its geometry");
    f = spoil(path);
    put_real(f, "/subjects/adam", "part", NAN);
    assert_spoilt(f, path, "/subjects/adam: its geometry");
    f = spoil(path);
    for (int i = 0; i < 12; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s_%c", axes[i / 3], "xyz"[i % 3]);
        H5Adelete_by_name(f, "/subjects/adam", name, H5P_DEFAULT);
    }
    H5Adelete_by_name(f, "/subjects/adam", "part", H5P_DEFAULT);
    close_and_seal_set(f, path);
    assert_int_equal(slmt_dataset_open(context, path, &d), SLMT_OK);
    assert_int_equal(slmt_dataset_geometry(d, SLMT_SPLIT_ALL, &g), SLMT_OK);
    assert_int_equal(g.volumes, 0);
    assert_int_equal(slmt_dataset_geometry(d, SLMT_SPLIT_TRAIN, &g), SLMT_OK);
    assert_int_equal(g.volumes, 2); /* adam is for testing */
    assert_true(g.spacing_least[0] == 1 && g.spacing_most[2] == 1);
    slmt_dataset_free(d);
    copy_example_1(path);
    assert_int_equal(slmt_dataset_open(context, path, &d), SLMT_OK);
    assert_int_equal(slmt_dataset_geometry(d, SLMT_SPLIT_ALL, &g), SLMT_OK);
    assert_int_equal(g.volumes, 0);
    slmt_dataset_free(d);
}

/* A file of version 1, made by the library that wrote it, and one of version 2 with the same contents. */
static void a_set_of_version_1_is_read_as_one_of_version_2(void **state)
{
    (void)state;
    slmt_dataset *d;
    copy_example_1(in_folder("old.h5"));
    write_example(in_folder("new.h5"));
    const char *const paths[] = {"old.h5", "new.h5"};
    for (int i = 0; i < 2; i++) {
        slmt_preprocess p = {.struct_size = sizeof p}, q = settings();
        slmt_field field = {.struct_size = sizeof field};
        slmt_record record = {.struct_size = sizeof record};
        assert_int_equal(slmt_dataset_open(context, in_folder(paths[i]), &d), SLMT_OK);
        assert_int_equal(slmt_dataset_get_preprocess(d, &p), SLMT_OK);
        q.background =
            i == 0 ? SLMT_BACKGROUND_CORNER : SLMT_BACKGROUND_SURFACE; /* which the old one has not */
        assert_memory_equal(&p, &q, sizeof p);
        assert_string_equal(slmt_dataset_source(d), "mr");
        assert_int_equal(slmt_dataset_field_count(d), 2);
        assert_int_equal(slmt_dataset_field(d, 1, &field), SLMT_OK);
        assert_string_equal(field.name, "T2-flair_x");
        assert_string_equal(field.axes, "slice,row,column");
        assert_string_equal(field.classes, "");
        assert_int_equal(field.kind, SLMT_FIELD_IMAGE);
        assert_int_equal(field.type, SLMT_TENSOR_FLOAT32);
        assert_memory_equal(field.dim, ((int64_t[6]){0, CROP, CROP}), sizeof field.dim);
        assert_int_equal(slmt_dataset_record_count(d), 3);
        assert_int_equal(slmt_dataset_record(d, 1, &record), SLMT_OK);
        assert_string_equal(record.id, "adam");
        assert_string_equal(record.group, "adam");
        assert_int_equal(record.split, SLMT_SPLIT_TEST);
        assert_slices(d, 0, 0, 1);
        assert_slices(d, 0, 1, 2);
        assert_slices(d, 1, 0, 3);
        assert_int_equal(slmt_dataset_slice_count(d, 1, 1), 0);
        assert_slices(d, 2, 1, 4);
        slmt_dataset_free(d);
    }
}

static void a_slice_outside_0_to_1_is_corrupt(void **state)
{
    (void)state;
    const float wrong[] = {-0.5f, 1.5f, 0.0f / 0.0f};
    float pixels[PIXELS];
    slmt_dataset *d;
    for (int i = 0; i < 3; i++) {
        hid_t f = spoil(in_folder("set.h5"));
        put_slices(f, "/subjects/adam/T1", H5T_IEEE_F32LE, SLICES, CROP, wrong[i]);
        close_and_seal_set(f, in_folder("set.h5"));
        assert_int_equal(slmt_dataset_open(context, in_folder("set.h5"), &d), SLMT_OK);
        assert_fails(slmt_dataset_read_slice(d, 1, 0, 2, 0, pixels), SLMT_ERR_CORRUPT,
                     i < 2 ? "/subjects/adam/T1: slice 2 holds a value outside [0, 1]"
                           : "/subjects/adam/T1: row 2 holds a value that is not finite");
        slmt_dataset_free(d);
    }
}

/* Compressed data that do not decompress, under right digests: found when the slice is read. */
static void a_damaged_slice_is_corrupt(void **state)
{
    (void)state;
    const char *path = in_folder("set.h5");
    unsigned char *bytes;
    float pixels[PIXELS];
    slmt_dataset *d;
    write_example(path);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT),
          data = H5Dopen2(file, "/subjects/adam/T1", H5P_DEFAULT);
    hsize_t at[3];
    unsigned mask;
    haddr_t address;
    hsize_t stored;
    hid_t space = H5Dget_space(data);
    assert_true(H5Dget_chunk_info(data, space, 2, at, &mask, &address, &stored) >= 0);
    H5Sclose(space);
    H5Dclose(data);
    H5Fclose(file);
    size_t size = load(path, &bytes);
    memset(bytes + 512 + address, 0xff, 16); /* addresses count from behind the user block */
    store(path, bytes, size);
    seal_set(path);
    assert_int_equal(slmt_dataset_open(context, path, &d), SLMT_OK);
    assert_int_equal(slmt_dataset_read_slice(d, 1, 0, 1, 0, pixels), SLMT_OK);
    assert_fails(slmt_dataset_read_slice(d, 1, 0, 2, 0, pixels), SLMT_ERR_CORRUPT,
                 "/subjects/adam/T1: the chunk from row 2 on does not inflate to its size");
    assert_int_equal(slmt_dataset_read_slice(d, 1, 0, 3, 0, pixels), SLMT_OK);
    slmt_dataset_free(d);
    free(bytes);
}

/* ---- threads ---- */

static void *read_often(void *path)
{
    float pixels[PIXELS];
    slmt_dataset *d;
    if (slmt_dataset_open(context, path, &d) != SLMT_OK)
        return "open";
    for (int i = 0; i < 400; i++)
        if (slmt_dataset_read_slice(d, 0, i % 2, i % SLICES, 0, pixels) != SLMT_OK)
            return "read";
    slmt_dataset_free(d);
    return NULL;
}

static void two_threads_read_two_sets(void **state)
{
    (void)state;
    pthread_t threads[2];
    char paths[2][PATH];
    for (int i = 0; i < 2; i++) {
        snprintf(paths[i], PATH, "%s/thread-%d.h5", folder, i);
        write_example(paths[i]);
    }
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, read_often, paths[i]);
    for (int i = 0; i < 2; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_context, free_context)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(slices_come_back_as_preprocessing_made_them),
        CASE(subjects_keep_the_order_they_were_added_in),
        CASE(a_set_has_three_parts),
        CASE(a_set_keeps_its_context_alive),
        CASE(equal_sets_are_equal_bytes),
        CASE(a_set_without_subjects_opens),
        CASE(wrong_arguments_of_create_are_named),
        CASE(wrong_arguments_of_add_are_named_and_change_nothing),
        CASE(wrong_arguments_of_read_are_named),
        CASE(a_subject_may_be_called_as_a_file_is),
        CASE(a_name_that_a_terminal_would_obey_is_refused),
        CASE(no_volume_model_or_set_takes_the_place_of_an_open_set),
        CASE(another_context_and_another_process_know_that_a_set_is_open),
        CASE(two_subjects_of_one_person_are_of_one_group),
        CASE(a_cancelled_writer_leaves_nothing_and_the_old_set),
        CASE(a_full_disk_is_reported_and_leaves_the_old_set),
        CASE(every_failed_allocation_of_add_leaves_the_set_usable),
        CASE(other_files_newer_versions_and_cut_ones_are_refused),
        CASE(wrong_attributes_of_version_1_are_named),
        CASE(wrong_groups_and_tensors_of_version_1_are_named),
        CASE(wrong_attributes_of_the_source_are_named),
        CASE(a_records_geometry_is_whole_or_missing),
        CASE(a_set_of_version_1_is_read_as_one_of_version_2),
        CASE(a_slice_outside_0_to_1_is_corrupt),
        CASE(a_damaged_slice_is_corrupt),
        CASE(two_threads_read_two_sets),
    };
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* spoiling files tries things that fail */
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
