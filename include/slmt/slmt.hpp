/* SPDX-License-Identifier: Apache-2.0 */
/** @file slmt.hpp
 *  libslmt for C++17: the handles as move-only objects, statuses as exceptions, arrays as views.
 *
 *  A thin layer, in this header alone: each call is one of the C API's, whose pages (slmt.h, slmt_net.h) say
 *  what it does, which errors it has, and which threads may call it. Images are neither copied nor kept: a
 *  view is a pointer and a size. The structs of options are the C API's own, filled with its defaults by the
 *  functions named after them. What is not here is called in C: get() gives the handle.
 *
 *      slmt::context context;
 *      slmt::model model = slmt::model::load(context, "model.h5");
 *      slmt::session session(model);
 *      session.synthesize(source, target); // std::vector<float>, or anything with data() and size()
 *
 *  A call that fails throws slmt::error; one that was cancelled throws slmt::cancelled. What a callback
 *  throws passes through the library unharmed: the running call is cancelled and the exception thrown from
 *  there. */
#ifndef SLMT_HPP
#define SLMT_HPP

#include "slmt/slmt.h"
#include "slmt/slmt_net.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace slmt
{

/* ---- errors ---- */

/** A call failed: its status, and as what() the status's name and the library's text. */
class error : public std::runtime_error
{
  public:
    error(slmt_status status, const std::string &text)
        : std::runtime_error(std::string(slmt_status_name(status)) + ": " + text), status_(status)
    {
    }
    slmt_status status() const noexcept
    {
        return status_;
    }

  private:
    slmt_status status_;
};

/** A call ended because a callback or cancel() asked for it. */
class cancelled : public error
{
  public:
    using error::error;
};

/** Throws unless the status, of a call just made on this thread, is SLMT_OK. */
inline void check(slmt_status status)
{
    if (status == SLMT_ERR_CANCELLED)
        throw cancelled(status, slmt_error_text());
    if (status != SLMT_OK)
        throw error(status, slmt_error_text());
}

/* ---- views and tensors ---- */

/** Somebody else's array: a pointer and a number of elements. For arguments. */
template <class T> class view
{
  public:
    view(T *data, std::size_t size) noexcept : data_(data), size_(size)
    {
    }
    template <std::size_t N> view(T (&array)[N]) noexcept : data_(array), size_(N)
    {
    }
    /** Of a vector, an array, a span: what has data() and size(). */
    template <class C,
              class = std::enable_if_t<std::is_convertible_v<decltype(std::declval<C &>().data()), T *>>>
    view(C &&container) noexcept : data_(container.data()), size_(container.size())
    {
    }
    T *data() const noexcept
    {
        return data_;
    }
    std::size_t size() const noexcept
    {
        return size_;
    }
    T *begin() const noexcept
    {
        return data_;
    }
    T *end() const noexcept
    {
        return data_ + size_;
    }

  private:
    T *data_;
    std::size_t size_;
};

/** Options of a method or settings of a task, by name: {{"batch", 4}, {"height", 64}}. */
using numbers = std::vector<slmt_number>;

namespace detail
{
inline void expect_size(const char *what, std::size_t size, std::size_t expected)
{
    if (size != expected)
        throw error(SLMT_ERR_ARGUMENT, std::string(what) + " has " + std::to_string(size) +
                                           " elements, expected " + std::to_string(expected));
}

inline slmt_tensor make_tensor(const char *name, void *data, std::size_t size, const std::int64_t *shape,
                               std::size_t rank, std::int32_t type)
{
    std::size_t expected = 1;
    for (std::size_t i = 0; i < rank; i++)
        expected *= static_cast<std::size_t>(shape[i]);
    expect_size(name, size, expected);
    return {name, data, shape, nullptr, static_cast<std::int32_t>(rank), type};
}
} // namespace detail

/** An input of a task; it is not written to. `shape` is not copied and must outlive the tensor. */
template <std::size_t N>
slmt_tensor input(const char *name, view<const float> data, const std::array<std::int64_t, N> &shape)
{
    return detail::make_tensor(name, const_cast<float *>(data.data()), data.size(), shape.data(), N,
                               SLMT_TENSOR_FLOAT32);
}
template <std::size_t N>
slmt_tensor input(const char *name, view<const std::int32_t> data, const std::array<std::int64_t, N> &shape)
{
    return detail::make_tensor(name, const_cast<std::int32_t *>(data.data()), data.size(), shape.data(), N,
                               SLMT_TENSOR_INT32);
}
template <class T, std::size_t N>
slmt_tensor input(const char *, T &&, const std::array<std::int64_t, N> &&) = delete;

/** An input that is one whole number, such as the index of a sequence; `value` must outlive the tensor. */
inline slmt_tensor input(const char *name, const std::int32_t &value)
{
    static constexpr std::int64_t one = 1;
    return {name, const_cast<std::int32_t *>(&value), &one, nullptr, 1, SLMT_TENSOR_INT32};
}
slmt_tensor input(const char *name, const std::int32_t &&value) = delete;

/** An output of a task. */
template <std::size_t N>
slmt_tensor output(const char *name, view<float> data, const std::array<std::int64_t, N> &shape)
{
    return detail::make_tensor(name, data.data(), data.size(), shape.data(), N, SLMT_TENSOR_FLOAT32);
}
template <class T, std::size_t N>
slmt_tensor output(const char *, T &&, const std::array<std::int64_t, N> &&) = delete;

/* ---- structs of options, filled with the defaults ---- */

inline slmt_context_config context_config()
{
    slmt_context_config config;
    slmt_context_config_init(&config);
    return config;
}

inline slmt_net_options model_options(std::int32_t preset = SLMT_NET_PRESET_BASE)
{
    slmt_net_options options;
    check(slmt_net_options_init(&options, preset));
    return options;
}

inline slmt_preprocess preprocess()
{
    slmt_preprocess preprocess;
    slmt_preprocess_init(&preprocess);
    return preprocess;
}

inline slmt_net_session_config session_config()
{
    slmt_net_session_config config;
    slmt_net_session_config_init(&config);
    return config;
}

inline slmt_net_trainer_config trainer_config(std::int32_t stage)
{
    slmt_net_trainer_config config;
    check(slmt_net_trainer_config_init(&config, stage));
    return config;
}

/* ---- handles ---- */

namespace detail
{
template <class T, void (*Free)(T *)> struct deleter {
    void operator()(T *pointer) const noexcept
    {
        Free(pointer);
    }
};
template <class T, void (*Free)(T *)> using handle = std::unique_ptr<T, deleter<T, Free>>;

/** A struct of the C API that is asked for: zeros, and its size. */
template <class T> T sized()
{
    T value{};
    value.struct_size = sizeof value;
    return value;
}

/** A function called from C, and what it threw there. */
template <class Function> struct callback {
    Function function;
    std::exception_ptr thrown;

    template <class... Arguments> std::int32_t operator()(Arguments... arguments) noexcept
    {
        try {
            return function(arguments...) ? 0 : 1;
        } catch (...) {
            thrown = std::current_exception();
            return 1;
        }
    }
    void rethrow()
    {
        if (thrown)
            std::rethrow_exception(std::exchange(thrown, nullptr));
    }
};

inline std::vector<std::int64_t> shape_of(const std::int64_t (&shape)[6], std::int32_t rank)
{
    return std::vector<std::int64_t>(shape, shape + rank);
}

inline std::size_t elements(const std::vector<std::int64_t> &shape)
{
    std::size_t n = 1;
    for (std::int64_t extent : shape)
        n *= static_cast<std::size_t>(extent);
    return n;
}
} // namespace detail

/** Called after slices that were computed together: what is done, how many, of how many. True: go on. */
using progress = std::function<bool(const char *stage, std::uint64_t done, std::uint64_t total)>;

/** What a step reports, by name: losses, and "learning_rate". */
class values
{
  public:
    explicit values(const slmt_trainer *trainer) noexcept : trainer_(trainer)
    {
    }
    double operator[](const char *name) const
    {
        double value = 0;
        check(slmt_trainer_value(trainer_, name, &value));
        return value;
    }
    std::size_t size() const noexcept
    {
        return slmt_trainer_value_count(trainer_);
    }
    const char *name(std::size_t index) const noexcept
    {
        return slmt_trainer_value_name(trainer_, index);
    }

  private:
    const slmt_trainer *trainer_;
};

/** Called after each step of trainer::run(). True: go on. */
using on_step = std::function<bool(const slmt_training_state &state, const values &step)>;

/** Backend, threads and memory. What is made in it keeps it alive. */
class context
{
  public:
    explicit context(const slmt_context_config &config = context_config())
    {
        slmt_context *made = nullptr;
        check(slmt_context_create(&config, &made));
        handle_.reset(made);
    }
    slmt_context *get() const noexcept
    {
        return handle_.get();
    }
    std::uint64_t live_bytes() const
    {
        return slmt_context_live_bytes(get());
    }
    std::uint64_t device_bytes() const
    {
        return slmt_context_device_bytes(get());
    }
    const char *describe() const
    {
        return slmt_context_describe(get());
    }

  private:
    detail::handle<slmt_context, slmt_context_free> handle_;
};

/** A scan. */
class volume
{
  public:
    /** Takes over a handle. */
    explicit volume(slmt_volume *owned) noexcept : handle_(owned)
    {
    }
    /** Voxels along i, j, k; affine: 16 numbers or nullptr. The voxels are copied, as by
     * slmt_volume_create(). */
    volume(const context &context, const std::array<std::int64_t, 3> &dims, view<const float> voxels,
           const double *affine = nullptr)
    {
        detail::expect_size("voxels", voxels.size(), static_cast<std::size_t>(dims[0] * dims[1] * dims[2]));
        slmt_volume *made = nullptr;
        check(slmt_volume_create(context.get(), dims.data(), affine, voxels.data(), &made));
        handle_.reset(made);
    }
    static volume read(const context &context, const std::string &path)
    {
        slmt_volume *made = nullptr;
        check(slmt_volume_read(context.get(), path.c_str(), &made));
        return volume(made);
    }
    void write(const std::string &path) const
    {
        check(slmt_volume_write(get(), path.c_str()));
    }
    slmt_volume *get() const noexcept
    {
        return handle_.get();
    }
    std::array<std::int64_t, 3> dims() const
    {
        std::array<std::int64_t, 3> dims;
        slmt_volume_dims(get(), dims.data());
        return dims;
    }
    std::array<double, 16> affine() const
    {
        std::array<double, 16> affine;
        slmt_volume_affine(get(), affine.data());
        return affine;
    }
    /** They live with the volume. */
    view<const float> voxels() const
    {
        std::array<std::int64_t, 3> n = dims();
        return view<const float>(slmt_volume_voxels(get()), static_cast<std::size_t>(n[0] * n[1] * n[2]));
    }

  private:
    detail::handle<slmt_volume, slmt_volume_free> handle_;
};

/** A model. Move-only; share() makes one more owner of the same weights. */
class model
{
  public:
    /** Takes over a handle. */
    explicit model(slmt_model *owned) noexcept : handle_(owned)
    {
    }
    /** SLMT-Net with fresh weights. */
    model(const context &context, const slmt_net_options &options, std::uint64_t seed)
    {
        slmt_model *made = nullptr;
        check(slmt_net_create(context.get(), &options, seed, &made));
        handle_.reset(made);
    }
    /** Any method, by name. */
    model(const context &context, const char *method, const numbers &options, std::uint64_t seed)
    {
        slmt_model *made = nullptr;
        check(slmt_model_create(context.get(), method, options.data(), options.size(), seed, &made));
        handle_.reset(made);
    }
    static model load(const context &context, const std::string &path)
    {
        slmt_model *made = nullptr;
        check(slmt_model_load(context.get(), path.c_str(), &made));
        return model(made);
    }
    /** From the bytes of a checkpoint file. */
    static model load_memory(const context &context, const void *data, std::size_t size)
    {
        slmt_model *made = nullptr;
        check(slmt_model_load_memory(context.get(), data, size, &made));
        return model(made);
    }
    void save(const std::string &path) const
    {
        check(slmt_model_save(get(), path.c_str()));
    }
    model share() const
    {
        return model(slmt_model_retain(get()));
    }
    slmt_model *get() const noexcept
    {
        return handle_.get();
    }
    const char *method() const
    {
        return slmt_model_method(get());
    }
    double option(const char *name) const
    {
        double value = 0;
        check(slmt_model_option(get(), name, &value));
        return value;
    }
    slmt_net_options options() const
    {
        auto options = detail::sized<slmt_net_options>();
        check(slmt_net_get_options(get(), &options));
        return options;
    }
    slmt_preprocess preprocess() const
    {
        auto preprocess = detail::sized<slmt_preprocess>();
        check(slmt_model_get_preprocess(get(), &preprocess));
        return preprocess;
    }
    void set_preprocess(const slmt_preprocess &preprocess)
    {
        check(slmt_model_set_preprocess(get(), &preprocess));
    }
    std::size_t tensor_count() const
    {
        return slmt_model_tensor_count(get());
    }
    slmt_tensor_info tensor(std::size_t index) const
    {
        auto info = detail::sized<slmt_tensor_info>();
        check(slmt_model_tensor_info(get(), index, &info));
        return info;
    }
    void get_tensor(const char *name, view<float> values) const
    {
        check(slmt_model_get_tensor(get(), name, values.data(), values.size()));
    }
    void set_tensor(const char *name, view<const float> values)
    {
        check(slmt_model_set_tensor(get(), name, values.data(), values.size()));
    }
    const char *card(const char *key) const
    {
        return slmt_model_card(get(), key);
    }
    std::string card_key(std::size_t index) const
    {
        return slmt_model_card_key(get(), index);
    }
    void set_card(const char *key, const char *text)
    {
        check(slmt_model_set_card(get(), key, text));
    }
    /** The names of the contrasts that the model tells apart, by index. */
    std::vector<std::string> contrasts() const
    {
        std::vector<std::string> names;
        for (std::size_t i = 0; i < slmt_model_contrast_count(get()); i++)
            names.emplace_back(slmt_model_contrast(get(), i));
        return names;
    }
    void set_contrasts(const std::vector<std::string> &names)
    {
        std::vector<const char *> texts;
        for (const std::string &name : names)
            texts.push_back(name.c_str());
        check(slmt_model_set_contrasts(get(), texts.data(), texts.size()));
    }
    /** What a session would be given: slmt_normalize_volume(). */
    volume normalize(const volume &source) const
    {
        slmt_volume *made = nullptr;
        check(slmt_normalize_volume(get(), source.get(), &made));
        return volume(made);
    }

  private:
    detail::handle<slmt_model, slmt_model_free> handle_;
};

/** A model running one of its tasks. */
class session
{
  public:
    /** SLMT-Net's synthesis. */
    session(const model &model, const slmt_net_session_config &config)
    {
        slmt_session *made = nullptr;
        check(slmt_net_session_create(model.get(), &config, &made));
        handle_.reset(made);
    }
    /** Any task that does not train, by name; nullptr: the one that makes a target. */
    explicit session(const model &model, const char *task = nullptr, const numbers &settings = {})
    {
        slmt_session *made = nullptr;
        check(slmt_session_create(model.get(), task, settings.data(), settings.size(), &made));
        handle_.reset(made);
    }
    /** Bytes that such sessions hold. */
    static std::uint64_t memory(const model &model, const slmt_net_session_config &config)
    {
        std::uint64_t bytes = 0;
        check(slmt_net_session_memory(model.get(), &config, &bytes));
        return bytes;
    }
    static std::uint64_t memory(const model &model, const char *task = nullptr, const numbers &settings = {})
    {
        std::uint64_t bytes = 0;
        check(slmt_session_memory(model.get(), task, settings.data(), settings.size(), &bytes));
        return bytes;
    }
    static std::uint64_t device_memory(const model &model, const char *task = nullptr,
                                       const numbers &settings = {})
    {
        std::uint64_t bytes = 0;
        check(slmt_session_device_memory(model.get(), task, settings.data(), settings.size(), &bytes));
        return bytes;
    }
    /** From now on; an empty function: no calls. */
    void set_progress(progress function)
    {
        auto next = std::make_unique<detail::callback<progress>>();
        next->function = std::move(function);
        check(slmt_session_set_progress(get(), next->function ? call : nullptr, next.get()));
        progress_ = std::move(next);
    }
    /** From any thread: the running call, or else the next one, throws slmt::cancelled. */
    void cancel() noexcept
    {
        slmt_session_cancel(get());
    }
    /** As many slices as there are in the source; the target is as large. */
    void synthesize(view<const float> source, view<float> target)
    {
        std::vector<std::int64_t> one = shape(source_name());
        std::size_t pixels = static_cast<std::size_t>(one[one.size() - 2] * one[one.size() - 1]);
        std::size_t count = source.size() / pixels;
        detail::expect_size("the source", source.size(), count * pixels);
        detail::expect_size("the target", target.size(), source.size());
        check_call(slmt_synthesize(get(), source.data(), count, target.data()));
    }
    /** The volume as the session sees it: slmt_session_normalize_volume(). */
    volume normalize(const volume &source)
    {
        slmt_volume *made = nullptr;
        check(slmt_session_normalize_volume(get(), source.get(), &made));
        return volume(made);
    }
    volume synthesize(const volume &source)
    {
        slmt_volume *made = nullptr;
        slmt_status status = slmt_synthesize_volume(get(), source.get(), &made);
        volume target(made);
        check_call(status);
        return target;
    }
    /** The contrast to make from now on, by its name. */
    void set_target(const std::string &contrast)
    {
        check(slmt_session_set_target(get(), contrast.c_str()));
    }
    /** An input that all slices share, such as the index of the contrast to make. */
    void set(const slmt_tensor &input)
    {
        check(slmt_session_set(get(), &input));
    }
    void run(view<const slmt_tensor> inputs, view<const slmt_tensor> outputs)
    {
        check_call(slmt_session_run(get(), inputs.data(), inputs.size(), outputs.data(), outputs.size()));
    }
    std::vector<std::int64_t> shape(const char *name) const
    {
        std::int64_t shape[6];
        std::int32_t rank = 0;
        check(slmt_session_shape(get(), name, shape, &rank));
        return detail::shape_of(shape, rank);
    }
    slmt_session *get() const noexcept
    {
        return handle_.get();
    }

  private:
    static std::int32_t call(void *user, const char *stage, std::uint64_t done, std::uint64_t total)
    {
        return (*static_cast<detail::callback<progress> *>(user))(stage, done, total);
    }
    /** The input that slices go to. */
    const char *source_name() const
    {
        auto info = detail::sized<slmt_port_info>();
        const char *method = slmt_model_method(slmt_session_model(get())), *task = slmt_session_task(get());
        for (std::size_t i = 0; slmt_task_input(method, task, i, &info) == SLMT_OK; i++)
            if (info.role == SLMT_ROLE_SOURCE)
                return info.name;
        throw error(SLMT_ERR_UNSUPPORTED, std::string("task ") + task + " of " + method + " takes no slices");
    }
    void check_call(slmt_status status)
    {
        if (progress_)
            progress_->rethrow();
        check(status);
    }
    std::unique_ptr<detail::callback<progress>> progress_; /* outlives the handle, and does not move */
    detail::handle<slmt_session, slmt_session_free> handle_;
};

/** A training set open for reading. */
class dataset
{
  public:
    dataset(const context &context, const std::string &path)
    {
        slmt_dataset *made = nullptr;
        check(slmt_dataset_open(context.get(), path.c_str(), &made));
        handle_.reset(made);
    }
    slmt_preprocess preprocess() const
    {
        auto preprocess = detail::sized<slmt_preprocess>();
        check(slmt_dataset_get_preprocess(get(), &preprocess));
        return preprocess;
    }
    std::size_t contrast_count() const
    {
        return slmt_dataset_contrast_count(get());
    }
    const char *contrast(std::size_t index) const
    {
        return slmt_dataset_contrast(get(), index);
    }
    std::size_t subject_count() const
    {
        return slmt_dataset_subject_count(get());
    }
    const char *subject(std::size_t index) const
    {
        return slmt_dataset_subject(get(), index);
    }
    std::int32_t subject_split(std::size_t index) const
    {
        return slmt_dataset_subject_split(get(), index);
    }
    std::size_t slice_count(std::size_t subject, std::size_t contrast) const
    {
        return slmt_dataset_slice_count(get(), subject, contrast);
    }
    /** One slice into [image_size][image_size] pixels. */
    void read_slice(std::size_t subject, std::size_t contrast, std::size_t slice, view<float> pixels,
                    std::int32_t resize = SLMT_RESIZE_BILINEAR)
    {
        std::size_t side = static_cast<std::size_t>(preprocess().image_size);
        detail::expect_size("a slice", pixels.size(), side * side);
        check(slmt_dataset_read_slice(get(), subject, contrast, slice, resize, pixels.data()));
    }
    /** "mr" of MR volumes, "" of other records. */
    const char *source() const
    {
        return slmt_dataset_source(get());
    }
    std::size_t field_count() const
    {
        return slmt_dataset_field_count(get());
    }
    slmt_field field(std::size_t index) const
    {
        slmt_field info{};
        info.struct_size = sizeof info;
        check(slmt_dataset_field(get(), index, &info));
        return info;
    }
    std::size_t record_count() const
    {
        return slmt_dataset_record_count(get());
    }
    slmt_record record(std::size_t index) const
    {
        slmt_record info{};
        info.struct_size = sizeof info;
        check(slmt_dataset_record(get(), index, &info));
        return info;
    }
    /** The shape of a record's tensor; empty where it has none. */
    std::vector<std::int64_t> shape(std::size_t record, std::size_t field) const
    {
        std::int64_t extents[6];
        slmt_status status = slmt_dataset_shape(get(), record, field, extents);
        if (status == SLMT_ERR_NOT_FOUND)
            return {};
        check(status);
        return {extents, extents + this->field(field).rank};
    }
    /** Rows [first, first + count) of a record's tensor. */
    void read(std::size_t record, std::size_t field, std::int64_t first, std::int64_t count,
              const slmt_tensor &tensor)
    {
        check(slmt_dataset_read(get(), record, field, first, count, &tensor));
    }
    slmt_dataset *get() const noexcept
    {
        return handle_.get();
    }

  private:
    detail::handle<slmt_dataset, slmt_dataset_free> handle_;
};

/** A training set of any fields being written: dropped unless finish() succeeds. */
class record_writer
{
  public:
    record_writer(const context &context, const std::string &path, const std::vector<slmt_field> &fields)
    {
        slmt_dataset_writer *made = nullptr;
        check(slmt_dataset_writer_create(context.get(), path.c_str(), &made));
        handle_.reset(made);
        for (const slmt_field &field : fields)
            check(slmt_dataset_writer_add_field(handle_.get(), &field));
    }
    /** Begins a record; append() its tensors, then end() or undo(). */
    void begin(const char *id, const char *group = nullptr, std::int32_t split = SLMT_SPLIT_TRAIN)
    {
        slmt_record record{};
        record.struct_size = sizeof record;
        record.split = split;
        record.id = id;
        record.group = group;
        check(slmt_dataset_writer_begin(handle_.get(), &record));
    }
    void append(std::int32_t field, const slmt_tensor &tensor)
    {
        check(slmt_dataset_writer_append(handle_.get(), field, &tensor));
    }
    void end()
    {
        check(slmt_dataset_writer_end(handle_.get()));
    }
    void undo()
    {
        check(slmt_dataset_writer_undo(handle_.get()));
    }
    void finish()
    {
        check(slmt_dataset_writer_finish(handle_.release()));
    }

  private:
    detail::handle<slmt_dataset_writer, slmt_dataset_writer_cancel> handle_;
};

/** A training set of MR volumes being written: dropped unless finish() succeeds. */
class dataset_writer
{
  public:
    dataset_writer(const context &context, const std::string &path, const slmt_preprocess &preprocess,
                   const std::vector<const char *> &contrasts)
    {
        slmt_dataset_writer *made = nullptr;
        check(slmt_dataset_writer_create_mr(context.get(), path.c_str(), &preprocess, contrasts.data(),
                                            contrasts.size(), &made));
        handle_.reset(made);
        volumes_ = contrasts.size();
    }
    /** A field of label maps, before the first subject. */
    void add_labels(const char *name)
    {
        check(slmt_dataset_writer_add_labels(handle_.get(), name));
        volumes_++;
    }
    /** One volume for each contrast, then for each field of labels; nullptr where missing. */
    void add(const char *subject, const std::vector<const volume *> &volumes,
             std::int32_t split = SLMT_SPLIT_TRAIN)
    {
        detail::expect_size("the list of volumes", volumes.size(), volumes_);
        std::vector<const slmt_volume *> handles;
        for (const volume *one : volumes)
            handles.push_back(one ? one->get() : nullptr);
        check(slmt_dataset_writer_add(handle_.get(), subject, handles.data(), split));
    }
    void finish()
    {
        check(slmt_dataset_writer_finish(handle_.release()));
    }

  private:
    detail::handle<slmt_dataset_writer, slmt_dataset_writer_cancel> handle_;
    std::size_t volumes_ = 0;
};

/** A model in training. */
class trainer
{
  public:
    /** A stage of SLMT-Net. */
    trainer(const slmt::model &model, const slmt_net_trainer_config &config)
    {
        slmt_trainer *made = nullptr;
        check(slmt_net_trainer_create(model.get(), &config, &made));
        handle_.reset(made);
    }
    /** Any task that trains, by name. */
    trainer(const slmt::model &model, const char *task, const numbers &settings, std::uint64_t seed)
    {
        slmt_trainer *made = nullptr;
        check(slmt_trainer_create(model.get(), task, settings.data(), settings.size(), seed, &made));
        handle_.reset(made);
    }
    static trainer load(const context &context, const std::string &path)
    {
        slmt_trainer *made = nullptr;
        check(slmt_trainer_load(context.get(), path.c_str(), &made));
        return trainer(made);
    }
    void save(const std::string &path) const
    {
        check(slmt_trainer_save(handle_.get(), path.c_str()));
    }
    /** Bytes that such trainers hold. */
    static std::uint64_t memory(const slmt::model &model, const slmt_net_trainer_config &config)
    {
        std::uint64_t bytes = 0;
        check(slmt_net_trainer_memory(model.get(), &config, &bytes));
        return bytes;
    }
    static std::uint64_t memory(const slmt::model &model, const char *task, const numbers &settings = {})
    {
        std::uint64_t bytes = 0;
        check(slmt_trainer_memory(model.get(), task, settings.data(), settings.size(), &bytes));
        return bytes;
    }
    static std::uint64_t device_memory(const slmt::model &model, const char *task,
                                       const numbers &settings = {})
    {
        std::uint64_t bytes = 0;
        check(slmt_trainer_device_memory(model.get(), task, settings.data(), settings.size(), &bytes));
        return bytes;
    }
    /** One more owner of the model in training. */
    slmt::model model() const
    {
        return slmt::model(slmt_model_retain(slmt_trainer_model(get())));
    }
    const char *task() const
    {
        return slmt_trainer_task(get());
    }
    double setting(const char *name) const
    {
        double value = 0;
        check(slmt_trainer_setting(get(), name, &value));
        return value;
    }
    slmt_net_trainer_config config() const
    {
        auto config = detail::sized<slmt_net_trainer_config>();
        check(slmt_net_trainer_get_config(get(), &config));
        return config;
    }
    slmt_training_state state() const
    {
        auto state = detail::sized<slmt_training_state>();
        check(slmt_trainer_get_state(get(), &state));
        return state;
    }
    std::vector<std::int64_t> shape(const char *name) const
    {
        std::int64_t shape[6];
        std::int32_t rank = 0;
        check(slmt_trainer_shape(get(), name, shape, &rank));
        return detail::shape_of(shape, rank);
    }
    /** From any thread: the running step, or else the next one, is dropped whole. */
    void cancel() noexcept
    {
        slmt_trainer_cancel(get());
    }
    /** One step of any task. The values are the trainer's, until its next step. */
    slmt::values step(view<const slmt_tensor> inputs, double rate)
    {
        check(slmt_trainer_step(get(), inputs.data(), inputs.size(), rate));
        return values();
    }
    /** One step of SLMT-Net's pre-training: a batch of slices. */
    slmt::values pretrain_step(view<const float> images, double rate)
    {
        detail::expect_size("images", images.size(), detail::elements(shape("images")));
        check(slmt_net_pretrain_step(get(), images.data(), rate));
        return values();
    }
    /** One step of its fine-tuning: as many of the target. */
    slmt::values finetune_step(view<const float> source, view<const float> target, double rate)
    {
        detail::expect_size("the source", source.size(), detail::elements(shape("source")));
        detail::expect_size("the target", target.size(), source.size());
        check(slmt_net_finetune_step(get(), source.data(), target.data(), rate));
        return values();
    }
    /** What the last step reported. */
    slmt::values values() const noexcept
    {
        return slmt::values(get());
    }
    /** A second model, for a task that reads one: a teacher. */
    void attach(const char *name, const slmt::model &second)
    {
        check(slmt_trainer_attach(get(), name, second.get()));
    }
    /** Over a training set, as slmt_trainer_run(): to the schedule's end, or for max_steps. */
    void run(dataset &set, const char *source, const char *target, std::uint64_t max_steps = 0,
             on_step function = nullptr)
    {
        detail::callback<on_step> after{std::move(function), nullptr};
        slmt_status status = slmt_trainer_run(get(), set.get(), source, target, max_steps,
                                              after.function ? call : nullptr, &after);
        after.rethrow();
        check(status);
    }
    slmt_trainer *get() const noexcept
    {
        return handle_.get();
    }

  private:
    explicit trainer(slmt_trainer *owned) noexcept : handle_(owned)
    {
    }
    static std::int32_t call(void *user, slmt_trainer *trainer, const slmt_training_state *state)
    {
        return (*static_cast<detail::callback<on_step> *>(user))(std::cref(*state), slmt::values(trainer));
    }
    detail::handle<slmt_trainer, slmt_trainer_free> handle_;
};

/* ---- what methods there are, for programs that learn it at run time ---- */

namespace detail
{
/** Calls ask(index, &info) for every index below count. */
template <class Info, class Ask> std::vector<Info> all(std::size_t count, Ask ask)
{
    std::vector<Info> found;
    for (std::size_t i = 0; i < count; i++) {
        found.push_back(sized<Info>());
        check(ask(i, &found.back()));
    }
    return found;
}
} // namespace detail

inline std::vector<slmt_method_info> methods()
{
    return detail::all<slmt_method_info>(slmt_method_count(), slmt_method_describe);
}

inline std::vector<slmt_number_info> options(const slmt_method_info &method)
{
    return detail::all<slmt_number_info>(
        static_cast<std::size_t>(method.options),
        [&](std::size_t i, slmt_number_info *info) { return slmt_method_option(method.name, i, info); });
}

inline std::vector<slmt_task_info> tasks(const slmt_method_info &method)
{
    return detail::all<slmt_task_info>(
        static_cast<std::size_t>(method.tasks),
        [&](std::size_t i, slmt_task_info *info) { return slmt_method_task(method.name, i, info); });
}

inline std::vector<slmt_number_info> settings(const slmt_method_info &method, const slmt_task_info &task)
{
    return detail::all<slmt_number_info>(static_cast<std::size_t>(task.settings),
                                         [&](std::size_t i, slmt_number_info *info) {
                                             return slmt_task_setting(method.name, task.name, i, info);
                                         });
}

inline std::vector<slmt_port_info> inputs(const slmt_method_info &method, const slmt_task_info &task)
{
    return detail::all<slmt_port_info>(static_cast<std::size_t>(task.inputs),
                                       [&](std::size_t i, slmt_port_info *info) {
                                           return slmt_task_input(method.name, task.name, i, info);
                                       });
}

inline std::vector<slmt_port_info> outputs(const slmt_method_info &method, const slmt_task_info &task)
{
    return detail::all<slmt_port_info>(static_cast<std::size_t>(task.outputs),
                                       [&](std::size_t i, slmt_port_info *info) {
                                           return slmt_task_output(method.name, task.name, i, info);
                                       });
}

/* ---- metrics ---- */

/** slmt_compare() of two images of [height][width]. */
inline slmt_metrics compare(view<const float> prediction, view<const float> target, std::size_t height,
                            std::size_t width)
{
    detail::expect_size("the prediction", prediction.size(), height * width);
    detail::expect_size("the target", target.size(), height * width);
    auto metrics = detail::sized<slmt_metrics>();
    check(slmt_compare(prediction.data(), target.data(), height, width, &metrics));
    return metrics;
}

/** slmt_compare_masked() of two images and a mask of [height][width]. */
inline slmt_metrics compare(view<const float> prediction, view<const float> target,
                            view<const std::uint8_t> mask, std::size_t height, std::size_t width)
{
    detail::expect_size("the mask", mask.size(), height * width);
    detail::expect_size("the prediction", prediction.size(), height * width);
    detail::expect_size("the target", target.size(), height * width);
    auto metrics = detail::sized<slmt_metrics>();
    check(slmt_compare_masked(prediction.data(), target.data(), mask.data(), height, width, &metrics));
    return metrics;
}

/** slmt_metrics_combine(): the figures of a stack from those of its slices. */
inline slmt_metrics combine(const std::vector<slmt_metrics> &slices, std::int32_t definition)
{
    auto metrics = detail::sized<slmt_metrics>();
    check(slmt_metrics_combine(slices.data(), slices.size(), definition, &metrics));
    return metrics;
}

} // namespace slmt

#endif
