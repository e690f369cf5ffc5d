/* SPDX-License-Identifier: Apache-2.0 */
/* test_checkpoint.c - checkpoints come back as written, and whatever is wrong with a file is said, never
 * swallowed: damage by the digest, forgeries with a correct digest by the walk over the file. */
#define _GNU_SOURCE /* memmem */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <dirent.h>

#include <hdf5.h>

#include "io/checkpoint.h"
#include "io/checkpoint_seal.h"

#include <cmocka.h> /* last: its fail() is a macro, ours a function */

#include "tests/file_bytes.h"
#define OWN_FOLDER "/tmp/slmt-checkpoint-XXXXXX"
#include "tests/own_folder.h"

enum { ROWS = 100, COLUMNS = 37, PATH = 512 };

static void for_each_file(int (*act)(const char *))
{
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            act(in_folder(e->d_name));
    closedir(d);
}

static int delete_folder(void **state)
{
    count_files(1);
    return leave_folder(state);
}

/* ---- a memory that can fail ---- */

typedef struct failing {
    long left; /* allocations that succeed; negative: all */
    long live;
} failing;

static void *failing_alloc(void *user, size_t bytes)
{
    failing *f = user;
    if (f->left == 0)
        return NULL;
    if (f->left > 0)
        f->left--;
    f->live++;
    return malloc(bytes);
}

static void failing_free(void *user, void *p)
{
    ((failing *)user)->live--;
    free(p);
}

static failing memory_state = {-1, 0};
static mem memory;

static int fresh_memory(void **state)
{
    (void)state;
    memory_state = (failing){-1, 0};
    mem_init(&memory, failing_alloc, failing_free, &memory_state, 0);
    return 0;
}

static int nothing_is_left(void **state)
{
    (void)state;
    return memory_state.live == 0 && memory.live == 0 ? 0 : -1;
}

/* ---- files ---- */

static float weight(int64_t i)
{
    return (float)i * 0.25f - 17.0f;
}

static const int64_t weight_dims[2] = {ROWS, COLUMNS};
static const int64_t step_dims[1] = {3};
static const uint64_t steps[3] = {1, UINT64_MAX, 1ull << 63};
static const double moment = 1.0 / 3.0;

/* The path is freed of what it held on failure. */
static status write_example(const char *path)
{
    static float weights[ROWS * COLUMNS];
    for (int64_t i = 0; i < ROWS * COLUMNS; i++)
        weights[i] = weight(i);
    checkpoint_writer *w;
    TRY(checkpoint_create(&memory, path, &w));
    status s = checkpoint_put_text(w, "model", "method", "slmt-net");
    if (s == OK)
        s = checkpoint_put_int(w, "model/options", "depth", -12);
    if (s == OK)
        s = checkpoint_put_real(w, "model/preprocess", "low_percentile", 0.2);
    if (s == OK)
        s = checkpoint_put_text(w, "model/card", "empty", "");
    if (s == OK)
        s = checkpoint_put_tensor(w, "weights", "E.blocks.0.attn.qkv.weight", CHECKPOINT_F32, 2, weight_dims,
                                  weights);
    if (s == OK)
        s = checkpoint_put_tensor(w, "weights", "E.bias", CHECKPOINT_F32, 1, (int64_t[]){COLUMNS}, weights);
    if (s == OK)
        s = checkpoint_put_tensor(w, "training/m", "E.bias", CHECKPOINT_F64, 0, NULL, &moment);
    if (s == OK)
        s = checkpoint_put_tensor(w, "training", "steps", CHECKPOINT_U64, 1, step_dims, steps);
    if (s == OK)
        return checkpoint_finish(w);
    checkpoint_cancel(w);
    return s;
}

static status try_open(const char *path)
{
    checkpoint *c = NULL;
    status s = checkpoint_open(&memory, path, &c);
    if (s == OK)
        checkpoint_close(c);
    else
        assert_null(c);
    return s;
}

static status try_memory(const void *bytes, size_t size)
{
    checkpoint *c = NULL;
    status s = checkpoint_open_memory(&memory, bytes, size, &c);
    if (s == OK)
        checkpoint_close(c);
    return s;
}

static void assert_says(const char *part)
{
    if (!strstr(status_text(), part))
        fail_msg("\"%s\" does not say \"%s\"", status_text(), part);
}

/* The text names the file first. */
static void assert_fails(status s, status expected, const char *path, const char *part)
{
    if (s != expected)
        fail_msg("status %d, expected %d: %s", s, expected, status_text());
    assert_int_equal(strncmp(status_text(), path, strlen(path)), 0);
    assert_says(part);
}

/* ---- round trip ---- */

static void check_example(checkpoint *c)
{
    int64_t integer;
    int32_t narrow;
    double real, moment_back;
    const char *text;
    static float weights[ROWS * COLUMNS];
    uint64_t steps_back[3];
    assert_int_equal(checkpoint_text(c, "model", "method", &text), OK);
    assert_string_equal(text, "slmt-net");
    assert_int_equal(checkpoint_int(c, "model/options", "depth", &integer), OK);
    assert_int_equal(integer, -12);
    assert_int_equal(checkpoint_int32(c, "model/options", "depth", -12, -12, &narrow), OK);
    assert_int_equal(checkpoint_int32(c, "model/options", "depth", 1, 64, &narrow), ERR_SCHEMA);
    assert_says("attribute depth of /model/options is -12, expected 1 to 64");
    assert_int_equal(checkpoint_real(c, "model/preprocess", "low_percentile", &real), OK);
    assert_true(real == 0.2);
    assert_int_equal(checkpoint_text(c, "model/card", "empty", &text), OK);
    assert_string_equal(text, "");
    assert_int_equal(checkpoint_read(c, "weights", "E.blocks.0.attn.qkv.weight", CHECKPOINT_F32, 2,
                                     weight_dims, NULL, weights),
                     OK);
    for (int64_t i = 0; i < ROWS * COLUMNS; i++)
        assert_true(weights[i] == weight(i));
    assert_int_equal(checkpoint_read(c, "training", "steps", CHECKPOINT_U64, 1, step_dims, NULL, steps_back),
                     OK);
    assert_memory_equal(steps_back, steps, sizeof steps);
    assert_int_equal(checkpoint_read(c, "training/m", "E.bias", CHECKPOINT_F64, 0, NULL, NULL, &moment_back),
                     OK);
    assert_true(moment_back == moment);
}

