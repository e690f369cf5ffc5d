/* SPDX-License-Identifier: Apache-2.0 */
/* slmt info: what a checkpoint or a training set holds. Which of the two a file is, is found by opening it.
 */
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slmt/slmt.h"

#include "common.h"
#include "console.h"
#include "geometry.h"
#include "must.h"
#include "numbers.h"
#include "options.h"
#include "pairs.h"
#include "scored_set.h"
#include "sequences.h"
#include "settings.h"
#include "shown.h"
#include "table.h"

typedef struct info_options {
    bool all;
} info_options;

static const field info_fields[] = {{"all", NULL,
                                     "also list each tensor of a checkpoint, each subject of a training set",
                                     FIELD_FLAG, .offset = offsetof(info_options, all)},
                                    {0}};

static const char doc[] = "Show what a checkpoint or a training set holds.";

static void print_row(const char *name, const char *value)
{
    printf("  %-20s", shown(name));
    for (const char *c = shown_lines(value); *c; c++) {
        putchar(*c);
        if (*c == '\n')
            printf("  %-20s", "");
    }
    putchar('\n');
}

static void print_fields(const field *fields, const void *target)
{
    for (const field *f = fields; f->name; f++) {
        char value[128];
        field_format(f, target, value, sizeof value);
        print_row(f->name, value);
    }
}

/* Which file it is, and which library reads it. */
static void print_identity(const char *path)
{
    char digest[SLMT_DIGEST_SIZE];
    slmt_build_info build = {.struct_size = sizeof build};
    if (slmt_file_digest(path, digest, sizeof digest) == SLMT_OK)
        print_row("SHA-256", digest);
    if (slmt_build_describe(&build) == SLMT_OK)
        printf("  %-20sslmt %s, commit %s, numerics %" PRId32 "\n", "read by", build.version,
               *build.commit ? build.commit : "unknown", build.numerics);
}

/* ---- checkpoints ---- */

static void print_numbers(number_owner owner, number_reader *read, const void *from)
{
    slmt_number_info info;
    for (size_t i = 0; number_at(owner, i, &info); i++) {
        char *text = number_text(&info, read, from);
        print_row(info.name, text);
        free(text);
    }
}

static bool model_number(const void *model, const char *name, double *value, const char **text)
{
    return value ? slmt_model_option(model, name, value) == SLMT_OK
                 : (*text = slmt_model_option_text(model, name)) != NULL;
}

static bool trainer_number(const void *trainer, const char *name, double *value, const char **text)
{
    return value ? slmt_trainer_setting(trainer, name, value) == SLMT_OK
                 : (*text = slmt_trainer_setting_text(trainer, name)) != NULL;
}

static int print_geometry(slmt_status status, const slmt_geometry *geometry)
{
    if (status != SLMT_OK)
        return fail(status, "geometry");
    puts("\ngeometry");
    geometry_rows(geometry, print_row);
    return EXIT_OK;
}

static int print_model_geometry(const slmt_model *model)
{
    slmt_geometry geometry = {.struct_size = sizeof geometry};
    return print_geometry(slmt_model_get_geometry(model, &geometry), &geometry);
}

static int print_options(const slmt_model *model)
{
    slmt_preprocess preprocess;
    slmt_preprocess_init(&preprocess);
    slmt_status status = slmt_model_get_preprocess(model, &preprocess);
    puts("\noptions");
    print_numbers((number_owner){slmt_model_method(model), NULL}, model_number, model);
    if (status != SLMT_OK)
        return fail(status, "options");
    puts("\npreprocessing");
    print_fields(preprocess_fields, &preprocess);
    return print_model_geometry(model);
}

static void print_card(const slmt_model *model)
{
    const char *key;
    puts("\ncard");
    if (slmt_model_contrast_count(model) > 0) {
        char *names = sequence_names(model, ", ");
        print_row("contrasts", names);
        free(names);
    }
    for (size_t i = 0; *(key = slmt_model_card_key(model, i)); i++)
        print_row(key, slmt_model_card(model, key));
}

