# SPDX-License-Identifier: Apache-2.0
"""One reader, one rule: an odd header means the same to the library, to nibabel's images of the file and, where it is
there, to the slmt command; bit for bit. What is made from a volume describes itself, and not what it was made from."""

import importlib
import os
import shutil
import struct
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import slmt
from samples import Array
from small import head_voxels

nibabel: Any = importlib.import_module("nibabel")  # which is typed in part

AFFINE = np.array([[0, -2, 0, 5], [1, 0, 0, -3], [0, 0, 3, 1], [0, 0, 0, 1]], np.float64)
MIRRORED = np.diag([-1.0, 1, 3, 1])

# Name: fields of a NIfTI-1 header to set, by (offset, format, value).
QFORM, SFORM, UNITS = 252, 254, 123
PIXDIM = 76
SLOPE, INTER = 112, 116
Fields = tuple[tuple[int, str, float], ...]
ODD: dict[str, Fields] = {
    "as nibabel writes it": (),
    "both codes 0": ((QFORM, "h", 0), (SFORM, "h", 0)),
    "both codes 0, an offset beside them": ((QFORM, "h", 0), (SFORM, "h", 0), (268, "f", 77)),
    "qform alone": ((QFORM, "h", 1), (SFORM, "h", 0)),
    "sform alone": ((QFORM, "h", 0), (SFORM, "h", 4)),
    "negative codes": ((QFORM, "h", -1), (SFORM, "h", -3)),
    "codes that no standard has": ((QFORM, "h", 9), (SFORM, "h", 7)),
    "qform that no standard has": ((QFORM, "h", 9), (SFORM, "h", 0)),
    "qfac 0": ((QFORM, "h", 1), (SFORM, "h", 0), (PIXDIM, "f", 0)),
    "qfac -1": ((QFORM, "h", 1), (SFORM, "h", 0), (PIXDIM, "f", -1)),
    "qfac 7": ((QFORM, "h", 1), (SFORM, "h", 0), (PIXDIM, "f", 7)),
    "qfac -7": ((QFORM, "h", 1), (SFORM, "h", 0), (PIXDIM, "f", -7)),
    "qfac NaN": ((QFORM, "h", 1), (SFORM, "h", 0), (PIXDIM, "f", float("nan"))),
    "a spacing of 0": ((QFORM, "h", 1), (SFORM, "h", 0), (PIXDIM + 4, "f", 0)),
    "a negative spacing": ((QFORM, "h", 1), (SFORM, "h", 0), (PIXDIM + 8, "f", -2)),
    "a negative spacing without codes": ((QFORM, "h", 0), (SFORM, "h", 0), (PIXDIM + 8, "f", -2)),
    "slope 0": ((SLOPE, "f", 0), (INTER, "f", 5)),
    "slope NaN": ((SLOPE, "f", float("nan")), (INTER, "f", float("nan"))),
    "slope infinite": ((SLOPE, "f", float("inf")), (INTER, "f", 0)),
    "slope and intercept": ((SLOPE, "f", 0.1), (INTER, "f", -3.7)),
    "slope negative": ((SLOPE, "f", -0.3), (INTER, "f", 90)),
    "display range": ((124, "f", 1000), (128, "f", 100)),
    "intent": ((68, "h", 1001), (56, "f", 3)),
    "metres": ((UNITS, "b", 1),),
    "micrometres": ((UNITS, "b", 3), (QFORM, "h", 0)),
    "units that no standard has": ((UNITS, "b", 7),),
    "no units": ((UNITS, "b", 0),),
    "four axes": ((40, "h", 4), (48, "h", 1)),
    "seven axes": ((40, "h", 7), (48, "h", 1), (50, "h", 1), (52, "h", 1), (54, "h", 1)),
    "slice timing": ((39, "b", 57), (74, "h", 1), (120, "h", 6), (122, "b", 3), (132, "f", 0.5), (136, "f", 9)),
    "extents": ((32, "i", 16384), (36, "h", 3), (140, "i", 255), (144, "i", 7)),
    "one slice": ((46, "h", 1),),
    "two axes": ((40, "h", 2), (46, "h", 0)),
}


