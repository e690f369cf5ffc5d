/* SPDX-License-Identifier: Apache-2.0 */
/* cuda.cu - the cuda backend: devices, memory, calls and whole plans. The kernels are in the other files of
 * this folder.
 *
 * A call fits if the reference backend, the definition, takes it and it is in float32. Each plan has a stream
 * of its own, so that two sessions overlap; calls outside plans and copies share the device's. What a kernel
 * finds wrong, such as an index out of range, it writes to a word of the device, which is read where the host
 * waits.
 *
 * A plan that runs on the same addresses a second time is captured as a graph, which that run and later ones
 * start at once; with other addresses it is started call by call again. */
#include "backends/cuda/cublaslt.h"
#include "backends/cuda/cuda.h"
#include "backends/cuda/kernel.h"

#include <cstdio>
#include <cstdlib>
#include <new>
#include <pthread.h>

enum { FLAGS = 1024 }; /* arrays that one check for finite numbers looks at */

/* One of them. */
struct looked_at {
    const void *data;
    int64_t n;
    int is_double;
};

struct program;

/* Memory of the device that is in use. A block's own memory is malloc()'s, as that of the CUDA runtime is: what
 * is told of memory beforehand counts tensors. */
struct block {
    block *next;
    void *p;
    size_t bytes;
};

struct cuda_device {
    bk_host host;
    int index, processors, arithmetic;
    bool eager;        /* nothing is captured */
    char library[512]; /* the file of cuBLASLt, or "" */
    bool wants_library;
    cublaslt *lt; /* NULL: not used */
    size_t limit, used; /* bytes of memory that may be and are taken by alloc() */
    block *blocks;
    void *definition; /* the reference backend, opened */
    cudaStream_t stream;
    int *fault, *flags;   /* memory of the device */
    looked_at *list;      /* likewise, FLAGS of them */
    pthread_mutex_t lock; /* of used, blocks and running */
    program *running;     /* those that were launched and not waited for */
    char text[320];       /* for describe() */
};

struct program {
    bk_plan plan;
    cudaStream_t stream;
    int *fault;
    int launched;
    cudaGraphExec_t captured; /* all calls on the addresses that they have now; NULL: none */
    enum { FRESH, REPEATED, SETTLED } state; /* runs on these addresses: none, one, tried to capture */
    program *next, **link; /* of device->running */
};

/* ---- errors ---- */

static void say(const bk_host *host, const char *what, const char *detail)
{
    char message[512];
    snprintf(message, sizeof message, "cuda: %s%s%s", what, detail ? ": " : "", detail ? detail : "");
    if (host->log)
        host->log(host->user, 0, message);
}

/* The status of a call of the CUDA runtime. Its error is taken, so that the caller's own calls do not find
 * it. */
static bk_status status_of(const bk_host *host, cudaError_t error, const char *what)
{
    if (error == cudaSuccess)
        return BK_OK;
    cudaGetLastError();
    say(host, what, cudaGetErrorString(error));
    return error == cudaErrorMemoryAllocation ? BK_ERR_MEMORY : BK_ERR_FAILED;
}

/* While it lives, the thread's current device is this one; then, the one it was. */
class on_device
{
  public:
    explicit on_device(int index)
    {
        if (cudaGetDevice(&before_) != cudaSuccess)
            before_ = -1;
        if (before_ != index)
            cudaSetDevice(index);
        changed_ = before_ != index;
    }
    ~on_device()
    {
        if (changed_ && before_ >= 0)
            cudaSetDevice(before_);
    }
    on_device(const on_device &) = delete;
    on_device &operator=(const on_device &) = delete;

  private:
    int before_ = -1;
    bool changed_ = false;
};

/* ---- options ---- */

static bool read_number(const char *item, size_t length, const char *name, unsigned long long *value)
{
    size_t n = strlen(name);
    char *end;
    if (length <= n || memcmp(item, name, n) != 0 || item[n] < '0' || item[n] > '9')
        return false;
    *value = strtoull(item + n, &end, 10);
    return end == item + length;
}

/* "cublaslt", or "cublaslt=FILE". */
static bool read_library(cuda_device *d, const char *item, size_t length)
{
    static const char name[] = "cublaslt=";
    size_t n = sizeof name - 1;
    if (bk_option_is(item, length, "cublaslt"))
        return d->wants_library = true;
    if (length <= n || memcmp(item, name, n) != 0 || length - n >= sizeof d->library)
        return false;
    memcpy(d->library, item + n, length - n);
    return d->wants_library = true;
}