static void a_checkpoint_comes_back_as_written(void **state)
{
    (void)state;
    const char *path = in_folder("roundtrip.h5");
    unsigned char *bytes;
    checkpoint *c;
    assert_int_equal(write_example(path), OK);
    assert_int_equal(checkpoint_open(&memory, path, &c), OK);
    assert_string_equal(checkpoint_label(c), path);
    check_example(c);
    checkpoint_close(c);
    size_t size = load(path, &bytes);
    assert_int_equal(checkpoint_open_memory(&memory, bytes, size, &c), OK);
    check_example(c);
    checkpoint_close(c);
    free(bytes);
}

static void float32_and_float64_convert_and_integers_do_not(void **state)
{
    (void)state;
    const char *path = in_folder("convert.h5");
    checkpoint *c;
    double wide[COLUMNS];
    float narrow;
    int64_t integers[3];
    assert_int_equal(write_example(path), OK);
    assert_int_equal(checkpoint_open(&memory, path, &c), OK);
    assert_int_equal(
        checkpoint_read(c, "weights", "E.bias", CHECKPOINT_F64, 1, (int64_t[]){COLUMNS}, NULL, wide), OK);
    for (int i = 0; i < COLUMNS; i++)
        assert_true(wide[i] == weight(i));
    assert_int_equal(checkpoint_read(c, "training/m", "E.bias", CHECKPOINT_F32, 0, NULL, NULL, &narrow), OK);
    assert_true(narrow == (float)moment);
    assert_fails(checkpoint_read(c, "training", "steps", CHECKPOINT_I64, 1, step_dims, NULL, integers),
                 ERR_SCHEMA, path, "/training/steps is uint64, expected int64");
    assert_fails(checkpoint_read(c, "training", "steps", CHECKPOINT_F64, 1, step_dims, NULL, wide),
                 ERR_SCHEMA, path, "/training/steps is uint64, expected float64");
    checkpoint_close(c);
}

/* What HDF5 itself finds in a tensor, as double. */
static void read_by_hdf5(const char *path, const char *name, double *values)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), dataset = H5Dopen2(file, name, H5P_DEFAULT);
    assert_true(H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(dataset);
    H5Fclose(file);
}

static void seal_file(const char *path);

/* Replaces bytes of a file that are there once, as its author could, and seals it again. */
static void forge_bytes(const char *path, const void *from, const void *to, size_t length)
{
    unsigned char *bytes;
    size_t size = load(path, &bytes);
    unsigned char *at = memmem(bytes, size, from, length);
    assert_non_null(at);
    memcpy(at, to, length);
    store(path, bytes, size);
    seal_file(path);
    free(bytes);
}

static void floats_of_16_bits_are_numbers_to_every_reader_and_convert_to_nothing(void **state)
{
    (void)state;
    static const uint16_t one_third[2] = {0x3EAB, 0x3555}, infinite[2] = {0xFF80, 0xFC00};
    static const checkpoint_type types[2] = {CHECKPOINT_BF16, CHECKPOINT_F16};
    static const char *const names[2] = {"bfloat16", "float16"};
    static const double third[2] = {0x1.56p-2, 0x1.554p-2};
    const char *path = in_folder("half.h5");
    for (int t = 0; t < 2; t++)
        for (int bad = 0; bad < 2; bad++) {
            const uint16_t values[4] = {0, 0x8001, one_third[t], 0xBC00};
            const uint16_t forged[4] = {0, 0x8001, one_third[t], infinite[t]};
            uint16_t back[4];
            float wide[4];
            double numbers[4];
            checkpoint_writer *w;
            checkpoint *c;
            char text[64];
            assert_int_equal(checkpoint_create(&memory, path, &w), OK);
            assert_fails(checkpoint_put_tensor(w, "weights", "x", types[t], 1, (int64_t[]){4}, forged),
                         ERR_NONFINITE, path, "/weights/x: element 3");
            assert_int_equal(checkpoint_put_tensor(w, "weights", "x", types[t], 1, (int64_t[]){4}, values),
                             OK);
            assert_int_equal(checkpoint_finish(w), OK);
            if (bad)
                forge_bytes(path, values, forged, sizeof values);
            assert_int_equal(checkpoint_open(&memory, path, &c), OK);
            assert_int_equal(checkpoint_tensor_find(c, "weights", "x")->type, types[t]);
            status s = checkpoint_read(c, "weights", "x", types[t], 1, (int64_t[]){4}, NULL, back);
            snprintf(text, sizeof text, "/weights/x is %s, expected float32", names[t]);
            if (bad) {
                assert_fails(s, ERR_NONFINITE, path, "element 3");
            } else {
                assert_int_equal(s, OK);
                assert_memory_equal(values, back, sizeof values);
                assert_fails(
                    checkpoint_read(c, "weights", "x", CHECKPOINT_F32, 1, (int64_t[]){4}, NULL, wide),
                    ERR_SCHEMA, path, text);
                read_by_hdf5(path, "/weights/x", numbers);
                assert_true(numbers[0] == 0 && numbers[1] == (t ? -0x1p-24 : -0x1p-133));
                assert_true(numbers[2] == third[t] && numbers[3] == (t ? -1 : -0x1p-7));
            }
            checkpoint_close(c);
        }
}

