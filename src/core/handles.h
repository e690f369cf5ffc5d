/* SPDX-License-Identifier: Apache-2.0 */
/* handles.h - the word that every handle begins with. It tells a handle from one of another kind, and from
 * one that was freed, as long as nothing else uses that memory. */
#ifndef SLMT_CORE_HANDLES_H
#define SLMT_CORE_HANDLES_H

#include <stdint.h>
#include <string.h>

/* Arbitrary numbers. */
#define HANDLE_CONTEXT UINT64_C(0x9d3f1c65a8e27b01)
#define HANDLE_MODEL   UINT64_C(0x9d3f1c65a8e27b02)
#define HANDLE_SESSION UINT64_C(0x9d3f1c65a8e27b03)
#define HANDLE_TRAINER UINT64_C(0x9d3f1c65a8e27b04)
#define HANDLE_DATASET UINT64_C(0x9d3f1c65a8e27b05)
#define HANDLE_WRITER  UINT64_C(0x9d3f1c65a8e27b06)
#define HANDLE_VOLUME  UINT64_C(0x9d3f1c65a8e27b07)
#define HANDLE_PROFILE UINT64_C(0x9d3f1c65a8e27b08)

/* The word of handles of the pointer's type; 0: it points to no handle. cppcheck 2.10 cannot parse _Generic
 * in a condition. */
#ifdef __cppcheck__
#define HANDLE_WORD(pointer) UINT64_C(0)
#else
#define HANDLE_WORD(pointer)                                                                                 \
    _Generic((pointer),                                                                                      \
        struct slmt_context *: HANDLE_CONTEXT,                                                               \
        const struct slmt_context *: HANDLE_CONTEXT,                                                         \
        struct slmt_model *: HANDLE_MODEL,                                                                   \
        const struct slmt_model *: HANDLE_MODEL,                                                             \
        struct slmt_session *: HANDLE_SESSION,                                                               \
        const struct slmt_session *: HANDLE_SESSION,                                                         \
        struct slmt_trainer *: HANDLE_TRAINER,                                                               \
        const struct slmt_trainer *: HANDLE_TRAINER,                                                         \
        struct slmt_dataset *: HANDLE_DATASET,                                                               \
        const struct slmt_dataset *: HANDLE_DATASET,                                                         \
        struct slmt_dataset_writer *: HANDLE_WRITER,                                                         \
        const struct slmt_dataset_writer *: HANDLE_WRITER,                                                   \
        struct slmt_volume *: HANDLE_VOLUME,                                                                 \
        const struct slmt_volume *: HANDLE_VOLUME,                                                           \
        struct slmt_profile *: HANDLE_PROFILE,                                                               \
        const struct slmt_profile *: HANDLE_PROFILE,                                                         \
        default: UINT64_C(0))
#endif

struct slmt_context;
struct slmt_model;
struct slmt_session;
struct slmt_trainer;
struct slmt_dataset;
struct slmt_dataset_writer;
struct slmt_volume;
struct slmt_profile;

/* at: of an object that is not NULL. Returns 1 too where word is 0. */
static inline int handle_has(uintptr_t at, uint64_t word)
{
    uint64_t is = word;
    if (word)
        memcpy(&is, (const void *)at, sizeof is);
    return is == word;
}

#define HANDLE_IS(pointer) handle_has((uintptr_t)(pointer), HANDLE_WORD(pointer))

/* Call this before the handle's memory is freed. */
static inline void handle_end(void *handle)
{
    *(volatile uint64_t *)handle = 0;
}

#endif
