# SPDX-License-Identifier: Apache-2.0
"""Reads PyTorch checkpoints (.pth, .pt) into NumPy arrays, with or without PyTorch.

Without PyTorch, both of its formats are read by this module: the zip archives that torch.save() writes since 1.6, and
the older stream of pickles followed by raw storages. Nothing in a file is run (_torchpickle.py), and every tensor is
checked against the bytes that are there, so that a hostile file gives a TorchFileError. With PyTorch, torch.load()
does the reading with weights_only=True.

Arrays share the memory of what was read and are read-only. bfloat16, which NumPy does not have, becomes float32."""

import importlib
import importlib.util
import io
import math
import os
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray

from slmt import _torchpickle
from slmt._torchpickle import Inert, Name, TorchFileError

Array = NDArray[Any]
Reader = Literal["auto", "torch", "plain"]

__all__ = ["Reader", "TorchFileError", "load", "state_dict"]


def load(path: str | Path, reader: Reader = "auto") -> object:
    """What torch.save() was given: containers, numbers, texts, and an array for each tensor.

    reader: "plain" reads without PyTorch, "torch" with it, "auto" with it where it is installed."""
    path = Path(path)
    if reader == "torch" or (reader == "auto" and importlib.util.find_spec("torch")):
        return _load_with_torch(path)
    try:
        with path.open("rb") as file:
            return _load_zip(file) if file.read(4) == b"PK\x03\x04" else _load_stream(path.read_bytes())
    except TorchFileError as error:
        raise TorchFileError(f"{path}: {error}") from error


def state_dict(path: str | Path, *, key: str | None = None, reader: Reader = "auto") -> dict[str, Array]:
    """The tensors of a checkpoint by name.

    They may be what was saved, or lie in a dictionary among others ("state_dict", "model", ...); where several do,
    `key` says which, with dots between levels. The prefix "module." of DataParallel is taken off."""
    found = dict(_mappings(load(path, reader), (), set()))
    if key is not None:
        found = {where: tensors for where, tensors in found.items() if where == key}
    if not found:
        raise TorchFileError(f"{path}: holds no dictionary of tensors" + (f" under {key}" if key else ""))
    if len(found) > 1:
        raise TorchFileError(f"{path}: holds several dictionaries of tensors; name one of them: {', '.join(found)}")
    (tensors,) = found.values()
    while all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return tensors


# ---- the mapping of tensors ----

_MAX_DEPTH = 4


def _mappings(value: object, at: tuple[str, ...], seen: set[int]) -> list[tuple[str, dict[str, Array]]]:
    """Dictionaries that hold tensors by name, outermost only, with the keys that lead to them."""
    if not isinstance(value, Mapping) or len(at) > _MAX_DEPTH or id(value) in seen:
        return []
    seen.add(id(value))
    named = [(name, item) for name, item in value.items() if isinstance(name, str)]
    tensors = {name: item for name, item in named if isinstance(item, np.ndarray)}
    if tensors:
        return [(".".join(at), tensors)]
    return [found for name, item in named for found in _mappings(item, (*at, name), seen)]


# ---- with PyTorch ----


def _load_with_torch(path: Path) -> object:
    torch = importlib.import_module("torch")
    try:
        return _from_torch(torch, torch.load(path, map_location="cpu", weights_only=True))
    except OSError:
        raise
    except Exception as error:  # of many kinds: RuntimeError, UnpicklingError, EOFError, KeyError, ...
        text = (str(error) or type(error).__name__).splitlines()[0]
        raise TorchFileError(f"{path}: PyTorch does not read it: {text}") from error