static void equal_contents_give_equal_bytes(void **state)
{
    (void)state;
    unsigned char *a, *b;
    assert_int_equal(write_example(in_folder("a.h5")), OK);
    sleep(1); /* a time stamp would differ */
    assert_int_equal(write_example(in_folder("b.h5")), OK);
    size_t size = load(in_folder("a.h5"), &a);
    assert_int_equal(load(in_folder("b.h5"), &b), size);
    assert_memory_equal(a, b, size);
    free(a);
    free(b);
}

static void tensors_are_listed_by_group_in_order_of_names(void **state)
{
    (void)state;
    checkpoint *c;
    assert_int_equal(write_example(in_folder("list.h5")), OK);
    assert_int_equal(checkpoint_open(&memory, in_folder("list.h5"), &c), OK);
    assert_string_equal(checkpoint_tensor_at(c, "weights", 0)->name, "E.bias");
    const checkpoint_tensor *t = checkpoint_tensor_at(c, "weights", 1);
    assert_string_equal(t->name, "E.blocks.0.attn.qkv.weight");
    assert_string_equal(t->group, "weights");
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->dims[0], ROWS);
    assert_int_equal(t->dims[1], COLUMNS);
    assert_ptr_equal(checkpoint_tensor_find(c, "weights", "E.blocks.0.attn.qkv.weight"), t);
    assert_null(checkpoint_tensor_at(c, "weights", 2));
    assert_null(checkpoint_tensor_at(c, "model", 0));
    assert_null(checkpoint_tensor_at(c, "absent", 0));
    assert_null(checkpoint_tensor_find(c, "weights", "G.bias"));
    assert_string_equal(checkpoint_attribute_name(c, "model", 0), "method");
    assert_null(checkpoint_attribute_name(c, "model", 1));
    assert_true(checkpoint_has(c, "training", NULL) && checkpoint_has(c, "model", "method"));
    assert_false(checkpoint_has(c, "absent", NULL) || checkpoint_has(c, "model", "depth"));
    checkpoint_close(c);
}

static void many_tensors_and_the_longest_text_come_back(void **state)
{
    (void)state;
    enum { COUNT = 700 };
    char name[32], *text = malloc(65537);
    const char *back;
    checkpoint_writer *w;
    checkpoint *c;
    memset(text, 'x', 65536);
    text[65536] = 0;
    assert_int_equal(checkpoint_create(&memory, in_folder("many.h5"), &w), OK);
    assert_int_equal(checkpoint_put_text(w, "model/card", "data", text), ERR_ARGUMENT);
    text[65000] = 0;
    assert_int_equal(checkpoint_put_text(w, "model/card", "data", text), OK);
    for (int i = 0; i < COUNT; i++) {
        double value = i;
        snprintf(name, sizeof name, "layer.%d", i);
        assert_int_equal(checkpoint_put_tensor(w, "weights", name, CHECKPOINT_F64, 0, NULL, &value), OK);
        assert_int_equal(checkpoint_put_int(w, "model/options", name, i), OK);
    }
    assert_int_equal(checkpoint_finish(w), OK);
    assert_int_equal(checkpoint_open(&memory, in_folder("many.h5"), &c), OK);
    assert_int_equal(checkpoint_text(c, "model/card", "data", &back), OK);
    assert_string_equal(back, text);
    for (int i = 0; i < COUNT; i++) {
        double value;
        int64_t integer;
        snprintf(name, sizeof name, "layer.%d", i);
        assert_int_equal(checkpoint_read(c, "weights", name, CHECKPOINT_F64, 0, NULL, NULL, &value), OK);
        assert_int_equal(checkpoint_int(c, "model/options", name, &integer), OK);
        assert_true(value == i && integer == i);
    }
    checkpoint_close(c);
    free(text);
}

/* ---- what a caller asks for and the file has not ---- */

static void missing_and_unexpected_and_misshapen_tensors_are_named(void **state)
{
    (void)state;
    const char *path = in_folder("names.h5");
    static float buffer[ROWS * COLUMNS];
    checkpoint *c;
    const char *right[] = {"E.blocks.0.attn.qkv.weight", "E.bias"}, *wrong[] = {"E.bias", "G.norm", "G.proj"};
    assert_int_equal(write_example(path), OK);
    assert_int_equal(checkpoint_open(&memory, path, &c), OK);
    assert_int_equal(checkpoint_expect_tensors(c, "weights", 2, right), OK);
    assert_fails(checkpoint_expect_tensors(c, "weights", 3, wrong), ERR_SCHEMA, path,
                 ": /weights: 2 tensors missing: G.norm, G.proj; 1 unexpected: E.blocks.0.attn.qkv.weight");
    assert_fails(checkpoint_read(c, "weights", "G.norm", CHECKPOINT_F32, 2, weight_dims, NULL, buffer),
                 ERR_SCHEMA, path, ": /weights/G.norm is missing");
    assert_fails(
        checkpoint_read(c, "weights", right[0], CHECKPOINT_F32, 2, (int64_t[]){50, 37},
                        "the options (embed_dim 96) need", buffer),
        ERR_SCHEMA, path,
        ": /weights/E.blocks.0.attn.qkv.weight is [100,37], the options (embed_dim 96) need [50,37]");
    assert_fails(checkpoint_read(c, "weights", right[0], CHECKPOINT_F32, 1, (int64_t[]){3700}, NULL, buffer),
                 ERR_SCHEMA, path, " is [100,37], expected [3700]");
    checkpoint_close(c);
}

