/* SPDX-License-Identifier: Apache-2.0 */
/* file_digest.h - which file it was. */
#ifndef SLMT_TOOL_FILE_DIGEST_H
#define SLMT_TOOL_FILE_DIGEST_H

/* SHA-256 of a file in small letters and digits; the caller frees it. NULL: errno says why not. */
char *file_digest(const char *path);

#endif