static bk_status read_options(cuda_device *d, const char *options)
{
    const char *item;
    unsigned long long value;
    char unknown[64];
    for (size_t n; (n = bk_next_option(&options, &item)) > 0;) {
        if (bk_option_is(item, n, "bf16"))
            d->arithmetic = ARITHMETIC_BF16;
        else if (bk_option_is(item, n, "tf32"))
            d->arithmetic = ARITHMETIC_TF32;
        else if (bk_option_is(item, n, "eager"))
            d->eager = true;
        else if (read_library(d, item, n))
            continue;
        else if (read_number(item, n, "device=", &value) && value <= INT32_MAX)
            d->index = (int)value;
        else if (read_number(item, n, "memory=", &value))
            d->limit = (size_t)value;
        else {
            snprintf(unknown, sizeof unknown, "%.*s", (int)(n < 60 ? n : 60), item);
            say(&d->host, "expected the options device=N, memory=BYTES, tf32, bf16, eager or cublaslt, and not", unknown);
            return BK_ERR_UNSUPPORTED;
        }
    }
    return BK_OK;
}

/* ---- open and close ---- */

/* Each reason why there is no device has its own sentence. */
static bk_status find_device(cuda_device *d)
{
    int devices = 0, driver = 0;
    char message[160];
    cudaError_t error = cudaGetDeviceCount(&devices);
    if (error != cudaSuccess)
        cudaGetLastError();
    if (cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0) {
        say(&d->host, "this machine has no NVIDIA driver", nullptr);
        return BK_ERR_UNSUPPORTED;
    }
    if (error == cudaErrorInsufficientDriver) {
        snprintf(message, sizeof message,
                 "the NVIDIA driver is for CUDA %d.%d, which is too old for this plug-in", driver / 1000,
                 driver % 1000 / 10);
        say(&d->host, message, nullptr);
        return BK_ERR_UNSUPPORTED;
    }
    if (error == cudaErrorNoDevice || (error == cudaSuccess && devices == 0)) {
        say(&d->host, "there is an NVIDIA driver and no graphics card that it can use", nullptr);
        return BK_ERR_UNSUPPORTED;
    }
    if (error != cudaSuccess)
        return status_of(&d->host, error, "cannot count the graphics cards");
    if (d->index < devices)
        return BK_OK;
    snprintf(message, sizeof message, "there is no device %d: this machine has devices 0 to %d", d->index,
             devices - 1);
    say(&d->host, message, nullptr);
    return BK_ERR_UNSUPPORTED;
}

static bk_status describe_device(cuda_device *d)
{
    static const char *const arithmetic[] = {"float32", "tf32 products", "bfloat16 products"};
    cudaDeviceProp p;
    bk_status s =
        status_of(&d->host, cudaGetDeviceProperties(&p, d->index), "cannot ask for the device's properties");
    if (s != BK_OK)
        return s;
    d->processors = p.multiProcessorCount;
    snprintf(d->text, sizeof d->text, "cuda: %.200s (%d.%d, %d multiprocessors), %s%s", p.name, p.major,
             p.minor, p.multiProcessorCount, arithmetic[d->arithmetic], d->lt ? ", cuBLASLt" : "");
    return BK_OK;
}

static bk_status take_words(cuda_device *d)
{
    static const int zeros[1 + FLAGS] = {};
    void *p = nullptr, *list = nullptr;
    bk_status s = status_of(&d->host, cudaMalloc(&p, sizeof zeros), "cannot take memory of the device");
    if (s != BK_OK)
        return s;
    d->fault = (int *)p;
    d->flags = d->fault + 1;
    s = status_of(&d->host, cudaMalloc(&list, FLAGS * sizeof(looked_at)), "cannot take memory of the device");
    if (s != BK_OK)
        return s;
    d->list = (looked_at *)list;
    s = status_of(&d->host, cudaMemcpyAsync(p, zeros, sizeof zeros, cudaMemcpyHostToDevice, d->stream),
                  "cannot write memory of the device");
    return s == BK_OK
               ? status_of(&d->host, cudaStreamSynchronize(d->stream), "cannot write memory of the device")
               : s;
}

