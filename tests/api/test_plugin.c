/* SPDX-License-Identifier: Apache-2.0 */
/* test_plugin.c - backends that are shared objects: opened by name from the place that is named, refused with
 * the reason otherwise. The plug-ins are made in tests/plugins/. */
#include <limits.h>

#include "backends/backend.h"

#include "tests/api/api_fixture.h"

static slmt_context_config config_of(const char *name, const char *path)
{
    slmt_context_config c;
    slmt_context_config_init(&c);
    c.backend_name = name;
    c.backend_path = path;
    return c;
}

static slmt_status try_open(const char *name, const char *path)
{
    slmt_context *context = NULL;
    slmt_context_config c = config_of(name, path);
    slmt_status s = slmt_context_create(&c, &context);
    slmt_context_free(context);
    return s;
}

static void a_plugin_is_opened_from_its_folder_or_its_file(void **state)
{
    (void)state;
    const char *places[] = {PLUGINS, PLUGINS "/libslmt_walled.so"};
    for (int i = 0; i < 2; i++) {
        slmt_context *context;
        slmt_context_config c = config_of("walled", places[i]);
        GOOD(slmt_context_create(&c, &context));
        assert_memory_equal(slmt_context_describe(context), "walled: ", 8);
        slmt_context_free(context);
    }
}

static void the_texts_of_the_configuration_are_copied(void **state)
{
    (void)state;
    char name[] = "walled", path[] = PLUGINS, options[] = "memory=1000000";
    counter memory = {0};
    slmt_context *context;
    slmt_context_config c = config_of(name, path);
    c.backend_options = options;
    c.alloc = counter_alloc;
    c.free = counter_free;
    c.alloc_user = &memory;
    GOOD(slmt_context_create(&c, &context));
    memset(name, 'x', sizeof name - 1);
    memset(path, 'x', sizeof path - 1);
    memset(options, 'x', sizeof options - 1);
    assert_memory_equal(slmt_context_describe(context), "walled: ", 8);
    slmt_context_free(context);
    assert_int_equal(memory.live, 0);
}

static void a_built_in_backend_has_its_name_too_and_needs_no_path(void **state)
{
    (void)state;
    const char *names[] = {"cpu", "reference"};
    for (int i = 0; i < 2; i++) {
        slmt_context *context;
        slmt_context_config c = config_of(names[i], NULL);
        GOOD(slmt_context_create(&c, &context));
        assert_memory_equal(slmt_context_describe(context), names[i], strlen(names[i]));
        slmt_context_free(context);
    }
}

static void a_plugin_of_another_contract_is_refused_with_both_numbers(void **state)
{
    (void)state;
    char has[64], needs[64];
    snprintf(has, sizeof has, "version %d of the backend contract", BK_API + 1);
    snprintf(needs, sizeof needs, "this library has version %d", BK_API);
    EXPECT_TEXT(SLMT_ERR_VERSION, has, try_open("newer", PLUGINS));
    EXPECT_TEXT(SLMT_ERR_VERSION, needs, try_open("newer", PLUGINS));
    EXPECT_TEXT(SLMT_ERR_VERSION, PLUGINS, try_open("newer", PLUGINS));
}

static void what_is_no_plugin_is_refused(void **state)
{
    (void)state;
    EXPECT_TEXT(SLMT_ERR_FORMAT, "no function slmt_backend()", try_open("silent", PLUGINS));
    EXPECT_TEXT(SLMT_ERR_FORMAT, "returns no backend", try_open("empty", PLUGINS));
    EXPECT_TEXT(SLMT_ERR_FORMAT, "holds backend other", try_open("stranger", PLUGINS));
    EXPECT_TEXT(SLMT_ERR_FORMAT, "functions for memory and lacks others", try_open("half", PLUGINS));
    EXPECT_TEXT(SLMT_ERR_FORMAT, "holds backend walled",
                try_open("walled_calls", PLUGINS "/libslmt_walled.so"));
    EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, "cannot load", try_open("cmake", PLUGINS "/cmake_install.cmake"));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "libslmt_absent.so", try_open("absent", PLUGINS));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "/no/such/folder", try_open("walled", "/no/such/folder"));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "'../walled'", try_open("../walled", PLUGINS));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "''", try_open("", PLUGINS));
}

