/* SPDX-License-Identifier: Apache-2.0 */
/* slmt synthesize: the target contrast of volumes, file by file. A bad file is reported and
 * skipped. */
#include "tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "slmt/slmt.h"

#include "common.h"
#include "console.h"
#include "interrupt.h"
#include "journal.h"
#include "must.h"
#include "options.h"
#include "outputs.h"
#include "paths.h"
#include "report.h"
#include "sequences.h"
#include "sidecar.h"
#include "volume_name.h"

enum { MOST_INPUTS = 1 << 20 };
enum { SIDECAR_OFF, SIDECAR_ON, SIDECAR_AUTO };

typedef struct synthesis {
    const char *model_path;
    const char *method;
    const char *from;
    const char *to;
    const char *out;
    const char *suffix;
    int32_t sidecars; /* SIDECAR_... */
    int32_t batch;
    bool resample;
    bool any_spacing;
    common common;
    report report;
    path_list inputs;
    path_list outputs; /* one for each input */
    slmt_context *context;
    slmt_session *session;
    slmt_profile *profile;
    journal log;
    sidecar sidecar;
    progress bar;
    size_t done;
    size_t failures;
} synthesis;

static const field_choice sidecar_choices[] = {
    {"auto", SIDECAR_AUTO}, {"on", SIDECAR_ON}, {"off", SIDECAR_OFF}, {0}};

#define SYNTHESIS(member) .offset = offsetof(synthesis, member)
static const field synthesis_fields[] = {
    {"model", "FILE", "checkpoint of slmt finetune or slmt train", FIELD_TEXT, SYNTHESIS(model_path),
     .flags = FIELD_REQUIRED | FIELD_INPUT},
    {"method", "METHOD", "refuse a model of another method", FIELD_TEXT, SYNTHESIS(method)},
    {"to", "NAME", "contrast to make; needed where the model makes several", FIELD_TEXT, SYNTHESIS(to)},
    {"from", "NAME", "contrast of the inputs; only checked, and kept in the log", FIELD_TEXT,
     SYNTHESIS(from)},
    {"out", "FILE|DIR",
     "where to write: for one input file a .nii or .nii.gz file; else a folder, made if "
     "missing, whose files are named like the inputs",
     FIELD_TEXT, SYNTHESIS(out), .flags = FIELD_REQUIRED | FIELD_OUTPUT, .endings = ".nii.gz .nii"},
    {"suffix", "TEXT", "put behind the names of results in a folder, such as _t2", FIELD_TEXT,
     SYNTHESIS(suffix)},
    {"sidecar", "auto|on|off",
     "write NAME.json beside a result: model, source, digests, versions, not for diagnosis; auto: beside one "
     "result that --out names, on: in a folder too",
     FIELD_CHOICE, SYNTHESIS(sidecars), sidecar_choices},
    {"batch", "N", "slices computed together, at most", FIELD_INT, SYNTHESIS(batch), .low = 1, .high = 65536},
    {"resample", NULL,
     "take scans whose voxels are not of the training's size: resample them to it, and the result back",
     FIELD_FLAG, SYNTHESIS(resample)},
    {"any-spacing", NULL, "take scans of any voxel size as they are: crop and slices count their voxels",
     FIELD_FLAG, SYNTHESIS(any_spacing)},
    {0}};

static const char doc[] = "Make the target contrast of volumes, or with --to one of those that the model can "
                          "make. INPUT is a NIfTI or MGH file, one volume of it "
                          "(scan.nii.gz[2], from 0 on), or a folder of scans. The result "
                          "lies on the input's own grid with values from 0 to 1; outside the crop and the "
                          "slices that the model was "
                          "trained on it is 0.";

/* ---- which file goes where ---- */

