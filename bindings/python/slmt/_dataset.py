# SPDX-License-Identifier: Apache-2.0
"""Training sets: an HDF5 file of records, written once, streamed in training."""

import ctypes
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Union, cast

import numpy as np
from numpy.typing import NDArray

from slmt import _api
from slmt._arrays import SET_TYPES, AnyArray, ArrayIn, FloatArray, Shape, Tensors, floats_at, given, taken
from slmt._context import Context, choice, context_or_default
from slmt._errors import ArgumentError, NotFoundError, check
from slmt._geometry import Geometry
from slmt._handle import Handle
from slmt._methods import text
from slmt._model import RESIZES, Preprocess
from slmt._paths import encoded
from slmt._volume import Volume

Split = Literal["train", "test", "validation"]
Kind = Literal["image", "labels", "boxes", "vector", "ids", "classes"]
_SPLITS: dict[str, int] = {
    "train": _api.SLMT_SPLIT_TRAIN,
    "test": _api.SLMT_SPLIT_TEST,
    "validation": _api.SLMT_SPLIT_VALIDATION,
}
_SPLIT_NAMES = {code: cast(Split, name) for name, code in _SPLITS.items()}
_KINDS: dict[str, int] = {
    "image": _api.SLMT_FIELD_IMAGE,
    "labels": _api.SLMT_FIELD_LABELS,
    "boxes": _api.SLMT_FIELD_BOXES,
    "vector": _api.SLMT_FIELD_VECTOR,
    "ids": _api.SLMT_FIELD_IDS,
    "classes": _api.SLMT_FIELD_CLASSES,
}


@dataclass(frozen=True)
class Field:
    """What the records of a set hold under one name."""

    name: str
    kind: Kind
    dtype: Any  # float32, float16, uint8 or int32
    axes: tuple[str, ...]  # names, outermost first; axes of one name have one length within a record
    shape: tuple[Union[int, None], ...]  # None: the length differs between records
    classes: Mapping[int, str] = field(default_factory=dict)  # of labels, ids and classes: value to name; or none

    def _struct(self) -> _api.slmt_field:
        struct = _api.slmt_field(struct_size=ctypes.sizeof(_api.slmt_field))
        if len(self.axes) != len(self.shape) or len(self.shape) > 6:
            raise ArgumentError(f"field {self.name} has {len(self.axes)} axes, and {len(self.shape)} lengths")
        struct.kind = choice("kind", self.kind, _KINDS)
        codes = [code for code, kind in SET_TYPES.items() if np.dtype(self.dtype) == kind]
        if not codes:
            raise TypeError(f"field {self.name} is {np.dtype(self.dtype)}, expected float32, float16, uint8 or int32")
        struct.type, struct.rank = codes[0], len(self.shape)
        struct.dim[: len(self.shape)] = [length or 0 for length in self.shape]
        struct.name, struct.axes = self.name.encode(), ",".join(self.axes).encode()
        struct.classes = ",".join(f"{value}={name}" for value, name in sorted(self.classes.items())).encode()
        return struct

    @classmethod
    def _of(cls, struct: _api.slmt_field) -> "Field":
        pairs = [pair.split("=", 1) for pair in text(struct.classes).split(",") if pair]
        return cls(
            name=text(struct.name),
            kind=cast(Kind, next(name for name, code in _KINDS.items() if code == struct.kind)),
            dtype=np.dtype(SET_TYPES[struct.type]),
            axes=tuple(text(struct.axes).split(",")),
            shape=tuple(length or None for length in struct.dim[: struct.rank]),
            classes={int(value): name for value, name in pairs},
        )


@dataclass(frozen=True)
class Record:
    """What a set knows of a record beside its arrays."""

    id: str
    group: str  # the subject it was taken from
    split: Split


def _record(id: str, split: Split, group: str | None) -> _api.slmt_record:
    struct = _api.slmt_record(struct_size=ctypes.sizeof(_api.slmt_record))
    struct.split, struct.id = choice("split", split, _SPLITS), id.encode()
    struct.group = None if group is None else group.encode()
    return struct


class _Writer(Handle):
    """What the writers of sets have in common: the file appears when it is finished."""

    def __init__(self, pointer: Any, path: str | os.PathLike[str]) -> None:
        self._path = path
        super().__init__(pointer, _api.slmt_dataset_writer_cancel)
        self._free.atexit = True  # the unfinished file goes

    def finish(self) -> None:
        """Completes the file, and closes the writer, also on failure."""
        with self._alone():
            pointer = self._pointer
            self._free.detach()
            check(_api.slmt_dataset_writer_finish(pointer), self._path)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None and not self.closed:
            self.finish()
        self.close()


