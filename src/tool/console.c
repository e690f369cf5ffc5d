/* SPDX-License-Identifier: Apache-2.0 */
/* Messages and the progress bar share stderr, so they live together: a message first clears the bar. */
#include "console.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "must.h"
#include "paths.h"
#include "shown.h"
#include "tool.h"
#include "wording.h"

static const double bar_interval = 0.1;  /* seconds between changes of the bar */
static const double line_interval = 5.0; /* seconds between plain lines */
enum { BAR_WIDTH = 14, LINE_ROOM = 8192 };

static bool is_quiet;
static bool bar_is_open;

/* Warnings, of one thread. */
static bool is_strict;
static bool is_refused;           /* the library's last warning was made an error */
static const char *warning_about; /* NULL: nothing */
static char **warnings;
static size_t warning_count;
static void (*warning_keep)(void *user, const char *text);
static void *warning_user;

void console_set_quiet(bool quiet)
{
    is_quiet = quiet;
}

void progress_end(void)
{
    if (bar_is_open)
        fputs("\r\033[K", stderr);
    bar_is_open = false;
}

void say(const char *format, ...)
{
    if (is_quiet)
        return;
    char *text;
    va_list values;
    va_start(values, format);
    int length = vasprintf(&text, format, values);
    va_end(values);
    progress_end();
    if (length < 0)
        return;
    fprintf(stderr, "%s\n", shown_lines(text));
    free(text);
}

/* Says "what: reason", or the reason alone where it begins with what: many of the library's texts do. */
static void complain_values(const char *format, va_list values, const char *reason)
{
    char what[LINE_ROOM];
    vsnprintf(what, sizeof what, format, values);
    progress_end();
    if (!reason)
        fprintf(stderr, "slmt: %s\n", shown_lines(what));
    else if (strncmp(reason, what, strlen(what)) == 0)
        fprintf(stderr, "slmt: %s\n", shown_lines(reason));
    else
        fprintf(stderr, "slmt: %s: %s\n", shown_lines(what), shown_lines(reason));
}

void complain(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    complain_values(format, values, NULL);
    va_end(values);
}

/* ---- warnings ---- */

void console_set_strict(bool strict)
{
    is_strict = strict;
}

int warn(const char *format, ...)
{
    char text[LINE_ROOM];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    complain("warning: %s", text);
    warnings = must_grow(warnings, warning_count + 1, sizeof *warnings);
    warnings[warning_count++] = must_copy(text);
    if (warning_keep)
        warning_keep(warning_user, text);
    return is_strict ? EXIT_WARNING : EXIT_OK;
}

void warn_about(const char *what)
{
    warning_about = what;
}

int32_t warn_from_library(void *user, const char *text)
{
    (void)user;
    is_refused = is_strict;
    if (is_strict)
        return 1;
    if (warning_about && strncmp(text, warning_about, strlen(warning_about)) != 0)
        return warn("%s: %s", warning_about, text);
    return warn("%s", text);
}

void warnings_keep(void (*keep)(void *user, const char *text), void *user)
{
    warning_keep = keep;
    warning_user = user;
    for (size_t i = 0; keep && i < warning_count; i++)
        keep(user, warnings[i]);
}

int warnings_code(void)
{
    return is_strict && warning_count > 0 ? EXIT_WARNING : EXIT_OK;
}

size_t warnings_so_far(void)
{
    return warning_count;
}

const char *warning_text(size_t index)
{
    return warnings[index];
}

int warnings_close(int code)
{
    size_t count = warning_count;
    if (count > 0)
        complain("%zu %s%s", count, count == 1 ? "warning" : "warnings",
                 is_strict && (code == EXIT_OK || code == EXIT_WARNING) ? ": the run fails with --strict"
                                                                        : "");
    for (size_t i = 0; i < count; i++)
        free(warnings[i]);
    free(warnings);
    warnings = NULL;
    warning_count = 0;
    return code == EXIT_OK && is_strict && count > 0 ? EXIT_WARNING : code;
}

/* ---- failures ---- */