static bool same_file(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

/* Results of an earlier run in the inputs' own folder are told by the suffix; they are no inputs. */
static void leave_results(synthesis *s, const char *folder, size_t first)
{
    size_t kept = first;
    if (!s->suffix || !*s->suffix || !same_file(folder, s->out))
        return;
    for (size_t i = first; i < s->inputs.count; i++) {
        char *id = volume_id(s->inputs.items[i]);
        size_t n = strlen(id), k = strlen(s->suffix);
        if (n > k && strcmp(id + n - k, s->suffix) == 0)
            free(s->inputs.items[i]);
        else
            s->inputs.items[kept++] = s->inputs.items[i];
        free(id);
    }
    if (kept < s->inputs.count)
        say("%s: %zu files that end in %s are taken for earlier results", folder, s->inputs.count - kept,
            s->suffix);
    s->inputs.count = kept;
}

static int find_inputs(synthesis *s, char *const *inputs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t before = s->inputs.count;
        if (!is_folder(inputs[i]))
            path_list_add(&s->inputs, must_copy(inputs[i]));
        else if (!path_list_add_folder(&s->inputs, inputs[i]))
            return fail_errno(errno, "%s", inputs[i]);
        else if (s->inputs.count == before)
            return fail_with(
                EXIT_DATA,
                "%s: there is no scan in it; scans in folders below it are given by a pattern: %s/*/*.nii.gz",
                inputs[i], inputs[i]);
        else
            leave_results(s, inputs[i], before);
    }
    if (s->inputs.count == 0)
        return fail_with(EXIT_DATA, "there is no input that is not an earlier result");
    return EXIT_OK;
}

/* No output may be an input or another output; sidecars are outputs too. */
static int check_outputs(const synthesis *s, const command_line *line)
{
    path_list paths = {0};
    int code = EXIT_OK;
    for (size_t i = 0; i < s->outputs.count; i++)
        path_list_add(&paths, must_copy(s->outputs.items[i]));
    for (size_t i = 0; i < s->outputs.count && s->sidecars && code == EXIT_OK; i++) {
        char *path = sidecar_path(s->outputs.items[i]);
        path_list_add(&paths, path);
        code = sidecar_may_replace(path);
    }
    if (code == EXIT_OK)
        code = outputs_check_files(line, &s->inputs, &paths);
    path_list_free(&paths);
    return code;
}

static int check_folder(const synthesis *s, const command_line *line)
{
    if (s->suffix && strchr(s->suffix, '/'))
        return fail_with(EXIT_USAGE, "--suffix: '%s' would be in another folder", s->suffix);
    if (is_nifti_name(s->out) && !is_folder(s->out))
        return fail_with(EXIT_USAGE, "--out: %s is the name of one file, but a folder is needed for %s",
                         s->out, line->input_count == 1 ? line->inputs[0] : "several inputs");
    if (mkdir(s->out, 0777) != 0 && errno != EEXIST)
        return fail_errno(errno, "%s", s->out);
    if (!is_folder(s->out))
        return fail_with(EXIT_USAGE, "%s: is neither a folder nor a .nii or .nii.gz name for one file",
                         s->out);
    return EXIT_OK;
}

static int name_outputs(synthesis *s, const command_line *line)
{
    bool named =
        line->input_count == 1 && !is_folder(line->inputs[0]) && is_nifti_name(s->out) && !is_folder(s->out);
    if (named && s->suffix)
        return fail_with(EXIT_USAGE, "--suffix: is for results in a folder; --out names this one");
    int code = named ? EXIT_OK : check_folder(s, line);
    for (size_t i = 0; i < s->inputs.count && code == EXIT_OK; i++)
        path_list_add(&s->outputs,
                      named ? must_copy(s->out)
                            : volume_result(s->out, s->inputs.items[i], s->suffix ? s->suffix : ""));
    if (s->sidecars == SIDECAR_AUTO)
        s->sidecars = named ? SIDECAR_ON : SIDECAR_OFF;
    return code == EXIT_OK ? check_outputs(s, line) : code;
}

/* ---- the work ---- */

static int32_t on_progress(void *user, const char *stage, uint64_t done, uint64_t total)
{
    (void)stage;
    synthesis *s = user;
    progress_update(&s->bar, done, total, "");
    return interrupted();
}

/* A model of one contrast may be told what its card says, or nothing. */
static int check_contrast(const synthesis *s, const slmt_model *model, const char *option, const char *name,
                          const char *key)
{
    const char *card = slmt_model_card(model, key);
    if (!name || strcmp(name, card) == 0)
        return EXIT_OK;
    const char *does = strcmp(option, "from") == 0 ? "starts from" : "makes";
    if (!*card)
        return fail_with(EXIT_USAGE, "--%s: %s does not say which contrast it %s", option, s->model_path,
                         does);
    return fail_with(EXIT_USAGE, "--%s: %s %s %s, not %s", option, s->model_path, does, card, name);
}

