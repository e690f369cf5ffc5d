/* SPDX-License-Identifier: Apache-2.0 */
/* entry_wrong.c - plug-ins that are to be refused: of another contract, of another name, with half of the
 * functions, without a backend, or without the entry. */
#include "tests/plugins/walled.h"

#if !defined(WRONG_IS_EMPTY)
#define WRONG_IS_EMPTY 0
#endif

__attribute__((visibility("default"))) const bk_backend *WRONG_ENTRY(void);

const bk_backend *WRONG_ENTRY(void)
{
    static bk_backend table;
    table = *bk_reference();
    table.api = WRONG_API;
    table.name = WRONG_NAME;
    table.copy = WRONG_COPY;
    return WRONG_IS_EMPTY ? NULL : &table;
}
