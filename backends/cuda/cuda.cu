/* SPDX-License-Identifier: Apache-2.0 */
/* cuda.cu - the cuda backend: devices, memory, calls and whole plans. The kernels are in the other files of
 * this folder.
 *
 * A call fits if the reference backend, the definition, takes it and it is in float32. Each plan has a stream
 * of its own, so that two sessions overlap; calls outside plans and copies share the device's. Copies to the
 * device, and inside it, are started and not waited for: events keep the order, and what the host gave lies in
 * memory of its own until it is copied. What a kernel finds wrong, such as an index out of range, it writes to a
 * word of the device, which is read where the host waits.
 *
 * A plan that runs on the same addresses a second time is captured as a graph, which that run and later ones
 * start at once; with other addresses it is started call by call again. */
#include "backends/cuda/adam.h"
#include "backends/cuda/context.h"
#include "backends/cuda/cublaslt.h"
#include "backends/cuda/cuda.h"
#include "backends/cuda/kernel.h"

#include <cstdio>
#include <cstdlib>
#include <new>
#include <pthread.h>

enum { FLAGS = 1024 }; /* arrays that one check for finite numbers looks at */
constexpr size_t LUGGAGE = (size_t)8 << 20; /* bytes on their way to the device, at most */
constexpr size_t REPORTS = 4096;            /* bytes that one wait reads beside the flags, at most */

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
    CUcontext context; /* of the device; NULL: see context.h */
    bool eager;        /* nothing is captured */
    char library[512]; /* the file of cuBLASLt, or "" */
    bool wants_library;
    cublaslt *lt; /* NULL: not used */
    size_t limit, used; /* bytes of memory that may be and are taken by alloc() */
    block *blocks;
    void *definition; /* the reference backend, opened */
    cudaStream_t stream;
    cudaEvent_t copied; /* all that was started on it */
    int *fault, *flags; /* memory of the device */
    looked_at *list;    /* likewise, FLAGS of them */
    /* Memory of the host that the device reads and writes while the host goes on: copies up, of which so many bytes
     * may not have left; and FLAGS flags and other reports. */
    unsigned char *luggage;
    size_t packed;
    int *reports;
    pthread_mutex_t lock; /* of used, blocks, running, luggage and the order of works on the stream */
    program *running;     /* those that were launched and not waited for */
    char text[320];       /* for describe() */
};