typedef struct part {
    char *name; /* what its tensors' names begin with, up to a dot */
    uint64_t tensors, parameters;
    uint64_t unused_tensors, unused_parameters;
    uint64_t bytes; /* of those that are used */
    int32_t weights;
} part;

typedef struct part_list {
    part *items;
    size_t count;
} part_list;

/* The networks of SLMT-Net go by letters. */
static const char *part_title(const char *name)
{
    return strcmp(name, "E") == 0 ? "Edge-MAE" : strcmp(name, "G") == 0 ? "generator" : name;
}

/* The part that a tensor belongs to, new if it is the first of it. */
static part *part_of(part_list *parts, const char *tensor)
{
    size_t length = strcspn(tensor, ".");
    for (size_t i = 0; i < parts->count; i++)
        if (strlen(parts->items[i].name) == length && strncmp(parts->items[i].name, tensor, length) == 0)
            return &parts->items[i];
    parts->items = must_grow(parts->items, parts->count + 1, sizeof *parts->items);
    part *p = &parts->items[parts->count++];
    *p = (part){.name = must_format("%.*s", (int)length, tensor)};
    return p;
}

static void free_parts(part_list *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        free(parts->items[i].name);
    free(parts->items);
}

static uint64_t parameter_count(const slmt_tensor_info *info)
{
    uint64_t count = 1;
    for (int32_t i = 0; i < info->rank; i++)
        count *= (uint64_t)info->dim[i];
    return count;
}

static void count_tensor(part *p, const slmt_tensor_info *info)
{
    p->tensors++;
    p->parameters += parameter_count(info);
    p->unused_tensors += !info->used;
    p->unused_parameters += info->used ? 0 : parameter_count(info);
    p->bytes += info->used ? parameter_count(info) * (info->weights ? 2 : sizeof(float)) : 0;
    p->weights = info->weights ? info->weights : p->weights;
}

static bool any_unused(const part_list *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        if (parts->items[i].unused_tensors)
            return true;
    return false;
}

static void print_parts(const part_list *parts)
{
    table t;
    table_begin(&t, 7);
    for (size_t i = 0; i < 7; i++)
        table_cell(&t, "%s",
                   (const char *[]){"weights", "tensors", "parameters", "unused tensors", "unused parameters",
                                    "stored", "bytes"}[i]);
    for (const part *p = parts->items; p < parts->items + parts->count; p++) {
        table_cell(&t, "  %s", part_title(p->name));
        table_cell(&t, "%" PRIu64, p->tensors);
        table_cell(&t, "%" PRIu64, p->parameters);
        table_cell(&t, "%" PRIu64, p->unused_tensors);
        table_cell(&t, "%" PRIu64, p->unused_parameters);
        table_cell(&t, "%s", weights_name(p->weights));
        table_cell(&t, "%" PRIu64, p->bytes);
    }
    putchar('\n');
    table_print(&t);
    if (any_unused(parts))
        puts("  (Unused are tensors that the reference implementation stores and nothing reads; bytes are "
             "those of the others.)");
}

static void print_tensor(const slmt_tensor_info *info)
{
    printf("  %s [", shown(info->name));
    for (int32_t i = 0; i < info->rank; i++)
        printf("%s%" PRId64, i ? "," : "", info->dim[i]);
    printf("]%s%s%s\n", info->used ? "" : " unused", info->weights ? " " : "",
           info->weights ? weights_name(info->weights) : "");
}

static int print_tensors(const slmt_model *model, bool all)
{
    part_list parts = {0};
    int code = EXIT_OK;
    if (all)
        puts("\ntensors");
    for (size_t i = 0; i < slmt_model_tensor_count(model) && code == EXIT_OK; i++) {
        slmt_tensor_info info = {.struct_size = sizeof info};
        slmt_status status = slmt_model_tensor_info(model, i, &info);
        if (status != SLMT_OK) {
            code = fail(status, "tensor %zu", i);
            break;
        }
        count_tensor(part_of(&parts, info.name), &info);
        if (all)
            print_tensor(&info);
    }
    if (code == EXIT_OK)
        print_parts(&parts);
    free_parts(&parts);
    return code;
}

