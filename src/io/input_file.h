/* SPDX-License-Identifier: Apache-2.0 */
/* input_file.h - opens a file for reading, with a message if that fails. */
#ifndef SLMT_IO_INPUT_FILE_H
#define SLMT_IO_INPUT_FILE_H

#include <stdint.h>

#include "lib/status.h"

/* The caller closes fd. ERR_NOT_FOUND; ERR_IO: no access, or not a plain file. */
status input_file_open(const char *path, int *fd, uint64_t *size);

#endif
