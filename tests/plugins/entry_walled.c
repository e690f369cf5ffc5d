/* SPDX-License-Identifier: Apache-2.0 */
/* entry_walled.c - the plug-in libslmt_walled.so: backend "walled", or with WALLED_CALLS "walled_calls". */
#include "tests/plugins/walled.h"

__attribute__((visibility("default"))) const bk_backend *slmt_backend(void);

const bk_backend *slmt_backend(void)
{
#ifdef WALLED_CALLS
    return bk_walled_calls();
#else
    return bk_walled();
#endif
}
