/* SPDX-License-Identifier: Apache-2.0 */
/* status.h - status numbers of the engine and the calling thread's error message.
 *
 * Convention: a function that can fail returns a status; the function that detects the failure writes the
 * message with fail() and returns its value; callers pass the status up, and may say where it happened with
 * fail_prefix(). */
#ifndef SLMT_LIB_STATUS_H
#define SLMT_LIB_STATUS_H

#include <stddef.h>
#include <stdint.h>

typedef int32_t status;

/* The numbers are those of the public slmt/status.h; src/api/status.c asserts it. */
enum {
    OK = 0,
    ERR_ARGUMENT = 100,
    ERR_NONFINITE = 101,
    ERR_STATE = 102,
    ERR_MEMORY = 200,
    ERR_LIMIT = 201,
    ERR_IO = 300,
    ERR_NOT_FOUND = 301,
    ERR_CORRUPT = 302,
    ERR_FORMAT = 303,
    ERR_SCHEMA = 400,
    ERR_VERSION = 401,
    ERR_BACKEND = 500,
    ERR_UNSUPPORTED = 501,
    ERR_CANCELLED = 600,
    ERR_INTERNAL = 900
};

enum { STATUS_TEXT_MAX = 2048 };

/* Sets the thread's message (cut to STATUS_TEXT_MAX) and returns code. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
status
fail(status code, const char *format, ...);

/* Puts "prefix: " in front of the thread's message and returns code. */
status fail_prefix(status code, const char *prefix);

/* Returns ERR_MEMORY with a static message, without formatting or allocating anything. */
status fail_memory(void);

/* Returns the thread's message; never NULL. */
const char *status_text(void);

/* if ((s = call) != OK) return s; */
#define TRY(call)                                                                                            \
    do {                                                                                                     \
        status try_status_ = (call);                                                                         \
        if (try_status_ != OK)                                                                               \
            return try_status_;                                                                              \
    } while (0)

#endif
