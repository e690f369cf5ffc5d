# SPDX-License-Identifier: Apache-2.0
"""Models: options, weights, preprocessing and card, and the checkpoint file that holds them."""

import ctypes
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Union

import numpy as np

from slmt import _api
from slmt._arrays import ArrayIn, FloatArray, floats_at, taken
from slmt._context import WEIGHTS, Context, choice, context_or_default
from slmt._errors import ArgumentError, NotFoundError, check
from slmt._geometry import Geometry
from slmt._handle import Handle
from slmt._methods import Number, Value, coded, methods, text
from slmt._paths import encoded
from slmt._volume import Volume

if TYPE_CHECKING:
    from slmt._session import Session

RESIZES = {"bilinear": _api.SLMT_RESIZE_BILINEAR, "nearest": _api.SLMT_RESIZE_NEAREST}
_BACKGROUNDS = {"corner": _api.SLMT_BACKGROUND_CORNER, "surface": _api.SLMT_BACKGROUND_SURFACE}
_SCALINGS = {"percentiles": _api.SLMT_SCALE_PERCENTILES, "twice-p99": _api.SLMT_SCALE_TWICE_P99}


# ---- preprocessing ----


@dataclass(frozen=True)
class Preprocess:
    """How a volume becomes slices. Kept in training sets and models. The defaults are Li et al.'s, for BraTS."""

    crop_size: int = 200  # side of the square crop in voxels; smaller volumes are padded with 0
    crop_x: int = -1  # first voxel of the crop along x (left); -1: in the middle
    crop_y: int = -1  # first voxel of the crop along y (back); -1: in the middle
    slice_first: int = 50  # first axial slice
    slice_count: int = 60  # number of slices; 0: all from slice_first on
    image_size: int = 256  # slices are resized to this side, in pixels
    target_resize: str = "bilinear"  # or "nearest": of fine-tuning targets, as the reference does
    low_percentile: float = 0.2  # intensities inside the head are clipped to these percentiles
    high_percentile: float = 99.8
    scaling: str = "percentiles"  # or "twice-p99": clipped to 0 and twice the 99th percentile (Han et al.)
    background: str = "surface"  # or "corner": what is kept out of the range, by the surface or the corner voxel

    def changed(self, changes: Mapping[str, Value]) -> "Preprocess":
        """A copy with other values, given by name as texts and numbers; choices also by the library's number."""
        known: dict[str, Value] = {}
        for name, value in changes.items():
            kinds = {field.name: field.type for field in fields(self)}
            if name not in kinds:
                raise ArgumentError(f"there is no preprocessing option {name}; there are {', '.join(kinds)}")
            codes = {"target_resize": RESIZES, "scaling": _SCALINGS, "background": _BACKGROUNDS}.get(name)
            if codes and not isinstance(value, str):
                known[name] = next((word for word, code in codes.items() if code == value), f"{value:g}")
            elif not codes and isinstance(value, str):
                raise ArgumentError(f"preprocessing option {name} is '{value}', must be a number")
            elif kinds[name] is int and value != int(value):
                raise ArgumentError(f"preprocessing option {name} is {value:g}, must be a whole number")
            else:
                known[name] = int(value) if kinds[name] is int else value
        return replace(self, **known)  # type: ignore[arg-type]

    def _struct(self) -> "_api.slmt_preprocess":
        struct = _api.slmt_preprocess()
        _api.slmt_preprocess_init(struct)
        for field in fields(self):
            if field.type is not str:
                setattr(struct, field.name, getattr(self, field.name))
        struct.target_resize = choice("target_resize", self.target_resize, RESIZES)
        struct.scaling = choice("scaling", self.scaling, _SCALINGS)
        struct.background = choice("background", self.background, _BACKGROUNDS)
        return struct

    @classmethod
    def _read(cls, function: Any, pointer: Any) -> "Preprocess":
        struct = _api.slmt_preprocess()
        _api.slmt_preprocess_init(struct)
        check(function(pointer, struct))
        return cls().changed({field.name: getattr(struct, field.name) for field in fields(cls)})


# ---- tensors and card ----


@dataclass(frozen=True)
class TensorInfo:
    """A tensor of a model."""

    shape: tuple[int, ...]
    used: bool  # False: the reference stores it and nothing reads it
    weights: str  # how the model holds it: "full", "bf16" or "f16"


