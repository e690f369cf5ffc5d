/* SPDX-License-Identifier: Apache-2.0 */
/* test_fit_plan.c - the plan of slmt fit as a file: what is written is read, what is wrong is named. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/fit_plan.h"
#include "tool/must.h"
#include "tool/tool.h"
#include "tool/whole_file.h"

#include <cmocka.h> /* last: it has a macro fail() */

static const char good[] =
    "{\"slmt_fit_plan\": 1, \"source\": \"t1\", \"target\": \"t2\", \"keep\": \"auto\", \"seconds\": 0, "
    "\"seed\": 7,\n"
    "\"preprocess\": {\"crop\": 64, \"slices\": \"2:16\", \"image-size\": 128, \"scaling\": \"twice-p99\"},\n"
    "\"validation\": [\"s1\"], \"test\": [\"s2\", \"s 3\"],\n"
    "\"candidates\": [{\"method\": \"slmt-net\", \"options\": {\"preset\": \"tiny\", \"generator_heads\": "
    "\"2,2,4,8\"},\n"
    "\"stages\": [{\"task\": \"pretrain\", \"seconds\": 60, \"settings\": {\"epochs\": 3}},\n"
    "{\"task\": \"finetune\", \"seconds\": 90.5, \"settings\": {\"learning_rate\": 0.002, \"augment\": "
    "\"off\"}}]}]}\n";

typedef struct folder {
    char path[64], plan[80], errors[80];
} folder;

static int make_folder(void **state)
{
    static folder f;
    strcpy(f.path, "/tmp/slmt-plan-XXXXXX");
    if (!mkdtemp(f.path))
        return -1;
    snprintf(f.plan, sizeof f.plan, "%s/plan.json", f.path);
    snprintf(f.errors, sizeof f.errors, "%s/errors", f.path);
    *state = &f;
    return 0;
}

static int remove_folder(void **state)
{
    folder *f = *state;
    unlink(f->plan);
    unlink(f->errors);
    return rmdir(f->path);
}