int exit_code(slmt_status status)
{
    if (status == SLMT_ERR_CANCELLED && is_refused)
        return EXIT_WARNING;
    switch (status / 100) {
    case 0:
        return EXIT_OK;
    case 1:
        return status == SLMT_ERR_ARGUMENT ? EXIT_USAGE : EXIT_DATA;
    case 2:
        return EXIT_MEMORY;
    case 3:
    case 4:
        return EXIT_DATA;
    case 6:
        return EXIT_INTERRUPTED;
    default:
        return EXIT_UNSUPPORTED;
    }
}

/* What the library says, in the command's words; of a file that is not there also which one may be meant. */
static char *reason_of(slmt_status status, const char *what)
{
    const char *text = slmt_error_text();
    char *reason = for_users(*text ? text : slmt_status_name(status));
    char *near = status == SLMT_ERR_NOT_FOUND ? nearby_file(what) : NULL;
    if (!near)
        return reason;
    char *longer = must_format("%s; there is %s", reason, near);
    free(reason);
    free(near);
    return longer;
}

int fail(slmt_status status, const char *format, ...)
{
    char what[LINE_ROOM];
    va_list values;
    va_start(values, format);
    vsnprintf(what, sizeof what, format, values);
    va_end(values);
    char *reason = reason_of(status, what);
    va_start(values, format);
    complain_values(format, values, reason);
    va_end(values);
    free(reason);
    return exit_code(status);
}

int fail_file(slmt_status status, const char *file)
{
    int code = fail(status, "%s", file);
    return code == EXIT_USAGE ? EXIT_DATA : code;
}

int fail_with(int code, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    complain_values(format, values, NULL);
    va_end(values);
    return code;
}

int fail_errno(int reason, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    complain_values(format, values, strerror(reason));
    va_end(values);
    return reason == ENOMEM ? EXIT_MEMORY : EXIT_DATA;
}

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_begin(progress *p, const char *label, const char *unit, uint64_t done)
{
    double now = seconds_now();
    *p = (progress){.label = label, .unit = unit, .first = done, .began = now, .shown = now};
}

static void format_time(double seconds, char *text, size_t size)
{
    long left = lround(fmin(seconds, 1e9));
    if (left >= 3600)
        snprintf(text, size, "%ld:%02ld:%02ld", left / 3600, left / 60 % 60, left % 60);
    else
        snprintf(text, size, "%ld:%02ld", left / 60, left % 60);
}

/* " 12/640 steps, 3.1 steps/s, 3:22 left" */
static void format_counts(const progress *p, double now, uint64_t done, uint64_t total, char *text,
                          size_t size)
{
    double elapsed = now - p->began;
    double rate = elapsed > 0 ? (double)(done - p->first) / elapsed : 0;
    char left[32] = "";
    int used = snprintf(text, size, "%" PRIu64, done);
    if (total)
        used += snprintf(text + used, size - (size_t)used, "/%" PRIu64, total);
    used += snprintf(text + used, size - (size_t)used, " %s, %.3g %s/s", p->unit, rate, p->unit);
    if (total > done && rate > 0) {
        format_time((double)(total - done) / rate, left, sizeof left);
        snprintf(text + used, size - (size_t)used, ", %s left", left);
    }
}

static void draw_bar(const char *label, double part, const char *rest)
{
    struct winsize window = {0};
    size_t columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1 ? window.ws_col : 80;
    char bar[BAR_WIDTH + 1];
    char line[LINE_ROOM];
    size_t full = (size_t)(fmin(part, 1) * BAR_WIDTH);
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', full);
    bar[BAR_WIDTH] = '\0';
    snprintf(line, sizeof line, "%s [%s] %s", label, bar, rest);
    fprintf(stderr, "\r%.*s\033[K", (int)columns - 1, shown(line));
    fflush(stderr);
    bar_is_open = true;
}

void progress_update(progress *p, uint64_t done, uint64_t total, const char *note)
{
    double now = seconds_now();
    bool terminal = isatty(STDERR_FILENO);
    bool at_end = total && done >= total;
    if (is_quiet || (!at_end && now - p->shown < (terminal ? bar_interval : line_interval)))
        return;
    p->shown = now;
    char counts[128];
    char rest[384];
    format_counts(p, now, done, total, counts, sizeof counts);
    snprintf(rest, sizeof rest, "%s%s%s", counts, *note ? ", " : "", note);
    if (terminal)
        draw_bar(p->label, total ? (double)done / (double)total : 0, rest);
    else
        say("%s: %s", p->label, rest);
}
