/* SPDX-License-Identifier: Apache-2.0 */
/* exchanged.h - notices a subject whose two contrasts were exchanged, by those of the other subjects. */
#ifndef SLMT_TOOL_EXCHANGED_H
#define SLMT_TOOL_EXCHANGED_H

#include "likeness_list.h"

/* Warns of each subject of a set whose contrasts look like those of the others only if they are exchanged.
 * Contrasts that look much alike, such as T1 and FLAIR, and fewer than four subjects with both are not
 * judged. Returns an exit code. */
int exchanged_warn(const likeness_list *list);

#endif