def _from_torch(torch: Any, value: Any) -> object:
    if isinstance(value, torch.Tensor):
        value = value.detach()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, Mapping):
        return {key: _from_torch(torch, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_from_torch(torch, item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value


# ---- what the pickles name ----

_BFLOAT16 = "BFloat16Storage"
_STORAGES = {
    "BoolStorage": np.dtype("?"),
    "ByteStorage": np.dtype("u1"),
    "CharStorage": np.dtype("i1"),
    "ShortStorage": np.dtype("<i2"),
    "IntStorage": np.dtype("<i4"),
    "LongStorage": np.dtype("<i8"),
    "HalfStorage": np.dtype("<f2"),
    _BFLOAT16: np.dtype("<u2"),
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "ComplexFloatStorage": np.dtype("<c8"),
    "ComplexDoubleStorage": np.dtype("<c16"),
}
_MAX_RANK = 32  # of a tensor; NumPy's is higher
_TENSOR = frozenset(("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"))
_PARAMETER = frozenset(
    (
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_parameter_with_state",
        "torch.nn.parameter.Parameter",
    )
)
_INERT = frozenset(
    (
        "argparse.Namespace",
        "torch.device",
        "numpy.dtype",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "_codecs.encode",
    )
)


def _call(function: Name, arguments: tuple[Any, ...]) -> object:
    """What the functions and classes that a checkpoint may name make of their arguments."""
    name = str(function)
    if name in _INERT:
        return Inert()
    if name == "collections.defaultdict" or (name == "collections.OrderedDict" and not arguments):
        return {}
    if name == "collections.OrderedDict" and isinstance(arguments[0], list):  # written by Python 2
        made = _torchpickle.pairs(arguments[0])
        arguments[0].clear()  # or one long list could be made into many dictionaries
        return made
    if name == "torch.Size" and len(arguments) == 1:
        return arguments[0]
    if name in _PARAMETER and arguments:
        return arguments[0]
    if name in _TENSOR and len(arguments) >= 4:
        return _tensor(*arguments[:4])
    raise TorchFileError(
        f"names {name[:80]}, which a checkpoint of tensors has no need of; nothing was run. "
        "In PyTorch, save model.state_dict() alone"
    )


def _tensor(storage: object, offset: object, size: object, stride: object) -> object:
    """A view of a storage, after a check that all of it lies inside."""
    if isinstance(storage, Inert):  # the first reading of a stream, see _load_stream()
        return storage
    if not isinstance(storage, np.ndarray) or not _are_counts((offset,)) or not _are_counts(size):
        raise TorchFileError("has a tensor without storage or size")
    if not _are_counts(stride) or len(cast(Any, stride)) != len(cast(Any, size)):
        raise TorchFileError("has a tensor whose strides do not fit its size")
    start, shape, steps = cast(int, offset), cast(tuple[int, ...], size), cast(tuple[int, ...], stride)
    if not _fits(start, shape, steps, storage.size):
        raise TorchFileError(
            f"has a tensor of size {list(shape[:8])}, strides {list(steps[:8])} and offset {start}, "
            f"whose storage has {storage.size} elements"
        )
    if 0 in shape:
        return np.empty(shape, storage.dtype)
    in_bytes = [step * storage.itemsize if n > 1 else 0 for n, step in zip(shape, steps, strict=True)]
    return np.lib.stride_tricks.as_strided(storage[start:], shape, in_bytes, writeable=False)


def _fits(start: int, shape: tuple[int, ...], steps: tuple[int, ...], elements: int) -> bool:
    """Whether a tensor lies in a storage, and has no more elements than it."""
    if len(shape) > _MAX_RANK:
        return False
    if 0 in shape:
        return start <= elements and math.prod(n for n in shape if n) < 1 << 31
    last = start + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    return last < elements and math.prod(shape) <= elements


def _are_counts(values: object) -> bool:
    return isinstance(values, (tuple, list)) and all(type(value) is int and value >= 0 for value in values)


class _StorageId:
    """A persistent id: ("storage", type, key, location, elements) and, in streams, (root key, offset, elements)."""

    def __init__(self, value: object) -> None:
        if not isinstance(value, tuple) or len(value) not in (5, 6) or value[0] != "storage":
            raise TorchFileError("refers to something that is no storage, as when a whole module was saved")
        _, kind, key, _, elements = value[:5]
        if not isinstance(kind, Name) or kind.module not in ("torch", "torch.cuda") or kind.name not in _STORAGES:
            name = str(kind)[:80] if isinstance(kind, Name) else "no name"
            raise TorchFileError(f"has a storage of type {name}, which is not read")
        if not isinstance(key, str) or not _are_counts((elements,)):
            raise TorchFileError("has a storage without key or number of elements")
        self.kind, self.key, self.elements = kind.name, key, cast(int, elements)
        self.dtype = _STORAGES[self.kind]
        self.view = value[5] if len(value) == 6 else None

    def whole(self, raw: bytes | memoryview) -> Array:
        """All elements of `raw`."""
        values = np.frombuffer(raw, self.dtype)
        if self.kind == _BFLOAT16:  # the upper half of a float32
            values = (values.astype("<u4") << np.uint32(16)).view("<f4")
        return values

    def part(self, whole: Array) -> Array:
        """Of the storage, what is asked for."""
        first, elements = 0, self.elements
        if self.view is not None:  # part of another storage, as PyTorch before 0.4 had it
            if not isinstance(self.view, tuple) or len(self.view) != 3 or not _are_counts(self.view[1:]):
                raise TorchFileError("has a view of a storage that makes no sense")
            _, first, elements = self.view
        if first + elements > whole.size:
            raise TorchFileError(
                f"storage {self.key[:80]} should have {first + elements} elements, and {whole.size} are there"
            )
        return whole[first : first + elements]


# ---- zip archives ----


def _load_zip(file: BinaryIO) -> object:
    try:
        with zipfile.ZipFile(file) as archive:
            return _Archive(archive, os.fstat(file.fileno()).st_size).load()
    except TorchFileError:
        raise
    except (zipfile.BadZipFile, struct.error, EOFError, OSError, OverflowError, RuntimeError, ValueError) as error:
        raise TorchFileError(f"damaged zip archive: {error}") from error


class _Archive:
    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self._archive = archive
        self._unread = size
        self._raw: dict[str, bytes] = {}
        self._storages: dict[tuple[str, str], Array] = {}
        pickles = [name for name in archive.namelist() if re.fullmatch(r"[^/]+/data\.pkl", name)]
        if len(pickles) != 1:
            raise TorchFileError("is a zip archive and no PyTorch checkpoint: there is not one data.pkl in it")
        self._folder = pickles[0].removesuffix("data.pkl")

    def load(self) -> object:
        if self._folder + "byteorder" in self._archive.namelist() and self._record("byteorder") != b"little":
            raise TorchFileError("was written on a big-endian machine, which is not read")
        return _torchpickle.read(io.BytesIO(self._record("data.pkl")), _call, self._storage)

    def _record(self, name: str) -> bytes:
        try:
            info = self._archive.getinfo(self._folder + name)
        except KeyError:
            raise TorchFileError(f"lacks {name[:80]}, a part of the archive") from None
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise TorchFileError(f"{name[:80]} is compressed, which PyTorch never does")
        self._unread -= info.file_size
        if self._unread < 0:
            raise TorchFileError("is an archive whose parts overlap or go beyond its end")
        return self._archive.read(info)

    def _storage(self, value: object) -> Array:
        wanted = _StorageId(value)
        if wanted.key not in self._raw:
            self._raw[wanted.key] = self._record(f"data/{wanted.key}")
        raw = self._raw[wanted.key]
        if len(raw) % wanted.dtype.itemsize:
            raise TorchFileError(f"storage {wanted.key[:80]} ends within an element")
        if (wanted.key, wanted.kind) not in self._storages:
            self._storages[wanted.key, wanted.kind] = wanted.whole(raw)
        return wanted.part(self._storages[wanted.key, wanted.kind])


# ---- streams: pickles, then storages ----

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


def _load_stream(data: bytes) -> object:
    """Magic number, protocol, system, object, keys of storages, storages.

    The object comes before the storages, so it is read twice: to see which storages it has, and with them."""
    file = io.BytesIO(data)
    _check_head(file)
    start = file.tell()
    ids: dict[str, _StorageId] = {}

    def note(value: object) -> Inert:
        noted = _StorageId(value)
        if ids.setdefault(noted.key, noted).kind != noted.kind:
            raise TorchFileError(f"storage {noted.key[:80]} is of two types")
        return Inert()

    _torchpickle.read(file, _call, note)
    keys = _torchpickle.read(file, _call, note)
    storages = _read_storages(data, file.tell(), keys, ids)
    file.seek(start)
    return _torchpickle.read(file, _call, lambda value: _of_stream(_StorageId(value), storages))


def _check_head(file: BinaryIO) -> None:
    try:
        magic = _torchpickle.read(file, _call, _StorageId)
    except ValueError:
        magic = None
    if magic != _MAGIC:
        raise TorchFileError("is no PyTorch checkpoint, or one from before 2017")
    if _torchpickle.read(file, _call, _StorageId) != _PROTOCOL:
        raise TorchFileError("is a PyTorch checkpoint of an unknown protocol")
    system = _torchpickle.read(file, _call, _StorageId)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise TorchFileError("was written on a big-endian machine, which is not read")


def _read_storages(data: bytes, at: int, keys: object, ids: dict[str, _StorageId]) -> dict[str, Array]:
    """Each storage is its number of elements in 8 bytes, then the elements."""
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in ids for key in keys):
        raise TorchFileError("lists storages that none of its tensors has")
    storages: dict[str, Array] = {}
    for key in keys:
        elements = int.from_bytes(data[at : at + 8], "little")
        end = at + 8 + elements * ids[key].dtype.itemsize
        if len(data) < max(at + 8, end):
            raise TorchFileError(f"is cut short: storage {key[:80]} is not all there")
        storages[key] = ids[key].whole(memoryview(data)[at + 8 : end])
        at = end
    return storages


def _of_stream(wanted: _StorageId, storages: dict[str, Array]) -> Array:
    if wanted.key not in storages:
        raise TorchFileError(f"lacks storage {wanted.key[:80]}")
    return wanted.part(storages[wanted.key])
