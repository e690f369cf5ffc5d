# SPDX-License-Identifier: Apache-2.0
# What all objects share. A call keeps the objects it was given alive until it returns, as they are its arguments themselves
# (unsafe_convert), not pointers taken out of them. The library keeps what an object was made from alive; so do the objects,
# for the functions that a context calls.

for (name, raw, free) in ((:Context, :slmt_context, :slmt_context_free), (:Model, :slmt_model, :slmt_model_free),
                          (:Volume, :slmt_volume, :slmt_volume_free), (:Session, :slmt_session, :slmt_session_free),
                          (:Dataset, :slmt_dataset, :slmt_dataset_free),
                          (:DatasetWriter, :slmt_dataset_writer, :slmt_dataset_writer_cancel),
                          (:RecordWriter, :slmt_dataset_writer, :slmt_dataset_writer_cancel),
                          (:Trainer, :slmt_trainer, :slmt_trainer_free))
    @eval begin
        function Base.unsafe_convert(::Type{Ptr{$raw}}, object::$name)
            isopen(object) || throw(ArgumentError($("this $name was closed")))
            return object.pointer
        end

        function release(object::$name)
            pointer = object.pointer
            object.pointer = C_NULL
            $free(pointer)
        end

        Base.isopen(object::$name) = object.pointer != C_NULL

        "Frees it now. Closing twice does nothing."
        Base.close(object::$name) = finalize(object)
    end
end

for name in (:Context, :Model, :Volume, :Session, :Dataset, :Trainer)
    @eval $name(work::Function, arguments...; keywords...) = closing(work, $name(arguments...; keywords...))
end
load(work::Function, arguments...) = closing(work, load(arguments...))

"The result of `work(object)`, after which the object is closed."
function closing(work, object)
    try
        return work(object)
    finally
        close(object)
    end
end

for name in (:Context, :Model, :Session, :Dataset, :DatasetWriter, :RecordWriter, :Trainer)
    @eval Base.show(io::IO, object::$name) =
        isopen(object) ? print(io, $(string(name)), '(', describe(object), ')') : print(io, $(string(name)), "(closed)")
end
describe(context::Context) = unsafe_string(slmt_context_describe(context))
describe(model::Model) = "$(method(model)), $(slmt_model_tensor_count(model)) tensors"
describe(session::Session) = "$(session.task) of $(method(session.model))"
describe(trainer::Trainer) = "$(trainer.task) of $(method(trainer.model)), $(state(trainer).step) steps done"
describe(set::Dataset) =
    string(slmt_dataset_record_count(set), source(set) == "mr" ? " subjects, " : " records, ",
           join((field.name for field in fields(set)), ", "))
describe(writer::RecordWriter) = join(writer.names, ", ")
describe(writer::DatasetWriter) = join(writer.contrasts, ", ")
