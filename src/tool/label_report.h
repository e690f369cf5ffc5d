/* SPDX-License-Identifier: Apache-2.0 */
/* label_report.h - figures of label maps as tables on the screen, as CSV and in the log. */
#ifndef SLMT_TOOL_LABEL_REPORT_H
#define SLMT_TOOL_LABEL_REPORT_H

#include <stdio.h>

#include "journal.h"
#include "label_figures.h"

typedef struct label_report {
    const char *method; /* "unet-seg", or "files" */
    const char *labels; /* the set's label maps, or where the files are */
    const label_classes *classes;
    const label_subject *subjects;
    size_t count;
    label_means means;
    FILE *csv, *confusion; /* NULL: not wanted */
    journal *log;
} label_report;

/* Prints the tables and writes the files and the log. */
void label_report_write(label_report *r);

#endif
