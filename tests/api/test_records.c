/* SPDX-License-Identifier: Apache-2.0 */
/* test_records.c - training sets of any fields: what was written comes back, whole or in part; what does not
 * fit is refused with its place and changes nothing; a forged file is refused.
 *
 *   test_records FILE    writes the example instead, as tests/data/set_2.h5 and set_3.h5 were written */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hdf5.h>

#include "io/dataset_seal.h"
#include "slmt/slmt.h"

#include <cmocka.h> /* last: its fail() is a macro, ours a function */

#define OWN_FOLDER "/tmp/slmt-records-XXXXXX"
#include "tests/own_folder.h"
#include "tests/sealed_set.h"

static slmt_context *context;
static uint64_t live_at_first;

static int make_context_of(uint64_t limit)
{
    slmt_context_config config;
    slmt_context_config_init(&config);
    config.backend = SLMT_BACKEND_REFERENCE;
    config.threads = 1;
    config.max_bytes = limit;
    slmt_status s = slmt_context_create(&config, &context);
    live_at_first = slmt_context_live_bytes(context);
    return s;
}

static int make_context(void **state)
{
    (void)state;
    return make_context_of(0);
}

static int free_context(void **state)
{
    (void)state;
    int live = slmt_context_live_bytes(context) != live_at_first;
    slmt_context_free(context);
    count_files(1);
    return live;
}

static void assert_fails(slmt_status s, slmt_status expected, const char *part)
{
    if (s != expected)
        fail_msg("status %d, expected %d: %s", s, expected, slmt_error_text());
    if (!strstr(slmt_error_text(), part))
        fail_msg("\"%s\" does not say \"%s\"", slmt_error_text(), part);
}

#define GOOD(call)                                                                                           \
    do {                                                                                                     \
        slmt_status good = (call);                                                                           \
        if (good != SLMT_OK)                                                                                 \
            fail_msg("status %d: %s", good, slmt_error_text());                                              \
    } while (0)

/* ---- the example ---- */

enum { PHOTO, MASK, BOX, BOX_CLASS, CODE, PERSON, CUBE, FIELDS };
static const slmt_field fields[FIELDS] = {
    {sizeof(slmt_field), SLMT_FIELD_IMAGE, SLMT_TENSOR_UINT8, 3, {0, 0, 3}, "photo", "row,column,band", NULL},
    {sizeof(slmt_field),
     SLMT_FIELD_LABELS,
     SLMT_TENSOR_UINT8,
     2,
     {0, 0},
     "mask",
     "row,column",
     "0=background,1=left lung,255="},
    {sizeof(slmt_field), SLMT_FIELD_BOXES, SLMT_TENSOR_FLOAT32, 2, {0, 4}, "box", "box,corner", ""},
    {sizeof(slmt_field),
     SLMT_FIELD_CLASSES,
     SLMT_TENSOR_INT32,
     1,
     {0},
     "box_class",
     "box",
     "-1=crowd,3=person"},
    {sizeof(slmt_field), SLMT_FIELD_VECTOR, SLMT_TENSOR_FLOAT16, 1, {5}, "code", "value", NULL},
    {sizeof(slmt_field), SLMT_FIELD_IDS, SLMT_TENSOR_INT32, 1, {1}, "person", "one", NULL},
    {sizeof(slmt_field),
     SLMT_FIELD_IMAGE,
     SLMT_TENSOR_FLOAT32,
     3,
     {6, 5, 900},
     "cube",
     "north,east,wavelength",
     NULL},
};

static const size_t element[] = {
    [SLMT_TENSOR_FLOAT32] = 4, [SLMT_TENSOR_INT32] = 4, [SLMT_TENSOR_FLOAT16] = 2, [SLMT_TENSOR_UINT8] = 1};

static size_t elements(const slmt_field *f, const int64_t *shape)
{
    size_t n = 1;
    for (int i = 0; i < f->rank; i++)
        n *= (size_t)shape[i];
    return n;
}

/* The values of a field in a record: any that the field may hold. */
static void fill(int field, int record, const int64_t *shape, void *values)
{
    static const uint8_t masks[] = {0, 1, 255};
    static const int32_t classes[] = {3, -1};
    size_t n = elements(&fields[field], shape);
    for (size_t i = 0; i < n; i++) {
        int k = (int)(i * 7 + (size_t)record * 31 + (size_t)field * 101) % 251;
        switch (field) {
        case PHOTO:
            ((uint8_t *)values)[i] = (uint8_t)k;
            break;
        case MASK:
            ((uint8_t *)values)[i] = masks[k % 3];
            break;
        case BOX_CLASS:
            ((int32_t *)values)[i] = classes[k % 2];
            break;
        case CODE:
            ((uint16_t *)values)[i] = (uint16_t)(0x3c00 + k); /* from 1 on */
            break;
        case PERSON:
            ((int32_t *)values)[i] = -1000000 * record - k;
            break;
        default:
            ((float *)values)[i] = (float)k / 16 - 3;
        }
    }
}

/* A record's shape of each field; rank 0: it has none. */
typedef struct example {
    slmt_record record;
    int64_t shape[FIELDS][3];
} example;

static const example examples[] = {
    {{sizeof(slmt_record), SLMT_SPLIT_TRAIN, "b", "ward.2"},
     {{7, 4, 3}, {7, 4}, {2, 4}, {2}, {5}, {1}, {6, 5, 900}}},
    {{sizeof(slmt_record), SLMT_SPLIT_TEST, "a-1", "a-1"}, {{3, 9, 3}, {3, 9}, {0, 4}, {0}, {-1}, {1}, {-1}}},
    {{sizeof(slmt_record), SLMT_SPLIT_TRAIN, "c", "ward.2"},
     {{-1}, {-1}, {-1}, {-1}, {-1}, {-1}, {6, 5, 900}}},
};
enum { EXAMPLES = sizeof examples / sizeof *examples };

static slmt_tensor tensor(const slmt_field *f, const int64_t *shape, void *data)
{
    return (slmt_tensor){.data = data, .shape = shape, .rank = f->rank, .type = f->type};
}

/* Appends `pieces` rows a call; 0: all at once. */
static void append(slmt_dataset_writer *w, int field, int record, int64_t pieces)
{
    const slmt_field *f = &fields[field];
    const int64_t *shape = examples[record].shape[field];
    int64_t part[3] = {0, shape[1], shape[2]};
    size_t row = shape[0] ? elements(f, shape) / (size_t)shape[0] * element[f->type] : 0;
    unsigned char *values = malloc(elements(f, shape) * element[f->type] + 1);
    fill(field, record, shape, values);
    for (int64_t first = 0; first == 0 || first < shape[0]; first += part[0] ? part[0] : 1) {
        part[0] = pieces && shape[0] - first > pieces ? pieces : shape[0] - first;
        slmt_tensor t = tensor(f, part, values + (size_t)first * row);
        GOOD(slmt_dataset_writer_append(w, field, &t));
    }
    free(values);
}

