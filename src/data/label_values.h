/* SPDX-License-Identifier: Apache-2.0 */
/* label_values.h - the values that a model's classes have in label maps, as its option `classes` lists them:
 * "VALUE,VALUE=NAME,...". */
#ifndef SLMT_DATA_LABEL_VALUES_H
#define SLMT_DATA_LABEL_VALUES_H

#include <stdint.h>

/* Writes the value of each class, at most `most`; returns how many. text: NULL for none. */
int32_t label_values(const char *text, int32_t *values, int32_t most);

#endif
