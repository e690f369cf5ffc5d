# SPDX-License-Identifier: Apache-2.0
"""Sessions: a task of a model, its settings, and the planned memory to run it."""

import ctypes
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, overload

import numpy as np

from slmt import _api
from slmt._arrays import AnyArray, ArrayIn, FloatArray, Shape, Tensors, floats_at, given, taken
from slmt._call import Call, ProgressLike, reporting
from slmt._context import choice
from slmt._errors import ArgumentError, NotFoundError, check
from slmt._geometry import SPACINGS
from slmt._handle import Handle
from slmt._methods import Port, Task, Value, coded, task_of, text
from slmt._model import Model
from slmt._volume import Volume


def _memory(query: Callable[..., int], model: Model, task: str, settings: Mapping[str, Value]) -> int:
    described = task_of(model.method, task)
    numbers, count = coded(with_sizes(model, described, settings), described.settings), ctypes.c_uint64()
    check(query(model._pointer, task.encode(), numbers, len(numbers), count))
    return count.value


class Session(Handle):
    """Runs a task that does not train, "synthesize" where none is named.

    to: the contrast to make, by its name: of a model that tells several apart one of model.contrasts, else the one that
    it was trained for. settings: by name, see methods(); `batch` is how many samples are computed together, at most.
    `height` and `width` are those of the model's preprocessing where they are not given.

    spacing: what synthesize_volume() makes of volumes whose voxels are not of the size that the model was trained on:
    an error, voxels of that size and back ("resample"), or what they are.

    One call at a time: other threads wait for it, while Python goes on in them. Sessions are independent of each other,
    also those of one model: for two syntheses at once take two sessions. cancel() may be called from any thread."""

    def __init__(
        self,
        model: Model,
        task: str = "synthesize",
        *,
        to: str | None = None,
        spacing: Literal["refuse", "resample", "any"] = "refuse",
        **settings: Value,
    ) -> None:
        self._task: Task = task_of(model.method, task)
        self.settings = with_sizes(model, self._task, settings)
        pointer = ctypes.POINTER(_api.slmt_session)()
        numbers = coded(self.settings, self._task.settings)
        check(_api.slmt_session_create(model._pointer, task.encode(), numbers, len(numbers), pointer))
        super().__init__(pointer, _api.slmt_session_free)
        self.to = to
        if to is not None:
            check(_api.slmt_session_set_target(self._pointer, to.encode()))
        check(_api.slmt_session_set_spacing(self._pointer, choice("spacing", spacing, SPACINGS)))

    @staticmethod
    def memory(model: Model, task: str = "synthesize", **settings: Value) -> int:
        """Bytes that such a session would hold."""
        return _memory(_api.slmt_session_memory, model, task, settings)

    @staticmethod
    def device_memory(model: Model, task: str = "synthesize", **settings: Value) -> int:
        """How many of these bytes are memory of a device, such as a graphics card."""
        return _memory(_api.slmt_session_device_memory, model, task, settings)

    @property
    def task(self) -> Task:
        """What the session runs: inputs and outputs with their axes."""
        return self._task

    def shape(self, name: str) -> Shape:
        """The shape of an input or output; the first axis of a batched one is the setting `batch`."""
        return port_shape(_api.slmt_session_shape, self._pointer, name)

    def set(self, name: str, values: ArrayIn) -> None:
        """Sets an input that all samples share, for synthesize(): seq2seq's `sequence`."""
        if name not in self._task.inputs:
            raise NotFoundError(f"task {self._task.name} has no input {name}; it has {', '.join(self._task.inputs)}")
        array = taken(values, name, self._task.inputs[name].dtype.type)
        with self._alone():
            check(_api.slmt_session_set(self._pointer, Tensors({name: array}).array))

    def synthesize(
        self, source: ArrayIn, *, out: FloatArray | None = None, progress: ProgressLike = None
    ) -> FloatArray:
        """Makes target slices from source slices.

        source: [count][height][width] or [height][width] in [0, 1]. Returns as much, in [0, 1]; in `out` where that is
        given, which may not overlap source. With SLMT-Net each slice stands alone; seq2seq takes them for neighbours in
        one volume, bottom to top. progress: True for a bar of tqdm, or progress(stage, done, total)."""
        array = taken(source, "source")
        if array.ndim not in (2, 3):
            raise ArgumentError(f"source is {list(array.shape)}, expected [count, height, width] or [height, width]")
        self._check_image(array.shape[-2:])
        target = given(out, array.shape, "out")
        count = array.shape[0] if array.ndim == 3 else 1
        self._run(progress, _api.slmt_synthesize, floats_at(array), count, floats_at(target))
        return target

    def _check_image(self, size: Shape) -> None:
        """The library cannot see how large an image is."""
        source = self._task.input_for("source")
        if source and size != self.shape(source.name)[-2:]:
            raise ArgumentError(f"slices are {list(size)}, expected {list(self.shape(source.name)[-2:])}")

    @overload
    def synthesize_volume(self, source: Volume | str | os.PathLike[str], *, progress: ProgressLike = None) -> Volume: ...
    @overload
    def synthesize_volume(self, source: Any, *, progress: ProgressLike = None) -> Any: ...
    def synthesize_volume(self, source: Any, *, progress: ProgressLike = None) -> Any:
        """Makes a whole volume: a Volume from a Volume or the path of a file, a nibabel image from a nibabel image.

        source: raw intensities, any orientation. The result lies on the same grid with values in [0, 1], and is 0
        outside the crop and the slices of the model's preprocessing."""
        volume = Volume.of(source)
        pointer = ctypes.POINTER(_api.slmt_volume)()
        self._run(progress, _api.slmt_synthesize_volume, volume._pointer, pointer)
        target = Volume._of(pointer)
        return target if isinstance(source, (Volume, str, os.PathLike)) else target.to_nibabel()

    @overload
    def segment_volume(
        self, sources: Any, *, probabilities: Literal[False] = False, progress: ProgressLike = None, **how: float
    ) -> Volume: ...
    @overload
    def segment_volume(
        self, sources: Any, *, probabilities: Literal[True], progress: ProgressLike = None, **how: float
    ) -> tuple[Volume, list[Volume]]: ...
    def segment_volume(
        self, sources: Any, *, probabilities: bool = False, progress: ProgressLike = None, **how: float
    ) -> Volume | tuple[Volume, list[Volume]]:
        """Labels a scan by a session of task "segment": each voxel gets the value of its most probable class.

        sources: a Volume, path or nibabel image of raw intensities; or a list of them on one grid, one for each of
        model.contrasts. how: fields of slmt_segmentation (slmt/segment.h has their meanings), such as mirror=1,
        overlap=0.25, crf_steps=10. With probabilities a list comes too: for each class a Volume from 0 to 1, in the order of
        the model's option `classes`."""
        volumes = [Volume.of(one) for one in (sources if isinstance(sources, (list, tuple)) else [sources])]
        pointers = (ctypes.POINTER(_api.slmt_volume) * len(volumes))(*(one._pointer for one in volumes))
        labels = ctypes.POINTER(_api.slmt_volume)()
        rooms = (ctypes.POINTER(_api.slmt_volume) * self._class_count())() if probabilities else None
        self._run(progress, _api.slmt_segment_volume, pointers, len(volumes), _segmentation(how), labels, rooms)
        made = Volume._of(labels)
        return made if rooms is None else (made, [Volume._of(room) for room in rooms])

    def _class_count(self) -> int:
        classes = _api.slmt_model_option_text(_api.slmt_session_model(self._pointer), b"classes")
        return len(text(classes).split(",")) if classes else 0

    def normalize(self, volume: Volume) -> Volume:
        """The volume as the session sees it, with its spacing: what synthesis gives if the network changes nothing."""
        pointer = ctypes.POINTER(_api.slmt_volume)()
        check(_api.slmt_session_normalize_volume(self._pointer, volume._pointer, pointer))
        return Volume._of(pointer)

    def run(
        self,
        inputs: Mapping[str, ArrayIn],
        *,
        out: Mapping[str, AnyArray] | None = None,
        progress: ProgressLike = None,
    ) -> dict[str, AnyArray]:
        """Runs the task on arrays by name, and returns its outputs by name, in those of `out` where it has one.

        Types and axes are those of task.inputs and task.outputs. The first axis of batched ones may have any length,
        the same for all."""
        arrays = taken_for(self._task, inputs)
        lengths = {
            array.shape[0]
            for name, array in arrays.items()
            if array.ndim and name in self._task.inputs and self._task.inputs[name].batched
        }
        if len(lengths) > 1:
            raise ArgumentError(f"inputs have {' and '.join(map(str, sorted(lengths)))} samples, expected as many each")
        count = lengths.pop() if lengths else 1
        if extra := set(out or {}) - set(self._task.outputs):
            raise NotFoundError(f"task {self._task.name} has no output {', '.join(sorted(extra))}")
        outputs = {
            name: given((out or {}).get(name), self._output_shape(port, count), name, port.dtype.type)
            for name, port in self._task.outputs.items()
        }
        ins, outs = Tensors(arrays), Tensors(outputs)
        self._run(progress, _api.slmt_session_run, ins.array, ins.count, outs.array, outs.count)
        return outputs

    def _output_shape(self, port: Port, count: int) -> Shape:
        shape = self.shape(port.name)
        return (count, *shape[1:]) if port.batched else shape

    def _run(self, progress: ProgressLike, function: Any, *arguments: Any) -> None:
        with self._alone(), Call() as call, reporting(call, progress) as callback:
            check(_api.slmt_session_set_progress(self._pointer, callback, None))
            try:
                call.check(function(self._pointer, *arguments))
            finally:
                _api.slmt_session_set_progress(self._pointer, _api.slmt_progress_fn(), None)

    def cancel(self) -> None:
        """Ends the call that runs on this session with Cancelled, at the next layer; without one, the next call."""
        _api.slmt_session_cancel(self._pointer)

    def __repr__(self) -> str:
        return "<slmt.Session, closed>" if self.closed else f"<slmt.Session {self._task.name}>"


