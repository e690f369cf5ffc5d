/* SPDX-License-Identifier: Apache-2.0 */
/** @file export.h
 *  What makes a declaration part of the library's interface, and what each kind is promised (docs/abi.md). */
#ifndef SLMT_EXPORT_H
#define SLMT_EXPORT_H

/** @def SLMT_API
 *  In the interface: it stays as it is while the ABI's number stays. */
/** @def SLMT_EXPERIMENTAL
 *  Instead of SLMT_API, in a header that slmt.h does not bring: may change in any release. */
/** @def SLMT_DEPRECATED
 *  Behind either: goes with the next number of the ABI; its comment names what to use. A compiler warns of
 * each use. */
#if defined(__GNUC__)
#define SLMT_API        __attribute__((visibility("default")))
#define SLMT_DEPRECATED __attribute__((deprecated))
#else
#define SLMT_API
#define SLMT_DEPRECATED
#endif
#define SLMT_EXPERIMENTAL SLMT_API

#endif
