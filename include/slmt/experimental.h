/* SPDX-License-Identifier: Apache-2.0 */
/** @file experimental.h
 *  Functions that may change or go in any release, whatever the ABI's number. slmt.h does not bring this
 *  header: a program that includes it has chosen so. There are none now. */
#ifndef SLMT_EXPERIMENTAL_H
#define SLMT_EXPERIMENTAL_H

#include "slmt/export.h"

/** @def SLMT_EXPERIMENTAL
 *  Stands in front of a declaration instead of SLMT_API; the function has the symbol version
 *  SLMT_EXPERIMENTAL (docs/abi.md). */
#define SLMT_EXPERIMENTAL SLMT_API

#endif
