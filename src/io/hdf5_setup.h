/* SPDX-License-Identifier: Apache-2.0 */
/* hdf5_setup.h - sets HDF5 up before the first file. */
#ifndef SLMT_IO_HDF5_SETUP_H
#define SLMT_IO_HDF5_SETUP_H

#include "lib/status.h"

/* Has HDF5 set up every part of it that files need, once for the process. Each part sets itself up when it is
 * first used, and one that finds no memory then stays unusable: no file could be opened again. ERR_MEMORY. */
status hdf5_set_up(void);

#endif
