# SPDX-License-Identifier: Apache-2.0
"""Makes the files of tests/data/refused from those beside this script: one of each class of fault that was found.

make_refused.py [NAME...]. It needs h5py. What README.md records of a file holds for the bytes that were kept; made
anew with another h5py, others can come out.
"""

import hashlib
import shutil
import struct
import sys
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).parent
OUT = HERE / "refused"
BLOCK = 512


def hdf5_end(data: bytes) -> int:
    return struct.unpack_from("<Q", data, BLOCK + 28)[0]


def seal(path: Path) -> None:
    """Gives a file the digests of an honest one, as its author could."""
    data = path.read_bytes()
    if data.startswith(b"libslmt checkpoint"):
        digest = hashlib.sha256(data[BLOCK:]).hexdigest()
        head = f"libslmt checkpoint\nversion 1\nsize {len(data)}\nsha256 {digest}\n"
    elif data.startswith(b"libslmt dataset\nversion 3"):
        data = data[: hdf5_end(data)]
        table = b"".join(hashlib.sha256(data[at : at + 16384]).digest() for at in range(BLOCK, len(data), 16384))
        head = f"libslmt dataset\nversion 3\ntable {len(data)}\nsha256 {hashlib.sha256(table).hexdigest()}\n"
        data += table
    else:
        return
    path.write_bytes(head.encode().ljust(BLOCK, b"\0") + data[BLOCK:])


def changed(source, name):
    """A copy that HDF5 has open, in the form of 1.8 as libslmt writes it, and that is sealed again."""
    path = OUT / name
    shutil.copy(HERE / source, path)

    class Change:
        def __enter__(self):
            self.file = h5py.File(path, "r+", libver=("v108", "v108"))
            return self.file

        def __exit__(self, *_):
            self.file.close()
            seal(path)

    return Change()


def put_text(group, name, value: bytes):
    """A text of fixed length, in UTF-8, padded with zeros."""
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(max(len(value), 1))
    kind.set_strpad(h5py.h5t.STR_NULLPAD)
    kind.set_cset(h5py.h5t.CSET_UTF8)
    if name in group.attrs:
        h5py.h5a.delete(group.id, name.encode())
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    attribute = h5py.h5a.create(group.id, name.encode(), kind, space)
    attribute.write(np.array(value, dtype=f"S{max(len(value), 1)}"), kind)


# ---- damage ----


def set_cut():
    (OUT / "set_cut.h5").write_bytes((HERE / "set_3.h5").read_bytes()[:-40])


