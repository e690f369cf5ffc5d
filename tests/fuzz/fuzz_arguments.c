/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_arguments.c - the command's line of words, up to where a command begins its work.
 *
 * The input is the words behind "slmt", one a line. The whole command is linked in; where it would end the
 * process or begin to work, the linker puts the functions below (-Wl,--wrap), which go back to the target.
 * What a line that was refused has taken is not given back: the process would have ended. */
#include <argp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "scratch.h"
#include "src/tool/options.h"

enum { MOST_BYTES = 2048, MOST_WORDS = 64 };

int slmt_main(int argc, char **argv); /* main() of src/tool/main.c */

static jmp_buf back;
static int running, refused;

/* ---- what ends a line ---- */

_Noreturn void __real_exit(int code);
_Noreturn void __wrap_exit(int code);
error_t __real_argp_parse(const struct argp *argp, int argc, char **argv, unsigned flags, int *index,
                          void *input);
error_t __wrap_argp_parse(const struct argp *argp, int argc, char **argv, unsigned flags, int *index,
                          void *input);
void __wrap_argp_error(const struct argp_state *state, const char *format, ...);
void __wrap_argp_failure(const struct argp_state *state, int code, int error, const char *format, ...);
void __real_options_parse(command_line *line, int argc, char **argv);
void __wrap_options_parse(command_line *line, int argc, char **argv);

void __wrap_exit(int code)
{
    if (running)
        longjmp(back, 1);
    __real_exit(code);
}

/* argp frees its own before the line is left. */
error_t __wrap_argp_parse(const struct argp *argp, int argc, char **argv, unsigned flags, int *index,
                          void *input)
{
    refused = 0;
    error_t code = __real_argp_parse(argp, argc, argv, flags | ARGP_NO_EXIT | ARGP_NO_ERRS, index, input);
    if (refused)
        longjmp(back, 1);
    return code;
}

void __wrap_argp_error(const struct argp_state *state, const char *format, ...)
{
    char text[512];
    va_list values;
    (void)state;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    refused = 1;
}

void __wrap_argp_failure(const struct argp_state *state, int code, int error, const char *format, ...)
{
    (void)state;
    (void)code;
    (void)error;
    (void)format;
    longjmp(back, 1);
}

void __wrap_options_parse(command_line *line, int argc, char **argv)
{
    __real_options_parse(line, argc, argv);
    options_free(line);
    longjmp(back, 1);
}

/* ---- what has nothing to do with the line ---- */

void __wrap_standard_open(void);
void __wrap_interrupt_install(void);
int __wrap_manual_write(const char *folder);
int __wrap_completion_print(int shell);

void __wrap_standard_open(void)
{
}

void __wrap_interrupt_install(void)
{
}

int __wrap_manual_write(const char *folder)
{
    return *folder != '\0';
}

int __wrap_completion_print(int shell)
{
    return shell;
}

/* ---- the target ---- */

__attribute__((visibility("default"))) int __lsan_is_turned_off(void);

/* Asked by the leak detector, which ASAN_OPTIONS may have turned on. */
int __lsan_is_turned_off(void)
{
    return 1;
}

/* The command writes to nowhere; sanitizers and libFuzzer write to the descriptor. */
static void begin(void)
{
    scratch_enter();
    stderr = fopen("/dev/null", "w");
    stdout = fopen("/dev/null", "w");
    if (!stderr || !stdout)
        abort();
}

static void run_line(int count, char **words)
{
    running = 1;
    if (setjmp(back) == 0)
        slmt_main(count, words);
    running = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char text[MOST_BYTES + 1], name[] = "slmt";
    static char *words[MOST_WORDS + 2];
    int count = 1;
    char *at = text;
    if (size > MOST_BYTES)
        return 0;
    if (!*scratch_folder)
        begin();
    memcpy(text, bytes, size);
    text[size] = '\0';
    words[0] = name;
    for (char *word; count <= MOST_WORDS && (word = strsep(&at, "\n"));)
        words[count++] = word;
    words[count] = NULL;
    run_line(count, words);
    return 0;
}
