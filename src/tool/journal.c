/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines through cJSON. Numbers that JSON cannot hold (infinity) become null. */
#include "journal.h"

#include <errno.h>
#include <string.h>

#include "console.h"
#include "shown.h"
#include "stream.h"
#include "tool.h"

static void keep_warning(void *user, const char *text)
{
    cJSON *event = journal_event("warning");
    cJSON_AddStringToObject(event, "text", text);
    journal_write(user, event);
}

int journal_open(journal *j, const char *path, bool append)
{
    *j = (journal){.path = path};
    if (!path)
        return EXIT_OK;
    j->file = stream_open(path, append);
    if (!j->file)
        return fail_errno(errno, "%s", path);
    warnings_keep(keep_warning, j);
    return EXIT_OK;
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
        fprintf(j->file, "%s\n", shown(line));
        fflush(j->file);
    }
    cJSON_free(line);
    cJSON_Delete(object);
}

int journal_close(journal *j)
{
    if (!j->file)
        return EXIT_OK;
    warnings_keep(NULL, NULL);
    bool written = fclose(j->file) == 0;
    j->file = NULL;
    return written ? EXIT_OK : fail_errno(errno, "%s: not all of the log could be written", j->path);
}
