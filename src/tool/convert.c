/* SPDX-License-Identifier: Apache-2.0 */
/* slmt convert: the model of a checkpoint, saved with its weights in another type; or a file that another
 * program wrote, saved as libslmt would have written it. */
#include "tool.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slmt/slmt.h"

#include "common.h"
#include "console.h"
#include "options.h"

static const char doc[] =
    "Save the model of a checkpoint with the matrices of its linear layers in another type: half the size "
    "with 16 bits. OUT may be IN. The new file has no training state. What rounding to 16 bits took is not "
    "restored by saving in full again. With --import: save a checkpoint or a training set that another "
    "program wrote or changed, such as h5py, as libslmt writes it, with all that it holds.";

typedef struct convert_options {
    bool import;
} convert_options;

static const field import_fields[] = {{"import", NULL,
                                       "read a file of another HDF5 writer, in a process of its own",
                                       FIELD_FLAG, .offset = offsetof(convert_options, import)},
                                      {0}};

/* Returns true if any tensor is held in 16 bits. */
static bool is_half(const slmt_model *model)
{
    bool half = false;
    for (size_t i = 0; i < slmt_model_tensor_count(model); i++) {
        slmt_tensor_info info = {.struct_size = sizeof info};
        half =
            half || (slmt_model_tensor_info(model, i, &info) == SLMT_OK && info.weights != SLMT_WEIGHTS_FULL);
    }
    return half;
}

static int convert(slmt_context *context, int32_t weights, const char *in, const char *out)
{
    slmt_model *model = NULL;
    struct stat info;
    slmt_status status = slmt_model_load(context, in, &model);
    if (status != SLMT_OK)
        return fail(status, "%s", in);
    int code = EXIT_OK;
    bool asked = weights == SLMT_WEIGHTS_BFLOAT16 || weights == SLMT_WEIGHTS_FLOAT16;
    if (asked && !is_half(model))
        code = warn("%s: no tensor of %s can be stored in 16 bits; all stay in full", in,
                    slmt_model_method(model));
    if (code == EXIT_OK && (status = slmt_model_save(model, out)) != SLMT_OK)
        code = fail(status, "%s", out);
    slmt_model_free(model);
    if (code == EXIT_OK && stat(out, &info) == 0)
        say("%s: written, %lld bytes", out, (long long)info.st_size);
    return code;
}

/* ---- import ---- */

enum { SECONDS_MOST = 3600, FILES_MOST = 64 };

static void limit(int what, rlim_t most)
{
    const struct rlimit both = {most, most};
    setrlimit(what, &both);
}

/* What a file that is made to do harm could use up. No address space: libraries below take much, and use
 * little. */
static void limit_all(const char *in)
{
    struct stat info;
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, SECONDS_MOST);
    limit(RLIMIT_NOFILE, FILES_MOST);
    if (stat(in, &info) == 0)
        limit(RLIMIT_FSIZE, ((rlim_t)1 << 30) + 8 * (rlim_t)info.st_size);
    signal(SIGXFSZ, SIG_IGN); /* writing fails instead */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    unsetenv("HDF5_PLUGIN_PATH");
}

static int import_here(const common *shared, const char *in, const char *out)
{
    slmt_context *context = NULL;
    limit_all(in);
    int code = common_context(shared, &context);
    if (code == EXIT_OK) {
        slmt_status status = slmt_file_import(context, in, out);
        code = status == SLMT_OK ? EXIT_OK : fail_file(status, in);
    }
    slmt_context_free(context);
    return code;
}

/* HDF5 is no parser for hostile bytes: what it does to its process, it does to a child. */
static int import(const common *shared, const char *in, const char *out)
{
    int status = 0;
    struct stat info;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        exit(import_here(shared, in, out));
    if (child < 0 || waitpid(child, &status, 0) != child)
        return fail_with(EXIT_UNSUPPORTED, "%s: no process can be started to read it", in);
    if (WIFSIGNALED(status))
        return fail_with(EXIT_DATA,
                         "%s: reading it ended the process that did (%s): it is damaged, or made to do so",
                         in, strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) == EXIT_OK && stat(out, &info) == 0)
        say("%s: written, %lld bytes", out, (long long)info.st_size);
    return WEXITSTATUS(status);
}

static int check_choice(const command_line *line, const void *weights, bool import)
{
    bool given = options_given(line, weights, "weights") != NULL;
    if (import && given)
        return fail_with(EXIT_USAGE, "--weights: a file that is imported keeps the types of its tensors");
    if (!import && !given)
        return fail_with(EXIT_USAGE, "--weights is needed, or --import");
    return EXIT_OK;
}

int command_convert(int argc, char **argv)
{
    convert_options options = {0};
    common shared = {.weights = SLMT_WEIGHTS_STORED};
    field fields[2] = {weights_fields[0]};
    fields[0].doc = "type that the matrices of linear layers are stored in; stored: the one that they have";
    fields[0].flags |= FIELD_HIDDEN; /* one of the two is needed */
    const option_group groups[] = {{"Weights:", fields, &shared},
                                   {"Files of other programs:", import_fields, &options},
                                   {"Common:", common_fields, &shared},
                                   {0}};
    command_line line = {.doc = doc,
                         .arguments = "IN OUT",
                         .argument_flags = FIELD_INPUT,
                         .last_is_output = true,
                         .least_arguments = 2,
                         .most_arguments = 2,
                         .groups = groups};
    options_parse(&line, argc, argv);
    slmt_context *context = NULL;
    int code = check_choice(&line, &shared, options.import);
    if (code == EXIT_OK && options.import)
        code = import(&shared, line.inputs[0], line.inputs[1]);
    else if (code == EXIT_OK && (code = common_context(&shared, &context)) == EXIT_OK)
        code = convert(context, shared.weights, line.inputs[0], line.inputs[1]);
    slmt_context_free(context);
    options_free(&line);
    return code;
}
