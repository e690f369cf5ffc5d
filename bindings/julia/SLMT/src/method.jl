# SPDX-License-Identifier: Apache-2.0
# Methods by name: what there is to ask for.

"What `call(index, room)` describes, from index 0 until there is no more."
function listed(call, ::Type{T}) where {T}
    all = NamedTuple{visible(T)}[]
    while true
        info = sized(T)
        status = call(length(all), info)
        status == SLMT_ERR_ARGUMENT && return all  # past the last one
        check(status)
        push!(all, named(info[]))
    end
end

"The methods: `(name, title, source, options, tasks)` of each."
methods() = listed(slmt_method_describe, slmt_method_info)

"The options of a method: `(name, help, choices, initial, low, high, ...)` of each."
options(method::AbstractString) = listed((i, info) -> slmt_method_option(method, i, info), slmt_number_info)

"The tasks of a method: `(name, help, trains, ...)` of each."
tasks(method::AbstractString) = listed((i, info) -> slmt_method_task(method, i, info), slmt_task_info)

"The settings of a task: as `options`."
settings(method, task) = listed((i, info) -> slmt_task_setting(method, task, i, info), slmt_number_info)

"The metrics by which a task is judged: `(name, title, unit, direction, help, ...)` of each, the most telling one first."
metrics(method, task) = listed((i, info) -> slmt_task_metric(method, task, i, info), slmt_metric_info)

"The inputs of a task: `(name, axes, help, type, role, batched)` of each. `axes` are C's; an array of Julia has them in reverse order."
inputs(method, task) = listed((i, info) -> slmt_task_input(method, task, i, info), slmt_port_info)

"The outputs of a task: as `inputs`. Of a task that trains they are losses, and the last is what is minimised."
outputs(method, task) = listed((i, info) -> slmt_task_output(method, task, i, info), slmt_port_info)

"The name of the input that has a role, such as `SLMT.SLMT_ROLE_SOURCE`."
function input_for(method, task, role)
    for info in inputs(method, task)
        info.role == role && return info.name
    end
    throw(ArgumentError("task $task of $method has no such input"))
end

"The shape of an input or output, in Julia's order of axes. `call` is slmt_session_shape() or slmt_trainer_shape()."
function shape_by(call, object, name)
    extents, rank = zeros(Int64, 6), Ref{Int32}()
    check(call(object, name, extents, rank))
    return Tuple(reverse(extents[1:rank[]]))
end