static slmt_dataset_writer *start(const char *path)
{
    slmt_dataset_writer *w;
    GOOD(slmt_dataset_writer_create(context, path, &w));
    for (int i = 0; i < FIELDS; i++)
        GOOD(slmt_dataset_writer_add_field(w, &fields[i]));
    return w;
}

static void write_example(const char *path, int64_t pieces)
{
    slmt_dataset_writer *w = start(path);
    for (int r = 0; r < EXAMPLES; r++) {
        GOOD(slmt_dataset_writer_begin(w, &examples[r].record));
        for (int k = 0; k < FIELDS; k++)
            if (examples[r].shape[k][0] >= 0)
                append(w, k, r, pieces);
        GOOD(slmt_dataset_writer_end(w));
    }
    GOOD(slmt_dataset_writer_finish(w));
}

static slmt_dataset *open_set(const char *path)
{
    slmt_dataset *d;
    GOOD(slmt_dataset_open(context, path, &d));
    return d;
}

/* ---- what comes back ---- */

static void assert_field(const slmt_dataset *d, int k)
{
    slmt_field f = {.struct_size = sizeof f};
    GOOD(slmt_dataset_field(d, (size_t)k, &f));
    assert_int_equal(f.kind, fields[k].kind);
    assert_int_equal(f.type, fields[k].type);
    assert_int_equal(f.rank, fields[k].rank);
    assert_memory_equal(f.dim, fields[k].dim, sizeof f.dim);
    assert_string_equal(f.name, fields[k].name);
    assert_string_equal(f.axes, fields[k].axes);
    assert_string_equal(f.classes, fields[k].classes ? fields[k].classes : "");
}

static void assert_rows(slmt_dataset *d, int k, int r, int64_t first, int64_t count)
{
    const slmt_field *f = &fields[k];
    const int64_t *shape = examples[r].shape[k];
    int64_t part[3] = {count, shape[1], shape[2]};
    size_t row = elements(f, shape) / (size_t)shape[0] * element[f->type];
    unsigned char *expected = malloc((size_t)shape[0] * row), *got = malloc((size_t)count * row + 1);
    fill(k, r, shape, expected);
    slmt_tensor t = tensor(f, part, got);
    GOOD(slmt_dataset_read(d, (size_t)r, (size_t)k, first, count, &t));
    assert_memory_equal(got, expected + (size_t)first * row, (size_t)count * row);
    free(expected);
    free(got);
}

static void assert_tensor(slmt_dataset *d, int k, int r)
{
    int64_t shape[6] = {-7, -7, -7, -7, -7, -7};
    const int64_t *wanted = examples[r].shape[k];
    if (wanted[0] < 0) {
        assert_fails(slmt_dataset_shape(d, (size_t)r, (size_t)k, shape), SLMT_ERR_NOT_FOUND, fields[k].name);
        return;
    }
    GOOD(slmt_dataset_shape(d, (size_t)r, (size_t)k, shape));
    assert_int_equal(shape[0], wanted[0]);
    assert_int_equal(shape[fields[k].rank], -7);
    if (wanted[0] == 0)
        return;
    for (int i = 0; i < fields[k].rank; i++)
        assert_int_equal(shape[i], wanted[i]);
    assert_rows(d, k, r, 0, wanted[0]);
    assert_rows(d, k, r, wanted[0] - 1, 1);
    assert_rows(d, k, r, 0, 0);
}

static void assert_example(const char *path)
{
    slmt_dataset *d = open_set(path);
    assert_string_equal(slmt_dataset_source(d), "");
    assert_int_equal(slmt_dataset_field_count(d), FIELDS);
    assert_int_equal(slmt_dataset_record_count(d), EXAMPLES);
    for (int k = 0; k < FIELDS; k++)
        assert_field(d, k);
    for (int r = 0; r < EXAMPLES; r++) {
        slmt_record record = {.struct_size = sizeof record};
        GOOD(slmt_dataset_record(d, (size_t)r, &record));
        assert_string_equal(record.id, examples[r].record.id);
        assert_string_equal(record.group, examples[r].record.group);
        assert_int_equal(record.split, examples[r].record.split);
        for (int k = 0; k < FIELDS; k++)
            assert_tensor(d, k, r);
    }
    slmt_dataset_free(d);
}

static void every_kind_of_field_comes_back(void **state)
{
    (void)state;
    write_example(in_folder("set.h5"), 0);
    assert_example(in_folder("set.h5"));
}

static void tensors_written_in_pieces_are_the_same(void **state)
{
    (void)state;
    for (int64_t pieces = 1; pieces < 4; pieces++) {
        write_example(in_folder("set.h5"), pieces);
        assert_example(in_folder("set.h5"));
    }
}

/* Files that were kept: a later library must read them. */
static void the_kept_files_of_versions_2_and_3_are_read(void **state)
{
    (void)state;
    assert_example(SLMT_SOURCE_DIR "/tests/data/set_2.h5");
    assert_example(SLMT_SOURCE_DIR "/tests/data/set_3.h5");
}

/* 64 MiB pass through a context that may take 1 MiB beside its backend. */
static void a_record_may_be_larger_than_memory(void **state)
{
    enum { ROWS = 1024, SIDE = 128 };
    static float row[SIDE * SIDE];
    const slmt_field f = {
        sizeof f, SLMT_FIELD_IMAGE, SLMT_TENSOR_FLOAT32, 3, {0, SIDE, SIDE}, "big", "slice,y,x", NULL};
    const int64_t shape[3] = {1, SIDE, SIDE};
    slmt_dataset_writer *w;
    slmt_record record = {sizeof record, SLMT_SPLIT_TRAIN, "one", NULL};
    slmt_context_free(context);
    make_context_of(1 << 20);
    GOOD(slmt_dataset_writer_create(context, in_folder("big.h5"), &w));
    GOOD(slmt_dataset_writer_add_field(w, &f));
    GOOD(slmt_dataset_writer_begin(w, &record));
    slmt_tensor t = tensor(&f, shape, row);
    for (int i = 0; i < ROWS; i++) {
        row[0] = (float)i;
        GOOD(slmt_dataset_writer_append(w, 0, &t));
    }
    GOOD(slmt_dataset_writer_end(w));
    GOOD(slmt_dataset_writer_finish(w));
    slmt_dataset *d = open_set(in_folder("big.h5"));
    for (int i = 0; i < ROWS; i += 17) {
        GOOD(slmt_dataset_read(d, 0, 0, i, 1, &t));
        assert_true(row[0] == (float)i);
    }
    slmt_dataset_free(d);
    (void)state;
}

