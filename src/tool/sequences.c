/* SPDX-License-Identifier: Apache-2.0 */
/* sequences.c - models that are told which contrast to make. The input for it is found by its role, whatever
 * the method calls it. */
#include "sequences.h"

#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "must.h"
#include "numbers.h"
#include "tool.h"

bool takes_sequence(const slmt_model *model)
{
    slmt_port_info input;
    const char *method = slmt_model_method(model), *task = synthesis_task(method);
    return task && input_for(method, task, SLMT_ROLE_TARGET_CONTRAST, &input);
}

char *sequence_names(const slmt_model *model, const char *between)
{
    char *names = must_copy("");
    for (size_t i = 0; i < slmt_model_contrast_count(model); i++) {
        char *longer = must_format("%s%s%s", names, i ? between : "", slmt_model_contrast(model, i));
        free(names);
        names = longer;
    }
    return names;
}

int32_t sequence_index(const slmt_model *model, const char *name)
{
    for (size_t i = 0; i < slmt_model_contrast_count(model); i++)
        if (strcmp(slmt_model_contrast(model, i), name) == 0)
            return (int32_t)i;
    return -1;
}

int need_sequences(const slmt_model *model, const char *path)
{
    if (!takes_sequence(model))
        return fail_with(EXIT_USAGE, "%s: is a model of %s, which makes one contrast and not any sequence",
                         path, slmt_model_method(model));
    if (slmt_model_contrast_count(model) == 0)
        return fail_with(EXIT_DATA, "%s: its contrasts have no names yet; slmt train gives them", path);
    return EXIT_OK;
}

int no_such_sequence(const slmt_model *model, const char *path, const char *name)
{
    char *names = sequence_names(model, ", ");
    int code = fail_with(EXIT_USAGE, "%s: does not know a contrast '%s'; it knows %s", path, name, names);
    free(names);
    return code;
}

int check_method(const slmt_model *model, const char *path, const char *method)
{
    slmt_method_info info;
    if (!method || strcmp(method, slmt_model_method(model)) == 0)
        return EXIT_OK;
    if (!method_find(method, &info))
        return no_such_method(method);
    return fail_with(EXIT_USAGE, "%s: is a model of %s, not of %s", path, slmt_model_method(model), method);
}

int slice_session(slmt_model *model, int32_t batch, slmt_session **session)
{
    static const int32_t roles[] = {SLMT_ROLE_BATCH, SLMT_ROLE_HEIGHT, SLMT_ROLE_WIDTH};
    const number_owner owner = {slmt_model_method(model), synthesis_task(slmt_model_method(model))};
    slmt_preprocess preprocess;
    slmt_number settings[3];
    size_t count = 0;
    slmt_preprocess_init(&preprocess);
    slmt_status status = slmt_model_get_preprocess(model, &preprocess);
    for (size_t i = 0; owner.task && i < sizeof roles / sizeof *roles; i++) {
        slmt_number_info info;
        if (number_for(owner, roles[i], &info))
            settings[count++] =
                (slmt_number){info.name, roles[i] == SLMT_ROLE_BATCH ? batch : preprocess.image_size};
    }
    if (status == SLMT_OK)
        status = slmt_session_create(model, owner.task, settings, count, session);
    return status == SLMT_OK ? EXIT_OK : fail(status, "session");
}

slmt_status choose_sequence(slmt_session *session, int32_t index)
{
    return slmt_session_set_target(session, slmt_model_contrast(slmt_session_model(session), (size_t)index));
}
