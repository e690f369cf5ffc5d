/* SPDX-License-Identifier: Apache-2.0 */
/* Made by scripts/generate-api from include/slmt/: change those.
 * status_name.c - slmt_status_name(). */
/* clang-format off */
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