struct program {
    bk_plan plan;
    cudaStream_t stream;
    int *fault, *found; /* the word of the device, and where the host finds it */
    cudaEvent_t ended;
    int launched;
    bool is_bound;       /* the calls have addresses, and steps are listed */
    int steps;           /* calls of BK_ADAM: neighbours among them are one launch */
    int *together;       /* by call: how many are one launch from this one on; NULL: there are no steps */
    adam_arrays *listed; /* of each step, on the host */
    adam_arrays *list;   /* likewise, in the device's memory */
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

static bk_status take_host_memory(cuda_device *d)
{
    void *luggage = nullptr, *reports = nullptr;
    cudaError_t error = cudaMallocHost(&luggage, LUGGAGE);
    d->luggage = (unsigned char *)luggage;
    if (error == cudaSuccess)
        error = cudaMallocHost(&reports, FLAGS * sizeof(int) + REPORTS);
    d->reports = (int *)reports;
    if (error == cudaSuccess)
        error = cudaEventCreateWithFlags(&d->copied, cudaEventDisableTiming);
    return status_of(&d->host, error, "cannot take memory of the host");
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
    d->context = primary_context(d->index);
    on_device here(d->index, d->context);
    s = status_of(&d->host, cudaStreamCreateWithFlags(&d->stream, cudaStreamNonBlocking),
                  "cannot make a stream");
    if (s == BK_OK)
        s = take_host_memory(d);
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
        on_device here(d->index, d->context);
        cudaStreamSynchronize(d->stream);
        cublaslt_close(d->lt);
        cudaFree(d->fault);
        cudaFree(d->list);
        cudaFreeHost(d->luggage);
        cudaFreeHost(d->reports);
        if (d->copied)
            cudaEventDestroy(d->copied);
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
    if (d->lt && k->plan) {
        on_device here(d->index, d->context);
        k->plan(call, d->lt, d->arithmetic);
    }
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

/* What the kernels found wrong is a failure, and the next run finds nothing wrong. */
static bk_status out_of_range(const cuda_device *d, cudaStream_t stream, int *fault)
{
    say(&d->host, "an index or a label is out of range", nullptr);
    bk_status s = status_of(&d->host, cudaMemsetAsync(fault, 0, sizeof *fault, stream), "a run failed");
    return s == BK_OK ? BK_ERR_FAILED : s;
}

/* Waits, and returns what the kernels found wrong. */
static bk_status finish(cuda_device *d, cudaStream_t stream, int *fault)
{
    int found = 0;
    cudaError_t error = cudaMemcpyAsync(&found, fault, sizeof found, cudaMemcpyDeviceToHost, stream);
    if (error == cudaSuccess)
        error = cudaStreamSynchronize(stream);
    bk_status s = status_of(&d->host, error, "a run failed");
    return s == BK_OK && found ? out_of_range(d, stream, fault) : s;
}

static bk_status cuda_run(void *device, bk_call *call)
{
    cuda_device *d = (cuda_device *)device;
    on_device here(d->index, d->context);
    return status_of(&d->host, start_call(d, call, d->stream, d->fault), bk_op_name(call->op));
}

static bk_status cuda_end(void *device)
{
    cuda_device *d = (cuda_device *)device;
    on_device here(d->index, d->context);
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
        on_device here(d->index, d->context);
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
    on_device here(d->index, d->context);
    cudaFree(p);
    delete b;
}

/* ---- the order of works ----
 * With the lock: what comes next on the device's stream comes after all plans that run, and what plans start later
 * comes after it. */

static cudaError_t come_after_plans(cuda_device *d)
{
    cudaError_t error = cudaSuccess;
    for (program *p = d->running; p && error == cudaSuccess; p = p->next)
        error = cudaStreamWaitEvent(d->stream, p->ended, 0);
    return error;
}

static cudaError_t wait_for_stream(cuda_device *d)
{
    d->packed = 0; /* it has left, or nothing more will be sent */
    return cudaStreamSynchronize(d->stream);
}

/* Starts a copy of bytes that the host may change at once. More of them than luggage holds are waited for. */
static cudaError_t send(cuda_device *d, void *to, const void *from, size_t bytes)
{
    if (bytes > LUGGAGE) {
        cudaError_t error = cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, d->stream);
        return error == cudaSuccess ? wait_for_stream(d) : error;
    }
    if (bytes > LUGGAGE - d->packed) {
        cudaError_t error = wait_for_stream(d);
        if (error != cudaSuccess)
            return error;
    }
    unsigned char *packed = d->luggage + d->packed;
    d->packed += (bytes + 63) / 64 * 64;
    d->packed = d->packed < LUGGAGE ? d->packed : LUGGAGE;
    memcpy(packed, from, bytes);
    return cudaMemcpyAsync(to, packed, bytes, cudaMemcpyHostToDevice, d->stream);
}

static cudaError_t start_copy(cuda_device *d, void *to, const void *from, size_t bytes, bk_direction way)
{
    cudaError_t error = come_after_plans(d);
    if (error != cudaSuccess)
        return error;
    if (way == BK_UP)
        return send(d, to, from, bytes);
    if (way == BK_ACROSS)
        return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, d->stream);
    error = cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, d->stream);
    return error == cudaSuccess ? wait_for_stream(d) : error;
}

