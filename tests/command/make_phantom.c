/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes for tests/command/test_tool.sh, made and looked at with the public API only.
 *   make_phantom make DIR N [3]  writes DIR/t1/sNN.nii.gz and DIR/t2/sNN.nii.gz for N subjects; 3: and
 *                                DIR/flair/sNN.nii.gz
 *   make_phantom labels DIR N    writes DIR/sNN.nii.gz: the number of the tissue, from 1 on; 0 outside
 *   make_phantom finer IN OUT    writes IN with voxels of half the size along i and j
 *   make_phantom raise IN OUT N  writes IN with N empty slices below
 *   make_phantom air IN OUT X    writes IN with X where it is 0; X may be nan
 *   make_phantom cut FILE SLICE  makes the slices of FILE from SLICE on 0
 *   make_phantom invert FILE     makes what is 0 in FILE 1, and the rest 0
 *   make_phantom corner FILE     prints the largest value in the 8 x 8 corners of its slices
 *   make_phantom show FILE       prints "NX NY NZ minimum maximum first-filled-slice last-filled-slice"
 *   make_phantom psnr FILE       prints the mean PSNR of the filled slices, were the file a map of 2 |error|
 *   make_phantom box FILE V X Y Z WX WY WZ  gives a box of FILE the value V; FILE begins as 16 x 12 x 6 zeros
 *                                of 1 x 1 x 2 mm
 *   make_phantom vgg19 FILE      writes a narrow VGG19 whose weights nobody trained
 *   make_phantom picture FILE    prints "WIDTH HEIGHT darkest brightest" of a PNG file, in grey */
#include <slmt/slmt.h>

#include <png.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 64, SLICES = 20, VOXELS = SIDE * SIDE * SLICES, TISSUES = 4, CONTRASTS = 3 };

/* Nested ellipsoids: skull, brain, ventricle, lesion. Bright in one contrast, dark in another. */
typedef struct tissue {
    double x, y, z;    /* centre, in voxels from the middle */
    double rx, ry, rz; /* half axes */
    float intensity[CONTRASTS];
} tissue;

static const char *const contrasts[CONTRASTS] = {"t1", "t2", "flair"};

static const tissue tissues[TISSUES] = {{0, 0, 0, 27, 30, 13, {300, 250, 350}},
                                        {0, 1, 0, 23, 26, 11, {700, 420, 500}},
                                        {0, -2, 0, 7, 10, 6, {200, 900, 150}},
                                        {10, 8, 1, 5, 4, 4, {450, 750, 950}}};

/* Numerical Recipes' quick generator: noise that is the same everywhere. */
static float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 16777216.0f - 0.5f;
}

static int inside(const tissue *t, double scale, double shift, double x, double y, double z)
{
    double dx = (x - t->x - shift) / (t->rx * scale);
    double dy = (y - t->y) / (t->ry * scale);
    double dz = (z - t->z) / t->rz;
    return dx * dx + dy * dy + dz * dz <= 1;
}

/* The number of the tissue at a voxel, from 1 on; 0: outside. */
static int tissue_at(int voxel, int subject)
{
    double scale = 0.9 + 0.04 * (subject % 4);
    double shift = subject % 3 - 1;
    double x = voxel % SIDE - (SIDE - 1) / 2.0;
    double y = (double)(voxel / SIDE % SIDE) - (SIDE - 1) / 2.0;
    double z = (double)(voxel / (SIDE * SIDE)) - (SLICES - 1) / 2.0;
    int found = 0;
    for (int t = 0; t < TISSUES; t++)
        if (inside(&tissues[t], scale, shift, x, y, z))
            found = t + 1;
    return found;
}

/* contrast CONTRASTS: the tissues' numbers. */
static void fill(float *voxels, int subject, int contrast)
{
    uint32_t state = (uint32_t)(contrast < 2 ? 2 * subject + contrast + 1 : 1000 + subject);
    for (int i = 0; i < VOXELS; i++) {
        int tissue = tissue_at(i, subject);
        voxels[i] = contrast == CONTRASTS ? (float)tissue
                    : tissue              ? tissues[tissue - 1].intensity[contrast]
                                          : 0;
        if (voxels[i] > 0 && contrast < CONTRASTS)
            voxels[i] += 30 * noise(&state);
    }
}

