/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz.h - what a fuzz target is: a function that takes bytes and must neither crash nor leak, nor accept
 * what it reads differently twice.
 *
 * Built with libFuzzer (make fuzz) it is driven by that; else by replay.c, in `make test`: the corpus, and
 * mutations of it from a fixed seed. */
#ifndef SLMT_TESTS_FUZZ_H
#define SLMT_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Changes bytes in place, the same for a seed; returns the new size, at most `most`. Files of HDF5
 * (mutator.c) are changed mostly near the signatures of structures; then the checksums are made right whose
 * place is known, and the seal of a checkpoint or the digests of a set, so that the change reaches what lies
 * behind them. All else has plain_mutator.c, and under libFuzzer none. */
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t most, unsigned seed);

#endif
