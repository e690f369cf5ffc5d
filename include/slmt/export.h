/* SPDX-License-Identifier: Apache-2.0 */
/** @file export.h
 *  What makes a declaration part of the library's interface. */
#ifndef SLMT_EXPORT_H
#define SLMT_EXPORT_H

#if defined(__GNUC__)
#define SLMT_API __attribute__((visibility("default")))
#else
#define SLMT_API
#endif

#endif
