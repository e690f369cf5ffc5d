/* SPDX-License-Identifier: Apache-2.0 */
/* slmt convert: the model of a checkpoint, saved with its weights in another type. */
#include "tool.h"

#include <sys/stat.h>

#include "slmt/slmt.h"

#include <stdbool.h>

#include "common.h"
#include "console.h"
#include "options.h"

static const char doc[] =
    "Save the model of a checkpoint with the matrices of its linear layers in another type: half the size "
    "with 16 bits. OUT may be IN. The new file has no training state. From 16 bits back to full, what "
    "rounding took stays lost.";

/* Whether any tensor is held in 16 bits. */
static bool is_half(const slmt_model *model)
{
    bool half = false;
    for (size_t i = 0; i < slmt_model_tensor_count(model); i++) {
        slmt_tensor_info info = {.struct_size = sizeof info};
        half =
            half || (slmt_model_tensor_info(model, i, &info) == SLMT_OK && info.weights != SLMT_WEIGHTS_FULL);
    }
    return half;
}

static int convert(slmt_context *context, int32_t weights, const char *in, const char *out)
{
    slmt_model *model = NULL;
    struct stat info;
    slmt_status status = slmt_model_load(context, in, &model);
    if (status != SLMT_OK)
        return fail(status, "%s", in);
    int code = EXIT_OK;
    bool asked = weights == SLMT_WEIGHTS_BFLOAT16 || weights == SLMT_WEIGHTS_FLOAT16;
    if (asked && !is_half(model))
        code = warn("%s: no tensor of %s can be stored in 16 bits; all stay in full", in,
                    slmt_model_method(model));
    if (code == EXIT_OK && (status = slmt_model_save(model, out)) != SLMT_OK)
        code = fail(status, "%s", out);
    slmt_model_free(model);
    if (code == EXIT_OK && stat(out, &info) == 0)
        say("%s: written, %lld bytes", out, (long long)info.st_size);
    return code;
}

int command_convert(int argc, char **argv)
{
    common shared = {.weights = SLMT_WEIGHTS_STORED};
    field fields[2] = {weights_fields[0]};
    fields[0].doc = "type that the matrices of linear layers are stored in; stored: the one that they have";
    fields[0].flags |= FIELD_REQUIRED;
    const option_group groups[] = {{"Weights:", fields, &shared}, {"Common:", common_fields, &shared}, {0}};
    command_line line = {.doc = doc,
                         .arguments = "IN OUT",
                         .argument_flags = FIELD_INPUT,
                         .last_is_output = true,
                         .least_arguments = 2,
                         .most_arguments = 2,
                         .groups = groups};
    options_parse(&line, argc, argv);
    slmt_context *context = NULL;
    int code = common_context(&shared, &context);
    if (code == EXIT_OK)
        code = convert(context, shared.weights, line.inputs[0], line.inputs[1]);
    slmt_context_free(context);
    options_free(&line);
    return code;
}