/* The folder's own path is as long as a path may be, so that none is left for the file in it. */
static void a_folder_with_too_long_a_path_is_refused(void **state)
{
    (void)state;
    char folder[PATH_MAX];
    size_t n = (size_t)snprintf(folder, sizeof folder, "%s", PLUGINS);
    while (n + 1 < sizeof folder)
        folder[n++] = '/';
    folder[n] = '\0';
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "the path of its plug-in is too long", try_open("walled", folder));
}

/* Neither without a path, nor by a name in the current folder, nor by what the environment says. */
static void nothing_but_the_path_is_searched(void **state)
{
    (void)state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "backend_path", try_open("walled", NULL));
    assert_int_equal(setenv("LD_LIBRARY_PATH", PLUGINS, 1), 0);
    EXPECT(SLMT_ERR_NOT_FOUND, try_open("walled", "libslmt_walled.so"));
    assert_int_equal(unsetenv("LD_LIBRARY_PATH"), 0);
    assert_int_equal(chdir(PLUGINS), 0);
    EXPECT_TEXT(SLMT_ERR_NOT_FOUND, "backend_path", try_open("walled", NULL));
    GOOD(try_open("walled", "libslmt_walled.so"));
    assert_int_equal(chdir(before), 0);
}

static void an_unknown_option_is_refused_in_the_backend_s_words(void **state)
{
    (void)state;
    slmt_context *context;
    struct {
        const char *name, *options, *message;
    } wrong[] = {
        {"walled", "speed=9", "there is no option speed=9"},
        {"reference", "fast", "there is no option fast"},
        {"reference", "bf16", "has no bfloat16 arithmetic"},
        {"cpu", "matrix=auto,matrix=mine", "there is no option matrix=mine"},
        {"cpu", "matrix", "there is no option matrix"},
        {"cpu", "bf16x", "there is no option bf16x"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        slmt_context_config c = config_of(wrong[i].name, PLUGINS);
        c.backend_options = wrong[i].options;
        EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, wrong[i].message, slmt_context_create(&c, &context));
    }
    char longest[1000];
    memset(longest, ',', sizeof longest);
    longest[999] = '\0';
    slmt_context_config c = config_of("cpu", NULL);
    c.backend_options = longest;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "backend_options", slmt_context_create(&c, &context));
}

static void options_of_the_cpu_backend_work_by_text(void **state)
{
    (void)state;
    slmt_context *by_text = NULL, *by_field = NULL;
    slmt_context_config c, d;
    slmt_context_config_init(&c);
    d = config_of("cpu", NULL);
    c.matrix = SLMT_MATRIX_OPENBLAS;
    d.backend_options = "matrix=openblas";
    slmt_status s = slmt_context_create(&c, &by_field);
    EXPECT(s, slmt_context_create(&d, &by_text));
    assert_string_equal(slmt_context_describe(by_text), slmt_context_describe(by_field));
    slmt_context_free(by_text);
    slmt_context_free(by_field);
}

static void an_arithmetic_is_refused_where_it_would_change_nothing(void **state)
{
    (void)state;
    slmt_context *context;
    slmt_context_config c;
    slmt_context_config_init(&c);
    c.backend = SLMT_BACKEND_REFERENCE;
    c.arithmetic = SLMT_ARITHMETIC_BFLOAT16;
    EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, "bf16", slmt_context_create(&c, &context));
    c.arithmetic = SLMT_ARITHMETIC_TF32;
    EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, "tf32", slmt_context_create(&c, &context));
    c.backend = SLMT_BACKEND_CPU;
    EXPECT_TEXT(SLMT_ERR_UNSUPPORTED, "there is no option tf32", slmt_context_create(&c, &context));
    c.arithmetic = SLMT_ARITHMETIC_TF32 + 1;
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "arithmetic is 3, expected 0 to 2", slmt_context_create(&c, &context));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plugin_is_opened_from_its_folder_or_its_file),
        cmocka_unit_test(the_texts_of_the_configuration_are_copied),
        cmocka_unit_test(a_built_in_backend_has_its_name_too_and_needs_no_path),
        cmocka_unit_test(a_plugin_of_another_contract_is_refused_with_both_numbers),
        cmocka_unit_test(what_is_no_plugin_is_refused),
        cmocka_unit_test(a_folder_with_too_long_a_path_is_refused),
        cmocka_unit_test(nothing_but_the_path_is_searched),
        cmocka_unit_test(an_unknown_option_is_refused_in_the_backend_s_words),
        cmocka_unit_test(options_of_the_cpu_backend_work_by_text),
        cmocka_unit_test(an_arithmetic_is_refused_where_it_would_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
