/* SPDX-License-Identifier: Apache-2.0 */
/* Made by scripts/generate-api from include/slmt/: change those.
 * names.c - names of statuses and of all constants. */
/* clang-format off */
#include <stddef.h>
#include <string.h>

#include "slmt/status.h"

const char *slmt_status_name(slmt_status status)
{
    switch (status) {
    case SLMT_OK:
        return "SLMT_OK";
    case SLMT_ERR_ARGUMENT:
        return "SLMT_ERR_ARGUMENT";
    case SLMT_ERR_NONFINITE:
        return "SLMT_ERR_NONFINITE";
    case SLMT_ERR_STATE:
        return "SLMT_ERR_STATE";
    case SLMT_ERR_MEMORY:
        return "SLMT_ERR_MEMORY";
    case SLMT_ERR_LIMIT:
        return "SLMT_ERR_LIMIT";
    case SLMT_ERR_IO:
        return "SLMT_ERR_IO";
    case SLMT_ERR_NOT_FOUND:
        return "SLMT_ERR_NOT_FOUND";
    case SLMT_ERR_CORRUPT:
        return "SLMT_ERR_CORRUPT";
    case SLMT_ERR_FORMAT:
        return "SLMT_ERR_FORMAT";
    case SLMT_ERR_SCHEMA:
        return "SLMT_ERR_SCHEMA";
    case SLMT_ERR_VERSION:
        return "SLMT_ERR_VERSION";
    case SLMT_ERR_BACKEND:
        return "SLMT_ERR_BACKEND";
    case SLMT_ERR_UNSUPPORTED:
        return "SLMT_ERR_UNSUPPORTED";
    case SLMT_ERR_CANCELLED:
        return "SLMT_ERR_CANCELLED";
    case SLMT_ERR_INTERNAL:
        return "SLMT_ERR_INTERNAL";
    default:
        return "SLMT_ERR_UNKNOWN";
    }
}

