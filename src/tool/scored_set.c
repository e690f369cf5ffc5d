/* SPDX-License-Identifier: Apache-2.0 */
/* scored_set.c - opening, checking and closing of what a command scores. */
#include "scored_set.h"

#include "console.h"
#include "geometry.h"
#include "labelling.h"
#include "settings.h"
#include "tool.h"

const field_choice split_choices[] = {{"test", SLMT_SPLIT_TEST},
                                      {"validation", SLMT_SPLIT_VALIDATION},
                                      {"train", SLMT_SPLIT_TRAIN},
                                      {"all", SLMT_SPLIT_ALL},
                                      {0}};

const char *split_name(int32_t split)
{
    const field_choice *c = split_choices;
    while (c->name && c->value != split)
        c++;
    return c->name;
}

bool in_split(const slmt_dataset *set, size_t subject, int32_t split)
{
    return split == SLMT_SPLIT_ALL || slmt_dataset_subject_split(set, subject) == split;
}

void scored_parse(command_line *line, const field *fields, void *target, scored *s, int argc, char **argv)
{
    const option_group groups[] = {{"Files and run:", fields, target},
                                   {"Figures:", measure_fields, &s->measure},
                                   {"", weights_fields, &s->common},
                                   {"", arithmetic_fields, &s->common},
                                   {"Common:", common_fields, &s->common},
                                   {"", log_fields, &s->common},
                                   {0}};
    line->groups = groups;
    options_parse(line, argc, argv);
    line->groups = NULL; /* they end here */
}

int scored_open(scored *s)
{
    int code = common_context(&s->common, &s->context);
    if (code != EXIT_OK)
        return code;
    slmt_status status = slmt_model_load(s->context, s->model_path, &s->model);
    if (status != SLMT_OK)
        return fail(status, "%s", s->model_path);
    status = slmt_dataset_open(s->context, s->set_path, &s->set);
    return status == SLMT_OK ? EXIT_OK : fail(status, "%s", s->set_path);
}

/* Voxels of another size than those of the training are told. */
static int check_spacing(const scored *s)
{
    slmt_geometry own = {.struct_size = sizeof own}, data = own;
    char was[GEOMETRY_TEXT], is[GEOMETRY_TEXT];
    slmt_status status = slmt_model_get_geometry(s->model, &own);
    if (status == SLMT_OK)
        status = slmt_dataset_geometry(s->set, SLMT_SPLIT_ALL, &data);
    if (status != SLMT_OK)
        return fail(status, "%s", s->set_path);
    if (!geometry_differs(&own, &data))
        return EXIT_OK;
    return warn("%s: its voxels are %s, those of the model's training %s", s->set_path,
                geometry_spacing(&data, is), geometry_spacing(&own, was));
}

int scored_check(const scored *s, slmt_preprocess *data)
{
    const char *path = s->set_path;
    slmt_preprocess own;
    slmt_preprocess_init(&own);
    slmt_preprocess_init(data);
    slmt_status status = slmt_model_get_preprocess(s->model, &own);
    if (status == SLMT_OK)
        status = slmt_dataset_get_preprocess(s->set, data);
    if (status != SLMT_OK)
        return fail(status, "%s", path);
    if (labels_pixels(s->model))
        own.image_size = data->image_size; /* its crops are not resized */
    if (own.image_size != data->image_size)
        return fail_with(EXIT_USAGE, "%s: has slices of %d pixels, the model takes %d", path,
                         data->image_size, own.image_size);
    const char *other = settings_difference(preprocess_fields, &own, data);
    if (other)
        return warn("%s: its %s is not that of the model's training", path, other);
    return check_spacing(s);
}

int scored_begin(scored *s)
{
    int code = s->csv_path ? table_file_begin(&s->table, s->csv_path) : EXIT_OK;
    if (code == EXIT_OK)
        code = journal_open(&s->log, s->common.log, false);
    if (code == EXIT_OK)
        log_computer(&s->log, s->context, &s->common);
    return code;
}

int scored_close(scored *s, int code)
{
    int table_code = table_file_finish(&s->table, code == EXIT_OK);
    int log_code = journal_close(&s->log);
    slmt_session_free(s->session);
    slmt_dataset_free(s->set);
    slmt_model_free(s->model);
    slmt_context_free(s->context);
    return code ? code : table_code ? table_code : log_code;
}
