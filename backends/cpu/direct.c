/* SPDX-License-Identifier: Apache-2.0 */
/* direct.c - direct convolution and the gradient of its input: a row of the target is a product whose rows,
 * the windows of neighbouring pixels, overlap in the source, so that nothing is gathered.
 *
 * The weights of NR channels of the target are packed to a panel [chunk of channels][taps][channels][NR]. A
 * tile is at most ROWS pixels beside each other. The micro-kernel keeps its sums in registers and adds the
 * taps run by run: a run is a contiguous piece of the source, one tap's channels or, if they lie beside each
 * other, those of all taps of a line. Lines outside the image are left out. Tiles whose windows reach over
 * the ends of a line read a strip, a copy of the source around them with zeros outside. In bfloat16 all tiles
 * do, and the copy is rounded to words of two channels (words.h); what is said here of channels of the source
 * then holds of words.
 *
 * Few channels of the target have kernels of their own: with one vector of them, three taps beside each other
 * share each value of the source (a trio); with up to DOTS channels, vectors run along the channels of the
 * source.
 *
 * A task is a block of lines and tiles, small enough for its source to stay in the second-level cache while
 * all panels pass by. An element's sum has an order of its own: neither threads nor tasks change a result. */
#include "backends/cpu/direct.h"

#include "backends/cpu/direct_tile.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/prefetch.h"
#include "backends/cpu/team.h"

enum {
    DEPTH = 1152,             /* words of a sum that are added at a time */
    LEAST_CHUNK = 16,         /* words of a pixel */
    SOURCE_WORDS = 96 * 1024, /* of a chunk that a task reads */
    LINE = 16                 /* floats of a cache line */
};

/* ---- what a phase is cut into ---- */

typedef struct pass {
    const cpu_direct *d;
    conv_phase f;
    const float *packed; /* the phase's weights */
    int64_t source[SPACE], target[SPACE];
    int64_t width;  /* pixels of a line */
    int64_t lines;  /* of a plane */
    int64_t planes; /* of all samples */
    int64_t taps;
    int64_t tiles;                   /* of a line */
    int64_t block, blocks;           /* tiles of a task; such blocks of a line */
    int64_t high, stacks;            /* lines of a task; such stacks of a plane */
    int64_t splits;                  /* tasks that share the panels of a block */
    int64_t span, span_lines, strip; /* pixels of a strip's line; lines of one plane; words */
    int64_t edges;                   /* most strips of a task */
} pass;

static int64_t panels_of(const cpu_direct *d)
{
    return work_pieces(d->to, NR);
}

/* With so few channels of the target, vectors run along the channels of the source instead. */
static int is_dot(const cpu_direct *d)
{
    return WORD == 1 && d->to <= DOTS && d->from % VL == 0;
}

/* Channels of a panel: of the last, one vector may suffice. */
static int64_t panel_width(const cpu_direct *d, int64_t panel)
{
    if (is_dot(d))
        return d->to;
    return d->to - panel * NR <= VL ? VL : NR;
}

/* Most pixels of a tile. */
static int64_t tile_rows(const cpu_direct *d)
{
    if (is_dot(d))
        return d->to == 1 ? VL : DOT_ROWS;
    return d->to <= VL ? ROWS : MR;
}

static int64_t tile_at(const pass *p, int64_t tile)
{
    return p->width * tile / p->tiles;
}

/* The tile reads a strip: its windows reach over an end of the line, or the source must be rounded. */
static int is_edge(const pass *p, int64_t tile)
{
    if (WORD > 1)
        return 1;
    const conv_phase *f = &p->f;
    int64_t first = tile_at(p, tile), last = tile_at(p, tile + 1) - 1;
    return first * f->move[LAST] + f->origin[LAST] < 0 ||
           last * f->move[LAST] + f->origin[LAST] + (f->taps[LAST] - 1) * f->gap[LAST] >= p->source[LAST];
}

