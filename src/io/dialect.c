/* SPDX-License-Identifier: Apache-2.0 */
/* dialect.c - the superblock, and the walk over all groups that makes a file's catalogue. */
#include "io/dialect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/address_set.h"
#include "io/dialect_parts.h"

enum { SUPERBLOCK = 48, DEPTH_MAX = 16, ATTRIBUTES_MAX = 4 * STORED_OBJECTS_MAX };

/* A group whose subgroups are being visited. */
typedef struct frame {
    char path[STORED_PATH_MAX + 1];
    hard_link *links; /* in order of names */
    size_t count, room, next;
} frame;

typedef struct walk {
    dialect d;
    address_set seen; /* object headers */
    frame *frames;
    int depth;
} walk;

/* ---- the superblock ---- */

static status read_superblock(dialect *d, uint64_t *root)
{
    block b = {0};
    status s = block_load(d, 0, SUPERBLOCK, "HDF5's superblock is not in the file", &b);
    if (s == OK && !block_is(&b, "\x89HDF\r\n\x1a\n", 8))
        s = dialect_broken(d, b.at, "HDF5's superblock is expected here: damaged or cut short");
    if (s == OK && block_take(&b, 1) != 2)
        s = fail(ERR_SCHEMA,
                 "%s: byte %llu: its HDF5 superblock is not of version 2: another program wrote or rewrote "
                 "it" DIALECT_OTHERS,
                 d->bytes->label, (unsigned long long)b.at + 8);
    int ok = block_take(&b, 1) == 8 && block_take(&b, 1) == 8 && block_take(&b, 1) == 0 &&
             block_take(&b, 8) == d->base && block_take(&b, 8) == NOWHERE;
    uint64_t end = block_take(&b, 8);
    *root = block_take(&b, 8);
    if (s == OK)
        s = block_checksum(d, &b, SUPERBLOCK - 4);
    if (s == OK && !ok)
        s = dialect_broken(d, b.at, "HDF5's superblock has other sizes or places than this library writes");
    if (s == OK && end != d->bytes->size)
        s = dialect_broken(d, b.at, "the file is not as long as its superblock says: damaged or cut short");
    block_free(d, &b);
    return s;
}

/* ---- attributes ---- */

static int by_attribute_name(const void *a, const void *b)
{
    return strcmp(((const catalogue_attribute *)a)->name, ((const catalogue_attribute *)b)->name);
}

static status add_attribute(dialect *d, block *message, void *user)
{
    (void)user;
    catalogue_attribute a = {0}, *to = NULL;
    if (d->c->attribute_count >= ATTRIBUTES_MAX)
        return dialect_refuse(d, "holds one attribute too many");
    status s = message_attribute(d, message, &a);
    if (s == OK)
        s = stored_name_ok(a.name)
                ? catalogue_add_attribute(d->c, a.name, &to)
                : dialect_refuse(d, "holds a name that is not 1 to 255 printable characters");
    if (s == OK) {
        char *name = to->name;
        *to = a;
        to->name = name;
    } else {
        mem_give(d->mem, a.text);
    }
    mem_give(d->mem, a.name);
    return s;
}

static status check_attributes(dialect *d, const catalogue_group *g)
{
    if (g->attribute_count < 2)
        return OK;
    catalogue_attribute *a = d->c->attributes + g->first_attribute;
    qsort(a, g->attribute_count, sizeof *a, by_attribute_name);
    for (size_t i = 1; i < g->attribute_count; i++)
        if (strcmp(a[i - 1].name, a[i].name) == 0) {
            d->name = a[i].name;
            return dialect_refuse(d, "is listed twice");
        }
    return OK;
}

static status read_attributes(dialect *d, header *h)
{
    info where;
    for (size_t i = 0; i < h->message_count; i++)
        if (h->messages[i].type == MESSAGE_ATTRIBUTE)
            TRY(add_attribute(d, &h->messages[i].body, NULL));
    if (header_has(h, MESSAGE_ATTRIBUTE_INFO)) {
        message *m = header_find(h, MESSAGE_ATTRIBUTE_INFO);
        if (!m)
            return dialect_broken(d, h->at, "a group names the place of its attributes twice");
        TRY(message_info(d, &m->body, &where));
        if (where.heap != NOWHERE)
            TRY(heap_visit(d, &where, 8, add_attribute, NULL));
    }
    return check_attributes(d, &d->c->groups[d->c->group_count - 1]);
}

/* ---- links ---- */

static status check_name(const dialect *d, const char *name)
{
    int named_by_users =
        d->c->user_names && (strcmp(d->path, "records") == 0 || strcmp(d->path, "subjects") == 0);
    if (named_by_users ? !stored_user_name_ok(name) : !stored_name_ok(name))
        return dialect_refuse(d, "holds a name that is not 1 to 255 printable characters");
    return OK;
}

static status add_link(dialect *d, block *message, void *user)
{
    frame *f = user;
    void *array = f->links;
    status s = dialect_grow(d->mem, &array, f->count, &f->room, sizeof *f->links);
    f->links = array;
    TRY(s);
    hard_link *l = &f->links[f->count++];
    *l = (hard_link){0};
    TRY(message_link(d, message, l));
    return check_name(d, l->name);
}

static int by_link_name(const void *a, const void *b)
{
    return strcmp(((const hard_link *)a)->name, ((const hard_link *)b)->name);
}