static const struct {
    const char *name;
    int32_t value;
} constants[] = {
    {"SLMT_OK", 0},
    {"SLMT_ERR_ARGUMENT", 100},
    {"SLMT_ERR_NONFINITE", 101},
    {"SLMT_ERR_STATE", 102},
    {"SLMT_ERR_MEMORY", 200},
    {"SLMT_ERR_LIMIT", 201},
    {"SLMT_ERR_IO", 300},
    {"SLMT_ERR_NOT_FOUND", 301},
    {"SLMT_ERR_CORRUPT", 302},
    {"SLMT_ERR_FORMAT", 303},
    {"SLMT_ERR_SCHEMA", 400},
    {"SLMT_ERR_VERSION", 401},
    {"SLMT_ERR_BACKEND", 500},
    {"SLMT_ERR_UNSUPPORTED", 501},
    {"SLMT_ERR_CANCELLED", 600},
    {"SLMT_ERR_INTERNAL", 900},
    {"SLMT_BACKEND_CPU", 0},
    {"SLMT_BACKEND_REFERENCE", 1},
    {"SLMT_BACKEND_CUDA", 2},
    {"SLMT_FLOAT32", 0},
    {"SLMT_FLOAT64", 1},
    {"SLMT_WEIGHTS_FULL", 0},
    {"SLMT_WEIGHTS_BFLOAT16", 1},
    {"SLMT_WEIGHTS_FLOAT16", 2},
    {"SLMT_WEIGHTS_STORED", 3},
    {"SLMT_ARITHMETIC_FLOAT32", 0},
    {"SLMT_ARITHMETIC_BFLOAT16", 1},
    {"SLMT_ARITHMETIC_TF32", 2},
    {"SLMT_MATRIX_AUTO", 0},
    {"SLMT_MATRIX_ONEDNN", 1},
    {"SLMT_MATRIX_OPENBLAS", 2},
    {"SLMT_LOG_ERROR", 0},
    {"SLMT_LOG_WARNING", 1},
    {"SLMT_LOG_INFO", 2},
    {"SLMT_LOG_DEBUG", 3},
    {"SLMT_NAN_REFUSE", 0},
    {"SLMT_NAN_ZERO", 1},
    {"SLMT_NUMBER_WHOLE", 1},
    {"SLMT_NUMBER_REAL", 2},
    {"SLMT_NUMBER_CHOICE", 3},
    {"SLMT_NUMBER_LIST", 4},
    {"SLMT_NUMBER_TEXT", 5},
    {"SLMT_ROLE_NONE", 0},
    {"SLMT_ROLE_BATCH", 1},
    {"SLMT_ROLE_SIDE", 2},
    {"SLMT_ROLE_HEIGHT", 3},
    {"SLMT_ROLE_WIDTH", 4},
    {"SLMT_ROLE_DEPTH", 5},
    {"SLMT_ROLE_CONTRASTS", 6},
    {"SLMT_ROLE_CROPS", 7},
    {"SLMT_ROLE_SOURCE", 16},
    {"SLMT_ROLE_TARGET", 17},
    {"SLMT_ROLE_SOURCE_CONTRAST", 18},
    {"SLMT_ROLE_TARGET_CONTRAST", 19},
    {"SLMT_ROLE_LABELS", 20},
    {"SLMT_ROLE_PROBABILITIES", 21},
    {"SLMT_TENSOR_FLOAT32", 1},
    {"SLMT_TENSOR_INT32", 2},
    {"SLMT_TENSOR_FLOAT16", 3},
    {"SLMT_TENSOR_UINT8", 4},
    {"SLMT_METRIC_HIGHER", 1},
    {"SLMT_METRIC_LOWER", -1},
    {"SLMT_RESIZE_BILINEAR", 0},
    {"SLMT_RESIZE_NEAREST", 1},
    {"SLMT_SCALE_PERCENTILES", 0},
    {"SLMT_SCALE_TWICE_P99", 1},
    {"SLMT_BACKGROUND_CORNER", 0},
    {"SLMT_BACKGROUND_SURFACE", 1},
    {"SLMT_CENTRE", -1},
    {"SLMT_SPACING_REFUSE", 0},
    {"SLMT_SPACING_RESAMPLE", 1},
    {"SLMT_SPACING_ANY", 2},
    {"SLMT_DEFINITION_VOLUME", 1},
    {"SLMT_DEFINITION_SLICE", 2},
    {"SLMT_DEFINITION_PAPER", 3},
    {"SLMT_SPLIT_ALL", 0},
    {"SLMT_SPLIT_TRAIN", 1},
    {"SLMT_SPLIT_TEST", 2},
    {"SLMT_SPLIT_VALIDATION", 3},
    {"SLMT_FIELD_IMAGE", 1},
    {"SLMT_FIELD_LABELS", 2},
    {"SLMT_FIELD_BOXES", 3},
    {"SLMT_FIELD_VECTOR", 4},
    {"SLMT_FIELD_IDS", 5},
    {"SLMT_FIELD_CLASSES", 6},
    {"SLMT_SELF_EXCLUDE", 0},
    {"SLMT_SELF_INCLUDE", 1},
    {"SLMT_SELF_ZSCORE_ONLY", 2},
    {"SLMT_RECOMPUTE_NOTHING", 0},
    {"SLMT_RECOMPUTE_CHEAP", 1},
    {"SLMT_RECOMPUTE_LINEAR", 2},
    {"SLMT_NET_PRESET_BASE", 0},
    {"SLMT_NET_PRESET_SMALL", 1},
    {"SLMT_NET_PRESET_TINY", 2},
    {"SLMT_NET_STAGE_PRETRAIN", 1},
    {"SLMT_NET_STAGE_FINETUNE", 2},
    {"SLMT_NET_PATCH_WEIGHT_HARD", 0},
    {"SLMT_NET_PATCH_WEIGHT_EASY_THEN_HARD", 1},
};

const char *slmt_constant_name(const char *prefix, int32_t value)
{
    for (size_t i = 0; prefix && i < sizeof constants / sizeof *constants; i++)
        if (constants[i].value == value && strncmp(constants[i].name, prefix, strlen(prefix)) == 0)
            return constants[i].name;
    return "";
}