static int64_t most_edges(const pass *p)
{
    int64_t most = 0;
    if (!is_edge(p, 0) && !is_edge(p, p->tiles - 1)) /* then no tile between them is one */
        return 0;
    for (int64_t b = 0; b < p->blocks; b++) {
        int64_t n = 0;
        for (int64_t t = b * p->block; t < work_min(p->tiles, (b + 1) * p->block); t++)
            n += is_edge(p, t);
        most = work_max(most, n);
    }
    return most;
}

/* Pixels of the source that n neighbours on an axis read. */
static int64_t reach(const conv_phase *f, int axis, int64_t n)
{
    return (n - 1) * f->move[axis] + (f->taps[axis] - 1) * f->gap[axis] + 1;
}

static int is_pointwise(const pass *p)
{
    const conv_phase *f = &p->f;
    int same = 1;
    for (int i = 0; i < SPACE; i++)
        same = same && f->taps[i] == 1 && f->move[i] == 1 && f->origin[i] == 0 && f->step[i] == 1 &&
               p->source[i] == p->target[i];
    return same;
}

/* If nothing but the pixel itself is read, all pixels are one line. */
static void flatten(pass *p)
{
    int64_t pixels = p->d->c.batch * conv_count(p->target);
    for (int i = 0; i < SPACE; i++)
        p->source[i] = p->target[i] = p->f.size[i] = i == LAST ? pixels : 1;
    p->planes = 1;
}

/* Words of a chunk that a tile reads of one line of each plane. */
static int64_t tile_words(const pass *p)
{
    return p->f.taps[0] * reach(&p->f, LAST, work_pieces(p->width, p->tiles)) * p->d->chunk;
}

/* Lines and tiles of a task: about TILES tiles, and no more of the source than stays in the cache; more tasks
 * where threads would have none. */
static void cut_tasks(pass *p)
{
    enum { TILES = 96, BESIDE = 12, EACH = 4 };
    const cpu_direct *d = p->d;
    int64_t wanted = d->threads > 1 ? (int64_t)EACH * d->threads : 1;
    int64_t most = p->lines == 1 ? TILES : BESIDE;
    if (WORD > 1)
        most = work_min(most, work_max(1, SOURCE_WORDS / work_max(1, reach(&p->f, 1, 1) * tile_words(p))));
    while (p->lines == 1 && most > 1 && p->planes * work_pieces(p->tiles, most) < wanted)
        most--;
    p->blocks = work_pieces(p->tiles, most);
    p->block = work_pieces(p->tiles, p->blocks);
    int64_t words = reach(&p->f, LAST, work_pieces(p->width, p->tiles) * p->block) * p->f.taps[0] * d->chunk;
    if (WORD > 1) /* each tile has a strip of its own */
        words = p->block * tile_words(p);
    int64_t high = work_max(1, work_min(p->lines, TILES / p->block));
    while (high > 1 && (reach(&p->f, 1, high) * words > SOURCE_WORDS ||
                        p->planes * p->blocks * work_pieces(p->lines, high) < wanted))
        high--;
    p->stacks = work_pieces(p->lines, high);
    p->high = work_pieces(p->lines, p->stacks);
    p->splits = work_max(1, work_min(panels_of(d), wanted / (p->planes * p->blocks * p->stacks)));
}

static pass pass_of(const cpu_direct *d, int64_t phase, const float *packed)
{
    pass p = {.d = d, .f = d->back ? conv_backward(&d->c, phase) : conv_forward(&d->c), .packed = packed};
    memcpy(p.source, d->source, sizeof p.source);
    memcpy(p.target, d->target, sizeof p.target);
    p.planes = d->c.batch * p.f.size[0];
    if (is_pointwise(&p))
        flatten(&p);
    p.lines = p.f.size[1];
    p.width = p.f.size[LAST];
    p.taps = conv_count(p.f.taps);
    p.tiles = work_pieces(p.width, tile_rows(d));
    cut_tasks(&p);
    p.edges = p.taps > 0 ? most_edges(&p) : 0;
    if (p.edges > 0) {
        p.span = reach(&p.f, LAST, work_pieces(p.width, p.tiles));
        p.span_lines = reach(&p.f, 1, p.high);
        p.strip = p.f.taps[0] * p.span_lines * p.span * d->chunk;
    }
    return p;
}

