/* SPDX-License-Identifier: Apache-2.0 */
/* scans.h - which scans there are, and whose: folders, patterns and tables become subjects with a file for
 * each contrast.
 *
 * A source is a contrast or a kind of label maps. Where its scans are is said in one of these forms:
 *
 *   FILE          one scan
 *   FOLDER        the scans in it; without any, those in the folders below it; of a BIDS tree those whose
 *                 suffix goes by the source's name (t1: T1w)
 *   FOLDER:END    the scans in and below it whose names end in END behind '_', '-' or '.', or are END: one
 *                 folder of nnU-Net (imagesTr:0000), BraTS (brats:t1n), BIDS (bids:T1w)
 *   PATTERN       with '*' and '?', the folder '**' for any folders in between; what the first '*' stands for
 *                 is the subject's name
 *
 * "[N]" behind any of them takes volume N, from 0, of files of several volumes: imagesTr[1].
 *
 * Names: a file's name without its ending, without END, or the first star. Where a person has several scans
 * of a contrast (further stars of a pattern, sessions of BIDS), each is a subject, and the person is their
 * group.
 */
#ifndef SLMT_TOOL_SCANS_H
#define SLMT_TOOL_SCANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "field.h"
#include "paths.h"
#include "wildcard.h"

enum { MOST_SOURCES = 64 };

typedef struct scan {
    char *path;
    char *name;              /* the subject's */
    char *person;            /* NULL: the subject's name */
    char *stars[MOST_STARS]; /* of a pattern: what they stood for */
    size_t star_count;
    int32_t split; /* of a table: SLMT_SPLIT_..., 0 where it tells none */
} scan;

typedef struct scan_source {
    char *name;
    char *place; /* FILE, FOLDER, ...; NULL: the column of a table */
    bool labels;
    scan *scans;
    size_t count;
} scan_source;

typedef struct scan_subject {
    const char *name;
    const char *person;
    const char *file[MOST_SOURCES]; /* by source; NULL where it has none */
    int32_t split;                  /* of a table; 0: not told */
} scan_subject;

typedef struct scans {
    scan_source sources[MOST_SOURCES]; /* contrasts, then label maps */
    size_t source_count;
    size_t label_count;
    scan_subject *subjects; /* in the order of their names */
    size_t subject_count;
    size_t left_out; /* files that look like scans and were not taken, each with a warning */
    size_t failures; /* scans that were left out with a message, because their subject has another */
} scans;

/* Adds a source from "NAME=PLACE"; false: `reason` says what is wrong with it. */
bool scans_add(scans *s, const char *text, bool labels, char reason[FIELD_REASON]);

/* The same, and tells the source; an empty place is that of a table's column. NULL: see `reason`. */
scan_source *scans_new_source(scans *s, const char *text, bool labels, char reason[FIELD_REASON]);

/* Adds the contrasts that a table (CSV) has columns of, and the label maps of columns "labels:NAME". Columns
 * "subject", "person" and "split" say whose they are; paths count from the table's folder. Reports an error
 * and returns its exit code. */
int scans_add_table(scans *s, const char *path);

/* Finds the scans of all sources and makes subjects of them. `person` is NULL, or a pattern of subjects'
 * names whose first star is the person. One file or one folder as two sources is refused. Reports an error
 * and returns its exit code. */
int scans_find(scans *s, const char *person);

/* Returns the subject of a name, or NULL. */
scan_subject *scans_subject(const scans *s, const char *name);

/* Returns how many subjects have both sources. */
size_t scans_shared(const scans *s, size_t one, size_t other);

/* Complains, for sources that share no subject, what their names are and which nearly match. Returns
 * EXIT_USAGE. */
int scans_complain_unpaired(const scans *s, size_t one, size_t other);

/* All files of all subjects; the list's items are to be freed by path_list_free(). */
path_list scans_files(const scans *s);

void scans_free(scans *s);

#endif
