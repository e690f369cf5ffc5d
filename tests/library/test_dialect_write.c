/* SPDX-License-Identifier: Apache-2.0 */
/* test_dialect_write.c - files that the library writes without HDF5: HDF5 itself and the library's reader
 * find in them what was written, and no place where memory or the disk fails ends the process or leaves
 * anything. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define H5_USE_110_API
#include <hdf5.h>

#include "io/dialect.h"
#include "io/dialect_write.h"

#include <cmocka.h> /* last: its fail() is a macro, ours a function */

#include "tests/file_bytes.h"

enum { BLOCK = 512, MANY = 300, ROWS = 4500, COLUMNS = 3, DEEP_ROWS = 70, LONG_TEXT = 65000 };

/* ---- a memory that can fail ---- */

static long left, live; /* allocations that succeed (negative: all), and blocks */
static mem memory;

static void *failing_alloc(void *user, size_t bytes)
{
    (void)user;
    if (left == 0)
        return NULL;
    left -= left > 0;
    live++;
    return malloc(bytes);
}

static void counting_free(void *user, void *p)
{
    (void)user;
    live -= p != NULL;
    free(p);
}

static char path[64];

static int begin(void **state)
{
    (void)state;
    left = -1;
    live = 0;
    mem_init(&memory, failing_alloc, counting_free, NULL, 0);
    strcpy(path, "/tmp/slmt-dialect-XXXXXX");
    close(mkstemp(path));
    return 0;
}

static int end(void **state)
{
    (void)state;
    remove(path);
    return live == 0 ? 0 : 1;
}

/* ---- a file with everything that is ever written ---- */

static float grid_value(int64_t row, int64_t column)
{
    return (float)(row * 7 + column) / 3;
}

static uint8_t noise(int64_t i)
{
    return (uint8_t)((uint64_t)i * 0x9e3779b97f4a7c15u >> 56);
}

static const char text_of_two_bytes[] = "Sch\xC3\xA4"
                                        "del",
                  other[] = "bad\x1b[2J";
static const int64_t grid_dims[2] = {ROWS, COLUMNS}, cube_dims[4] = {DEEP_ROWS, 1, 5, 40};

static status put_attributes(dialect_file *f)
{
    dialect_group *g;
    char name[16], *text = malloc(LONG_TEXT + 1);
    memset(text, 'x', LONG_TEXT);
    text[LONG_TEXT] = 0;
    status s = dialect_group_at(f, "model/card", &g);
    if (s == OK)
        s = dialect_put_text(f, g, "long", text);
    free(text);
    TRY(s);
    TRY(dialect_put_text(f, g, "empty", ""));
    TRY(dialect_put_text(f, g, "unicode", text_of_two_bytes));
    TRY(dialect_put_text(f, g, "other", other));
    TRY(dialect_put_real(f, g, "real", -0.1));
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "i%d", i);
        TRY(dialect_put_int(f, g, name, i - 100));
    }
    return OK;
}

/* A tensor of every type, with and without axes. */
static status put_whole(dialect_file *f)
{
    dialect_group *g;
    static const unsigned char values[64] = {0x3e, 0x3f, 0x40, 0x41};
    TRY(dialect_group_at(f, "weights", &g));
    for (int type = STORED_F32; type < STORED_TEXT; type++) {
        char name[32];
        snprintf(name, sizeof name, "one.%s", stored_type_name((stored_type)type));
        TRY(dialect_put_tensor(f, g, name, (stored_type)type, 0, NULL, values));
        snprintf(name, sizeof name, "six.%s", stored_type_name((stored_type)type));
        TRY(dialect_put_tensor(f, g, name, (stored_type)type, 6, (int64_t[]){1, 2, 1, 2, 1, 2}, values));
    }
    return OK;
}

