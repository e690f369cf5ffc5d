/* SPDX-License-Identifier: Apache-2.0 */
/* file_kind.h - what a file is that was taken for something else, told by its first bytes. */
#ifndef SLMT_IO_FILE_KIND_H
#define SLMT_IO_FILE_KIND_H

#include <stddef.h>

enum { FILE_KIND_BYTES = 600 }; /* as many are enough */

/* A static text that goes behind "it is", with advice where there is some, such as "an HTML page: perhaps
 * ..."; NULL where the bytes are of no kind that is known here. */
const char *file_kind(const unsigned char *head, size_t size);

#endif
