# SPDX-License-Identifier: Apache-2.0
"""Sizes and places of volumes: what sets and models keep of the scans that they were made from."""

import ctypes
from dataclasses import dataclass, fields
from typing import Any

from slmt import _api
from slmt._errors import check

SPACINGS = {"refuse": _api.SLMT_SPACING_REFUSE, "resample": _api.SLMT_SPACING_RESAMPLE, "any": _api.SLMT_SPACING_ANY}
Axes = tuple[float, float, float]


@dataclass(frozen=True)
class Geometry:
    """Ranges over volumes, or over one, in millimetres along x (to the left), y (to the back), z (up). The head is what
    is not background."""

    volumes: int  # how many
    spacing_least: Axes  # from the middle of a voxel to that of the next
    spacing_most: Axes
    field_least: Axes  # field of view
    field_most: Axes
    head_least: Axes  # size of the head
    head_most: Axes
    place_least: Axes  # from the middle of crop and slices to the middle of the head
    place_most: Axes
    part_least: float  # part of the head's voxels that lies in crop and slices, 0 to 1
    part_most: float

    def _struct(self) -> "_api.slmt_geometry":
        struct = _api.slmt_geometry(struct_size=ctypes.sizeof(_api.slmt_geometry))
        for field in fields(self):
            value = getattr(self, field.name)
            setattr(struct, field.name, (ctypes.c_double * 3)(*value) if isinstance(value, tuple) else value)
        return struct

    @classmethod
    def _read(cls, function: Any, *arguments: Any) -> "Geometry | None":
        struct = _api.slmt_geometry(struct_size=ctypes.sizeof(_api.slmt_geometry))
        check(function(*arguments, struct))
        if struct.volumes == 0:
            return None
        values: dict[str, Any] = {}
        for field in fields(cls):
            value = getattr(struct, field.name)
            values[field.name] = value if isinstance(value, (int, float)) else tuple(value)
        return cls(**values)
