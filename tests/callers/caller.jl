# SPDX-License-Identifier: Apache-2.0
# caller.jl MODEL SEGMENTER SCANS OUT: what a program in Julia makes of odd scans; see caller.c.
using SLMT, Logging

"Writes warnings into a file."
struct Teller <: AbstractLogger
    said::IO
end
Logging.min_enabled_level(::Teller) = Logging.Warn
Logging.shouldlog(::Teller, arguments...) = true
Logging.catch_exceptions(::Teller) = false
Logging.handle_message(teller::Teller, level, message, arguments...; keywords...) = println(teller.said, "warning: ", message)

function attempt(work, said, what)
    try
        return work()
    catch error
        error isa SLMTError || rethrow()
        println(said, what, ": ", error.text)
        return nothing
    end
end

function try_scan(context, said, scans, name, out, calls)
    println(said, "## ", name)
    volume = attempt(() -> load(Volume, context, joinpath(scans, name)), said, "read")
    volume === nothing && return
    for (what, call) in calls
        attempt(() -> save(call(volume), joinpath(out, "$name.$what.nii")), said, what)
    end
end

function train(context, scans, out)
    DatasetWriter(context, joinpath(out, "set.h5"), ["t1", "t2"]; crop_size = 32, image_size = 32, slice_first = 0,
                  slice_count = 8) do writer
        for n in 0:2
            read(contrast) = load(Volume, context, joinpath(scans, contrast, "s$n.nii"))
            add!(writer, "s$n", (t1 = read("t1"), t2 = read("t2")), split = n == 2 ? :test : :train)
        end
    end
    model = Model(context, "unet"; seed = 7, image_size = 32, depth = 2, width = 4)
    trainer = Trainer(model, "train", seed = 7, batch = 4, epochs = 1)
    Dataset(set -> train!(trainer, set, source = "t1", target = "t2", steps = 2), context, joinpath(out, "set.h5"))
    save(trainer, joinpath(out, "trained.h5"))
end

function session(model, spacing, task...; window...)
    made = Session(model, task...; window...)
    SLMT.set_spacing!(made, spacing)
    return made
end

function main(model, segmenter, scans, out)
    context = Context(threads = 1)
    pictures, labels = load(Model, context, model), load(Model, context, segmenter)
    any_size, resampled = session(pictures, :any), session(pictures, :resample)
    segmenting = session(labels, :any, "segment", rows = 32, columns = 32)
    calls = ["any" => v -> synthesize(any_size, v), "resample" => v -> synthesize(resampled, v),
             "segment" => v -> segment(segmenting, v)]
    open(joinpath(out, "said"), "w") do said
        with_logger(Teller(said)) do
            foreach(name -> try_scan(context, said, scans, name, out, calls), eachline(joinpath(scans, "list")))
            train(context, scans, out)
        end
    end
end

main(ARGS...)