class RecordWriter(_Writer):
    """Writes a training set of any fields. The file appears, whole, at the end of a `with` block, or with finish();
    after an exception in the block there is none, and a file that was there stays as it was. One thread at a time."""

    def __init__(
        self, path: str | os.PathLike[str], fields: Sequence[Field], *, context: Context | None = None
    ) -> None:
        self.fields = tuple(fields)
        pointer = ctypes.POINTER(_api.slmt_dataset_writer)()
        where = context_or_default(context)._pointer
        check(_api.slmt_dataset_writer_create(where, encoded(path), pointer), path)
        super().__init__(pointer, path)
        for one in self.fields:
            check(_api.slmt_dataset_writer_add_field(pointer, one._struct()), path)

    def add(self, id: str, arrays: Mapping[str, ArrayIn], split: Split = "train", group: str | None = None) -> None:
        """Adds a record: its arrays by field; fields may be missing. One that is refused leaves the set as it was."""
        with self.record(id, split, group):
            for name, array in arrays.items():
                self.append(name, array)

    @contextmanager
    def record(self, id: str, split: Split = "train", group: str | None = None) -> Iterator[None]:
        """A record whose arrays are appended in the block; after an exception in the block there is none."""
        struct = _record(id, split, group)
        with self._alone():
            check(_api.slmt_dataset_writer_begin(self._pointer, struct), self._path)
        try:
            yield
        except BaseException:
            with self._alone():
                check(_api.slmt_dataset_writer_undo(self._pointer), self._path)
            raise
        with self._alone():
            check(_api.slmt_dataset_writer_end(self._pointer), self._path)

    def append(self, name: str, rows: ArrayIn) -> None:
        """Appends to an array of the record: all of it, or some rows (along the first axis) a call."""
        index = next((i for i, one in enumerate(self.fields) if one.name == name), None)
        if index is None:
            raise NotFoundError(f"the set has no field {name}; it has {', '.join(one.name for one in self.fields)}")
        kind = np.dtype(self.fields[index].dtype).type
        shape = (None, *self.fields[index].shape[1:])
        tensors = Tensors({name: taken(rows, name, kind, shape)})
        with self._alone():
            check(_api.slmt_dataset_writer_append(self._pointer, index, tensors.array), self._path)