static int print_training(const slmt_model *model, const slmt_trainer *trainer)
{
    slmt_training_state state = {.struct_size = sizeof state};
    number_owner owner = {slmt_model_method(model), slmt_trainer_task(trainer)};
    slmt_status status = slmt_trainer_get_state(trainer, &state);
    puts("\ntraining state");
    print_row("task", owner.task);
    printf("  %-20s%" PRIu64, "steps done", state.step);
    if (state.total_steps)
        printf(" of %" PRIu64 ", %" PRIu64 " an epoch", state.total_steps, state.steps_in_epoch);
    putchar('\n');
    print_numbers(owner, trainer_number, trainer);
    printf("  %-20s%" PRIu64 "\n", "seed", state.seed);
    return status == SLMT_OK ? EXIT_OK : fail(status, "training state");
}

/* `trainer` is NULL where the file holds none. */
static int print_checkpoint(const char *path, const slmt_model *model, const slmt_trainer *trainer, bool all)
{
    printf("%s: checkpoint of %s\n", shown(path), slmt_model_method(model));
    print_identity(path);
    int code = print_options(model);
    if (code != EXIT_OK)
        return code;
    print_card(model);
    code = print_tensors(model, all);
    return code == EXIT_OK && trainer ? print_training(model, trainer) : code;
}

/* ---- training sets ---- */

static const char *kind_name(int32_t kind)
{
    static const char *const names[] = {"", "image", "labels", "boxes", "vector", "ids", "classes"};
    return kind >= 0 && (size_t)kind < sizeof names / sizeof *names ? names[kind] : "?";
}

static const char *type_name(int32_t type)
{
    static const char *const names[] = {"", "float32", "int32", "float16", "uint8"};
    return type >= 0 && (size_t)type < sizeof names / sizeof *names ? names[type] : "?";
}

typedef struct set_field {
    slmt_field info;
    size_t records[4]; /* by SLMT_SPLIT_... */
    int64_t rows[4];
} set_field;

static set_field count_field(const slmt_dataset *set, size_t index)
{
    set_field f = {.info = {.struct_size = sizeof f.info}};
    slmt_dataset_field(set, index, &f.info);
    for (size_t i = 0; i < slmt_dataset_record_count(set); i++) {
        slmt_record record = {.struct_size = sizeof record};
        int64_t shape[6];
        slmt_dataset_record(set, i, &record);
        if (slmt_dataset_shape(set, i, index, shape) != SLMT_OK)
            continue;
        f.records[record.split]++;
        f.rows[record.split] += shape[0];
    }
    return f;
}

/* "slice,200,200": an extent that differs between records goes by the name of its axis. */
static void put_shape(table *t, const slmt_field *f)
{
    char text[512];
    size_t at = 0;
    const char *axis = f->axes;
    for (int32_t i = 0; i < f->rank; i++) {
        int length = (int)strcspn(axis, ",");
        at +=
            (size_t)(f->dim[i] ? snprintf(text + at, sizeof text - at, "%s%" PRId64, i ? "," : "", f->dim[i])
                               : snprintf(text + at, sizeof text - at, "%s%.*s", i ? "," : "", length, axis));
        axis += length + (axis[length] == ',');
    }
    table_cell(t, "[%s]", text);
}

/* The validation part comes last, and only where there is one. */
static const int32_t shown_splits[] = {SLMT_SPLIT_TRAIN, SLMT_SPLIT_TEST, SLMT_SPLIT_VALIDATION};

static void print_field(table *t, const set_field *f)
{
    table_cell(t, "  %s", f->info.name);
    table_cell(t, "%s", kind_name(f->info.kind));
    table_cell(t, "%s", type_name(f->info.type));
    put_shape(t, &f->info);
    for (size_t i = 0; i < t->columns / 2 - 2; i++) {
        table_cell(t, "%zu", f->records[shown_splits[i]]);
        table_cell(t, "%" PRId64, f->rows[shown_splits[i]]);
    }
}

