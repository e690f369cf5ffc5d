/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_volume.c - scans: NIfTI-1, NIfTI-2 and MGH, as files, compressed, as pairs of files, and in memory.
 * What is read is written and read again.
 *
 * The first byte may choose: 'Z' compresses what follows; 'P' makes it a header and its voxels, two files. */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>
#include <zlib.h>

#include "fuzz.h"
#include "io/nifti.h"
#include "memory_file.h"
#include "scratch.h"

enum { HEADER_1 = 348, HEADER_2 = 540, PAIR_HEADER = 348 };

static void abort_unless(int true_)
{
    if (!true_)
        abort();
}

static size_t voxels_of(const nifti_scan *scan)
{
    return (size_t)(scan->dims[0] * scan->dims[1] * scan->dims[2]);
}

/* A scan that was read keeps the promises of nifti.h. */
static void check_scan(const nifti_scan *scan)
{
    for (int i = 0; i < 3; i++)
        abort_unless(scan->dims[i] > 0);
    for (size_t i = 0; i < voxels_of(scan); i++)
        abort_unless(isfinite(scan->voxels[i]));
    abort_unless(affine_is_valid(scan->affine));
}

static void write_and_read(mem *m, const nifti_scan *scan)
{
    nifti_scan again;
    if (nifti_scan_write(m, "again.nii", scan) != OK)
        return; /* an axis too long for NIfTI-1 */
    abort_unless(nifti_scan_read(m, "again.nii", NIFTI_STRICT, &again) == OK);
    abort_unless(memcmp(again.dims, scan->dims, sizeof again.dims) == 0);
    abort_unless(memcmp(again.voxels, scan->voxels, voxels_of(scan) * sizeof(float)) == 0);
    nifti_scan_free(m, &again);
}

static void read_path(mem *m, const char *path)
{
    nifti_scan scan;
    if (nifti_scan_read(m, path, NIFTI_NAN_TO_ZERO, &scan) != OK)
        return;
    check_scan(&scan);
    write_and_read(m, &scan);
    nifti_scan_free(m, &scan);
}

static void read_compressed(mem *m, const uint8_t *bytes, size_t size)
{
    gzFile f = gzopen("scan.nii.gz", "wb1");
    abort_unless(f != NULL);
    if (size > 0)
        gzwrite(f, bytes, (unsigned)size);
    gzclose(f);
    read_path(m, "scan.nii.gz");
}

static void read_pair(mem *m, const uint8_t *bytes, size_t size)
{
    size_t header = size < PAIR_HEADER ? size : PAIR_HEADER;
    scratch_put("scan.hdr", bytes, header);
    scratch_put("scan.img", bytes + header, size - header);
    read_path(m, "scan.hdr");
}

static void read_file(mem *m, const uint8_t *bytes, size_t size)
{
    char path[MEMORY_FILE_PATH];
    int fd = memory_file(bytes, size, path);
    read_path(m, path);
    close(fd);
}

/* The voxels of a file begin 4 bytes behind its header, or later. */
static void read_memory(mem *m, const uint8_t *bytes, size_t size)
{
    nifti_scan scan;
    size_t header = size > HEADER_2 && (bytes[0] == 28 || bytes[1] == 2) ? HEADER_2 : HEADER_1;
    if (size < header + 4)
        return;
    if (nifti_scan_from_memory(m, bytes, header, bytes + header + 4, size - header - 4, NIFTI_NAN_TO_ZERO,
                               &scan) != OK)
        return;
    check_scan(&scan);
    nifti_scan_free(m, &scan);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mem m;
    mem_init(&m, NULL, NULL, NULL, (uint64_t)64 << 20);
    if (!*scratch_folder)
        scratch_enter();
    if (size > 0 && *bytes == 'Z') {
        read_compressed(&m, bytes + 1, size - 1);
    } else if (size > 0 && *bytes == 'P') {
        read_pair(&m, bytes + 1, size - 1);
    } else {
        read_file(&m, bytes, size);
        read_memory(&m, bytes, size);
    }
    abort_unless(m.live == 0);
    return 0;
}
