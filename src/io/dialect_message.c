/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_message.c - the messages of object headers: types, extents, links, attributes, storage. */
#include <stdio.h>
#include <string.h>

#include "io/dialect_parts.h"
#include "io/utf8.h"

enum { CLASS_FIXED = 0, CLASS_FLOAT = 1, CLASS_TEXT = 3, CLASS_VARIABLE = 9, TYPE_HEAD = 8 };
enum { FILTER_DEFLATE = 1, FILTER_SHUFFLE = 2 };

/* ---- types ---- */

/* What follows a type's class: three bytes of bit fields, the size, and the properties of a number. */
typedef struct number_form {
    unsigned char class, fields[3], size, properties[12], property_count;
} number_form;

static const number_form forms[] = {
    [STORED_F32] = {CLASS_FLOAT, {0x20, 31, 0}, 4, {0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0}, 12},
    [STORED_F64] = {CLASS_FLOAT, {0x20, 63, 0}, 8, {0, 0, 64, 0, 52, 11, 0, 52, 255, 3, 0, 0}, 12},
    [STORED_I64] = {CLASS_FIXED, {0x08, 0, 0}, 8, {0, 0, 64, 0}, 4},
    [STORED_U64] = {CLASS_FIXED, {0x00, 0, 0}, 8, {0, 0, 64, 0}, 4},
    [STORED_BF16] = {CLASS_FLOAT, {0x20, 15, 0}, 2, {0, 0, 16, 0, 7, 8, 0, 7, 127, 0, 0, 0}, 12},
    [STORED_F16] = {CLASS_FLOAT, {0x20, 15, 0}, 2, {0, 0, 16, 0, 10, 5, 0, 10, 15, 0, 0, 0}, 12},
    [STORED_U8] = {CLASS_FIXED, {0x00, 0, 0}, 1, {0, 0, 8, 0}, 4},
    [STORED_I32] = {CLASS_FIXED, {0x08, 0, 0}, 4, {0, 0, 32, 0}, 4},
};

size_t message_type_form(stored_type type, unsigned char to[MESSAGE_TYPE_MAX])
{
    const number_form *f = &forms[type];
    to[0] = (unsigned char)(1 << 4 | f->class); /* version 1 */
    memcpy(to + 1, f->fields, 3);
    memcpy(to + 4, (unsigned char[4]){f->size}, 4);
    memcpy(to + TYPE_HEAD, f->properties, f->property_count);
    return TYPE_HEAD + f->property_count;
}

static int has_form(block b, const number_form *form)
{
    int class = (int)block_take(&b, 1) & 15;
    return class == form->class && block_is(&b, form->fields, 3) && block_take(&b, 4) == form->size &&
           block_is(&b, form->properties, form->property_count) && b.next == b.size;
}

/* Returns STORED_TEXT if the type is none of the numbers. */
static stored_type number_type(const block *b)
{
    int known = STORED_F32;
    while (known < STORED_TEXT && !has_form(*b, &forms[known]))
        known++;
    return (stored_type)known;
}

static status refuse_type(const dialect *d)
{
    char text[160] = "is neither";
    size_t at = strlen(text);
    for (int known = STORED_F32; known < STORED_TEXT; known++)
        if (d->c->types >> known & 1)
            at += (size_t)snprintf(text + at, sizeof text - at, " %s,", stored_type_name((stored_type)known));
    snprintf(text + at, sizeof text - at, " little-endian");
    return dialect_refuse(d, text);
}

/* ---- extents ---- */

/* rank: -1 if there are no values. */
static status take_space(const dialect *d, block *b, int *rank, uint64_t dims[STORED_RANK_MAX])
{
    int version = (int)block_take(b, 1);
    *rank = (int)block_take(b, 1);
    int has_most = (int)block_take(b, 1), kind = (int)block_take(b, 1);
    if (version != 2 || has_most > 1 || kind > 2)
        return dialect_broken(d, b->at, "a dataspace of version 2 is expected here" DIALECT_OTHERS);
    if (kind == 2)
        *rank = -1;
    if (*rank > STORED_RANK_MAX)
        return dialect_refuse(d, "has more than six axes");
    if ((kind == 0) != (*rank == 0))
        return dialect_broken(d, b->at, "a dataspace has axes and is a scalar, or neither");
    for (int i = 0; i < *rank; i++)
        dims[i] = block_take(b, 8);
    block_skip(b, has_most && *rank > 0 ? 8 * (uint64_t)*rank : 0);
    return b->cut || b->next != b->size ? dialect_broken(d, b->at, "a dataspace has the wrong length") : OK;
}

