# SPDX-License-Identifier: Apache-2.0
# The Julia package against a built library (SLMT_LIBRARY). One thread, networks of milliseconds.
using SLMT, Test

const SIDE = 64
const TINY = (image_size = SIDE, mae_patch = 4, patch = 2, embed_dim = 8, depth = 1, num_heads = 2, mlp_ratio = 2,
              decoder_dim = 8, decoder_depth = 1, decoder_heads = 2, generator_depths = (2, 1, 1, 1),
              generator_heads = (2, 2, 4, 8), window = 4)
const SMALL_SEQ2SEQ = (channels = 1, widths = (4, 4, 4), lstm_width = 4, residual_blocks = 1, bank = 2, code_length = 3)

context = Context(threads = 1)
tiny(seed = 1) = Model(context, "slmt-net"; seed = seed, TINY...)

"Makes objects that nothing refers to afterwards."
@noinline lose(seed) = (Session(tiny(seed)); nothing)

"Smooth slices in [0, 1], each another; taller than wide shapes show where axes are swapped."
images(n, width = SIDE, height = SIDE) =
    Float32[0.5 + 0.4 * sin(0.2x + k) * cos(0.05y) for x in 1:width, y in 1:height, k in 1:n]

"What failed: status and text."
function failure(work)
    try
        work()
    catch exception
        exception isa SLMTError || rethrow()
        return exception
    end
    return nothing
end

"What `work` prints."
function output_of(work)
    name, io = mktemp()
    redirect_stdout(work, io)
    close(io)
    return read(name, String)
end

function same_weights(a, b)
    names = [info.name for info in SLMT.tensors(a) if info.used]
    return !isempty(names) && all(SLMT.tensor(a, name) == SLMT.tensor(b, name) for name in names)
end

