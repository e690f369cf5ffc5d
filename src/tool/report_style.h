/* SPDX-License-Identifier: Apache-2.0 */
/* report_style.h - the style sheet of a report. */
#ifndef SLMT_TOOL_REPORT_STYLE_H
#define SLMT_TOOL_REPORT_STYLE_H

/* Its parts, in their order; ended by NULL. */
extern const char *const report_style[];

#endif
