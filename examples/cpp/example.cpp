/* SPDX-License-Identifier: Apache-2.0 */
/* example.cpp - the library from C++17, through slmt/slmt.hpp.
 *
 * What this build can do is asked for by name. Then Seq2Seq, any sequence from any other, is made, trained
 * for a few steps, saved, loaded and used. A failure is an exception that carries status and text; a callback
 * that says no cancels. Nothing is freed by hand.
 *
 *     example_cpp          writes example-cpp.h5 into this folder; the network is small, and its images made
 * here */
#include <slmt/slmt.hpp>

#include <array>
#include <cstdio>
#include <vector>

namespace
{

constexpr std::size_t side = 32, batch = 2, pixels = side * side;
constexpr std::array<std::int64_t, 5> shape = {batch, 1, 1, side,
                                               side}; // batch, times, channels, height, width
constexpr const char *path = "example-cpp.h5";

/* Squares in [-1, 1], or with `sign` -1 their negative: two sequences of one object. */
std::vector<float> images(std::size_t shift, float sign)
{
    std::vector<float> made(batch * pixels);
    for (std::size_t i = 0; i < made.size(); i++)
        made[i] = sign * ((((i % side + shift) / 8 + i / side / 8) % 2) ? 0.8f : -0.8f);
    return made;
}

void list_methods()
{
    for (const slmt_method_info &method : slmt::methods()) {
        std::printf("%s:", method.name);
        for (const slmt_task_info &task : slmt::tasks(method))
            std::printf(" %s", task.name);
        std::printf("\n");
    }
}

void train(const slmt::model &model)
{
    slmt::trainer trainer(model, "train", {{"batch", batch}, {"height", side}, {"width", side}}, 1);
    const std::int32_t from = 0, to = 1;
    for (std::size_t step = 0; step < 100; step++) {
        const std::vector<float> source = images(step, 1), target = images(step, -1);
        const slmt_tensor inputs[] = {
            slmt::input("source", source, shape), slmt::input("target", target, shape),
            slmt::input("source_sequence", from), slmt::input("target_sequence", to)};
        const slmt::values values = trainer.step(inputs, 2e-3);
        if (step % 25 == 24)
            std::printf("step %3zu: loss %.3f\n", step + 1, values["total"]);
    }
}

void synthesize(const slmt::model &model)
{
    slmt::session session(model, "synthesize", {{"batch", batch}, {"height", side}, {"width", side}});
    const std::int32_t to = 1;
    const std::vector<float> source = images(3, 1), truth = images(3, -1);
    std::vector<float> target(source.size());

    /* By name, in the method's own terms. */
    const slmt_tensor inputs[] = {slmt::input("source", source, shape), slmt::input("sequence", to)};
    const slmt_tensor outputs[] = {slmt::output("target", target, shape)};
    session.run(inputs, outputs);
    const slmt_metrics m = slmt::compare({target.data(), pixels}, {truth.data(), pixels}, side, side);
    std::printf("sequence 1 made from sequence 0: mean error %.2f (nothing but grey: 0.80)\n", m.mae);

    /* As neighbouring slices in [0, 1], with progress; the callback says no after the first batch. */
    const std::vector<float> slices(6 * pixels, 0.5f);
    std::vector<float> made(slices.size());
    session.set(slmt::input("sequence", to));
    session.synthesize(slices, made);
    session.set_progress([](const char *stage, std::uint64_t done, std::uint64_t total) {
        std::printf("%s: %d of %d\n", stage, static_cast<int>(done), static_cast<int>(total));
        return false;
    });
    try {
        session.synthesize(slices, made);
    } catch (const slmt::cancelled &stopped) {
        std::printf("stopped: %s\n", stopped.what());
    }
}

} // namespace

int main()
try {
    list_methods();
    slmt_context_config config = slmt::context_config();
    config.threads = 1; // so small a network has no work for more
    slmt::context context(config);
    {
        slmt::model fresh(context, "seq2seq",
                          {{"channels", 1},
                           {"widths_0", 8},
                           {"widths_1", 16},
                           {"widths_2", 16},
                           {"lstm_width", 16},
                           {"residual_blocks", 1},
                           {"bank", 2},
                           {"code_length", 2}},
                          1);
        train(fresh);
        fresh.save(path);
    }
    synthesize(slmt::model::load(context, path));

    try {
        slmt::model::load(context, "no-such-file.h5");
    } catch (const slmt::error &failed) {
        std::printf("as expected: %s\n", failed.what());
        return failed.status() == SLMT_ERR_NOT_FOUND ? 0 : 1;
    }
    return 1;
} catch (const std::exception &failed) {
    std::fprintf(stderr, "example_cpp: %s\n", failed.what());
    return 1;
}