static int check_contrasts(const synthesis *s, const slmt_model *model)
{
    int code = EXIT_OK;
    if (!*slmt_model_card(model, "target_contrast"))
        code = warn("%s: was not fine-tuned by slmt finetune, its output may mean nothing", s->model_path);
    if (code == EXIT_OK)
        code = check_contrast(s, model, "from", s->from, "source_contrast");
    return code == EXIT_OK ? check_contrast(s, model, "to", s->to, "target_contrast") : code;
}

/* A model of several needs to know which to make. */
static int find_target(const synthesis *s, const slmt_model *model, int32_t *target)
{
    int code = need_sequences(model, s->model_path);
    if (code != EXIT_OK)
        return code;
    if (!s->to) {
        char *names = sequence_names(model, ", ");
        code = fail_with(EXIT_USAGE, "--to is needed: %s makes %s", s->model_path, names);
        free(names);
        return code;
    }
    if (s->from && sequence_index(model, s->from) < 0)
        return no_such_sequence(model, s->model_path, s->from);
    *target = sequence_index(model, s->to);
    return *target < 0 ? no_such_sequence(model, s->model_path, s->to) : EXIT_OK;
}

static int make_session(synthesis *s, slmt_model *model)
{
    bool several = takes_sequence(model);
    int32_t target = 0;
    int code = check_method(model, s->model_path, s->method);
    if (code == EXIT_OK)
        code = several ? find_target(s, model, &target) : check_contrasts(s, model);
    if (code == EXIT_OK)
        code = slice_session(model, s->batch, &s->session);
    if (code != EXIT_OK)
        return code;
    slmt_status status = slmt_session_set_progress(s->session, on_progress, s);
    if (status == SLMT_OK && several)
        status = choose_sequence(s->session, target);
    if (status == SLMT_OK)
        status = slmt_session_set_spacing(s->session, s->resample      ? SLMT_SPACING_RESAMPLE
                                                      : s->any_spacing ? SLMT_SPACING_ANY
                                                                       : SLMT_SPACING_REFUSE);
    return status == SLMT_OK ? EXIT_OK : fail(status, "session");
}

static int open_session(synthesis *s)
{
    slmt_model *model = NULL;
    slmt_status status = slmt_model_load(s->context, s->model_path, &model);
    if (status != SLMT_OK)
        return fail(status, "%s", s->model_path);
    int code = make_session(s, model);
    slmt_model_free(model); /* the session keeps it */
    if (code != EXIT_OK)
        return code;
    status = report_open(&s->report, s->context, &s->profile);
    if (status == SLMT_OK)
        status = slmt_session_set_profile(s->session, s->profile);
    return status == SLMT_OK ? EXIT_OK : fail(status, "session");
}

static void log_file(synthesis *s, size_t index, int code)
{
    cJSON *event = journal_event("file");
    cJSON_AddStringToObject(event, "input", s->inputs.items[index]);
    cJSON_AddStringToObject(event, "output", s->outputs.items[index]);
    if (s->from)
        cJSON_AddStringToObject(event, "from", s->from);
    if (s->to)
        cJSON_AddStringToObject(event, "to", s->to);
    cJSON_AddNumberToObject(event, "exit_code", code);
    cJSON_AddNumberToObject(event, "seconds", seconds_now() - s->bar.began);
    journal_write(&s->log, event);
}

static int open_sidecar(synthesis *s)
{
    int code = sidecar_open(&s->sidecar, s->session, s->model_path, s->to);
    sidecar_set_number(&s->sidecar, "batch", s->batch);
    sidecar_set_text(&s->sidecar, "weights", weights_name(s->common.weights));
    sidecar_set_text(&s->sidecar, "arithmetic", arithmetic_name(s->common.arithmetic));
    sidecar_set_text(&s->sidecar, "nan", s->common.nan == SLMT_NAN_ZERO ? "zero" : "refuse");
    sidecar_set_text(&s->sidecar, "spacing", s->resample ? "resample" : s->any_spacing ? "any" : "refuse");
    return code;
}

