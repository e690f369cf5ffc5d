# SPDX-License-Identifier: Apache-2.0
# Labels of scans, and how well they agree with the truth.

"""
    segment(session, volumes; probabilities = false, fields...)
    segment(f, session, volumes; ...)

Labels a scan by a session of task "segment": a `Volume` on the scan's grid, of the values that the model's option `classes`
names. `volumes` is a `Volume`, or a vector of them on one grid, one for each of the model's `contrasts`. The fields are those of
`SLMT.slmt_segmentation`, such as `mirror = 1`, `overlap = 0.25`, `crf_steps = 10`. With `probabilities` the result is the
labels and a vector of volumes, one for each class.

`f(stage, done, total)` is called on the way. `false` stops: SLMT_ERR_CANCELLED is thrown.
"""
segment(session::Session, volumes; keywords...) = segment(nothing, session, volumes; keywords...)
segment(progress, session::Session, volume::Volume; keywords...) = segment(progress, session, [volume]; keywords...)

function segment(progress, session::Session, volumes::AbstractVector{Volume}; probabilities = false, fields...)
    how = Ref{slmt_segmentation}()
    slmt_segmentation_init(how)
    how[] = with(how[]; fields...)
    sources = [Base.unsafe_convert(Ptr{slmt_volume}, volume) for volume in volumes]
    labels = Ref{Ptr{slmt_volume}}(C_NULL)
    rooms = fill(Ptr{slmt_volume}(C_NULL), probabilities ? class_count(session.model) : 0)
    room = probabilities ? rooms : C_NULL
    GC.@preserve volumes reporting(session, progress) do
        slmt_segment_volume(session, sources, length(sources), how, labels, room)
    end
    context = session.model.context
    result = Volume(labels[], context)
    return probabilities ? (result, [Volume(one, context) for one in rooms]) : result
end

function class_count(model::Model)
    classes = slmt_model_option_text(model, "classes")
    return classes == C_NULL ? 0 : length(split(unsafe_string(classes), ','))
end

"""
    compare_labels(labels, truth, label)

How well the voxels of one label agree with the truth, on the same grid: `(truth, answer, both, dice, iou, precision, recall,
specificity, hausdorff95, surface_distance)`; distances in mm. What is not defined is NaN.
"""
function compare_labels(labels::Volume, truth::Volume, label::Integer)
    scores = sized(slmt_label_scores)
    check(slmt_compare_labels(labels, truth, label, scores))
    return named(scores[])
end