static int64_t run_floats(const pass *p)
{
    return work_max(1, p->taps) * (int64_t)(sizeof(run) / sizeof(float));
}

/* Where a tile of a task lies in a line, and the strip that it reads, or NULL. */
typedef struct spot {
    int64_t first, rows;
    const float *strip;
} spot;

static int64_t spot_floats(const pass *p)
{
    return p->block * (int64_t)(sizeof(spot) / sizeof(float));
}

static int64_t room_floats(const pass *p)
{
    return work_pieces(2 * run_floats(p) + spot_floats(p), LINE) * LINE + p->edges * p->strip;
}

/* ---- packing ---- */

/* Stores vectors of one output channel to the next: m[i] is the value of index first + i of [c][taps]. */
INLINE void store_turned(const vf *m, int64_t first, int64_t count, int64_t taps, int64_t chunk,
                         int64_t chunk_at, int64_t width, float *to)
{
    int64_t c = first / taps - chunk_at, tap = first % taps;
    for (int64_t i = 0; i < count; i++) {
        vstore(to + (tap * chunk + c) * width, m[i]);
        if (++tap == taps) {
            tap = 0;
            c++;
        }
    }
}

/* Channels at to at + chunk of the source, of one panel, from weights [to][from][taps]. */
static void pack_forward(const cpu_direct *d, int64_t panel, int64_t at, int64_t chunk, float *to)
{
    int64_t taps = d->c.taps, row = d->from * taps, width = panel_width(d, panel), end = (at + chunk) * taps;
    const float *all = d->w + d->to * row;
    vf m[VL];
    for (int64_t half = 0; half < width; half += VL) {
        int64_t o = panel * NR + half;
        const float *w = d->w + o * row;
        for (int64_t k = at * taps; k < end; k += VL) {
#pragma GCC unroll 16
            for (int64_t i = 0; i < VL; i++)
                m[i] = o + i < d->to ? vload_n(w + i * row + k, all - w - i * row - k) : vset(0.0f);
            vturn(m);
            store_turned(m, k, work_min(VL, end - k), taps, chunk, at, width, to + half);
        }
    }
}

/* The weights of channel o of the target for one of the source: [to][taps], or [C][taps][beside] if the
 * target's channels are those of several pixels beside each other. */
static const float *weights_back(const cpu_direct *d, int64_t from, int64_t o)
{
    int64_t channels = d->to / d->beside, taps = d->c.taps * d->beside;
    return d->w + (from * channels + o % channels) * taps + o / channels;
}

/* The same from weights [from][to][taps], of which each phase has some: tap t belongs to where place[t]
 * points, or NULL if no pixel is read by it. */
static void pack_backward(const cpu_direct *d, int64_t panel, int64_t at, int64_t chunk, float *const *place)
{
    int64_t step = d->beside, last = (d->c.taps - 1) * step, width = panel_width(d, panel);
    const float *end = d->w + d->from * d->to * d->c.taps, *lane[VL];
    vf m[VL];
    for (int64_t half = 0; half < width; half += VL) {
        int64_t o = panel * NR + half, lanes = work_min(VL, d->to - o);
        for (int64_t i = 0; i < lanes; i++)
            lane[i] = weights_back(d, at, o + i);
        for (int64_t k = 0; k < chunk; k++) {
            int64_t row = k * d->to * d->c.taps;
            for (int64_t t = 0; t <= last; t += VL) {
                if (last == 0 && step == 1) {
                    m[0] = vload_n(lane[0] + row, lanes);
                } else {
#pragma GCC unroll 16
                    for (int64_t i = 0; i < VL; i++)
                        m[i] = i < lanes ? vload_n(lane[i] + row + t, end - lane[i] - row - t) : vset(0.0f);
                    vturn(m);
                }
                for (int64_t i = (step - t % step) % step; i < VL && t + i <= last; i += step)
                    if (place[(t + i) / step])
                        vstore(place[(t + i) / step] + k * width + half, m[i]);
            }
        }
    }
}