static slmt_status write_subject(slmt_context *context, const char *folder, int subject, int contrast,
                                 float *voxels)
{
    const int64_t dims[3] = {SIDE, SIDE, SLICES};
    char path[4096];
    slmt_volume *volume = NULL;
    fill(voxels, subject, contrast);
    snprintf(path, sizeof path, "%s/%s/s%02d.nii.gz", folder,
             contrast < CONTRASTS ? contrasts[contrast] : ".", subject);
    slmt_status status = slmt_volume_create(context, dims, NULL, voxels, &volume);
    if (status == SLMT_OK)
        status = slmt_volume_write(volume, path);
    slmt_volume_free(volume);
    return status;
}

static slmt_status make(slmt_context *context, const char *folder, int subjects, int count)
{
    static float voxels[VOXELS];
    slmt_status status = SLMT_OK;
    for (int i = 0; i < count * subjects && status == SLMT_OK; i++)
        status = write_subject(context, folder, i / count, i % count, voxels);
    return status;
}

static slmt_status make_labels(slmt_context *context, const char *folder, int subjects)
{
    static float voxels[VOXELS];
    slmt_status status = SLMT_OK;
    for (int i = 0; i < subjects && status == SLMT_OK; i++)
        status = write_subject(context, folder, i, CONTRASTS, voxels);
    return status;
}

static void print_volume(const slmt_volume *volume)
{
    int64_t dims[3];
    slmt_volume_dims(volume, dims);
    const float *voxels = slmt_volume_voxels(volume);
    int64_t plane = dims[0] * dims[1];
    int64_t first = -1, last = -1;
    float low = voxels[0], high = voxels[0];
    for (int64_t i = 0; i < plane * dims[2]; i++) {
        low = fminf(low, voxels[i]);
        high = fmaxf(high, voxels[i]);
        if (voxels[i] > 0) {
            first = first < 0 ? i / plane : first;
            last = i / plane;
        }
    }
    printf("%" PRId64 " %" PRId64 " %" PRId64 " %g %g %" PRId64 " %" PRId64 "\n", dims[0], dims[1], dims[2],
           low, high, first, last);
}

static void print_psnr(const slmt_volume *volume)
{
    int64_t dims[3];
    slmt_volume_dims(volume, dims);
    const float *voxels = slmt_volume_voxels(volume);
    int64_t plane = dims[0] * dims[1];
    double sum = 0;
    int slices = 0;
    for (int64_t z = 0; z < dims[2]; z++) {
        double square = 0;
        for (int64_t i = z * plane; i < (z + 1) * plane; i++)
            square += 0.25 * voxels[i] * voxels[i];
        sum += square > 0 ? -10 * log10(square / (double)plane) : 0;
        slices += square > 0;
    }
    printf("%.6f\n", sum / slices);
}

static void print_corner(const slmt_volume *volume)
{
    const float *voxels = slmt_volume_voxels(volume);
    float most = 0;
    for (int i = 0; i < VOXELS; i++)
        if (i % SIDE < 8 && i / SIDE % SIDE < 8)
            most = fmaxf(most, voxels[i]);
    printf("%g\n", most);
}

/* Changes the voxels of a file in place. */
static slmt_status edit_file(slmt_context *context, const char *path, void (*edit)(float *voxels, int number),
                             int number)
{
    static float voxels[VOXELS];
    int64_t dims[3];
    double affine[16];
    slmt_volume *volume = NULL, *changed = NULL;
    slmt_status status = slmt_volume_read(context, path, &volume);
    if (status != SLMT_OK)
        return status;
    slmt_volume_dims(volume, dims);
    slmt_volume_affine(volume, affine);
    memcpy(voxels, slmt_volume_voxels(volume), sizeof voxels);
    edit(voxels, number);
    status = slmt_volume_create(context, dims, affine, voxels, &changed);
    if (status == SLMT_OK)
        status = slmt_volume_write(changed, path);
    slmt_volume_free(changed);
    slmt_volume_free(volume);
    return status;
}

static void cut(float *voxels, int slice)
{
    for (int i = slice * SIDE * SIDE; i < VOXELS; i++)
        voxels[i] = 0;
}

static void invert(float *voxels, int number)
{
    (void)number;
    for (int i = 0; i < VOXELS; i++)
        voxels[i] = voxels[i] == 0;
}

/* ---- scans as people have them ---- */

