/* SPDX-License-Identifier: Apache-2.0 */
/* input_file.h - opens a file for reading, and says what is wrong where it cannot. */
#ifndef SLMT_IO_INPUT_FILE_H
#define SLMT_IO_INPUT_FILE_H

#include <stdint.h>

#include "lib/status.h"

/* fd is the caller's to close. ERR_NOT_FOUND; ERR_IO: no access, or not a plain file. */
status input_file_open(const char *path, int *fd, uint64_t *size);

#endif
