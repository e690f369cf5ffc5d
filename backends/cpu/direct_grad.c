/* SPDX-License-Identifier: Apache-2.0 */
#include "backends/cpu/direct.h"
#include "backends/cpu/kernels.h"
void KERNEL(cpu_direct_grad_plan)(cpu_direct_grad *g)
{
    (void)g;
}
void KERNEL(cpu_direct_grad_run)(const cpu_direct_grad *g, cpu_team *team)
{
    (void)g;
    (void)team;
}
