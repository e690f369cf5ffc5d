/* SPDX-License-Identifier: Apache-2.0 */
/* version.h - which program, which library, which file. */
#ifndef SLMT_TOOL_VERSION_H
#define SLMT_TOOL_VERSION_H

#include <stdio.h>

/* Version, commit, numerics version, libraries, and the SHA-256 of the library's and the program's files. */
void version_print(FILE *out);

#endif
