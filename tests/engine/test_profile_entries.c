/* SPDX-License-Identifier: Apache-2.0 */
/* test_profile_entries.c - what a profile keeps of kernel calls (lib/profile.h): their work, their entries,
 * their events. Times of real runs: tests/api/test_profile.c. */
#include <stdio.h>
#include <string.h>

#include "lib/profile.h"
#include "tests/engine/engine_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* A profile on memory that can fail. */
typedef struct bench {
    test_memory memory;
    mem m;
    profile p;
} bench;

static void bench_open(bench *b)
{
    test_memory_init(&b->memory);
    mem_init(&b->m, guard_alloc, guard_free, &b->memory, 0);
    profile_init(&b->p, &b->m);
}

static void bench_close(bench *b)
{
    profile_close(&b->p);
    assert_int_equal(b->memory.live, 0);
    assert_true(test_memory_is_whole(&b->memory));
}

static int32_t entry_of(bench *b, const bk_call *call, const char *layer, int backward)
{
    int32_t entry = -1;
    assert_int_equal(profile_entry_of(&b->p, call, layer, backward, &entry), OK);
    return entry;
}

#define SHAPE(...)                                                                                           \
    {                                                                                                        \
        .shape = {                                                                                           \
            .dtype = BK_F32,                                                                                 \
            .rank = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t),                                      \
            .dim = {__VA_ARGS__}                                                                             \
        }                                                                                                    \
    }

static void the_work_of_a_call_is_two_operations_for_each_product_of_two_numbers(void **state)
{
    /* 2 x 8 x 8 pixels get 5 channels, each from 3 x 3 pixels of 3 channels: 2*64*5*27 products. Tokens: 2 x
     * 6 of 8 numbers; each meets 6 tokens, or the 4 of its window, with 8 numbers, in two products, or four
     * for the gradient. */
    const struct {
        bk_call call;
        double flops;
    } calls[] = {
        {{.op = BK_CONV, .n_in = 2, .in = {SHAPE(2, 8, 8, 3), SHAPE(5, 3, 3, 3)}, .out = {SHAPE(2, 8, 8, 5)}},
         34560},
        {{.op = BK_CONV_GRAD_INPUT, .n_in = 2, .in = {SHAPE(5, 3, 3, 3), SHAPE(2, 8, 8, 5)}}, 34560},
        {{.op = BK_CONV_GRAD_WEIGHT,
          .n_in = 2,
          .in = {SHAPE(2, 8, 8, 3), SHAPE(2, 8, 8, 5)},
          .out = {SHAPE(5, 3, 3, 3)}},
         34560},
        {{.op = BK_ATTENTION, .n_in = 1, .in = {SHAPE(2, 6, 24)}}, 2304},
        {{.op = BK_ATTENTION_GRAD, .n_in = 1, .in = {SHAPE(2, 6, 24)}}, 4608},
        {{.op = BK_WINDOW_ATTENTION, .attr = {.window = 2}, .n_in = 1, .in = {SHAPE(2, 6, 24)}}, 1536},
        {{.op = BK_WINDOW_ATTENTION_GRAD, .attr = {.window = 2}, .n_in = 1, .in = {SHAPE(2, 6, 24)}}, 3072},
        {{.op = BK_SORT, .n_in = 1, .in = {SHAPE(2, 6)}}, 0},
    };
    bench b;
    (void)state;
    bench_open(&b);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int32_t entry = entry_of(&b, &calls[i].call, "", 0);
        if (b.p.entries[entry].flops != calls[i].flops)
            fail_msg("call %zu, %s: %g, expected %g", i, b.p.entries[entry].op, b.p.entries[entry].flops,
                     calls[i].flops);
    }
    bench_close(&b);
}