/* Where the weights of each tap belong that pack_backward() packs. */
static void places_of(const cpu_direct *d, int64_t panel, int64_t at, int64_t chunk, float **place)
{
    float *phase = d->packed;
    int64_t width = panel_width(d, panel), last = panels_of(d) - 1;
    for (int64_t t = 0; t < d->c.taps; t++)
        place[t] = NULL;
    for (int64_t n = 0; n < d->phases; n++) {
        conv_phase f = conv_backward(&d->c, n);
        int64_t taps = conv_count(f.taps);
        float *to = phase + panel * NR * d->words * taps + at * taps * width;
        for (int64_t m = 0; m < taps; m++)
            place[conv_tap(&d->c, &f, m)] = to + m * chunk * width;
        phase += (last * NR + panel_width(d, last)) * d->words * taps;
    }
}

#ifdef CPU_PAIRS

/* Weights as floats [taps][channels][width] of a panel's chunk, and pointers to where each tap's lie and
 * belong. */
static int64_t packing_floats(const cpu_direct *d)
{
    return d->c.taps * (4 + WORD * d->chunk * NR);
}

/* Words of a tap's channels, two by two, from floats; the last word may be half of one. */
static void pair_rows(const float *from, int64_t channels, int64_t width, float *to)
{
    for (int64_t c = 0; c < channels; c += WORD)
        for (int64_t v = 0; v < width; v += VL, to += VL) {
            const float *x = from + c * width + v;
            vstore(to, pair_lanes(vload(x), c + 1 < channels ? vload(x + width) : vset(0.0f)));
        }
}

static void pack_chunk(const cpu_direct *d, int64_t panel, int64_t at, int64_t chunk, float *room)
{
    int64_t first = at * WORD, channels = work_min(chunk * WORD, d->from - first), taps = d->c.taps;
    int64_t width = panel_width(d, panel);
    float **place = (float **)(void *)room, **packed = place + taps, *floats = room + 4 * taps;
    for (int64_t t = 0; t < taps; t++)
        packed[t] = floats + t * channels * width;
    if (d->back) {
        places_of(d, panel, at, chunk, place);
        pack_backward(d, panel, first, channels, packed);
    } else {
        float *to = d->packed + (panel * NR * d->words + at * width) * taps;
        for (int64_t t = 0; t < taps; t++)
            place[t] = to + t * chunk * width;
        pack_forward(d, panel, first, channels, floats);
    }
    for (int64_t t = 0; t < taps; t++)
        if (place[t])
            pair_rows(packed[t], channels, width, place[t]);
}

#else

/* Weights for dot products: a chunk [taps][vectors of channels][to]. */
static void pack_dots(const cpu_direct *d, int64_t at, int64_t chunk)
{
    int64_t all = d->c.taps, c_step = d->back ? d->to * all : all, o_step = d->back ? all : d->from * all;
    float *phase = d->packed;
    for (int64_t n = 0; n < d->phases; n++) {
        conv_phase f = d->back ? conv_backward(&d->c, n) : conv_forward(&d->c);
        int64_t taps = conv_count(f.taps);
        float *to = phase + at * taps * d->to;
        for (int64_t m = 0; m < taps; m++) {
            const float *w = d->w + conv_tap(&d->c, &f, m);
            for (int64_t c = at; c < at + chunk; c += VL)
                for (int64_t o = 0; o < d->to; o++)
                    for (int64_t i = 0; i < VL; i++)
                        *to++ = w[(c + i) * c_step + o * o_step];
        }
        phase += d->to * d->from * taps;
    }
}

