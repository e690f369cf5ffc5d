/* SPDX-License-Identifier: Apache-2.0 */
/* wording.h - the library's messages in the words of the command. */
#ifndef SLMT_TOOL_WORDING_H
#define SLMT_TOOL_WORDING_H

/* Fields of structs, options and settings become options of the command ("slmt_preprocess.image_size"
 * "--image-size", "setting mask_ratio is 1" "--mask-ratio is 1"), and the name of a function in front of a
 * message goes. The caller frees the text. */
char *for_users(const char *text);

#endif
