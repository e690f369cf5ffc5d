/* SPDX-License-Identifier: Apache-2.0 */
/* test_cores.c - the CPU quota of a process, from control groups as they look on disk (src/core/cores.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cores.h"

static char root[] = "/tmp/slmt-cores-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = '\0';
        mkdir(path, 0777);
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void version_2_takes_the_least_of_a_group_and_those_above(void **state)
{
    (void)state;
    write_file("a/cpu.max", "300000 100000\n");
    write_file("a/b/cpu.max", "max 100000\n");
    write_file("a/b/c/cpu.max", "450000 100000\n");
    assert_int_equal(quota_of_groups("0::/a/b/c\n", root), 3);
    assert_int_equal(quota_of_groups("0::/a/b\n", root), 3);
    write_file("a/b/c/cpu.max", "250000 100000\n");
    assert_int_equal(quota_of_groups("0::/a/b/c\n", root), 2);
}

static void less_than_a_core_is_one(void **state)
{
    (void)state;
    write_file("small/cpu.max", "20000 100000\n");
    assert_int_equal(quota_of_groups("0::/small\n", root), 1);
    write_file("small/cpu.max", "199999 100000\n");
    assert_int_equal(quota_of_groups("0::/small\n", root), 1);
}

static void no_quota_is_no_limit(void **state)
{
    (void)state;
    write_file("free/cpu.max", "max 100000\n");
    assert_int_equal(quota_of_groups("0::/free\n", root), 0);
    assert_int_equal(quota_of_groups("0::/missing\n", root), 0);
    assert_int_equal(quota_of_groups("", root), 0);
    assert_int_equal(quota_of_groups("no colons\n0:\n0::relative\n", root), 0);
}

static void version_1_has_a_folder_for_the_controller(void **state)
{
    (void)state;
    write_file("cpu/x/cpu.cfs_quota_us", "150000\n");
    write_file("cpu/x/cpu.cfs_period_us", "50000\n");
    assert_int_equal(quota_of_groups("5:memory:/x\n4:cpuset:/x\n3:cpu,cpuacct:/x\n", root), 3);
    write_file("cpu/x/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(quota_of_groups("3:cpu,cpuacct:/x\n", root), 0);
    write_file("cpu/cpu.cfs_quota_us", "200000\n");
    write_file("cpu/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota_of_groups("3:cpu,cpuacct:/docker/unseen\n", root), 2);
}

static void there_is_always_a_core(void **state)
{
    (void)state;
    assert_in_range(usable_cores(), 1, 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_2_takes_the_least_of_a_group_and_those_above),
        cmocka_unit_test(less_than_a_core_is_one),
        cmocka_unit_test(no_quota_is_no_limit),
        cmocka_unit_test(version_1_has_a_folder_for_the_controller),
        cmocka_unit_test(there_is_always_a_core),
    };
    if (!mkdtemp(root))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) != 0 || failed;
}
