# SPDX-License-Identifier: Apache-2.0
"""Training sets: an HDF5 file of preprocessed slices, written once, streamed in training."""

import ctypes
import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal

from slmt import _api
from slmt._arrays import FloatArray, floats_at, given
from slmt._context import Context, choice, context_or_default
from slmt._errors import NotFoundError, check
from slmt._handle import Handle
from slmt._methods import text
from slmt._model import RESIZES, Preprocess
from slmt._volume import Volume

Split = Literal["train", "test"]
_SPLITS = {"train": _api.SLMT_SPLIT_TRAIN, "test": _api.SLMT_SPLIT_TEST}


class DatasetWriter(Handle):
    """Writes a training set. The file appears, whole, at the end of a `with` block, or with finish(); after an
    exception in the block there is none, and a file that was there stays as it was. One thread at a time.

    contrasts: their names. preprocess: None for the defaults; kept in the file."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        contrasts: Sequence[str],
        preprocess: Preprocess | None = None,
        *,
        context: Context | None = None,
    ) -> None:
        self._path = path
        self.contrasts = tuple(contrasts)
        names = (ctypes.c_char_p * len(contrasts))(*(name.encode() for name in contrasts))
        pointer = ctypes.POINTER(_api.slmt_dataset_writer)()
        struct = (preprocess or Preprocess())._struct()
        where = context_or_default(context)._pointer
        file = os.fsencode(path)
        check(_api.slmt_dataset_writer_create_mr(where, file, struct, names, len(contrasts), pointer), path)
        super().__init__(pointer, _api.slmt_dataset_writer_cancel)
        self._free.atexit = True  # the unfinished file goes

    def add(self, subject: str, volumes: Mapping[str, Any], split: Split = "train") -> None:
        """Adds a subject: Volumes or nibabel images by contrast, raw, on one grid; contrasts may be missing.

        Raises ArgumentError for a subject that cannot be used (grids differ, too few slices, a constant volume); the
        set stays as it was, and more can be added."""
        if unknown := set(volumes) - set(self.contrasts):
            raise NotFoundError(
                f"the set has no contrast {', '.join(sorted(unknown))}; it has {', '.join(self.contrasts)}"
            )
        held = {
            name: volume if isinstance(volume, Volume) else Volume.from_nibabel(volume)
            for name, volume in volumes.items()
        }
        array = (ctypes.POINTER(_api.slmt_volume) * len(self.contrasts))()
        for index, name in enumerate(self.contrasts):
            if name in held:
                array[index] = held[name]._pointer
        with self._alone():
            part = choice("split", split, _SPLITS)
            check(_api.slmt_dataset_writer_add(self._pointer, subject.encode(), array, part), self._path)

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


class Dataset(Handle):
    """A training set that is there. Slices are read when they are needed. One thread at a time; others wait."""

    def __init__(self, path: str | os.PathLike[str], *, context: Context | None = None) -> None:
        pointer = ctypes.POINTER(_api.slmt_dataset)()
        check(_api.slmt_dataset_open(context_or_default(context)._pointer, os.fsencode(path), pointer), path)
        super().__init__(pointer, _api.slmt_dataset_free)
        contrasts, subjects = _api.slmt_dataset_contrast_count(pointer), _api.slmt_dataset_subject_count(pointer)
        self.contrasts = tuple(text(_api.slmt_dataset_contrast(pointer, index)) for index in range(contrasts))
        self.subjects = tuple(text(_api.slmt_dataset_subject(pointer, index)) for index in range(subjects))

    @property
    def preprocess(self) -> Preprocess:
        """What its slices went through."""
        return Preprocess._read(_api.slmt_dataset_get_preprocess, self._pointer)

    def split(self, subject: str) -> Split:
        """The part of the set that a subject belongs to."""
        code = _api.slmt_dataset_subject_split(self._pointer, self._index("subject", subject))
        return "test" if code == _api.SLMT_SPLIT_TEST else "train"

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

    def _place(self, subject: str, contrast: str) -> tuple[int, int]:
        return self._index("subject", subject), self._index("contrast", contrast)

    def _index(self, what: Literal["subject", "contrast"], name: str) -> int:
        names = self.subjects if what == "subject" else self.contrasts
        if name not in names:
            raise NotFoundError(f"the set has no {what} {name}")
        return names.index(name)

    def __repr__(self) -> str:
        return f"<slmt.Dataset {', '.join(self.contrasts)} of {len(self.subjects)} subjects>"
