# SPDX-License-Identifier: Apache-2.0
"""odd_scans.py FOLDER: writes scans as people have them, and things that only look like scans; and their names, one a line,
into FOLDER/list. Standard library alone: what is written depends on no reader of scans.

All show one head of 32 x 32 x 8 voxels, so that a caller that reads an odd scan rightly makes what it makes of plain.nii."""

import gzip
import math
import pathlib
import struct
import sys

SIDE, SLICES = 32, 8
INF, NAN = math.inf, math.nan

# offsets of a NIfTI-1 header
DIM, INTENT, SLOPE, INTER, UNITS, PIXDIM, OFFSET, QFORM, SFORM, QUATERN, SROW = 40, 68, 112, 116, 123, 76, 108, 252, 254, 256, 280
TYPES = {"b": 256, "B": 2, "h": 4, "H": 512, "i": 8, "I": 768, "q": 1024, "Q": 1280, "f": 16, "d": 64}


def head(subject=0, contrast=0):
    """Whole numbers from 0 to 120, i fastest."""
    values = []
    for k in range(SLICES):
        for j in range(SIDE):
            for i in range(SIDE):
                inside = ((i - 16) / 13) ** 2 + ((j - 16) / 11) ** 2 < 1
                wave = 0.5 + 0.4 * math.sin(0.6 * i + subject + 0.3 * k) * math.cos(0.5 * j)
                values.append(round(20 + 100 * (wave if contrast == 0 else 1 - wave)) if inside else 0)
    return values


PLAIN = head()


def fields(*changes, endian="<", kind="h", dims=(SIDE, SIDE, SLICES)):
    """A NIfTI-1 header of 1 x 1 x 3 mm voxels that has an sform, then changes (offset, format, value)."""
    header = bytearray(352)
    put = lambda offset, form, *values: struct.pack_into(endian + form, header, offset, *values)
    put(0, "i", 348)
    put(DIM, "8h", len(dims), *dims, *[1] * (7 - len(dims)))
    put(70, "2h", TYPES[kind], 8 * struct.calcsize("<" + kind))
    put(PIXDIM, "8f", 1, 1, 1, 3, 1, 0, 0, 0)
    put(OFFSET, "3f", 352, 1, 0)
    put(UNITS, "b", 2)
    put(SFORM, "h", 2)
    put(SROW, "12f", 1, 0, 0, -16, 0, 1, 0, -16, 0, 0, 3, 0)
    header[344:348] = b"n+1\0"
    for offset, form, value in changes:
        put(offset, form, value)
    return bytes(header)


def packed(values, kind="h", endian="<"):
    return struct.pack(f"{endian}{len(values)}{kind}", *values)


def nifti(*changes, values=PLAIN, endian="<", kind="h", dims=(SIDE, SIDE, SLICES)):
    return fields(*changes, endian=endian, kind=kind, dims=dims) + packed(values, kind, endian)


def nifti2(endian, values=PLAIN, kind="h"):
    header = bytearray(544)
    put = lambda offset, form, *v: struct.pack_into(endian + form, header, offset, *v)
    put(0, "i", 540)
    header[4:12] = b"n+2\0\r\n\x1a\n"
    put(12, "2h", TYPES[kind], 8 * struct.calcsize("<" + kind))
    put(16, "8q", 3, SIDE, SIDE, SLICES, 1, 1, 1, 1)
    put(104, "8d", 1, 1, 1, 3, 1, 0, 0, 0)
    put(168, "q2d", 544, 1, 0)
    put(344, "2i", 0, 2)
    put(400, "12d", 1, 0, 0, -16, 0, 1, 0, -16, 0, 0, 3, 0)
    put(500, "i", 2)
    return bytes(header) + packed(values, kind, endian)


def mgh(volumes=1, good=1):
    header = bytearray(284)
    struct.pack_into(">7ih", header, 0, 1, SIDE, SIDE, SLICES, volumes, 3, 0, good)
    struct.pack_into(">15f", header, 30, 1, 1, 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 12)
    return bytes(header) + b"".join(packed([v * (n + 1) for v in PLAIN], "f", ">") for n in range(volumes))


def turned(first, second, third):
    """The sform whose columns are these."""
    rows = [(first[r], second[r], third[r], -16 if r < 2 else 0) for r in range(3)]
    return tuple((SROW + 4 * n, "f", v) for n, v in enumerate(v for row in rows for v in row))


def with_voxel(value):
    return [value if n == 16 + 32 * (16 + 32 * 3) else v for n, v in enumerate(PLAIN)]


