#include "backends/cpu/amx_attention.h"
bk_status amx_prepare_attention_grad(cpu_device *dev, bk_call *call)
{
    (void)dev, (void)call;
    return BK_ERR_UNSUPPORTED;
}
