/* SPDX-License-Identifier: Apache-2.0 */
/* test_museum.c - the files of tests/data/README.md: each is read with the digest that its row records, or
 * refused with the status and the words of its row. Files of other programs are imported.
 *
 *   test_museum FILE...    prints what a row would say of the files */
#include "tests/library/step_method.h"

#include "io/checkpoint.h"
#include "io/dataset_file.h"

#include "tests/api/api_fixture.h"

#include <nettle/sha2.h>

#define DATA SLMT_SOURCE_DIR "/tests/data/"

enum { CELLS = 4, CELL = 512, VALUES_MOST = 1 << 22 };

static slmt_context *context;

/* ---- what a file holds ---- */

static void add_text(struct sha256_ctx *sha, const char *text)
{
    sha256_update(sha, strlen(text) + 1, (const uint8_t *)text);
}

static void add_numbers(struct sha256_ctx *sha, size_t count, const int64_t *numbers)
{
    for (size_t i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof text, "%lld", (long long)numbers[i]);
        add_text(sha, text);
    }
}

static status add_tensor(struct sha256_ctx *sha, const checkpoint *c, const checkpoint_tensor *t)
{
    uint64_t bytes = stored_bytes((stored_type)t->type, t->rank, t->dims);
    assert_in_range(bytes, 1, VALUES_MOST);
    void *values = malloc(bytes);
    status s = checkpoint_read(c, t->group, t->name, t->type, t->rank, t->dims, NULL, values);
    add_text(sha, t->name);
    add_numbers(sha, (size_t)t->rank, t->dims);
    if (s == OK)
        sha256_update(sha, bytes, values);
    free(values);
    return s;
}

static void add_attribute(struct sha256_ctx *sha, const checkpoint *c, const char *group, const char *name)
{
    int64_t whole;
    double real;
    const char *text;
    add_text(sha, name);
    if (checkpoint_text(c, group, name, &text) == OK)
        add_text(sha, text);
    else if (checkpoint_int(c, group, name, &whole) == OK)
        add_numbers(sha, 1, &whole);
    else if (checkpoint_real(c, group, name, &real) == OK)
        sha256_update(sha, sizeof real, (const uint8_t *)&real);
}

static status sum_checkpoint(const char *path, struct sha256_ctx *sha)
{
    mem m;
    checkpoint *c;
    const char *group, *name;
    const checkpoint_tensor *t;
    int has_tensors;
    mem_init(&m, NULL, NULL, NULL, 0);
    status s = checkpoint_open(&m, path, &c);
    for (size_t i = 0; s == OK && (group = checkpoint_group_at(c, i, &has_tensors)); i++) {
        add_text(sha, group);
        for (size_t k = 0; (name = checkpoint_attribute_name(c, group, k)); k++)
            add_attribute(sha, c, group, name);
        for (size_t k = 0; s == OK && (t = checkpoint_tensor_at(c, group, k)); k++)
            s = add_tensor(sha, c, t);
    }
    if (s == OK)
        checkpoint_close(c);
    return s;
}

static status add_rows(struct sha256_ctx *sha, const dataset_file *f, size_t record, size_t field)
{
    static unsigned char row[VALUES_MOST];
    const int64_t *shape = dataset_file_shape(f, record, field);
    const slmt_field *info = dataset_file_field(f, field);
    size_t bytes = info->type == SLMT_TENSOR_UINT8 ? 1 : info->type == SLMT_TENSOR_FLOAT16 ? 2 : 4;
    status s = OK;
    if (!shape)
        return OK;
    add_numbers(sha, (size_t)info->rank, shape);
    for (int i = 1; i < info->rank; i++)
        bytes *= (size_t)shape[i];
    assert_in_range(bytes, 0, VALUES_MOST);
    for (int64_t i = 0; i < shape[0] && s == OK; i++) {
        s = dataset_file_read(f, record, field, i, 1, row);
        sha256_update(sha, bytes, row);
    }
    return s;
}

static status sum_set(const char *path, struct sha256_ctx *sha)
{
    mem m;
    dataset_file *f;
    mem_init(&m, NULL, NULL, NULL, 0);
    status s = dataset_file_open(&m, path, &f);
    if (s != OK)
        return s;
    for (size_t k = 0; k < dataset_file_fields(f); k++) {
        const slmt_field *field = dataset_file_field(f, k);
        add_text(sha, field->name);
        add_text(sha, field->axes);
        add_text(sha, field->classes);
        add_numbers(sha, (size_t)field->rank, field->dim);
    }
    for (size_t i = 0; i < dataset_file_records(f); i++) {
        const slmt_record *record = dataset_file_record(f, i);
        add_text(sha, record->id);
        add_text(sha, record->group);
        add_numbers(sha, 1, &(int64_t){record->split});
        for (size_t k = 0; k < dataset_file_fields(f) && s == OK; k++)
            s = add_rows(sha, f, i, k);
    }
    dataset_file_close(f);
    return s;
}