static int64_t packing_floats(const cpu_direct *d)
{
    return 2 * d->c.taps;
}

static void pack_chunk(const cpu_direct *d, int64_t panel, int64_t at, int64_t chunk, float *room)
{
    float **place = (float **)(void *)room;
    if (is_dot(d)) {
        pack_dots(d, at, chunk);
    } else if (d->back) {
        places_of(d, panel, at, chunk, place);
        pack_backward(d, panel, at, chunk, place);
    } else {
        float *to = d->packed + (panel * NR * d->from + at * panel_width(d, panel)) * d->c.taps;
        pack_forward(d, panel, at, chunk, to);
    }
}

#endif

static void pack_tasks(const void *job, int64_t first, int64_t end, int thread)
{
    const cpu_direct *d = job;
    int64_t chunks = work_pieces(d->words, d->chunk);
    for (int64_t i = first; i < end; i++) {
        int64_t at = i % chunks * d->chunk;
        pack_chunk(d, i / chunks, at, work_min(d->chunk, d->words - at), d->rooms + thread * d->room);
    }
}

/* ---- the kernel of a tile ---- */

/* A pixel's three taps on a line are neighbours in the source, and neighbours' are one apart. */
static int is_trio(const pass *p, int64_t width)
{
    return width == VL && !is_dot(p->d) && p->f.taps[LAST] == 3 && p->f.gap[LAST] == 1 &&
           p->f.move[LAST] == 1;
}

static const micro_function *kernels_of(const pass *p, int64_t width)
{
    static const micro_function *const dots[DOTS + 1] = {NULL, dot1, dot2, dot3};
    if (is_dot(p->d))
        return dots[p->d->to];
    return width == NR ? wide : is_trio(p, width) ? trio : narrow;
}

/* ---- a task ---- */

/* Lines line..line_end of a plane, tiles tile..tile_end of each, and some panels; its thread's memory. */
typedef struct task {
    const pass *p;
    int64_t sample, z; /* the plane of the target, in the phase */
    int64_t line, line_end, tile, tile_end, panel, panel_end;
    run *inside, *edge; /* the runs of tiles that read the image, and of those that read a strip */
    spot *spots;        /* of the tiles */
    float *strips;
} task;

/* Taps first..end of an axis reach the image from a place. */
static void taps_inside(const pass *p, int axis, int64_t place, int64_t *first, int64_t *end)
{
    int64_t from = place * p->f.move[axis] + p->f.origin[axis], gap = p->f.gap[axis];
    *first = from < 0 ? work_pieces(-from, gap) : 0;
    *end = work_min(p->f.taps[axis], from < p->source[axis] ? work_pieces(p->source[axis] - from, gap) : 0);
}

/* The source line of plane z and line y of a sample. */
static const float *source_line(const pass *p, int64_t sample, int64_t z, int64_t y)
{
    int64_t line = (sample * p->source[0] + z) * p->source[1] + y;
    return p->d->in + line * p->source[LAST] * p->d->from_all;
}

/* Copies a chunk, from word `at` on, of the pixels first to first + span of a line, zeros outside. */
static void fill_line(const pass *p, const float *line, int64_t first, int64_t at, int64_t chunk, float *to)
{
    int64_t from = p->d->from_all, low = work_min(p->span, work_max(0, -first));
    int64_t high = work_max(low, work_min(p->span, p->source[LAST] - first));
    int64_t channels = work_min(chunk * WORD, p->d->from - at * WORD);
    const float *x = line + first * from + at * WORD;
    memset(to, 0, (size_t)(low * chunk) * sizeof *to);
    if (channels == from && channels == chunk * WORD)
        round_values(x + low * from, (high - low) * channels, to + low * chunk);
    else
        for (int64_t i = low; i < high; i++)
            round_values(x + i * from, channels, to + i * chunk);
    memset(to + high * chunk, 0, (size_t)((p->span - high) * chunk) * sizeof *to);
}

