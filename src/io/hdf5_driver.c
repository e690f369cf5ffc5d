/* SPDX-License-Identifier: Apache-2.0 */
/* hdf5_driver.c - a virtual file driver over an open descriptor.
 *
 * HDF5's own drivers open paths, so that another file could be moved to the path after the digest was
 * checked, and they copy memory. They also report a failed write to HDF5, which then cannot close the file
 * and may crash at exit; this driver stores the error (hdf5_bytes.error) and drops later writes. */
#include "io/hdf5.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* HDF5 copies this struct into its property list and passes it to the driver's open function. */
typedef struct driver_info {
    hdf5_bytes *bytes;
} driver_info;

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t fapl, haddr_t maxaddr)
{
    (void)name;
    (void)flags;
    (void)maxaddr;
    const driver_info *info = H5Pget_driver_info(fapl);
    return info ? &info->bytes->base : NULL;
}

static herr_t driver_close(H5FD_t *file)
{
    (void)file;
    return 0;
}

static herr_t driver_query(const H5FD_t *file, unsigned long *flags)
{
    (void)file;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const hdf5_bytes *)file)->allocated;
}

static herr_t driver_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t end)
{
    (void)type;
    ((hdf5_bytes *)file)->allocated = end;
    return 0;
}

static haddr_t driver_get_eof(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const hdf5_bytes *)file)->size;
}

/* Reads bytes up to the end of the file; negative on failure. */
static int64_t read_some(const hdf5_bytes *b, uint64_t at, size_t size, unsigned char *to)
{
    if (at >= b->size)
        return 0;
    if (size > b->size - at)
        size = (size_t)(b->size - at);
    return pread(b->fd, to, size, (off_t)at);
}

/* Like HDF5's own drivers, this reads zeros past the end of the file. */
static herr_t driver_read(H5FD_t *file, H5FD_mem_t type, hid_t dxpl, haddr_t at, size_t size, void *buffer)
{
    (void)type;
    (void)dxpl;
    const hdf5_bytes *b = (const hdf5_bytes *)file;
    unsigned char *to = buffer;
    if (at > INT64_MAX || size > INT64_MAX - at)
        return -1;
    while (size > 0) {
        int64_t n = read_some(b, at, size, to);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0) {
            memset(to, 0, size);
            return 0;
        }
        at += (uint64_t)n;
        to += n;
        size -= (size_t)n;
    }
    return 0;
}

static herr_t driver_write(H5FD_t *file, H5FD_mem_t type, hid_t dxpl, haddr_t at, size_t size,
                           const void *buffer)
{
    (void)type;
    (void)dxpl;
    hdf5_bytes *b = (hdf5_bytes *)file;
    const unsigned char *from = buffer;
    while (size > 0 && !b->error) {
        ssize_t n = pwrite(b->fd, from, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            b->error = n < 0 ? errno : EIO;
            break;
        }
        at += (uint64_t)n;
        from += n;
        size -= (size_t)n;
    }
    if (at + size > b->size)
        b->size = at + size;
    return 0;
}

static herr_t driver_truncate(H5FD_t *file, hid_t dxpl, hbool_t closing)
{
    (void)dxpl;
    (void)closing;
    hdf5_bytes *b = (hdf5_bytes *)file;
    if (b->size == b->allocated)
        return 0;
    int result = 0;
    do
        result = b->error ? 0 : ftruncate(b->fd, (off_t)b->allocated);
    while (result != 0 && errno == EINTR);
    if (result != 0)
        b->error = errno;
    b->size = b->allocated;
    return 0;
}

static const H5FD_class_t driver = {
#ifdef H5FD_CLASS_VERSION
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)511, /* of those that are for applications */
#endif
    .name = "slmt",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(driver_info),
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .get_eoa = driver_get_eoa,
    .set_eoa = driver_set_eoa,
    .get_eof = driver_get_eof,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

/* Makes access properties that lead to b. The driver stays registered until hdf5_close(): HDF5 (1.10) drops
 * its last reference in H5FD_close() before it calls the driver's own close. */
static hid_t access_list(hdf5_bytes *b)
{
    driver_info info = {b};
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    b->driver = H5FDregister(&driver);
    if (list < 0 || b->driver < 0 || H5Pset_driver(list, b->driver, &info) < 0 ||
        H5Pset_fclose_degree(list, H5F_CLOSE_STRONG) < 0) {
        H5Pclose(list);
        list = -1;
    }
    return list;
}

int hdf5_close(hdf5_bytes *b, hid_t file)
{
    hdf5_give_reserve(b);
    int closed = file < 0 || H5Fclose(file) >= 0;
    if (b->driver > 0)
        H5FDunregister(b->driver);
    b->driver = 0;
    return closed;
}

/* Returns the file, or after a failure leaves nothing to close. */
static hid_t opened(hdf5_bytes *b, hid_t file)
{
    if (file < 0)
        hdf5_close(b, file);
    return file;
}

hid_t hdf5_create(hdf5_bytes *b, int fd, uint64_t user_block)
{
    memset(b, 0, sizeof *b);
    b->fd = fd;
    hdf5_take_reserve(b);
    if (!b->reserve || !hdf5_has_memory()) {
        hdf5_give_reserve(b);
        return -1;
    }
    hid_t access = access_list(b);
    hid_t creation = H5Pcreate(H5P_FILE_CREATE);
    hid_t file = -1;
    if (access >= 0 && creation >= 0 && H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0 &&
        H5Pset_userblock(creation, user_block) >= 0 && H5Pset_obj_track_times(creation, 0) >= 0)
        file = H5Fcreate("slmt", H5F_ACC_TRUNC, creation, access);
    H5Pclose(creation);
    H5Pclose(access);
    return opened(b, file);
}
