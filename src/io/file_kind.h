/* SPDX-License-Identifier: Apache-2.0 */
/* file_kind.h - what a file is that was taken for something else, told by its first bytes. */
#ifndef SLMT_IO_FILE_KIND_H
#define SLMT_IO_FILE_KIND_H

#include <stddef.h>

enum { FILE_KIND_BYTES = 600 }; /* as many are enough */
enum { FILE_KIND_TEXT = 160 };  /* characters of file_kind_instead() */

/* Returns a static text that goes behind "it is", with advice where there is some, such as "an HTML page:
 * perhaps
 * ..."; NULL where the bytes are of no kind that is known here. */
const char *file_kind(const unsigned char *head, size_t size);

/* Returns 1 if a file that begins so is HDF5, or is a checkpoint or a training set. */
int file_kind_is_ours(const void *head, size_t size);

/* Writes what goes behind "not a libslmt checkpoint" or "not a libslmt training set", nothing where the kind
 * of the file is not known. */
void file_kind_instead(const void *head, size_t size, char *text, size_t room);

#endif
