/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to stderr: messages, failures, and a progress bar (plain lines where stderr is no terminal).
 * Results go to stdout and not through here. */
#ifndef SLMT_TOOL_CONSOLE_H
#define SLMT_TOOL_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "slmt/status.h"

/* Quiet: only complaints. */
void console_set_quiet(bool quiet);

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The exit code that belongs to a status. */
int exit_code(slmt_status status);

/* Complains "slmt: WHAT: <the library's error text>"; returns the exit code. Call it right after the
 * function that failed. */
int fail(slmt_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Complains and returns `code`: failures the library does not know of. */
int fail_with(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

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