static void missing_attributes_and_those_of_another_type_are_named(void **state)
{
    (void)state;
    const char *path = in_folder("attributes.h5"), *text;
    checkpoint *c;
    int64_t integer;
    double real;
    assert_int_equal(write_example(path), OK);
    assert_int_equal(checkpoint_open(&memory, path, &c), OK);
    assert_fails(checkpoint_int(c, "model/options", "window", &integer), ERR_SCHEMA, path,
                 ": /model/options has no attribute window, expected int64");
    assert_fails(checkpoint_real(c, "absent", "window", &real), ERR_SCHEMA, path,
                 ": /absent has no attribute");
    assert_fails(checkpoint_text(c, "model/options", "depth", &text), ERR_SCHEMA, path,
                 ": attribute depth of /model/options is int64, expected text");
    checkpoint_close(c);
}

static void a_value_that_is_not_finite_is_named(void **state)
{
    (void)state;
    const char *path = in_folder("nan.h5");
    const float values[4] = {0, 1, 2, 3}, forged[4] = {0, 1, NAN, 3};
    const double large = 1e300;
    float back[4];
    checkpoint_writer *w;
    checkpoint *c;
    assert_int_equal(checkpoint_create(&memory, path, &w), OK);
    assert_fails(checkpoint_put_tensor(w, "weights", "a", CHECKPOINT_F32, 1, (int64_t[]){4}, forged),
                 ERR_NONFINITE, path, ": /weights/a: element 2 is not a finite number");
    assert_int_equal(checkpoint_put_tensor(w, "weights", "a", CHECKPOINT_F32, 1, (int64_t[]){4}, values), OK);
    assert_int_equal(checkpoint_put_tensor(w, "weights", "b", CHECKPOINT_F64, 0, NULL, &large), OK);
    assert_int_equal(checkpoint_finish(w), OK);
    forge_bytes(path, values, forged, sizeof values);
    assert_int_equal(checkpoint_open(&memory, path, &c), OK);
    assert_fails(checkpoint_read(c, "weights", "a", CHECKPOINT_F32, 1, (int64_t[]){4}, NULL, back),
                 ERR_NONFINITE, path, ": /weights/a: element 2 is not a finite number");
    assert_fails(checkpoint_read(c, "weights", "b", CHECKPOINT_F32, 0, NULL, NULL, back), ERR_NONFINITE, path,
                 ": /weights/b: element 0");
    checkpoint_close(c);
}

static void a_writer_refuses_bad_names_and_repetitions_and_goes_on(void **state)
{
    (void)state;
    checkpoint_writer *w;
    double value = 1;
    const char *bad[] = {"", ".", "a/b", "a b", "\xc3\xa4"};
    assert_int_equal(checkpoint_create(&memory, in_folder("writer.h5"), &w), OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(checkpoint_put_int(w, "model", bad[i], 1), ERR_ARGUMENT);
        assert_int_equal(checkpoint_put_tensor(w, "weights", bad[i], CHECKPOINT_F64, 0, NULL, &value),
                         ERR_ARGUMENT);
    }
    assert_int_equal(checkpoint_put_int(w, "model//options", "a", 1), ERR_ARGUMENT);
    assert_int_equal(checkpoint_put_int(w, "/model", "a", 1), ERR_ARGUMENT);
    assert_int_equal(checkpoint_put_int(w, "model", "a", 1), OK);
    assert_int_equal(checkpoint_put_real(w, "model", "a", 1), ERR_ARGUMENT);
    assert_int_equal(checkpoint_put_tensor(w, "weights", "t", CHECKPOINT_F64, 0, NULL, &value), OK);
    assert_int_equal(checkpoint_put_tensor(w, "weights", "t", CHECKPOINT_F64, 0, NULL, &value), ERR_ARGUMENT);
    assert_int_equal(checkpoint_put_tensor(w, "weights", "u", CHECKPOINT_F64, 1, (int64_t[]){0}, &value),
                     ERR_ARGUMENT);
    assert_int_equal(checkpoint_put_tensor(w, "weights", "u", CHECKPOINT_F64, 2,
                                           (int64_t[]){1ll << 40, 1ll << 40}, &value),
                     ERR_ARGUMENT);
    assert_int_equal(checkpoint_finish(w), OK);
    assert_int_equal(try_open(in_folder("writer.h5")), OK);
}

/* ---- damage ---- */

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    const char *path = in_folder("cut.h5");
    unsigned char *bytes;
    assert_int_equal(write_example(path), OK);
    size_t size = load(path, &bytes);
    for (size_t cut = 0; cut < size; cut += cut < 600 ? 1 : 4096) {
        assert_int_equal(truncate(path, (off_t)cut), 0);
        assert_fails(try_open(path), ERR_CORRUPT, path, "cut short");
        assert_int_equal(try_memory(bytes, cut), ERR_CORRUPT);
        store(path, bytes, size);
    }
    assert_int_equal(truncate(path, (off_t)size - 1), 0);
    assert_fails(try_open(path), ERR_CORRUPT, path, "cut short");
    free(bytes);
}

static void any_flipped_byte_is_found(void **state)
{
    (void)state;
    unsigned char *bytes;
    assert_int_equal(write_example(in_folder("flip.h5")), OK);
    size_t size = load(in_folder("flip.h5"), &bytes);
    assert_int_equal(try_memory(bytes, size), OK);
    for (size_t at = 0; at < size; at += at < 512 ? 1 : 97) {
        bytes[at] ^= 0x10;
        status s = try_memory(bytes, size);
        if (s != ERR_CORRUPT && !(at < 19 && s == ERR_FORMAT))
            fail_msg("byte %zu flipped: status %d", at, s);
        bytes[at] ^= 0x10;
    }
    bytes[size - 1] ^= 1;
    assert_int_equal(try_memory(bytes, size), ERR_CORRUPT);
    free(bytes);
}

static void trailing_bytes_are_found(void **state)
{
    (void)state;
    unsigned char *bytes;
    assert_int_equal(write_example(in_folder("long.h5")), OK);
    size_t size = load(in_folder("long.h5"), &bytes);
    bytes[size] = 0;
    assert_int_equal(try_memory(bytes, size + 1), ERR_CORRUPT);
    free(bytes);
}

