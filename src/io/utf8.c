/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.c - decodes one character after another (RFC 3629) and looks at its number. */
#include "io/utf8.h"

#include <stdint.h>

/* Reads a character of at most `length` bytes. Returns how many it has; 0: it is not well formed. */
static size_t decode(const unsigned char *text, size_t length, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = text[0] < 0x80   ? 1
                  : text[0] < 0xC2 ? 0
                  : text[0] < 0xE0 ? 2
                  : text[0] < 0xF0 ? 3
                  : text[0] < 0xF5 ? 4
                                   : 0;
    if (size == 0 || size > length)
        return 0;
    *character = size == 1 ? text[0] : text[0] & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        *character = *character << 6 | (text[i] & 0x3F);
    }
    return *character < least[size] || *character > 0x10FFFF ? 0 : size;
}

static int is_shown(uint32_t c)
{
    int control = c < 0x20 || (c >= 0x7F && c < 0xA0);
    int surrogate = c >= 0xD800 && c <= 0xDFFF;
    int separator = c == 0x2028 || c == 0x2029;
    int direction = (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
    return !control && !surrogate && !separator && !direction;
}

static int is_layout(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\r';
}

int utf8_printable(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (is_layout((unsigned char)text[i]))
            return 0;
    return utf8_plain(text, length) == length;
}

size_t utf8_plain(const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t i = 0;
    while (i < length) {
        uint32_t character;
        size_t size = decode(bytes + i, length - i, &character);
        if (size == 0 || (!is_shown(character) && !is_layout(character)))
            break;
        i += size;
    }
    return i;
}
