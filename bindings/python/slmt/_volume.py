# SPDX-License-Identifier: Apache-2.0
"""Volumes: voxels and where they lie in the patient."""

import ctypes
import importlib
import os
import weakref
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slmt import _api, _nibabel
from slmt._arrays import AnyArray, ArrayIn, FloatArray, as_numpy, floats_at, taken
from slmt._context import Context, context_or_default
from slmt._errors import ArgumentError, StateError, check
from slmt._handle import Handle
from slmt._paths import encoded


class _Memory:
    """A volume's voxels for NumPy. The arrays made of it keep it, and it keeps the volume."""

    def __init__(self, volume: "Volume") -> None:
        self.volume = volume
        address = ctypes.cast(_api.slmt_volume_voxels(volume._pointer), ctypes.c_void_p).value
        i, j, k = volume.shape
        self.__array_interface__ = {
            "version": 3,
            "typestr": "=f4",
            "shape": (i, j, k),
            "strides": (4, 4 * i, 4 * i * j),
            "data": (address, True),  # read-only
        }


class Volume(Handle):
    """A scan of float32 voxels [i][j][k], and its affine: voxel indices to millimetres, x to the right, y to the
    front, z up (NIfTI). It does not change, and any number of threads may read it.

    voxels: of any layout; copied. affine: [4][4]; None: 1 mm voxels, no rotation."""

    def __init__(self, voxels: ArrayIn, affine: ArrayLike | None = None, *, context: Context | None = None) -> None:
        array = as_numpy(voxels, "voxels")
        if array.ndim != 3:
            raise ArgumentError(f"voxels are {list(array.shape)}, expected [i, j, k]")
        compact = taken(array.T, "voxels")  # i fastest
        matrix = None
        if affine is not None:
            numbers = np.asarray(affine, np.float64)
            if numbers.shape != (4, 4):
                raise ArgumentError(f"affine is {list(numbers.shape)}, expected [4, 4]")
            matrix = (ctypes.c_double * 16)(*numbers.ravel())
        pointer = ctypes.POINTER(_api.slmt_volume)()
        dims = (ctypes.c_int64 * 3)(*compact.shape[::-1])
        where = context_or_default(context)._pointer
        check(_api.slmt_volume_create(where, dims, matrix, floats_at(compact), pointer))
        self._take(pointer)

    def _take(self, pointer: Any) -> None:
        super().__init__(pointer, _api.slmt_volume_free)
        self._memory: weakref.ref[_Memory] | None = None

    @classmethod
    def _of(cls, pointer: Any) -> "Volume":
        volume = cls.__new__(cls)
        volume._take(pointer)
        return volume

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, context: Context | None = None) -> "Volume":
        """Reads a scan of NIfTI-1, NIfTI-2 or MGH; scaling is applied. Of a file of several volumes, "scan.nii.gz[2]"
        is the third. slmt_volume_read() in slmt/volume.h has the rules."""
        pointer = ctypes.POINTER(_api.slmt_volume)()
        check(_api.slmt_volume_read(context_or_default(context)._pointer, encoded(path), pointer), path)
        return cls._of(pointer)

    def like(self, voxels: ArrayIn, description: str = "") -> "Volume":
        """A volume of other voxels on this grid: the header keeps the geometry, and says what they are."""
        array = as_numpy(voxels, "voxels")
        if array.shape != self.shape:
            raise ArgumentError(f"voxels are {list(array.shape)}, expected {list(self.shape)}")
        compact = taken(array.T, "voxels")  # i fastest
        pointer = ctypes.POINTER(_api.slmt_volume)()
        check(_api.slmt_volume_like(self._pointer, floats_at(compact), description.encode(), pointer))
        return Volume._of(pointer)

    def resample(self, spacing: tuple[float, float, float], *, labels: bool = False) -> "Volume":
        """A volume of other voxels, in mm from left to right, front to back and upwards, over the same field of view; its
        axes go to the left, to the back and up. Interpolates linearly; labels: takes the nearest voxel's value."""
        size = (ctypes.c_double * 3)(*spacing)
        resize = _api.SLMT_RESIZE_NEAREST if labels else _api.SLMT_RESIZE_BILINEAR
        pointer = ctypes.POINTER(_api.slmt_volume)()
        check(_api.slmt_volume_resample(self._pointer, size, resize, pointer))
        return Volume._of(pointer)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes float32 NIfTI-1, compressed if the name ends in .gz; under a new name, then renamed over `path`. The
        header is that of the file that it was read from; what was made from such a volume keeps the geometry alone."""
        check(_api.slmt_volume_write(self._pointer, encoded(path)), path)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along i, j, k."""
        dims = (ctypes.c_int64 * 3)()
        _api.slmt_volume_dims(self._pointer, dims)
        return dims[0], dims[1], dims[2]

    @property
    def affine(self) -> NDArray[np.float64]:
        """[4][4], a copy."""
        numbers = (ctypes.c_double * 16)()
        _api.slmt_volume_affine(self._pointer, numbers)
        return np.array(numbers).reshape(4, 4)

    @property
    def zeroed(self) -> int:
        """Voxels that were NaN in the file and became 0: Context(nan="zero")."""
        return _api.slmt_volume_zeroed(self._pointer)

    @property
    def voxels(self) -> FloatArray:
        """[i][j][k] float32, i fastest: a read-only view that keeps the volume alive."""
        memory = self._memory() if self._memory else None
        if memory is None:
            memory = _Memory(self)
            self._memory = weakref.ref(memory)
        array: FloatArray = np.asarray(memory)
        return array

    def close(self) -> None:
        """Frees the volume; refused while arrays view its voxels."""
        if not self.closed and self._memory and self._memory() is not None:
            raise StateError("this Volume has views of its voxels: they would see freed memory")
        super().close()

    def __exit__(self, *raised: Any) -> None:
        """Frees the volume, or leaves that to the last view of its voxels."""
        if not (self._memory and self._memory() is not None):
            self.close()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        if copy:
            return np.array(self.voxels, dtype)
        array = self.voxels if dtype is None else self.voxels.astype(dtype, copy=False)
        if copy is False and array.dtype != np.float32:
            raise ValueError(f"voxels are float32: {array.dtype} needs a copy")
        return array

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """For from_dlpack() of other packages: the voxels, read-only, where both sides can say so (DLPack 1.0; NumPy
        from 2.1 on); else, and with copy=True, a copy."""
        if dl_device not in (None, self.__dlpack_device__()):
            raise BufferError("voxels lie on the CPU")
        if not copy and max_version is not None and max_version >= (1, 0):
            try:
                return self.voxels.__dlpack__(stream=stream, max_version=max_version)
            except TypeError:
                pass  # an older NumPy
        if copy is False:
            raise BufferError("voxels are read-only, which DLPack before 1.0 cannot say")
        return self.voxels.copy().__dlpack__(stream=stream)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0  # the CPU

    @classmethod
    def from_nibabel(cls, image: Any, *, context: Context | None = None) -> "Volume":
        """A nibabel image, read by the library's own rules, so that the same comes out as from its file: the one it was
        loaded from, or the one that nibabel would save. Trailing axes of length 1 are dropped. Of images that are not
        NIfTI, nor in a file that read() takes, the data and affine are nibabel's."""
        path = _nibabel.unchanged_file(image)
        if path is not None:
            return cls.read(path, context=context)
        if not _nibabel.is_nifti(image):
            data = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))
            while data.ndim > 3 and data.shape[-1] == 1:
                data = data[..., 0]
            return cls(data, image.affine, context=context)
        array, slope, inter = _nibabel.stored(image)
        header = _nibabel.header_for(image, array, slope, inter)
        pointer = ctypes.POINTER(_api.slmt_volume)()
        where, block = context_or_default(context)._pointer, ctypes.create_string_buffer(header, len(header))
        check(_api.slmt_volume_from_nifti(where, block, len(header), array.ctypes.data, array.nbytes, pointer))
        return cls._of(pointer)

    @classmethod
    def of(cls, source: Any, *, context: Context | None = None) -> "Volume":
        """A Volume as it is, a path read, anything else as a nibabel image."""
        if isinstance(source, Volume):
            return source
        if isinstance(source, (str, os.PathLike)):
            return cls.read(source, context=context)
        if not hasattr(source, "dataobj"):
            raise ArgumentError(f"{type(source).__name__}: expected a Volume, a path or a nibabel image; of an array and an "
                                "affine, slmt.Volume(array, affine) makes a volume")
        return cls.from_nibabel(source, context=context)

    def to_nibabel(self, header: Any = None) -> Any:
        """A nibabel.Nifti1Image whose data are a view, with the header that write() writes. header: of another image,
        for what is not the geometry (units, description, codes)."""
        if header is None:
            block = ctypes.create_string_buffer(348)
            check(_api.slmt_volume_nifti_header(self._pointer, block))
            return _nibabel.image_of(self.voxels, self.affine, block.raw)
        nibabel: Any = importlib.import_module("nibabel")
        image = nibabel.Nifti1Image(self.voxels, self.affine, header)
        image.set_data_dtype(np.float32)
        return image

    def __repr__(self) -> str:
        return "<slmt.Volume, closed>" if self.closed else f"<slmt.Volume {' x '.join(map(str, self.shape))}>"
