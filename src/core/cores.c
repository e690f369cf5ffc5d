/* SPDX-License-Identifier: Apache-2.0 */
/* cores.c - the cores that a process may use: its affinity, and the CPU quota of its control groups (cgroups,
 * versions 1 and 2), which a container or a batch system sets. More threads than a quota pays for are stopped
 * for most of each period, and those that wait for them with them. */
#define _GNU_SOURCE
#include "core/cores.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { MOST_CORES = 1024, PATH = 4096 };

static int32_t at_most(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

/* Reads the first numbers of a file, "max" as -1; returns how many there are. */
static int read_numbers(const char *folder, const char *name, long long *first, long long *second)
{
    char path[PATH + 64], word[32];
    int n = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    *first = *second = -1;
    if (fscanf(file, "%31s", word) == 1)
        n = strcmp(word, "max") == 0 || sscanf(word, "%lld", first) == 1;
    if (n == 1 && fscanf(file, "%lld", second) == 1)
        n = 2;
    fclose(file);
    return n;
}

static int32_t cores_of(long long quota, long long period)
{
    long long cores = quota > 0 && period > 0 ? quota / period : 0;
    if (quota <= 0 || period <= 0)
        return 0;
    return cores < 1 ? 1 : cores > MOST_CORES ? MOST_CORES : (int32_t)cores;
}

static int32_t quota_of_folder(const char *folder)
{
    long long quota, period, none;
    if (read_numbers(folder, "cpu.max", &quota, &period) == 2)
        return cores_of(quota, period);
    if (read_numbers(folder, "cpu.cfs_quota_us", &quota, &none) >= 1 &&
        read_numbers(folder, "cpu.cfs_period_us", &period, &none) >= 1)
        return cores_of(quota, period);
    return 0;
}

/* The least quota of a group and of those above it. */
static int32_t quota_of_group(const char *root, const char *group)
{
    char folder[PATH];
    int n = snprintf(folder, sizeof folder, "%s%s", root, group);
    int32_t least = 0;
    if (n < 0 || (size_t)n >= sizeof folder)
        return 0;
    for (;;) {
        int32_t quota = quota_of_folder(folder);
        least = quota && least ? at_most(quota, least) : quota ? quota : least;
        char *end = strrchr(folder, '/');
        if (!end || (size_t)(end - folder) < strlen(root))
            return least;
        *end = '\0';
    }
}

/* A line is "number:controllers:/group"; version 2 has no controllers, version 1 a folder for them. */
static int32_t quota_of_line(const char *line, const char *root)
{
    const char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
    char folder[PATH], names[64];
    if (!group || group[1] != '/')
        return 0;
    snprintf(names, sizeof names, ",%.*s,", (int)(group - controllers - 1) % 60, controllers + 1);
    if (group == controllers + 1)
        return quota_of_group(root, group + 1);
    if (!strstr(names, ",cpu,"))
        return 0;
    snprintf(folder, sizeof folder, "%s/cpu", root);
    int32_t quota = quota_of_group(folder, group + 1);
    return quota ? quota : quota_of_group(folder, ""); /* a container sees its own group as the root */
}

int32_t quota_of_groups(const char *list, const char *root)
{
    int32_t least = 0;
    while (*list) {
        char line[PATH];
        size_t length = strcspn(list, "\n");
        snprintf(line, sizeof line, "%.*s", (int)(length < PATH ? length : PATH - 1), list);
        int32_t quota = quota_of_line(line, root);
        least = quota && least ? at_most(quota, least) : quota ? quota : least;
        list += length + (list[length] == '\n');
    }
    return least;
}

static int32_t quota(void)
{
    char list[PATH];
    FILE *file = fopen("/proc/self/cgroup", "r");
    size_t length = file ? fread(list, 1, sizeof list - 1, file) : 0;
    if (file)
        fclose(file);
    list[length] = '\0';
    return quota_of_groups(list, "/sys/fs/cgroup");
}

int32_t usable_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int32_t cores = at_most(CPU_COUNT(&set), MOST_CORES), paid = quota();
    cores = paid ? at_most(cores, paid) : cores;
    return cores < 1 ? 1 : cores;
}