static void other_files_and_newer_versions_are_told_apart(void **state)
{
    (void)state;
    const char *path = in_folder("other.h5");
    unsigned char *bytes;
    assert_fails(try_open(in_folder("absent.h5")), ERR_NOT_FOUND, folder, "No such file");
    assert_fails(try_open(folder), ERR_IO, folder, "not a plain file");
    store(path, "\x89HDF\r\n\x1a\n....................", 28);
    assert_fails(try_open(path), ERR_FORMAT, path, "not a libslmt checkpoint");
    assert_int_equal(write_example(path), OK);
    size_t size = load(path, &bytes);
    char *digit = strstr((char *)bytes, "version 1") + 8;
    *digit = '2';
    store(path, bytes, size);
    assert_fails(try_open(path), ERR_VERSION, path, "checkpoint version 2, this library reads up to 1");
    free(bytes);
}

/* ---- forgeries: made with HDF5, then given a correct seal ---- */

static hid_t forge(const char *path)
{
    hid_t creation = H5Pcreate(H5P_FILE_CREATE);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_userblock(creation, SEAL_SIZE);
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, creation, access);
    H5Pclose(access);
    H5Pclose(creation);
    assert_true(file >= 0);
    return file;
}

static void seal_file(const char *path)
{
    int fd = open(path, O_RDWR);
    assert_int_equal(seal_write(fd, path), OK);
    close(fd);
}

static void assert_forgery_fails(hid_t file, const char *path, const char *part)
{
    H5Fclose(file);
    seal_file(path);
    assert_fails(try_open(path), ERR_SCHEMA, path, part);
}

static void put_dataset(hid_t file, const char *name, hid_t type, hid_t plist, int rank, const hsize_t *dims)
{
    static const double zeros[4096];
    hid_t space = H5Screate_simple(rank, dims, NULL);
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    assert_true(dataset >= 0);
    if (H5Tget_class(type) != H5T_STRING)
        assert_true(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros) >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
}

static const hsize_t hundred[7] = {100, 1, 1, 1, 1, 1, 1};

static void a_plain_forgery_opens(void **state)
{
    (void)state;
    const char *path = in_folder("plain.h5");
    hid_t file = forge(path), plist = H5Pcreate(H5P_DATASET_CREATE);
    put_dataset(file, "one_piece", H5T_IEEE_F32LE, H5P_DEFAULT, 1, hundred);
    H5Pset_chunk(plist, 1, (hsize_t[]){10});
    H5Pset_shuffle(plist);
    H5Pset_deflate(plist, 1);
    put_dataset(file, "chunked", H5T_IEEE_F32LE, plist, 1, hundred);
    H5Pclose(plist);
    H5Fclose(file);
    seal_file(path);
    assert_int_equal(try_open(path), OK);
}

static void links_that_are_not_hard_are_refused(void **state)
{
    (void)state;
    const char *path = in_folder("links.h5");
    hid_t file = forge(path);
    H5Lcreate_soft("/nowhere", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    assert_forgery_fails(file, path, "/soft is a soft or external link");
    file = forge(path);
    H5Lcreate_external("other.h5", "/x", file, "external", H5P_DEFAULT, H5P_DEFAULT);
    assert_forgery_fails(file, path, "/external is a soft or external link");
}

static void objects_with_two_names_and_cycles_are_refused(void **state)
{
    (void)state;
    const char *path = in_folder("twice.h5");
    hid_t file = forge(path);
    put_dataset(file, "a", H5T_IEEE_F32LE, H5P_DEFAULT, 1, hundred);
    H5Lcreate_hard(file, "a", file, "b", H5P_DEFAULT, H5P_DEFAULT);
    assert_forgery_fails(file, path, "/a has more than one name");
    file = forge(path);
    hid_t group = H5Gcreate2(file, "loop", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "loop", group, "again", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(group);
    assert_forgery_fails(file, path, "/loop has more than one name");
}

static void filters_that_could_load_plugins_are_refused(void **state)
{
    (void)state;
    const char *path = in_folder("filter.h5");
    hid_t file = forge(path), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 1, (hsize_t[]){10});
    H5Pset_filter(plist, 32001, H5Z_FLAG_OPTIONAL, 0, NULL);
    put_dataset(file, "x", H5T_IEEE_F32LE, plist, 1, hundred);
    H5Pclose(plist);
    assert_forgery_fails(file, path, "/x uses a filter other than");
    plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 1, (hsize_t[]){10});
    H5Pset_fletcher32(plist);
    file = forge(path);
    put_dataset(file, "x", H5T_IEEE_F32LE, plist, 1, hundred);
    H5Pclose(plist);
    assert_forgery_fails(file, path, "/x uses a filter other than");
    plist = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_deflate(plist, 1);
    file = forge(path);
    H5Gclose(H5Gcreate2(file, "packed", H5P_DEFAULT, plist, H5P_DEFAULT));
    H5Pclose(plist);
    assert_forgery_fails(file, path, "/packed is a group with filters");
}

static void values_outside_the_file_are_refused(void **state)
{
    (void)state;
    const char *path = in_folder("outside.h5");
    hid_t file = forge(path), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(plist, in_folder("outside.raw"), 0, 400);
    put_dataset(file, "x", H5T_IEEE_F32LE, plist, 1, hundred);
    H5Pclose(plist);
    assert_forgery_fails(file, path, "/x has its values in other files");

    hid_t access = H5Pcreate(H5P_FILE_ACCESS), space = H5Screate_simple(1, hundred, NULL);
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
    hid_t creation = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_userblock(creation, SEAL_SIZE);
    file = H5Fcreate(path, H5F_ACC_TRUNC, creation, access);
    plist = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_virtual(plist, space, "other.h5", "/x", space) >= 0);
    H5Dclose(H5Dcreate2(file, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, plist, H5P_DEFAULT));
    H5Pclose(plist);
    H5Pclose(creation);
    H5Pclose(access);
    H5Sclose(space);
    assert_forgery_fails(file, path, "/x is a virtual dataset");
}

