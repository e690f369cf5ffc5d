/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_write.c - the groups and attributes of a file being written, and its superblock. */
#include "io/dialect_write.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "io/descriptor.h"
#include "io/dialect_write_parts.h"
#include "io/lookup3.h"
#include "io/utf8.h"

enum { SUPERBLOCK = 48, MESSAGE_HEAD = 4, BODY_MAX = 65535 };

/* ---- bytes ---- */

unsigned char *dialect_add(unsigned char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *at++ = (unsigned char)(value >> 8 * i);
    return at;
}

unsigned char *dialect_add_bytes(unsigned char *at, const void *from, size_t size)
{
    memcpy(at, from, size);
    return at + size;
}

unsigned char *dialect_add_head(unsigned char *at, int type, size_t size, int flags)
{
    at = dialect_add(at, (uint64_t)type, 1);
    at = dialect_add(at, size, 2);
    return dialect_add(at, (uint64_t)flags, 1);
}

status dialect_make_room(mem *m, messages *to, size_t more)
{
    if (more <= to->room - to->size)
        return OK;
    void *data = to->data;
    size_t room = 2 * to->room + more;
    TRY(mem_resize(m, &data, room, 1));
    to->data = data;
    to->room = room;
    return OK;
}

static status write_failed(dialect_file *f, const dialect_group *g, const char *name)
{
    f->error = f->error ? f->error : errno;
    return fail(ERR_IO, "%s: cannot write /%s%s%s: %s", f->label, g->path, name && *g->path ? "/" : "",
                name ? name : "", strerror(errno));
}

static status write_at(dialect_file *f, const dialect_group *g, const char *name, const void *bytes,
                       size_t size, uint64_t address)
{
    if (descriptor_write(f->fd, bytes, size, (off_t)(f->base + address)) == 0)
        return OK;
    return write_failed(f, g, name);
}

status dialect_append(dialect_file *f, const dialect_group *g, const char *name, const void *bytes,
                      size_t size, uint64_t *address)
{
    TRY(write_at(f, g, name, bytes, size, f->end));
    *address = f->end;
    f->end += size;
    return OK;
}

status dialect_append_header(dialect_file *f, const dialect_group *g, const char *name, unsigned char *all,
                             size_t messages_size, uint64_t *address)
{
    enum { SIZE_OF_4_BYTES = 2 };
    size_t size = DIALECT_HEADER_FRONT + messages_size;
    unsigned char *at = dialect_add_bytes(all, "OHDR", 4);
    at = dialect_add(at, 2, 1);
    at = dialect_add(at, SIZE_OF_4_BYTES, 1);
    dialect_add(at, messages_size, 4);
    dialect_add(all + size, lookup3(all, size), 4);
    return dialect_append(f, g, name, all, size + 4, address);
}

/* ---- names ---- */

/* FNV-1a. Only names whose number has been seen are compared with those of all members. */
static uint64_t number_of(const char *name)
{
    uint64_t number = 14695981039346656037u;
    for (; *name; name++)
        number = (number ^ (unsigned char)*name) * 1099511628211u;
    return number;
}

/* *found: NULL if no member has the name. */
static status find(dialect_group *g, const char *name, member **found)
{
    int is_new;
    *found = NULL;
    TRY(address_set_add(&g->names, number_of(name), &is_new));
    for (size_t i = is_new ? 0 : g->count; i > 0 && !*found; i--)
        if (strcmp(g->members[i - 1].name, name) == 0)
            *found = &g->members[i - 1];
    return OK;
}

status dialect_has(dialect_group *g, const char *name, int *has)
{
    member *m;
    TRY(find(g, name, &m));
    *has = m != NULL;
    return OK;
}