/* ---- reading as users do ---- */

static slmt_status use_checkpoint(const char *path)
{
    slmt_trainer *trainer = NULL;
    slmt_model *model = NULL;
    slmt_status s = slmt_trainer_load(context, path, &trainer);
    slmt_trainer_free(trainer);
    if (s == SLMT_ERR_STATE) /* a model without training state */
        s = slmt_model_load(context, path, &model);
    slmt_model_free(model);
    return s;
}

static slmt_status use_set(const char *path)
{
    slmt_dataset *set = NULL;
    slmt_status s = slmt_dataset_open(context, path, &set);
    slmt_dataset_free(set);
    return s;
}

static slmt_status read_one(const char *path, char text[CELL])
{
    struct sha256_ctx sha;
    uint8_t digest[16];
    const char *name = strrchr(path, '/') + 1;
    int is_set = strncmp(name, "set", 3) == 0;
    sha256_init(&sha);
    slmt_status s = is_set ? use_set(path) : use_checkpoint(path);
    if (s == SLMT_OK)
        s = is_set ? sum_set(path, &sha) : sum_checkpoint(path, &sha);
    sha256_digest(&sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    if (s != SLMT_OK) /* without the path in front */
        snprintf(text, CELL, "%s",
                 slmt_error_text() +
                     (strncmp(slmt_error_text(), path, strlen(path)) == 0 ? strlen(path) + 2 : 0));
    return s;
}

/* ---- the table ---- */

/* Takes a row of the table apart: "| `file` | what it is | status | `digest or words` |". Returns 0: it is
 * none. */
static int take_row(char *line, char cells[CELLS][CELL])
{
    int count = 0;
    if (strncmp(line, "| `", 3) != 0)
        return 0;
    for (char *rest, *cell = strtok_r(line, "|\n", &rest); cell && count < CELLS;
         cell = strtok_r(NULL, "|\n", &rest)) {
        cell += strspn(cell, " `");
        snprintf(cells[count], CELL, "%s", cell);
        for (size_t n = strlen(cells[count]); n && strchr(" `", cells[count][n - 1]); n--)
            cells[count][n - 1] = '\0';
        count++;
    }
    return count == CELLS;
}

static FILE *open_table(void)
{
    FILE *table = fopen(DATA "README.md", "r");
    assert_non_null(table);
    return table;
}

static void each_file_is_read_or_refused_as_its_row_says(void **state)
{
    (void)state;
    char line[4 * CELL], cells[CELLS][CELL], path[2 * CELL], text[CELL];
    int rows = 0, wrong = 0;
    FILE *table = open_table();
    while (fgets(line, sizeof line, table)) {
        if (!take_row(line, cells) || strcmp(cells[2], "-") == 0)
            continue;
        rows++;
        snprintf(path, sizeof path, DATA "%s", cells[0]);
        slmt_status s = read_one(path, text);
        int same = strcmp(slmt_status_name(s), cells[2]) == 0 &&
                   (s == SLMT_OK ? strcmp(text, cells[3]) == 0 : strstr(text, cells[3]) != NULL);
        wrong += !same;
        if (!same)
            print_error("%s: %s: %s\n  its row: %s: %s\n", cells[0], slmt_status_name(s), text, cells[2],
                        cells[3]);
    }
    fclose(table);
    assert_int_equal(wrong, 0);
    assert_in_range(rows, 10, 1000);
}

static int has_row(const char *name)
{
    char line[4 * CELL], cells[CELLS][CELL];
    int found = 0;
    FILE *table = open_table();
    while (!found && fgets(line, sizeof line, table))
        found = take_row(line, cells) && strcmp(cells[0], name) == 0;
    fclose(table);
    return found;
}

static void each_file_has_a_row(void **state)
{
    (void)state;
    static const char *const folders[] = {"", "refused/", "found/"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char name[CELL];
        snprintf(name, sizeof name, DATA "%s", folders[i]);
        DIR *d = opendir(name);
        for (struct dirent *e; d && (e = readdir(d));) {
            size_t length = strlen(e->d_name);
            snprintf(name, sizeof name, "%s%s", folders[i], e->d_name);
            if (length > 3 && strcmp(e->d_name + length - 3, ".h5") == 0 && !has_row(name))
                fail_msg("%s has no row in tests/data/README.md", name);
        }
        if (d)
            closedir(d);
    }
}

/* ---- files of other programs ---- */

static void a_file_that_another_program_wrote_is_imported_whole(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"refused/set_h5py.h5", "set_2.h5"},
                                          {"refused/set_superblock_0.h5", "set_2.h5"},
                                          {"set_3.h5", "set_3.h5"},
                                          {"refused/model_h5py.h5", "model_1.h5"},
                                          {"refused/trainer_h5py.h5", "trainer_3.h5"},
                                          {"refused/model_edited.h5", NULL},
                                          {"trainer_3.h5", "trainer_3.h5"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[CELL], original[CELL], text[CELL], expected[CELL], out[CELL];
        snprintf(path, sizeof path, DATA "%s", rows[i][0]);
        snprintf(original, sizeof original, DATA "%s", rows[i][1] ? rows[i][1] : "model_1.h5");
        snprintf(out, sizeof out, "%s",
                 in_folder(strrchr(original, '/') + 1)); /* its name tells what it is */
        GOOD(slmt_file_import(context, path, out));
        GOOD(read_one(out, text));
        GOOD(read_one(original, expected));
        assert_int_equal(strcmp(text, expected) == 0, rows[i][1] != NULL); /* NULL: it was changed */
    }
}

