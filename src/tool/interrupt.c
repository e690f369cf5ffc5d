/* SPDX-License-Identifier: Apache-2.0 */
/* The signal handler and its flag. Nothing is saved here: loops ask interrupted(). */
#include "interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "tool.h"

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    if (signals)
        _exit(EXIT_INTERRUPTED);
    signals = 1;
}

void interrupt_install(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction old;
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        sigemptyset(&action.sa_mask);
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of the write */
}

bool interrupted(void)
{
    return signals != 0;
}
