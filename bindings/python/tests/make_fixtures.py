# SPDX-License-Identifier: Apache-2.0
"""Writes tests/fixtures: checkpoints as PyTorch writes them, as it did in 2017, and hostile ones.

    python tests/make_fixtures.py        (needs torch; the tests do not)"""

import argparse
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import torch

import samples
from make_pickles import (
    archive,
    call,
    dictionary,
    listed,
    name,
    number,
    numbers,
    pickled,
    several,
    storage,
    stream,
    tensor,
    text,
    text_of_python2,
)

HERE = Path(__file__).parent / "fixtures"


# ---- by PyTorch itself ----


def _tensor(name: str, values: samples.Array) -> torch.Tensor:
    tensor = torch.from_numpy(values.copy())
    return tensor.bfloat16() if name == "bfloat16" else tensor


def _strided() -> dict[str, torch.Tensor]:
    whole = _tensor("whole", samples.STRIDED["whole"])
    return {
        "whole": whole,
        "transposed": whole.view(6, 10).t(),
        "every_third": whole[7:31:3],
        "block": whole.view(3, 4, 5)[1:, 1:3, ::2],
        "one": whole[17],
        "empty": torch.empty(0, 4),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }


def _nested() -> dict[str, object]:
    state = OrderedDict((f"module.{name}", _tensor(name, values)) for name, values in samples.NESTED.items())
    adam = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))])
    return {"epoch": 3, "rate": 0.5, "done": False, "state_dict": state, "optimizer": adam.state_dict()}


def write_torch() -> None:
    tensors = {name: _tensor(name, values) for name, values in samples.DTYPES.items()}
    nested = _nested()
    for kind, zipped in (("zip", True), ("stream", False)):
        for what, content in (
            ("dtypes", tensors),
            ("strided", _strided()),
            ("nested", nested),
            ("options", nested | {"args": argparse.Namespace(width=64, name="x")}),
        ):
            torch.save(content, HERE / f"{kind}_{what}.pth", _use_new_zipfile_serialization=zipped)
    torch.manual_seed(0)
    torch.save(torch.nn.Linear(1, 1), HERE / "zip_module.pth")


def write_module_stream() -> None:
    """A whole module, whose source such a file has beside it. By hand, for PyTorch would write where it lies here."""
    module = several(text("module"), name("torch.nn.Linear"), text("linear.py"), text("class Linear: ...")) + b"Q"
    (HERE / "stream_module.pth").write_bytes(stream(pickled(module, b")R")))


# ---- as in 2017 ----


def write_stream_of_2017() -> None:
    """As Python 2 and PyTorch 0.2 wrote: byte texts, no hooks, parameters, views of storages."""
    raw = samples.NESTED["layer.weight"].tobytes() + samples.NESTED["layer.bias"].tobytes()
    whole = storage("7", 6, b"N")
    part = storage("7", 6, several(text("8"), number(4), number(2)))
    weight = call("torch._utils._rebuild_tensor", whole, number(0), numbers((2, 2)), numbers((2, 1)))
    bias = call("torch._utils._rebuild_tensor", part, number(0), numbers((2,)), numbers((1,)))
    parameter = call("torch.nn.parameter.Parameter", bias) + several(b"\x88", b"\x89", b"N") + b"b"
    items = (("layer.weight", weight), ("layer.bias", parameter))
    pairs = listed(*(listed(text_of_python2(key), item) for key, item in items))
    (HERE / "stream_2017.pth").write_bytes(stream(pickled(call("collections.OrderedDict", pairs)), ("7", 6, raw)))


# ---- hostile ----


def _one(item: bytes, raw: bytes = bytes(16)) -> bytes:
    return archive(pickled(dictionary(x=item)), {"data/0": raw})