/* The first source line that a task reads. */
static int64_t low_line(const task *t)
{
    return t->line * t->p->f.move[1] + t->p->f.origin[1];
}

/* Lines `low` to `high` of a tile's strip, relative to the first that the task reads. */
static void fill_strip(const task *t, const spot *here, int64_t low, int64_t high, int64_t at, int64_t chunk,
                       float *strip)
{
    const pass *p = t->p;
    int64_t m, end, base = low_line(t), x = here->first * p->f.move[LAST] + p->f.origin[LAST];
    taps_inside(p, 0, t->z, &m, &end);
    for (; m < end; m++) {
        int64_t z = t->z * p->f.move[0] + p->f.origin[0] + m * p->f.gap[0];
        for (int64_t y = work_max(0, base + low); y < work_min(p->source[1], base + high); y++)
            fill_line(p, source_line(p, t->sample, z, y), x, at, chunk,
                      strip + (m * p->span_lines + y - base) * p->span * chunk);
    }
}

/* What line `line` reads and those above it do not: early enough, and not before the memory around it is read
 * too. */
static void fill_strips(const task *t, int64_t line, int64_t at, int64_t chunk)
{
    const pass *p = t->p;
    int64_t above = line - t->line, high = reach(&p->f, 1, above + 1);
    int64_t low = above > 0 ? work_max(above * p->f.move[1], high - p->f.move[1]) : 0;
    float *strip = t->strips;
    for (int64_t i = 0; i < t->tile_end - t->tile; i++)
        if (t->spots[i].strip) {
            fill_strip(t, &t->spots[i], low, high, at, chunk, strip);
            strip += p->strip;
        }
}

static void find_spots(const task *t)
{
    const pass *p = t->p;
    const float *strip = t->strips;
    for (int64_t i = t->tile; i < t->tile_end; i++) {
        int64_t first = tile_at(p, i);
        int edge = p->edges > 0 && is_edge(p, i);
        t->spots[i - t->tile] = (spot){first, tile_at(p, i + 1) - first, edge ? strip : NULL};
        strip += edge ? p->strip : 0;
    }
}

/* How far the taps of each axis lie from each other in memory. */
typedef struct strides {
    int64_t plane, line, pixel;
} strides;

/* The runs of line y, relative to the source of its first tap. */
static runs list_runs(const task *t, strides s, int64_t y, int64_t chunk, int64_t width, run *list)
{
    const conv_phase *f = &t->p->f;
    int joined = s.pixel == chunk, three = is_trio(t->p, width);
    int64_t z, z_end, first, y_end, n = 0, across = joined || three ? 1 : f->taps[LAST];
    if (t->p->taps == 0)
        return (runs){list, 0, 0};
    taps_inside(t->p, 0, t->z, &z, &z_end);
    taps_inside(t->p, 1, y, &first, &y_end);
    for (; z < z_end; z++)
        for (int64_t m = first; m < y_end; m++)
            for (int64_t x = 0; x < across; x++)
                list[n++] = (run){z * s.plane + m * s.line + x * s.pixel,
                                  ((z * f->taps[1] + m) * f->taps[LAST] + x) * chunk * width};
    return (runs){list, n, joined && !three ? f->taps[LAST] * chunk : chunk};
}

static float *target_at(const task *t, int64_t line)
{
    const pass *p = t->p;
    const conv_phase *f = &p->f;
    int64_t place = t->sample * p->target[0] + f->first[0] + t->z * f->step[0];
    place = place * p->target[1] + f->first[1] + line * f->step[1];
    place = place * p->target[LAST] + f->first[LAST];
    return p->d->out + place * p->d->to_all;
}

static void activate(const cpu_direct *d, const tile *t, int64_t rows)
{
    cpu_epilogue e = {.rows = rows, .cols = t->cols, .product = t->y, .y = t->y, .act = d->act};
    e.product_step = e.y_step = t->y_step;
    d->epilogue(&e);
}