static bk_status open_library(cuda_device *d)
{
    char why[400];
    if (!d->wants_library)
        return BK_OK;
    d->lt = cublaslt_open(d->library, why, sizeof why);
    if (d->lt)
        return BK_OK;
    say(&d->host, why, nullptr);
    return BK_ERR_UNSUPPORTED;
}

static bk_status set_up(cuda_device *d, const char *options)
{
    bk_status s = read_options(d, options);
    if (s == BK_OK)
        s = bk_reference()->open(&d->host, "", &d->definition);
    if (s == BK_OK)
        s = find_device(d);
    if (s != BK_OK)
        return s;
    on_device here(d->index);
    s = status_of(&d->host, cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking),
                  "cannot make a stream");
    if (s == BK_OK)
        s = take_words(d);
    if (s == BK_OK)
        s = open_library(d);
    return s == BK_OK ? describe_device(d) : s;
}

static void cuda_close(void *device)
{
    cuda_device *d = (cuda_device *)device;
    if (!d)
        return;
    if (d->stream) {
        on_device here(d->index);
        cudaStreamSynchronize(d->stream);
        cublaslt_close(d->lt);
        cudaFree(d->fault);
        cudaFree(d->list);
        cudaStreamDestroy(d->stream);
    }
    bk_reference()->close(d->definition);
    pthread_mutex_destroy(&d->lock);
    bk_host host = d->host;
    host.free(host.user, d);
}

static bk_status cuda_open(const bk_host *host, const char *options, void **device)
{
    void *p;
    *device = nullptr;
    bk_status s = host->alloc(host->user, sizeof(cuda_device), &p);
    if (s != BK_OK)
        return s;
    cuda_device *d = new (p) cuda_device();
    d->host = *host;
    d->limit = SIZE_MAX;
    pthread_mutex_init(&d->lock, nullptr);
    s = set_up(d, options);
    if (s != BK_OK)
        cuda_close(d);
    else
        *device = d;
    return s;
}

static const char *cuda_describe(void *device)
{
    return ((cuda_device *)device)->text;
}

/* ---- calls ---- */

static const cuda_kernel *const kernels[BK_OP_COUNT] = {
#define BK_VIEW(ID, name) nullptr,
#define BK_OP(ID, name)   &cuda_##name,
#include "backends/ops.def"
};

static int cuda_supports(void *, bk_op op, bk_dtype real)
{
    return real == BK_F32 && (unsigned)op < BK_OP_COUNT && kernels[op];
}

static bool has_doubles(const bk_call *call)
{
    for (int k = 0; k < call->n_in; k++)
        if (call->in[k].shape.dtype == BK_F64 && !(call->op == BK_ADAM && k == 4))
            return true;
    for (int k = 0; k < call->n_out; k++)
        if (call->out[k].shape.dtype == BK_F64)
            return true;
    return false;
}

static bk_status cuda_prepare(void *device, bk_call *call)
{
    cuda_device *d = (cuda_device *)device;
    bk_status s = bk_reference()->prepare(d->definition, call);
    if (s != BK_OK)
        return s;
    bk_reference()->release(d->definition, call);
    call->scratch_bytes = 0;
    call->state = nullptr;
    const cuda_kernel *k = kernels[call->op];
    if (has_doubles(call) || (k->serves && !k->serves(call))) {
        char message[128];
        snprintf(message, sizeof message, "op %d (%s): these types or sizes are not supported", (int)call->op,
                 bk_op_name(call->op));
        say(&d->host, message, nullptr);
        return BK_ERR_UNSUPPORTED;
    }
    call->scratch_bytes = k->scratch ? k->scratch(call) : 0;
    if (d->lt && k->plan)
        k->plan(call, d->lt, d->arithmetic);
    return BK_OK;
}

static void cuda_release(void *, bk_call *call)
{
    cublaslt_release((cublaslt_product *)call->state); /* no other call has a state */
    call->state = nullptr;
}

static cudaError_t start_call(const cuda_device *d, const bk_call *call, cudaStream_t stream, int *fault)
{
    execution e = {stream, fault, d->processors, d->arithmetic, cudaSuccess};
    kernels[call->op]->run(call, &e);
    return e.error;
}

