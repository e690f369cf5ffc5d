/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines through cJSON. Numbers that JSON cannot hold (infinity) become null. */
#include "journal.h"

#include <errno.h>
#include <string.h>

#include "console.h"
#include "tool.h"

int journal_open(journal *j, const char *path, bool append)
{
    *j = (journal){.path = path};
    if (!path)
        return EXIT_OK;
    j->file = fopen(path, append ? "a" : "w");
    return j->file ? EXIT_OK : fail_with(EXIT_DATA, "%s: %s", path, strerror(errno));
}

cJSON *journal_event(const char *event)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "event", event);
    return object;
}

void journal_write(journal *j, cJSON *object)
{
    char *line = j->file ? cJSON_PrintUnformatted(object) : NULL;
    if (line) {
        fprintf(j->file, "%s\n", line);
        fflush(j->file);
    }
    cJSON_free(line);
    cJSON_Delete(object);
}

int journal_close(journal *j)
{
    if (!j->file)
        return EXIT_OK;
    bool failed = ferror(j->file) != 0;
    failed = fclose(j->file) != 0 || failed;
    j->file = NULL;
    return failed ? fail_with(EXIT_DATA, "%s: not all of the log could be written", j->path) : EXIT_OK;
}