static void a_set_of_records_has_no_contrasts(void **state)
{
    (void)state;
    slmt_preprocess p;
    float pixel = 0;
    slmt_preprocess_init(&p);
    write_example(in_folder("set.h5"), 0);
    slmt_dataset *d = open_set(in_folder("set.h5"));
    assert_int_equal(slmt_dataset_contrast_count(d), 0);
    assert_null(slmt_dataset_contrast(d, 0));
    assert_int_equal(slmt_dataset_slice_count(d, 0, 0), 0);
    assert_fails(slmt_dataset_get_preprocess(d, &p), SLMT_ERR_STATE, "not made from MR volumes");
    assert_fails(slmt_dataset_read_slice(d, 0, 0, 0, 0, &pixel), SLMT_ERR_ARGUMENT, "0 contrasts");
    slmt_dataset_free(d);
}

/* ---- what is refused ---- */

static void a_field_that_breaks_a_rule_is_refused(void **state)
{
    (void)state;
    slmt_dataset_writer *w = start(in_folder("set.h5"));
    const struct {
        slmt_field field;
        const char *part;
    } wrong[] = {
        {{sizeof(slmt_field), 1, 1, 1, {1}, NULL, "a", NULL}, "a field's name must be"},
        {{sizeof(slmt_field), 1, 1, 1, {1}, "a b", "a", NULL}, "a field's name must be"},
        {{sizeof(slmt_field), 1, 1, 1, {1}, "box", "a", NULL}, "there is a field box already"},
        {{sizeof(slmt_field), 0, 1, 1, {1}, "x", "a", NULL}, "kind 0"},
        {{sizeof(slmt_field), 7, 1, 1, {1}, "x", "a", NULL}, "kind 7"},
        {{sizeof(slmt_field), 1, 0, 1, {1}, "x", "a", NULL}, "type 0"},
        {{sizeof(slmt_field), 1, 5, 1, {1}, "x", "a", NULL}, "type 5"},
        {{sizeof(slmt_field), SLMT_FIELD_LABELS, 1, 1, {1}, "x", "a", NULL}, "expected uint8 or int32"},
        {{sizeof(slmt_field), SLMT_FIELD_IDS, 3, 1, {1}, "x", "a", NULL}, "expected uint8 or int32"},
        {{sizeof(slmt_field), 1, 1, 0, {1}, "x", "", NULL}, "expected 1 to 6 axes"},
        {{sizeof(slmt_field), 1, 1, 7, {1}, "x", "a,b,c,d,e,f,g", NULL}, "expected 1 to 6 axes"},
        {{sizeof(slmt_field), 1, 1, 1, {-1}, "x", "a", NULL}, "extents of at least 0"},
        {{sizeof(slmt_field), 1, 1, 2, {1, 1 << 27}, "x", "a,b", NULL}, "at most 268435456 bytes"},
        {{sizeof(slmt_field), 1, 1, 3, {1, INT64_MAX, INT64_MAX}, "x", "a,b,c", NULL}, "at most 268435456"},
        {{sizeof(slmt_field), 1, 1, 2, {1, 1}, "x", "a", NULL}, "axes must be 2 different names"},
        {{sizeof(slmt_field), 1, 1, 1, {1}, "x", "a,b", NULL}, "axes must be 1 different names"},
        {{sizeof(slmt_field), 1, 1, 2, {1, 1}, "x", "a,a", NULL}, "axes must be 2 different names"},
        {{sizeof(slmt_field), 1, 1, 1, {1}, "x", "A", NULL}, "axes must be"},
        {{sizeof(slmt_field), 1, 1, 1, {1}, "x", NULL, NULL}, "axes must be"},
        {{sizeof(slmt_field), SLMT_FIELD_BOXES, 1, 2, {0, 5}, "x", "a,b", NULL}, "extent 5, expected 4"},
        {{sizeof(slmt_field), 1, 4, 1, {1}, "x", "a", "0=a"}, "has no classes"},
        {{sizeof(slmt_field), 2, 4, 1, {1}, "x", "a", "256=a"}, "classes must be"},
        {{sizeof(slmt_field), 2, 4, 1, {1}, "x", "a", "-1=a"}, "classes must be"},
        {{sizeof(slmt_field), 2, 4, 1, {1}, "x", "a", "1=a,1=b"}, "classes must be"},
        {{sizeof(slmt_field), 2, 4, 1, {1}, "x", "a", "2=a,1=b"}, "classes must be"},
        {{sizeof(slmt_field), 2, 4, 1, {1}, "x", "a", "1=a,"}, "classes must be"},
        {{sizeof(slmt_field), 2, 4, 1, {1}, "x", "a", ",1=a"}, "classes must be"},
        {{sizeof(slmt_field), 2, 4, 1, {1}, "x", "a", "1"}, "classes must be"},
        {{sizeof(slmt_field), 2, 4, 1, {1}, "x", "a", "01=a"}, "classes must be"},
        {{sizeof(slmt_field), 2, 4, 1, {1}, "x", "a", "1=a=b"}, "classes must be"},
        {{sizeof(slmt_field), 2, 4, 1, {1}, "x", "a", "1=\n"}, "classes must be"},
        {{sizeof(slmt_field), 2, 2, 1, {1}, "x", "a", "2147483648=a"}, "classes must be"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_fails(slmt_dataset_writer_add_field(w, &wrong[i].field), SLMT_ERR_ARGUMENT, wrong[i].part);
    for (int i = FIELDS; i < 64; i++) {
        char name[8];
        snprintf(name, sizeof name, "f%d", i);
        slmt_field more = {sizeof more, 1, 1, 1, {1}, name, name, NULL};
        GOOD(slmt_dataset_writer_add_field(w, &more));
    }
    slmt_field last = {sizeof last, 1, 1, 1, {1}, "last", "a", NULL};
    assert_fails(slmt_dataset_writer_add_field(w, &last), SLMT_ERR_ARGUMENT, "one too many, at most 64");
    GOOD(slmt_dataset_writer_finish(w));
    slmt_dataset_free(open_set(in_folder("set.h5")));
}

static slmt_record train(const char *id)
{
    return (slmt_record){sizeof(slmt_record), SLMT_SPLIT_TRAIN, id, NULL};
}

static void calls_out_of_order_are_refused(void **state)
{
    (void)state;
    slmt_dataset_writer *w;
    const char *path = in_folder("set.h5");
    slmt_record a = train("a"), b = train("b");
    int32_t id = 3;
    slmt_tensor t = tensor(&fields[PERSON], (const int64_t[]){1}, &id);
    slmt_preprocess p;
    slmt_preprocess_init(&p);
    GOOD(slmt_dataset_writer_create(context, path, &w));
    assert_fails(slmt_dataset_writer_finish(w), SLMT_ERR_STATE, "the set has no field");
    assert_int_equal(count_files(0), 0);
    w = start(path);
    assert_fails(slmt_dataset_writer_append(w, PERSON, &t), SLMT_ERR_STATE, "no record has been begun");
    assert_fails(slmt_dataset_writer_end(w), SLMT_ERR_STATE, "no record has been begun");
    GOOD(slmt_dataset_writer_undo(w));
    assert_fails(slmt_dataset_writer_add_labels(w, "x"), SLMT_ERR_STATE, "not a set of MR volumes");
    GOOD(slmt_dataset_writer_begin(w, &a));
    assert_fails(slmt_dataset_writer_begin(w, &b), SLMT_ERR_STATE, "/records/a has not ended");
    assert_fails(
        slmt_dataset_writer_add_field(w, &(slmt_field){sizeof(slmt_field), 1, 1, 1, {1}, "x", "a", NULL}),
        SLMT_ERR_STATE, "comes after a record");
    assert_fails(slmt_dataset_writer_finish(w), SLMT_ERR_STATE, "/records/a has not ended");
    assert_int_equal(count_files(0), 0);
    GOOD(slmt_dataset_writer_create_mr(context, path, &p, (const char *const[]){"T1"}, 1, &w));
    assert_fails(slmt_dataset_writer_begin(w, &a), SLMT_ERR_STATE, "is a set of MR volumes");
    assert_fails(slmt_dataset_writer_append(w, 0, &t), SLMT_ERR_STATE, "is a set of MR volumes");
    slmt_dataset_writer_cancel(w);
}

/* Rows of 1 MiB, which cannot be deflated in a context of 1 MiB, and rows of 400 bytes, which can. */
static void after_a_record_without_memory_is_undone_the_set_goes_on(void **state)
{
    (void)state;
    enum { SIDE = 512, SMALL = 10 };
    static float row[SIDE * SIDE];
    const slmt_field f = {sizeof f, SLMT_FIELD_IMAGE, SLMT_TENSOR_FLOAT32, 3, {0}, "x", "slice,y,x", NULL};
    const int64_t large[3] = {1, SIDE, SIDE}, small[3] = {1, SMALL, SMALL};
    slmt_record record = train("a");
    slmt_dataset_writer *w;
    slmt_context_free(context);
    make_context_of(1 << 20);
    GOOD(slmt_dataset_writer_create(context, in_folder("little.h5"), &w));
    GOOD(slmt_dataset_writer_add_field(w, &f));
    for (int i = 0; i < SIDE * SIDE; i++)
        row[i] = (float)i;
    slmt_tensor t = tensor(&f, large, row), other = tensor(&f, small, row);
    GOOD(slmt_dataset_writer_begin(w, &record));
    assert_fails(slmt_dataset_writer_append(w, 0, &t), SLMT_ERR_LIMIT, "");
    assert_fails(slmt_dataset_writer_append(w, 0, &other), SLMT_ERR_LIMIT, "an earlier write failed");
    GOOD(slmt_dataset_writer_undo(w));
    GOOD(slmt_dataset_writer_begin(w, &record));
    GOOD(slmt_dataset_writer_append(w, 0, &other));
    GOOD(slmt_dataset_writer_end(w));
    GOOD(slmt_dataset_writer_finish(w));
    slmt_dataset *d = open_set(in_folder("little.h5"));
    assert_int_equal(slmt_dataset_record_count(d), 1);
    memset(row, 0, sizeof row);
    GOOD(slmt_dataset_read(d, 0, 0, 0, 1, &other));
    assert_true(row[1] == 1 && row[SMALL * SMALL - 1] == SMALL * SMALL - 1);
    slmt_dataset_free(d);
}

static void records_that_are_wrong_or_incomplete_change_nothing(void **state)
{
    (void)state;
    slmt_dataset_writer *w = start(in_folder("set.h5"));
    slmt_record bad = train("a/b"), no_split = train("x"), a = train("a");
    bad.id = "a/b";
    assert_fails(slmt_dataset_writer_begin(w, &bad), SLMT_ERR_ARGUMENT, "a record's id must be");
    bad = (slmt_record){sizeof bad, SLMT_SPLIT_TRAIN, "x", "."};
    assert_fails(slmt_dataset_writer_begin(w, &bad), SLMT_ERR_ARGUMENT, "the group of record x must be");
    no_split.split = SLMT_SPLIT_ALL;
    assert_fails(slmt_dataset_writer_begin(w, &no_split), SLMT_ERR_ARGUMENT, "the split of record x is 0");
    GOOD(slmt_dataset_writer_begin(w, &a));
    assert_fails(slmt_dataset_writer_end(w), SLMT_ERR_ARGUMENT, "/records/a has no tensor");
    GOOD(slmt_dataset_writer_begin(w, &a));
    static float cube[2 * 5 * 900];
    slmt_tensor t = tensor(&fields[CUBE], (const int64_t[]){2, 5, 900}, cube);
    GOOD(slmt_dataset_writer_append(w, CUBE, &t));
    assert_fails(slmt_dataset_writer_end(w), SLMT_ERR_ARGUMENT, "/records/a/cube has 2 rows, expected 6");
    GOOD(slmt_dataset_writer_begin(w, &a));
    float box[8] = {0};
    int32_t class = 3;
    t = tensor(&fields[BOX], (const int64_t[]){2, 4}, box);
    GOOD(slmt_dataset_writer_append(w, BOX, &t));
    t = tensor(&fields[BOX_CLASS], (const int64_t[]){1}, &class);
    GOOD(slmt_dataset_writer_append(w, BOX_CLASS, &t));
    assert_fails(slmt_dataset_writer_end(w), SLMT_ERR_ARGUMENT,
                 "/records/a: axis box of box has extent 2, that of box_class 1");
    GOOD(slmt_dataset_writer_begin(w, &a));
    GOOD(slmt_dataset_writer_append(w, BOX_CLASS, &t));
    GOOD(slmt_dataset_writer_undo(w));
    GOOD(slmt_dataset_writer_begin(w, &a));
    GOOD(slmt_dataset_writer_append(w, BOX_CLASS, &t));
    GOOD(slmt_dataset_writer_end(w));
    assert_fails(slmt_dataset_writer_begin(w, &a), SLMT_ERR_ARGUMENT, "there is a record a already");
    GOOD(slmt_dataset_writer_finish(w));
    slmt_dataset *d = open_set(in_folder("set.h5"));
    assert_int_equal(slmt_dataset_record_count(d), 1);
    slmt_dataset_free(d);
}

static void tensors_that_do_not_fit_are_refused_and_the_record_goes_on(void **state)
{
    (void)state;
    slmt_dataset_writer *w = start(in_folder("set.h5"));
    slmt_record a = train("a");
    static unsigned char data[64 * 1024];
    static float bad[4] = {0, 0.0f / 0.0f, 0, 0};
    static uint16_t infinite[5] = {0, 0, 0, 0, 0x7c00};
    static int32_t class = 2;
    const struct {
        int field;
        int64_t shape[3];
        int32_t type, rank;
        void *data;
        slmt_status status;
        const char *part;
    } wrong[] = {
        {-1, {1}, 1, 1, data, SLMT_ERR_ARGUMENT, "field is -1, there are 7"},
        {FIELDS, {1}, 1, 1, data, SLMT_ERR_ARGUMENT, "field is 7, there are 7"},
        {BOX, {1, 4}, 3, 2, data, SLMT_ERR_ARGUMENT, "field box has type 1 and 2 axes, the tensor type 3"},
        {BOX, {4}, 1, 1, data, SLMT_ERR_ARGUMENT, "field box has type 1 and 2 axes"},
        {BOX, {1, 4}, 1, 2, NULL, SLMT_ERR_ARGUMENT, "data is NULL"},
        {BOX, {1, 3}, 1, 2, data, SLMT_ERR_ARGUMENT, "axis 1 of /records/a/box has extent 3, expected 4"},
        {BOX, {-1, 4}, 1, 2, data, SLMT_ERR_ARGUMENT, "-1 more are appended"},
        {BOX, {1, 4}, 1, 2, bad, SLMT_ERR_NONFINITE, "/records/a/box: value 1 is not finite"},
        {BOX, {INT64_MAX, 4}, 1, 2, data, SLMT_ERR_ARGUMENT, "too large"},
        {CODE, {6}, 3, 1, data, SLMT_ERR_ARGUMENT, "6 more are appended, expected 5 in all"},
        {CODE, {5}, 3, 1, infinite, SLMT_ERR_NONFINITE, "/records/a/code: value 4 is not finite"},
        {PHOTO, {1, 0, 3}, 4, 3, data, SLMT_ERR_ARGUMENT, "axis 1 of /records/a/photo has extent 0"},
        {PHOTO, {1, 1 << 28, 3}, 4, 3, data, SLMT_ERR_ARGUMENT, "too large, at most 268435456 bytes"},
        {BOX_CLASS, {1}, 2, 1, &class, SLMT_ERR_ARGUMENT, "value 0 is none of the field's classes"},
    };
    GOOD(slmt_dataset_writer_begin(w, &a));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        slmt_tensor t = {
            .data = wrong[i].data, .shape = wrong[i].shape, .rank = wrong[i].rank, .type = wrong[i].type};
        assert_fails(slmt_dataset_writer_append(w, wrong[i].field, &t), wrong[i].status, wrong[i].part);
    }
    const int64_t apart[2] = {5, 1};
    slmt_tensor t = tensor(&fields[BOX], (const int64_t[]){2, 4}, data);
    t.strides = apart;
    assert_fails(slmt_dataset_writer_append(w, BOX, &t), SLMT_ERR_ARGUMENT, "not compact and row-major");
    t.strides = NULL;
    GOOD(slmt_dataset_writer_append(w, BOX, &t));
    t = tensor(&fields[PHOTO], (const int64_t[]){1, 5, 3}, data);
    GOOD(slmt_dataset_writer_append(w, PHOTO, &t));
    t.shape = (const int64_t[]){1, 6, 3};
    assert_fails(slmt_dataset_writer_append(w, PHOTO, &t), SLMT_ERR_ARGUMENT,
                 "axis 1 of /records/a/photo has extent 6, expected 5");
    GOOD(slmt_dataset_writer_end(w));
    GOOD(slmt_dataset_writer_finish(w));
    slmt_dataset *d = open_set(in_folder("set.h5"));
    int64_t shape[6];
    GOOD(slmt_dataset_shape(d, 0, PHOTO, shape));
    assert_int_equal(shape[0], 1);
    assert_int_equal(shape[1], 5);
    slmt_dataset_free(d);
}

static void reads_out_of_range_are_refused(void **state)
{
    (void)state;
    static float data[2 * 4];
    slmt_field f = {.struct_size = sizeof f};
    slmt_record r = {.struct_size = sizeof r};
    write_example(in_folder("set.h5"), 0);
    slmt_dataset *d = open_set(in_folder("set.h5"));
    slmt_tensor t = tensor(&fields[BOX], (const int64_t[]){2, 4}, data);
    assert_fails(slmt_dataset_field(d, FIELDS, &f), SLMT_ERR_ARGUMENT, "field 7; there are 7");
    assert_fails(slmt_dataset_record(d, 3, &r), SLMT_ERR_ARGUMENT, "record 3; there are 3");
    assert_fails(slmt_dataset_read(d, 3, BOX, 0, 2, &t), SLMT_ERR_ARGUMENT, "there are 3 records, 7 fields");
    assert_fails(slmt_dataset_read(d, 0, 7, 0, 2, &t), SLMT_ERR_ARGUMENT, "there are 3 records, 7 fields");
    assert_fails(slmt_dataset_read(d, 2, BOX, 0, 2, &t), SLMT_ERR_NOT_FOUND, "record c has no box");
    assert_fails(slmt_dataset_read(d, 0, BOX, 1, 2, &t), SLMT_ERR_ARGUMENT, "rows 1 to 2 of box");
    assert_fails(slmt_dataset_read(d, 0, BOX, -1, 2, &t), SLMT_ERR_ARGUMENT, "rows -1 to 0 of box");
    assert_fails(slmt_dataset_read(d, 0, BOX, 0, -1, &t), SLMT_ERR_ARGUMENT, "rows 0 to -2 of box");
    assert_fails(slmt_dataset_read(d, 1, BOX, 0, 1, &t), SLMT_ERR_ARGUMENT, "there are 0");
    assert_fails(slmt_dataset_read(d, 0, BOX, 0, 1, &t), SLMT_ERR_ARGUMENT, "extent 2, expected 1");
    t.type = SLMT_TENSOR_INT32;
    assert_fails(slmt_dataset_read(d, 0, BOX, 0, 2, &t), SLMT_ERR_ARGUMENT, "field box has type 1");
    slmt_dataset_free(d);
}

/* ---- forged files ---- */

static hid_t spoil(const char *path)
{
    write_example(path, 0);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

static void assert_spoilt(hid_t file, const char *path, const char *part)
{
    slmt_dataset *d = NULL;
    close_and_seal_set(file, path);
    assert_fails(slmt_dataset_open(context, path, &d), SLMT_ERR_SCHEMA, part);
    assert_null(d);
}

static void put_attribute(hid_t file, const char *object, const char *name, const char *text, int64_t number)
{
    H5Adelete_by_name(file, object, name, H5P_DEFAULT);
    hid_t space = H5Screate(H5S_SCALAR), type = H5Tcopy(text ? H5T_C_S1 : H5T_STD_I64LE);
    if (text)
        H5Tset_size(type, strlen(text) + 1);
    hid_t a = H5Acreate_by_name(file, object, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(a, text ? type : H5T_NATIVE_INT64, text ? (const void *)text : &number) >= 0);
    H5Aclose(a);
    H5Tclose(type);
    H5Sclose(space);
}

static void wrong_attributes_of_a_file_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *object, *name, *text;
        int64_t number;
        const char *part;
    } wrong[] = {
        {"/", "extra", NULL, 1, "/ has 1 attributes"},
        {"/fields", "extra", NULL, 1, "/fields has 1 attributes"},
        {"/records", "extra", NULL, 1, "/records has 1 attributes"},
        {"/fields/box", "extra", NULL, 1, "/fields/box has no attribute classes"},
        {"/fields/mask", "extra", NULL, 1, "/fields/mask has 7 attributes"},
        {"/fields/box", "index", NULL, 7, "index 7 is past the last or taken"},
        {"/fields/box", "index", NULL, 3, "index 3 is past the last or taken"},
        {"/fields/box", "index", NULL, -1, "attribute index of /fields/box is -1"},
        {"/fields/box", "kind", "picture", 0, "kind \"picture\""},
        {"/fields/box", "type", "float64", 0, "type \"float64\""},
        {"/fields/box", "type", "float16", 0, "/records/b/box is float32, expected float16"},
        {"/fields/box", "shape", "0,4", 0, "shape \"0,4\" is unknown"},
        {"/fields/box", "shape", "*,4,", 0, "shape \"*,4,\" is unknown"},
        {"/fields/box", "shape", "*,4,1,1,1,1,1", 0, "is unknown"},
        {"/fields/box", "shape", "*,4x", 0, "is unknown"},
        {"/fields/box", "shape", "*,9999999999999999999", 0, "is unknown"},
        {"/fields/box", "shape", "*,5", 0, "field box: the last axis of boxes has extent 5"},
        {"/fields/box", "axes", "box", 0, "field box: axes must be 2"},
        {"/fields/mask", "classes", "1=a,0=b", 0, "field mask: classes must be"},
        {"/fields/code", "shape", "6", 0, "/records/b/code is [5] in chunks [0], the field needs [6]"},
        {"/records/b", "split", "half", 0, "split is \"half\""},
        {"/records/b", "group", "../x", 0, "attribute group is not a name"},
        {"/records/b", "index", NULL, 3, "index 3 is past the last or taken"},
        {"/records/b", "index", NULL, 1, "is past the last or taken"},
        {"/records/b", "empty", "box", 0, "attribute empty names \"box\""},
        {"/records/a-1", "empty", "box,,", 0, "attribute empty names \"\""},
        {"/records/a-1", "empty", "code", 0, "attribute empty names \"code\""},
        {"/records/a-1", "empty", "nothing", 0, "attribute empty names \"nothing\""},
        {"/records/a-1", "extra", "", 0, "/records/a-1 has 5 attributes"},
        {"/records/b", "extra", "", 0, "/records/b has no attribute empty"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        hid_t f = spoil(in_folder("set.h5"));
        put_attribute(f, wrong[i].object, wrong[i].name, wrong[i].text, wrong[i].number);
        assert_spoilt(f, in_folder("set.h5"), wrong[i].part);
    }
}

static void put_tensor(hid_t file, const char *name, hid_t type, int rank, const hsize_t *dims,
                       const hsize_t *chunk)
{
    static const double zeros[64 * 1024];
    H5Ldelete(file, name, H5P_DEFAULT);
    hid_t space = H5Screate_simple(rank, dims, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
    if (chunk)
        H5Pset_chunk(plist, rank, chunk);
    hid_t d = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    assert_true(H5Dwrite(d, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros) >= 0);
    H5Dclose(d);
    H5Pclose(plist);
    H5Sclose(space);
}

static void wrong_groups_and_tensors_of_a_file_are_named(void **state)
{
    (void)state;
    const char *path = in_folder("set.h5");
    static const char *const groups[] = {"/notes", "/records/b/more", "/fields/box/more", "/records/b\nc"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        hid_t f = spoil(path);
        H5Gclose(H5Gcreate2(f, groups[i], H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
        assert_spoilt(f, path, i < 3 ? groups[i] : "/records holds a name");
    }
    hid_t f = spoil(path);
    H5Gclose(H5Gcreate2(f, "/source", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    assert_spoilt(f, path, "/source has 0 attributes");
    f = spoil(path);
    H5Ldelete(f, "/fields/cube", H5P_DEFAULT);
    assert_spoilt(f, path, "/records/b/cube has the name of no field");
    f = spoil(path);
    H5Ldelete(f, "/records/c/cube", H5P_DEFAULT);
    assert_spoilt(f, path, "/records/c has no tensor");
    f = spoil(path);
    H5Ldelete(f, "/records", H5P_DEFAULT);
    assert_spoilt(f, path, "/fields or /records is missing");
    f = spoil(path);
    put_tensor(f, "/records/b/box", H5T_IEEE_F32LE, 2, (hsize_t[]){3, 4}, NULL);
    assert_spoilt(f, path, "/records/b: axis box of box has extent 3, that of box_class 2");
    f = spoil(path);
    H5Ldelete(f, "/records/b/box", H5P_DEFAULT);
    put_attribute(f, "/records/b", "empty", "box", 0);
    assert_spoilt(f, path, "/records/b: axis box of box has extent 0, that of box_class 2");
    f = spoil(path);
    put_tensor(f, "/records/b/box", H5T_IEEE_F32LE, 1, (hsize_t[]){8}, NULL);
    assert_spoilt(f, path, "/records/b/box is [8] in chunks [0], the field needs [*,4]");
    f = spoil(path);
    put_tensor(f, "/records/b/box", H5T_IEEE_F32LE, 2, (hsize_t[]){2, 4}, (hsize_t[]){2, 2});
    assert_spoilt(f, path, "in chunks [2,2]");
    f = spoil(path);
    put_tensor(f, "/records/b/person", H5T_STD_I64LE, 1, (hsize_t[]){1}, NULL);
    assert_spoilt(f, path, "/records/b/person is int64, expected int32");
    f = spoil(path);
    put_tensor(f, "/records/b/person", H5T_STD_I16LE, 1, (hsize_t[]){1}, NULL);
    assert_spoilt(f, path, "/records/b/person is neither float32");
    f = spoil(path);
    put_tensor(f, "/records/person", H5T_STD_I32LE, 1, (hsize_t[]){1}, NULL);
    assert_spoilt(f, path, "/records has 0 attributes and 1 tensors");
}

static void values_that_a_field_does_not_hold_are_corrupt(void **state)
{
    (void)state;
    int32_t class[2] = {3, 2};
    float boxes[2][4] = {{0}, {0, 0, 1.0f / 0.0f, 0}};
    hid_t f = spoil(in_folder("set.h5"));
    hid_t data = H5Dopen2(f, "/records/b/box_class", H5P_DEFAULT);
    assert_true(H5Dwrite(data, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, class) >= 0);
    H5Dclose(data);
    data = H5Dopen2(f, "/records/b/box", H5P_DEFAULT);
    assert_true(H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, boxes) >= 0);
    H5Dclose(data);
    close_and_seal_set(f, in_folder("set.h5"));
    slmt_dataset *d = open_set(in_folder("set.h5"));
    slmt_tensor t = tensor(&fields[BOX_CLASS], (const int64_t[]){2}, class);
    assert_fails(slmt_dataset_read(d, 0, BOX_CLASS, 0, 2, &t), SLMT_ERR_CORRUPT,
                 "/records/b/box_class: row 1 holds a value that is none of the field's classes");
    t = tensor(&fields[BOX], (const int64_t[]){2, 4}, boxes);
    assert_fails(slmt_dataset_read(d, 0, BOX, 0, 2, &t), SLMT_ERR_CORRUPT,
                 "/records/b/box: row 1 holds a value that is not finite");
    slmt_dataset_free(d);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    const char *path = in_folder("set.h5");
    write_example(path, 0);
    FILE *f = fopen(path, "rb");
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    fclose(f);
    for (long cut = size - 1; cut > 0; cut -= 1009) {
        slmt_dataset *d = NULL;
        assert_int_equal(truncate(path, cut), 0);
        slmt_status s = slmt_dataset_open(context, path, &d);
        assert_true(s == SLMT_ERR_FORMAT || s == SLMT_ERR_CORRUPT);
    }
}

/* Opens a set and reads each row of each tensor; returns the first failure. */
static slmt_status read_all(const char *path)
{
    static unsigned char row[6 * 5 * 900 * 4];
    slmt_dataset *d = NULL;
    slmt_status s = slmt_dataset_open(context, path, &d);
    for (size_t r = 0; s == SLMT_OK && r < EXAMPLES; r++)
        for (size_t k = 0; s == SLMT_OK && k < FIELDS; k++) {
            int64_t shape[6];
            if (slmt_dataset_shape(d, r, k, shape) != SLMT_OK)
                continue;
            slmt_tensor t = tensor(&fields[k], shape, row);
            s = slmt_dataset_read(d, r, k, 0, shape[0], &t);
        }
    slmt_dataset_free(d);
    return s;
}

static void a_set_with_any_changed_byte_is_refused_when_all_of_it_is_read(void **state)
{
    (void)state;
    const char *path = in_folder("set.h5");
    write_example(path, 0);
    assert_int_equal(read_all(path), SLMT_OK);
    int fd = open(path, O_RDWR);
    off_t size = lseek(fd, 0, SEEK_END);
    for (off_t at = 0; at < size; at++) {
        unsigned char is, changed;
        assert_int_equal(pread(fd, &is, 1, at), 1);
        changed = (unsigned char)(is ^ 1 << at * 5 % 8);
        assert_int_equal(pwrite(fd, &changed, 1, at), 1);
        slmt_status s = read_all(path);
        if (s != SLMT_ERR_FORMAT && s != SLMT_ERR_VERSION && s != SLMT_ERR_CORRUPT)
            fail_msg("byte %lld: status %d", (long long)at, s);
        assert_int_equal(pwrite(fd, &is, 1, at), 1);
    }
    close(fd);
    assert_int_equal(read_all(path), SLMT_OK);
}

/* A changed block of values spoils what lies in it and nothing else. */
static void damage_is_found_where_it_is_read_and_named(void **state)
{
    (void)state;
    enum { ROWS = 64, SIDE = 64 };
    static float row[SIDE * SIDE];
    const slmt_field f = {
        sizeof f, SLMT_FIELD_IMAGE, SLMT_TENSOR_FLOAT32, 3, {0, SIDE, SIDE}, "big", "slice,y,x", NULL};
    const int64_t shape[3] = {1, SIDE, SIDE};
    slmt_dataset_writer *w;
    slmt_record record = {sizeof record, SLMT_SPLIT_TRAIN, "one", NULL};
    const char *path = in_folder("big.h5");
    GOOD(slmt_dataset_writer_create(context, path, &w));
    GOOD(slmt_dataset_writer_add_field(w, &f));
    GOOD(slmt_dataset_writer_begin(w, &record));
    slmt_tensor t = tensor(&f, shape, row);
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < SIDE * SIDE; k++)
            row[k] = (float)((k * 7919 + i * 104729) % 65537) / 65537;
        GOOD(slmt_dataset_writer_append(w, 0, &t));
    }
    GOOD(slmt_dataset_writer_end(w));
    GOOD(slmt_dataset_writer_finish(w));
    int fd = open(path, O_RDWR);
    off_t middle = lseek(fd, 0, SEEK_END) / 2;
    unsigned char was;
    assert_int_equal(pread(fd, &was, 1, middle), 1);
    was ^= 4;
    assert_int_equal(pwrite(fd, &was, 1, middle), 1);
    close(fd);
    slmt_dataset *d = open_set(path);
    int refused = 0;
    for (int i = 0; i < ROWS; i++) {
        slmt_status s = slmt_dataset_read(d, 0, 0, i, 1, &t);
        if (s == SLMT_OK)
            continue;
        char place[64];
        snprintf(place, sizeof place, "read for rows %d to %d of /records/one/big", i, i);
        assert_fails(s, SLMT_ERR_CORRUPT, place);
        assert_fails(s, SLMT_ERR_CORRUPT, "have another SHA-256 than is recorded");
        refused++;
    }
    slmt_dataset_free(d);
    assert_in_range(refused, 1, 4);
}

/* ---- label maps of MR volumes ---- */

enum { NX = 12, NY = 10, NZ = 7, CROP = 9, SLICES = 4 };

static slmt_volume *volume(float (*value)(int i))
{
    static float voxels[NX * NY * NZ];
    static const double lps[16] = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    slmt_volume *v;
    for (int i = 0; i < NX * NY * NZ; i++)
        voxels[i] = value(i);
    GOOD(slmt_volume_create(context, (const int64_t[]){NX, NY, NZ}, lps, voxels, &v));
    return v;
}

static float grey(int i)
{
    return (float)(i * 37 % 251);
}

static float label(int i) /* 0, 4 and -3, by column of the slice */
{
    return i / NX % NY == 4 ? 4 : i / NX % NY == 5 ? -3 : 0;
}

static float other_label(int i)
{
    return i / NX % NY == 4 ? 11 : 0;
}

static float fraction(int i)
{
    return i == 500 ? 0.5f : 0;
}

static float flat(int i)
{
    (void)i;
    return 7;
}

/* NULL: missing. */
static slmt_status add(slmt_dataset_writer *w, const char *subject, float (*image)(int), float (*labels)(int),
                       float (*organ)(int))
{
    slmt_volume *v[3] = {image ? volume(image) : NULL, labels ? volume(labels) : NULL,
                         organ ? volume(organ) : NULL};
    slmt_status s = slmt_dataset_writer_add(w, subject, (const slmt_volume *const *)v, SLMT_SPLIT_TRAIN);
    for (int i = 0; i < 3; i++)
        slmt_volume_free(v[i]);
    return s;
}

static void label_maps_keep_their_values_and_name_their_classes(void **state)
{
    (void)state;
    slmt_dataset_writer *w;
    slmt_preprocess p;
    slmt_preprocess_init(&p);
    p.crop_size = CROP;
    p.slice_first = 1;
    p.slice_count = SLICES;
    p.image_size = 16;
    GOOD(slmt_dataset_writer_create_mr(context, in_folder("set.h5"), &p, (const char *const[]){"T1"}, 1, &w));
    assert_fails(slmt_dataset_writer_add_labels(w, "T1"), SLMT_ERR_ARGUMENT, "there is a field T1 already");
    GOOD(slmt_dataset_writer_add_labels(w, "tumour"));
    GOOD(slmt_dataset_writer_add_labels(w, "organ"));
    assert_fails(add(w, "half", grey, fraction, NULL), SLMT_ERR_ARGUMENT,
                 "voxel 500 of the label map is 0.5");
    assert_fails(add(w, "flat", flat, label, NULL), SLMT_ERR_ARGUMENT, "constant");
    assert_fails(add(w, "late", grey, other_label, fraction), SLMT_ERR_ARGUMENT,
                 "voxel 500"); /* and no class 11 */
    GOOD(add(w, "one", grey, label, NULL));
    GOOD(add(w, "two", grey, NULL, NULL));
    assert_fails(slmt_dataset_writer_add_labels(w, "more"), SLMT_ERR_STATE, "comes after a record");
    GOOD(slmt_dataset_writer_finish(w));
    slmt_dataset *d = open_set(in_folder("set.h5"));
    slmt_field f = {.struct_size = sizeof f};
    int32_t labels[SLICES][CROP][CROP];
    int64_t shape[6];
    assert_int_equal(slmt_dataset_contrast_count(d), 1);
    GOOD(slmt_dataset_field(d, 1, &f));
    assert_string_equal(f.name, "tumour");
    assert_string_equal(f.classes, "-3=-3,0=0,4=4");
    assert_int_equal(f.kind, SLMT_FIELD_LABELS);
    slmt_tensor t = {
        .data = labels, .shape = (const int64_t[]){SLICES, CROP, CROP}, .rank = 3, .type = SLMT_TENSOR_INT32};
    GOOD(slmt_dataset_read(d, 0, 1, 0, SLICES, &t));
    for (int z = 0; z < SLICES; z++)
        for (int r = 0; r < CROP; r++)
            for (int c = 0; c < CROP; c++) /* NY is 10: the crop's first column is the volume's */
                assert_int_equal(labels[z][r][c], c == 4 ? 4 : c == 5 ? -3 : 0);
    assert_fails(slmt_dataset_shape(d, 1, 1, shape), SLMT_ERR_NOT_FOUND, "record two has no tumour");
    int32_t cut[SLICES][CROP][CROP];
    slmt_volume *map = volume(label), *fractions = volume(fraction);
    GOOD(slmt_dataset_cut_labels(d, map, SLICES, &cut[0][0][0])); /* as the set's own were cut */
    assert_memory_equal(cut, labels, sizeof cut);
    assert_fails(slmt_dataset_cut_labels(d, map, SLICES - 1, &cut[0][0][0]), SLMT_ERR_ARGUMENT,
                 "the label map gives");
    assert_fails(slmt_dataset_cut_labels(d, fractions, SLICES, &cut[0][0][0]), SLMT_ERR_ARGUMENT,
                 "voxel 500");
    assert_memory_equal(cut, labels, sizeof cut);
    slmt_volume_free(map);
    slmt_volume_free(fractions);
    slmt_dataset_free(d);
}

static int first_label;

static float own_label(int i) /* a label for each voxel */
{
    return (float)(first_label + i);
}

/* 4 slices of 81 labels each in every record; the refused one takes its classes with it. */
static void more_labels_than_a_field_has_are_refused_and_the_set_goes_on(void **state)
{
    (void)state;
    enum { EACH = SLICES * CROP * CROP, FULL = 2048 / EACH };
    slmt_dataset_writer *w;
    slmt_preprocess p;
    char name[16];
    slmt_preprocess_init(&p);
    p.crop_size = CROP;
    p.slice_first = 1;
    p.slice_count = SLICES;
    p.image_size = 16;
    GOOD(
        slmt_dataset_writer_create_mr(context, in_folder("many.h5"), &p, (const char *const[]){"T1"}, 1, &w));
    GOOD(slmt_dataset_writer_add_labels(w, "parcels"));
    for (int i = 0; i < FULL; i++) {
        first_label = i * NX * NY * NZ;
        snprintf(name, sizeof name, "r%d", i);
        GOOD(add(w, name, grey, own_label, NULL));
    }
    first_label = FULL * NX * NY * NZ;
    assert_fails(add(w, "more", grey, own_label, NULL), SLMT_ERR_ARGUMENT,
                 "field parcels has more than 2048 different labels");
    first_label = 0;
    GOOD(add(w, "again", grey, own_label, NULL));
    GOOD(slmt_dataset_writer_finish(w));
    slmt_dataset *d = open_set(in_folder("many.h5"));
    slmt_field f = {.struct_size = sizeof f};
    int classes = 1;
    GOOD(slmt_dataset_field(d, 1, &f));
    for (const char *c = f.classes; *c; c++)
        classes += *c == ',';
    assert_int_equal(classes, FULL * EACH);
    assert_int_equal(slmt_dataset_record_count(d), FULL + 1);
    slmt_dataset_free(d);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, make_context, free_context)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(every_kind_of_field_comes_back),
        CASE(tensors_written_in_pieces_are_the_same),
        CASE(the_kept_files_of_versions_2_and_3_are_read),
        CASE(a_record_may_be_larger_than_memory),
        CASE(a_set_of_records_has_no_contrasts),
        CASE(a_field_that_breaks_a_rule_is_refused),
        CASE(calls_out_of_order_are_refused),
        CASE(after_a_record_without_memory_is_undone_the_set_goes_on),
        CASE(records_that_are_wrong_or_incomplete_change_nothing),
        CASE(tensors_that_do_not_fit_are_refused_and_the_record_goes_on),
        CASE(reads_out_of_range_are_refused),
        CASE(wrong_attributes_of_a_file_are_named),
        CASE(wrong_groups_and_tensors_of_a_file_are_named),
        CASE(values_that_a_field_does_not_hold_are_corrupt),
        CASE(a_file_cut_anywhere_is_refused),
        CASE(a_set_with_any_changed_byte_is_refused_when_all_of_it_is_read),
        CASE(damage_is_found_where_it_is_read_and_named),
        CASE(more_labels_than_a_field_has_are_refused_and_the_set_goes_on),
        CASE(label_maps_keep_their_values_and_name_their_classes),
    };
    if (argc == 2) {
        make_context(NULL);
        write_example(argv[1], 0);
        slmt_context_free(context);
        return 0;
    }
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* spoiling files tries things that fail */
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