static status read_links(dialect *d, header *h, frame *f)
{
    info where;
    message *m = header_find(h, MESSAGE_LINK_INFO);
    for (size_t i = 0; i < h->message_count; i++)
        if (h->messages[i].type == MESSAGE_LINK)
            TRY(add_link(d, &h->messages[i].body, f));
    if (!m)
        return dialect_broken(d, h->at, "a group without symbol tables is expected here" DIALECT_OTHERS);
    TRY(message_info(d, &m->body, &where));
    if (where.heap != NOWHERE)
        TRY(heap_visit(d, &where, 5, add_link, f));
    if (f->count > 1)
        qsort(f->links, f->count, sizeof *f->links, by_link_name);
    for (size_t i = 1; i < f->count; i++)
        if (strcmp(f->links[i - 1].name, f->links[i].name) == 0) {
            d->name = f->links[i].name;
            return dialect_refuse(d, "is listed twice");
        }
    return OK;
}

static void free_links(dialect *d, frame *f)
{
    for (size_t i = 0; i < f->count; i++) {
        header_free(d, &f->links[i].header);
        mem_give(d->mem, f->links[i].name);
    }
    mem_give(d->mem, f->links);
    f->links = NULL;
    f->count = f->room = f->next = 0;
}

/* ---- objects ---- */

static status load_object(walk *w, uint64_t address, header *h)
{
    enum { MESSAGE_COUNT = 22 };
    dialect *d = &w->d;
    int is_new;
    if (w->seen.count >= STORED_OBJECTS_MAX)
        return dialect_refuse(d, "is one object too many");
    TRY(address_set_add(&w->seen, address, &is_new));
    if (!is_new)
        return dialect_refuse(d, "is the same object as another name");
    TRY(header_load(d, address, h));
    return header_has(h, MESSAGE_COUNT) ? dialect_refuse(d, "has more than one name") : OK;
}

static status add_tensor(dialect *d, hard_link *l)
{
    catalogue_tensor *t;
    TRY(catalogue_add_tensor(d->c, l->name, &t));
    status s = message_tensor(d, &l->header, t);
    header_free(d, &l->header);
    return s;
}

/* Tensors enter the catalogue at once, the headers of groups wait for their turn. */
static status visit_link(walk *w, hard_link *l)
{
    dialect *d = &w->d;
    d->name = l->name;
    TRY(load_object(w, l->address, &l->header));
    l->is_group = header_has(&l->header, MESSAGE_LINK_INFO);
    if (l->is_group)
        return OK;
    if (!header_has(&l->header, MESSAGE_LAYOUT))
        return dialect_refuse(d, "is neither a group nor a dataset");
    return add_tensor(d, l);
}

static status check_group(const dialect *d, const header *h)
{
    for (size_t i = 0; i < h->message_count; i++) {
        int type = h->messages[i].type;
        if (type == MESSAGE_FILTERS)
            return dialect_refuse(d, "is a group with filters");
        if (type != MESSAGE_LINK_INFO && type != MESSAGE_LINK && type != MESSAGE_GROUP_INFO &&
            type != MESSAGE_ATTRIBUTE && type != MESSAGE_ATTRIBUTE_INFO && type != MESSAGE_CONTINUATION)
            return dialect_broken(d, h->messages[i].body.at, "a group's header has an unknown message");
    }
    return OK;
}

static status visit_group(walk *w, header *h, frame *f)
{
    dialect *d = &w->d;
    d->path = f->path;
    d->name = "";
    TRY(catalogue_add_group(d->c, f->path));
    TRY(check_group(d, h));
    TRY(read_attributes(d, h));
    TRY(read_links(d, h, f));
    header_free(d, h);
    for (size_t i = 0; i < f->count; i++)
        TRY(visit_link(w, &f->links[i]));
    return OK;
}

/* Enters the next subgroup of the innermost group, or leaves that. */
static status step(walk *w)
{
    dialect *d = &w->d;
    frame *f = &w->frames[w->depth - 1], *below = f + 1;
    while (f->next < f->count && !f->links[f->next].is_group)
        f->next++;
    if (f->next == f->count) {
        free_links(d, f);
        w->depth--;
        return OK;
    }
    hard_link *l = &f->links[f->next++];
    d->path = f->path;
    d->name = l->name;
    if (w->depth > DEPTH_MAX)
        return dialect_refuse(d, "is nested too deep");
    int length = snprintf(below->path, sizeof below->path, "%s%s%s", f->path, *f->path ? "/" : "", l->name);
    if (length >= (int)sizeof below->path)
        return dialect_refuse(d, "is nested too deep");
    w->depth++;
    return visit_group(w, &l->header, below);
}

static status visit_root(walk *w)
{
    uint64_t root;
    header h = {0};
    TRY(read_superblock(&w->d, &root));
    status s = load_object(w, root, &h);
    w->depth = 1;
    if (s == OK)
        s = visit_group(w, &h, &w->frames[0]);
    header_free(&w->d, &h);
    return s;
}

static status visit_all(walk *w)
{
    TRY(visit_root(w));
    while (w->depth > 0)
        TRY(step(w));
    return dialect_check_extents(&w->d);
}

status dialect_catalogue(const source *bytes, uint64_t user_block, catalogue *c)
{
    walk w = {.d = {.bytes = bytes, .c = c, .mem = c->mem, .base = user_block, .path = "", .name = ""},
              .seen.mem = c->mem};
    void *p;
    if (bytes->size < user_block)
        return fail(ERR_FORMAT, "%s: cut short", bytes->label);
    TRY(mem_zeros(c->mem, DEPTH_MAX + 2, sizeof *w.frames, &p));
    w.frames = p;
    status s = visit_all(&w);
    for (int i = 0; i < DEPTH_MAX + 2; i++)
        free_links(&w.d, &w.frames[i]);
    mem_give(c->mem, w.frames);
    mem_give(c->mem, w.d.extents);
    address_set_free(&w.seen);
    return s;
}
