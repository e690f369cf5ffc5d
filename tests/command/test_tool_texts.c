/* SPDX-License-Identifier: Apache-2.0 */
/* test_tool_texts.c - options of methods that are texts, as the command takes and shows them, and texts of
 * others as it shows them. No method of the library has such an option yet: this file stands for the library,
 * with a method that has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "src/tool/must.h"
#include "src/tool/numbers.h"
#include "src/tool/paths.h"
#include "src/tool/shown.h"
#include "src/tool/wording.h"
#include "src/tool/tool.h"

#include <cmocka.h>

/* ---- a library of one method ---- */

slmt_status slmt_method_option(const char *method, size_t index, slmt_number_info *info)
{
    static const slmt_number_info options[] = {
        {.kind = SLMT_NUMBER_WHOLE,
         .name = "side",
         .help = "rows",
         .choices = "",
         .initial = 4,
         .low = 1,
         .high = 64,
         .list = "",
         .pattern = ""},
        {.kind = SLMT_NUMBER_TEXT,
         .name = "class_names",
         .help = "names of classes",
         .choices = "",
         .count = 11,
         .list = "liver,spleen",
         .pattern = "[a-z]+(,[a-z]+)*"},
    };
    if (strcmp(method, "toy") != 0 || index >= 2)
        return SLMT_ERR_ARGUMENT;
    *info = options[index];
    return SLMT_OK;
}

size_t slmt_method_count(void)
{
    return 0;
}

slmt_status slmt_method_describe(size_t index, slmt_method_info *info)
{
    (void)index, (void)info;
    return SLMT_ERR_ARGUMENT;
}

slmt_status slmt_method_task(const char *method, size_t index, slmt_task_info *info)
{
    (void)method, (void)index, (void)info;
    return SLMT_ERR_ARGUMENT;
}

slmt_status slmt_task_setting(const char *method, const char *task, size_t index, slmt_number_info *info)
{
    (void)method, (void)task, (void)index, (void)info;
    return SLMT_ERR_ARGUMENT;
}

slmt_status slmt_task_input(const char *method, const char *task, size_t index, slmt_port_info *info)
{
    (void)method, (void)task, (void)index, (void)info;
    return SLMT_ERR_ARGUMENT;
}

slmt_status slmt_task_output(const char *method, const char *task, size_t index, slmt_port_info *info)
{
    (void)method, (void)task, (void)index, (void)info;
    return SLMT_ERR_ARGUMENT;
}

const char *slmt_error_text(void)
{
    return "";
}

const char *slmt_status_name(slmt_status status)
{
    (void)status;
    return "";
}

/* No file is looked for here. */
char *nearby_file(const char *path)
{
    (void)path;
    return NULL;
}

/* ---- the tests ---- */

static const number_owner toy = {"toy", NULL};

/* What `--class-names TEXT` makes of a list; the complaint goes to stderr. */
static int add(number_list *list, const char *text)
{
    static char target;
    const field option = {.name = "class-names", .type = FIELD_NUMBER};
    option_given given = {&option, &target, text};
    const command_line line = {.given = &given, .given_count = 1};
    return number_list_add(list, toy, &line, &target);
}

static void a_text_is_an_option_with_its_default_and_its_pattern(void **state)
{
    (void)state;
    field *fields = number_fields(toy);
    slmt_number_info info;
    char range[64];
    assert_string_equal(fields[1].name, "class-names");
    assert_string_equal(fields[1].arg, "TEXT");
    assert_string_equal(fields[1].initial, "liver,spleen");
    assert_string_equal(fields[1].doc, "names of classes");
    assert_null(fields[1].choices);
    assert_true(number_at(toy, 1, &info));
    number_range(&info, range, sizeof range);
    assert_string_equal(range, "[a-z]+(,[a-z]+)*");
    number_fields_free(fields);
}

static void a_text_is_given_by_name_and_the_last_one_counts(void **state)
{
    (void)state;
    number_list list = {0};
    assert_int_equal(add(&list, "bone"), EXIT_OK);
    assert_int_equal(add(&list, "heart,lung"), EXIT_OK);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].name, "class_names=heart,lung");
    char *text = number_list_text(&list, toy);
    assert_string_equal(text, "side 4, class_names heart,lung");
    free(text);
    number_list_free(&list);
}

