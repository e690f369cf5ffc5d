/* SPDX-License-Identifier: Apache-2.0 */
/* Options that every subcommand has, and the library context they make. */
#ifndef SLMT_TOOL_COMMON_H
#define SLMT_TOOL_COMMON_H

#include "slmt/slmt.h"

#include "field.h"
#include "journal.h"

typedef struct common {
    int32_t threads;
    uint64_t seed;
    int32_t backend;
    const char *backend_path;
    const char *backend_options;
    int32_t matrix;
    int32_t weights;    /* SLMT_WEIGHTS_..., 0 unless the command has weights_fields */
    int32_t arithmetic; /* SLMT_ARITHMETIC_..., 0 unless the command has arithmetic_fields */
    const char *log;
    bool quiet;
    bool strict;
    int32_t nan; /* SLMT_NAN_..., refused unless the command has nan_fields */
    uint64_t max_memory;
} common;

extern const field common_fields[];     /* for every subcommand */
extern const field weights_fields[];    /* for those that read a model and do not train it */
extern const field arithmetic_fields[]; /* for those that run networks */
extern const field log_fields[];        /* for those that have something to log */
extern const field nan_fields[];        /* for those that read scans */
extern const field seed_fields[];       /* for those that draw random numbers */

/* "full", "bf16" or "f16". */
const char *weights_name(int32_t weights);

/* "float32", "bf16" or "tf32". */
const char *arithmetic_name(int32_t arithmetic);

/* Says how many voxels of a file were NaN and became 0, if there are any. */
void say_zeroed(const slmt_volume *volume, const char *file);

/* Makes a context as the options say; complains and returns an exit code. */
int common_context(const common *c, slmt_context **context);

/* Writes what the run computes with to the log: its first event. */
void log_computer(journal *log, const slmt_context *context, const common *c);

#endif