/* Writes voxels with NaN too, which no volume holds: float32 behind the volume's own header. */
static slmt_status write_raw(const slmt_volume *grid, const float *voxels, size_t count, const char *path)
{
    unsigned char header[352] = {0};
    slmt_status status = slmt_volume_nifti_header(grid, header);
    FILE *f = status == SLMT_OK ? fopen(path, "wb") : NULL;
    if (!f)
        return status == SLMT_OK ? SLMT_ERR_IO : status;
    int whole = fwrite(header, 1, sizeof header, f) == sizeof header &&
                fwrite(voxels, sizeof *voxels, count, f) == count;
    return fclose(f) == 0 && whole ? SLMT_OK : SLMT_ERR_IO;
}

static slmt_status change_grid(slmt_context *context, char *const *argv, double amount)
{
    int64_t dims[3], old[3];
    double affine[16];
    int finer = strcmp(argv[1], "finer") == 0, raised = strcmp(argv[1], "raise") == 0;
    slmt_volume *in = NULL, *out = NULL;
    slmt_status status = slmt_volume_read(context, argv[2], &in);
    if (status != SLMT_OK)
        return status;
    slmt_volume_dims(in, old);
    slmt_volume_affine(in, affine);
    int64_t step = finer ? 2 : 1, below = raised ? (int64_t)amount : 0;
    for (int a = 0; a < 3; a++)
        dims[a] = a < 2 ? old[a] * step : old[a] + below;
    affine[0] /= (double)step;
    affine[5] /= (double)step;
    size_t count = (size_t)(dims[0] * dims[1] * dims[2]);
    float *voxels = calloc(count, sizeof *voxels);
    const float *from = slmt_volume_voxels(in);
    for (int64_t k = below; k < dims[2]; k++)
        for (int64_t j = 0; j < dims[1]; j++)
            for (int64_t i = 0; i < dims[0]; i++)
                voxels[i + dims[0] * (j + dims[1] * k)] =
                    from[i / step + old[0] * (j / step + old[1] * (k - below))];
    status = slmt_volume_create(context, dims, affine, voxels, &out);
    for (size_t i = 0; i < count; i++)
        if (voxels[i] == 0 && !finer && !raised)
            voxels[i] = (float)amount;
    if (status == SLMT_OK)
        status = write_raw(out, voxels, count, argv[3]);
    free(voxels);
    slmt_volume_free(in);
    slmt_volume_free(out);
    return status;
}

static slmt_status read_and(slmt_context *context, const char *path, void (*print)(const slmt_volume *))
{
    slmt_volume *volume = NULL;
    slmt_status status = slmt_volume_read(context, path, &volume);
    if (status == SLMT_OK)
        print(volume);
    slmt_volume_free(volume);
    return status;
}

static int show_picture(const char *path)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_file(&image, path)) {
        fprintf(stderr, "make_phantom: %s: %s\n", path, image.message);
        return 1;
    }
    image.format = PNG_FORMAT_GRAY;
    size_t size = PNG_IMAGE_SIZE(image);
    unsigned char *pixels = malloc(size), low = 255, high = 0;
    if (!pixels || !png_image_finish_read(&image, NULL, pixels, 0, NULL)) {
        fprintf(stderr, "make_phantom: %s: %s\n", path, image.message);
        png_image_free(&image);
        free(pixels);
        return 1;
    }
    for (size_t i = 0; i < size; i++) {
        low = pixels[i] < low ? pixels[i] : low;
        high = pixels[i] > high ? pixels[i] : high;
    }
    printf("%u %u %d %d\n", image.width, image.height, low, high);
    free(pixels);
    return 0;
}

/* Writes a narrow VGG19 whose weights nobody trained. */
static slmt_status make_vgg19(slmt_context *context, const char *path)
{
    const slmt_number width = {"width", 1};
    slmt_model *model = NULL;
    slmt_tensor_info info = {.struct_size = sizeof info};
    float values[8 * 8 * 9];
    slmt_status status = slmt_model_create(context, "vgg19", &width, 1, 0, &model);
    for (size_t k = 0; status == SLMT_OK && k < slmt_model_tensor_count(model); k++) {
        status = slmt_model_tensor_info(model, k, &info);
        size_t n = (size_t)info.dim[0] * (size_t)(info.rank == 4 ? info.dim[1] * 9 : 1);
        for (size_t i = 0; i < n; i++)
            values[i] = (float)(0.5 * sin((double)(k + 3 * i)));
        if (status == SLMT_OK)
            status = slmt_model_set_tensor(model, info.name, values, n);
    }
    if (status == SLMT_OK)
        status = slmt_model_save(model, path);
    slmt_model_free(model);
    return status;
}