class Tensors(Mapping[str, FloatArray]):
    """The tensors that a model's network reads, by their names in the reference's state_dict. `tensors[name]` is a
    copy, float32; `tensors[name] = values` replaces the values while nothing else uses the model. info() has also
    those that it does not read."""

    def __init__(self, model: "Model") -> None:
        self._model = model

    def info(self) -> dict[str, TensorInfo]:
        """All tensors in the model's order; those that are not used may have no values."""
        pointer = self._model._pointer
        if self._model._infos:
            return dict(self._model._infos)
        found = {}
        names = {code: name for name, code in WEIGHTS.items()}
        for index in range(_api.slmt_model_tensor_count(pointer)):
            info = _api.slmt_tensor_info(struct_size=ctypes.sizeof(_api.slmt_tensor_info))
            check(_api.slmt_model_tensor_info(pointer, index, info))
            found[text(info.name)] = TensorInfo(tuple(info.dim[: info.rank]), bool(info.used), names[info.weights])
        self._model._infos = found
        return dict(found)

    def _shape(self, name: str) -> tuple[int, ...]:
        info = self.info()
        if name not in info:
            raise NotFoundError(f"the model has no tensor {name}")
        return info[name].shape

    def __getitem__(self, name: str) -> FloatArray:
        values = np.empty(self._shape(name), np.float32)
        check(_api.slmt_model_get_tensor(self._model._pointer, name.encode(), floats_at(values), values.size))
        return values

    def __setitem__(self, name: str, values: ArrayIn) -> None:
        array = taken(values, name, shape=self._shape(name))
        check(_api.slmt_model_set_tensor(self._model._pointer, name.encode(), floats_at(array), array.size))

    def _names(self) -> list[str]:
        return [name for name, info in self.info().items() if info.used]

    def __contains__(self, name: object) -> bool:
        return name in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())


class Card:
    """Texts kept with a model: "name", "data", "intended_use", "source_contrast", "target_contrast", "training", and any other field of letters, digits and underscores. A field that is not set is ""."""

    def __init__(self, model: "Model") -> None:
        self._model = model

    def __getitem__(self, key: str) -> str:
        return text(_api.slmt_model_card(self._model._pointer, key.encode()))

    def __setitem__(self, key: str, value: str) -> None:
        check(_api.slmt_model_set_card(self._model._pointer, key.encode(), value.encode()))

    def __delitem__(self, key: str) -> None:
        self[key] = ""

    def __iter__(self) -> Iterator[str]:
        """The keys of the fields that are set, in order."""
        index = 0
        while key := text(_api.slmt_model_card_key(self._model._pointer, index)):
            yield key
            index += 1


# ---- models ----