static void calls_of_another_op_shape_layer_or_direction_have_entries_of_their_own(void **state)
{
    enum { LAYERS = 300 };
    const bk_call sorted = {.op = BK_SORT, .n_in = 1, .in = {SHAPE(2, 6)}},
                  longer = {.op = BK_SORT, .n_in = 1, .in = {SHAPE(2, 7)}},
                  other = {.op = BK_ATTENTION, .n_in = 1, .in = {SHAPE(2, 6, 24)}};
    bench b;
    char layer[16];
    (void)state;
    bench_open(&b);
    assert_int_equal(entry_of(&b, &sorted, "", 0), 0);
    assert_int_equal(entry_of(&b, &longer, "", 0), 1);
    assert_int_equal(entry_of(&b, &other, "", 0), 2);
    assert_int_equal(entry_of(&b, &sorted, "", 1), 3);
    for (int i = 0; i < LAYERS; i++) {
        snprintf(layer, sizeof layer, "layer %d", i);
        assert_int_equal(entry_of(&b, &sorted, layer, 0), 4 + i);
    }
    assert_int_equal(entry_of(&b, &sorted, "", 0), 0);
    assert_int_equal(entry_of(&b, &sorted, "layer 299", 0), 303);
    assert_string_equal(b.p.entries[1].shape, "[2,7]");
    bench_close(&b);
}

static void shapes_that_are_too_many_for_the_text_are_left_out_whole(void **state)
{
    const bk_tensor large = SHAPE(1000, 1000, 1000, 1000);
    bk_call call = {.op = BK_SORT, .n_in = BK_MAX_IN};
    bench b;
    (void)state;
    for (int i = 0; i < BK_MAX_IN; i++)
        call.in[i] = large;
    bench_open(&b);
    const char *text = "[1000,1000,1000,1000]";
    int32_t entry = entry_of(&b, &call, "", 0);
    size_t length = strlen(b.p.entries[entry].shape);
    assert_int_equal(length, 5 * strlen(text) + 4); /* five fit into 111 characters, with blanks between */
    assert_string_equal(b.p.entries[entry].shape + length - strlen(text), text);
    bench_close(&b);
}

static void events_without_memory_are_counted_and_their_time_is_kept(void **state)
{
    const bk_call call = {.op = BK_SORT, .n_in = 1, .in = {SHAPE(2, 6)}};
    bench b;
    (void)state;
    bench_open(&b);
    int32_t entry = entry_of(&b, &call, "", 0);
    b.memory.fail_from = b.memory.calls + 1;
    b.memory.fail_to = INT64_MAX;
    for (int i = 0; i < 3; i++)
        profile_add(&b.p, entry, profile_clock() - 1);
    assert_int_equal(b.p.lost, 3);
    assert_int_equal(b.p.n_events, 0);
    assert_int_equal(b.p.entries[entry].calls, 3);
    assert_true(b.p.entries[entry].seconds >= 3);
    b.memory.fail_from = 0;
    profile_add(&b.p, entry, profile_clock());
    assert_int_equal(b.p.n_events, 1);
    assert_int_equal(b.p.events[0].entry, entry);
    profile_clear(&b.p);
    assert_int_equal(b.p.lost + (uint64_t)b.p.n_events + b.p.entries[entry].calls, 0);
    bench_close(&b);
}

static void an_entry_without_memory_is_refused_and_the_others_stay(void **state)
{
    const bk_call call = {.op = BK_SORT, .n_in = 1, .in = {SHAPE(2, 6)}};
    bench b;
    int32_t entry = -1;
    (void)state;
    bench_open(&b);
    b.memory.fail_from = 1;
    b.memory.fail_to = INT64_MAX;
    assert_int_equal(profile_entry_of(&b.p, &call, "", 0, &entry), ERR_MEMORY);
    assert_int_equal(b.p.n_entries, 0);
    b.memory.fail_from = 0;
    assert_int_equal(entry_of(&b, &call, "", 0), 0);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_work_of_a_call_is_two_operations_for_each_product_of_two_numbers),
        cmocka_unit_test(calls_of_another_op_shape_layer_or_direction_have_entries_of_their_own),
        cmocka_unit_test(shapes_that_are_too_many_for_the_text_are_left_out_whole),
        cmocka_unit_test(events_without_memory_are_counted_and_their_time_is_kept),
        cmocka_unit_test(an_entry_without_memory_is_refused_and_the_others_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
