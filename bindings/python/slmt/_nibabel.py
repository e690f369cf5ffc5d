# SPDX-License-Identifier: Apache-2.0
"""Between nibabel's images and the library's own reader, which alone decides where an image lies and what its voxels are
worth: nibabel reads some headers otherwise, and repairs others while it loads them."""

import importlib
import os
from typing import Any

import numpy as np

from slmt._arrays import AnyArray
from slmt._errors import ArgumentError

_ENDINGS = (".nii", ".nii.gz", ".hdr", ".img", ".img.gz", ".hdr.gz", ".mgh", ".mgz")  # of files that the library reads


def unchanged_file(image: Any) -> str | None:
    """The file whose content the image is, if it was loaded from one that the library reads, and its header was not
    changed since. Then the header in the file counts, not what nibabel made of it."""
    nibabel: Any = importlib.import_module("nibabel")
    name = getattr(image.dataobj, "file_like", None)  # of a proxy: the file that its voxels are in
    if not nibabel.is_proxy(image.dataobj) or not isinstance(name, (str, bytes, os.PathLike)):
        return None
    path = os.fsdecode(name)
    if not path.lower().endswith(_ENDINGS) or not os.path.exists(path):
        return None
    fresh = nibabel.load(path)
    same = type(fresh) is type(image) and fresh.shape == image.shape and fresh.header == image.header
    return path if same and np.array_equal(fresh.affine, image.affine) else None


def is_nifti(image: Any) -> bool:
    """Whether its header is one of NIfTI-1 or NIfTI-2."""
    nibabel: Any = importlib.import_module("nibabel")
    return isinstance(image.header, nibabel.Nifti1Header)  # which Nifti2Header comes from


def stored(image: Any) -> tuple[AnyArray, float, float]:
    """The voxels as they are stored, i fastest, with slope and intercept."""
    data = image.dataobj
    slope, inter = 1.0, 0.0
    if hasattr(data, "get_unscaled"):
        slope, inter = float(data.slope), float(data.inter)
        data = data.get_unscaled()
    array = np.asarray(data)
    while array.ndim > 1 and array.shape[-1] == 1:
        array = array[..., 0]
    return np.asfortranarray(_of_known_type(array)), slope, inter


def _of_known_type(array: AnyArray) -> AnyArray:
    """Integers and floats of 1 to 8 bytes are NIfTI's as well, in this machine's byte order."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "b":
        return array.astype(np.uint8)
    if kind not in "iuf":
        raise ArgumentError(f"voxels of type {array.dtype} are neither integers nor floats")
    if kind == "f" and size not in (4, 8):
        return array.astype(np.float32 if size < 4 else np.float64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def header_for(image: Any, array: AnyArray, slope: float, inter: float) -> bytes:
    """The image's header as nibabel would save it, for these very voxels."""
    nibabel: Any = importlib.import_module("nibabel")
    header = image.header.as_byteswapped(nibabel.volumeutils.native_code)
    if image.affine is not None and not np.allclose(image.affine, header.get_best_affine()):
        header.set_sform(image.affine, code="aligned")
        header.set_qform(image.affine, code="unknown")
    header.set_data_dtype(array.dtype)
    header["dim"] = [array.ndim, *array.shape, *[1] * (7 - array.ndim)]
    header["scl_slope"], header["scl_inter"] = slope, inter
    header["vox_offset"] = 0
    header["magic"] = header.single_magic
    block: bytes = header.binaryblock
    return block


def image_of(voxels: AnyArray, affine: AnyArray, block: bytes) -> Any:
    """A nibabel.Nifti1Image of voxels and the header that the library would write."""
    nibabel: Any = importlib.import_module("nibabel")
    header = nibabel.Nifti1Header(block, check=False)
    best = header.get_best_affine()
    return nibabel.Nifti1Image(voxels, affine if np.allclose(affine, best) else best, header)
