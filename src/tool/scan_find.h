/* SPDX-License-Identifier: Apache-2.0 */
/* scan_find.h - from a place (scans.h) to the scans there. */
#ifndef SLMT_TOOL_SCAN_FIND_H
#define SLMT_TOOL_SCAN_FIND_H

#include "scans.h"

/* Fills the source's scans, in the order of their paths. Warns of what looks like a scan and is not taken,
 * and counts it. Reports an error and returns its exit code. */
int scan_find(scan_source *source, size_t *left_out);

/* Returns a name as a set takes it: bytes that are no UTF-8, control characters and '/' become %XX, and
 * letters are composed (Unicode's NFC). The caller frees it. */
char *scan_name(const char *text, size_t length);

/* Returns the folder that a place is in, without pattern and END; the caller frees it. NULL: it has none. */
char *scan_folder(const char *place);

/* Adds a scan; takes over path and name. */
scan *scan_add(scan_source *source, char *path, char *name);

#endif
