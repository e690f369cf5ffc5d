/* SPDX-License-Identifier: Apache-2.0 */
/* address_set.c - a set of addresses as a binary trie that skips the bits in which its leaves agree. */
#include "io/address_set.h"

static const uint32_t LEAF = (uint32_t)1 << 31;

static status room_for_one(address_set *s)
{
    if (s->count < s->room)
        return OK;
    size_t room = s->room ? 2 * s->room : 64;
    void *leaves = s->leaves, *nodes = s->nodes;
    status st = mem_resize(s->mem, &leaves, room, sizeof *s->leaves);
    s->leaves = leaves;
    TRY(st);
    st = mem_resize(s->mem, &nodes, room, sizeof *s->nodes);
    s->nodes = nodes;
    TRY(st);
    s->room = room;
    return OK;
}

static int side_of(uint64_t address, uint32_t bit)
{
    return (int)(address >> bit & 1);
}

/* Returns the leaf that the address leads to. It agrees with the address in the bits that the nodes on the
 * path test. */
static uint64_t nearest(address_set *s, uint64_t address)
{
    uint32_t at = s->root;
    while (!(at & LEAF)) {
        at = s->nodes[at].child[side_of(address, s->nodes[at].bit)];
        s->visits++;
    }
    return s->leaves[at & ~LEAF];
}

/* Inserts a node that tests `bit` above the first node that tests a lower bit. */
static void insert(address_set *s, uint64_t address, uint32_t bit)
{
    uint32_t leaf = (uint32_t)s->count | LEAF, node = (uint32_t)(s->count - 1);
    uint32_t *link = &s->root;
    while (!(*link & LEAF) && s->nodes[*link].bit > bit) {
        link = &s->nodes[*link].child[side_of(address, s->nodes[*link].bit)];
        s->visits++;
    }
    int side = side_of(address, bit);
    s->nodes[node].bit = bit;
    s->nodes[node].child[side] = leaf;
    s->nodes[node].child[!side] = *link;
    *link = node;
}

status address_set_add(address_set *s, uint64_t address, int *is_new)
{
    TRY(room_for_one(s));
    *is_new = 1;
    if (s->count == 0) {
        s->root = LEAF;
    } else {
        uint64_t difference = nearest(s, address) ^ address;
        *is_new = difference != 0;
        if (!*is_new)
            return OK;
        insert(s, address, 63 - (uint32_t)__builtin_clzll(difference));
    }
    s->leaves[s->count++] = address;
    return OK;
}

void address_set_free(address_set *s)
{
    mem_give(s->mem, s->leaves);
    mem_give(s->mem, s->nodes);
    *s = (address_set){.mem = s->mem};
}