class Model(Handle):
    """A model of any method: Model.create() or Model.load().

    Any number of sessions and threads may read it at once. Changing it (tensors, card, preprocess, a Trainer's steps)
    and closing it are for one thread, while nothing else uses it."""

    _infos: dict[str, TensorInfo]  # its tensors, once they were asked for

    def __init__(self, *_given: Any, **_options: Any) -> None:
        raise TypeError("a Model is made by Model.create(method, options) or Model.load(path)")

    @classmethod
    def _of(cls, pointer: Any) -> "Model":
        model = cls.__new__(cls)
        Handle.__init__(model, pointer, _api.slmt_model_free)
        model._infos = {}
        return model

    @classmethod
    def create(
        cls,
        method: str = "slmt-net",
        options: Mapping[str, Value | Sequence[Value]] | None = None,
        *,
        preset: str | None = None,
        seed: int = 0,
        context: Context | None = None,
    ) -> "Model":
        """A model with fresh weights; equal seeds give equal weights.

        options: by name, see methods(), of a list also as a sequence; those not named have their initial values, or
        those of a preset of the method."""
        given: dict[str, Value | Sequence[Value]] = dict(options or {})
        known = dict(methods()[method].options) if method in methods() else {}
        if preset is not None:
            names = methods()[method].presets if method in methods() else ()
            known["preset"] = Number("preset", "", "choice", names, "", 0, len(names) - 1)
            given["preset"] = preset
        pointer = ctypes.POINTER(_api.slmt_model)()
        where = context_or_default(context)._pointer
        numbers = coded(given, known)
        check(_api.slmt_model_create(where, method.encode(), numbers, len(numbers), seed, pointer))
        return cls._of(pointer)

    @classmethod
    def load(cls, source: Union[str, os.PathLike[str], bytes, BinaryIO], *, context: Context | None = None) -> "Model":
        """Reads a checkpoint: a file's name, its bytes, or an open binary file, which is read to its end.

        Nothing in it is trusted. The context's `weights` say how matrices of linear layers are held."""
        pointer = ctypes.POINTER(_api.slmt_model)()
        where = context_or_default(context)._pointer
        if isinstance(source, bytes):
            data = ctypes.cast(ctypes.c_char_p(source), ctypes.c_void_p)
            check(_api.slmt_model_load_memory(where, data, len(source), pointer))
        elif isinstance(source, (str, os.PathLike)):
            check(_api.slmt_model_load(where, encoded(source), pointer), source)
        else:
            _load_file(where, source, pointer)
        return cls._of(pointer)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a checkpoint under a new name, then renames it: `path` is the old file or the new one, whole."""
        check(_api.slmt_model_save(self._pointer, encoded(path)), path)

    @property
    def method(self) -> str:
        return text(_api.slmt_model_method(self._pointer))

    @property
    def options(self) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for name, number in methods()[self.method].options.items():
            if number.kind == "text":
                values[name] = text(_api.slmt_model_option_text(self._pointer, name.encode()))
                continue
            value = ctypes.c_double()
            check(_api.slmt_model_option(self._pointer, name.encode(), value))
            values[name] = number.value(value.value)
        return values

    @property
    def tensors(self) -> Tensors:
        return Tensors(self)

    @property
    def card(self) -> Card:
        return Card(self)

    @property
    def contrasts(self) -> list[str]:
        """The names of the contrasts that the model tells apart, by index; may be set. A model that makes one contrast
        has none here: see card["target_contrast"]."""
        count = _api.slmt_model_contrast_count(self._pointer)
        return [text(_api.slmt_model_contrast(self._pointer, index)) for index in range(count)]

    @contrasts.setter
    def contrasts(self, names: Sequence[str]) -> None:
        texts = (ctypes.c_char_p * len(names))(*(name.encode() for name in names))
        check(_api.slmt_model_set_contrasts(self._pointer, texts, len(names)))

    @property
    def preprocess(self) -> Preprocess:
        """How volumes become slices; may be set: `model.preprocess = dataclasses.replace(model.preprocess, ...)`."""
        return Preprocess._read(_api.slmt_model_get_preprocess, self._pointer)

    @preprocess.setter
    def preprocess(self, value: Preprocess) -> None:
        check(_api.slmt_model_set_preprocess(self._pointer, value._struct()))

    @property
    def geometry(self) -> Geometry | None:
        """Sizes and places of the volumes that the model was trained on; None: it does not know. May be set."""
        return Geometry._read(_api.slmt_model_get_geometry, self._pointer)

    @geometry.setter
    def geometry(self, value: Geometry | None) -> None:
        check(_api.slmt_model_set_geometry(self._pointer, None if value is None else value._struct()))

    def session(
        self,
        task: str = "synthesize",
        *,
        to: str | None = None,
        spacing: Literal["refuse", "resample", "any"] = "refuse",
        **settings: Value,
    ) -> "Session":
        """Session(self, ...)"""
        from slmt._session import Session

        return Session(self, task, to=to, spacing=spacing, **settings)

    def normalize(self, volume: Volume) -> Volume:
        """The volume as the model sees it: [i][j][k] in [0, 1], what synthesis gives if the network changes nothing."""
        pointer = ctypes.POINTER(_api.slmt_volume)()
        check(_api.slmt_normalize_volume(self._pointer, volume._pointer, pointer))
        return Volume._of(pointer)

    def __repr__(self) -> str:
        return "<slmt.Model, closed>" if self.closed else f"<slmt.Model {self.method}, {len(self.tensors)} tensors>"


def _load_file(where: Any, file: BinaryIO, pointer: Any) -> None:
    errors: list[BaseException] = []

    def read(user: int | None, buffer: int, size: int) -> int:
        try:
            block = file.read(size)
            ctypes.memmove(buffer, block, len(block))
            return len(block)
        except BaseException as error:
            errors.append(error)
            return -1

    status = _api.slmt_model_load_callback(where, _api.slmt_read_fn(read), None, pointer)
    if errors:
        raise errors[0]
    check(status)