status dialect_new_member(dialect_file *f, dialect_group *g, const char *name, member **m)
{
    int is_new;
    char *copy;
    void *array = g->members;
    status s = dialect_grow(f->mem, &array, g->count, &g->room, sizeof *g->members);
    g->members = array;
    TRY(s);
    TRY(address_set_add(&g->names, number_of(name), &is_new));
    TRY(mem_text(f->mem, name, &copy));
    *m = &g->members[g->count++];
    **m = (member){.name = copy};
    return OK;
}

/* ---- groups ---- */

/* path: the parent's, and the name if there is one. */
static status make_group(dialect_file *f, dialect_group *parent, const char *name, dialect_group **g)
{
    void *p, *path;
    const char *above = parent ? parent->path : "";
    size_t length = strlen(above);
    TRY(mem_zeros(f->mem, 1, sizeof **g, &p));
    status s = mem_take(f->mem, length + 1 + strlen(name) + 1, &path);
    if (s != OK) {
        mem_give(f->mem, p);
        return s;
    }
    *g = p;
    (*g)->parent = parent;
    (*g)->names.mem = f->mem;
    (*g)->path = path;
    strcpy(path, above);
    strcpy((*g)->path + length, length ? "/" : "");
    strcat((*g)->path, name);
    return OK;
}

static void free_group(dialect_file *f, dialect_group *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->count; i++) {
        free_group(f, g->members[i].group);
        dialect_free_tensor(f, g->members[i].tensor);
        mem_give(f->mem, g->members[i].name);
    }
    mem_give(f->mem, g->members);
    mem_give(f->mem, g->attributes.data);
    mem_give(f->mem, g->path);
    address_set_free(&g->names);
    mem_give(f->mem, g);
}

status dialect_new_group(dialect_file *f, dialect_group *parent, const char *name, dialect_group **g)
{
    member *m;
    dialect_group *made;
    TRY(make_group(f, parent, name, &made));
    status s = dialect_new_member(f, parent, name, &m);
    if (s != OK) {
        free_group(f, made);
        return s;
    }
    *g = m->group = made;
    return OK;
}

status dialect_group_at(dialect_file *f, const char *path, dialect_group **g)
{
    *g = f->root;
    while (*path) {
        member *m;
        char name[STORED_NAME_MAX + 1];
        size_t length = strcspn(path, "/");
        memcpy(name, path, length);
        name[length] = 0;
        path += path[length] ? length + 1 : length;
        TRY(find(*g, name, &m));
        if (m && !m->group)
            return fail(ERR_ARGUMENT, "%s: /%s%s%s is no group, or is closed", f->label, (*g)->path,
                        *(*g)->path ? "/" : "", name);
        if (m)
            *g = m->group;
        else
            TRY(dialect_new_group(f, *g, name, g));
    }
    return OK;
}

void dialect_drop_group(dialect_file *f, dialect_group *g)
{
    member *m = &g->parent->members[--g->parent->count];
    mem_give(f->mem, m->name);
    free_group(f, g);
}

/* ---- what a closed group is in the file ---- */

static int is_ascii(const char *name)
{
    while (*name && !(*name & 0x80))
        name++;
    return !*name;
}

static size_t link_size(const member *m)
{
    return MESSAGE_HEAD + 3 + strlen(m->name) + 8 + !is_ascii(m->name);
}

/* A name that is not ASCII says that it is UTF-8. */
static unsigned char *add_link(unsigned char *at, const member *m)
{
    enum { HAS_CHARSET = 16, UTF8 = 1 };
    size_t length = strlen(m->name);
    int ascii = is_ascii(m->name);
    at = dialect_add_head(at, MESSAGE_LINK, link_size(m) - MESSAGE_HEAD, 0);
    at = dialect_add(at, 1, 1);
    at = dialect_add(at, ascii ? 0 : HAS_CHARSET, 1);
    at = ascii ? at : dialect_add(at, UTF8, 1);
    at = dialect_add(at, length, 1);
    at = dialect_add_bytes(at, m->name, length);
    return dialect_add(at, m->address, 8);
}

