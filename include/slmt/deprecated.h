/* SPDX-License-Identifier: Apache-2.0 */
/** @file deprecated.h
 *  Functions that work until the ABI's number changes and then go; each one's comment names what to use
 *  instead. slmt.h does not bring this header. There are none now. */
#ifndef SLMT_DEPRECATED_H
#define SLMT_DEPRECATED_H

#include "slmt/export.h"

/** @def SLMT_DEPRECATED
 *  Stands behind SLMT_API: a compiler warns of each use (docs/abi.md). */
#if defined(__GNUC__)
#define SLMT_DEPRECATED __attribute__((deprecated))
#else
#define SLMT_DEPRECATED
#endif

#endif