def _whole(size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> bytes:
    return _one(tensor(storage("0", 4), size, stride, offset))


def hostile() -> dict[str, bytes]:
    good = tensor(storage("0", 4), (4,), (1,))
    command = call("os.system", text("touch touched-by-a-checkpoint"))
    set_items = pickled(dictionary(x=good))
    nest = b")" + 70 * b"2\x86"  # (), then pairs of the same thing
    again = listed(*(listed(text(str(i)), b"N") for i in range(50))) + b"q\x00"
    return {
        "command.zip": _one(command),
        "command.stream": stream(pickled(dictionary(x=command))),
        "command_by_build": _one(name("collections.OrderedDict") + dictionary(x=command) + b"b"),
        "code_by_eval": _one(call("builtins.eval", text("1"))),
        "getattr": _one(call("builtins.getattr", name("os.path"), text("os"))),
        "storage_too_small": _one(tensor(storage("0", 100), (100,), (1,))),
        "storage_of_half_elements": _one(good, bytes(15)),
        "storage_too_small.stream": stream(set_items, ("0", 4, bytes(15))),
        "storage_of_2_to_62.stream": stream(set_items, ("0", 2**62, bytes(16))),
        "storage_of_negative_size.stream": stream(set_items, ("0", -1, bytes(16))),
        "storage_unlisted.stream": stream(set_items),
        "storage_unknown.stream": stream(set_items, ("0", 4, bytes(16)), ("1", 4, bytes(16))),
        "huge_size": _whole((2**40,), (1,)),
        "huge_number": _whole((2**100,), (2**100,)),
        "huge_by_stride_0": _whole((2**40,), (0,)),
        "huge_and_empty": _whole((0, 2**31, 2**31), (1, 1, 1)),
        "beyond_by_offset": _whole((4,), (1,), 1),
        "beyond_by_stride": _whole((2,), (4,)),
        "negative_offset": _whole((2,), (1,), -1),
        "negative_size": _whole((-1,), (1,)),
        "negative_stride": _whole((2,), (-1,), 3),
        "strides_of_another_rank": _whole((2, 2), (1,)),
        "rank_100": _whole((1,) * 100, (1,) * 100),
        "no_storage": _one(call("torch._utils._rebuild_tensor_v2", number(1), number(0), numbers((1,)), numbers((1,)))),
        "path_as_key": _one(tensor(storage("../../../etc/passwd", 4), (4,), (1,))),
        "unknown_storage_type": _one(tensor(storage("0", 4, kind="os.system"), (4,), (1,))),
        "compressed": archive(set_items, {"data/0": bytes(1 << 16)}, zipfile.ZIP_DEFLATED),
        "no_pickle": archive(b"", {}).replace(b"data.pkl", b"data.txt"),
        "cut.zip": _one(good)[:-40],
        "changed.zip": _one(good).replace(bytes(16), bytes(15) + b"\x01", 1),
        "cut.stream": stream(set_items, ("0", 4, bytes(16)))[:-20],
        "pickle_without_end": archive(set_items[:-1], {"data/0": bytes(16)}),
        "pickle_that_pops_nothing": archive(pickled(b"000"), {}),
        "pickle_with_huge_memo": archive(pickled(b"Nr\xff\xff\xff\x7f"), {}),
        "pickle_with_huge_text": archive(pickled(b"\x8d" + struct.pack("<Q", 2**60)), {}),
        "pickle_with_endless_key": archive(pickled(b"}" + nest + b"Ns"), {}),
        "pickle_of_extension": archive(pickled(b"\x82\x01"), {}),
        "list_as_dictionary_twice": _one(
            again + several(*(name("collections.OrderedDict") + b"h\x00\x85R" for _ in range(3)))
        ),
        "nothing": b"",
        "text": b"no checkpoint\n",
    }


def main() -> None:
    HERE.mkdir(exist_ok=True)
    for old in HERE.glob("*.pth"):
        old.unlink()
    writers: tuple[Callable[[], None], ...] = (write_torch, write_module_stream, write_stream_of_2017)
    for write in writers:
        write()
    for what, content in hostile().items():
        (HERE / f"hostile_{what}.pth").write_bytes(content)


if __name__ == "__main__":
    main()