class DatasetWriter(_Writer):
    """Writes a training set of MR volumes. The file appears, whole, at the end of a `with` block, or with finish(); after an
    exception in the block there is none, and a file that was there stays as it was. One thread at a time.

    contrasts: their names. preprocess: None for the defaults; kept in the file. labels: names of fields of label
    maps, whose values stay as they are. any_spacing: take voxels of different sizes; else the first subject decides the
    size, and others raise ArgumentError."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        contrasts: Sequence[str],
        preprocess: Preprocess | None = None,
        *,
        labels: Sequence[str] = (),
        any_spacing: bool = False,
        context: Context | None = None,
    ) -> None:
        self.contrasts, self.labels = tuple(contrasts), tuple(labels)
        names = (ctypes.c_char_p * len(contrasts))(*(name.encode() for name in contrasts))
        pointer = ctypes.POINTER(_api.slmt_dataset_writer)()
        struct = (preprocess or Preprocess())._struct()
        where = context_or_default(context)._pointer
        file = encoded(path)
        check(_api.slmt_dataset_writer_create_mr(where, file, struct, names, len(contrasts), pointer), path)
        super().__init__(pointer, path)
        for name in labels:
            check(_api.slmt_dataset_writer_add_labels(pointer, name.encode()), path)
        if any_spacing:
            check(_api.slmt_dataset_writer_any_spacing(pointer), path)

    def add(
        self, subject: str, volumes: Mapping[str, Any], split: Split = "train", group: str | None = None
    ) -> None:
        """Adds a subject: Volumes, paths or nibabel images by contrast or name of labels, raw, on one grid; some may be
        missing. group: the person; two sessions of one person are two subjects of one group.

        Raises ArgumentError for a subject that cannot be used (grids differ, too few slices, a constant volume); the
        set stays as it was, and more can be added."""
        names = self.contrasts + self.labels
        if unknown := set(volumes) - set(names):
            raise NotFoundError(f"the set has no contrast {', '.join(sorted(unknown))}; it has {', '.join(names)}")
        held = {
            name: Volume.of(volume) for name, volume in volumes.items()
        }
        array = (ctypes.POINTER(_api.slmt_volume) * len(names))()
        for index, name in enumerate(names):
            if name in held:
                array[index] = held[name]._pointer
        struct = _record(subject, split, group)
        with self._alone():
            check(_api.slmt_dataset_writer_add_subject(self._pointer, struct, array), self._path)


class Dataset(Handle):
    """A training set that is there. Arrays are read when they are needed. One thread at a time; others wait.

    fields and records say what it holds, read() gives its arrays. contrasts, subjects and slices() are the same for a
    set of MR volumes, whose source is "mr"."""

    def __init__(self, path: str | os.PathLike[str], *, context: Context | None = None) -> None:
        pointer = ctypes.POINTER(_api.slmt_dataset)()
        check(_api.slmt_dataset_open(context_or_default(context)._pointer, encoded(path), pointer), path)
        super().__init__(pointer, _api.slmt_dataset_free)
        contrasts, subjects = _api.slmt_dataset_contrast_count(pointer), _api.slmt_dataset_subject_count(pointer)
        self.contrasts = tuple(text(_api.slmt_dataset_contrast(pointer, index)) for index in range(contrasts))
        self.fields = tuple(self._field(index) for index in range(_api.slmt_dataset_field_count(pointer)))
        self.records = tuple(self._record(index) for index in range(subjects))
        self.subjects = tuple(record.id for record in self.records)
        self.source = text(_api.slmt_dataset_source(pointer))  # "mr", or "" for records
        self._numbers = {
            "subject": {name: index for index, name in enumerate(self.subjects)},
            "contrast": {name: index for index, name in enumerate(self.contrasts)},
            "field": {one.name: index for index, one in enumerate(self.fields)},
        }

    def _field(self, index: int) -> Field:
        struct = _api.slmt_field(struct_size=ctypes.sizeof(_api.slmt_field))
        check(_api.slmt_dataset_field(self._pointer, index, struct))
        return Field._of(struct)

    def _record(self, index: int) -> Record:
        struct = _api.slmt_record(struct_size=ctypes.sizeof(_api.slmt_record))
        check(_api.slmt_dataset_record(self._pointer, index, struct))
        return Record(text(struct.id), text(struct.group), _SPLIT_NAMES[struct.split])

    def shape(self, record: str, name: str) -> Shape:
        """The shape of a record's array. Raises NotFoundError where the record has none."""
        index = self._index("field", name)
        extents = (ctypes.c_int64 * 6)()
        check(_api.slmt_dataset_shape(self._pointer, self._index("subject", record), index, extents))
        return tuple(extents[: len(self.fields[index].shape)])

    def read(
        self, record: str, name: str, first: int = 0, count: int | None = None, *, out: AnyArray | None = None
    ) -> AnyArray:
        """An array of a record, or rows [first, first + count) along its first axis."""
        shape = self.shape(record, name)
        index = self._index("field", name)
        rows = max(shape[0] - first, 0) if count is None else count
        kind = np.dtype(self.fields[index].dtype).type
        values = given(out, (max(rows, 0), *shape[1:]), "out", kind)
        tensors = Tensors({name: values})
        with self._alone():
            where = self._pointer, self._index("subject", record), index
            check(_api.slmt_dataset_read(*where, first, rows, tensors.array))
        return values

    @property
    def preprocess(self) -> Preprocess:
        """What its slices went through."""
        return Preprocess._read(_api.slmt_dataset_get_preprocess, self._pointer)

    def geometry(self, split: Split | Literal["all"] = "all") -> Geometry | None:
        """Sizes and places of the volumes of the set or one of its parts, one for each subject; None: the set does not
        know, as of an older file."""
        part = choice("split", split, {"all": _api.SLMT_SPLIT_ALL, **_SPLITS})
        return Geometry._read(_api.slmt_dataset_geometry, self._pointer, part)

    def split(self, subject: str) -> Split:
        """The part of the set that a subject belongs to."""
        return _SPLIT_NAMES[_api.slmt_dataset_subject_split(self._pointer, self._index("subject", subject))]

    def slice_count(self, subject: str, contrast: str) -> int:
        """0 where the subject lacks the contrast."""
        return _api.slmt_dataset_slice_count(self._pointer, *self._place(subject, contrast))

    def slices(
        self,
        subject: str,
        contrast: str,
        *,
        resize: Literal["bilinear", "nearest"] = "bilinear",
        out: FloatArray | None = None,
    ) -> FloatArray:
        """A subject's slices, [count][image_size][image_size] float32 in [0, 1]."""
        count, side = self.slice_count(subject, contrast), self.preprocess.image_size
        if count == 0:
            raise NotFoundError(f"subject {subject} has no {contrast}")
        pixels, how = given(out, (count, side, side), "out"), choice("resize", resize, RESIZES)
        place = self._place(subject, contrast)
        with self._alone():
            for index in range(count):
                check(_api.slmt_dataset_read_slice(self._pointer, *place, index, how, floats_at(pixels[index])))
        return pixels

    def cut_labels(self, volume: Any, count: int) -> NDArray[np.int32]:
        """A label map (a Volume or a nibabel image on the subject's grid), cut as the set's volumes were: its `count`
        slices, [count][crop_size][crop_size], not resized."""
        held = volume if isinstance(volume, Volume) else Volume.from_nibabel(volume)
        side = self.preprocess.crop_size
        labels = np.empty((count, side, side), np.int32)
        pointer = labels.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        with self._alone():
            check(_api.slmt_dataset_cut_labels(self._pointer, held._pointer, count, pointer))
        return labels

    def _place(self, subject: str, contrast: str) -> tuple[int, int]:
        return self._index("subject", subject), self._index("contrast", contrast)

    def _index(self, what: Literal["subject", "contrast", "field"], name: str) -> int:
        if name not in self._numbers[what]:
            raise NotFoundError(f"the set has no {what} {name}")
        return self._numbers[what][name]

    def __repr__(self) -> str:
        names = ", ".join(one.name for one in self.fields)
        return f"<slmt.Dataset {names} of {len(self.records)} {'subjects' if self.source else 'records'}>"