static void values_that_were_never_stored_are_refused(void **state)
{
    (void)state;
    const char *path = in_folder("unwritten.h5");
    hid_t file = forge(path), space = H5Screate_simple(1, (hsize_t[]){1ull << 40}, NULL);
    H5Dclose(H5Dcreate2(file, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
    assert_forgery_fails(file, path, "/x is not stored in full");
}

static void other_types_and_ranks_are_refused(void **state)
{
    (void)state;
    const char *path = in_folder("types.h5");
    hid_t text = H5Tcopy(H5T_C_S1), type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_size(text, H5T_VARIABLE);
    hid_t odd = H5Tcopy(H5T_IEEE_F32LE); /* 16 bits, but neither bfloat16 nor float16 */
    H5Tset_fields(odd, 15, 10, 5, 0, 10);
    H5Tset_size(odd, 2);
    H5Tset_ebias(odd, 16);
    const hid_t wrong[] = {H5T_IEEE_F32BE, H5T_STD_I32LE, text, odd};
    hid_t file;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        file = forge(path);
        put_dataset(file, "x", wrong[i], H5P_DEFAULT, 1, hundred);
        assert_forgery_fails(file, path, "/x is neither float32");
    }
    file = forge(path);
    put_dataset(file, "x", H5T_IEEE_F32LE, H5P_DEFAULT, 7, hundred);
    assert_forgery_fails(file, path, "/x has more than six axes");
    file = forge(path);
    H5Tcommit2(file, "type", type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Tclose(type); /* it would keep the file open */
    assert_forgery_fails(file, path, "/type is neither a group nor a dataset");
    file = forge(path);
    put_dataset(file, "sp ace", H5T_IEEE_F32LE, H5P_DEFAULT, 1, hundred);
    assert_forgery_fails(file, path, "/ holds a name that is not");
    H5Tclose(odd);
    H5Tclose(text);
}

static void put_forged_attribute(hid_t file, const char *name, hid_t type, int rank)
{
    hid_t space = rank ? H5Screate_simple(rank, hundred, NULL) : H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(attribute >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
}

static void other_attributes_are_refused(void **state)
{
    (void)state;
    const char *path = in_folder("forged-attributes.h5");
    hid_t text = H5Tcopy(H5T_C_S1), file = forge(path);
    H5Tset_size(text, H5T_VARIABLE);
    put_forged_attribute(file, "a", text, 0);
    assert_forgery_fails(file, path, "/a is a text that is not of fixed length");
    file = forge(path);
    put_forged_attribute(file, "a", H5T_STD_I64LE, 1);
    assert_forgery_fails(file, path, "/a is an attribute that is not a single value");
    file = forge(path);
    put_forged_attribute(file, "a", H5T_STD_I32LE, 0);
    assert_forgery_fails(file, path, "/a is an attribute that is neither");
    file = forge(path);
    put_dataset(file, "x", H5T_IEEE_F32LE, H5P_DEFAULT, 1, hundred);
    hid_t dataset = H5Dopen2(file, "x", H5P_DEFAULT);
    put_forged_attribute(dataset, "a", H5T_STD_I64LE, 0);
    H5Dclose(dataset);
    assert_forgery_fails(file, path, "/x is a dataset with attributes");
    H5Tclose(text);
}

static void chunks_that_were_never_stored_are_refused(void **state)
{
    (void)state;
    const char *path = in_folder("unchunked.h5");
    hid_t file = forge(path), plist = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = H5Screate_simple(2, (hsize_t[]){1ull << 40, 8}, NULL);
    static const float values[8] = {0};
    H5Pset_chunk(plist, 2, (hsize_t[]){1, 8});
    hid_t x = H5Dcreate2(file, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    hid_t part = H5Screate_simple(2, (hsize_t[]){1, 8}, NULL);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, (hsize_t[]){3, 0}, NULL, (hsize_t[]){1, 8}, NULL);
    assert_true(H5Dwrite(x, H5T_NATIVE_FLOAT, part, space, H5P_DEFAULT, values) >= 0); /* one row alone */
    H5Dclose(x);
    H5Sclose(part);
    H5Sclose(space);
    H5Pclose(plist);
    assert_forgery_fails(file, path, "/x is not stored in full");
}

static void put_text(hid_t file, const char *bytes, size_t size)
{
    hid_t text = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(text, size);
    H5Tset_strpad(text, H5T_STR_NULLPAD);
    hid_t a = H5Acreate2(file, "a", text, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(a, text, bytes) >= 0);
    H5Aclose(a);
    H5Sclose(space);
    H5Tclose(text);
}

static void texts_with_zeros_or_control_characters_inside_are_refused(void **state)
{
    (void)state;
    const char *path = in_folder("text.h5");
    hid_t file = forge(path);
    put_text(file, "one\0two", 7);
    assert_forgery_fails(file, path, "/a is a text with a zero inside");
    file = forge(path);
    put_text(file, "\033]0;title\007", 11);
    assert_forgery_fails(file, path, "/a is a text with a control character inside");
    file = forge(path);
    put_text(file, "two\n\tlines", 10);
    H5Fclose(file);
    seal_file(path);
    assert_int_equal(try_open(path), OK);
}

/* All bytes of a file of several blocks are changed in place after the seal was checked. */
static void a_file_that_changes_after_its_seal_was_checked_is_refused(void **state)
{
    (void)state;
    enum { VALUES = 16384 };
    static double values[VALUES];
    const char *path = in_folder("changed.h5");
    checkpoint_writer *w;
    checkpoint *c;
    unsigned char *bytes;
    assert_int_equal(checkpoint_create(&memory, path, &w), OK);
    assert_int_equal(checkpoint_put_tensor(w, "weights", "x", CHECKPOINT_F64, 1, (int64_t[]){VALUES}, values),
                     OK);
    assert_int_equal(checkpoint_finish(w), OK);
    size_t size = load(path, &bytes);
    assert_int_equal(checkpoint_open(&memory, path, &c), OK);
    int fd = open(path, O_WRONLY);
    for (size_t at = SEAL_SIZE; at < size; at++)
        bytes[at] ^= 1;
    assert_int_equal(pwrite(fd, bytes, size, 0), size);
    close(fd);
    status s = checkpoint_read(c, "weights", "x", CHECKPOINT_F64, 1, (int64_t[]){VALUES}, NULL, values);
    checkpoint_close(c);
    free(bytes);
    assert_fails(s, ERR_CORRUPT, path, "the file was changed while it was read");
}

static void a_sealed_file_that_is_not_hdf5_is_refused(void **state)
{
    (void)state;
    const char *path = in_folder("garbage.h5");
    store(path, (char[2048]){0}, 2048);
    seal_file(path);
    assert_fails(try_open(path), ERR_FORMAT, path, "HDF5's superblock is expected here");
}

/* Opens the example with one byte after another flipped and the seal made right; returns what went wrong. */
static int open_resealed(const char *path, unsigned char *bytes, size_t size)
{
    static float buffer[ROWS * COLUMNS];
    for (size_t at = SEAL_SIZE; at < size; at += 61) {
        checkpoint *c;
        bytes[at] ^= 0xff;
        store(path, bytes, size);
        seal_file(path);
        if (checkpoint_open(&memory, path, &c) == OK) {
            checkpoint_read(c, "weights", "E.blocks.0.attn.qkv.weight", CHECKPOINT_F32, 2, weight_dims, NULL,
                            buffer);
            checkpoint_close(c);
        }
        if (memory_state.live != 0)
            return 1;
        bytes[at] ^= 0xff;
    }
    return 0;
}

/* In a process of its own: HDF5 1.10 itself leaks where an object header's checksum is wrong, and says so at
 * exit. */
static void a_forged_byte_under_a_correct_seal_never_crashes(void **state)
{
    (void)state;
    const char *path = in_folder("forged.h5");
    unsigned char *bytes;
    int how;
    assert_int_equal(write_example(path), OK);
    size_t size = load(path, &bytes);
    pid_t child = fork();
    if (child == 0)
        _exit(open_resealed(path, bytes, size));
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    free(bytes);
}

/* ---- memory, disk, threads, the host's HDF5 ---- */

static void every_failed_allocation_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    const char *path = in_folder("memory.h5");
    checkpoint *c;
    long n;
    unsigned char *bytes, *after;
    assert_int_equal(write_example(path), OK);
    size_t size = load(path, &bytes);
    for (n = 0;; n++) {
        memory_state.left = n;
        status s = write_example(path);
        assert_int_equal(memory_state.live, 0);
        if (s == OK)
            break;
        assert_int_equal(s, ERR_MEMORY);
        assert_int_equal(load(path, &after), size);
        assert_memory_equal(after, bytes, size);
        free(after);
    }
    assert_true(n >= 2);
    for (n = 0;; n++) {
        memory_state.left = n;
        c = NULL;
        status s = checkpoint_open(&memory, path, &c);
        if (s == OK)
            break;
        assert_int_equal(s, ERR_MEMORY);
        assert_null(c);
        assert_int_equal(memory_state.live, 0);
    }
    assert_true(n >= 10);
    memory_state.left = -1;
    check_example(c);
    checkpoint_close(c);
    free(bytes);
}

static int is_temporary(const char *path)
{
    if (strstr(path, ".tmp."))
        fail_msg("%s was left", path);
    return 0;
}

static void a_full_disk_leaves_the_old_file_whole(void **state)
{
    (void)state;
    const char *path = in_folder("disk.h5");
    struct rlimit old, small;
    unsigned char *bytes, *after;
    assert_int_equal(write_example(path), OK);
    size_t size = load(path, &bytes);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    for (size_t limit = 0; limit < size; limit += 509) {
        small = (struct rlimit){limit, old.rlim_max};
        setrlimit(RLIMIT_FSIZE, &small);
        status s = write_example(path);
        setrlimit(RLIMIT_FSIZE, &old);
        assert_fails(s, ERR_IO, path, strerror(EFBIG));
        assert_int_equal(load(path, &after), size);
        assert_memory_equal(after, bytes, size);
        free(after);
    }
    for_each_file(is_temporary);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
    free(bytes);
}

static void after_a_failed_write_nothing_is_put_in_place(void **state)
{
    (void)state;
    const char *path = in_folder("failed.h5");
    static double large[8192];
    struct rlimit old, small;
    checkpoint_writer *w;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(checkpoint_create(&memory, path, &w), OK);
    small = (struct rlimit){4096, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    status first = checkpoint_put_tensor(w, "weights", "x", CHECKPOINT_F64, 1, (int64_t[]){8192}, large);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_fails(first, ERR_IO, path, "/weights/x");
    assert_fails(checkpoint_put_int(w, "model", "a", 1), ERR_IO, path, "an earlier write failed");
    assert_fails(checkpoint_finish(w), ERR_IO, path, strerror(EFBIG));
    assert_int_equal(access(path, F_OK), -1);
    for_each_file(is_temporary);
    signal(SIGXFSZ, SIG_DFL);
}

static void a_folder_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    checkpoint_writer *w = NULL;
    assert_int_equal(checkpoint_create(&memory, in_folder("absent/x.h5"), &w), ERR_IO);
    assert_null(w);
    assert_int_equal(checkpoint_create(&memory, folder, &w), ERR_IO);
    assert_null(w);
}

/* Begins a checkpoint while the process may open so many files more. */
static status create_with_descriptors(const char *path, int more, checkpoint_writer **w)
{
    struct rlimit old, few;
    int next = open("/dev/null", O_RDONLY);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = (struct rlimit){(rlim_t)(next + more), old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    status s = checkpoint_create(&memory, path, w);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    return s;
}

static void without_a_descriptor_the_old_file_stays(void **state)
{
    (void)state;
    const char *path = in_folder("few.h5");
    checkpoint_writer *w = NULL;
    unsigned char *bytes, *after;
    assert_int_equal(write_example(path), OK);
    size_t size = load(path, &bytes);
    assert_fails(create_with_descriptors(path, 0, &w), ERR_IO, path,
                 "cannot look at the file that would be replaced");
    assert_non_null(strstr(status_text(), strerror(EMFILE)));
    assert_fails(create_with_descriptors(path, 1, &w), ERR_IO, folder, "cannot open");
    assert_non_null(strstr(status_text(), strerror(EMFILE)));
    assert_null(w);
    assert_int_equal(memory_state.live, 0);
    assert_int_equal(load(path, &after), size);
    assert_memory_equal(after, bytes, size);
    assert_int_equal(create_with_descriptors(path, 2, &w), OK);
    checkpoint_cancel(w);
    for_each_file(is_temporary);
    free(bytes);
    free(after);
}

static void *read_often(void *path)
{
    mem own;
    checkpoint *c;
    static _Thread_local float buffer[ROWS * COLUMNS];
    mem_init(&own, NULL, NULL, NULL, 0);
    for (int i = 0; i < 100; i++) {
        if (checkpoint_open(&own, path, &c) != OK)
            return "open";
        status s = checkpoint_read(c, "weights", "E.blocks.0.attn.qkv.weight", CHECKPOINT_F32, 2, weight_dims,
                                   NULL, buffer);
        checkpoint_close(c);
        if (s != OK || buffer[ROWS * COLUMNS - 1] != weight(ROWS * COLUMNS - 1))
            return "read";
    }
    return NULL;
}

static void two_threads_read_two_files(void **state)
{
    (void)state;
    pthread_t threads[2];
    char paths[2][PATH];
    for (int i = 0; i < 2; i++) {
        snprintf(paths[i], PATH, "%s/thread-%d.h5", folder, i);
        assert_int_equal(write_example(paths[i]), OK);
        pthread_create(&threads[i], NULL, read_often, paths[i]);
    }
    for (int i = 0; i < 2; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

static int host_prints;

static herr_t host_print(hid_t stack, void *user)
{
    (void)stack;
    (void)user;
    host_prints++;
    return 0;
}

static void the_hosts_hdf5_error_printing_stays_as_it_was(void **state)
{
    (void)state;
    H5E_auto2_t before, after;
    void *data, *mark = &host_prints;
    H5Eget_auto2(H5E_DEFAULT, &before, &data);
    H5Eset_auto2(H5E_DEFAULT, host_print, mark);
    host_prints = 0;
    store(in_folder("host.h5"), (char[2048]){0}, 2048);
    seal_file(in_folder("host.h5"));
    assert_int_equal(try_open(in_folder("host.h5")), ERR_FORMAT);
    assert_int_equal(host_prints, 0);
    H5Eget_auto2(H5E_DEFAULT, &after, &mark);
    assert_ptr_equal(after, host_print);
    assert_ptr_equal(mark, &host_prints);
    H5Fopen(in_folder("absent.h5"), H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_int_equal(host_prints, 1);
    H5Eset_auto2(H5E_DEFAULT, before, data);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fresh_memory, nothing_is_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_checkpoint_comes_back_as_written),
        CASE(float32_and_float64_convert_and_integers_do_not),
        CASE(floats_of_16_bits_are_numbers_to_every_reader_and_convert_to_nothing),
        CASE(equal_contents_give_equal_bytes),
        CASE(tensors_are_listed_by_group_in_order_of_names),
        CASE(many_tensors_and_the_longest_text_come_back),
        CASE(missing_and_unexpected_and_misshapen_tensors_are_named),
        CASE(missing_attributes_and_those_of_another_type_are_named),
        CASE(a_value_that_is_not_finite_is_named),
        CASE(a_writer_refuses_bad_names_and_repetitions_and_goes_on),
        CASE(a_file_cut_anywhere_is_refused),
        CASE(any_flipped_byte_is_found),
        CASE(trailing_bytes_are_found),
        CASE(other_files_and_newer_versions_are_told_apart),
        CASE(a_plain_forgery_opens),
        CASE(links_that_are_not_hard_are_refused),
        CASE(objects_with_two_names_and_cycles_are_refused),
        CASE(filters_that_could_load_plugins_are_refused),
        CASE(values_outside_the_file_are_refused),
        CASE(values_that_were_never_stored_are_refused),
        CASE(chunks_that_were_never_stored_are_refused),
        CASE(texts_with_zeros_or_control_characters_inside_are_refused),
        CASE(a_file_that_changes_after_its_seal_was_checked_is_refused),
        CASE(other_types_and_ranks_are_refused),
        CASE(other_attributes_are_refused),
        CASE(a_sealed_file_that_is_not_hdf5_is_refused),
        CASE(a_forged_byte_under_a_correct_seal_never_crashes),
        CASE(every_failed_allocation_is_reported_and_leaks_nothing),
        CASE(a_full_disk_leaves_the_old_file_whole),
        CASE(after_a_failed_write_nothing_is_put_in_place),
        CASE(a_folder_that_cannot_be_written_is_an_error),
        CASE(without_a_descriptor_the_old_file_stays),
        CASE(two_threads_read_two_files),
        CASE(the_hosts_hdf5_error_printing_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, enter_folder, delete_folder);
}