static bool has_validation(const slmt_dataset *set)
{
    for (size_t i = 0; i < slmt_dataset_record_count(set); i++)
        if (slmt_dataset_subject_split(set, i) == SLMT_SPLIT_VALIDATION)
            return true;
    return false;
}

/* Of MR volumes a record is a subject, and a row a slice. */
static void print_set_fields(const slmt_dataset *set, bool mr)
{
    table t;
    size_t splits = has_validation(set) ? 3 : 2;
    table_begin(&t, 4 + 2 * splits);
    for (size_t i = 0; i < 4; i++)
        table_cell(&t, "%s", (const char *[]){"fields", "kind", "type", "shape"}[i]);
    for (size_t i = 0; i < splits; i++) {
        table_cell(&t, "%s %s", split_name(shown_splits[i]), mr ? "subjects" : "records");
        table_cell(&t, "%s %s", split_name(shown_splits[i]), mr ? "slices" : "rows");
    }
    for (size_t i = 0; i < slmt_dataset_field_count(set); i++) {
        set_field f = count_field(set, i);
        print_field(&t, &f);
    }
    putchar('\n');
    table_print(&t);
}

/* How many subjects and slices have each two contrasts. */
static void print_pairs(const slmt_dataset *set)
{
    table t;
    size_t contrasts = slmt_dataset_contrast_count(set);
    static const int32_t order[] = {SLMT_SPLIT_TRAIN, SLMT_SPLIT_TEST, SLMT_SPLIT_VALIDATION};
    size_t splits = has_validation(set) ? 3 : 2;
    table_begin(&t, 1 + 2 * splits);
    for (size_t i = 0; i < 1 + 2 * splits; i++)
        table_cell(&t, "%s",
                   (const char *[]){"pairs", "train subjects", "train slices", "test subjects", "test slices",
                                    "validation subjects", "validation slices"}[i]);
    for (size_t i = 0; i < contrasts; i++)
        for (size_t k = i + 1; k < contrasts; k++) {
            table_cell(&t, "  %s and %s", slmt_dataset_contrast(set, i), slmt_dataset_contrast(set, k));
            for (size_t s = 0; s < splits; s++) {
                pair_total count = pairs_count(set, i, k, order[s]);
                table_cell(&t, "%zu", count.subjects);
                table_cell(&t, "%zu", count.slices);
            }
        }
    putchar('\n');
    table_print(&t);
}

static void print_classes(const slmt_dataset *set)
{
    bool any = false;
    for (size_t i = 0; i < slmt_dataset_field_count(set); i++) {
        slmt_field f = {.struct_size = sizeof f};
        if (slmt_dataset_field(set, i, &f) != SLMT_OK || !*f.classes)
            continue;
        if (!any)
            puts("\nclasses");
        any = true;
        print_row(f.name, f.classes);
    }
}

static void print_records(const slmt_dataset *set, bool mr)
{
    puts(mr ? "\nsubjects" : "\nrecords");
    for (size_t i = 0; i < slmt_dataset_record_count(set); i++) {
        slmt_record record = {.struct_size = sizeof record};
        slmt_dataset_record(set, i, &record);
        printf("  %s %s", shown(record.id), split_name(record.split));
        if (strcmp(record.group, record.id) != 0)
            printf(" of %s:", shown(record.group));
        for (size_t c = 0; c < slmt_dataset_field_count(set); c++) {
            slmt_field f = {.struct_size = sizeof f};
            int64_t shape[6];
            if (slmt_dataset_field(set, c, &f) == SLMT_OK && slmt_dataset_shape(set, i, c, shape) == SLMT_OK)
                printf(" %s", shown(f.name));
        }
        putchar('\n');
    }
}

