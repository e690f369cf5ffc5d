/* SPDX-License-Identifier: Apache-2.0 */
/* status.h - status numbers of the engine and the calling thread's error text.
 *
 * Convention: a function that can fail returns a status; whoever detects the failure writes the text with
 * fail() and returns its value; callers pass the status up, and may add where it happened with fail_prefix().
 */
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

/* Sets the thread's text (cut to STATUS_TEXT_MAX) and returns code. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
status
fail(status code, const char *format, ...);

/* Puts "prefix: " in front of the thread's text and returns code. */
status fail_prefix(status code, const char *prefix);

/* ERR_MEMORY with a static text; formats and allocates nothing. */
status fail_memory(void);

/* The thread's text; never NULL. */
const char *status_text(void);

/* if ((s = call) != OK) return s; */
#define TRY(call)                                                                                            \
    do {                                                                                                     \
        status try_status_ = (call);                                                                         \
        if (try_status_ != OK)                                                                               \
            return try_status_;                                                                              \
    } while (0)

#endif
