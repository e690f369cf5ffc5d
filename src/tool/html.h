/* SPDX-License-Identifier: Apache-2.0 */
/* html.h - text and pictures inside a page of HTML. */
#ifndef SLMT_TOOL_HTML_H
#define SLMT_TOOL_HTML_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Writes text of the page or of an attribute: markup is escaped, and what no page may hold (control
 * characters, bytes that are not UTF-8) becomes U+FFFD. */
void html_text(FILE *out, const char *text);

/* Writes markup. Of printf()'s conversions there is %s alone, and its text goes through html_text(). */
void html(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A picture in memory. */
typedef struct html_picture {
    uint32_t width, height;
    int32_t channels;            /* 1: grey, 3: red, green, blue */
    const unsigned char *pixels; /* row by row from the top */
} html_picture;

/* Writes the picture as the URI of a PNG file that lies within it. Returns 0 if there is no PNG of this size;
 * nothing is written then. */
int html_png(FILE *out, const html_picture *picture);

#endif
