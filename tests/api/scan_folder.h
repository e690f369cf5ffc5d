/* SPDX-License-Identifier: Apache-2.0 */
/* scan_folder.h - a folder of a test's own for files that it writes byte by byte, and a context to read them
 * with. */
#ifndef SLMT_TESTS_API_SCAN_FOLDER_H
#define SLMT_TESTS_API_SCAN_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <nifti1.h> /* after dirent.h: it makes the name of a constant there a macro */

#include "core/volume.h"
#include "slmt/slmt.h"

#include <cmocka.h> /* after lib/status.h: it makes fail() a macro */

static slmt_context *context;
static char folder[] = "test_scans_XXXXXX";

/* Returns a path in the folder, which holds for three more calls. */
static inline const char *in_folder(const char *name)
{
    static char path[4][512];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static inline void empty_folder(void)
{
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        unlink(in_folder(e->d_name));
    closedir(d);
}

static inline void put_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline void put_compressed(const char *path, const void *bytes, size_t n)
{
    gzFile f = gzopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, bytes, (unsigned)n), n);
    assert_int_equal(gzclose(f), Z_OK);
}

/* The file is refused with this status, and the message says `text`. */
static inline void assert_refused(const char *path, slmt_status want, const char *text)
{
    slmt_volume *v = NULL;
    slmt_status s = slmt_volume_read(context, path, &v);
    if (s != want)
        fail_msg("%s: %d instead of %d (%s)", path, s, want, slmt_error_text());
    if (!strstr(slmt_error_text(), text))
        fail_msg("\"%s\" does not say \"%s\"", slmt_error_text(), text);
    assert_null(v);
}

#endif
