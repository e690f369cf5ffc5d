/* SPDX-License-Identifier: Apache-2.0 */
/* file_kind.c - signatures of the files that people meet under a scan's name. */
#include "io/file_kind.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "io/dialect.h"

typedef struct signature {
    size_t at, size;
    const char *bytes;
    const char *kind;
} signature;

#define SIGNATURE(at, bytes, kind)                                                                           \
    {                                                                                                        \
        at, sizeof(bytes) - 1, bytes, kind                                                                   \
    }

#define DICOM "a DICOM file: convert the series to NIfTI first, for example with dcm2niix"

/* The first that fits is taken, so that the longer of two comes first. */
static const signature signatures[] = {
    SIGNATURE(128, "DICM", DICOM),
    SIGNATURE(0, "\x08\0\0\0\x04\0\0\0", DICOM), /* without the preamble, as old files are */
    SIGNATURE(0, "\x08\0\x05\0\x0a\0\0\0ISO_IR", DICOM),
    SIGNATURE(0, "\x08\0\0\0UL", DICOM),
    SIGNATURE(0, "\x08\0\x05\0CS", DICOM),
    SIGNATURE(0, "\x08\0\x08\0CS", DICOM),
    SIGNATURE(0, "\x02\0\0\0UL", DICOM),
    SIGNATURE(0, "version https://git-lfs.github.com",
              "a Git LFS pointer, not the file itself: fetch it with git lfs pull"),
    SIGNATURE(0, "/annex/objects/", "a git-annex pointer, not the file itself: fetch it with git annex get"),
    SIGNATURE(0, "outs:\n- ", "a DVC pointer, not the file itself: fetch it with dvc pull"),
    SIGNATURE(0, "libslmt checkpoint", "a checkpoint of libslmt"),
    SIGNATURE(0, "libslmt dataset", "a training set of libslmt"),
    SIGNATURE(0, "\x89HDF\r\n\x1a\n", "an HDF5 file"),
    SIGNATURE(512, "\x89HDF\r\n\x1a\n", "an HDF5 file"),
    SIGNATURE(0, "MATLAB 5.0 MAT-file", "a MATLAB file"),
    SIGNATURE(0, "\x93NUMPY", "a NumPy array"),
    SIGNATURE(0, "\x89PNG\r\n\x1a\n", "a PNG picture"),
    SIGNATURE(0, "\xff\xd8\xff", "a JPEG picture"),
    SIGNATURE(0, "GIF8", "a GIF picture"),
    SIGNATURE(0, "II*\0", "a TIFF picture"),
    SIGNATURE(0, "MM\0*", "a TIFF picture"),
    SIGNATURE(0, "RIFF", "a RIFF file, such as WebP or WAV"),
    SIGNATURE(0, "%PDF-", "a PDF document"),
    SIGNATURE(0, "{\\rtf", "an RTF document"),
    SIGNATURE(0, "PK\3\4", "a ZIP archive: unpack it first"),
    SIGNATURE(0, "PK\5\6", "an empty ZIP archive"),
    SIGNATURE(0, "7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    SIGNATURE(0, "Rar!\x1a\7", "a RAR archive: unpack it first"),
    SIGNATURE(257, "ustar", "a tar archive: unpack it first"),
    SIGNATURE(0, "BZh", "compressed with bzip2, which is not read: use gzip"),
    SIGNATURE(0,
              "\xfd"
              "7zXZ\0",
              "compressed with xz, which is not read: use gzip"),
    SIGNATURE(0, "\x28\xb5\x2f\xfd", "compressed with zstd, which is not read: use gzip"),
    SIGNATURE(0, "\x04\x22\x4d\x18", "compressed with LZ4, which is not read: use gzip"),
    SIGNATURE(0, "\x1f\x9d", "compressed with compress, which is not read: use gzip"),
    SIGNATURE(0, "\x1f\x8b", "compressed with gzip twice: unpack it once"),
    SIGNATURE(0, "NRRD0", "an NRRD file: convert it to NIfTI first"),
    SIGNATURE(0, "CDF\1", "a NetCDF or MINC file: convert it to NIfTI first"),
    SIGNATURE(0, "CDF\2", "a NetCDF or MINC file: convert it to NIfTI first"),
    SIGNATURE(0, "ObjectType", "a MetaImage header: convert it to NIfTI first"),
    SIGNATURE(0, "\0\5\x16\7", "a file of macOS beside another one (AppleDouble), without the scan itself"),
    SIGNATURE(0,
              "\x7f"
              "ELF",
              "a program"),
    SIGNATURE(0, "MZ", "a program of Windows"),
    SIGNATURE(0, "#!", "a script"),
};

/* How a text begins, without regard to blanks in front, capitals, or a byte-order mark. */
static const struct {
    const char *start, *kind;
} texts[] = {
    {"<!doctype html", "an HTML page: perhaps a server's message was saved in place of the file"},
    {"<html", "an HTML page: perhaps a server's message was saved in place of the file"},
    {"<head", "an HTML page: perhaps a server's message was saved in place of the file"},
    {"<?xml", "an XML file: perhaps a server's message was saved in place of the file"},
    {"<error", "an XML file: perhaps a server's message was saved in place of the file"},
    {"<svg", "an SVG picture"},
    {"{", "a JSON or other text file"},
    {"[", "a JSON or other text file"},
};

static int starts_without_case(const unsigned char *text, size_t size, const char *start)
{
    size_t n = strlen(start);
    return size >= n && strncasecmp((const char *)text, start, n) == 0;
}

static int is_text(const unsigned char *head, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (head[i] < ' ' && !isspace(head[i]))
            return 0;
    return size > 0;
}

static const char *kind_of_text(const unsigned char *head, size_t size)
{
    if (!is_text(head, size))
        return NULL;
    if (size >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0) {
        head += 3;
        size -= 3;
    }
    while (size > 0 && isspace(*head)) {
        head++;
        size--;
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (starts_without_case(head, size, texts[i].start))
            return texts[i].kind;
    return "a text file";
}

static int is_zero(const unsigned char *head, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (head[i] != 0)
            return 0;
    return 1;
}

const char *file_kind(const unsigned char *head, size_t size)
{
    if (size == 0)
        return "empty: it has 0 bytes";
    for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
        const signature *s = &signatures[i];
        if (size >= s->at + s->size && memcmp(head + s->at, s->bytes, s->size) == 0)
            return s->kind;
    }
    if (is_zero(head, size))
        return "nothing but zeros: perhaps a copy or a download that was not finished";
    return kind_of_text(head, size);
}

int file_kind_is_ours(const void *head, size_t size)
{
    return dialect_is_plain_hdf5(head, size) || (size >= 8 && memcmp(head, "libslmt ", 8) == 0);
}

/* A model or a set is not unpacked, so that a compressed scan is one here. */
static const char *kind_of_packed(const unsigned char *head, size_t size)
{
    if (size >= 2 && memcmp(head, "\x1f\x8b", 2) == 0)
        return "a file compressed with gzip, as scans are";
    if (size >= 348 && (memcmp(head + 344, "n+1", 3) == 0 || memcmp(head + 4, "n+2", 3) == 0))
        return "a NIfTI scan";
    return file_kind(head, size);
}

void file_kind_instead(const void *head, size_t size, char *text, size_t room)
{
    const char *kind = kind_of_packed(head, size);
    text[0] = '\0';
    if (dialect_is_plain_hdf5(head, size))
        snprintf(text, room, ", but another HDF5 file" DIALECT_OTHERS);
    else if (kind)
        snprintf(text, room, ": it is %s", kind);
}