/* Waits, and returns what the kernels found wrong. */
static bk_status finish(cuda_device *d, cudaStream_t stream, int *fault)
{
    int found = 0;
    cudaError_t error = cudaMemcpyAsync(&found, fault, sizeof found, cudaMemcpyDeviceToHost, stream);
    if (error == cudaSuccess)
        error = cudaStreamSynchronize(stream);
    bk_status s = status_of(&d->host, error, "a run failed");
    if (s != BK_OK || !found)
        return s;
    say(&d->host, "an index or a label is out of range", nullptr);
    s = status_of(&d->host, cudaMemsetAsync(fault, 0, sizeof *fault, stream), "a run failed");
    return s == BK_OK ? BK_ERR_FAILED : s;
}

static bk_status cuda_begin(void *)
{
    return BK_OK;
}

static bk_status cuda_run(void *device, bk_call *call)
{
    cuda_device *d = (cuda_device *)device;
    on_device here(d->index);
    return status_of(&d->host, start_call(d, call, d->stream, d->fault), bk_op_name(call->op));
}

static bk_status cuda_end(void *device)
{
    cuda_device *d = (cuda_device *)device;
    on_device here(d->index);
    return finish(d, d->stream, d->fault);
}

/* ---- memory ---- */

/* Counts a block, whose memory is not there yet. */
static bk_status count_block(cuda_device *d, block *b)
{
    pthread_mutex_lock(&d->lock);
    bool fits = b->bytes <= d->limit && d->used <= d->limit - b->bytes;
    if (fits) {
        d->used += b->bytes;
        b->next = d->blocks;
        d->blocks = b;
    }
    pthread_mutex_unlock(&d->lock);
    if (!fits)
        say(&d->host, "the memory that the option memory= allows is used up", nullptr);
    return fits ? BK_OK : BK_ERR_MEMORY;
}

static bool is_block(const block *b, const void *p)
{
    return b->p == p;
}

static bool is_same(const block *b, const void *other)
{
    return b == other;
}

/* Takes the block that `found` knows out of the list. */
static block *drop_block(cuda_device *d, bool (*found)(const block *, const void *), const void *what)
{
    pthread_mutex_lock(&d->lock);
    block **link = &d->blocks;
    while (*link && !found(*link, what))
        link = &(*link)->next;
    block *b = *link;
    if (b) {
        *link = b->next;
        d->used -= b->bytes;
    }
    pthread_mutex_unlock(&d->lock);
    return b;
}

static bk_status cuda_alloc(void *device, size_t bytes, void **out)
{
    cuda_device *d = (cuda_device *)device;
    *out = nullptr;
    block *b = new (std::nothrow) block{nullptr, nullptr, bytes};
    if (!b)
        return BK_ERR_MEMORY;
    bk_status s = count_block(d, b);
    if (s == BK_OK) {
        on_device here(d->index);
        s = status_of(&d->host, cudaMalloc(&b->p, bytes ? bytes : 1), "cannot take memory of the device");
        if (s != BK_OK)
            drop_block(d, is_same, b);
    }
    if (s != BK_OK)
        delete b;
    else
        *out = b->p;
    return s;
}

static void cuda_free(void *device, void *p)
{
    cuda_device *d = (cuda_device *)device;
    block *b = p ? drop_block(d, is_block, p) : nullptr;
    if (!b)
        return;
    on_device here(d->index);
    cudaFree(p);
    delete b;
}

/* What was started before is done first: on the device's stream by its order, in plans by waiting. */
static bk_status wait_for_plans(cuda_device *d)
{
    bk_status s = BK_OK;
    pthread_mutex_lock(&d->lock);
    for (program *p = d->running; p && s == BK_OK; p = p->next)
        s = status_of(&d->host, cudaStreamSynchronize(p->stream), "a run failed");
    pthread_mutex_unlock(&d->lock);
    return s;
}

static bk_status cuda_copy(void *device, void *to, const void *from, size_t bytes, bk_direction way)
{
    static const cudaMemcpyKind kind[] = {cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost,
                                          cudaMemcpyDeviceToDevice};
    cuda_device *d = (cuda_device *)device;
    on_device here(d->index);
    bk_status s = wait_for_plans(d);
    if (s == BK_OK)
        s = status_of(&d->host, cudaMemcpyAsync(to, from, bytes, kind[way], d->stream), "a copy failed");
    return s == BK_OK ? status_of(&d->host, cudaStreamSynchronize(d->stream), "a copy failed") : s;
}

/* ---- finite numbers ---- */