/* Rows of 4500 one at a time or more, in chunks of one: three levels of nodes. */
static status put_rows(dialect_file *f, dialect_group *g)
{
    dialect_tensor *t;
    float rows[8][COLUMNS];
    TRY(dialect_new_tensor(f, g, "grid", STORED_F32, 2, grid_dims, 1, &t));
    for (int64_t row = 0, n = 1; row < ROWS; row += n, n = n % 8 + 1) {
        n = n < ROWS - row ? n : ROWS - row;
        for (int64_t i = 0; i < n * COLUMNS; i++)
            rows[i / COLUMNS][i % COLUMNS] = grid_value(row + i / COLUMNS, i % COLUMNS);
        TRY(dialect_add_rows(f, t, n, rows));
    }
    return OK;
}

/* Chunks of 16 rows, the last one not full, of bytes that deflate makes larger. */
static status put_noise(dialect_file *f, dialect_group *g)
{
    enum { ROW = 5 * 40 };
    dialect_tensor *t;
    uint8_t rows[21 * ROW];
    TRY(dialect_new_tensor(f, g, "cube", STORED_U8, 4, cube_dims, 16, &t));
    for (int64_t row = 0, n = 21; row < DEEP_ROWS; row += n) {
        n = n < DEEP_ROWS - row ? n : DEEP_ROWS - row;
        for (int64_t i = 0; i < n * ROW; i++)
            rows[i] = noise(row * ROW + i);
        TRY(dialect_add_rows(f, t, n, rows));
    }
    return OK;
}

static status put_records(dialect_file *f)
{
    dialect_group *records, *g;
    char name[16];
    TRY(dialect_group_at(f, "records", &records));
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "%03d\xC3\xA9", i);
        TRY(dialect_new_group(f, records, name, &g));
        TRY(dialect_put_int(f, g, "index", i));
        if (i == 7)
            TRY(put_rows(f, g));
        if (i == 8)
            TRY(put_noise(f, g));
        if (i % 2) {
            TRY(dialect_close_group(f, g));
            continue;
        }
        uint64_t from = f->end;
        TRY(dialect_new_group(f, records, "dropped", &g));
        TRY(dialect_put_tensor(f, g, "x", STORED_I32, 1, (int64_t[]){2}, (int32_t[]){1, 2}));
        dialect_drop_group(f, g);
        f->end = from;
    }
    return OK;
}

static status put_all(dialect_file *f)
{
    TRY(put_attributes(f));
    TRY(put_whole(f));
    TRY(put_records(f));
    return dialect_end(f);
}

static status write_to(int fd)
{
    dialect_file f;
    TRY(dialect_begin(&memory, fd, BLOCK, path, &f));
    status s = put_all(&f);
    dialect_free(&f);
    return s;
}

static status write_file(void)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(ftruncate(fd, 3 << 20), 0); /* an older, longer file */
    status s = write_to(fd);
    close(fd);
    return s;
}

/* ---- read by HDF5 ---- */

static hid_t opened(void)
{
    hid_t plist = H5Pcreate(H5P_FILE_ACCESS), file = H5Fopen(path, H5F_ACC_RDONLY, plist);
    assert_true(file >= 0);
    H5Pclose(plist);
    return file;
}

