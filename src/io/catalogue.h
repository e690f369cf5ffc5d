/* SPDX-License-Identifier: Apache-2.0 */
/* catalogue.h - everything an HDF5 file holds, in memory: groups, their attributes with values, their
 * tensors.
 *
 * Only plain files have a catalogue: groups, datasets and attributes, reached by one hard link each, of
 * permitted types, ranks and filters, stored inside the file and together not larger than the file. The walk
 * that makes the catalogue is in dialect.c; this header does not depend on HDF5. */
#ifndef SLMT_IO_CATALOGUE_H
#define SLMT_IO_CATALOGUE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/mem.h"
#include "lib/status.h"

enum {
    STORED_NAME_MAX = 255,    /* bytes of a name */
    STORED_PATH_MAX = 1023,   /* bytes of a group's path */
    STORED_TEXT_MAX = 65000,  /* bytes of a text attribute that is written; */
    STORED_TEXT_READ = 65535, /* of one that is read: HDF5 has written longer ones than fit a header */
    STORED_RANK_MAX = 6,      /* axes of a tensor */
    STORED_FILTERS_MAX = 2,
    STORED_OBJECTS_MAX = 1 << 20
};

typedef enum stored_type {
    STORED_F32,
    STORED_F64,
    STORED_I64,
    STORED_U64,
    STORED_BF16, /* 16-bit floats: tensors only */
    STORED_F16,
    STORED_U8, /* training sets only */
    STORED_I32,
    STORED_TEXT /* attributes only */
} stored_type;

/* Sets of types: one bit for each. */
enum {
    STORED_IN_CHECKPOINTS = (1 << STORED_U8) - 1, /* those before uint8 */
    STORED_IN_SETS = (1 << STORED_TEXT) - 1
};

/* What is done to a chunk before it is written. */
enum { STORED_SHUFFLED, STORED_DEFLATED };

typedef struct catalogue_attribute {
    char *name;
    stored_type type; /* F64, I64 or TEXT */
    int64_t integer;
    double real;
    char *text;
} catalogue_attribute;

typedef struct catalogue_tensor {
    const char *group; /* the group's path */
    char *name;
    stored_type type;
    int rank;
    int64_t dims[STORED_RANK_MAX];  /* unused ones 0 */
    int64_t chunk[STORED_RANK_MAX]; /* all 0 if stored in one piece */
    uint64_t address;               /* of the values, or of the index of the chunks */
    int filter_count;
    unsigned char filters[STORED_FILTERS_MAX]; /* STORED_SHUFFLED, _DEFLATED, in the order of writing */
} catalogue_tensor;

/* A group's attributes and tensors are the `count` ones from `first` on, in order of names. The groups lie in
 * the order of the walk: a group before its subgroups, those in order of names. */
typedef struct catalogue_group {
    char *path; /* "" is the root, "a/b" others */
    size_t first_attribute, attribute_count;
    size_t first_tensor, tensor_count;
} catalogue_group;

typedef struct catalogue {
    mem *mem;
    const char *label; /* the file, for messages; not owned */
    unsigned types;    /* types that tensors may have; catalogue_init() sets STORED_IN_CHECKPOINTS */
    int user_names;    /* 1: users name the groups in /records and /subjects */
    catalogue_group *groups;
    size_t group_count, group_room;
    catalogue_attribute *attributes;
    size_t attribute_count, attribute_room;
    catalogue_tensor *tensors;
    size_t tensor_count, tensor_room;
} catalogue;

void catalogue_init(catalogue *c, mem *m, const char *label);
void catalogue_free(catalogue *c);

/* Adds an entry, which is zero except for its names and belongs to the group added last. */
status catalogue_add_group(catalogue *c, const char *path);
status catalogue_add_attribute(catalogue *c, const char *name, catalogue_attribute **out);
status catalogue_add_tensor(catalogue *c, const char *name, catalogue_tensor **out);

/* Returns NULL if there is none. */
const catalogue_group *catalogue_find_group(const catalogue *c, const char *path);
const catalogue_attribute *catalogue_find_attribute(const catalogue *c, const catalogue_group *g,
                                                    const char *name);
const catalogue_tensor *catalogue_find_tensor(const catalogue *c, const catalogue_group *g, const char *name);

/* Reads the value of an attribute. ERR_SCHEMA, naming file, group and attribute: it is missing or of another
 * type. */
status catalogue_int(const catalogue *c, const char *group, const char *name, int64_t *value);
status catalogue_real(const catalogue *c, const char *group, const char *name, double *value);
status catalogue_text(const catalogue *c, const char *group, const char *name, const char **value);

/* ERR_SCHEMA also if the value is outside [low, high]. */
status catalogue_int32(const catalogue *c, const char *group, const char *name, int32_t low, int32_t high,
                       int32_t *value);

/* Returns 1 if a name is 1 to STORED_NAME_MAX printable ASCII characters without '/', and not "." */
int stored_name_ok(const char *name);

/* Returns 1 if a name that users give is 1 to STORED_NAME_MAX bytes of printable UTF-8, blanks among them,
 * without
 * '/', and not "." */
int stored_user_name_ok(const char *name);

/* Returns 1 if a path is "" or names joined by single '/', at most STORED_PATH_MAX bytes in all. */
int stored_path_ok(const char *path);

size_t stored_type_size(stored_type type);
const char *stored_type_name(stored_type type);

/* Returns the number of elements, or their bytes; 0 if an extent is below 1 or a product overflows. */
uint64_t stored_elements(int rank, const int64_t *dims);
uint64_t stored_bytes(stored_type type, int rank, const int64_t *dims);

/* Writes a shape such as "[3072,1024]" to text. */
enum { STORED_SHAPE_TEXT = 96 };
const char *stored_shape(int rank, const int64_t *dims, char text[STORED_SHAPE_TEXT]);

#endif
