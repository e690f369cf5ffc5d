/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint_values.h - the rules for a checkpoint's numbers, which hold for writing and for reading, so that
 * every file that is written can be read. */
#ifndef SLMT_IO_CHECKPOINT_VALUES_H
#define SLMT_IO_CHECKPOINT_VALUES_H

#include "io/checkpoint.h"

/* Checks that all floats of a tensor are finite. label: the file's name, for the message. ERR_NONFINITE. */
status checkpoint_check_finite(const char *label, const char *group, const char *name, checkpoint_type type,
                               uint64_t count, const void *values);

#endif