static void read_tensor(hid_t file, const char *name, hid_t type, void *values)
{
    hid_t d = H5Dopen2(file, name, H5P_DEFAULT);
    assert_true(d >= 0);
    assert_true(H5Dread(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    assert_true(H5Dclose(d) >= 0);
}

static void assert_grid(float (*grid)[COLUMNS])
{
    for (int64_t i = 0; i < (int64_t)ROWS * COLUMNS; i++)
        assert_float_equal(grid[i / COLUMNS][i % COLUMNS], grid_value(i / COLUMNS, i % COLUMNS), 0);
}

static void hdf5_reads_tensors_in_one_piece_and_in_chunks(void **state)
{
    (void)state;
    static float grid[ROWS][COLUMNS];
    static uint8_t cube[DEEP_ROWS * 200];
    double value[8];
    assert_int_equal(write_file(), OK);
    hid_t file = opened();
    read_tensor(file, "records/007\xC3\xA9/grid", H5T_NATIVE_FLOAT, grid);
    assert_grid(grid);
    read_tensor(file, "records/008\xC3\xA9/cube", H5T_NATIVE_UINT8, cube);
    for (int64_t i = 0; i < (int64_t)sizeof cube; i++)
        assert_int_equal(cube[i], noise(i));
    read_tensor(file, "weights/one.float32", H5T_NATIVE_DOUBLE, value);
    assert_float_equal(value[0], 0x1.807e7cp3, 0); /* 0x41403f3e */
    read_tensor(file, "weights/one.bfloat16", H5T_NATIVE_DOUBLE, value);
    assert_float_equal(value[0], 0x1.7cp-1, 0); /* 0x3f3e */
    read_tensor(file, "weights/one.float16", H5T_NATIVE_DOUBLE, value);
    assert_float_equal(value[0], 0x1.cf8p0, 0); /* 0x3f3e */
    read_tensor(file, "weights/six.uint8", H5T_NATIVE_DOUBLE, value);
    assert_float_equal(value[3], 0x41, 0);
    read_tensor(file, "weights/six.int32", H5T_NATIVE_DOUBLE, value);
    assert_float_equal(value[0], 0x41403f3e, 0);
    H5Fclose(file);
}

static void read_text(hid_t group, const char *name, char *text)
{
    hid_t a = H5Aopen(group, name, H5P_DEFAULT), type = H5Aget_type(a);
    assert_true(a >= 0 && H5Tget_cset(type) == H5T_CSET_UTF8);
    memset(text, 0, LONG_TEXT + 1);
    assert_true(H5Aread(a, type, text) >= 0);
    H5Tclose(type);
    H5Aclose(a);
}

static void hdf5_reads_attributes_however_many(void **state)
{
    (void)state;
    char *text = malloc(LONG_TEXT + 1), name[16];
    assert_int_equal(write_file(), OK);
    hid_t file = opened(), card = H5Gopen2(file, "model/card", H5P_DEFAULT);
    H5O_info_t info;
    assert_true(H5Oget_info(card, &info) >= 0);
    assert_int_equal(info.num_attrs, MANY + 5);
    read_text(card, "long", text);
    assert_int_equal(strspn(text, "x"), LONG_TEXT);
    read_text(card, "empty", text);
    assert_string_equal(text, "");
    read_text(card, "unicode", text);
    assert_string_equal(text, text_of_two_bytes);
    read_text(card, "other", text);
    assert_string_equal(text, "bad?[2J");
    for (int i = 0; i < MANY; i++) {
        int64_t value;
        snprintf(name, sizeof name, "i%d", i);
        hid_t a = H5Aopen(card, name, H5P_DEFAULT);
        assert_true(H5Aread(a, H5T_NATIVE_INT64, &value) >= 0);
        assert_int_equal(value, i - 100);
        H5Aclose(a);
    }
    H5Gclose(card);
    H5Fclose(file);
    free(text);
}

static herr_t count_link(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    int *count = user;
    char wanted[16];
    (void)group;
    snprintf(wanted, sizeof wanted, "%03d\xC3\xA9", *count);
    assert_string_equal(name, wanted);
    assert_int_equal(info->type, H5L_TYPE_HARD);
    assert_int_equal(info->cset, H5T_CSET_UTF8);
    ++*count;
    return 0;
}

static void hdf5_lists_groups_that_were_kept_and_no_others(void **state)
{
    (void)state;
    int count = 0;
    assert_int_equal(write_file(), OK);
    hid_t file = opened(), records = H5Gopen2(file, "records", H5P_DEFAULT);
    assert_true(H5Literate(records, H5_INDEX_NAME, H5_ITER_INC, NULL, count_link, &count) >= 0);
    assert_int_equal(count, MANY);
    H5Gclose(records);
    H5Fclose(file);
}

/* ---- read by the library ---- */

static void catalogue_of(const unsigned char *bytes, size_t size, source *from, catalogue *c)
{
    *from = (source){.mem = &memory, .label = path, .fd = -1, .data = bytes, .size = size};
    catalogue_init(c, &memory, path);
    c->types = STORED_IN_SETS;
    c->user_names = 1;
    assert_int_equal(dialect_catalogue(from, BLOCK, c), OK);
}

static void the_reader_finds_what_was_written(void **state)
{
    (void)state;
    static float grid[ROWS][COLUMNS];
    static uint8_t cube[DEEP_ROWS * 200];
    unsigned char *bytes;
    source from;
    catalogue c;
    assert_int_equal(write_file(), OK);
    catalogue_of(bytes, load(path, &bytes), &from, &c);
    assert_int_equal(c.group_count, 5 + MANY); /* the root, model, its card, weights, records */
    assert_int_equal(c.attribute_count, 5 + MANY + MANY);
    assert_int_equal(c.tensor_count, 2 * STORED_TEXT + 2);
    for (size_t i = 0; i < c.tensor_count; i++) {
        const catalogue_tensor *t = &c.tensors[i];
        if (strcmp(t->name, "grid") == 0)
            assert_int_equal(dialect_read(&from, BLOCK, t, grid), OK);
        if (strcmp(t->name, "cube") == 0)
            assert_int_equal(dialect_read(&from, BLOCK, t, cube), OK);
    }
    assert_grid(grid);
    for (int64_t i = 0; i < (int64_t)sizeof cube; i++)
        assert_int_equal(cube[i], noise(i));
    catalogue_free(&c);
    free(bytes);
}

static void equal_contents_are_equal_bytes(void **state)
{
    (void)state;
    unsigned char *first, *second;
    assert_int_equal(write_file(), OK);
    size_t size = load(path, &first);
    assert_int_equal(write_file(), OK);
    assert_int_equal(load(path, &second), size);
    assert_memory_equal(first + BLOCK, second + BLOCK, size - BLOCK);
    free(first);
    free(second);
}

/* ---- what fails ---- */

static void a_text_that_no_header_holds_is_refused(void **state)
{
    (void)state;
    dialect_file f;
    char *text = malloc(DIALECT_TEXT_MAX + 1);
    memset(text, 'x', DIALECT_TEXT_MAX);
    text[DIALECT_TEXT_MAX] = 0;
    assert_int_equal(dialect_begin(&memory, -1, BLOCK, path, &f), OK);
    assert_int_equal(dialect_put_text(&f, f.root, "a", text), ERR_ARGUMENT);
    assert_false(dialect_has_attribute(f.root, "a"));
    assert_int_equal(dialect_put_text(&f, f.root, "a", text + 1), OK);
    assert_true(dialect_has_attribute(f.root, "a"));
    dialect_free(&f);
    free(text);
}

static void a_path_through_a_tensor_or_a_closed_group_is_refused(void **state)
{
    (void)state;
    dialect_file f;
    dialect_group *b, *g;
    int fd = open(path, O_RDWR), has;
    assert_int_equal(dialect_begin(&memory, fd, BLOCK, path, &f), OK);
    assert_int_equal(dialect_group_at(&f, "a/b", &b), OK);
    assert_int_equal(dialect_put_tensor(&f, b, "x", STORED_I32, 0, NULL, (int32_t[]){1}), OK);
    assert_int_equal(dialect_group_at(&f, "a/b/x/y", &g), ERR_ARGUMENT);
    assert_non_null(strstr(status_text(), "/a/b/x is no group, or is closed"));
    assert_int_equal(dialect_group_at(&f, "a/b", &g), OK);
    assert_ptr_equal(g, b);
    assert_int_equal(dialect_close_group(&f, b), OK);
    assert_int_equal(dialect_group_at(&f, "a/b", &g), ERR_ARGUMENT);
    assert_non_null(strstr(status_text(), "/a/b is no group, or is closed"));
    assert_int_equal(dialect_group_at(&f, "a", &g), OK);
    assert_int_equal(dialect_has(g, "b", &has), OK);
    assert_int_equal(has, 1);
    assert_int_equal(dialect_has(g, "c", &has), OK);
    assert_int_equal(has, 0);
    dialect_free(&f);
    close(fd);
}

/* One group with a tensor in chunks and one in one piece. */
static status write_small(int fd)
{
    dialect_file f;
    dialect_group *g;
    dialect_tensor *t;
    static const int16_t rows[7] = {1, 2, 3, 4, 5, 6, 7};
    TRY(dialect_begin(&memory, fd, BLOCK, path, &f));
    status s = dialect_group_at(&f, "group", &g);
    if (s == OK)
        s = dialect_put_tensor(&f, g, "whole", STORED_F16, 1, (int64_t[]){7}, rows);
    if (s == OK)
        s = dialect_new_tensor(&f, g, "rows", STORED_F16, 1, (int64_t[]){7}, 3, &t);
    if (s == OK)
        s = dialect_add_rows(&f, t, 7, rows);
    if (s == OK)
        s = dialect_end(&f);
    dialect_free(&f);
    return s;
}

static void any_single_failed_allocation_of_a_small_file_is_told(void **state)
{
    (void)state;
    long n = -1;
    int fd = open(path, O_RDWR);
    for (status s = ERR_MEMORY; s != OK;) {
        left = ++n;
        s = write_small(fd);
        assert_true(s == OK || s == ERR_MEMORY);
        assert_int_equal(live, 0);
    }
    assert_true(n > 15);
    close(fd);
}

static void every_failed_allocation_is_told_and_leaks_nothing(void **state)
{
    (void)state;
    long n = 0;
    for (status s = ERR_MEMORY; s != OK; n += 1 + n / 16) {
        left = n;
        s = write_file();
        assert_true(s == OK || s == ERR_MEMORY);
        assert_int_equal(live, 0);
    }
    assert_true(n > 1000);
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_RDWR);
    assert_int_equal(write_to(fd), ERR_IO);
    assert_non_null(strstr(status_text(), strerror(ENOSPC)));
    close(fd);
}

/* Writes a file that may have so many bytes. */
static status write_at_most(rlim_t bytes)
{
    struct rlimit old, low;
    int fd = open(path, O_RDWR | O_TRUNC);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = (struct rlimit){.rlim_cur = bytes, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    status s = write_to(fd);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    close(fd);
    return s;
}

static void a_write_that_fails_anywhere_is_told_and_leaks_nothing(void **state)
{
    (void)state;
    unsigned char *bytes;
    assert_int_equal(write_file(), OK);
    size_t size = load(path, &bytes);
    free(bytes);
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    for (size_t most = 0; most < size; most += 1 + size / 40) {
        assert_int_equal(write_at_most(most), ERR_IO);
        assert_non_null(strstr(status_text(), strerror(EFBIG)));
        assert_int_equal(live, 0);
    }
    assert_int_equal(write_at_most(size), OK);
    signal(SIGXFSZ, before);
}

/* The null device takes all that is written, but has no length. */
static void an_end_that_cannot_be_set_is_told(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDWR);
    assert_int_equal(write_to(fd), ERR_IO);
    assert_non_null(strstr(status_text(), "cannot write /: "));
    assert_non_null(strstr(status_text(), strerror(EINVAL)));
    close(fd);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(hdf5_reads_tensors_in_one_piece_and_in_chunks),
        CASE(hdf5_reads_attributes_however_many),
        CASE(hdf5_lists_groups_that_were_kept_and_no_others),
        CASE(the_reader_finds_what_was_written),
        CASE(equal_contents_are_equal_bytes),
        CASE(a_text_that_no_header_holds_is_refused),
        CASE(a_path_through_a_tensor_or_a_closed_group_is_refused),
        CASE(any_single_failed_allocation_of_a_small_file_is_told),
        CASE(every_failed_allocation_is_told_and_leaks_nothing),
        CASE(a_full_disk_is_told),
        CASE(a_write_that_fails_anywhere_is_told_and_leaks_nothing),
        CASE(an_end_that_cannot_be_set_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
