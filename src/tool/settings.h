/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h - the library's struct of preprocessing as a table of fields, which can be set and shown by
 * name. */
#ifndef SLMT_TOOL_SETTINGS_H
#define SLMT_TOOL_SETTINGS_H

#include "slmt/slmt.h"

#include "field.h"

extern const field preprocess_fields[]; /* of slmt_preprocess */

/* Name of the first field in which two structs differ; NULL: none. */
const char *settings_difference(const field *fields, const void *one, const void *other);

#endif