static runs image_runs(const task *k, int64_t line, int64_t chunk, int64_t width)
{
    const int64_t *gap = k->p->f.gap, *source = k->p->source, from = k->p->d->from_all;
    strides s = {gap[0] * source[1] * source[LAST] * from, gap[1] * source[LAST] * from, gap[LAST] * from};
    return list_runs(k, s, line, chunk, width, k->inside);
}

static runs strip_runs(const task *k, int64_t line, int64_t chunk, int64_t width)
{
    const pass *p = k->p;
    strides s = {p->span_lines * p->span * chunk, p->f.gap[1] * p->span * chunk, p->f.gap[LAST] * chunk};
    return p->edges > 0 ? list_runs(k, s, line, chunk, width, k->edge) : (runs){0};
}

/* What the tile below reads and this one does not, for the first panel: the others find it in the cache. */
static void prefetch_below(const task *k, const spot *here, int64_t line, int64_t chunk)
{
    const pass *p = k->p;
    const conv_phase *f = &p->f;
    const cpu_direct *d = p->d;
    int64_t y = line * f->move[1] + f->origin[1] + (f->taps[1] - 1) * f->gap[1] + 1;
    int64_t z = k->z * f->move[0] + f->origin[0], x = here->first * f->move[LAST];
    int64_t pixels = work_min(here->rows * f->move[LAST], p->source[LAST] - x);
    if (z < 0 || z >= p->source[0] || pixels <= 0)
        return;
    for (int64_t i = work_max(0, y); i < work_min(p->source[1], y + f->move[1]); i++) {
        memory m = {(const char *)(source_line(p, k->sample, z, i) + x * d->from_all), 1, 0, 0};
        m.width = pixels * d->from * (int64_t)sizeof(float);
        if (chunk == d->from_all)
            prefetch(&m, 0, 1);
    }
}

/* One line of a chunk and of the panel whose first channel is `col`; `t` has what all tiles share. */
static void run_line(const task *k, int64_t line, int64_t at, int64_t chunk, int64_t col, int64_t width,
                     tile *t)
{
    const pass *p = k->p;
    const cpu_direct *d = p->d;
    const conv_phase *f = &p->f;
    const runs image = image_runs(k, line, chunk, width), edge = strip_runs(k, line, chunk, width);
    int64_t z = k->z * f->move[0] + f->origin[0], y = line * f->move[1] + f->origin[1];
    int64_t place = ((k->sample * p->source[0] + z) * p->source[1] + y) * p->source[LAST] + f->origin[LAST];
    float *target = target_at(k, line) + col;
    const micro_function *kernel = kernels_of(p, width);
    for (int64_t i = 0; i < k->tile_end - k->tile; i++) {
        const spot *here = &k->spots[i];
        if (here->strip) {
            t->source = here->strip;
            t->at = (line - k->line) * f->move[1] * p->span * chunk;
            t->step = f->move[LAST] * chunk;
            t->runs = edge;
        } else {
            t->source = d->in;
            t->at = (place + here->first * f->move[LAST]) * d->from_all + at;
            t->step = f->move[LAST] * d->from_all;
            t->runs = image;
        }
        if (WORD == 1 && at == 0 && col == k->panel * NR)
            prefetch_below(k, here, line, chunk);
        t->y = target + here->first * t->y_step;
        kernel[here->rows](t);
        if (at + chunk == d->words && d->act.kind)
            activate(d, t, here->rows);
    }
}