static bk_status cuda_begin(void *device)
{
    cuda_device *d = (cuda_device *)device;
    on_device here(d->index, d->context);
    pthread_mutex_lock(&d->lock);
    cudaError_t error = come_after_plans(d);
    pthread_mutex_unlock(&d->lock);
    return status_of(&d->host, error, "the start of a run");
}

static bk_status cuda_copy(void *device, void *to, const void *from, size_t bytes, bk_direction way)
{
    cuda_device *d = (cuda_device *)device;
    on_device here(d->index, d->context);
    pthread_mutex_lock(&d->lock);
    cudaError_t error = start_copy(d, to, from, bytes, way);
    if (error == cudaSuccess)
        error = cudaEventRecord(d->copied, d->stream);
    pthread_mutex_unlock(&d->lock);
    return status_of(&d->host, error, "a copy failed");
}

/* ---- finite numbers ---- */

template <class T> __device__ __forceinline__ void look_for_others(const T *x, int64_t n, int *found)
{
    EACH(i, n)
    if (!(x[i] - x[i] == 0))
        raise_flag(found);
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

/* Starts the check of at most FLAGS arrays, whose flags will be among the reports. */
static cudaError_t start_check(cuda_device *d, const bk_tensor *arrays, int n)
{
    looked_at list[FLAGS];
    unsigned blocks = 1;
    for (int k = 0; k < n; k++) {
        list[k] = {arrays[k].data, bk_count(&arrays[k].shape), arrays[k].shape.dtype == BK_F64};
        blocks = blocks_for(list[k].n) > blocks ? blocks_for(list[k].n) : blocks;
    }
    dim3 grid(blocks < LOOKERS ? blocks : LOOKERS, (unsigned)n);
    cudaError_t error = cudaMemsetAsync(d->flags, 0, (size_t)n * sizeof(int), d->stream);
    if (error == cudaSuccess)
        error = send(d, d->list, list, (size_t)n * sizeof *list);
    if (error == cudaSuccess)
        error = launch(d->stream, look_at_all, grid, BLOCK, 0, (const looked_at *)d->list, d->flags);
    if (error == cudaSuccess)
        error =
            cudaMemcpyAsync(d->reports, d->flags, (size_t)n * sizeof(int), cudaMemcpyDeviceToHost, d->stream);
    return error;
}

/* Where a read finds its bytes among the reports; NULL: there is no room. */
static unsigned char *report_of(const cuda_device *d, const bk_read *reads, int k)
{
    size_t at = 0;
    for (int i = 0; i < k; i++)
        at += reads[i].bytes;
    return at + reads[k].bytes <= REPORTS ? (unsigned char *)(d->reports + FLAGS) + at : nullptr;
}

static cudaError_t start_reads(const cuda_device *d, const bk_read *reads, int n)
{
    cudaError_t error = cudaSuccess;
    for (int k = 0; k < n && error == cudaSuccess; k++) {
        void *report = report_of(d, reads, k);
        error = cudaMemcpyAsync(report ? report : reads[k].to, reads[k].from, reads[k].bytes,
                                cudaMemcpyDeviceToHost, d->stream);
    }
    return error;
}

static void deliver_reads(const cuda_device *d, const bk_read *reads, int n)
{
    for (int k = 0; k < n; k++)
        if (const void *report = report_of(d, reads, k))
            memcpy(reads[k].to, report, reads[k].bytes);
}

static void find_first(const cuda_device *d, int n, int32_t at, int32_t *first)
{
    for (int k = 0; k < n && *first < 0; k++)
        if (d->reports[k])
            *first = at + k;
}

/* With the lock. More arrays than there are flags are checked one lot after the other. */
static cudaError_t look_at(cuda_device *d, const bk_tensor *arrays, int32_t n, int32_t *first)
{
    cudaError_t error = cudaSuccess;
    for (int32_t at = 0; error == cudaSuccess && *first < 0 && (at < n || at == 0); at += FLAGS) {
        int some = n - at < FLAGS ? n - at : FLAGS;
        if (some > 0)
            error = start_check(d, arrays + at, some);
        if (error == cudaSuccess)
            error = wait_for_stream(d);
        if (error == cudaSuccess)
            find_first(d, some, at, first);
    }
    return error;
}

static bk_status cuda_look(void *device, const bk_tensor *arrays, int32_t n, int32_t *first, const bk_read *reads,
                           int32_t n_reads)
{
    cuda_device *d = (cuda_device *)device;
    on_device here(d->index, d->context);
    *first = -1;
    pthread_mutex_lock(&d->lock);
    cudaError_t error = come_after_plans(d);
    if (error == cudaSuccess)
        error = start_reads(d, reads, n_reads);
    if (error == cudaSuccess)
        error = look_at(d, arrays, n, first);
    if (error == cudaSuccess)
        deliver_reads(d, reads, n_reads);
    pthread_mutex_unlock(&d->lock);
    return status_of(&d->host, error, "the check for finite numbers failed");
}

/* ---- whole plans ---- */

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
    on_device here(d->index, d->context);
    if (p->launched)
        set_running(d, p, false);
    if (p->stream) {
        cudaStreamSynchronize(p->stream);
        forget_captured(p);
        cudaStreamDestroy(p->stream);
    }
    if (p->ended)
        cudaEventDestroy(p->ended);
    cudaFree(p->fault);
    cudaFreeHost(p->found);
    cudaFree(p->list);
    d->host.free(d->host.user, p->together);
    d->host.free(d->host.user, p->listed);
    d->host.free(d->host.user, p);
}

