# SPDX-License-Identifier: Apache-2.0
# Trainers: step by step, or over a set.

"""
    Trainer(model, task; seed = 0, settings...)
    Trainer(f, model, task; ...)

Trains a model at a task: "pretrain" and "finetune" of SLMT-Net, "train" of Seq2Seq. `SLMT.settings(method, task)` lists the
settings; choices are given by number or name (`recompute = "linear"`). `load(Trainer, context, path)` goes on where
`save(trainer, path)` was called, bit for bit; its model is `trainer.model`.
"""
mutable struct Trainer
    pointer::Ptr{slmt_trainer}
    model::Model
    task::String
    Trainer(pointer::Ptr{slmt_trainer}, model, task) = owned(new(pointer, model, task))
end

function Trainer(model::Model, task::AbstractString; seed = 0, settings...)
    numbers = numbers_by_name(settings, SLMT.settings(method(model), task))
    create(room) = slmt_trainer_create(model, task, numbers, length(numbers), seed, room)
    return Trainer(made(create, slmt_trainer), model, task)
end

function load(::Type{Trainer}, context::Context, path::AbstractString)
    pointer = made(room -> slmt_trainer_load(context, path, room), slmt_trainer)
    model = Model(slmt_model_retain(slmt_trainer_model(pointer)), context)
    return Trainer(pointer, model, unsafe_string(slmt_trainer_task(pointer)))
end

save(trainer::Trainer, path::AbstractString) = check(slmt_trainer_save(trainer, path))

memory(::Type{Trainer}, model::Model, task; settings...) = memory_by(slmt_trainer_memory, model, task, settings)
device_memory(::Type{Trainer}, model::Model, task; settings...) =
    memory_by(slmt_trainer_device_memory, model, task, settings)

Base.size(trainer::Trainer, name::Union{AbstractString,Symbol}) = shape_by(slmt_trainer_shape, trainer, string(name))

"One setting of a trainer: a number, or a text."
function setting(trainer::Trainer, name)
    words = slmt_trainer_setting_text(trainer, string(name))
    words == C_NULL || return unsafe_string(words)
    value = Ref{Cdouble}()
    check(slmt_trainer_setting(trainer, string(name), value))
    return value[]
end

"Where training is: `(step, steps_in_epoch, total_steps, seed)`."
function state(trainer::Trainer)
    now = sized(slmt_training_state)
    check(slmt_trainer_get_state(trainer, now))
    return named(now[])
end

"""
    describe_run(trainer, set; source = nothing, target = nothing)

What `train!` with these arguments would be: `(is_other_set, samples, samples_used, records, records_used, steps_in_epoch,
total_steps, checkpoint_bytes)`. `is_other_set` is 1 if the trainer has learned from a set with other contents.
"""
function describe_run(trainer::Trainer, set::Dataset; source = nothing, target = nothing)
    info = sized(slmt_run_info)
    check(slmt_trainer_describe_run(trainer, set, contrast(source), contrast(target), info))
    return named(info[])
end

"Seconds that a step takes, measured on zeros: weights and state stay. The optimiser's few per cent are missing."
function time_step(trainer::Trainer)
    seconds = Ref{Cdouble}()
    check(slmt_trainer_time_step(trainer, seconds))
    return seconds[]
end

"The values of the last step: losses under the names of the task's outputs, and the learning rate."
function losses(trainer)
    names = Tuple(Symbol(unsafe_string(slmt_trainer_value_name(trainer, i))) for i in 0:slmt_trainer_value_count(trainer)-1)
    value = Ref{Cdouble}()
    function read(name)
        check(slmt_trainer_value(trainer, string(name), value))
        return value[]
    end
    return NamedTuple{names}(map(read, names))
end

"""
    attach(trainer, name, model)

Attaches a second model to a task that reads one, such as a teacher; the trainer does not change it. A checkpoint does not hold
it: it is attached again after `load`.
"""
attach(trainer::Trainer, name, model::Model) = check(slmt_trainer_attach(trainer, string(name), model))

"""
    step!(trainer, rate; name = array...)
    step!(trainer, rate, inputs)

One step at a learning rate, with as many samples as the batch setting says. Gives the losses before it: for "finetune"
`(l1, consistency, total, learning_rate)`. Where it fails, the weights are as before.

    step!(trainer, 1e-3, source = t1, target = t2)
"""
step!(trainer::Trainer, rate::Real; inputs...) = step!(trainer, rate, values(inputs))
function step!(trainer::Trainer, rate::Real, inputs)
    tensors = Tensors(inputs)
    check(slmt_trainer_step(trainer, tensors, length(tensors), rate))
    return losses(trainer)
end

step_from_c(user::Ptr{Cvoid}, trainer::Ptr{slmt_trainer}, state::Ptr{slmt_training_state})::Int32 = answer(user, state)

"""
    train!(trainer, set; source = nothing, target = nothing, steps = 0)
    train!(f, trainer, set; ...)

Trains on a set, to the end of the schedule or for so many steps. `source` and `target` name contrasts: both for "finetune";
none, or the source, for "pretrain"; Seq2Seq's "train" takes all. Gives the state.

`f(state, losses)` is called after each step. `false` stops: SLMT_ERR_CANCELLED is thrown, and the trainer is as after that
step.
"""
train!(trainer::Trainer, set::Dataset; keywords...) = train!((state, losses) -> nothing, trainer, set; keywords...)

function train!(step, trainer::Trainer, set::Dataset; source = nothing, target = nothing, steps = 0)
    report(state) = step(named(unsafe_load(state)), losses(trainer))
    calling(Callback(report, nothing)) do user
        slmt_trainer_run(trainer, set, contrast(source), contrast(target), steps,
                         @cfunction(step_from_c, Int32, (Ptr{Cvoid}, Ptr{slmt_trainer}, Ptr{slmt_training_state})), user)
    end
    return state(trainer)
end

contrast(name) = string(name)
contrast(::Nothing) = Cstring(C_NULL)

cancel(trainer::Trainer) = slmt_trainer_cancel(trainer)
