# SPDX-License-Identifier: Apache-2.0
# A tiny network learns to turn one kind of drawn slice into another, and is measured on slices it has not seen.
#
#     julia --project=bindings/julia/SLMT examples/julia/train.jl [STEPS]
#
# The slices are drawn: a body with two discs, of which the target has the negative. The PSNR says that training works,
# nothing about patients. Exits with 1 if the network is not 3 dB better than the source itself.
using SLMT, Random

const SIDE, BATCH = 64, 4
const STEPS = isempty(ARGS) ? 80 : parse(Int, ARGS[1])

"`count` pairs of slices as (width, height, count), in [0, 1]."
function draw(random, count)
    source, target = zeros(Float32, SIDE, SIDE, count), zeros(Float32, SIDE, SIDE, count)
    for n in 1:count
        discs = [(32, 32, 26, 0.3), (20 + 6rand(random), 24 + 16rand(random), 7, 0.6 + 0.3rand(random)),
                 (38 + 6rand(random), 24 + 16rand(random), 7, 0.3rand(random))]
        for (column, row, radius, grey) in discs, y in 1:SIDE, x in 1:SIDE
            if hypot(x - column, y - row) < radius
                source[x, y, n], target[x, y, n] = grey, 1 - grey
            end
        end
    end
    return source, target
end

psnr(images, target) = sum(SLMT.compare(images[:, :, n], target[:, :, n]).psnr for n in axes(target, 3)) / size(target, 3)

function main()
    random = MersenneTwister(1)
    source, target = draw(random, 8)  # held out
    Context(threads = 1) do context
        model = Model(context, "slmt-net"; seed = 1, image_size = SIDE, mae_patch = 4, patch = 2, embed_dim = 32, depth = 1,
                      num_heads = 2, decoder_dim = 8, decoder_depth = 1, decoder_heads = 2, generator_depths = (2, 1, 1, 1),
                      generator_heads = (2, 2, 4, 8), window = 4)
        Trainer(model, "finetune", batch = BATCH, recompute = "nothing") do trainer
            for step in 1:STEPS
                from, to = draw(random, BATCH)
                losses = step!(trainer, 3e-3 * (1 - (step - 1) / STEPS), source = from, target = to)
                step % 20 == 0 && println("step $step  l1 $(round(losses.l1, digits = 4))")
            end
        end
        made = Session(session -> synthesize(session, source), model, batch = BATCH)
        println("PSNR of the source $(round(psnr(source, target), digits = 1)) dB, ",
                "of the synthesis $(round(psnr(made, target), digits = 1)) dB")
        return psnr(made, target) > psnr(source, target) + 3 ? 0 : 1
    end
end

exit(main())
