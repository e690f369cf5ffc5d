/* SPDX-License-Identifier: Apache-2.0 */
/* scan_pattern.h - the scans that a pattern of paths names. */
#ifndef SLMT_TOOL_SCAN_PATTERN_H
#define SLMT_TOOL_SCAN_PATTERN_H

#include "scan_find.h"

/* scan_find() for a place with '*' or '?': what the first star stands for is the name, and all are kept. */
int scan_pattern_find(scan_source *source, size_t *left_out);

/* Names that stand for several scans of a source become longer, in all sources of patterns alike: the next
 * stars are added until each name is that of one scan. The first star stays the person. */
void scan_pattern_names(scan_source *sources, size_t count);

#endif