def set_flipped():
    data = bytearray((HERE / "set_3.h5").read_bytes())
    data[hdf5_end(data) // 2] ^= 16
    (OUT / "set_flipped.h5").write_bytes(data)


def set_other_table():
    data = bytearray((HERE / "set_3.h5").read_bytes())
    data[-1] ^= 1
    (OUT / "set_other_table.h5").write_bytes(data)


def trainer_flipped():
    data = bytearray((HERE / "trainer_2.h5").read_bytes())
    data[len(data) // 2] ^= 1
    (OUT / "trainer_flipped.h5").write_bytes(data)


def set_newer():
    data = (HERE / "set_3.h5").read_bytes()
    (OUT / "set_newer.h5").write_bytes(data.replace(b"version 3", b"version 9", 1))


# ---- other programs ----


def set_h5py():
    with h5py.File(HERE / "set_3.h5") as source, h5py.File(OUT / "set_h5py.h5", "w") as file:
        for name in source:
            source.copy(name, file)


def checkpoint_h5py(source, name):
    """Texts become ones of variable length, as h5py writes Python's."""

    def as_text(_, group):
        for key, value in group.attrs.items():
            if isinstance(value, bytes):
                group.attrs[key] = value.decode()

    with h5py.File(HERE / source) as old, h5py.File(OUT / name, "w") as file:
        for group in old:
            old.copy(group, file)
        file.visititems(as_text)


def model_h5py():
    checkpoint_h5py("model_1.h5", "model_h5py.h5")


def trainer_h5py():
    checkpoint_h5py("trainer_3.h5", "trainer_h5py.h5")


def model_edited():
    shutil.copy(HERE / "model_1.h5", OUT / "model_edited.h5")
    with h5py.File(OUT / "model_edited.h5", "r+") as file:
        file["model/card"].attrs["data"] = "another text"


def set_superblock_0():
    path = OUT / "set_superblock_0.h5"
    with h5py.File(HERE / "set_2.h5") as source, h5py.File(path, "w", userblock_size=BLOCK) as file:
        for name in source:
            source.copy(name, file)
    data = path.read_bytes()
    path.write_bytes(b"libslmt dataset\nversion 2\n".ljust(BLOCK, b"\0") + data[BLOCK:])


# ---- authors who want it so ----


def set_unstored_chunks():
    with changed("set_2.h5", "set_unstored_chunks.h5") as file:
        record = file["records/c"]
        del record["cube"]
        record.create_dataset("cube", (6, 5, 900), "<f4", chunks=(1, 5, 900))


def set_billion_rows():
    with changed("set_2.h5", "set_billion_rows.h5") as file:
        record = file["records/b"]
        del record["photo"]
        record.create_dataset("photo", (1 << 40, 4, 3), "u1", chunks=(1, 4, 3))


def set_seven_axes():
    with changed("set_2.h5", "set_seven_axes.h5") as file:
        file["records/c"].create_dataset("deep", data=np.ones((1, 1, 1, 1, 1, 1, 1), "<f4"))


def set_extra_group():
    with changed("set_3.h5", "set_extra_group.h5") as file:
        file.create_group("hidden")


def set_extra_tensor():
    with changed("set_3.h5", "set_extra_tensor.h5") as file:
        file["records/c"].create_dataset("hidden", data=np.ones(3, "<f4"))


def set_external_link():
    with changed("set_3.h5", "set_external_link.h5") as file:
        file["records/x"] = h5py.ExternalLink("/etc/passwd", "/")


def set_second_name():
    with changed("set_3.h5", "set_second_name.h5") as file:
        file["records/again"] = file["records/c"]


def set_steering_name():
    with changed("set_3.h5", "set_steering_name.h5") as file:
        file.move("records/c", "records/c\x1b]0;title\x07")


def set_turning_group():
    with changed("set_3.h5", "set_turning_group.h5") as file:
        put_text(file["records/c"], "group", "ward\u202e2".encode())


def set_nan():
    with changed("set_3.h5", "set_nan.h5") as file:
        file["records/c/cube"][0, 0, 0] = np.nan


def set_unknown_class():
    with changed("set_3.h5", "set_unknown_class.h5") as file:
        file["records/b/mask"][0, 0] = 7


def set_empty_of_fixed_rows():
    with changed("set_3.h5", "set_empty_of_fixed_rows.h5") as file:
        put_text(file["records/a-1"], "empty", b"box,box_class,code")


def trainer_extra_group():
    with changed("trainer_2.h5", "trainer_extra_group.h5") as file:
        file.create_group("hidden").attrs["x"] = 1


def trainer_zero_in_text():
    with changed("trainer_2.h5", "trainer_zero_in_text.h5") as file:
        put_text(file["model"], "library_version", b"0.1\x00hidden")


def trainer_steering_text():
    with changed("trainer_2.h5", "trainer_steering_text.h5") as file:
        put_text(file.require_group("model/card"), "name", b"\x1b]0;title\x07")


def trainer_c1_text():
    with changed("trainer_2.h5", "trainer_c1_text.h5") as file:
        put_text(file.require_group("model/card"), "name", "\u009b2J".encode())


def trainer_turning_text():
    with changed("trainer_2.h5", "trainer_turning_text.h5") as file:
        put_text(file.require_group("model/card"), "name", "abc\u202efed".encode())


def trainer_no_utf8():
    with changed("trainer_2.h5", "trainer_no_utf8.h5") as file:
        put_text(file.require_group("model/card"), "name", b"M\xfcller")


def trainer_nan_weight():
    with changed("trainer_2.h5", "trainer_nan_weight.h5") as file:
        file["weights/net.fc1.weight"][0, 0] = np.nan


def trainer_negative_square():
    with changed("trainer_2.h5", "trainer_negative_square.h5") as file:
        moments(file, "moment2")[...] = -1


def trainer_wild_moment():
    with changed("trainer_2.h5", "trainer_wild_moment.h5") as file:
        moments(file, "moment1")[...] = 1e30


def trainer_infinite_moment():
    with changed("trainer_2.h5", "trainer_infinite_moment.h5") as file:
        moments(file, "moment1")[...] = np.inf


def trainer_huge_step():
    with changed("trainer_2.h5", "trainer_huge_step.h5") as file:
        file["training"].attrs.modify("step", np.int64(1 << 60))


def moments(file, name):
    group = file["training"][name]
    return group[sorted(group)[0]]


def main():
    OUT.mkdir(exist_ok=True)
    makers = {name: f for name, f in globals().items() if name.startswith(("set_", "trainer_", "model_"))}
    for name in sys.argv[1:] or makers:
        makers[name]()


if __name__ == "__main__":
    main()
