/* SPDX-License-Identifier: Apache-2.0 */
/* hdf5_setup.c - writes and reads a file in memory, so that all parts of HDF5 have been used once. */
#include "io/hdf5_setup.h"

#include "io/hdf5.h"

/* A file in memory, which is never written anywhere. */
static hid_t new_file(void)
{
    enum { STEP = 1 << 16, IN_MEMORY_ALONE = 0 };
    if (!hdf5_has_memory())
        return -1;
    hid_t list = H5Pcreate(H5P_FILE_ACCESS), file = -1;
    if (list >= 0 && H5Pset_fapl_core(list, STEP, IN_MEMORY_ALONE) >= 0)
        file = H5Fcreate("slmt", H5F_ACC_TRUNC, H5P_DEFAULT, list);
    H5Pclose(list);
    return file;
}

/* A chunked tensor, read back, and attributes, as in our files. */
static int use(hid_t group)
{
    static const int64_t dims[2] = {1, 4};
    float values[4] = {1, 2, 3, 4};
    hid_t set;
    int used = hdf5_put_tensor(group, "tensor", STORED_F32, 2, dims, dims, values) >= 0 &&
               hdf5_put_int(group, "whole", 1) >= 0 && hdf5_put_real(group, "real", 1) >= 0 &&
               hdf5_put_text(group, "text", "t") >= 0;
    set = used ? H5Dopen2(group, "tensor", H5P_DEFAULT) : -1;
    used = set >= 0 && H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0;
    H5Dclose(set);
    return used && values[3] == 4;
}

static int use_all(void)
{
    hid_t file = new_file(), group = file < 0 ? -1 : hdf5_group(file, "group");
    int used = group >= 0 && use(group);
    H5Gclose(group);
    return H5Fclose(file) >= 0 && used;
}

/* HDF5 looks at none of the memory that it takes while it starts, with the first call of it. */
status hdf5_set_up(void)
{
    static int done; /* under the guard's lock */
    hdf5_guard guard;
    if (!hdf5_has_memory())
        return fail_memory();
    hdf5_enter(&guard);
    done = done || use_all();
    int is_done = done;
    hdf5_leave(&guard);
    return is_done ? OK : fail_memory();
}
