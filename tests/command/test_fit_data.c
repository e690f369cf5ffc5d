/* SPDX-License-Identifier: Apache-2.0 */
/* test_fit_data.c - the frame that holds every head, and a split that divides nobody. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/fit_data.h"
#include "tool/must.h"
#include "tool/tool.h"
#include "tool/whole_file.h"

#include <cmocka.h> /* last: it has a macro fail() */

/* ---- complaints ---- */

static int kept;
static char errors[] = "/tmp/slmt-fit-data-XXXXXX";

static void catch_complaints(void)
{
    strcpy(errors, "/tmp/slmt-fit-data-XXXXXX");
    int file = mkstemp(errors);
    kept = dup(2);
    assert_true(file >= 0 && kept >= 0);
    dup2(file, 2);
    close(file);
}

static char *caught(void)
{
    dup2(kept, 2);
    close(kept);
    char *text = whole_file(errors, 1 << 16);
    unlink(errors);
    return text;
}

/* ---- frames ---- */

static fit_scan look(int64_t x, int64_t y, int64_t z, int64_t left, int64_t right, int64_t first, int64_t end)
{
    return (fit_scan){.look = {.size = {x, y, z},
                               .spacing = {1, 1, 1},
                               .head = {{left, right}, {left, right}, {first, end}},
                               .slices = {first, end}}};
}

static int frame(fit_scan *scans, size_t count, slmt_preprocess *p)
{
    static fit_subject subject = {.name = "s", .person = "s", .file = {"one.nii", "other.nii"}};
    fit_data data = {.subjects = &subject, .subject_count = 1, .looked = scans, .looked_count = count};
    slmt_preprocess_init(p);
    return fit_data_frame(&data, p);
}

static void scans_of_one_size_share_a_crop_around_all_heads(void **state)
{
    (void)state;
    fit_scan scans[] = {look(182, 182, 60, 20, 140, 5, 50), look(182, 182, 60, 30, 150, 8, 55)};
    slmt_preprocess p;
    assert_int_equal(frame(scans, 2, &p), EXIT_OK);
    assert_int_equal(p.crop_size, 136); /* 130 voxels, 2 of air at both ends, in steps of 8 */
    assert_int_equal(p.crop_x, (20 + 150 - 136) / 2);
    assert_int_equal(p.slice_first, 8);
    assert_int_equal(p.slice_count, 42);
}

static void a_crop_does_not_leave_the_volume(void **state)
{
    (void)state;
    fit_scan scans[] = {look(100, 100, 60, 0, 60, 5, 50), look(64, 64, 60, 0, 64, 5, 50)};
    slmt_preprocess p;
    assert_int_equal(frame(scans, 1, &p), EXIT_OK);
    assert_int_equal(p.crop_size, 64);
    assert_int_equal(p.crop_x, 0);
    assert_int_equal(frame(scans + 1, 1, &p), EXIT_OK); /* a head as wide as the volume: the crop is wider */
    assert_int_equal(p.crop_size, 72);
    assert_int_equal(p.crop_x, SLMT_CENTRE);
}

static void of_scans_of_different_sizes_the_middles_meet(void **state)
{
    (void)state;
    /* middles at 91 and 62; the heads reach 71 and 58 voxels from them */
    fit_scan scans[] = {look(182, 182, 60, 20, 150, 5, 50), look(124, 124, 60, 4, 120, 8, 55)};
    slmt_preprocess p;
    assert_int_equal(frame(scans, 2, &p), EXIT_OK);
    assert_int_equal(p.crop_size, 152); /* 2 x 71, and 4 of air, in steps of 8 */
    assert_int_equal(p.crop_x, SLMT_CENTRE);
    assert_int_equal(p.crop_y, SLMT_CENTRE);
}

static void other_voxel_sizes_are_told_in_millimetres(void **state)
{
    (void)state;
    fit_scan scans[] = {look(182, 182, 60, 20, 150, 5, 50), look(182, 182, 60, 20, 150, 5, 50)};
    scans[1].contrast = 1;
    scans[1].look.spacing[2] = 3;
    slmt_preprocess p;
    catch_complaints();
    int code = frame(scans, 2, &p);
    char *text = caught();
    assert_int_equal(code, EXIT_USAGE);
    assert_non_null(strstr(text, "one.nii has voxels of 1 x 1 x 1 mm, other.nii of 1 x 1 x 3 mm"));
    free(text);
    scans[1].look.spacing[2] = 1.005; /* as headers round */
    assert_int_equal(frame(scans, 2, &p), EXIT_OK);
}

static void heads_that_share_no_slice_are_refused(void **state)
{
    (void)state;
    fit_scan scans[] = {look(182, 182, 60, 20, 150, 5, 20), look(182, 182, 60, 20, 150, 25, 50)};
    slmt_preprocess p;
    catch_complaints();
    int code = frame(scans, 2, &p);
    char *text = caught();
    assert_int_equal(code, EXIT_USAGE);
    assert_non_null(strstr(text, "fields of view"));
    free(text);
    scans[0].look.slices[1] = scans[0].look.slices[0];
    catch_complaints();
    code = frame(scans, 2, &p);
    text = caught();
    assert_int_equal(code, EXIT_DATA);
    assert_non_null(strstr(text, "one.nii: holds no head"));
    free(text);
}