@testset "SLMT" begin mktempdir() do folder
    path(name) = joinpath(folder, name)

    @testset "what failed is thrown with its status and text" begin
        e = failure(() -> load(Model, context, path("none.h5")))
        @test e.status == SLMT.SLMT_ERR_NOT_FOUND
        @test occursin("none.h5", e.text)
        @test sprint(showerror, e) == "SLMT_ERR_NOT_FOUND: " * e.text
        @test occursin("image_size", failure(() -> Model(context, "slmt-net"; TINY..., image_size = 8)).text)
        @test failure(() -> Model(context, "gan")).status == SLMT.SLMT_ERR_NOT_FOUND
        @test occursin("size", failure(() -> Model(context, "slmt-net", size = 8)).text)
        @test_throws ArgumentError Context(thread = 1)
        @test_throws ArgumentError load(Model, context, "a\0b")
    end

    @testset "the library and its methods describe themselves" begin
        @test SLMT.build().version == SLMT.VERSION_STRING
        @test startswith(SLMT.build().backends, "cpu")
        @test "slmt-net" in [m.name for m in SLMT.methods()]
        @test [t.name for t in SLMT.tasks("slmt-net")] == ["synthesize", "pretrain", "finetune"]
        @test [p.name for p in SLMT.inputs("seq2seq", "synthesize")] == ["source", "sequence"]
        @test failure(() -> SLMT.inputs("seq2seq", "paint")).status == SLMT.SLMT_ERR_NOT_FOUND
        @test SLMT.input_for("seq2seq", "synthesize", SLMT.SLMT_ROLE_TARGET_CONTRAST) == "sequence"
        @test [m.name for m in SLMT.metrics("seq2seq", "synthesize")][1:2] == ["psnr", "ssim"]
        @test SLMT.preset(SLMT.SLMT_NET_PRESET_TINY).generator_heads isa NTuple{4,Int32}
        @test occursin("cpu", sprint(show, context))
    end

    @testset "objects are freed by close, by their block, and by the collector" begin
        before = SLMT.live_bytes(context)
        model = tiny()
        session = Session(model)
        held = SLMT.live_bytes(context)
        @test held - before > SLMT.memory(Session, model) > 0
        @test SLMT.device_memory(Session, model) == SLMT.device_bytes(context) == 0
        close(session)
        @test !isopen(session)
        @test SLMT.live_bytes(context) <= held - SLMT.memory(Session, model)
        @test_throws ArgumentError synthesize(session, images(1))
        @test sprint(show, session) == "Session(closed)"
        close(session)
        close(model)
        @test SLMT.live_bytes(context) == before
        kept = Ref{Any}()
        @test Model(model -> (kept[] = model; SLMT.option(model, "depth")), context, "slmt-net"; TINY...) == 1
        @test !isopen(kept[])
        model = tiny()
        @test_throws ErrorException Session(s -> (kept[] = s; error("out")), model)
        @test !isopen(kept[])
        close(model)
        @test SLMT.live_bytes(context) == before
        foreach(lose, 1:3)
        @test SLMT.live_bytes(context) > before
        GC.gc()
        @test SLMT.live_bytes(context) == before
    end

    @testset "a session outlives the names of its model and context" begin
        orphan() = Session(Model(Context(threads = 1, log = (level, text) -> nothing), "slmt-net"; seed = 1, TINY...))
        session = orphan()
        GC.gc()
        @test synthesize(session, images(1)) == synthesize(Session(tiny()), images(1))
    end

    @testset "slices are not copied, and lie as Julia has them" begin
        session, source = Session(tiny(), batch = 2), images(3)
        @test size(session, "source") == (SIDE, SIDE, 2)
        target = synthesize(session, source)
        @test size(target) == size(source) && target != source
        room = fill(-1f0, SIDE, SIDE, 5)
        @test synthesize!(session, view(room, :, :, 2:4), source) isa SubArray
        @test room[:, :, 2:4] == target
        @test all(room[:, :, [1, 5]] .== -1)
        @test synthesize(session, source[:, :, 2]) == target[:, :, 2]
        @test synthesize(session, view(source, :, :, 2)) == target[:, :, 2]
        @test run(session, source = source)["target"] == target
        @test run(session, Dict("source" => source))["target"] == target
        @test_throws ArgumentError synthesize(session, view(room, 1:SIDE, SIDE:-1:1, 1:1))
        @test_throws DimensionMismatch synthesize(session, images(1, SIDE, SIDE + 1))
        @test_throws ArgumentError run(session, source = Float64.(source))
        source[5, 9, 2] = NaN
        e = failure(() -> synthesize(session, source))
        @test e.status == SLMT.SLMT_ERR_NONFINITE
        @test occursin("[1][8][4]", e.text)
    end

    @testset "a call reports, can be stopped, and throws what its function threw" begin
        session, source, seen = Session(tiny()), images(3), []
        target = synthesize((arguments...) -> push!(seen, arguments), session, source)
        @test last(seen) == ("synthesize", 3, 3)
        @test failure(() -> synthesize((s, done, total) -> done < 2, session, source)).status == SLMT.SLMT_ERR_CANCELLED
        @test_throws KeyError synthesize((s, done, total) -> throw(KeyError(done)), session, source)
        count = length(seen)
        @test synthesize(session, source) == target
        @test length(seen) == count
        @test synthesize((arguments...) -> GC.gc(), session, copy(source)) == target
        cancel(session)
        @test failure(() -> synthesize(session, source)).status == SLMT.SLMT_ERR_CANCELLED
    end

    @testset "the arithmetic is chosen by name" begin
        for name in (:auto, :float32)
            @test !occursin("bfloat16", SLMT.describe(Context(threads = 1, arithmetic = name)))
        end
        @test_throws ArgumentError Context(arithmetic = :half)
        made = try
            SLMT.describe(Context(threads = 1, arithmetic = :bf16))
        catch error
            sprint(showerror, error)
        end
        @test occursin("bfloat16 arithmetic", made)
    end

    @testset "a log gets lines, and what it throws stays there" begin
        lines = []
        open_with(log) = failure(() -> Context(backend = SLMT.SLMT_BACKEND_REFERENCE,
                                               arithmetic = SLMT.SLMT_ARITHMETIC_BFLOAT16, log = log))
        @test open_with((level, text) -> push!(lines, level => text)).status == SLMT.SLMT_ERR_UNSUPPORTED
        @test lines == [SLMT.SLMT_LOG_ERROR => "reference: has no bfloat16 arithmetic"]
        @test open_with((level, text) -> throw(KeyError(level))).status == SLMT.SLMT_ERR_UNSUPPORTED
    end

    @testset "a model keeps weights, card and preprocessing in its file" begin
        model = tiny(7)
        @test SLMT.method(model) == "slmt-net"
        @test SLMT.options(model)["generator_heads_3"] == 8
        @test failure(() -> SLMT.option(model, "colour")).status == SLMT.SLMT_ERR_NOT_FOUND
        name = "E.blocks.0.attn.qkv.weight"
        info = only(filter(info -> info.name == name, SLMT.tensors(model)))
        @test info.size == (8, 24)
        weight = SLMT.tensor(model, name)
        weight[3, 1] = 0.5
        SLMT.set_tensor!(model, name, weight)
        @test SLMT.tensor(model, name) == weight
        @test_throws DimensionMismatch SLMT.set_tensor!(model, name, permutedims(weight))
        @test failure(() -> SLMT.tensor(model, "E.none")).status == SLMT.SLMT_ERR_NOT_FOUND
        SLMT.set_card!(model, "data", "waves")
        SLMT.set_preprocess!(model, slice_first = 2, slice_count = 3)
        save(model, path("model.h5"))
        load(Model, context, path("model.h5")) do again
            @test same_weights(model, again)
            @test !same_weights(model, tiny(7))
            @test SLMT.card(again, "data") == "waves" && SLMT.card(again, "training") == ""
            @test SLMT.preprocess(again).slice_first == 2
        end
        @test same_weights(load(Model, context, read(path("model.h5"))), model)
        @test failure(() -> load(Model, context, read(path("model.h5"))[1:end-1])).status == SLMT.SLMT_ERR_CORRUPT
    end

    @testset "a volume is an array with a place" begin
        voxels = Float32[100i + 10j + k for i in 1:6, j in 1:5, k in 1:4]
        place = [-2.0 0 0 7; 0 -1 0 8; 0 0 3 9; 0 0 0 1]
        volume = Volume(context, voxels, affine = place)
        @test volume == voxels && volume[6, 1, 2] == 612 && maximum(volume) == 654
        @test_throws BoundsError volume[7, 1, 1]
        @test SLMT.affine(volume) == place
        save(volume, path("scan.nii.gz"))
        again = load(Volume, context, path("scan.nii.gz"))
        @test again == voxels && SLMT.affine(again) == place
        @test Array(again) isa Array{Float32,3}
        map = Volume(again, 2voxels, description = "twice")
        @test map == 2voxels && SLMT.affine(map) == place
        @test_throws DimensionMismatch Volume(again, voxels[1:5, :, :])
        close(again)
        @test_throws ArgumentError again[1, 1, 1]
        @test failure(() -> save(volume, path("scan.txt"))).status == SLMT.SLMT_ERR_ARGUMENT
        @test_throws DimensionMismatch Volume(context, voxels, affine = zeros(3, 3))
        @test failure(() -> Volume(context, voxels, affine = zeros(4, 4))).status == SLMT.SLMT_ERR_ARGUMENT
    end

    @testset "odd headers and other formats mean what they mean to the command" begin
        voxels = Float32[100i + 10j + k for i in 1:6, j in 1:5, k in 1:4]
        save(Volume(context, voxels, affine = [-2.0 0 0 7; 0 1 0 8; 0 0 3 9; 0 0 0 1]), path("scan.nii"))
        bytes = read(path("scan.nii"))
        bytes[253:256] .= 0  # the codes of qform and sform
        write(path("lost.nii"), bytes)
        lost = @test_logs (:warn, r"lost.nii: the header gives no orientation") load(Volume, context, path("lost.nii"))
        @test lost == voxels && SLMT.affine(lost) == [2.0 0 0 0; 0 1 0 0; 0 0 3 0; 0 0 0 1]
        bytes = read(path("scan.nii"))
        bytes[41:42] .= [4, 0]  # four axes, the last of length 2
        bytes[49:50] .= [2, 0]
        write(path("two.nii"), [bytes; reinterpret(UInt8, vec(2voxels))])
        @test load(Volume, context, path("two.nii[1]")) == 2voxels
        @test failure(() -> load(Volume, context, path("two.nii"))).status == SLMT.SLMT_ERR_FORMAT
        write(path("page.nii"), "<!doctype html>")
        @test occursin("HTML", failure(() -> load(Volume, context, path("page.nii"))).text)
    end

    waves(kind) = Float32[i == 1 ? 0 : 50 + 40 * sin(0.3i + kind) * cos(0.2j + k) for i in 1:40, j in 1:36, k in 1:6]
    scan(kind) = Volume(context, waves(kind), affine = [-1.0 0 0 0; 0 -1 0 0; 0 0 1 0; 0 0 0 1])
    cut = (crop_size = 32, slice_first = 1, slice_count = 4, image_size = SIDE)

    @testset "a volume is synthesized on its own grid" begin
        model, volume = tiny(), scan(1)
        SLMT.set_preprocess!(model; cut...)
        target = synthesize(Session(model), volume)
        @test target isa Volume && size(target) == size(volume)
        @test all(target[:, :, 1] .== 0) && maximum(target[:, :, 2]) > 0
        @test SLMT.affine(target) == SLMT.affine(volume)
        @test 0.9 < maximum(SLMT.normalize(model, volume)) <= 1
        @test SLMT.normalize(Session(model), volume)[:, :, :] == SLMT.normalize(model, volume)[:, :, :]
        @test size(SLMT.resample(volume, (0.5, 0.5, 0.5))) == 2 .* size(volume)
        seen = []
        synthesize((stage, done, total) -> push!(seen, total), Session(model), volume)
        @test last(seen) == 4
        e = failure(() -> synthesize(Session(model), Volume(context, zeros(Float32, 40, 36, 6))))
        @test e.status == SLMT.SLMT_ERR_ARGUMENT
    end

    @testset "a scan gets the label of its most probable class" begin
        model = Model(context, "segnet-basic"; seed = 1, channels = 2, width = 2, classes = "0,1,4")
        SLMT.set_preprocess!(model; cut...)
        session, scans = Session(model, "segment", rows = 32, columns = 32), [scan(1), scan(2)]
        labels, shares = segment(session, scans, probabilities = true)
        @test size(labels) == size(scans[1]) && SLMT.affine(labels) == SLMT.affine(scans[1])
        @test length(shares) == 3 && all(abs.(shares[1] .+ shares[2] .+ shares[3] .- 1) .< 1e-5)
        most = [(0, 1, 4)[argmax([share[i] for share in shares])] for i in CartesianIndices(size(labels))]
        @test labels == most
        @test segment(session, scans) == labels
        @test segment(session, scans, mirror = 1, probabilities = true)[2][1] != shares[1]
        @test_throws ArgumentError segment(session, scans, mirrors = 1)
        @test failure(() -> segment(session, scan(1))).status == SLMT.SLMT_ERR_ARGUMENT
        @test failure(() -> segment(Session(tiny()), scan(1), probabilities = true)).status == SLMT.SLMT_ERR_UNSUPPORTED
        @test failure(() -> segment((stage, done, total) -> false, session, scans)).status == SLMT.SLMT_ERR_CANCELLED
        truth = zeros(Float32, 8, 8, 4)
        truth[3:6, 3:6, :] .= 4
        half = copy(truth)
        half[3:4, 3:6, :] .= 0
        scores = SLMT.compare_labels(Volume(context, half), Volume(context, truth), 4)
        @test (scores.truth, scores.answer, scores.both) == (64, 32, 32) && scores.dice ≈ 2 / 3 && scores.hausdorff95 ≈ 2
    end

    @testset "voxels of another size are refused, or resampled" begin
        model = tiny()
        SLMT.set_preprocess!(model; cut...)
        @test SLMT.geometry(model).volumes == 0
        DatasetWriter(context, path("geometry.h5"), ["t1"]; cut...) do writer
            add!(writer, "a", (t1 = scan(1),))
            half = Volume(context, waves(2), affine = [-0.5 0 0 0; 0 -1 0 0; 0 0 1 0; 0 0 0 1])
            e = failure(() -> add!(writer, "b", (t1 = half,)))
            @test e.status == SLMT.SLMT_ERR_ARGUMENT && occursin("0.5 x 1 x 1 mm", e.text)
        end
        known = SLMT.geometry(Dataset(context, path("geometry.h5")))
        @test known.volumes == 1 && known.spacing_least == (1.0, 1.0, 1.0) && known.field_most == (40.0, 36.0, 6.0)
        session = Session(model)
        SLMT.set_spacing!(session, :resample)
        @test_throws ArgumentError SLMT.set_spacing!(session, :guess)
    end

    @testset "a set gives back what was added, and is not there when writing it failed" begin
        DatasetWriter(context, path("set.h5"), ["t1", "t2"]; cut...) do writer
            add!(writer, "one", (t1 = scan(1), t2 = scan(2)))
            add!(writer, "two", Dict("t2" => scan(3)), split = :test)
            add!(writer, "four", (t1 = scan(4),), split = :validation)
            @test_throws ArgumentError add!(writer, "five", (t1 = scan(1),), split = :half)
            @test failure(() -> add!(writer, "one", (t1 = scan(1),))).status == SLMT.SLMT_ERR_ARGUMENT
            @test failure(() -> add!(writer, "three", (flair = scan(1),))).status == SLMT.SLMT_ERR_NOT_FOUND
        end
        Dataset(context, path("set.h5")) do set
            @test SLMT.contrasts(set) == ["t1", "t2"]
            @test SLMT.subjects(set) == [(name = "one", split = :train, slices = [4, 4]),
                                         (name = "two", split = :test, slices = [0, 4]),
                                         (name = "four", split = :validation, slices = [4, 0])]
            @test SLMT.preprocess(set).crop_size == 32
            slices = SLMT.slices(set, "one", "t2")
            @test size(slices) == (SIDE, SIDE, 4) && 0 <= minimum(slices) < maximum(slices) <= 1
            @test SLMT.slices(set, 1, 2, 3:3) == slices[:, :, 3:3]
            @test SLMT.slices(set, 1, 2, 3:3, resize = SLMT.SLMT_RESIZE_NEAREST) != slices[:, :, 3:3]
            whole = Volume(context, Float32.(waves(1) .> 0), affine = [-1.0 0 0 0; 0 -1 0 0; 0 0 1 0; 0 0 0 1])
            @test size(SLMT.cut_labels(set, whole, 4)) == (32, 32, 4) && maximum(SLMT.cut_labels(set, whole, 4)) == 1
            @test failure(() -> SLMT.slices(set, "six", "t1")).status == SLMT.SLMT_ERR_NOT_FOUND
            @test failure(() -> SLMT.slices(set, 4, 1)).status == SLMT.SLMT_ERR_NOT_FOUND
        end
        names = ["Patient 01", "Müller", "名前", "a+b (2)", "x"^255]
        DatasetWriter(context, path("names.h5"), ["t1"]; cut...) do writer
            foreach(name -> add!(writer, name, (t1 = scan(1),), group = "one person"), names)
            @test failure(() -> add!(writer, "a/b", (t1 = scan(1),))).status == SLMT.SLMT_ERR_ARGUMENT
        end
        Dataset(context, path("names.h5")) do set
            @test [one.id for one in SLMT.records(set)] == names
            @test all(one -> one.group == "one person", SLMT.records(set))
        end
        @test_throws ErrorException DatasetWriter(writer -> error("stop"), context, path("half.h5"), ["t1"])
        @test !any(startswith("half"), readdir(folder))
        writer = DatasetWriter(context, path("kept.h5"), [:t1]; cut...)
        add!(writer, "one", (t1 = scan(1),))
        finish!(writer)
        @test isfile(path("kept.h5")) && !isopen(writer)
        @test_throws ArgumentError add!(writer, "two", (t1 = scan(1),))
    end

    @testset "records of any fields come back" begin
        fields = [(name = "photo", kind = :image, type = UInt8, axes = ["band", "column", "row"], size = [3, 0, 0],
                   classes = Dict{Int,String}()),
                  (name = "box", kind = :boxes, type = Float32, axes = ["corner", "box"], size = [4, 0],
                   classes = Dict{Int,String}()),
                  (name = "what", kind = :classes, type = Int32, axes = ["box"], size = [0],
                   classes = Dict(-1 => "crowd", 3 => "person")),
                  (name = "code", kind = :vector, type = Float16, axes = ["value"], size = [5],
                   classes = Dict{Int,String}())]
        photo, box = rand(UInt8, 3, 5, 7), rand(Float32, 4, 2)
        RecordWriter(context, path("records.h5"), fields) do writer
            add!(writer, "a", (photo = photo, box = box, what = Int32[3, -1]), group = "ward.2")
            add!(writer, "b", Dict("box" => zeros(Float32, 4, 0), "code" => Float16[1, 2, 3, 4, 5]), split = :test)
            @test failure(() -> add!(writer, "c", (what = Int32[2],))).status == SLMT.SLMT_ERR_ARGUMENT
            @test failure(() -> add!(writer, "c", (box = box, what = Int32[3]))).status == SLMT.SLMT_ERR_ARGUMENT
            @test failure(() -> add!(writer, "c", (depth = box,))).status == SLMT.SLMT_ERR_NOT_FOUND
        end
        Dataset(context, path("records.h5")) do set
            @test SLMT.fields(set) == fields && SLMT.source(set) == "" && isempty(SLMT.contrasts(set))
            @test SLMT.records(set) == [(id = "a", group = "ward.2", split = :train), (id = "b", group = "b", split = :test)]
            @test read(set, "a", "photo") == photo && read(set, 1, 2) == box && read(set, "a", "what") == Int32[3, -1]
            @test read(set, "a", "photo", 2:4) == photo[:, :, 2:4]
            @test size(set, "b", "box") == (4, 0) && size(read(set, "b", "box")) == (4, 0)
            @test read(set, "b", "code") == Float16[1, 2, 3, 4, 5] && size(set, "b", "photo") === nothing
            @test failure(() -> read(set, "b", "photo")).status == SLMT.SLMT_ERR_NOT_FOUND
            @test sprint(show, set) == "Dataset(2 records, photo, box, what, code)"
        end
        labels = Volume(context, Float32[i == 20 ? 4 : 0 for i in 1:40, j in 1:36, k in 1:6],
                        affine = [-1.0 0 0 0; 0 -1 0 0; 0 0 1 0; 0 0 0 1])
        DatasetWriter(context, path("labels.h5"), ["t1"]; labels = ["tumour"], cut...) do writer
            add!(writer, "one", (t1 = scan(1), tumour = labels))
        end
        Dataset(context, path("labels.h5")) do set
            @test SLMT.fields(set)[2].classes == Dict(0 => "0", 4 => "4")
            @test sort(unique(read(set, "one", "tumour"))) == Int32[0, 4]
        end
    end

    @testset "steps fall in loss, and a resumed run equals the uninterrupted one" begin
        source, target = images(2), 1 .- images(2)
        model = tiny()
        trainer = Trainer(model, "finetune", seed = 3, batch = 2, recompute = "nothing", augment = false)
        @test SLMT.setting(trainer, "recompute") == 0 && size(trainer, "target") == (SIDE, SIDE, 2)
        @test Trainer(model, "finetune", batch = 2, recompute = :linear) |> t -> SLMT.setting(t, :recompute) == 2
        @test SLMT.memory(Trainer, model, "finetune", batch = 2) > 0
        @test SLMT.device_memory(Trainer, model, "finetune", batch = 2) == 0
        losses = [step!(trainer, 3e-3, source = source, target = target).total for _ in 1:12]
        @test last(losses) < 0.9 * first(losses)
        @test SLMT.state(trainer).step == 12
        @test sprint(show, trainer) == "Trainer(finetune of slmt-net, 12 steps done)"
        save(trainer, path("training.h5"))
        again = load(Trainer, context, path("training.h5"))
        @test again.task == "finetune"
        for t in (trainer, again)
            step!(t, 1e-3, Dict("source" => source, "target" => target))
        end
        @test same_weights(again.model, model)
        @test !same_weights(tiny(), model)
        @test_throws ArgumentError Trainer(model, "finetune", recompute = "often")
        @test failure(() -> load(Trainer, context, path("model.h5"))).status == SLMT.SLMT_ERR_STATE
        @test occursin("hold 1 samples", failure(() -> step!(trainer, 1e-3, source = images(1), target = images(1))).text)
    end

    @testset "training over a set reports, can be stopped, and throws what its function threw" begin
        set = Dataset(context, path("set.h5"))
        run_for() = Trainer(tiny(), "finetune", batch = 2, epochs = 3, data_rate = 1, warmup_epochs = 0)
        trainer, seen = run_for(), []
        info = SLMT.describe_run(trainer, set, source = "t1", target = "t2")
        @test info.total_steps == 6 && info.samples == info.samples_used >= 2 * info.steps_in_epoch && info.is_other_set == 0
        @test info.checkpoint_bytes > 0 && SLMT.time_step(trainer) > 0 && SLMT.state(trainer).step == 0
        @test failure(() -> SLMT.describe_run(trainer, set, source = "t1", target = "t3")).status == SLMT.SLMT_ERR_NOT_FOUND
        state = train!((state, losses) -> push!(seen, (state.step, losses.total)), trainer, set, source = "t1", target = :t2)
        @test state.step == state.total_steps == 6 && [s for (s, l) in seen] == 1:6
        @test all(l > 0 for (s, l) in seen)
        @test train!(run_for(), set, source = "t1", target = "t2", steps = 2).step == 2
        trainer = run_for()
        e = failure(() -> train!((state, losses) -> state.step < 4, trainer, set, source = "t1", target = "t2"))
        @test e.status == SLMT.SLMT_ERR_CANCELLED && SLMT.state(trainer).step == 4
        @test_throws KeyError train!((state, losses) -> throw(KeyError(1)), run_for(), set, source = "t1", target = "t2")
        @test failure(() -> train!(run_for(), set, source = "t1", target = "t3")).status == SLMT.SLMT_ERR_NOT_FOUND
        @test train!(Trainer(tiny(), "pretrain", batch = 2), set, steps = 1).step == 1
    end

    @testset "seq2seq runs by name, and by slices once its sequence is set" begin
        model = Model(context, "seq2seq"; seed = 1, SMALL_SEQ2SEQ...)
        @test SLMT.option(model, :widths_2) == 4
        session = Session(model, height = 12, width = 8)
        @test size(session, "source") == (8, 12, 1, 1, 1)
        source = 2 .* reshape(images(2, 8, 12), 8, 12, 1, 1, 2) .- 1
        first_sequence = run(session, source = source, sequence = Int32[0])["target"]
        @test size(first_sequence) == (8, 12, 1, 1, 2)
        @test run(session, source = source, sequence = Int32[1])["target"] != first_sequence
        room = zero(first_sequence)
        run!(session, Dict("target" => room), (source = source, sequence = Int32[0]))
        @test room == first_sequence
        session = Session(model, height = 12, width = 8, batch = 2)
        @test failure(() -> synthesize(session, images(2, 8, 12))).status == SLMT.SLMT_ERR_STATE
        SLMT.set!(session, sequence = Int32[0])
        slices = synthesize(session, images(2, 8, 12))
        @test slices ≈ (reshape(first_sequence, 8, 12, 2) .+ 1) ./ 2 atol = 1e-5
        SLMT.set_contrasts!(model, ["t1", "t2"])
        @test SLMT.contrasts(model) == ["t1", "t2"]
        SLMT.set_target!(session, "t2")
        @test synthesize(session, images(2, 8, 12)) != slices
        @test failure(() -> SLMT.set_target!(session, "pd")).status == SLMT.SLMT_ERR_NOT_FOUND
        SLMT.set_target!(session, "t1")
        @test synthesize(session, images(2, 8, 12)) == slices
        @test_throws DimensionMismatch synthesize(session, images(2, 12, 8))
        trainer = Trainer(model, "train", batch = 2, height = 12, width = 8)
        losses = step!(trainer, 1e-4, source = source, target = source, source_sequence = Int32[0],
                       target_sequence = Int32[2])
        @test keys(losses) == (:reconstruction, :cycle, :perceptual, :total, :learning_rate)
        @test losses.total ≈ 10 * losses.reconstruction + 10 * losses.cycle rtol = 1e-5
        @test failure(() -> run(session, source = source)).status == SLMT.SLMT_ERR_ARGUMENT
    end

    @testset "agreement of images, and what errors tell of sequences" begin
        truth = images(1)[:, :, 1]
        @test SLMT.compare(truth, truth).psnr == 100
        @test SLMT.compare(truth .+ 0.1f0, truth).psnr ≈ 20 atol = 1e-3
        @test_throws DimensionMismatch SLMT.compare(truth, truth[:, 2:end])
        stack = cat(truth, zero(truth), dims = 3)
        @test SLMT.compare_volume(stack .+ 0.1f0, stack).with_signal == 1
        @test SLMT.compare_volume(stack .+ 0.1f0, stack).psnr ≈ 20 atol = 1e-3
        @test SLMT.compare_volume(stack, stack, definition = :paper).nmse == 0
        @test isnan(SLMT.compare(truth, zero(truth)).nmse)
        half = truth .> 0.5
        made = truth .+ ifelse.(half, 0.1f0, 0.3f0)
        @test SLMT.compare(made, truth, half).psnr ≈ 20 atol = 1e-3
        @test SLMT.compare_volume(cat(made, made, dims = 3), cat(truth, truth, dims = 3),
                                  mask = cat(half, half, dims = 3)).pixels == 2 * count(half)
        # The first sequence makes the others well, the third is made badly.
        scores = [(source = s, target = t, psnr = 20.0 + 5 * (s == 1) - 3 * (t == 3), ssim = NaN, lpips = NaN)
                  for s in 1:3 for t in 1:3 if s != t]
        ranking = SLMT.rank_sequences(scores, 3)
        @test argmax(ranking.totipotency) == 1 && argmax(ranking.differentiation) == 3
        @test ranking.agreement[1, 2] > ranking.agreement[2, 1] && ranking.agreement[2, 2] == 0
        @test vec(sum(ranking.agreement, dims = 2)) ./ 3 ≈ ranking.totipotency
        @test failure(() -> SLMT.rank_sequences(scores, 2)).status == SLMT.SLMT_ERR_ARGUMENT
        @test SLMT.differentiation_map([truth .+ 0.25f0, truth .- 0.75f0], truth) ≈ fill(0.5f0, SIDE, SIDE)
        @test_throws DimensionMismatch SLMT.differentiation_map([truth[:, 2:end]], truth)
    end

    @testset "each snippet of the README runs" begin
        readme = read(joinpath(@__DIR__, "..", "..", "README.md"), String)
        snippets = [m[1] for m in eachmatch(r"^```julia\n(.*?)^```$"ms, readme)]
        @test length(snippets) == 7
        place, printed = Module(:Readme), ""
        cd(mkdir(path("readme"))) do
            printed = output_of(() -> foreach(code -> include_string(place, code), snippets))
        end
        @test occursin("8 of 8 slices", printed) && occursin("(64, 64, 8)\n(8, 12, 1, 1, 1)\n", printed) && occursin("true: no such file.h5", printed)
    end
end end