static int print_preprocess(const char *path, const slmt_dataset *set)
{
    slmt_preprocess preprocess;
    slmt_preprocess_init(&preprocess);
    slmt_status status = slmt_dataset_get_preprocess(set, &preprocess);
    if (status != SLMT_OK)
        return fail(status, "%s", path);
    puts("\npreprocessing");
    print_fields(preprocess_fields, &preprocess);
    slmt_geometry geometry = {.struct_size = sizeof geometry};
    return print_geometry(slmt_dataset_geometry(set, SLMT_SPLIT_ALL, &geometry), &geometry);
}

static int print_set(const char *path, const slmt_dataset *set, bool all)
{
    bool mr = strcmp(slmt_dataset_source(set), "mr") == 0;
    printf("%s: training set of %zu %s\n", shown(path), slmt_dataset_record_count(set),
           mr ? "subjects" : "records");
    if (all) /* sets are large */
        print_identity(path);
    int code = mr ? print_preprocess(path, set) : EXIT_OK;
    if (code != EXIT_OK)
        return code;
    print_set_fields(set, mr);
    if (slmt_dataset_contrast_count(set) > 1)
        print_pairs(set);
    print_classes(set);
    if (all)
        print_records(set, mr);
    return EXIT_OK;
}

/* ---- which of them ---- */

static int show_trainer(slmt_context *context, const char *path, bool all, slmt_status *status)
{
    slmt_trainer *trainer = NULL;
    *status = slmt_trainer_load(context, path, &trainer);
    int code = EXIT_OK;
    if (*status == SLMT_OK)
        code = print_checkpoint(path, slmt_trainer_model(trainer), trainer, all);
    slmt_trainer_free(trainer);
    return code;
}

static int show_model(slmt_context *context, const char *path, bool all)
{
    slmt_model *model = NULL;
    slmt_status status = slmt_model_load(context, path, &model);
    if (status != SLMT_OK)
        return fail(status, "%s", path);
    int code = print_checkpoint(path, model, NULL, all);
    slmt_model_free(model);
    return code;
}

/* What the library says more of a file that is no training set: that it is HDF5 of another program. */
static const char *what_else(void)
{
    static const char said[] = "not a libslmt training set";
    const char *at = strstr(slmt_error_text(), said);
    return at ? at + sizeof said - 1 : "";
}

static int show_set(slmt_context *context, const char *path, bool all)
{
    slmt_dataset *set = NULL;
    slmt_status status = slmt_dataset_open(context, path, &set);
    if (status == SLMT_ERR_FORMAT)
        return fail_with(EXIT_DATA, "%s: is neither a checkpoint nor a training set%s", path, what_else());
    if (status != SLMT_OK)
        return fail(status, "%s", path);
    int code = print_set(path, set, all);
    slmt_dataset_free(set);
    return code;
}

static int show(slmt_context *context, const char *path, bool all)
{
    slmt_status status;
    int code = show_trainer(context, path, all, &status);
    switch (status) {
    case SLMT_OK:
        return code;
    case SLMT_ERR_STATE: /* a model without training state */
        return show_model(context, path, all);
    case SLMT_ERR_MEMORY:
    case SLMT_ERR_LIMIT: /* a trainer is large, its model may still fit */
        complain("%s: training state not shown: %s", path, slmt_error_text());
        return show_model(context, path, all);
    case SLMT_ERR_FORMAT:
        return show_set(context, path, all);
    default:
        return fail(status, "%s", path);
    }
}

int command_info(int argc, char **argv)
{
    info_options options = {0};
    common shared = {.weights = SLMT_WEIGHTS_STORED};
    const option_group groups[] = {
        {"What to show:", info_fields, &options}, {"Common:", common_fields, &shared}, {0}};
    command_line line = {.doc = doc,
                         .arguments = "FILE",
                         .argument_flags = FIELD_INPUT,
                         .least_arguments = 1,
                         .most_arguments = 1,
                         .groups = groups};
    options_parse(&line, argc, argv);
    slmt_context *context = NULL;
    int code = common_context(&shared, &context);
    if (code == EXIT_OK)
        code = show(context, line.inputs[0], options.all);
    slmt_context_free(context);
    options_free(&line);
    return code;
}
