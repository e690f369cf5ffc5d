# SPDX-License-Identifier: Apache-2.0
"""Pickles and checkpoints put together by hand, word by word; for what PyTorch does not write (any more)."""

import io
import struct
import zipfile


def pickled(*words: bytes) -> bytes:
    return b"\x80\x02" + b"".join(words) + b"."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def text_of_python2(value: str) -> bytes:
    return b"U" + bytes([len(value)]) + value.encode()


def number(value: int) -> bytes:
    raw = value.to_bytes(16, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def name(value: str) -> bytes:
    module, _, last = value.rpartition(".")
    return f"c{module}\n{last}\n".encode()


def several(*words: bytes) -> bytes:
    return b"(" + b"".join(words) + b"t"


def listed(*words: bytes) -> bytes:
    return b"](" + b"".join(words) + b"e"


def dictionary(**items: bytes) -> bytes:
    return b"}(" + b"".join(text(key) + item for key, item in items.items()) + b"u"


def call(function: str, *arguments: bytes) -> bytes:
    return name(function) + several(*arguments) + b"R"


def storage(key: str, elements: int, *more: bytes, kind: str = "torch.FloatStorage") -> bytes:
    return several(text("storage"), name(kind), text(key), text("cpu"), number(elements), *more) + b"Q"


def numbers(values: tuple[int, ...]) -> bytes:
    return several(*map(number, values))


def tensor(store: bytes, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> bytes:
    parts = (store, number(offset), numbers(size), numbers(stride), b"\x89", call("collections.OrderedDict"))
    return call("torch._utils._rebuild_tensor_v2", *parts)


def archive(pickle: bytes, data: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        for key, raw in {"data.pkl": pickle, **data, "version": b"3\n"}.items():
            made.writestr(zipfile.ZipInfo(f"archive/{key}"), raw, compression)
    return file.getvalue()


def stream(pickle: bytes, *storages: tuple[str, int, bytes]) -> bytes:
    magic = pickled(number(0x1950A86A20F9469CFC6C)) + pickled(number(1001))
    system = pickled(dictionary(protocol_version=number(1001), little_endian=b"\x88"))
    keys = pickled(listed(*(text(key) for key, _, _ in storages)))
    data = b"".join(struct.pack("<q", count) + raw for _, count, raw in storages)
    return magic + system + pickle + keys + data