/* Reads a plan from this text; the complaints go to a file, whose text is returned. */
static char *read_text(folder *f, const char *text, fit_plan *plan, int *code)
{
    assert_true(write_whole_file(f->plan, text));
    int kept = dup(2), errors = open(f->errors, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(kept >= 0 && errors >= 0);
    dup2(errors, 2);
    *code = fit_plan_read(f->plan, plan);
    dup2(kept, 2);
    close(kept);
    close(errors);
    return whole_file(f->errors, 1 << 16);
}

/* `good`, with the first `old` replaced. */
static char *changed(const char *old, const char *new)
{
    const char *at = strstr(good, old);
    assert_non_null(at);
    return must_format("%.*s%s%s", (int)(at - good), good, new, at + strlen(old));
}

static void assert_refused(folder *f, const char *text, int wanted, const char *complaint)
{
    fit_plan plan;
    int code;
    char *errors = read_text(f, text, &plan, &code);
    assert_int_equal(code, wanted);
    if (!strstr(errors, complaint))
        fail_msg("'%s' is not in: %s", complaint, errors);
    free(errors);
    fit_plan_free(&plan);
}

static void a_plan_is_read_as_it_stands(void **state)
{
    fit_plan plan;
    int code;
    double value;
    free(read_text(*state, good, &plan, &code));
    assert_int_equal(code, EXIT_OK);
    assert_string_equal(plan.source, "t1");
    assert_string_equal(plan.target, "t2");
    assert_int_equal(plan.seed, 7);
    assert_int_equal(plan.preprocess.crop_size, 64);
    assert_int_equal(plan.preprocess.slice_first, 2);
    assert_int_equal(plan.preprocess.slice_count, 16);
    assert_int_equal(plan.preprocess.scaling, SLMT_SCALE_TWICE_P99);
    assert_true(fit_names_have(&plan.test, "s 3") && !fit_names_have(&plan.test, "s1"));
    const fit_candidate *c = &plan.candidates[0];
    assert_int_equal(c->stage_count, 2);
    assert_string_equal(c->stages[1].task, "finetune");
    assert_true(c->stages[1].seconds == 90.5);
    assert_true(number_in_list(&c->stages[1].settings, "augment", &value, NULL) && value == 0);
    assert_true(number_in_list(&c->options, "generator_heads_3", &value, NULL) && value == 8);
    assert_true(number_in_list(&c->options, "preset", &value, NULL) && value == 2);
    fit_plan_free(&plan);
}

static void a_plan_that_is_written_and_read_again_is_the_same(void **state)
{
    folder *f = *state;
    fit_plan plan, again;
    int code;
    free(read_text(f, good, &plan, &code));
    assert_int_equal(fit_plan_write(f->plan, &plan), EXIT_OK);
    assert_int_equal(fit_plan_read(f->plan, &again), EXIT_OK);
    char *one = fit_plan_text(&plan), *two = fit_plan_text(&again);
    assert_string_equal(one, two);
    assert_non_null(strstr(one, "\"generator_heads\":\t\"2,2,4,8\""));
    assert_non_null(strstr(one, "\"preset\":\t\"tiny\""));
    assert_non_null(strstr(one, "\"slices\":\t\"2:16\""));
    free(one);
    free(two);
    fit_plan_free(&plan);
    fit_plan_free(&again);
}

typedef struct change {
    const char *old, *new, *complaint;
} change;

static void what_is_wrong_is_named_with_its_place(void **state)
{
    static const change changes[] = {
        {"\"seed\"", "\"sead\"",
         "plan.json: there is no 'sead' in a plan here; there are slmt_fit_plan, source"},
        {"\"seed\": 7,", "", "plan.json: seed: is missing"},
        {"\"seed\": 7,", "\"seed\": 7, \"seed\": 8,", "plan.json: seed: stands there twice"},
        {"\"seed\": 7", "\"seed\": 7.5", "plan.json: seed: expected a whole number"},
        {"_plan\": 1", "_plan\": 2", "this version of slmt reads plans of version 1"},
        {"\"crop\": 64", "\"crop\": \"big\"", "plan.json: preprocess.crop:"},
        {"\"crop\"", "\"corp\"", "plan.json: preprocess.corp: is no option of the preprocessing"},
        {"twice-p99", "thrice", "plan.json: preprocess.scaling:"},
        {"\"s 3\"", "\"s2\"", "plan.json: test[1]: the subject stands there twice"},
        {"[\"s1\"]", "[]", "plan.json: validation: expected one subject at least"},
        {"[\"s1\"]", "\"s1\"", "plan.json: validation: expected a list of subjects"},
        {"\"auto\"", "\"unett\"", "plan.json: keep: expected auto, or the method of a candidate"},
        {"\"target\": \"t2\"", "\"target\": \"t1\"", "plan.json: target: is the source"},
        {"slmt-net", "slmt-nett", "plan.json: candidates[0].method: there is no method 'slmt-nett'"},
        {"\"tiny\"", "\"teeny\"",
         "plan.json: candidates[0].options.preset: 'teeny', expected base|small|tiny"},
        {"\"2,2,4,8\"", "\"2,2,4\"",
         "candidates[0].options.generator_heads: '2,2,4', expected 4 whole numbers"},
        {"\"finetune\"", "\"synthesize\"",
         "plan.json: candidates[0].stages[1].task: slmt-net has no training task 'synthesize'; it has "
         "pretrain"},
        {"\"epochs\": 3", "\"epoch\": 3",
         "plan.json: candidates[0].stages[0].settings.epoch: pretrain of slmt-net has no such setting; it "
         "has batch"},
        {"\"epochs\": 3", "\"epochs\": 0",
         "candidates[0].stages[0].settings.epochs: '0', expected a whole number of 1"},
        {"\"epochs\": 3", "\"epochs\": null",
         "candidates[0].stages[0].settings.epochs: expected a number or a text"},
        {"\"seconds\": 60", "\"seconds\": -1",
         "candidates[0].stages[0].seconds: expected a number of seconds"},
        {"{\"epochs\": 3}", "3", "candidates[0].stages[0].settings: expected an object"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *text = changed(changes[i].old, changes[i].new);
        assert_refused(*state, text, EXIT_USAGE, changes[i].complaint);
        free(text);
    }
}

static void a_method_stands_in_a_plan_once(void **state)
{
    char *text = changed("\"candidates\": [",
                         "\"candidates\": [{\"method\": \"slmt-net\", \"options\": {}, \"stages\": "
                         "[{\"task\": \"finetune\", \"seconds\": 0, \"settings\": {}}]}, ");
    assert_refused(*state, text, EXIT_USAGE,
                   "plan.json: candidates[1]: the method is that of another candidate");
    free(text);
}

static void a_file_that_is_not_json_is_told_with_its_line(void **state)
{
    char *text = changed("\"test\"", "test");
    assert_refused(*state, text, EXIT_DATA, "plan.json: line 3: is not JSON");
    free(text);
    assert_refused(*state, "", EXIT_DATA, "is not JSON");
    assert_refused(*state, "[1, 2]", EXIT_USAGE, "expected an object");
}

static void a_plan_that_is_not_there_is_told(void **state)
{
    folder *f = *state;
    fit_plan plan;
    int code;
    free(read_text(f, good, &plan, &code));
    fit_plan_free(&plan);
    unlink(f->plan);
    assert_int_equal(fit_plan_read(f->plan, &plan), EXIT_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_read_as_it_stands),
        cmocka_unit_test(a_plan_that_is_written_and_read_again_is_the_same),
        cmocka_unit_test(what_is_wrong_is_named_with_its_place),
        cmocka_unit_test(a_method_stands_in_a_plan_once),
        cmocka_unit_test(a_file_that_is_not_json_is_told_with_its_line),
        cmocka_unit_test(a_plan_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