/* ---- links ---- */

static status take_name(dialect *d, block *b, uint64_t length, char **name)
{
    void *p;
    block text = block_part(b, length);
    if (text.cut || length == 0 || length > STORED_NAME_MAX || memchr(text.data, 0, (size_t)length))
        return dialect_refuse(d, "holds a name that is not 1 to 255 printable characters");
    TRY(mem_take(d->mem, (size_t)length + 1, &p));
    *name = p;
    memcpy(*name, text.data, (size_t)length);
    (*name)[length] = 0;
    return OK;
}

status message_link(dialect *d, block *b, hard_link *l)
{
    enum { LENGTH_BYTES = 3, HAS_ORDER = 4, HAS_KIND = 8, HAS_CHARSET = 16, KNOWN = 31 };
    int version = (int)block_take(b, 1), flags = (int)block_take(b, 1);
    if (version != 1 || flags & ~KNOWN || flags & HAS_ORDER)
        return dialect_broken(d, b->at, "a link of version 1 without an order is expected here");
    int kind = flags & HAS_KIND ? (int)block_take(b, 1) : 0;
    block_skip(b, flags & HAS_CHARSET ? 1 : 0);
    TRY(take_name(d, b, block_take(b, 1 << (flags & LENGTH_BYTES)), &l->name));
    if (kind != 0) {
        d->name = l->name;
        return dialect_refuse(d, "is a soft or external link");
    }
    l->address = block_take(b, 8);
    return b->cut || b->next != b->size ? dialect_broken(d, b->at, "a link has the wrong length") : OK;
}

/* Where links or attributes are that are not in the header. */
status message_info(dialect *d, block *b, info *i)
{
    int version = (int)block_take(b, 1), flags = (int)block_take(b, 1);
    i->heap = block_take(b, 8);
    i->tree = block_take(b, 8);
    if (version != 0 || flags != 0 || b->cut || b->next != b->size ||
        (i->heap == NOWHERE) != (i->tree == NOWHERE))
        return dialect_broken(d, b->at,
                              "the place of links or attributes, 18 bytes without an order, is expected "
                              "here");
    return OK;
}

/* ---- attributes ---- */

static status take_text(dialect *d, block *type, block *value, catalogue_attribute *a)
{
    void *p;
    block_skip(type, 1);
    int fields = (int)block_take(type, 3);
    uint64_t size = block_take(type, 4);
    if ((type->data[0] & 15) != CLASS_TEXT || (fields & 15) > 1 || fields >> 4 > 1 ||
        type->next != type->size || size == 0 || size > STORED_TEXT_READ)
        return dialect_refuse(
            d, "is a text that is not of fixed length, zero padded and up to 65535 bytes" DIALECT_OTHERS);
    block text = block_part(value, size);
    if (text.cut || value->next != value->size)
        return dialect_broken(d, value->at, "an attribute has the wrong length");
    TRY(mem_zeros(d->mem, (size_t)size + 1, 1, &p));
    a->type = STORED_TEXT;
    a->text = p;
    memcpy(a->text, text.data, (size_t)size);
    size_t length = strlen(a->text);
    for (size_t i = length; i < size; i++)
        if (a->text[i])
            return dialect_refuse(d, "is a text with a zero inside");
    if (utf8_plain(a->text, length) < length)
        return dialect_refuse(
            d, "is a text with a control character inside, a mark of writing direction, or not of UTF-8");
    return OK;
}

static status take_number(const dialect *d, const block *type, block *value, catalogue_attribute *a)
{
    a->type = number_type(type);
    if (a->type != STORED_I64 && a->type != STORED_F64)
        return dialect_refuse(d, "is an attribute that is neither int64, float64 nor text" DIALECT_OTHERS);
    uint64_t bits = block_take(value, 8);
    if (value->cut || value->next != value->size)
        return dialect_broken(d, value->at, "an attribute has the wrong length");
    if (a->type == STORED_I64)
        memcpy(&a->integer, &bits, sizeof bits);
    else
        memcpy(&a->real, &bits, sizeof bits);
    return OK;
}

