/* SPDX-License-Identifier: Apache-2.0 */
/* report_html.h - a report as one HTML file, which needs no network, no program and no other file. The writer
 * knows nothing of models and scans: it lays out what the structs hold. */
#ifndef SLMT_TOOL_REPORT_HTML_H
#define SLMT_TOOL_REPORT_HTML_H

#include <stdbool.h>
#include <stddef.h>

#include "chart.h"
#include "html.h"

/* A figure that stands out: "24.1 dB", "PSNR on the test subjects". */
typedef struct html_figure {
    const char *value;
    const char *name;
} html_figure;

/* A table of texts. The first row and the first column are headings; cells that begin with a digit or a sign
 * stand to the right. */
typedef struct html_table {
    const char *caption;
    size_t columns;
    const char *const *cells; /* row by row */
    size_t count;             /* of cells */
    size_t marked;            /* row that stands out; 0: none */
} html_table;

/* Pictures side by side, such as source, synthetic, target and error of one slice. */
typedef struct html_panel {
    const char *title;
    const char *note; /* NULL: none */
    const html_picture *pictures;
    const char *const *captions; /* one for each picture */
    size_t count;
} html_panel;

/* A part of the page, in this order: paragraphs, tables, panels, charts, list, code. */
typedef struct html_section {
    const char *title;
    const char *const *paragraphs;
    size_t paragraph_count;
    const html_table *tables;
    size_t table_count;
    const html_panel *panels;
    size_t panel_count;
    const char *panel_note; /* NULL: none */
    const chart *charts;
    size_t chart_count;
    const char *const *list;
    size_t list_count;
    const char *code;       /* text in columns, such as JSON or commands; NULL: none */
    const char *code_title; /* the code is folded away under this line; NULL: it is open */
    bool is_warning;        /* stands out */
} html_section;

typedef struct html_report {
    const char *title;
    const char *kicker;  /* a few words above the title */
    const char *summary; /* the result in one sentence */
    const char *notice;  /* such as: not for diagnosis */
    const char *footer;
    const html_figure *figures;
    size_t figure_count;
    const html_section *sections;
    size_t section_count;
} html_report;

/* Writes the report beside `path`, then puts it in its place. false: errno says why not, and what was at
 * `path` is still there. */
bool html_report_write(const char *path, const html_report *report);

#endif
