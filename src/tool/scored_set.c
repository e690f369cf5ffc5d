/* SPDX-License-Identifier: Apache-2.0 */
#include "scored_set.h"

#include <errno.h>
#include <string.h>

#include "console.h"
#include "settings.h"
#include "tool.h"

const field_choice split_choices[] = {
    {"test", SLMT_SPLIT_TEST}, {"train", SLMT_SPLIT_TRAIN}, {"all", SLMT_SPLIT_ALL}, {0}};

bool in_split(const slmt_dataset *set, size_t subject, int32_t split)
{
    return split == SLMT_SPLIT_ALL || slmt_dataset_subject_split(set, subject) == split;
}

int open_model_and_set(slmt_context *context, const char *model_path, const char *set_path,
                       slmt_model **model, slmt_dataset **set)
{
    slmt_status status = slmt_model_load(context, model_path, model);
    if (status != SLMT_OK)
        return fail(status, "%s", model_path);
    status = slmt_dataset_open(context, set_path, set);
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", set_path);
}

int check_set_fits(const slmt_model *model, const slmt_dataset *set, const char *path, slmt_preprocess *data)
{
    slmt_preprocess own;
    slmt_preprocess_init(&own);
    slmt_preprocess_init(data);
    slmt_status status = slmt_model_get_preprocess(model, &own);
    if (status == SLMT_OK)
        status = slmt_dataset_get_preprocess(set, data);
    if (status != SLMT_OK)
        return fail(status, "%s", path);
    if (own.image_size != data->image_size)
        return fail_with(EXIT_USAGE, "%s: has slices of %d pixels, the model takes %d", path,
                         data->image_size, own.image_size);
    const char *other = settings_difference(preprocess_fields, &own, data);
    if (other)
        complain("warning: %s: its %s is not that of the model's training", path, other);
    return EXIT_OK;
}

int open_csv(const char *path, FILE **csv)
{
    if (!path)
        return EXIT_OK;
    *csv = fopen(path, "w");
    return *csv ? EXIT_OK : fail_with(EXIT_DATA, "%s: %s", path, strerror(errno));
}

int close_csv(const char *path, FILE *csv)
{
    if (!csv)
        return EXIT_OK;
    bool failed = ferror(csv) != 0;
    failed = fclose(csv) != 0 || failed;
    return failed ? fail_with(EXIT_DATA, "%s: not all of it could be written", path) : EXIT_OK;
}
