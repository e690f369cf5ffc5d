/* SPDX-License-Identifier: Apache-2.0 */
/** @file version.h
 *  Which library this is: numbers at compile time, and what is loaded at run time. */
#ifndef SLMT_VERSION_H
#define SLMT_VERSION_H

#include "slmt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @name Release number
 *  At compile time; semver.org says what each part means. The build reads these numbers: they are written
 *  down here and nowhere else. @{ */
#define SLMT_VERSION_MAJOR  0       /**< first part */
#define SLMT_VERSION_MINOR  1       /**< second part */
#define SLMT_VERSION_PATCH  0       /**< third part */
#define SLMT_VERSION_STRING "0.1.0" /**< all three */
/** @} */

/** The ABI's number, that of the SONAME. Apart from the release number: see docs/abi.md. */
#define SLMT_ABI 0

/**
 * The release number of the library that is loaded, such as "0.1.0".
 *
 * @return a static text; never NULL
 * @threads any thread, any time
 * \since 0.1
 */
SLMT_API const char *slmt_version(void);

/** How the library that is loaded was built, and what it uses on this machine. \since 0.1 */
typedef struct slmt_build_info {
    uint32_t struct_size; /**< sizeof(slmt_build_info), set by the caller */
    int32_t abi;          /**< SLMT_ABI of the library */
    const char *version;  /**< as slmt_version() */
    const char *commit;   /**< the source's commit, with "-dirty" if it was changed since; "" where unknown */
    const char *compiler; /**< such as "gcc 12.2.0" */
    char backends[64];    /**< names joined by ", ": "cpu, reference" */
    char matrix[64];      /**< libraries for matrix products: "oneDNN 2.6.3, OpenBLAS 0.3.21" */
    char cpu_level[32];   /**< instructions that the cpu backend uses on this machine: "x86-64-v4" */
    int32_t numerics;     /**< changes when the same weights would give other numbers; kept in checkpoints as
                               `numerics_version` */
    int32_t reserved;     /**< 0 */
} slmt_build_info;

/** Bytes that slmt_file_digest() writes: 64 digits and a zero. */
#define SLMT_DIGEST_SIZE 65

/**
 * The SHA-256 of a file, as `sha256sum` prints it: to tell which model or scan a result came from.
 *
 * @param path    the file
 * @param digest  receives lower-case hexadecimal digits, ended by a zero
 * @param size    bytes in digest, at least SLMT_DIGEST_SIZE
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT, SLMT_ERR_NOT_FOUND, SLMT_ERR_IO
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_file_digest(const char *path, char *digest, size_t size);

/**
 * Describe the library that is loaded. Opens each backend for a moment, to ask it.
 *
 * @param info  struct_size set by the caller; filled. Its pointers are to static texts
 * @return SLMT_OK, or SLMT_ERR_ARGUMENT
 * @threads any thread
 * \since 0.1
 */
SLMT_API slmt_status slmt_build_describe(slmt_build_info *info);

#ifdef __cplusplus
}
#endif
#endif