enum { INFO = MESSAGE_HEAD + 18, NEVER_SHARED = 4 };

/* The place of links or attributes elsewhere than in the header: there is none. */
static unsigned char *add_info(unsigned char *at, int type, int flags)
{
    at = dialect_add_head(at, type, INFO - MESSAGE_HEAD, flags);
    at = dialect_add(at, 0, 2);
    at = dialect_add(at, NOWHERE, 8);
    return dialect_add(at, NOWHERE, 8);
}

/* HDF5 counts the attributes of a group only if the header has the message about their place. */
static unsigned char *add_group_front(unsigned char *at, const dialect_group *g)
{
    at = add_info(at, MESSAGE_LINK_INFO, 0);
    at = dialect_add_head(at, MESSAGE_GROUP_INFO, 2, 1);
    at = dialect_add(at, 0, 2);
    if (g->attributes.size == 0)
        return at;
    at = add_info(at, MESSAGE_ATTRIBUTE_INFO, NEVER_SHARED);
    return dialect_add_bytes(at, g->attributes.data, g->attributes.size);
}

static size_t group_size(const dialect_group *g)
{
    size_t size = INFO + MESSAGE_HEAD + 2 + (g->attributes.size > 0 ? INFO + g->attributes.size : 0);
    for (size_t i = 0; i < g->count; i++)
        size += link_size(&g->members[i]);
    return size;
}

static status write_group(dialect_file *f, const dialect_group *g, uint64_t *address)
{
    void *p;
    size_t size = group_size(g);
    TRY(mem_take(f->mem, DIALECT_HEADER_FRONT + size + 4, &p));
    unsigned char *all = p, *at = add_group_front(all + DIALECT_HEADER_FRONT, g);
    for (size_t i = 0; i < g->count; i++)
        at = add_link(at, &g->members[i]);
    status s = dialect_append_header(f, g, NULL, all, size, address);
    mem_give(f->mem, all);
    return s;
}

/* Writes a group's members and then the group. It goes as deep as the caller made groups in groups. */
static status close_all(dialect_file *f, dialect_group *g, uint64_t *address)
{
    for (size_t i = 0; i < g->count; i++) {
        member *m = &g->members[i];
        if (m->tensor)
            TRY(dialect_close_tensor(f, m));
        if (m->group) {
            TRY(close_all(f, m->group, &m->address));
            free_group(f, m->group);
            m->group = NULL;
        }
    }
    return write_group(f, g, address);
}

status dialect_close_group(dialect_file *f, dialect_group *g)
{
    member *m = &g->parent->members[g->parent->count];
    do
        m--;
    while (m->group != g);
    TRY(close_all(f, g, &m->address));
    free_group(f, g);
    m->group = NULL;
    return OK;
}

/* ---- attributes ---- */

int dialect_has_attribute(const dialect_group *g, const char *name)
{
    enum { NAME = MESSAGE_HEAD + 9 };
    const unsigned char *at = g->attributes.data, *end = at + g->attributes.size;
    while (at < end) {
        if (strcmp((const char *)at + NAME, name) == 0)
            return 1;
        at += MESSAGE_HEAD + (at[1] | at[2] << 8);
    }
    return 0;
}

/* Adds an attribute but for its value. *value: where that goes. */
static status new_attribute(dialect_file *f, dialect_group *g, const char *name, const unsigned char *type,
                            size_t type_size, size_t value_size, unsigned char **value)
{
    static const unsigned char scalar[4] = {2, 0, 0, 0};
    size_t length = strlen(name) + 1, body = 9 + length + type_size + sizeof scalar + value_size;
    if (body > BODY_MAX)
        return fail(ERR_ARGUMENT, "%s: attribute %s of /%s: the text and its name take more than %d bytes",
                    f->label, name, g->path, DIALECT_TEXT_MAX);
    TRY(dialect_make_room(f->mem, &g->attributes, MESSAGE_HEAD + body));
    unsigned char *at = g->attributes.data + g->attributes.size;
    at = dialect_add_head(at, MESSAGE_ATTRIBUTE, body, 0);
    at = dialect_add(at, 3, 2); /* version, and no flags */
    at = dialect_add(at, length, 2);
    at = dialect_add(at, type_size, 2);
    at = dialect_add(at, sizeof scalar, 2);
    at = dialect_add(at, !is_ascii(name), 1);
    at = dialect_add_bytes(at, name, length);
    at = dialect_add_bytes(at, type, type_size);
    *value = dialect_add_bytes(at, scalar, sizeof scalar);
    g->attributes.size += MESSAGE_HEAD + body;
    return OK;
}