def _segmentation(fields: Mapping[str, float]) -> _api.slmt_segmentation:
    how = _api.slmt_segmentation()
    _api.slmt_segmentation_init(how)
    known = [name for name, *_ in _api.slmt_segmentation._fields_ if name != "struct_size"]
    for name, value in fields.items():
        if name not in known:
            raise ArgumentError(f"there is no {name} among {', '.join(known)}")
        setattr(how, name, value)
    return how


def with_sizes(model: Model, task: Task, given: Mapping[str, Value]) -> dict[str, Value]:
    """Images are as large as the model's preprocessing makes them."""
    side = model.preprocess.image_size
    sides = {name: side for name, number in task.settings.items() if number.role in ("height", "width")}
    return {**sides, **given}


def taken_for(task: Task, inputs: Mapping[str, ArrayIn]) -> dict[str, AnyArray]:
    """Arrays of the types that a task's inputs have. The library says which names and shapes are wrong."""
    kinds = {name: port.dtype.type for name, port in task.inputs.items()}
    return {name: taken(values, name, kinds.get(name, np.float32)) for name, values in inputs.items()}


def port_shape(function: Any, pointer: Any, name: str) -> Shape:
    shape, rank = (ctypes.c_int64 * 6)(), ctypes.c_int32()
    check(function(pointer, name.encode(), shape, rank))
    return tuple(shape[: rank.value])
