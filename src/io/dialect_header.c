/* SPDX-License-Identifier: Apache-2.0 */
/* dialect_header.c - object headers of version 2: their chunks, and the messages in them. */
#include "io/dialect_parts.h"

enum {
    PREFIX_LEAST = 6, /* signature, version, flags */
    FLAG_SIZE = 3,    /* how many bytes the first chunk's size takes */
    FLAG_TIMES = 32,  /* four times are kept */
    FLAGS_KNOWN = FLAG_SIZE | FLAG_TIMES,
    MESSAGE_HEAD = 4, /* type, size, flags */
    MESSAGE_SHARED = 2,
    MESSAGE_FLAGS_KNOWN = 1 | 4 /* constant; not to be shared */
};

static status add_message(dialect *d, header *h, const message *m)
{
    void *array = h->messages;
    status s = dialect_grow(d->mem, &array, h->message_count, &h->message_room, sizeof *h->messages);
    h->messages = array;
    TRY(s);
    h->messages[h->message_count++] = *m;
    return OK;
}

static status check_message(const dialect *d, const message *m, int flags)
{
    if (m->body.cut)
        return dialect_broken(d, m->body.at, "a message is longer than its header");
    if (flags & MESSAGE_SHARED)
        return dialect_refuse(d, m->type == MESSAGE_TYPE ? "has a named type" : "shares a part with others");
    if (flags & ~MESSAGE_FLAGS_KNOWN)
        return dialect_broken(d, m->body.at, "a message has unknown flags");
    return OK;
}

/* The rest of fewer bytes than a message's head is a gap. */
static status list_messages(dialect *d, header *h, block *b)
{
    while (b->size - b->next >= MESSAGE_HEAD) {
        message m = {.type = (int)block_take(b, 1)};
        uint64_t size = block_take(b, 2);
        int flags = (int)block_take(b, 1);
        m.body = block_part(b, size);
        TRY(check_message(d, &m, flags));
        if (m.type != MESSAGE_NONE)
            TRY(add_message(d, h, &m));
    }
    return OK;
}

/* Loads a chunk of `size` bytes, its checksum among them, whose messages begin after `skip`. */
static status load_chunk(dialect *d, header *h, uint64_t address, uint64_t size, uint64_t skip)
{
    void *array = h->chunks;
    status s = dialect_grow(d->mem, &array, h->chunk_count, &h->chunk_room, sizeof *h->chunks);
    h->chunks = array;
    TRY(s);
    block *b = &h->chunks[h->chunk_count++];
    *b = (block){0};
    if (size < skip + 4)
        return dialect_broken(d, h->at, "a part of an object header is too small");
    TRY(block_load(d, address, size, "an object header is not in the file", b));
    TRY(block_checksum(d, b, b->size - 4));
    if (skip == 4 && !block_is(b, "OCHK", 4))
        return dialect_broken(d, b->at, "OCHK is expected here");
    block messages = {.data = b->data, .at = b->at, .size = b->size - 4, .next = (size_t)skip};
    return list_messages(d, h, &messages);
}

static status load_first(dialect *d, header *h, uint64_t address)
{
    unsigned char bytes[PREFIX_LEAST + 16 + 8] = {0};
    uint64_t room = d->bytes->size - d->base;
    if (address >= room)
        return dialect_broken(d, d->bytes->size, "an object header is not in the file");
    uint64_t have = room - address < sizeof bytes ? room - address : sizeof bytes;
    h->at = d->base + address;
    TRY(source_read(d->bytes, h->at, have, bytes));
    block b = {.data = bytes, .at = h->at, .size = (size_t)have};
    if (!block_is(&b, "OHDR", 4) || block_take(&b, 1) != 2)
        return dialect_broken(d, h->at,
                              "an object header of version 2 (OHDR) is expected here" DIALECT_OTHERS);
    int flags = (int)block_take(&b, 1);
    if (flags & ~FLAGS_KNOWN)
        return dialect_broken(d, h->at, "an object header has unknown flags");
    block_skip(&b, flags & FLAG_TIMES ? 16 : 0);
    uint64_t size = block_take(&b, 1 << (flags & FLAG_SIZE));
    if (b.cut || size > room)
        return dialect_broken(d, h->at, "an object header is cut short");
    return load_chunk(d, h, address, b.next + size + 4, b.next);
}

/* A continuation leads to a chunk that may hold further ones; each is claimed, so that this ends. */
status header_load(dialect *d, uint64_t address, header *h)
{
    TRY(load_first(d, h, address));
    for (size_t i = 0; i < h->message_count; i++) {
        block *b = &h->messages[i].body;
        if (h->messages[i].type != MESSAGE_CONTINUATION)
            continue;
        uint64_t at = block_take(b, 8), size = block_take(b, 8);
        if (b->cut || b->next != b->size)
            return dialect_broken(d, b->at, "a continuation of 16 bytes is expected here");
        TRY(load_chunk(d, h, at, size, 4));
    }
    return OK;
}

void header_free(dialect *d, header *h)
{
    for (size_t i = 0; i < h->chunk_count; i++)
        block_free(d, &h->chunks[i]);
    mem_give(d->mem, h->chunks);
    mem_give(d->mem, h->messages);
    *h = (header){0};
}

message *header_find(header *h, int type)
{
    message *found = NULL;
    for (size_t i = 0; i < h->message_count; i++) {
        if (h->messages[i].type != type)
            continue;
        if (found)
            return NULL;
        found = &h->messages[i];
    }
    return found;
}

int header_has(const header *h, int type)
{
    for (size_t i = 0; i < h->message_count; i++)
        if (h->messages[i].type == type)
            return 1;
    return 0;
}
