#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes corpus/volume: small scans of every form that fuzz_volume starts from."""
import gzip
import pathlib
import struct

OUT = pathlib.Path(__file__).parent / "corpus" / "volume"


def nifti1(order, datatype, bitpix, dims, magic=b"n+1\0", slope=1.0, qform=0, sform=2, offset=352.0, units=2):
    dim = [len(dims), *dims] + [1] * (7 - len(dims))
    head = struct.pack(order + "i10s18sihcc", 348, b"", b"", 0, 0, b"r", b"\0")
    head += struct.pack(order + "8h3f4h8f", *dim, 0, 0, 0, 0, datatype, bitpix, 0, 1, 1, 1.5, 2, 1, 1, 1, 1)
    head += struct.pack(order + "3fhBB4f2i", offset, slope, 0, 0, 0, units, 0, 0, 0, 0, 0, 0)
    head += struct.pack(order + "80s24shh", b"a scan", b"", qform, sform)
    head += struct.pack(order + "6f", 0.1, 0.2, 0.3, -5, 6, 7)
    head += struct.pack(order + "12f", 1, 0, 0, -5, 0, 1.5, 0, 6, 0, 0, 2, 7)
    return head + struct.pack("16s4s", b"", magic)


def nifti2(order, datatype, bitpix, dims):
    dim = [len(dims), *dims] + [1] * (7 - len(dims))
    head = struct.pack(order + "i8shh8q3d8d", 540, b"n+2\0\r\n\x1a\n", datatype, bitpix, *dim, 0, 0, 0, 1, 1, 1.5, 2, 1, 1, 1, 1)
    head += struct.pack(order + "q2d2ddd2q", 544, 1, 0, 0, 0, 0, 0, 0, 0)
    head += struct.pack("80s24s", b"a scan", b"") + struct.pack(order + "2i", 1, 2)
    head += struct.pack(order + "6d12d", 0.1, 0.2, 0.3, -5, 6, 7, 1, 0, 0, -5, 0, 1.5, 0, 6, 0, 0, 2, 7)
    head += struct.pack(order + "3i16sB15s", 0, 2, 0, b"", 0, b"")
    assert len(head) == 540
    return head


def mgh(kind, code, dims, good=1, far=1):
    head = struct.pack(">7ih", 1, *dims, code, 0, good)
    head += struct.pack(">15f", far, 1.5, 2, -far, 0, 0, 0, 0, -1, 0, 1, 0, 1, 2, 3)
    count = dims[0] * dims[1] * dims[2] * dims[3]
    return head.ljust(284, b"\0") + struct.pack(">%d%s" % (count, kind), *range(count))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    values = list(range(-3, 9))
    plain = nifti1("<", 4, 16, (2, 3, 2)) + bytes(4) + struct.pack("<12h", *values)
    extension = bytes([1, 0, 0, 0]) + struct.pack("<2i8s", 16, 6, b"a note")
    floats = [0.5, float("nan"), 1e30, -1.0, 2.0, 3.0]
    files = {
        "int16": plain,
        "compressed": gzip.compress(plain, mtime=0),
        "inside": b"Z" + plain,
        "pair": b"P" + nifti1("<", 2, 8, (2, 3, 2), magic=b"ni1\0", offset=0.0) + bytes(range(12)),
        "big_endian": nifti1(">", 16, 32, (3, 2, 1), qform=1, sform=0) + bytes(4) + struct.pack(">6f", *floats),
        "scaled": nifti1("<", 512, 16, (2, 2, 2), slope=0.25, units=1) + bytes(4) + struct.pack("<8H", *range(8)),
        "several": nifti1("<", 64, 64, (2, 2, 1, 2)) + bytes(4) + struct.pack("<8d", *range(8)),
        "extension": nifti1("<", 8, 32, (2, 2, 1), offset=368.0) + extension + struct.pack("<4i", 1, 2, 3, 4),
        "nifti2": nifti2("<", 16, 32, (3, 2, 1)) + bytes(4) + struct.pack("<6f", *floats[2:], 4, 5),
        "nifti2_big_endian": nifti2(">", 256, 8, (3, 2, 1)) + bytes(4) + bytes(range(6)),
        "mgh_int16": mgh("h", 4, (2, 3, 2, 1)),
        "mgh_float": mgh("f", 3, (2, 1, 2, 1), good=0),
        "mgh_far": mgh("h", 4, (2, 1, 1, 1), far=1e30),  # a product that float32 cannot hold
        "mgz": b"Z" + mgh("B", 0, (2, 2, 2, 1)),
    }
    for name, content in files.items():
        (OUT / name).write_bytes(content)


if __name__ == "__main__":
    main()