/* ---- boxes ---- */

enum { BOX_X = 16, BOX_Y = 12, BOX_Z = 6, BOX = BOX_X * BOX_Y * BOX_Z };

static int in_box(int voxel, const int *box)
{
    const int at[] = {voxel % BOX_X, voxel / BOX_X % BOX_Y, voxel / (BOX_X * BOX_Y)};
    int inside = 1;
    for (int a = 0; a < 3; a++)
        inside = inside && at[a] >= box[a] && at[a] < box[a] + box[a + 3];
    return inside;
}

static slmt_status draw_box(slmt_context *context, const char *path, float value, const int *box)
{
    static const int64_t dims[3] = {BOX_X, BOX_Y, BOX_Z};
    static const double affine[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1};
    static float voxels[BOX];
    slmt_volume *volume = NULL;
    if (slmt_volume_read(context, path, &volume) == SLMT_OK)
        memcpy(voxels, slmt_volume_voxels(volume), sizeof voxels);
    slmt_volume_free(volume);
    for (int i = 0; i < BOX; i++)
        if (in_box(i, box))
            voxels[i] = value;
    slmt_status status = slmt_volume_create(context, dims, affine, voxels, &volume);
    if (status == SLMT_OK)
        status = slmt_volume_write(volume, path);
    slmt_volume_free(volume);
    return status;
}

static slmt_status make_box(slmt_context *context, char **argv)
{
    int box[6];
    for (int i = 0; i < 6; i++)
        box[i] = atoi(argv[4 + i]);
    return draw_box(context, argv[2], strtof(argv[3], NULL), box);
}

int main(int argc, char **argv)
{
    slmt_context *context = NULL;
    if (argc == 3 && strcmp(argv[1], "picture") == 0)
        return show_picture(argv[2]);
    slmt_status status = slmt_context_create(NULL, &context);
    if (status == SLMT_OK && (argc == 4 || argc == 5) && strcmp(argv[1], "make") == 0)
        status = make(context, argv[2], atoi(argv[3]), argc == 5 && strcmp(argv[4], "3") == 0 ? 3 : 2);
    else if (status == SLMT_OK && argc == 4 && strcmp(argv[1], "labels") == 0)
        status = make_labels(context, argv[2], atoi(argv[3]));
    else if (status == SLMT_OK && argc == 4 && strcmp(argv[1], "finer") == 0)
        status = change_grid(context, argv, 0);
    else if (status == SLMT_OK && argc == 5 && (strcmp(argv[1], "raise") == 0 || strcmp(argv[1], "air") == 0))
        status = change_grid(context, argv, strtod(argv[4], NULL));
    else if (status == SLMT_OK && argc == 4 && strcmp(argv[1], "cut") == 0)
        status = edit_file(context, argv[2], cut, atoi(argv[3]));
    else if (status == SLMT_OK && argc == 3 && strcmp(argv[1], "invert") == 0)
        status = edit_file(context, argv[2], invert, 0);
    else if (status == SLMT_OK && argc == 3 && strcmp(argv[1], "show") == 0)
        status = read_and(context, argv[2], print_volume);
    else if (status == SLMT_OK && argc == 3 && strcmp(argv[1], "corner") == 0)
        status = read_and(context, argv[2], print_corner);
    else if (status == SLMT_OK && argc == 3 && strcmp(argv[1], "psnr") == 0)
        status = read_and(context, argv[2], print_psnr);
    else if (status == SLMT_OK && argc == 10 && strcmp(argv[1], "box") == 0)
        status = make_box(context, argv);
    else if (status == SLMT_OK && argc == 3 && strcmp(argv[1], "vgg19") == 0)
        status = make_vgg19(context, argv[2]);
    else if (status == SLMT_OK)
        status = SLMT_ERR_ARGUMENT;
    if (status != SLMT_OK)
        fprintf(stderr, "make_phantom: %s: %s\n", slmt_status_name(status), slmt_error_text());
    slmt_context_free(context);
    return status == SLMT_OK ? 0 : 1;
}
