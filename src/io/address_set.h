/* SPDX-License-Identifier: Apache-2.0 */
/* address_set.h - a set of 64-bit addresses, for addresses that an attacker chooses.
 *
 * The set is a binary trie over the bits of the addresses. A look-up visits at most 64 nodes whatever the
 * addresses are; a hash table could not guarantee that without a secret. */
#ifndef SLMT_IO_ADDRESS_SET_H
#define SLMT_IO_ADDRESS_SET_H

#include <stddef.h>
#include <stdint.h>

#include "lib/mem.h"
#include "lib/status.h"

/* A node tests one bit; its children are nodes, or leaves if the child's top bit is set. */
typedef struct address_node {
    uint32_t child[2];
    uint32_t bit;
} address_node;

/* A struct that is zero except for `mem` is the empty set. */
typedef struct address_set {
    mem *mem;
    uint64_t *leaves;
    address_node *nodes; /* one fewer than leaves */
    size_t count, room;
    uint32_t root;
    uint64_t visits; /* number of visited nodes, for tests */
} address_set;

/* *is_new is 0 if the set already contained the address. ERR_MEMORY, ERR_LIMIT. At most 2^31 addresses. */
status address_set_add(address_set *s, uint64_t address, int *is_new);

void address_set_free(address_set *s);

#endif
