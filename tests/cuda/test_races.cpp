/* SPDX-License-Identifier: Apache-2.0 */
/* test_races.cpp - what backends/cuda/emulation/races.cc finds: kernels with a planted race, and kernels
 * without one. It is compiled as races.cc says. */
extern "C" {
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
}

#include "tests/cuda/planted.h"

/* Each thread writes its number, and reads its neighbour's, for some rounds. skipped: the barrier that is
 * forgotten. */
enum { AFTER_WRITE = 1, AFTER_READ = 2 };

__global__ void pass_numbers(float *y, int rounds, int skipped)
{
    float *shared = shared_memory<float>(), sum = 0;
    for (int round = 0; round < rounds; round++) {
        shared[threadIdx.x] = (float)threadIdx.x;
        if (skipped != AFTER_WRITE)
            __syncthreads();
        sum += shared[(threadIdx.x + 1) % blockDim.x];
        if (skipped != AFTER_READ)
            __syncthreads();
    }
    y[threadIdx.x] = sum;
}

/* Every order of threads. */
static void expect_race(void (*plant)(), const char *words)
{
    for (int order = 0; order < 3; order++) {
        emulation_set_order(order);
        expect_fault(plant, words);
    }
    emulation_set_order(0);
}

static void pass(int rounds, int skipped)
{
    run_one(pass_numbers, 64, 64 * sizeof(float), device_array<float>(64), rounds, skipped);
}

/* The numbers are the same in each round: no result tells of the second barrier. */
static void a_forgotten_barrier_is_found_in_any_order(void **)
{
    expect_race([] { pass(1, AFTER_WRITE); }, "a race: thread");
    expect_race([] { pass(2, AFTER_READ); }, "without a barrier in between");
}

__global__ void write_all(float *y)
{
    *y = 3;
}

__global__ void count_blocks(float *y)
{
    if (threadIdx.x == 0)
        *y += 1;
}

static void two_writers_of_a_place_are_found(void **)
{
    expect_race([] { run_one(write_all, 2, 0, device_array<float>(1)); }, "a race: thread");
    expect_race(
        [] {
            cudaStream_t s = new_stream();
            launch(s, count_blocks, dim3(2), 32, 0, device_array<float>(1));
            cudaStreamSynchronize(s);
        },
        "the device's memory");
}

__global__ void read_four(const float *x, four *y, int from)
{
    *y = *(const four *)(x + from);
}

static void an_access_of_16_bytes_off_their_multiples_is_found(void **)
{
    expect_fault(
        [] { run_one(read_four, 1, 0, (const float *)device_array<float>(16), device_array<four>(1), 1); },
        "16 bytes are used at once");
}

__global__ void raise_and_count(int *flag, int *count)
{
    raise_flag(flag);
    atomicMax(count, (int)threadIdx.x);
}

/* What is ordered by barriers, by launches or by the hardware. */
static void what_is_in_order_is_no_race(void **)
{
    float y[64];
    int found[2];
    cudaStream_t s = new_stream();
    float *x = device_array<float>(64);
    int *words = device_array<int>(2);
    cudaMemsetAsync(words, 0, sizeof found, s);
    for (int order = 0; order < 3; order++) {
        emulation_set_order(order);
        launch(s, pass_numbers, dim3(1), 64, 64 * sizeof(float), x, 3, 0);
        launch(s, raise_and_count, dim3(4), 64, 0, words, words + 1);
        fetch(y, x, 64, s);
        fetch(found, words, 2, s);
        assert_true(y[0] == 3 && y[63] == 0);
        assert_int_equal(found[0], 1);
        assert_int_equal(found[1], 63);
        launch(s, count_blocks, dim3(1), 64, 0, x);
        launch(s, count_blocks, dim3(1), 64, 0, x);
        launch(s, read_four, dim3(1), 1, 0, (const float *)x, (four *)(x + 4), 8);
    }
    fetch(y, x, 64, s);
    assert_true(y[0] == 5);
    emulation_set_order(0);
    cudaStreamDestroy(s);
    cudaFree(x);
    cudaFree(words);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forgotten_barrier_is_found_in_any_order),
        cmocka_unit_test(two_writers_of_a_place_are_found),
        cmocka_unit_test(an_access_of_16_bytes_off_their_multiples_is_found),
        cmocka_unit_test(what_is_in_order_is_no_race),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