template <class T> __device__ __forceinline__ void look_for_others(const T *x, int64_t n, int *found)
{
    EACH(i, n)
    if (!(x[i] - x[i] == 0))
        *found = 1; /* all that write, write this */
}

/* Row y of the grid looks at array y. */
__global__ void look_at_all(const looked_at *list, int *found)
{
    looked_at a = list[blockIdx.y];
    if (a.is_double)
        look_for_others((const double *)a.data, a.n, found + blockIdx.y);
    else
        look_for_others((const float *)a.data, a.n, found + blockIdx.y);
}

constexpr unsigned LOOKERS = 64; /* blocks for one array, at most */

/* Of at most FLAGS arrays. */
static cudaError_t find_others(cuda_device *d, const bk_tensor *arrays, int n, int *first)
{
    looked_at list[FLAGS];
    int found[FLAGS];
    unsigned blocks = 1;
    for (int k = 0; k < n; k++) {
        list[k] = {arrays[k].data, bk_count(&arrays[k].shape), arrays[k].shape.dtype == BK_F64};
        blocks = blocks_for(list[k].n) > blocks ? blocks_for(list[k].n) : blocks;
    }
    dim3 grid(blocks < LOOKERS ? blocks : LOOKERS, (unsigned)n);
    cudaError_t error = cudaMemsetAsync(d->flags, 0, (size_t)n * sizeof *found, d->stream);
    if (error == cudaSuccess)
        error = cudaMemcpyAsync(d->list, list, (size_t)n * sizeof *list, cudaMemcpyHostToDevice, d->stream);
    if (error == cudaSuccess)
        error = launch(d->stream, look_at_all, grid, BLOCK, 0, (const looked_at *)d->list, d->flags);
    if (error == cudaSuccess)
        error = cudaMemcpyAsync(found, d->flags, (size_t)n * sizeof *found, cudaMemcpyDeviceToHost, d->stream);
    if (error == cudaSuccess)
        error = cudaStreamSynchronize(d->stream);
    for (int k = n - 1; k >= 0 && error == cudaSuccess; k--)
        if (found[k])
            *first = k;
    return error;
}

static bk_status cuda_finite(void *device, const bk_tensor *arrays, int32_t n, int32_t *first)
{
    cuda_device *d = (cuda_device *)device;
    on_device here(d->index);
    *first = -1;
    bk_status s = wait_for_plans(d);
    for (int32_t at = 0; at < n && s == BK_OK && *first < 0; at += FLAGS) {
        int found = -1, some = n - at < FLAGS ? n - at : FLAGS;
        s = status_of(&d->host, find_others(d, arrays + at, some, &found),
                      "the check for finite numbers failed");
        *first = found < 0 ? -1 : at + found;
    }
    return s;
}

/* ---- whole plans ---- */

static void forget_captured(program *p)
{
    if (p->captured)
        cudaGraphExecDestroy(p->captured);
    p->captured = nullptr;
    p->state = program::FRESH;
}

static void cuda_unload(void *device, void *loaded)
{
    cuda_device *d = (cuda_device *)device;
    program *p = (program *)loaded;
    if (!p)
        return;
    on_device here(d->index);
    if (p->stream) {
        cudaStreamSynchronize(p->stream);
        forget_captured(p);
        cudaStreamDestroy(p->stream);
    }
    cudaFree(p->fault);
    d->host.free(d->host.user, p);
}

static cudaError_t set_up_program(program *p)
{
    void *word = nullptr;
    cudaError_t error = cudaStreamCreateWithFlags(&p->stream, cudaStreamNonBlocking);
    if (error == cudaSuccess)
        error = cudaMalloc(&word, sizeof *p->fault);
    p->fault = (int *)word;
    if (error == cudaSuccess)
        error = cudaMemsetAsync(p->fault, 0, sizeof *p->fault, p->stream);
    return error;
}

static bk_status cuda_load(void *device, const bk_plan *plan, void **out)
{
    cuda_device *d = (cuda_device *)device;
    void *memory;
    *out = nullptr;
    bk_status s = d->host.alloc(d->host.user, sizeof(program), &memory);
    if (s != BK_OK)
        return s;
    on_device here(d->index);
    program *p = new (memory) program();
    p->plan = *plan;
    s = status_of(&d->host, set_up_program(p), "cannot load a plan");
    if (s != BK_OK)
        cuda_unload(d, p);
    else
        *out = p;
    return s;
}