@pytest.fixture(scope="module")
def session(context: slmt.Context, tmp_path_factory: pytest.TempPathFactory) -> Iterator[slmt.Session]:
    with slmt.Model.load(model_file(context, tmp_path_factory), context=context).session() as made:
        yield made


@pytest.fixture(scope="module")
def model_path(context: slmt.Context, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_file(context, tmp_path_factory)


def model_file(context: slmt.Context, factory: pytest.TempPathFactory) -> Path:
    from conftest import small_preprocess
    from small import NANO

    path = factory.mktemp("model") / "model.h5"
    with slmt.Model.create("slmt-net", NANO, seed=1, context=context) as made:
        made.preprocess = small_preprocess()
        made.save(path)
    return path


def odd_file(path: Path, fields: Fields, dtype: Any = np.int16, endian: str = "<") -> Path:
    header = nibabel.Nifti1Header(endianness=endian)
    header.set_data_dtype(dtype)
    image = nibabel.Nifti1Image(head_voxels(0, 0).astype(dtype), AFFINE, header)
    image.set_qform(MIRRORED, 1)
    image.set_sform(AFFINE, 2)
    content = bytearray(image.to_bytes())
    for offset, kind, value in ((SLOPE, "f", 1.0), (INTER, "f", 0.0), *fields):
        struct.pack_into(endian + kind, content, offset, value)
    path.write_bytes(content)
    return path


def command() -> Path | None:
    """The slmt command, as old as the library."""
    built = Path(__file__).parents[3] / "build/release/bin/slmt"
    found = os.environ.get("SLMT_COMMAND") or (built if built.exists() else shutil.which("slmt"))
    return Path(found).resolve() if found else None


def is_library_of(program: Path) -> bool:
    """Whether the command runs the very library that is loaded here; another build may round otherwise."""
    return Path(os.environ.get("SLMT_LIBRARY", "/")).resolve().is_relative_to(program.parents[1])


def assert_same(one: slmt.Volume, other: slmt.Volume) -> None:
    assert one.shape == other.shape
    assert one.voxels.tobytes("F") == other.voxels.tobytes("F")
    assert one.affine.tobytes() == other.affine.tobytes()


@pytest.mark.filterwarnings("ignore::slmt.Warning")
@pytest.mark.parametrize("name", ODD)
def test_an_image_of_nibabel_is_what_its_file_is(name: str, tmp_path: Path) -> None:
    path = odd_file(tmp_path / "odd.nii", ODD[name])
    if name == "two axes":  # 32 x 32 of one slice; the third length does not count
        assert slmt.Volume.read(path).shape == (32, 32, 1)
    assert_same(slmt.Volume.from_nibabel(nibabel.load(path)), slmt.Volume.read(path))


@pytest.mark.filterwarnings("ignore::slmt.Warning")
@pytest.mark.parametrize("name", ODD)
def test_an_image_without_a_file_is_what_nibabel_would_save(name: str, tmp_path: Path) -> None:
    content = odd_file(tmp_path / "odd.nii", ODD[name]).read_bytes()
    image = nibabel.Nifti1Image.from_bytes(content)
    nibabel.save(image, tmp_path / "saved.nii")
    got, saved = slmt.Volume.from_nibabel(image), slmt.Volume.read(tmp_path / "saved.nii")
    assert got.affine.tobytes() == saved.affine.tobytes()
    plain = slmt.Volume.read(tmp_path / "odd.nii")  # saving may round voxels to a new scale
    assert got.voxels.tobytes("F") == plain.voxels.tobytes("F")


@pytest.mark.filterwarnings("ignore::slmt.Warning")
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.uint32, np.int64, np.uint64, "f4", "f8"])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_types_and_byte_orders_are_one(dtype: Any, endian: str, tmp_path: Path) -> None:
    path = odd_file(tmp_path / "odd.nii", ODD["slope and intercept"], dtype, endian)
    volume = slmt.Volume.read(path)
    assert_same(slmt.Volume.from_nibabel(nibabel.load(path)), volume)
    assert_same(slmt.Volume.from_nibabel(nibabel.Nifti1Image.from_bytes(path.read_bytes())), volume)


