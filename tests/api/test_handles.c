/* SPDX-License-Identifier: Apache-2.0 */
/* test_handles.c - handles that were freed, and handles of another kind, are refused where they can be told.
 */
#include "core/handles.h"

#include "tests/api/api_fixture.h"

/* Memory that is freed stays as it is, so that a freed handle can be looked at. */
static void *take(void *user, size_t bytes)
{
    (void)user;
    return malloc(bytes);
}

static void *left[4096];
static int left_count;

static void keep(void *user, void *p)
{
    (void)user;
    assert_true(left_count < 4096);
    left[left_count++] = p;
}

static slmt_context *open_keeping(void)
{
    slmt_context_config config = config_for(SLMT_BACKEND_CPU, 1, NULL);
    config.alloc = take;
    config.free = keep;
    return open_with(&config);
}

static void release_all(void)
{
    while (left_count > 0)
        free(left[--left_count]);
}

static const float voxels[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static void a_handle_of_another_kind_is_refused(void **state)
{
    (void)state;
    slmt_context *context = open_context(1, NULL);
    slmt_volume *volume = NULL;
    slmt_model *model = NULL;
    slmt_profile *profile = NULL;
    uint64_t bytes;
    float x = 0;
    GOOD(slmt_volume_create(context, (const int64_t[]){2, 2, 2}, NULL, voxels, &volume));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "of another kind",
                slmt_model_load((slmt_context *)(void *)volume, "x", &model));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "of another kind",
                slmt_session_memory((slmt_model *)(void *)volume, NULL, NULL, 0, &bytes));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "of another kind",
                slmt_synthesize((slmt_session *)(void *)context, &x, 1, &x));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "of another kind", slmt_trainer_save((slmt_trainer *)(void *)volume, "x"));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "of another kind",
                slmt_volume_write((slmt_volume *)(void *)context, "x.nii"));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "of another kind",
                slmt_profile_create((slmt_context *)(void *)volume, &profile));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "of another kind",
                slmt_dataset_writer_undo((slmt_dataset_writer *)(void *)volume));
    slmt_session_free((slmt_session *)(void *)volume); /* does nothing */
    slmt_model_free((slmt_model *)(void *)volume);
    GOOD(slmt_profile_create(context, &profile));
    slmt_profile_free(profile);
    slmt_volume_free(volume);
    slmt_context_free(context);
}

static void a_freed_handle_is_refused_and_not_freed_again(void **state)
{
    (void)state;
    slmt_context *context = open_keeping();
    slmt_model *model = small_model(context, 1);
    slmt_session *session = NULL;
    slmt_volume *volume = NULL;
    float *slices = make_slices(2, 0);
    GOOD(slmt_session_create(model, NULL, NULL, 0, &session));
    GOOD(slmt_volume_create(context, (const int64_t[]){2, 2, 2}, NULL, voxels, &volume));
    slmt_model_free(model);
    GOOD(slmt_synthesize(session, slices, 1, slices + PIXELS)); /* whose model lives on */
    slmt_session_free(session);
    slmt_volume_free(volume);
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "was freed", slmt_synthesize(session, slices, 1, slices + PIXELS));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "was freed", slmt_model_save(model, "x"));
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "was freed", slmt_volume_write(volume, "x.nii"));
    int freed = left_count;
    slmt_session_free(session);
    slmt_volume_free(volume);
    slmt_model_free(model);
    slmt_context_free(context);
    assert_true(left_count > freed); /* the context alone */
    EXPECT_TEXT(SLMT_ERR_ARGUMENT, "was freed", slmt_model_load(context, "x", &model));
    slmt_context_free(context);
    free(slices);
    release_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_of_another_kind_is_refused),
        cmocka_unit_test(a_freed_handle_is_refused_and_not_freed_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