static cudaError_t set_up_program(program *p)
{
    void *word = nullptr, *found = nullptr;
    cudaError_t error = cudaStreamCreateWithFlags(&p->stream, cudaStreamNonBlocking);
    if (error == cudaSuccess)
        error = cudaEventCreateWithFlags(&p->ended, cudaEventDisableTiming);
    if (error == cudaSuccess)
        error = cudaMalloc(&word, sizeof *p->fault);
    p->fault = (int *)word;
    if (error == cudaSuccess)
        error = cudaMallocHost(&found, sizeof *p->found);
    p->found = (int *)found;
    if (error == cudaSuccess)
        error = cudaMemsetAsync(p->fault, 0, sizeof *p->fault, p->stream);
    return error;
}

/* Takes room for the list of arrays that steps of Adam have. */
static bk_status take_list(cuda_device *d, program *p)
{
    void *together = nullptr, *listed = nullptr, *list = nullptr;
    for (int32_t i = 0; i < p->plan.n_calls; i++)
        p->steps += p->plan.calls[i].op == BK_ADAM;
    if (p->steps == 0)
        return BK_OK;
    size_t bytes = (size_t)p->steps * sizeof *p->list;
    bk_status s = d->host.alloc(d->host.user, (size_t)p->plan.n_calls * sizeof *p->together, &together);
    p->together = (int *)together;
    if (s == BK_OK)
        s = d->host.alloc(d->host.user, bytes, &listed);
    p->listed = (adam_arrays *)listed;
    if (s == BK_OK)
        s = status_of(&d->host, cudaMalloc(&list, bytes), "cannot load a plan");
    p->list = (adam_arrays *)list;
    return s;
}

