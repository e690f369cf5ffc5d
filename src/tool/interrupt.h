/* SPDX-License-Identifier: Apache-2.0 */
/* SIGINT, SIGTERM and SIGHUP: the first asks for an orderly end, the second ends the process at once. */
#ifndef SLMT_TOOL_INTERRUPT_H
#define SLMT_TOOL_INTERRUPT_H

#include <stdbool.h>

/* Signals that the process was started with ignored stay ignored. */
void interrupt_install(void);

/* Returns true if an orderly end was asked for. */
bool interrupted(void);

#endif
