/* SPDX-License-Identifier: Apache-2.0 */
/* test_cpp.cpp - the C++ header: errors, exceptions through callbacks, moves, owners, sizes.
 *
 * What the calls compute is tested in C. Each test is a function that says what is true; the first that is
 * not true ends the program. */
#include "slmt/slmt.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

static_assert(std::is_nothrow_move_constructible_v<slmt::model> &&
              !std::is_copy_constructible_v<slmt::model>);
static_assert(std::is_nothrow_move_assignable_v<slmt::session> && !std::is_copy_assignable_v<slmt::session>);
static_assert(!std::is_convertible_v<const std::vector<float> &, slmt::view<float>>);

namespace
{

constexpr std::int64_t side = 128, depth = 4;
constexpr std::size_t pixels = side * side;

#define CHECK(condition) check(condition, #condition, __LINE__)

void check(bool holds, const char *what, int line)
{
    if (!holds) {
        std::fprintf(stderr, "test_cpp.cpp:%d: not true: %s\n", line, what);
        std::exit(1);
    }
}

template <class Exception, class Call> bool throws(slmt_status status, const char *word, Call call)
{
    try {
        call();
    } catch (const Exception &failed) {
        return failed.status() == status && std::string(failed.what()).find(word) != std::string::npos;
    }
    return false;
}

slmt::context one_thread()
{
    slmt_context_config config = slmt::context_config();
    config.threads = 1;
    return slmt::context(config);
}

/* Of the few slices that scan() has. */
slmt_preprocess few_slices()
{
    slmt_preprocess preprocess = slmt::preprocess();
    preprocess.crop_size = preprocess.image_size = side;
    preprocess.slice_first = 0;
    preprocess.slice_count = depth;
    return preprocess;
}

slmt::model small(const slmt::context &context)
{
    slmt_net_options options = slmt::model_options(SLMT_NET_PRESET_TINY);
    options.embed_dim = options.decoder_dim = 16;
    options.depth = options.decoder_depth = 1;
    slmt::model model(context, options, 7);
    model.set_preprocess(few_slices());
    return model;
}

std::vector<float> slices(std::size_t count)
{
    std::vector<float> made(count * pixels);
    for (std::size_t i = 0; i < made.size(); i++)
        made[i] = static_cast<float>(i / 16 % 8) / 8;
    return made;
}

slmt::volume scan(const slmt::context &context)
{
    return slmt::volume(context, {side, side, depth}, slices(depth));
}

void an_error_carries_status_and_text(const slmt::context &context)
{
    CHECK(throws<slmt::error>(SLMT_ERR_NOT_FOUND, "no-such-file.h5",
                              [&] { slmt::model::load(context, "no-such-file.h5"); }));
    CHECK(throws<slmt::error>(SLMT_ERR_NOT_FOUND, "no-such-method",
                              [&] { slmt::model(context, "no-such-method", {}, 0); }));
    slmt_context_config config = slmt::context_config();
    config.max_bytes = 1;
    CHECK(throws<slmt::error>(SLMT_ERR_LIMIT, "max_bytes", [&] { slmt::context tight(config); }));
}

void arrays_of_another_size_are_refused(const slmt::context &context)
{
    slmt::session session(small(context)); /* which keeps the model */
    std::vector<float> source = slices(2), target(source.size() - 1), part(pixels + 1);
    CHECK(throws<slmt::error>(SLMT_ERR_ARGUMENT, "target", [&] { session.synthesize(source, target); }));
    CHECK(throws<slmt::error>(SLMT_ERR_ARGUMENT, "source", [&] { session.synthesize(part, part); }));
    std::array<std::int64_t, 3> shape = {3, side, side};
    CHECK(throws<slmt::error>(SLMT_ERR_ARGUMENT, "source", [&] { slmt::input("source", source, shape); }));
}

void typed_calls_and_calls_by_name_agree(const slmt::context &context)
{
    slmt::model model = small(context);
    slmt::session typed(model, slmt::session_config()), named(model, "synthesize");
    std::vector<float> source = slices(2), a(source.size()), b(source.size());
    const std::array<std::int64_t, 3> shape = {2, side, side};
    const slmt_tensor in[] = {slmt::input("source", source, shape)};
    const slmt_tensor out[] = {slmt::output("target", b, shape)};
    typed.synthesize(source, a);
    named.run(in, out);
    CHECK(a == b);
    CHECK(named.shape("source") == std::vector<std::int64_t>({1, side, side}));
    CHECK(slmt::session::memory(model, slmt::session_config()) == slmt::session::memory(model, "synthesize"));
    CHECK(slmt::session::memory(model) == slmt::session::memory(model, "synthesize"));
    CHECK(slmt::session::device_memory(model) == 0);
}

void what_a_callback_throws_arrives_and_the_session_goes_on(const slmt::context &context)
{
    slmt::session first(small(context));
    std::vector<float> source = slices(2), target(source.size());
    first.set_progress([](const char *, std::uint64_t, std::uint64_t) -> bool { throw std::string("mine"); });
    slmt::session session(std::move(first)); /* the callback moves along */
    bool arrived = false;
    try {
        session.synthesize(source, target);
    } catch (const std::string &mine) {
        arrived = mine == "mine";
    }
    CHECK(arrived);

    session.set_progress([](const char *, std::uint64_t, std::uint64_t) { return false; });
    CHECK(throws<slmt::cancelled>(SLMT_ERR_CANCELLED, "", [&] { session.synthesize(source, target); }));
    CHECK(throws<slmt::cancelled>(SLMT_ERR_CANCELLED, "", [&] { session.synthesize(scan(context)); }));
    session.set_progress(nullptr);
    session.synthesize(source, target);

    std::thread([&] { session.cancel(); }).join();
    CHECK(throws<slmt::cancelled>(SLMT_ERR_CANCELLED, "", [&] { session.synthesize(source, target); }));
    session.synthesize(source, target);
}

void a_record_comes_back(const slmt::context &context)
{
    slmt_field field{};
    field.struct_size = sizeof field;
    field.kind = SLMT_FIELD_CLASSES;
    field.type = SLMT_TENSOR_INT32;
    field.rank = 1;
    field.name = "what";
    field.axes = "box";
    field.classes = "3=person";
    slmt::record_writer writer(context, "test_cpp_records.h5", {field});
    std::int32_t values[2] = {3, 3};
    const std::int64_t two = 2;
    const slmt_tensor tensor = {nullptr, values, &two, nullptr, 1, SLMT_TENSOR_INT32};
    writer.begin("a", "ward");
    writer.append(0, tensor);
    writer.end();
    writer.begin("b");
    writer.undo();
    writer.finish();
    slmt::dataset set(context, "test_cpp_records.h5");
    CHECK(set.record_count() == 1 && set.field_count() == 1 && std::string(set.source()).empty());
    CHECK(std::string(set.record(0).group) == "ward" && std::string(set.field(0).classes) == "3=person");
    CHECK(set.shape(0, 0) == std::vector<std::int64_t>{2});
    values[0] = values[1] = 0;
    set.read(0, 0, 0, 2, tensor);
    CHECK(values[0] == 3 && values[1] == 3);
}

void a_run_over_a_set_is_stopped_saved_and_gone_on_with(const slmt::context &context)
{
    slmt::dataset_writer writer(context, "test_cpp_set.h5", few_slices(), {"t1", "t2"});
    slmt::volume volume = scan(context);
    CHECK(throws<slmt::error>(SLMT_ERR_ARGUMENT, "volumes", [&] { writer.add("a", {&volume}); }));
    writer.add("a", {&volume, &volume});
    writer.add("b", {&volume, nullptr}, SLMT_SPLIT_TEST);
    writer.finish();
    slmt::dataset set(context, "test_cpp_set.h5");
    CHECK(set.subject_count() == 2 && set.slice_count(1, 0) == depth && set.slice_count(1, 1) == 0);
    std::vector<float> pixel(pixels);
    set.read_slice(0, 1, depth - 1, pixel);

    slmt::model model = small(context);
    slmt_net_trainer_config config = slmt::trainer_config(SLMT_NET_STAGE_FINETUNE);
    config.batch = 2;
    config.epochs = 2;
    config.data_rate = 1;
    slmt::trainer trainer(model, config);
    CHECK(throws<slmt::cancelled>(SLMT_ERR_CANCELLED, "", [&] {
        trainer.run(set, "t1", "t2", 0, [](const slmt_training_state &state, const slmt::values &values) {
            return state.step < 1 || !(values["total"] > 0);
        });
    }));
    CHECK(trainer.state().step == 1);
    bool arrived = false;
    try {
        trainer.run(set, "t1", "t2", 0,
                    [](const slmt_training_state &, const slmt::values &) -> bool { throw 42; });
    } catch (int mine) {
        arrived = mine == 42;
    }
    CHECK(arrived && trainer.state().step == 2);
    trainer.save("test_cpp_trainer.h5");

    trainer = slmt::trainer::load(context, "test_cpp_trainer.h5");
    slmt::model trained = trainer.model();
    trainer.run(set, "t1", "t2");
    CHECK(trainer.state().step == 4 && std::string(trainer.task()) == "finetune");
    CHECK(trainer.setting("batch") == 2 && trainer.config().epochs == 2);
    { /* the model outlives its trainer */
        slmt::trainer gone(std::move(trainer));
    }
    slmt::session session(trained);
    CHECK(session.synthesize(volume).dims() == volume.dims());
    std::remove("test_cpp_trainer.h5");
    std::remove("test_cpp_set.h5");
    std::remove("test_cpp_records.h5");
}

void steps_by_hand_check_their_sizes(const slmt::context &context)
{
    slmt_net_trainer_config config = slmt::trainer_config(SLMT_NET_STAGE_PRETRAIN);
    config.batch = 2;
    slmt::trainer trainer(small(context), config);
    CHECK(trainer.pretrain_step(slices(2), 1e-3)["total"] > 0);
    CHECK(trainer.values()["learning_rate"] == 1e-3 && trainer.values().size() == 4);
    CHECK(throws<slmt::error>(SLMT_ERR_NOT_FOUND, "l1", [&] { trainer.values()["l1"]; }));
    CHECK(throws<slmt::error>(SLMT_ERR_ARGUMENT, "images", [&] { trainer.pretrain_step(slices(1), 1e-3); }));
    CHECK(throws<slmt::error>(SLMT_ERR_NOT_FOUND, "source",
                              [&] { trainer.finetune_step(slices(2), slices(2), 1e-3); }));
    CHECK(trainer.state().step == 1);
}

void a_model_is_described_saved_and_shared(const slmt::context &context)
{
    slmt::model model = small(context);
    model.set_card("name", "test");
    model.save("test_cpp_model.h5");
    slmt::model loaded = slmt::model::load(context, "test_cpp_model.h5"), shared = loaded.share();
    loaded = std::move(model);
    CHECK(std::string(shared.card("name")) == "test" && std::string(shared.method()) == "slmt-net");
    CHECK(shared.option("depth") == 1 && shared.options().image_size == side);
    for (std::size_t i = 0; i < shared.tensor_count(); i++) {
        const slmt_tensor_info info = shared.tensor(i);
        if (!info.used)
            continue;
        std::size_t n = 1;
        for (std::int32_t k = 0; k < info.rank; k++)
            n *= static_cast<std::size_t>(info.dim[k]);
        std::vector<float> a(n), b(n);
        shared.get_tensor(info.name, a);
        loaded.get_tensor(info.name, b);
        CHECK(a == b);
    }
    std::remove("test_cpp_model.h5");
}

void every_method_task_and_port_is_described()
{
    for (const slmt_method_info &method : slmt::methods()) {
        CHECK(!slmt::options(method).empty());
        for (const slmt_task_info &task : slmt::tasks(method)) {
            CHECK(slmt::settings(method, task).size() == static_cast<std::size_t>(task.settings));
            CHECK(!slmt::inputs(method, task).empty() && !slmt::outputs(method, task).empty());
        }
    }
}

void a_stack_is_compared_in_a_mask()
{
    std::vector<float> made(64, 0.5f), truth(64, 0.25f), nothing(64, 0.0f);
    std::vector<std::uint8_t> half(64, 0), everywhere(64, 1);
    std::fill_n(half.begin(), 32, std::uint8_t{1});
    made[63] = 1;
    CHECK(slmt::compare(made, truth, half, 8, 8).nmse == 1 && slmt::compare(made, truth, 8, 8).nmse > 1);
    CHECK(throws<slmt::error>(SLMT_ERR_ARGUMENT, "the mask", [&] {
        slmt::compare(made, truth, {half.data(), 63}, 8, 8);
    }));
    std::vector<slmt_metrics> slices = {slmt::compare(made, truth, half, 8, 8),
                                        slmt::compare(nothing, nothing, everywhere, 8, 8)};
    slmt_metrics all = slmt::combine(slices, SLMT_DEFINITION_VOLUME);
    CHECK(all.pixels == 96 && all.slices == 2 && all.with_signal == 1 && all.nmse == 1);
    CHECK(slmt::combine(slices, SLMT_DEFINITION_PAPER).nmse == 0.5);
}

} // namespace

int main()
try {
    slmt::context context = one_thread();
    an_error_carries_status_and_text(context);
    arrays_of_another_size_are_refused(context);
    typed_calls_and_calls_by_name_agree(context);
    what_a_callback_throws_arrives_and_the_session_goes_on(context);
    a_record_comes_back(context);
    a_run_over_a_set_is_stopped_saved_and_gone_on_with(context);
    steps_by_hand_check_their_sizes(context);
    a_model_is_described_saved_and_shared(context);
    every_method_task_and_port_is_described();
    a_stack_is_compared_in_a_mask();
    return 0;
} catch (const std::exception &failed) {
    std::fprintf(stderr, "test_cpp: %s\n", failed.what());
    return 1;
}
