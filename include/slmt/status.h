/* SPDX-License-Identifier: Apache-2.0 */
/** @file status.h
 *  Status numbers and the text of the last error.
 *
 *  Every function that can fail returns a status. The numbers are fixed for ever; new ones are only
 *  added. A function that returns anything but SLMT_OK leaves its handles usable and its output
 *  pointers as they were, unless its own page says otherwise. The library never aborts, exits,
 *  prints, reads the environment or installs a signal handler. */
#ifndef SLMT_STATUS_H
#define SLMT_STATUS_H

#include <stddef.h>
#include <stdint.h>
#include "slmt/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A status: SLMT_OK or one of the SLMT_ERR_ numbers. \since 0.1 */
typedef int32_t slmt_status;

/** The status numbers, in ranges of a hundred by kind. \since 0.1 */
enum {
    SLMT_OK = 0, /**< done */

    SLMT_ERR_ARGUMENT = 100,  /**< an argument is NULL, out of range, or does not fit another */
    SLMT_ERR_NONFINITE = 101, /**< an input, a result, a loss or a gradient holds a NaN or an infinity */
    SLMT_ERR_STATE = 102,     /**< the handle cannot do this (now) */

    SLMT_ERR_MEMORY = 200, /**< the allocator had none left */
    SLMT_ERR_LIMIT = 201,  /**< the call would pass the context's max_bytes */

    SLMT_ERR_IO = 300,        /**< reading or writing failed; the message has the system's reason */
    SLMT_ERR_NOT_FOUND = 301, /**< no such file, subject, contrast or tensor */
    SLMT_ERR_CORRUPT = 302,   /**< the file is damaged: its digest does not match, or it is cut short */
    SLMT_ERR_FORMAT = 303,    /**< the file is not of the expected kind */

    SLMT_ERR_SCHEMA = 400,  /**< a tensor or attribute is missing, unexpected, or of another shape or type */
    SLMT_ERR_VERSION = 401, /**< the file or struct is of a newer version than this library */

    SLMT_ERR_BACKEND = 500,     /**< a backend or a library under it failed */
    SLMT_ERR_UNSUPPORTED = 501, /**< not available in this build, on this machine, or on this backend */

    SLMT_ERR_CANCELLED = 600, /**< the progress callback, or a cancel call, asked to stop */

    SLMT_ERR_INTERNAL = 900 /**< a bug in the library; please report the message */
};

/**
 * The name of a status, such as "SLMT_ERR_SCHEMA".
 *
 * @param status  any number
 * @return a static text; "SLMT_ERR_UNKNOWN" for a number that is no status
 * @threads any thread, any time
 * \since 0.1
 */
SLMT_API const char *slmt_status_name(slmt_status status);

/**
 * The name of a constant of this library, for logs and messages: slmt_constant_name("SLMT_SPLIT_", 2) is
 * "SLMT_SPLIT_TEST".
 *
 * @param prefix  how the names of its enum begin, with "SLMT_" in front and "_" behind
 * @param value   any number
 * @return a static text; the empty one where no constant fits. Never NULL
 * @threads any thread, any time
 * \since 0.1
 */
SLMT_API const char *slmt_constant_name(const char *prefix, int32_t value);

/**
 * The text of the last error of the calling thread: what was wrong, where, and what was expected.
 *
 * @return a text owned by the library, valid until the calling thread's next call into it; the empty
 *         text when nothing failed yet. Never NULL. Running out of memory is a static text.
 * @threads the text belongs to the calling thread
 * \since 0.1
 */
SLMT_API const char *slmt_error_text(void);

/**
 * Copy the text of the calling thread's last error.
 *
 * @param buffer  receives the text, cut to size-1 bytes and ended by a zero; may be NULL if size is 0
 * @param size    bytes in buffer
 * @return the full length of the text in bytes, without the zero
 * @threads the text belongs to the calling thread
 * \since 0.1
 */
SLMT_API size_t slmt_error_copy(char *buffer, size_t size);

/**
 * Progress of a long call.
 *
 * @param user   the pointer given with the callback
 * @param stage  what is being done, such as "pre-train"; a static text
 * @param done   units done so far
 * @param total  units in all; 0 when unknown
 * @return 0 to go on; anything else ends the call with SLMT_ERR_CANCELLED
 * @threads called on the thread that made the long call
 * \since 0.1
 */
typedef int32_t (*slmt_progress_fn)(void *user, const char *stage, uint64_t done, uint64_t total);

#ifdef __cplusplus
}
#endif
#endif