static void a_text_that_does_not_fit_is_a_usage_error(void **state)
{
    (void)state;
    number_list list = {0};
    assert_int_equal(add(&list, "Bone"), EXIT_USAGE);
    assert_int_equal(add(&list, ""), EXIT_USAGE);
    assert_int_equal(add(&list, "toolongtexts"), EXIT_USAGE);
    assert_int_equal(list.count, 0);
    char *text = number_list_text(&list, toy);
    assert_string_equal(text, "side 4, class_names liver,spleen");
    free(text);
    number_list_free(&list);
}

/* ---- texts of others ---- */

static void a_text_is_shown_as_it_is_where_nothing_in_it_steers(void **state)
{
    (void)state;
    static const char *const plain[] = {
        "",        "a b", "Kopf \xC3\xA4\xC3\x9F", "\xE2\x98\x83", "\xF0\x9F\xA7\xA0", "\xD7\x90\xD7\x91",
        "a\\u001b"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        assert_ptr_equal(shown(plain[i]), plain[i]);
    const char *lines = "a\n\tb";
    assert_ptr_equal(shown_lines(lines), lines);
}

static void what_steers_a_terminal_is_shown_by_number(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"\033]0;title\a", "\\u001b]0;title\\u0007"},
        {"a\nb\tc\rd", "a\\u000ab\\u0009c\\u000dd"},
        {"\177", "\\u007f"},
        {"\xC2\x9B"
         "2J",
         "\\u009b2J"}, /* one character that begins a command, of C1 */
        {"abc\xE2\x80\xAE"
         "fdp.exe",
         "abc\\u202efdp.exe"}, /* right to left from here */
        {"\xE2\x81\xA6x\xE2\x81\xA9", "\\u2066x\\u2069"},
        {"\xE2\x80\x8F\xD8\x9C", "\\u200f\\u061c"},
        {"\xE2\x80\xA8", "\\u2028"},
        {"\x9B", "\\u009b"}, /* no UTF-8 */
        {"\xC0\x9B\xED\xA0\x80", "\\u00c0\\u009b\\u00ed\\u00a0\\u0080"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(shown(rows[i][0]), rows[i][1]);
    assert_string_equal(shown_lines("a\n\033"), "a\n\\u001b");
}

static void fifteen_other_texts_can_be_shown_beside_one(void **state)
{
    (void)state;
    const char *first = shown("\001");
    for (int i = 0; i < 15; i++)
        assert_string_equal(shown("\002"), "\\u0002");
    assert_string_equal(first, "\\u0001");
}

/* ---- messages of the library ---- */

static void messages_name_options_as_the_command_does(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"slmt_preprocess.slice_first is 9, must be 0 to 8", "--slices is 9, must be 0 to 8"},
        {"slmt_volume_create: dims[0] is 0", "dims[0] is 0"},
        {"setting mask_ratio is 1, which keeps none", "--mask-ratio is 1, which keeps none"},
        {"the set gives 8 (setting slice_step is 9)", "the set gives 8 (--slice-step is 9)"},
        {"option mae_patch = 8 must divide image_size = 100",
         "--mae-patch = 8 must divide --image-size = 100"},
        {"set the option blocks or more", "set the --blocks or more"},
        {"method unet has no option colour", "method unet has no --colour"},
        {"called like no setting and no option", "called like no setting and no option"},
        {"option of a name, the setting which is meant", "option of a name, the setting which is meant"},
        {"/scans/option x/slmt_a.nii: cannot open", "/scans/option x/slmt_a.nii: cannot open"},
        {"my_scan: damaged", "my_scan: damaged"},
        {"9 bytes would exceed the limit max_bytes = 5", "9 bytes would exceed the limit --max-memory = 5"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = for_users(rows[i][0]);
        assert_string_equal(text, rows[i][1]);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_an_option_with_its_default_and_its_pattern),
        cmocka_unit_test(a_text_is_given_by_name_and_the_last_one_counts),
        cmocka_unit_test(a_text_that_does_not_fit_is_a_usage_error),
        cmocka_unit_test(a_text_is_shown_as_it_is_where_nothing_in_it_steers),
        cmocka_unit_test(what_steers_a_terminal_is_shown_by_number),
        cmocka_unit_test(fifteen_other_texts_can_be_shown_beside_one),
        cmocka_unit_test(messages_name_options_as_the_command_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
