/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_write_parts.h - what the dialect_write*.c files share. */
#ifndef SLMT_IO_DIALECT_WRITE_PARTS_H
#define SLMT_IO_DIALECT_WRITE_PARTS_H

#include "io/address_set.h"
#include "io/dialect_parts.h"
#include "io/dialect_write.h"

/* A group or a tensor by its name in a group. */
typedef struct member {
    char *name;
    dialect_group *group;   /* that is not closed; or NULL */
    dialect_tensor *tensor; /* that may grow; or NULL */
    uint64_t address;       /* of the header of what is closed */
} member;

/* Messages of an object header, one behind the other. */
typedef struct messages {
    unsigned char *data;
    size_t size, room;
} messages;

struct dialect_group {
    dialect_group *parent; /* NULL: the root */
    char *path;
    member *members;
    size_t count, room;
    address_set names; /* numbers of all names that were looked for */
    messages attributes;
};

/* Little-endian numbers and bytes; returns where the next ones go. */
unsigned char *dialect_add(unsigned char *at, uint64_t value, int bytes);
unsigned char *dialect_add_bytes(unsigned char *at, const void *from, size_t size);

/* The head of a message. flags: 1 if it never changes. */
unsigned char *dialect_add_head(unsigned char *at, int type, size_t size, int flags);

/* Makes room for `more` bytes. */
status dialect_make_room(mem *m, messages *to, size_t more);

/* Writes at the end of the file. *address: where. g and name are for the message; name may be NULL. ERR_IO.
 */
status dialect_append(dialect_file *f, const dialect_group *g, const char *name, const void *bytes,
                      size_t size, uint64_t *address);

/* Writes an object header of these messages, before which there are DIALECT_HEADER_FRONT bytes of room and
 * behind them four. */
enum { DIALECT_HEADER_FRONT = 10 };
status dialect_append_header(dialect_file *f, const dialect_group *g, const char *name, unsigned char *all,
                             size_t messages_size, uint64_t *address);

/* Adds a member, of which nothing is known yet. The pointer is valid until the next one is added. */
status dialect_new_member(dialect_file *f, dialect_group *g, const char *name, member **m);

/* Writes what is left of a tensor, its index and its header, and frees it, also after a failure. */
status dialect_close_tensor(dialect_file *f, member *m);
void dialect_free_tensor(dialect_file *f, dialect_tensor *t);

#endif
