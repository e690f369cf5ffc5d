# SPDX-License-Identifier: Apache-2.0
"""Checkpoints are read as PyTorch reads them, with and without it; hostile ones are refused."""

import importlib.util
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import samples
from slmt import torchfile
from slmt.torchfile import Reader

FIXTURES = Path(__file__).parent / "fixtures"
HOSTILE = sorted(path.name for path in FIXTURES.glob("hostile_*.pth"))

with_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
readers = pytest.mark.parametrize("reader", ["plain", pytest.param("torch", marks=with_torch)])
formats = pytest.mark.parametrize("kind", ["zip", "stream"])


def expect(found: dict[str, samples.Array], wanted: dict[str, samples.Array]) -> None:
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        assert found[name].dtype == values.dtype, name
        assert found[name].shape == values.shape, name
        assert np.array_equal(found[name], values), name


@readers
@formats
@pytest.mark.parametrize("what", ["dtypes", "strided", "nested"])
def test_tensors_are_those_that_were_saved(kind: str, what: str, reader: Reader) -> None:
    wanted = {"dtypes": samples.DTYPES, "strided": samples.STRIDED, "nested": samples.NESTED}[what]
    expect(torchfile.state_dict(FIXTURES / f"{kind}_{what}.pth", reader=reader), wanted)


@readers
@formats
def test_what_lies_beside_the_tensors_is_kept(kind: str, reader: Reader) -> None:
    content = torchfile.load(FIXTURES / f"{kind}_nested.pth", reader)
    assert isinstance(content, dict)
    assert (content["epoch"], content["rate"], content["done"]) == (3, 0.5, False)
    assert content["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.999)


@formats
def test_options_of_a_run_are_passed_over_without_being_made(kind: str) -> None:
    path = FIXTURES / f"{kind}_options.pth"
    expect(torchfile.state_dict(path, reader="plain"), samples.NESTED)
    content = torchfile.load(path, "plain")
    assert isinstance(content, dict) and not hasattr(content["args"], "width")


def test_a_stream_of_2017_is_read() -> None:
    expect(torchfile.state_dict(FIXTURES / "stream_2017.pth", reader="plain"), samples.NESTED)


@formats
def test_views_of_one_storage_share_its_memory(kind: str) -> None:
    tensors = torchfile.state_dict(FIXTURES / f"{kind}_strided.pth", reader="plain")
    assert np.shares_memory(tensors["whole"], tensors["transposed"])
    assert not tensors["whole"].flags.writeable


def test_without_pytorch_the_plain_reader_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    expect(torchfile.state_dict(FIXTURES / "zip_options.pth"), samples.NESTED)


@with_torch
def test_with_pytorch_its_reader_is_taken() -> None:
    with pytest.raises(torchfile.TorchFileError, match="PyTorch"):
        torchfile.state_dict(FIXTURES / "zip_options.pth")


@readers
@formats
def test_a_saved_module_is_refused(kind: str, reader: Reader) -> None:
    with pytest.raises(torchfile.TorchFileError):
        torchfile.load(FIXTURES / f"{kind}_module.pth", reader)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_little_memory(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(torchfile.TorchFileError) as caught:
            torchfile.state_dict(FIXTURES / name, reader="plain")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert name in str(caught.value) and len(str(caught.value)) < 600
    assert os.listdir(tmp_path) == []


@with_torch
@pytest.mark.parametrize("name", [name for name in HOSTILE if "command" in name or "code" in name])
def test_commands_are_refused_with_pytorch_too(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(torchfile.TorchFileError):
        torchfile.load(FIXTURES / name, "torch")
    assert os.listdir(tmp_path) == []


@formats
def test_a_file_cut_anywhere_is_refused(kind: str, tmp_path: Path) -> None:
    whole = (FIXTURES / f"{kind}_nested.pth").read_bytes()
    path = tmp_path / "cut.pth"
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(torchfile.TorchFileError):
            torchfile.load(path, "plain")


@formats
def test_a_changed_byte_gives_tensors_or_a_clear_error(kind: str, tmp_path: Path) -> None:
    whole = (FIXTURES / f"{kind}_strided.pth").read_bytes()
    path = tmp_path / "changed.pth"
    random = np.random.default_rng(1)
    for _ in range(1500):
        changed = bytearray(whole)
        changed[random.integers(len(whole))] = random.integers(256)
        path.write_bytes(changed)
        try:
            for tensor in torchfile.state_dict(path, reader="plain").values():
                tensor.tobytes()
        except torchfile.TorchFileError:
            pass


def test_one_of_several_dictionaries_is_named() -> None:
    where = dict(torchfile._mappings({"g": {"net": {"w": np.ones(1)}}, "d": {"w": np.ones(1)}}, (), set()))
    assert list(where) == ["g.net", "d"]


def test_a_missing_file_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError):
        torchfile.load(FIXTURES / "absent.pth", "plain")