def test_nifti_2_pairs_and_mgh_are_read_like_nifti_1(tmp_path: Path) -> None:
    voxels = head_voxels(0, 0)
    for kind, name in (
        (nibabel.Nifti2Image, "a.nii.gz"),
        (nibabel.Nifti2Pair, "b.hdr"),
        (nibabel.Nifti1Pair, "c.hdr"),
        (nibabel.MGHImage, "d.mgz"),
        (nibabel.MGHImage, "e.mgh"),
    ):
        nibabel.save(kind(voxels, AFFINE), tmp_path / name)
        volume, image = slmt.Volume.read(tmp_path / name), nibabel.load(tmp_path / name)
        assert np.array_equal(volume.voxels, voxels) and np.allclose(volume.affine, AFFINE, atol=1e-6)
        assert np.array_equal(volume.affine, image.affine)
        assert_same(slmt.Volume.from_nibabel(image), volume)
        assert_same(slmt.Volume.from_nibabel(kind(voxels, AFFINE)), volume)


def test_one_volume_of_several_is_named_by_its_number(tmp_path: Path) -> None:
    volumes = np.stack([head_voxels(0, n) for n in range(3)], axis=-1)
    for kind, name in ((nibabel.Nifti1Image, "a.nii.gz"), (nibabel.Nifti2Image, "b.nii"), (nibabel.MGHImage, "c.mgz")):
        image = kind(volumes, AFFINE)
        nibabel.save(image, tmp_path / name)
        for n in range(3):
            volume = slmt.Volume.read(f"{tmp_path / name}[{n}]")
            assert np.array_equal(volume.voxels, volumes[..., n]) and np.allclose(volume.affine, AFFINE, atol=1e-6)
        for wrong in ("", "[3]"):
            with pytest.raises(slmt.Error, match="volume"):
                slmt.Volume.read(f"{tmp_path / name}{wrong}")
    with pytest.raises(slmt.FormatError, match="3 volumes"):
        slmt.Volume.from_nibabel(nibabel.Nifti1Image(volumes, AFFINE))


def test_a_header_that_was_changed_counts_and_not_the_file(tmp_path: Path) -> None:
    path = odd_file(tmp_path / "odd.nii", ODD["sform alone"])
    image = nibabel.load(path)
    image.header.set_sform(None, code=0)
    image.header.set_qform(MIRRORED, code=1)
    image = nibabel.Nifti1Image(image.dataobj, None, image.header)
    volume = slmt.Volume.from_nibabel(image)
    assert np.allclose(volume.affine, MIRRORED) and np.array_equal(volume.voxels, slmt.Volume.read(path).voxels)
    image = nibabel.load(path)
    image.affine[0, 3] += 9  # as nibabel.save() would write it
    assert np.allclose(slmt.Volume.from_nibabel(image).affine, AFFINE + np.array([[0, 0, 0, 9], *[[0] * 4] * 3]))


def test_arrays_of_any_layout_and_type_come_through_nibabel() -> None:
    voxels = head_voxels(0, 0)
    for array in (voxels > 50, voxels.astype(np.float16), voxels.astype(">i2"), voxels[::-1, ::2], voxels[..., None]):
        header = nibabel.Nifti1Header()
        volume = slmt.Volume.from_nibabel(nibabel.Nifti1Image(array, AFFINE, header, dtype=np.float32))
        assert np.array_equal(volume.voxels, np.asarray(array, np.float32).reshape(volume.shape))
        assert np.array_equal(volume.affine, AFFINE)
    with pytest.raises(slmt.ArgumentError, match="complex64"):
        slmt.Volume.from_nibabel(nibabel.Nifti1Image(voxels.astype(np.complex64), AFFINE))


