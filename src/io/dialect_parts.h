/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_parts.h - what the dialect_*.c files share: the state of a walk, blocks of bytes, and the
 * structures of HDF5 that the dialect has. */
#ifndef SLMT_IO_DIALECT_PARTS_H
#define SLMT_IO_DIALECT_PARTS_H

#include "io/dialect.h"

#define NOWHERE UINT64_MAX /* HDF5's address of nothing */

/* Bytes of the file that a structure takes. */
typedef struct extent {
    uint64_t from, to;
} extent;

typedef struct dialect {
    const source *bytes;
    catalogue *c; /* NULL while rows are read */
    mem *mem;
    uint64_t base;           /* addresses count from here */
    const char *path, *name; /* of the object that is being read: the group's path, "" or a name in it */
    extent *extents;
    size_t extent_count, extent_room;
    uint64_t claimed; /* bytes of all extents so far */
} dialect;

/* ERR_FORMAT, with the byte and the object. */
status dialect_broken(const dialect *d, uint64_t at, const char *what);

/* ERR_SCHEMA, with the object, for what is well formed but not permitted. */
status dialect_refuse(const dialect *d, const char *what);

/* Makes room for one more of an array. */
status dialect_grow(mem *m, void **array, size_t count, size_t *room, size_t size);

/* Notes that a structure takes these bytes. ERR_FORMAT: they are not in the file, or the structures together
 * are larger than it, so that some overlap. */
status dialect_claim(dialect *d, uint64_t address, uint64_t size, const char *what);

/* ERR_FORMAT: two structures overlap. */
status dialect_check_extents(dialect *d);

/* ---- blocks ---- */

/* Bytes in memory that are taken from front to back. Past the end all numbers are 0 and `cut` is set. */
typedef struct block {
    unsigned char *data;
    uint64_t at; /* in the file */
    size_t size, next;
    int cut;
} block;

/* Claims and loads bytes. data is to be given back with block_free() also on failure, if b was zero. */
status block_load(dialect *d, uint64_t address, uint64_t size, const char *what, block *b);
void block_free(dialect *d, block *b);

/* Returns a part of a block, which remains the owner of the bytes. */
block block_part(block *b, uint64_t size);

uint64_t block_take(block *b, int bytes); /* 1 to 8 bytes, little-endian */
void block_skip(block *b, uint64_t bytes);

/* Takes bytes and compares them. Returns 1 if they are equal. */
int block_is(block *b, const void *bytes, size_t size);

/* Checks the four bytes behind the first `size` ones, which are their checksum. */
status block_checksum(const dialect *d, const block *b, size_t size);

/* Returns whether a checksum is that of the bytes. */
int dialect_sum_ok(uint64_t stored, const void *bytes, size_t size);

/* Turns the bytes of each value round. */
void dialect_swap(unsigned char *values, uint64_t count, size_t size);

/* ---- object headers ---- */

typedef struct message {
    int type;
    block body; /* part of a chunk */
} message;

typedef struct header {
    block *chunks;
    size_t chunk_count, chunk_room;
    message *messages;
    size_t message_count, message_room;
    uint64_t at;
} header;

enum {
    MESSAGE_NONE = 0,
    MESSAGE_SPACE = 1,
    MESSAGE_LINK_INFO = 2,
    MESSAGE_TYPE = 3,
    MESSAGE_OLD_FILL = 4,
    MESSAGE_FILL = 5,
    MESSAGE_LINK = 6,
    MESSAGE_EXTERNAL = 7,
    MESSAGE_LAYOUT = 8,
    MESSAGE_GROUP_INFO = 10,
    MESSAGE_FILTERS = 11,
    MESSAGE_ATTRIBUTE = 12,
    MESSAGE_CONTINUATION = 16,
    MESSAGE_ATTRIBUTE_INFO = 21
};

/* Loads a header's chunks and lists its messages. h is zero before; header_free() also after a failure. */
status header_load(dialect *d, uint64_t address, header *h);
void header_free(dialect *d, header *h);

/* Returns the only message of a type, NULL if there is none or several. */
message *header_find(header *h, int type);
int header_has(const header *h, int type);

/* ---- messages ---- */

typedef struct hard_link {
    char *name;
    uint64_t address;
    header header;
    int is_group;
} hard_link;

typedef struct info {
    uint64_t heap, tree;
} info;

/* The body of the message of a number's type, as it is written. Returns its size. */
enum { MESSAGE_TYPE_MAX = 20 };
size_t message_type_form(stored_type type, unsigned char to[MESSAGE_TYPE_MAX]);

status message_link(dialect *d, block *b, hard_link *l);
status message_info(dialect *d, block *b, info *i);
status message_attribute(dialect *d, block *b, catalogue_attribute *a);
status message_tensor(dialect *d, header *h, catalogue_tensor *t);

/* ---- the fractal heap and the B-tree 2 ---- */

/* Calls visit() with each object of the heap that a record of the tree names: a link's message or an
 * attribute's. tree_type: 5 or 8. */
typedef status (*object_visit)(dialect *d, block *object, void *user);
status heap_visit(dialect *d, const info *where, int tree_type, object_visit visit, void *user);

/* Calls visit() with each record of a tree. */
typedef status (*record_visit)(dialect *d, block *record, void *user);
status tree_visit(dialect *d, uint64_t address, int type, size_t record_size, record_visit visit, void *user);

/* ---- chunks ---- */

typedef struct chunk {
    uint64_t address, size;
    uint64_t row;   /* of the tensor; the first one of the chunk */
    uint64_t index; /* in the grid of chunks */
    uint32_t mask;  /* a bit for each filter that was left out */
} chunk;

typedef status (*chunk_visit)(dialect *d, const chunk *k, void *user);

/* Claims a tensor's chunks, and checks that each chunk of its grid is there once. */
status chunks_claim(dialect *d, const catalogue_tensor *t);

#endif