/* What the inputs are, as far as it is known; NULL: it is not. */
static const char *source_contrast(const synthesis *s)
{
    return s->from ? s->from : slmt_model_card(slmt_session_model(s->session), "source_contrast");
}

static int synthesize_file(synthesis *s, const char *input, const char *output)
{
    slmt_volume *source = NULL;
    slmt_volume *target = NULL;
    int code = EXIT_OK;
    size_t first_warning = warnings_so_far();
    progress_begin(&s->bar, file_name(input), "slices", 0);
    warn_about(input);
    slmt_status status = slmt_volume_read(s->context, input, &source);
    say_zeroed(source, input);
    if (status == SLMT_OK)
        status = slmt_synthesize_volume(s->session, source, &target);
    if (status == SLMT_ERR_CANCELLED && interrupted())
        code = fail_with(EXIT_INTERRUPTED, "%s: interrupted; nothing was written for it", input);
    else if (status != SLMT_OK)
        code = fail(status, "%s", input);
    else if ((status = slmt_volume_write(target, output)) != SLMT_OK)
        code = fail(status, "%s", output);
    else
        code = sidecar_write(&s->sidecar, input, source_contrast(s), output, first_warning);
    progress_end();
    warn_about(NULL);
    slmt_volume_free(source);
    slmt_volume_free(target);
    return code;
}

/* 0: all done. Some failed: EXIT_SOME_FAILED; all failed: the last one's code. */
static int synthesize_files(synthesis *s)
{
    int last = EXIT_OK;
    for (size_t i = 0; i < s->inputs.count; i++) {
        int code = synthesize_file(s, s->inputs.items[i], s->outputs.items[i]);
        log_file(s, i, code);
        if (code == EXIT_INTERRUPTED || interrupted())
            return EXIT_INTERRUPTED;
        if (code != EXIT_OK) {
            last = code == EXIT_USAGE ? EXIT_DATA : code; /* the library calls an unfit volume an argument */
            s->failures++;
            continue;
        }
        s->done++;
        say("%s: written (%zu of %zu)", s->outputs.items[i], i + 1, s->inputs.count);
    }
    return s->failures && s->done ? EXIT_SOME_FAILED : last;
}

static int synthesize(synthesis *s, const command_line *line)
{
    int code = find_inputs(s, line->inputs, line->input_count);
    if (code == EXIT_OK)
        code = common_context(&s->common, &s->context);
    if (code == EXIT_OK)
        code = open_session(s);
    if (code == EXIT_OK)
        code = name_outputs(s, line);
    if (code == EXIT_OK && s->sidecars)
        code = open_sidecar(s);
    if (code == EXIT_OK)
        code = journal_open(&s->log, s->common.log, false);
    if (code == EXIT_OK)
        log_computer(&s->log, s->context, &s->common);
    return code == EXIT_OK ? synthesize_files(s) : code;
}

int command_synthesize(int argc, char **argv)
{
    synthesis s = {.batch = 1, .sidecars = SIDECAR_AUTO, .common.weights = SLMT_WEIGHTS_STORED};
    const option_group groups[] = {
        {"Files and run:", synthesis_fields, &s}, {"", nan_fields, &s.common},
        {"", weights_fields, &s.common},          {"", arithmetic_fields, &s.common},
        {"Common:", common_fields, &s.common},    {"", log_fields, &s.common},
        {"", report_fields, &s.report},           {0}};
    command_line line = {.doc = doc,
                         .arguments = "INPUT...",
                         .argument_flags = FIELD_INPUT,
                         .least_arguments = 1,
                         .most_arguments = MOST_INPUTS,
                         .groups = groups};
    options_parse(&line, argc, argv);
    int code = s.resample && s.any_spacing
                   ? fail_with(EXIT_USAGE, "--resample and --any-spacing exclude each other")
                   : synthesize(&s, &line);
    int report_code = report_close(&s.report, s.profile);
    int log_code = journal_close(&s.log);
    sidecar_close(&s.sidecar);
    slmt_session_free(s.session);
    slmt_context_free(s.context);
    path_list_free(&s.inputs);
    path_list_free(&s.outputs);
    options_free(&line);
    return code ? code : report_code ? report_code : log_code;
}
