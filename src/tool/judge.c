/* SPDX-License-Identifier: Apache-2.0 */
#include "judge.h"

#include <stdlib.h>

#include "console.h"
#include "must.h"
#include "tool.h"

static size_t count_of(const slmt_tensor_info *info)
{
    size_t n = 1;
    for (int32_t i = 0; i < info->rank; i++)
        n *= (size_t)info->dim[i];
    return n;
}

static slmt_status copy_tensor(const slmt_model *from, const slmt_tensor_info *info, slmt_model *to)
{
    size_t n = count_of(info);
    float *values = must_grow(NULL, n, sizeof *values);
    char *name = must_format("%s.%s", slmt_model_method(from), info->name);
    slmt_status status = slmt_model_get_tensor(from, info->name, values, n);
    if (status == SLMT_OK)
        status = slmt_model_set_tensor(to, name, values, n);
    free(name);
    free(values);
    return status;
}

int judge_copy(slmt_context *context, const char *file, slmt_model *model)
{
    slmt_model *judge = NULL;
    slmt_tensor_info info = {.struct_size = sizeof info};
    slmt_status status = slmt_model_load(context, file, &judge);
    if (status != SLMT_OK)
        return fail(status, "%s", file);
    for (size_t k = 0; status == SLMT_OK && k < slmt_model_tensor_count(judge); k++) {
        status = slmt_model_tensor_info(judge, k, &info);
        if (status == SLMT_OK)
            status = copy_tensor(judge, &info, model);
    }
    int code = status == SLMT_OK ? EXIT_OK
                                 : fail(status, "%s: its %s does not fit into a %s with these options", file,
                                        slmt_model_method(judge), slmt_model_method(model));
    slmt_model_free(judge);
    return code;
}
