/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to stderr: messages, warnings, failures, and a progress bar (plain lines where stderr is no
 * terminal). Results go to stdout and not through here. */
#ifndef SLMT_TOOL_CONSOLE_H
#define SLMT_TOOL_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slmt/status.h"

/* Quiet: only errors and warnings. */
void console_set_quiet(bool quiet);

/* Strict: a warning is a failure. */
void console_set_strict(bool strict);

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints "slmt: warning: TEXT", also if quiet, counts it and hands it to the log. Returns EXIT_OK, or
 * EXIT_WARNING if strict: a caller that has not written its result yet can stop then. */
int warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What the library's next warnings are about, a file or a subject; NULL: nothing. The text must live until
 * the next call. */
void warn_about(const char *what);

/* Receives the library's warnings: warn() with what it is about in front. If strict nothing is printed, and
 * the result is not 0: the library's call fails with the warning's text. A slmt_warning_fn. */
int32_t warn_from_library(void *user, const char *text);

/* Hands `keep` every warning that there was and every one to come; NULL: no longer. */
void warnings_keep(void (*keep)(void *user, const char *text), void *user);

/* EXIT_WARNING if strict and there was a warning, else EXIT_OK: before what follows is begun. */
int warnings_code(void);

/* Returns how many warnings there were so far, and the text of one, from 0 on. */
size_t warnings_so_far(void);
const char *warning_text(size_t index);

/* Tells how many warnings there were. Returns the code, or EXIT_WARNING where it is EXIT_OK, strict, and
 * there were some. */
int warnings_close(int code);

/* Returns the exit code that belongs to a status: EXIT_WARNING where the library's last warning was refused.
 */
int exit_code(slmt_status status);

/* Complains "slmt: WHAT: <the library's error text>"; returns the exit code. Call it right after the
 * function that failed. */
int fail(slmt_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same of a file that the user named: the library calls an unfit volume an argument, here it is
 * EXIT_DATA. */
int fail_file(slmt_status status, const char *file);

/* Complains and returns `code`: failures the library does not know of. */
int fail_with(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with the reason that errno gives, as "WHAT: REASON": EXIT_MEMORY where that is a lack of memory,
 * EXIT_DATA else. */
int fail_errno(int reason, const char *format, ...) __attribute__((format(printf, 2, 3)));

typedef struct progress {
    const char *label; /* lives as long as the progress */
    const char *unit;
    uint64_t first; /* done before it began */
    double began;   /* seconds */
    double shown;
} progress;

double seconds_now(void); /* monotonic */
void progress_begin(progress *p, const char *label, const char *unit, uint64_t done);

/* Shows `done` of `total` (0: unknown) and a note, if it is time or the end. */
void progress_update(progress *p, uint64_t done, uint64_t total, const char *note);

/* Takes the bar off the terminal. */
void progress_end(void);

#endif