static void set_running(cuda_device *d, program *p, bool running)
{
    pthread_mutex_lock(&d->lock);
    if (running) {
        p->next = d->running;
        p->link = &d->running;
        if (p->next)
            p->next->link = &p->next;
        d->running = p;
    } else {
        *p->link = p->next;
        if (p->next)
            p->next->link = p->link;
    }
    p->launched = running;
    pthread_mutex_unlock(&d->lock);
}

/* Returns whether any address is another one than in the last run. */
static bool bind(program *p, void *const *bound)
{
    bool changed = false;
    for (int32_t i = 0; i < p->plan.n_bindings; i++) {
        const bk_binding *b = &p->plan.bindings[i];
        bk_call *c = &p->plan.calls[b->call];
        bk_tensor *t = b->operand < BK_MAX_IN ? &c->in[b->operand] : &c->out[b->operand - BK_MAX_IN];
        changed = changed || t->data != bound[b->slot];
        t->data = bound[b->slot];
    }
    return changed;
}

/* Starts the calls one by one. *failed: the call that could not be started. */
static cudaError_t start_calls(const cuda_device *d, const program *p, bk_op *failed)
{
    cudaError_t error = cudaSuccess;
    for (int32_t i = 0; i < p->plan.n_calls && error == cudaSuccess; i++) {
        *failed = p->plan.calls[i].op;
        error = start_call(d, &p->plan.calls[i], p->stream, p->fault);
    }
    return error;
}

/* Captures the calls. Where that fails, runs go on as they did before. */
static void capture(const cuda_device *d, program *p)
{
    cudaGraph_t graph = nullptr;
    bk_op failed;
    cudaError_t error = cudaStreamBeginCapture(p->stream, cudaStreamCaptureModeThreadLocal);
    if (error == cudaSuccess) {
        error = start_calls(d, p, &failed);
        cudaError_t end = cudaStreamEndCapture(p->stream, &graph);
        error = error == cudaSuccess ? end : error;
    }
    if (error == cudaSuccess)
        error = cudaGraphInstantiate(&p->captured, graph, 0);
    if (graph)
        cudaGraphDestroy(graph);
    if (error != cudaSuccess) {
        cudaGetLastError();
        p->captured = nullptr;
    }
}

static bk_status start_program(cuda_device *d, program *p)
{
    bk_op failed = BK_OP_COUNT;
    if (p->state == program::REPEATED && !d->eager)
        capture(d, p);
    if (p->state != program::SETTLED)
        p->state = p->state == program::FRESH ? program::REPEATED : program::SETTLED;
    if (p->captured)
        return status_of(&d->host, cudaGraphLaunch(p->captured, p->stream), "a captured plan");
    cudaError_t error = start_calls(d, p, &failed);
    return status_of(&d->host, error, bk_op_name(failed));
}

static bk_status cuda_launch(void *device, void *loaded, void *const *bound)
{
    cuda_device *d = (cuda_device *)device;
    program *p = (program *)loaded;
    if (p->launched) {
        say(&d->host, "a plan is launched that still runs", nullptr);
        return BK_ERR_FAILED;
    }
    on_device here(d->index);
    if (bind(p, bound))
        forget_captured(p);
    set_running(d, p, true);
    bk_status s = start_program(d, p);
    if (s == BK_OK)
        return BK_OK;
    cudaStreamSynchronize(p->stream);
    set_running(d, p, false);
    return s;
}

static bk_status cuda_wait(void *device, void *loaded)
{
    cuda_device *d = (cuda_device *)device;
    program *p = (program *)loaded;
    if (!p->launched) {
        say(&d->host, "a plan is waited for that does not run", nullptr);
        return BK_ERR_FAILED;
    }
    on_device here(d->index);
    bk_status s = finish(d, p->stream, p->fault);
    set_running(d, p, false);
    return s;
}

/* ---- the table ---- */

const bk_backend *bk_cuda(void)
{
    static const bk_backend table = {
        BK_API,       "cuda",      0,         cuda_open,   cuda_close,    cuda_supports, cuda_prepare,
        cuda_release, cuda_begin,  cuda_end,  cuda_run,    cuda_describe, cuda_alloc,    cuda_free,
        cuda_copy,    cuda_finite, cuda_load, cuda_unload, cuda_launch,   cuda_wait};
    return &table;
}