static bk_status cuda_load(void *device, const bk_plan *plan, void **out)
{
    cuda_device *d = (cuda_device *)device;
    void *memory;
    *out = nullptr;
    bk_status s = d->host.alloc(d->host.user, sizeof(program), &memory);
    if (s != BK_OK)
        return s;
    on_device here(d->index, d->context);
    program *p = new (memory) program();
    p->plan = *plan;
    s = status_of(&d->host, set_up_program(p), "cannot load a plan");
    if (s == BK_OK)
        s = take_list(d, p);
    if (s != BK_OK)
        cuda_unload(d, p);
    else
        *out = p;
    return s;
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

/* Lists the arrays of steps of Adam, whose addresses are others now, and starts the copy to the device. */
static cudaError_t list_steps(program *p)
{
    adam_arrays *next = p->listed;
    if (p->steps == 0)
        return cudaSuccess;
    for (int32_t i = 0, n; i < p->plan.n_calls; i += n ? n : 1) {
        n = p->together[i] = adam_together(p->plan.calls + i, p->plan.n_calls - i);
        for (int32_t k = 0; k < n; k++)
            *next++ = adam_arrays_of(&p->plan.calls[i + k]);
    }
    return cudaMemcpyAsync(p->list, p->listed, (size_t)p->steps * sizeof *p->list, cudaMemcpyHostToDevice,
                           p->stream);
}

/* Starts the calls one after the other. *failed: the call that could not be started. */
static cudaError_t start_calls(const cuda_device *d, const program *p, bk_op *failed)
{
    const adam_arrays *list = p->list;
    execution e = {p->stream, p->fault, d->processors, d->arithmetic, cudaSuccess};
    for (int32_t i = 0; i < p->plan.n_calls && e.error == cudaSuccess;) {
        int n = p->together ? p->together[i] : 0;
        const bk_call *call = &p->plan.calls[i];
        *failed = call->op;
        if (n > 0)
            start_adam(&e, call, n, list);
        else
            kernels[call->op]->run(call, &e);
        list += n;
        i += n > 0 ? n : 1;
    }
    return e.error;
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

/* What the plan does comes after all copies, and after another plan. */
static cudaError_t come_after_others(cuda_device *d, const program *p, const program *after)
{
    pthread_mutex_lock(&d->lock);
    cudaError_t error = cudaStreamWaitEvent(p->stream, d->copied, 0);
    if (error == cudaSuccess && after && after->launched)
        error = cudaStreamWaitEvent(p->stream, after->ended, 0);
    pthread_mutex_unlock(&d->lock);
    return error;
}

/* Has the word with what the kernels find wrong copied behind them. */
static cudaError_t end_program(program *p)
{
    cudaError_t error = cudaMemcpyAsync(p->found, p->fault, sizeof *p->found, cudaMemcpyDeviceToHost, p->stream);
    return error == cudaSuccess ? cudaEventRecord(p->ended, p->stream) : error;
}

static bk_status cuda_launch(void *device, void *loaded, void *const *bound, void *after)
{
    cuda_device *d = (cuda_device *)device;
    program *p = (program *)loaded;
    if (p->launched) {
        say(&d->host, "a plan is launched that still runs", nullptr);
        return BK_ERR_FAILED;
    }
    on_device here(d->index, d->context);
    cudaError_t error = come_after_others(d, p, (const program *)after);
    if (bind(p, bound) || !p->is_bound) {
        forget_captured(p);
        if (error == cudaSuccess)
            error = list_steps(p);
        p->is_bound = error == cudaSuccess;
    }
    bk_status s = status_of(&d->host, error, "the order of plans");
    if (s == BK_OK)
        s = start_program(d, p);
    if (s == BK_OK)
        s = status_of(&d->host, end_program(p), "the end of a plan");
    if (s == BK_OK)
        set_running(d, p, true);
    else
        cudaStreamSynchronize(p->stream);
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
    on_device here(d->index, d->context);
    bk_status s = status_of(&d->host, cudaStreamSynchronize(p->stream), "a run failed");
    set_running(d, p, false);
    return s == BK_OK && *p->found ? out_of_range(d, p->stream, p->fault) : s;
}

/* ---- the table ---- */

const bk_backend *bk_cuda(void)
{
    static const bk_backend table = {
        BK_API,       "cuda",      0,         cuda_open,   cuda_close,    cuda_supports, cuda_prepare,
        cuda_release, cuda_begin,  cuda_end,  cuda_run,    cuda_describe, cuda_alloc,    cuda_free,
        cuda_copy,    cuda_look,   cuda_load, cuda_unload, cuda_launch,   cuda_wait};
    return &table;
}
