/* SPDX-License-Identifier: Apache-2.0 */
/* html.c - escaping, and PNG files as data URIs: libpng makes the file, Nettle its base64. */
#include "html.h"

#include <nettle/base64.h>
#include <png.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

/* ---- text ---- */

typedef struct utf8_row {
    unsigned char mask, lead; /* of the first byte */
    size_t length;
    uint32_t least; /* smallest character that needs so many bytes */
} utf8_row;

/* Length of the character at `text` if a page may hold it, else 0. */
static size_t character_length(const unsigned char *text)
{
    static const utf8_row rows[] = {
        {0x80, 0x00, 1, 0x20}, {0xe0, 0xc0, 2, 0xa0}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if ((*text & rows[i].mask) != rows[i].lead)
            continue;
        uint32_t code = *text & (unsigned char)~rows[i].mask;
        for (size_t k = 1; k < rows[i].length; k++) {
            if ((text[k] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (text[k] & 0x3f);
        }
        int turns_writing = code == 0x61c || code == 0x200e || code == 0x200f ||
                            (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
        int surrogate = code >= 0xd800 && code < 0xe000, none = (code & 0xfffe) == 0xfffe;
        return code < rows[i].least || code == 0x7f || code > 0x10ffff || surrogate || none || turns_writing
                   ? 0
                   : rows[i].length;
    }
    return 0;
}

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void html_text(FILE *out, const char *text)
{
    while (*text) {
        const char *name = entity(*text);
        size_t length = *text == '\n' || *text == '\t' ? 1 : character_length((const unsigned char *)text);
        if (name)
            fputs(name, out);
        else if (length)
            fwrite(text, 1, length, out);
        else
            fputs("\xef\xbf\xbd", out);
        text += length ? length : 1;
    }
}

void html(FILE *out, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    for (const char *mark; (mark = strstr(format, "%s")); format = mark + 2) {
        fwrite(format, 1, (size_t)(mark - format), out);
        html_text(out, va_arg(values, const char *));
    }
    fputs(format, out);
    va_end(values);
}

/* ---- pictures ---- */

static void write_base64(FILE *out, const unsigned char *data, size_t size)
{
    size_t length = BASE64_ENCODE_RAW_LENGTH(size);
    char *text = must_alloc(length, 1);
    base64_encode_raw(text, size, data);
    fwrite(text, 1, length, out);
    free(text);
}

int html_png(FILE *out, const html_picture *picture)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = picture->width,
                       .height = picture->height,
                       .format = picture->channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB};
    png_alloc_size_t size = 0;
    if (!png_image_write_to_memory(&image, NULL, &size, 0, picture->pixels, 0, NULL))
        return 0;
    unsigned char *file = must_alloc(size, 1);
    int done = png_image_write_to_memory(&image, file, &size, 0, picture->pixels, 0, NULL);
    if (done) {
        fputs("data:image/png;base64,", out);
        write_base64(out, file, size);
    }
    free(file);
    return done;
}