TWO_AXES = fields((DIM, "h", 2)) + packed(PLAIN[: SIDE * SIDE])
THREE = nifti(values=PLAIN + [2 * v for v in PLAIN] + [3 * v for v in PLAIN], dims=(SIDE, SIDE, SLICES, 3))
NO_FORM = ((SFORM, "h", 0),)
BY_QFORM = ((SFORM, "h", 0), (QFORM, "h", 1))
SCORES = [(v - 60) / 30 if v else 0.0 for v in PLAIN]

SCANS = {
    "plain.nii": nifti(),
    "gzip.nii.gz": gzip.compress(nifti(), mtime=0),
    "two members.nii.gz": gzip.compress(nifti()[:500], mtime=0) + gzip.compress(nifti()[500:], mtime=0),
    "big endian.nii": nifti(endian=">"),
    **{f"type {kind}.nii": nifti(kind=kind, endian="><"[n % 2]) for n, kind in enumerate(TYPES)},
    "int8 negative.nii": nifti(kind="b", values=[v - 60 if v else -128 for v in PLAIN]),
    "slope 0.1 intercept -3.7.nii": nifti((SLOPE, "f", 0.1), (INTER, "f", -3.7)),
    "slope -0.3.nii": nifti((SLOPE, "f", -0.3), (INTER, "f", 90)),
    "slope 0.nii": nifti((SLOPE, "f", 0), (INTER, "f", 5)),
    "slope NaN.nii": nifti((SLOPE, "f", NAN), (INTER, "f", NAN)),
    "slope 1e30.nii": nifti((SLOPE, "f", 1e30)),
    "slope 1e38.nii": nifti((SLOPE, "f", 1e38)),
    "scores.nii": nifti(kind="f", values=SCORES),
    "padding -1024.nii": nifti(values=[v or -1024 for v in PLAIN]),
    "padding 32767.nii": nifti(values=[v or 32767 for v in PLAIN]),
    "NaN outside.nii": nifti(kind="f", values=[v or NAN for v in PLAIN]),
    "NaN inside.nii": nifti(kind="f", values=with_voxel(NAN)),
    "infinity.nii": nifti(kind="f", values=with_voxel(INF)),
    "beyond float32.nii": nifti(kind="d", values=with_voxel(1e300)),
    "hot voxel.nii": nifti(values=with_voxel(32000)),
    "constant.nii": nifti(values=[7] * len(PLAIN)),
    "all 0.nii": nifti(values=[0] * len(PLAIN)),
    "every second slice 0.nii": nifti(values=[v if n // SIDE**2 % 2 else 0 for n, v in enumerate(PLAIN)]),
    "no codes.nii": nifti(*NO_FORM),
    "qform.nii": nifti(*BY_QFORM),
    "qform half a turn.nii": nifti(*BY_QFORM, (QUATERN + 8, "f", 1)),
    "qform too long.nii": nifti(*BY_QFORM, (QUATERN, "f", 0.8), (QUATERN + 8, "f", 0.8)),
    "qfac -1.nii": nifti(*BY_QFORM, (PIXDIM, "f", -1)),
    "qfac 0.nii": nifti(*BY_QFORM, (PIXDIM, "f", 0)),
    "qform and sform differ.nii": nifti((QFORM, "h", 1), (QUATERN + 12, "f", 40)),
    "mirrored.nii": nifti(*turned((-1, 0, 0), (0, 1, 0), (0, 0, 3))),
    "other axes.nii": nifti(*turned((0, 0, 1), (1, 0, 0), (0, 3, 0))),
    "sheared.nii": nifti(*turned((1, 0.2, 0), (0, 1, 0), (0.3, 0, 3))),
    "turned by 20 degrees.nii": nifti(*turned((0.9397, 0.342, 0), (-0.342, 0.9397, 0), (0, 0, 3))),
    "turned by 40 degrees.nii": nifti(*turned((0.766, 0.6428, 0), (-0.6428, 0.766, 0), (0, 0, 3))),
    "flat.nii": nifti(*turned((1, 0, 0), (1, 0, 0), (0, 0, 3))),
    "NaN in sform.nii": nifti((SROW + 4, "f", NAN)),
    "metres.nii": nifti((UNITS, "b", 1)),
    "micrometres.nii": nifti((UNITS, "b", 3), *NO_FORM),
    "no units.nii": nifti((UNITS, "b", 0)),
    "spacing 0.nii": nifti(*BY_QFORM, (PIXDIM + 4, "f", 0)),
    "spacing -1.nii": nifti(*NO_FORM, (PIXDIM + 4, "f", -1)),
    "spacing NaN.nii": nifti(*NO_FORM, (PIXDIM + 4, "f", NAN)),
    "half a millimetre.nii": nifti(*turned((0.5, 0, 0), (0, 0.5, 0), (0, 0, 3))),
    "display range.nii": nifti((124, "f", 1000), (128, "f", 100)),
    "four axes.nii": nifti(dims=(SIDE, SIDE, SLICES, 1)),
    "seven axes.nii": nifti(dims=(SIDE, SIDE, SLICES, 1, 1, 1, 1)),
    "five axes.nii": nifti(values=PLAIN * 2, dims=(SIDE, SIDE, SLICES, 1, 2)),
    "three volumes.nii": THREE,
    "two axes.nii": TWO_AXES,
    "one slice.nii": fields(dims=(SIDE, SIDE, 1)) + packed(PLAIN[: SIDE * SIDE]),
    "voxels later.nii": fields((OFFSET, "f", 400)) + bytes(48) + packed(PLAIN),
    "extension.nii": fields((OFFSET, "f", 384))[:348] + b"\1\0\0\0" + struct.pack("<2i24s", 32, 6, b"Doe, John") + packed(PLAIN),
    "more behind.nii": nifti() + b"more",
    "no magic.nii": nifti((344, "i", 0)),
    "pair.hdr": fields((OFFSET, "f", 0))[:344] + b"ni1\0",
    "pair.img": packed(PLAIN),
    "alone.hdr": fields((OFFSET, "f", 0))[:344] + b"ni1\0",
    "NIfTI-2.nii": nifti2("<"),
    "NIfTI-2 big endian.nii": nifti2(">"),
    "freesurfer.mgh": mgh(),
    "freesurfer.mgz": gzip.compress(mgh(), mtime=0),
    "three volumes.mgz": gzip.compress(mgh(3), mtime=0),
    "no place.mgh": mgh(good=0),
    "named wrongly.nii": gzip.compress(nifti(), mtime=0),
    "named wrongly.mgz": nifti(),
    "cut.nii": nifti()[:-1],
    "cut in the header.nii": nifti()[:300],
    "cut.nii.gz": gzip.compress(nifti(), mtime=0)[:-9],
    "flipped.nii.gz": (lambda b: b[:900] + bytes([b[900] ^ 4]) + b[901:])(gzip.compress(nifti(), mtime=0)),
    "rubbish behind.nii.gz": gzip.compress(nifti(), mtime=0) + b"rubbish",
    "empty.nii": b"",
    "empty.nii.gz": b"",
    "colour.nii": fields((70, "h", 128), (72, "h", 24)) + bytes(3 * len(PLAIN)),
    "complex.nii": fields((70, "h", 32), (72, "h", 64)) + bytes(8 * len(PLAIN)),
    "no type.nii": nifti((70, "h", 999)),
    "negative axis.nii": nifti((DIM + 2, "h", -32)),
    "no axis.nii": nifti((DIM, "h", 0)),
    "large.nii": nifti((DIM + 2, "h", 32767), (DIM + 4, "h", 32767), (DIM + 6, "h", 32767)),
    "page.nii.gz": b"<!doctype html><title>Sign in</title>",
    "pointer.nii.gz": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "archive.nii.gz": b"PK\3\4" + bytes(60),
    "Schädel größer 頭.nii": nifti(),
    "a[1].nii": nifti(),
    "-dash.nii": nifti(),
}
NUMBERED = ["three volumes.nii[1]", "three volumes.nii[3]", "three volumes.mgz[2]", "plain.nii[0]", "plain.nii[1]",
            "three volumes.nii[-1]", "three volumes.nii[]", "absent.nii", "absent.nii[0]"]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in SCANS.items():
        (folder / name).write_bytes(content)
    for contrast in range(2):
        (folder / f"t{contrast + 1}").mkdir(exist_ok=True)
        for subject in range(3):
            (folder / f"t{contrast + 1}" / f"s{subject}.nii").write_bytes(nifti(values=head(subject, contrast)))
    (folder / "bright").mkdir(exist_ok=True)
    for subject in range(3):
        (folder / "bright" / f"s{subject}.nii").write_bytes(nifti(kind="B", values=[v > 60 for v in head(subject)]))
    (folder / "list").write_text("".join(f"{name}\n" for name in [*SCANS, *NUMBERED]), encoding="utf-8")


main()