static status put_number(dialect_file *f, dialect_group *g, const char *name, stored_type type, uint64_t bits)
{
    unsigned char form[MESSAGE_TYPE_MAX], *value;
    TRY(new_attribute(f, g, name, form, message_type_form(type, form), 8, &value));
    dialect_add(value, bits, 8);
    return OK;
}

status dialect_put_int(dialect_file *f, dialect_group *g, const char *name, int64_t value)
{
    return put_number(f, g, name, STORED_I64, (uint64_t)value);
}

status dialect_put_real(dialect_file *f, dialect_group *g, const char *name, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put_number(f, g, name, STORED_F64, bits);
}

static void copy_plain(const char *from, size_t length, unsigned char *to)
{
    for (size_t i = 0; i < length;) {
        size_t plain = utf8_plain(from + i, length - i);
        memcpy(to + i, from + i, plain);
        i += plain;
        if (i < length)
            to[i++] = '?';
    }
}

/* An empty text is stored as one zero byte, because a type of HDF5 has at least one. */
status dialect_put_text(dialect_file *f, dialect_group *g, const char *name, const char *value)
{
    enum { TEXT = 0x13, ZERO_PADDED_UTF8 = 0x11 };
    unsigned char form[8], *to, *at = dialect_add(form, TEXT, 1);
    size_t length = strlen(value), size = length ? length : 1;
    at = dialect_add(at, ZERO_PADDED_UTF8, 3);
    dialect_add(at, size, 4);
    TRY(new_attribute(f, g, name, form, sizeof form, size, &to));
    *to = 0;
    copy_plain(value, length, to);
    return OK;
}

/* ---- the file ---- */

status dialect_begin(mem *m, int fd, uint64_t user_block, const char *label, dialect_file *f)
{
    *f = (dialect_file){.mem = m, .fd = fd, .label = label, .base = user_block, .end = SUPERBLOCK};
    return make_group(f, NULL, "", &f->root);
}

static status write_superblock(dialect_file *f, uint64_t root)
{
    unsigned char bytes[SUPERBLOCK], *at = dialect_add_bytes(bytes, "\x89HDF\r\n\x1a\n\2\10\10\0", 12);
    at = dialect_add(at, f->base, 8);
    at = dialect_add(at, NOWHERE, 8);
    at = dialect_add(at, f->base + f->end, 8);
    at = dialect_add(at, root, 8);
    dialect_add(at, lookup3(bytes, SUPERBLOCK - 4), 4);
    return write_at(f, f->root, NULL, bytes, sizeof bytes, 0);
}

static status cut_off(dialect_file *f)
{
    int result;
    do
        result = ftruncate(f->fd, (off_t)(f->base + f->end));
    while (result != 0 && errno == EINTR);
    return result == 0 ? OK : write_failed(f, f->root, NULL);
}

status dialect_end(dialect_file *f)
{
    uint64_t root;
    TRY(close_all(f, f->root, &root));
    TRY(write_superblock(f, root));
    return cut_off(f);
}

void dialect_free(dialect_file *f)
{
    if (!f->mem)
        return;
    free_group(f, f->root);
    mem_give(f->mem, f->scratch);
    *f = (dialect_file){0};
}
