# SPDX-License-Identifier: Apache-2.0
# Imaging differentiation: what the errors of any-to-any synthesis tell of the sequences.

"""
    rank_sequences(scores, sequences; self = SLMT.SLMT_SELF_EXCLUDE)

Ranks sequences by how well they make the others, and by how badly the others make them. `scores` has a NamedTuple or struct
with `source`, `target` (indices from 1), `psnr`, `ssim`, `lpips` (NaN where a score was not taken) for each image that was
made. Gives `(totipotency, differentiation, agreement)`; `agreement[source, target]`.
"""
function rank_sequences(scores, sequences::Integer; self = SLMT_SELF_EXCLUDE)
    rows = [slmt_pair_score(0, s.source - 1, s.target - 1, 0, s.psnr, s.ssim, s.lpips) for s in scores]
    options = Ref{slmt_ranking_options}()
    slmt_ranking_options_init(options)
    options[] = with(options[], self = self)
    totipotency, differentiation = zeros(sequences), zeros(sequences)
    by_source = zeros(sequences, sequences)  # a row of C is a column here
    check(slmt_rank_sequences(rows, length(rows), sequences, options, totipotency, differentiation, by_source))
    return (totipotency = totipotency, differentiation = differentiation, agreement = permutedims(by_source))
end

"""
    differentiation_map(predictions, truth)

Where an image holds what its sources lack: the mean of |prediction - truth| over the predictions, each made from another
source.
"""
function differentiation_map(predictions, truth::StridedArray{Float32})
    made = [compact(one, "a prediction") for one in predictions]
    for one in made
        eltype(one) == Float32 && size(one) == size(truth) ||
            throw(DimensionMismatch("a prediction is $(eltype(one)) $(size(one)), the truth Float32 $(size(truth))"))
    end
    result = zeros(Float32, size(truth))
    pointers = Ptr{Float32}[pointer(one) for one in made]
    GC.@preserve made check(slmt_differentiation_map(pointers, length(pointers), compact(truth, "truth"), length(truth), result))
    return result
end