static void a_file_that_nobody_could_read_is_not_imported_and_replaces_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        slmt_status status;
        const char *words;
    } rows[] = {
        {"nano.h5", SLMT_ERR_SCHEMA, "neither /model nor /fields"},
        {"set_1.h5", SLMT_ERR_SCHEMA, "neither /model nor /fields"},
        {"README.md", SLMT_ERR_FORMAT, "HDF5 cannot open it"},
        {"refused/set_billion_rows.h5", SLMT_ERR_SCHEMA, "more values than a file of this size can"},
        {"refused/set_unstored_chunks.h5", SLMT_ERR_SCHEMA, "/records/c/cube is not stored in full"},
        {"refused/set_external_link.h5", SLMT_ERR_SCHEMA, "/records/x is a soft or external link"},
        {"refused/set_seven_axes.h5", SLMT_ERR_SCHEMA, "/records/c/deep has more than six axes"},
        {"refused/set_extra_group.h5", SLMT_ERR_SCHEMA, "/hidden is unexpected"},
        {"refused/set_nan.h5", SLMT_ERR_CORRUPT, "/records/c/cube: row 0 holds a value that is not finite"},
        {"refused/trainer_nan_weight.h5", SLMT_ERR_NONFINITE, "/weights/net.fc1.weight: element 0"},
        {"refused/trainer_wild_moment.h5", SLMT_ERR_SCHEMA, "no gradients make these"},
    };
    count_files(1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[CELL], text[CELL], out[CELL];
        snprintf(path, sizeof path, DATA "%s", rows[i].file);
        snprintf(out, sizeof out, "%s", in_folder("set.h5"));
        GOOD(slmt_file_import(context, DATA "set_3.h5", out));
        EXPECT_TEXT(rows[i].status, rows[i].words, slmt_file_import(context, path, out));
        if (strncmp(slmt_error_text(), path, strlen(path)) != 0)
            fail_msg("\"%s\" does not begin with the file", slmt_error_text());
        GOOD(read_one(out, text));
        assert_int_equal(count_files(0), 1);
        count_files(1);
    }
}

int main(int argc, char **argv)
{
    char text[CELL];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_file_is_read_or_refused_as_its_row_says),
        cmocka_unit_test(each_file_has_a_row),
        cmocka_unit_test(a_file_that_another_program_wrote_is_imported_whole),
        cmocka_unit_test(a_file_that_nobody_could_read_is_not_imported_and_replaces_nothing),
    };
    method_add(&step_method);
    context = open_context(1, NULL);
    for (int i = 1; i < argc; i++) {
        slmt_status s = read_one(argv[i], text);
        printf("| `%s` | | %s | `%s` |\n", argv[i], slmt_status_name(s), text);
    }
    int failed = argc > 1 ? 0 : cmocka_run_group_tests(tests, make_folder, delete_folder);
    slmt_context_free(context);
    return failed;
}
