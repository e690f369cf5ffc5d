/* SPDX-License-Identifier: Apache-2.0 */
/* lookup3.h - the checksum of HDF5's metadata: Bob Jenkins's lookup3 (hashlittle, start value 0). */
#ifndef SLMT_IO_LOOKUP3_H
#define SLMT_IO_LOOKUP3_H

#include <stddef.h>
#include <stdint.h>

uint32_t lookup3(const void *bytes, size_t size);

#endif
