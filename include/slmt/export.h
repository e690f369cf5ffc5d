/* SPDX-License-Identifier: Apache-2.0 */
/** @file export.h
 *  What makes a declaration part of the library's interface. Others: experimental.h, deprecated.h. */
#ifndef SLMT_EXPORT_H
#define SLMT_EXPORT_H

/** @def SLMT_API
 *  In the interface: it stays as it is while the ABI's number stays (docs/abi.md). */
#if defined(__GNUC__)
#define SLMT_API __attribute__((visibility("default")))
#else
#define SLMT_API
#endif

#endif
