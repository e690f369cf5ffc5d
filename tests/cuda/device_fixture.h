/* SPDX-License-Identifier: Apache-2.0 */
/* device_fixture.h - an open emulated device, and arrays in its memory, for the tests of the cuda backend. */
#ifndef SLMT_TESTS_DEVICE_FIXTURE_H
#define SLMT_TESTS_DEVICE_FIXTURE_H

extern "C" {
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
}

#include "backends/cuda/cuda.h"
#include "backends/cuda/kernel.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

struct test_host {
    bk_host host;
    int live;
    char said[512];
};

static inline bk_status host_alloc(void *user, size_t bytes, void **out)
{
    *out = malloc(bytes);
    ((test_host *)user)->live++;
    return *out ? BK_OK : BK_ERR_MEMORY;
}

static inline void host_free(void *user, void *p)
{
    if (p)
        ((test_host *)user)->live--;
    free(p);
}

static inline void host_log(void *user, int, const char *message)
{
    snprintf(((test_host *)user)->said, sizeof(test_host::said), "%s", message);
}

static inline bk_status open_on(test_host *t, const char *options, void **device)
{
    *t = {};
    t->host = {t, host_alloc, host_free, host_log, 1};
    return bk_cuda()->open(&t->host, options, device);
}

/* An open device, which leaves nothing behind. */
class fixture
{
  public:
    test_host host;
    void *device = nullptr;

    explicit fixture(const char *options = "") : before_(emulation::used_bytes())
    {
        assert_int_equal(open_on(&host, options, &device), BK_OK);
    }
    ~fixture()
    {
        bk_cuda()->close(device);
        assert_int_equal(host.live, 0);
        assert_int_equal(emulation::used_bytes(), before_);
    }
    fixture(const fixture &) = delete;
    fixture &operator=(const fixture &) = delete;

    template <class T> T *up(const std::vector<T> &values)
    {
        void *p = nullptr;
        assert_int_equal(bk_cuda()->alloc(device, values.size() * sizeof(T), &p), BK_OK);
        assert_int_equal(bk_cuda()->copy(device, p, values.data(), values.size() * sizeof(T), BK_UP), BK_OK);
        return (T *)p;
    }
    template <class T> std::vector<T> down(const T *p, size_t n)
    {
        std::vector<T> values(n);
        assert_int_equal(bk_cuda()->copy(device, values.data(), p, n * sizeof(T), BK_DOWN), BK_OK);
        return values;
    }
    void free(void *p)
    {
        bk_cuda()->free(device, p);
    }

  private:
    size_t before_;
};

static inline bk_shape shape_of(bk_dtype type, std::vector<int64_t> dims)
{
    bk_shape s = {};
    s.dtype = type;
    for (int64_t d : dims)
        s.dim[s.rank++] = d;
    return s;
}

static inline bk_tensor tensor_of(bk_shape s, const void *data)
{
    return {s, (void *)data, 0};
}

static inline std::vector<float> numbers(size_t n, unsigned seed)
{
    std::vector<float> x(n);
    for (float &v : x)
        v = (float)((seed = seed * 1664525u + 1013904223u) >> 8) / 8388608.0f - 1;
    return x;
}

#endif
