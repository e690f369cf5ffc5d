/* SPDX-License-Identifier: Apache-2.0 */
/** @file version.h
 *  The release number, at compile time and at run time. */
#ifndef SLMT_VERSION_H
#define SLMT_VERSION_H

#include "slmt/export.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SLMT_VERSION_MAJOR  0
#define SLMT_VERSION_MINOR  1
#define SLMT_VERSION_PATCH  0
#define SLMT_VERSION_STRING "0.1.0"

/**
 * The release number of the library that is loaded, such as "0.1.0".
 *
 * @return a static text; never NULL
 * @threads any thread, any time
 * \since 0.1
 */
SLMT_API const char *slmt_version(void);

#ifdef __cplusplus
}
#endif
#endif