@pytest.mark.filterwarnings("ignore::slmt.Warning")
def test_a_quaternion_that_nibabel_refuses_is_scaled_to_one(session: slmt.Session, tmp_path: Path) -> None:
    fields = ((QFORM, "h", 1), (SFORM, "h", 0), (256, "f", 0.8), (260, "f", 0.0), (264, "f", 0.8))
    volume = slmt.Volume.read(odd_file(tmp_path / "odd.nii", fields))
    with pytest.raises(ValueError, match="w2"):
        nibabel.load(tmp_path / "odd.nii")
    turned = np.array([[0, 0, 3, 0], [0, -1, 0, 0], [1, 0, 0, 0]])  # half a turn about the diagonal of x and z
    assert np.allclose(np.abs(volume.affine[:3, :3]), np.abs(turned[:, :3]) * [1, 1, 1], atol=1e-5)
    session.synthesize_volume(volume).write(tmp_path / "made.nii")
    assert np.allclose(nibabel.load(tmp_path / "made.nii").affine, volume.affine, atol=1e-5)


# ---- warnings ----


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("both codes 0", "no orientation"),
        ("a spacing of 0", "no voxel size"),
        ("as nibabel writes it", "qform and sform"),
        ("micrometres", "micrometres"),
        ("sform alone", "pixdim gives voxels of another size"),
    ],
)
def test_what_a_reader_assumes_is_a_warning(name: str, text: str, tmp_path: Path) -> None:
    path = odd_file(tmp_path / "odd.nii", ODD[name])
    with pytest.warns(slmt.Warning, match=text):
        slmt.Volume.read(path)
    with pytest.warns(slmt.Warning, match=text):
        slmt.Volume.from_nibabel(nibabel.load(path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(slmt.Warning, match=text):
            slmt.Volume.read(path)


def test_an_ordinary_header_is_no_warning(tmp_path: Path) -> None:
    path = odd_file(tmp_path / "odd.nii", (*ODD["sform alone"], (PIXDIM + 8, "f", 2)))  # both forms have one size
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        slmt.Volume.read(path)
        slmt.Volume.from_nibabel(nibabel.load(path))


# ---- results ----


def header_of(path: Path) -> Any:
    return nibabel.load(path).header


def assert_speaks_of_itself(header: Any) -> None:
    assert header["cal_min"] == 0 and header["cal_max"] == 0 and header["intent_code"] == 0
    assert header["slice_code"] == 0 and header["slice_duration"] == 0 and header["toffset"] == 0
    assert header["dim_info"] == 0 and header["aux_file"] == b"" and header["db_name"] == b""
    assert b"synthetic" in header["descrip"].tobytes() and b"not for diagnosis" in header["descrip"].tobytes()
    assert not header.extensions


@pytest.mark.filterwarnings("ignore::slmt.Warning")
@pytest.mark.parametrize("name", ODD)
def test_the_command_and_python_make_the_same_file(
    name: str, session: slmt.Session, model_path: Path, tmp_path: Path
) -> None:
    program = command()
    if program is None:
        pytest.skip("there is no slmt command")
    if name in ("one slice", "two axes"):
        pytest.skip("a slice alone has none of the slices that the model was trained on")
    path = odd_file(tmp_path / "odd.nii", ODD[name])
    image = nibabel.load(path)
    for key, value in (("descrip", b"scanner 7"), ("aux_file", b"t1.csv"), ("db_name", b"Doe, John")):
        image.header[key] = value
    content = bytearray(path.read_bytes())
    content[148:157], content[228:234], content[14:23] = b"scanner 7", b"t1.csv", b"Doe, John"
    path.write_bytes(content)
    arguments: list[str | Path] = ["synthesize", "--model", model_path, path, "--out", tmp_path / "command.nii", "--threads", "1"]
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    nibabel.save(session.synthesize_volume(nibabel.load(path)), tmp_path / "nibabel.nii")
    session.synthesize_volume(path).write(tmp_path / "library.nii")
    by_command, by_nibabel, by_library = (
        (tmp_path / f"{who}.nii").read_bytes() for who in ("command", "nibabel", "library")
    )
    assert by_library[352:] == by_nibabel[352:] and by_library[:352] == by_command[:352]
    if is_library_of(program):
        assert by_command == by_library
    voxels, wanted = (np.frombuffer(file[352:], np.float32) for file in (by_command, by_library))
    assert np.abs(voxels - wanted).max() < 1e-4  # sums that are rounded otherwise
    assert header_of(tmp_path / "command.nii") == header_of(tmp_path / "nibabel.nii")
    assert np.array_equal(nibabel.load(tmp_path / "command.nii").affine, nibabel.load(tmp_path / "nibabel.nii").affine)
    assert_speaks_of_itself(header_of(tmp_path / "command.nii"))
    assert np.array_equal(slmt.Volume.read(tmp_path / "command.nii").affine, slmt.Volume.read(path).affine)


def test_a_result_leaves_the_extensions_of_its_source_behind(session: slmt.Session, tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(head_voxels(0, 0), AFFINE)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"TR 2000 ms, Doe, John"))
    nibabel.save(image, tmp_path / "in.nii")
    session.synthesize_volume(tmp_path / "in.nii").write(tmp_path / "out.nii")
    assert_speaks_of_itself(header_of(tmp_path / "out.nii"))
    slmt.Volume.read(tmp_path / "in.nii").write(tmp_path / "copy.nii")  # the same voxels, the same header
    assert len(header_of(tmp_path / "copy.nii").extensions) == 1


def test_other_voxels_on_the_same_grid_keep_the_geometry_alone(tmp_path: Path) -> None:
    for name in ("display range", "slice timing", "qform alone"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", slmt.Warning)
            source = slmt.Volume.read(odd_file(tmp_path / "odd.nii", ODD[name]))
        made = source.like(source.voxels * 0.5, "half of it")
        assert np.array_equal(made.voxels, source.voxels * 0.5) and np.array_equal(made.affine, source.affine)
        header, old = made.to_nibabel().header, header_of(tmp_path / "odd.nii")
        assert header["descrip"].tobytes().rstrip(b"\0") == f"libslmt {slmt.__version__}: half of it".encode()
        assert header["cal_max"] == 0 and header["slice_code"] == 0
        assert header["sform_code"] == old["sform_code"] and header["qform_code"] == old["qform_code"]
    with pytest.raises(slmt.ArgumentError, match=r"expected \[32, 32, 8\]"):
        source.like(source.voxels[1:])
    with pytest.raises(slmt.NonFiniteError, match="slmt_volume_like"):
        source.like(np.full(source.shape, np.nan, np.float32))


def same_image(one: Any, other: Any) -> bool:
    data: tuple[Array, Array] = np.asarray(one.dataobj), np.asarray(other.dataobj)
    return np.array_equal(*data) and np.array_equal(one.affine, other.affine) and one.header == other.header


def test_a_volume_becomes_the_image_that_its_file_would_be(tmp_path: Path) -> None:
    for name in ("sform alone", "qform alone", "both codes 0"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", slmt.Warning)
            volume = slmt.Volume.read(odd_file(tmp_path / "odd.nii", (*ODD[name], (UNITS, "b", 2))))
        volume.write(tmp_path / "copy.nii")
        nibabel.save(volume.to_nibabel(), tmp_path / "again.nii")
        assert same_image(nibabel.load(tmp_path / "copy.nii"), nibabel.load(tmp_path / "again.nii"))
