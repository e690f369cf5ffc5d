/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.h - a file of typed attributes and named tensors, sealed by a digest and replaced atomically.
 *
 * A checkpoint does not depend on a model: groups such as "model/options" hold attributes, groups such as
 * "weights" hold tensors. The file is HDF5 after a 512-byte user block with the SHA-256 of all that follows.
 * This header does not depend on HDF5. Group paths and names are 1 to 255 printable ASCII characters; names
 * hold no '/'. */
#ifndef SLMT_IO_CHECKPOINT_H
#define SLMT_IO_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/mem.h"
#include "lib/status.h"

/* The newest format that this library reads, and the one that it writes. */
enum { CHECKPOINT_VERSION = 1 };

typedef enum checkpoint_type {
    CHECKPOINT_F32,
    CHECKPOINT_F64,
    CHECKPOINT_I64,
    CHECKPOINT_U64,
    CHECKPOINT_BF16, /* uint16_t in memory; see lib/half.h */
    CHECKPOINT_F16
} checkpoint_type;

/* ---- writing ---- */

/* A checkpoint being written, to a temporary file beside its path. One thread at a time. */
typedef struct checkpoint_writer checkpoint_writer;

/* ERR_IO, ERR_MEMORY, ERR_LIMIT. m must outlive the writer. */
status checkpoint_create(mem *m, const char *path, checkpoint_writer **out);

/* Attributes of a group, which is made when first named. Text is at most 65000 bytes of UTF-8.
 * ERR_ARGUMENT: a bad or repeated name, or a text that is too long; ERR_IO. */
status checkpoint_put_int(checkpoint_writer *w, const char *group, const char *name, int64_t value);
status checkpoint_put_real(checkpoint_writer *w, const char *group, const char *name, double value);
status checkpoint_put_text(checkpoint_writer *w, const char *group, const char *name, const char *value);

/* Writes a row-major tensor of rank 0 to 6, each extent at least 1, straight to the file. ERR_NONFINITE: it
 * has a float that no reader takes. */
status checkpoint_put_tensor(checkpoint_writer *w, const char *group, const char *name, checkpoint_type type,
                             int rank, const int64_t *dims, const void *values);

/* Seals the file, syncs it and renames it over the path. Frees the writer, also on failure; then the path is
 * unchanged. It also fails if an earlier write failed. */
status checkpoint_finish(checkpoint_writer *w);

/* Deletes the file and frees the writer; NULL is allowed. */
void checkpoint_cancel(checkpoint_writer *w);

/* ---- reading ---- */

/* A checkpoint open for reading: checked in full, its attributes and the list of its tensors in memory. */
typedef struct checkpoint checkpoint;

/* Checks the digest before anything is parsed, then every object of the file. ERR_NOT_FOUND, ERR_IO,
 * ERR_FORMAT (not a checkpoint), ERR_CORRUPT, ERR_VERSION, ERR_SCHEMA (an object no checkpoint has),
 * ERR_MEMORY, ERR_LIMIT. m must outlive the checkpoint. */
status checkpoint_open(mem *m, const char *path, checkpoint **out);

/* Opens a checkpoint of `size` bytes in memory, which are not copied and must stay valid until
 * checkpoint_close(). */
status checkpoint_open_memory(mem *m, const void *data, size_t size, checkpoint **out);

void checkpoint_close(checkpoint *c); /* NULL is allowed */

/* Returns the path that it was opened with, for messages. */
const char *checkpoint_label(const checkpoint *c);

/* Reads an attribute. ERR_SCHEMA, naming file, group and attribute: it is missing or of another type. */
status checkpoint_int(const checkpoint *c, const char *group, const char *name, int64_t *value);
status checkpoint_real(const checkpoint *c, const char *group, const char *name, double *value);
status checkpoint_text(const checkpoint *c, const char *group, const char *name, const char **value);

/* The same as checkpoint_int() with a range: ERR_SCHEMA if the value is outside [low, high]. */
status checkpoint_int32(const checkpoint *c, const char *group, const char *name, int32_t low, int32_t high,
                        int32_t *value);

/* Returns 1 if the group, or its attribute (name not NULL), is in the file. */
int checkpoint_has(const checkpoint *c, const char *group, const char *name);

/* Returns 1 if an attribute is there and holds a text. */
int checkpoint_has_text(const checkpoint *c, const char *group, const char *name);

/* Returns the path of the group of this number, in the order of the file, and whether tensors lie in it; NULL
 * past the last. */
const char *checkpoint_group_at(const checkpoint *c, size_t index, int *has_tensors);

/* Returns the name of a group's attribute by index, in order of names; NULL past the last. The name is valid
 * until the checkpoint is closed. */
const char *checkpoint_attribute_name(const checkpoint *c, const char *group, size_t index);

typedef struct checkpoint_tensor {
    const char *group; /* without leading '/' */
    const char *name;
    checkpoint_type type;
    int rank;
    int64_t dims[6]; /* unused ones 0 */
} checkpoint_tensor;

/* Returns a group's tensor by index, in order of names (without those of subgroups); NULL past the last. */
const checkpoint_tensor *checkpoint_tensor_at(const checkpoint *c, const char *group, size_t index);

/* Returns NULL if there is none. */
const checkpoint_tensor *checkpoint_tensor_find(const checkpoint *c, const char *group, const char *name);

/* ERR_SCHEMA unless the group's tensors are exactly these, in any order; the message lists missing and
 * unexpected names. */
status checkpoint_expect_tensors(const checkpoint *c, const char *group, size_t count,
                                 const char *const *names);

/* Reads a whole tensor. F32 and F64 are converted to each other; others must have the requested type. need:
 * what requires the shape, for the message "... is [3072,1024], <need> [2304,768]", such as "the options
 * (embed_dim 96) need"; NULL: "expected". ERR_SCHEMA: missing, another shape or type; ERR_NONFINITE: names
 * the tensor and the element; ERR_CORRUPT. */
status checkpoint_read(const checkpoint *c, const char *group, const char *name, checkpoint_type type,
                       int rank, const int64_t *dims, const char *need, void *values);

#endif