/* ---- splits ---- */

/* Subjects "a1", "a2", "b1", ...: the letter is the person; a small 'x' behind lacks the target. */
static fit_data people(const char *const *names, size_t count)
{
    fit_data data = {.subjects = must_alloc(count, sizeof *data.subjects), .subject_count = count};
    for (size_t i = 0; i < count; i++)
        data.subjects[i] = (fit_subject){.name = must_copy(names[i]),
                                         .person = must_format("%c", names[i][0]),
                                         .file = {"source", strchr(names[i], 'x') ? NULL : "target"}};
    return data;
}

static void assert_names(const fit_names *names, const char *wanted)
{
    char *all = must_copy("");
    for (size_t i = 0; i < names->count; i++) {
        char *longer = must_format("%s%s ", all, names->items[i]);
        free(all);
        all = longer;
    }
    assert_string_equal(all, wanted);
    free(all);
}

static void all_scans_of_a_person_are_in_one_part(void **state)
{
    (void)state;
    static const char *const names[] = {"a1", "a2", "b1", "c1", "c2", "c3", "d1", "d2", "e1x"};
    fit_data data = people(names, 9);
    fit_plan plan;
    fit_plan_init(&plan);
    assert_int_equal(fit_data_split(&data, 0.25, 0.25, &plan), EXIT_OK);
    assert_names(&plan.test, "d1 d2 ");
    assert_names(&plan.validation, "c1 c2 c3 ");
    assert_int_equal(fit_data_check_split(&data, &plan), EXIT_OK);
    fit_plan_free(&plan);
    fit_data_free(&data);
}

static void few_persons_have_no_test_and_one_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"a1", "b1"};
    fit_data data = people(names, 2);
    fit_plan plan;
    fit_plan_init(&plan);
    assert_int_equal(fit_data_split(&data, 0.2, 0.2, &plan), EXIT_OK);
    assert_names(&plan.test, "");
    assert_names(&plan.validation, "b1 ");
    fit_plan_free(&plan);
    data.subject_count = 1;
    catch_complaints();
    int code = fit_data_split(&data, 0.2, 0.2, &plan);
    char *text = caught();
    assert_int_equal(code, EXIT_USAGE);
    free(text);
    data.subject_count = 2;
    fit_plan_free(&plan);
    fit_data_free(&data);
}

typedef struct wrong {
    const char *validation, *test, *complaint;
} wrong;

static void a_split_that_divides_a_person_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"a1", "a2", "b1", "c1", "d1x"};
    static const wrong splits[] = {{"a1", "a2", "are one person"},
                                   {"a1", "a1", "are one person"},
                                   {"z1", "b1", "there is no subject 'z1'"},
                                   {"b1", "d1x", "subject 'd1x' lacks one of the two contrasts"}};
    fit_data data = people(names, 5);
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        fit_plan plan;
        fit_plan_init(&plan);
        fit_names_add(&plan.validation, splits[i].validation);
        fit_names_add(&plan.test, splits[i].test);
        catch_complaints();
        int code = fit_data_check_split(&data, &plan);
        char *text = caught();
        assert_int_equal(code, EXIT_USAGE);
        if (!strstr(text, splits[i].complaint))
            fail_msg("'%s' is not in: %s", splits[i].complaint, text);
        free(text);
        fit_plan_free(&plan);
    }
    fit_data_free(&data);
}

static void someone_must_be_left_to_train_on(void **state)
{
    (void)state;
    static const char *const names[] = {"a1", "a2", "b1", "c1x"};
    fit_data data = people(names, 4);
    fit_plan plan;
    fit_plan_init(&plan);
    fit_names_add(&plan.validation, "a1"); /* a2 is held out with a1, and c1x has no pair */
    fit_names_add(&plan.test, "b1");
    catch_complaints();
    int code = fit_data_check_split(&data, &plan);
    char *text = caught();
    assert_int_equal(code, EXIT_USAGE);
    assert_non_null(strstr(text, "no subject with both contrasts is left to train on"));
    free(text);
    fit_plan_free(&plan);
    fit_data_free(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scans_of_one_size_share_a_crop_around_all_heads),
        cmocka_unit_test(a_crop_does_not_leave_the_volume),
        cmocka_unit_test(of_scans_of_different_sizes_the_middles_meet),
        cmocka_unit_test(other_voxel_sizes_are_told_in_millimetres),
        cmocka_unit_test(heads_that_share_no_slice_are_refused),
        cmocka_unit_test(all_scans_of_a_person_are_in_one_part),
        cmocka_unit_test(few_persons_have_no_test_and_one_is_refused),
        cmocka_unit_test(a_split_that_divides_a_person_is_refused),
        cmocka_unit_test(someone_must_be_left_to_train_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
