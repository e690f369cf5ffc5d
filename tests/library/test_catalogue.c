/* SPDX-License-Identifier: Apache-2.0 */
/* test_catalogue.c - what the walk over an HDF5 file notes down, and how long that may take at most: a file
 * of a million objects is looked through in well under a second by search trees, in hours by lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hdf5.h>

#include "io/address_set.h"
#include "io/dialect.h"
#include "slmt/dataset.h"

#include <cmocka.h> /* last: its fail() is a macro, ours a function */

#include "tests/file_bytes.h"

static mem memory;

static int fresh_memory(void **state)
{
    (void)state;
    mem_init(&memory, NULL, NULL, NULL, 0);
    return 0;
}

static int nothing_is_left(void **state)
{
    (void)state;
    return memory.live == 0 ? 0 : 1;
}

/* ---- axes ---- */

enum { TENSORS = 17, ELEMENTS = 2 * 3 * 1 * 2 * 3 * 2 };
static const hsize_t six_dims[6] = {2, 3, 1, 2, 3, 2}, six_chunk[6] = {1, 3, 1, 2, 2, 1};

/* As many tensors as fill the catalogue's first block of memory to its last byte, and one more. */
static void put_chunked_tensors(hid_t file)
{
    float values[ELEMENTS] = {0};
    hid_t space = H5Screate_simple(6, six_dims, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 6, six_chunk);
    for (int i = 0; i < TENSORS; i++) {
        char name[8];
        snprintf(name, sizeof name, "d%02d", i);
        hid_t d = H5Dcreate2(file, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
        assert_true(H5Dwrite(d, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
        H5Dclose(d);
    }
    H5Pclose(plist);
    H5Sclose(space);
}

static void write_chunked_tensors(const char *path)
{
    static const char block[512] = "libslmt dataset\nversion 1\n";
    hid_t plist = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_userblock(plist, sizeof block);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, plist, access);
    H5Pclose(access);
    assert_true(file >= 0);
    put_chunked_tensors(file);
    H5Fclose(file);
    H5Pclose(plist);
    FILE *f = fopen(path, "r+b");
    assert_int_equal(fwrite(block, 1, sizeof block, f), sizeof block);
    fclose(f);
}

static void assert_six_axes(const catalogue_tensor *t)
{
    assert_int_equal(t->rank, 6);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(t->dims[i], six_dims[i]);
        assert_int_equal(t->chunk[i], six_chunk[i]);
    }
}

static void a_tensor_of_six_axes_keeps_its_extents_and_its_chunks(void **state)
{
    (void)state;
    char path[] = "/tmp/slmt-catalogue-XXXXXX";
    unsigned char *bytes;
    catalogue c;
    close(mkstemp(path));
    write_chunked_tensors(path);
    size_t size = load(path, &bytes);
    catalogue_init(&c, &memory, path);
    source from = {.mem = &memory, .label = path, .fd = -1, .data = bytes, .size = size};
    status s = dialect_catalogue(&from, 512, &c);
    assert_int_equal(s, OK);
    assert_int_equal(c.tensor_count, TENSORS);
    for (size_t i = 0; i < TENSORS; i++)
        assert_six_axes(&c.tensors[i]);
    catalogue_free(&c);
    free(bytes);
    remove(path);
}

/* Training sets have no digest: anybody may forge one. */
static void a_training_set_of_six_axes_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/slmt-catalogue-XXXXXX";
    slmt_context *context;
    slmt_dataset *set = NULL;
    close(mkstemp(path));
    write_chunked_tensors(path);
    assert_int_equal(slmt_context_create(NULL, &context), SLMT_OK);
    assert_int_equal(slmt_dataset_open(context, path, &set), SLMT_ERR_SCHEMA);
    assert_null(set);
    slmt_context_free(context);
    remove(path);
}

/* ---- work ---- */

enum { MANY = 1 << 20 };

static uint64_t reversed(uint64_t i)
{
    uint64_t r = 0;
    for (int bit = 0; bit < 20; bit++)
        r |= (i >> bit & 1) << (63 - bit);
    return r;
}

static uint64_t nested(uint64_t i) /* every address is the last one with one more bit: the deepest trie */
{
    return ~(uint64_t)0 << (i % 64);
}

static uint64_t spread(uint64_t i)
{
    return i * 0x9e3779b97f4a7c15u;
}

static uint64_t in_line(uint64_t i)
{
    return 512 + 40 * i;
}

static void assert_little_work(uint64_t (*address)(uint64_t), uint64_t different)
{
    address_set s = {.mem = &memory};
    for (uint64_t i = 0; i < MANY; i++) {
        int is_new;
        assert_int_equal(address_set_add(&s, address(i), &is_new), OK);
        assert_int_equal(is_new, i < different);
    }
    assert_int_equal(s.count, different);
    assert_true(s.visits <= 2 * (uint64_t)64 * MANY);
    address_set_free(&s);
}

static void whether_an_address_was_seen_costs_at_most_64_steps(void **state)
{
    (void)state;
    assert_little_work(in_line, MANY);
    assert_little_work(spread, MANY);
    assert_little_work(reversed, MANY);
    assert_little_work(nested, 64);
}

static void failed_allocations_of_an_address_set_lose_nothing(void **state)
{
    (void)state;
    address_set s = {.mem = &memory};
    int is_new = 0;
    for (uint64_t i = 0; i < 64; i++)
        assert_int_equal(address_set_add(&s, i, &is_new), OK);
    memory.limit = memory.live + 64 * sizeof(uint64_t);
    assert_int_equal(address_set_add(&s, 64, &is_new), ERR_LIMIT);
    memory.limit = 0;
    for (uint64_t i = 0; i <= 64; i++) {
        assert_int_equal(address_set_add(&s, i, &is_new), OK);
        assert_int_equal(is_new, i == 64);
    }
    address_set_free(&s);
}

/* 2^34 comparisons of texts in a list: minutes. */
static void each_of_many_groups_is_found(void **state)
{
    (void)state;
    enum { GROUPS = 1 << 17 };
    catalogue c;
    char path[32];
    catalogue_init(&c, &memory, "file");
    assert_int_equal(catalogue_add_group(&c, ""), OK);
    assert_int_equal(catalogue_add_group(&c, "a"), OK);
    for (int i = 0; i < GROUPS; i++) {
        snprintf(path, sizeof path, "a/%06d", i);
        assert_int_equal(catalogue_add_group(&c, path), OK);
    }
    assert_int_equal(catalogue_add_group(&c, "a!"), OK); /* before "a/..." as a text, behind it in the walk */
    for (int i = 0; i < GROUPS; i++) {
        snprintf(path, sizeof path, "a/%06d", i);
        assert_ptr_equal(catalogue_find_group(&c, path), &c.groups[2 + i]);
    }
    assert_ptr_equal(catalogue_find_group(&c, ""), &c.groups[0]);
    assert_ptr_equal(catalogue_find_group(&c, "a"), &c.groups[1]);
    assert_ptr_equal(catalogue_find_group(&c, "a!"), &c.groups[2 + GROUPS]);
    assert_null(catalogue_find_group(&c, "a/0"));
    assert_null(catalogue_find_group(&c, "b"));
    catalogue_free(&c);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fresh_memory, nothing_is_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_tensor_of_six_axes_keeps_its_extents_and_its_chunks),
        CASE(a_training_set_of_six_axes_is_refused),
        CASE(whether_an_address_was_seen_costs_at_most_64_steps),
        CASE(failed_allocations_of_an_address_set_lose_nothing),
        CASE(each_of_many_groups_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