static status take_value(dialect *d, block *type, block *space, block *value, catalogue_attribute *a)
{
    int rank;
    uint64_t dims[STORED_RANK_MAX];
    TRY(take_space(d, space, &rank, dims));
    if (rank != 0)
        return dialect_refuse(d, "is an attribute that is not a single value");
    int class = type->size >= TYPE_HEAD ? type->data[0] & 15 : CLASS_FIXED;
    if (class == CLASS_TEXT || class == CLASS_VARIABLE)
        return take_text(d, type, value, a);
    return take_number(d, type, value, a);
}

/* The caller frees name and text, also after a failure. */
status message_attribute(dialect *d, block *b, catalogue_attribute *a)
{
    int version = (int)block_take(b, 1), flags = (int)block_take(b, 1);
    uint64_t name = block_take(b, 2), type_size = block_take(b, 2), space_size = block_take(b, 2);
    if (version != 3 || block_take(b, 1) > 1 || b->cut || name == 0)
        return dialect_broken(d, b->at, "an attribute of version 3 is expected here" DIALECT_OTHERS);
    if (flags)
        return dialect_refuse(d, "holds an attribute that shares a part with others");
    TRY(take_name(d, b, name - 1, &a->name));
    const char *group_name = d->name;
    d->name = a->name;
    if (block_take(b, 1) != 0)
        return dialect_broken(d, b->at, "an attribute's name has the wrong length");
    block type = block_part(b, type_size), space = block_part(b, space_size);
    if (b->cut)
        return dialect_broken(d, b->at, "an attribute is cut short");
    status s = take_value(d, &type, &space, b, a);
    d->name = group_name;
    return s;
}

/* ---- tensors ---- */

static status check_extent(const dialect *d, int rank, const uint64_t *dims, catalogue_tensor *t)
{
    if (rank < 0)
        return dialect_refuse(d, "has no values");
    t->rank = rank;
    for (int i = 0; i < rank; i++)
        t->dims[i] = dims[i] > INT64_MAX ? 0 : (int64_t)dims[i];
    if (stored_bytes(t->type, t->rank, t->dims) == 0)
        return dialect_refuse(d, "has an extent of 0 or too large");
    return OK;
}

static status take_one_piece(dialect *d, block *b, catalogue_tensor *t)
{
    uint64_t bytes = stored_bytes(t->type, t->rank, t->dims), stored;
    t->address = block_take(b, 8);
    stored = block_take(b, 8);
    if (b->cut || b->next != b->size)
        return dialect_broken(d, b->at, "a layout has the wrong length");
    if (t->address == NOWHERE || stored != bytes)
        return dialect_refuse(d, "is not stored in full");
    if (t->filter_count > 0)
        return dialect_refuse(d, "is stored in one piece, with filters");
    return dialect_claim(d, t->address, bytes, "the values of a tensor are not in the file");
}

static status take_chunks(dialect *d, block *b, catalogue_tensor *t)
{
    int axes = (int)block_take(b, 1);
    t->address = block_take(b, 8);
    if (t->rank == 0 || axes != t->rank + 1)
        return dialect_broken(d, b->at, "chunks have not the axes of their tensor");
    for (int i = 0; i < t->rank; i++) {
        t->chunk[i] = (int64_t)block_take(b, 4);
        if (t->chunk[i] == 0 || t->chunk[i] > t->dims[i])
            return dialect_refuse(d, "has chunks larger than itself");
    }
    if (block_take(b, 4) != stored_type_size(t->type) || b->cut || b->next != b->size)
        return dialect_broken(d, b->at, "a layout in chunks has the wrong length");
    if (t->address == NOWHERE)
        return dialect_refuse(d, "is not stored in full");
    return chunks_claim(d, t);
}