static void run_task(const task *k)
{
    const pass *p = k->p;
    const cpu_direct *d = p->d;
    find_spots(k);
    for (int64_t at = 0; at < d->words; at += d->chunk) {
        int64_t chunk = work_min(d->chunk, d->words - at);
        for (int64_t panel = k->panel; panel < k->panel_end; panel++) {
            int64_t width = panel_width(d, panel), col = panel * NR;
            tile t = {
                .y_step = p->f.step[LAST] * d->to_all, .cols = work_min(width, d->to - col), .add = at > 0};
            t.bias = d->bias && at == 0 ? d->bias + col : NULL;
            t.panel = p->packed + (col * d->words + at * width) * p->taps;
            for (int64_t line = k->line; line < k->line_end; line++) {
                if (p->edges > 0 && panel == k->panel)
                    fill_strips(k, line, at, chunk);
                run_line(k, line, at, chunk, col, width, &t);
            }
        }
    }
}

/* ---- a whole convolution ---- */

static void plan(cpu_direct *d)
{
    int64_t most = 1;
    d->phases = d->back ? conv_phases(&d->c) : 1;
    for (int64_t n = 0; n < d->phases && d->back; n++) {
        conv_phase f = conv_backward(&d->c, n);
        most = work_max(most, conv_count(f.taps));
    }
    most = d->back ? most : d->c.taps;
    d->words = work_pieces(d->from, WORD);
    d->chunk = work_pieces(d->words, work_pieces(d->words, work_max(LEAST_CHUNK, DEPTH / most)));
    if (d->chunk < d->words)
        d->chunk = work_min(d->words, work_pieces(d->chunk, LEAST_CHUNK) * LEAST_CHUNK);
    d->room = 0;
    for (int64_t n = 0; n < d->phases; n++) {
        pass p = pass_of(d, n, NULL);
        d->room = work_max(d->room, room_floats(&p));
    }
    d->room = work_pieces(work_max(d->room, packing_floats(d)), LINE) * LINE;
    int64_t last = panels_of(d) - 1;
    d->weights = (last * NR + panel_width(d, last)) * d->words * d->c.taps;
    d->weights = work_pieces(d->weights, LINE) * LINE;
}

static void pass_tasks(const void *job, int64_t first, int64_t end, int thread)
{
    const pass *p = job;
    const cpu_direct *d = p->d;
    float *room = d->rooms + thread * d->room;
    int64_t panels = panels_of(d);
    for (int64_t i = first; i < end; i++) {
        int64_t split = i % p->splits, rest = i / p->splits, b = rest % p->blocks;
        int64_t stack = rest / p->blocks % p->stacks, plane = rest / p->blocks / p->stacks;
        task k = {.p = p, .sample = plane / p->f.size[0], .z = plane % p->f.size[0]};
        k.line = p->lines * stack / p->stacks;
        k.line_end = p->lines * (stack + 1) / p->stacks;
        k.tile = b * p->block;
        k.tile_end = work_min(p->tiles, k.tile + p->block);
        k.panel = panels * split / p->splits;
        k.panel_end = panels * (split + 1) / p->splits;
        k.inside = (run *)(void *)room;
        k.edge = (run *)(void *)(room + run_floats(p));
        k.spots = (spot *)(void *)(room + 2 * run_floats(p));
        k.strips = room + room_floats(p) - p->edges * p->strip;
        run_task(&k);
    }
}

static void run_all(const cpu_direct *d, cpu_team *team)
{
    const float *packed = d->packed;
    int64_t last = panels_of(d) - 1, width = last * NR + panel_width(d, last);
    if (!d->is_packed)
        cpu_team_share(team, panels_of(d) * work_pieces(d->words, d->chunk), d->weights, pack_tasks, d);
    for (int64_t n = 0; n < d->phases; n++) {
        pass p = pass_of(d, n, packed);
        packed += width * d->words * p.taps;
        int64_t work = p.planes * p.lines * p.width * (p.taps + 1) * d->from * d->to;
        cpu_team_share(team, p.planes * p.stacks * p.blocks * p.splits, work / 16, pass_tasks, &p);
    }
}

const cpu_direct_kernels KERNEL(cpu_direct) = {plan, run_all, KERNEL(cpu_direct_grad_plan),
                                               KERNEL(cpu_direct_grad_run)};