static status take_layout(dialect *d, block *b, catalogue_tensor *t)
{
    int version = (int)block_take(b, 1), kind = (int)block_take(b, 1);
    if (version == 4 && kind == 3)
        return dialect_refuse(d, "is a virtual dataset: its values are in other files");
    if (version != 3)
        return dialect_broken(d, b->at, "a layout of version 3 is expected here" DIALECT_OTHERS);
    if (kind == 1)
        return take_one_piece(d, b, t);
    return kind == 2 ? take_chunks(d, b, t)
                     : dialect_refuse(d, "is stored neither in one piece nor in chunks");
}

static status take_filter(const dialect *d, block *b, catalogue_tensor *t)
{
    int id = (int)block_take(b, 2);
    if (id != FILTER_DEFLATE && id != FILTER_SHUFFLE)
        return dialect_refuse(d, "uses a filter other than shuffle and deflate");
    int flags = (int)block_take(b, 2), values = (int)block_take(b, 2);
    uint64_t value = block_take(b, 4);
    if (flags > 1 || values != 1)
        return dialect_broken(d, b->at, "a filter has other flags or values than it is written with");
    if (id == FILTER_SHUFFLE && value != stored_type_size(t->type))
        return dialect_refuse(d, "is shuffled by another size than that of its type");
    t->filters[t->filter_count++] = id == FILTER_SHUFFLE ? STORED_SHUFFLED : STORED_DEFLATED;
    return OK;
}

static status take_filters(const dialect *d, block *b, catalogue_tensor *t)
{
    int version = (int)block_take(b, 1), count = (int)block_take(b, 1);
    if (version != 2)
        return dialect_broken(d, b->at, "filters of version 2 are expected here");
    if (count > STORED_FILTERS_MAX)
        return dialect_refuse(d, "uses a filter other than shuffle and deflate");
    for (int i = 0; i < count; i++)
        TRY(take_filter(d, b, t));
    return b->cut || b->next != b->size ? dialect_broken(d, b->at, "filters have the wrong length") : OK;
}

static int is_known(int type)
{
    return type == MESSAGE_SPACE || type == MESSAGE_TYPE || type == MESSAGE_OLD_FILL ||
           type == MESSAGE_FILL || type == MESSAGE_LAYOUT || type == MESSAGE_FILTERS ||
           type == MESSAGE_CONTINUATION;
}

static status check_no_attributes(dialect *d, block b)
{
    info where;
    TRY(message_info(d, &b, &where));
    return where.heap == NOWHERE ? OK : dialect_refuse(d, "is a dataset with attributes");
}

static status check_messages(dialect *d, const header *h)
{
    if (header_has(h, MESSAGE_EXTERNAL))
        return dialect_refuse(d, "has its values in other files");
    for (size_t i = 0; i < h->message_count; i++) {
        const message *m = &h->messages[i];
        if (m->type == MESSAGE_ATTRIBUTE)
            return dialect_refuse(d, "is a dataset with attributes");
        if (m->type == MESSAGE_ATTRIBUTE_INFO)
            TRY(check_no_attributes(d, m->body));
        else if (!is_known(m->type))
            return dialect_broken(d, m->body.at, "a dataset's header has an unknown message");
    }
    return OK;
}

static status need(const dialect *d, header *h, int type, const char *what, block **b)
{
    message *m = header_find(h, type);
    *b = m ? &m->body : NULL;
    return m ? OK : dialect_broken(d, h->at, what);
}

/* The type is known before the extent, and both before the storage, which depends on them. */
status message_tensor(dialect *d, header *h, catalogue_tensor *t)
{
    block *b;
    int rank;
    uint64_t dims[STORED_RANK_MAX];
    TRY(check_messages(d, h));
    TRY(need(d, h, MESSAGE_TYPE, "a dataset has not one type", &b));
    t->type = number_type(b);
    if (t->type == STORED_TEXT || !(d->c->types >> t->type & 1))
        return refuse_type(d);
    TRY(need(d, h, MESSAGE_SPACE, "a dataset has not one extent", &b));
    TRY(take_space(d, b, &rank, dims));
    TRY(check_extent(d, rank, dims, t));
    if (header_has(h, MESSAGE_FILTERS)) {
        TRY(need(d, h, MESSAGE_FILTERS, "a dataset has several lists of filters", &b));
        TRY(take_filters(d, b, t));
    }
    TRY(need(d, h, MESSAGE_LAYOUT, "a dataset has not one layout", &b));
    return take_layout(d, b, t);
}
