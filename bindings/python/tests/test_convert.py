# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of reference implementations become model files, whole or not at all.

The library's own list of tensors says what a reference checkpoint holds; that these names are the reference's is what
the library's parity tests check."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import checkpoints
from samples import Array
from slmt import Model, _reference, convert
from slmt._reference_labels import labels
from small import NANO, SEQ2SEQ

HEADS = ["--option", "num_heads=2", "--option", "decoder_heads=2"]


def expected(method: str, options: Mapping[str, float]) -> dict[str, Array]:
    """Values for every used tensor of a model."""
    random = np.random.default_rng(7)
    with Model.create(method, options) as model:
        return {
            name: random.standard_normal(tensor.shape).astype(np.float32)
            for name, tensor in model.tensors.info().items()
            if tensor.used
        }


def part(tensors: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): values for name, values in tensors.items() if name.startswith(prefix)}


def hold(path: Path, tensors: Mapping[str, Array]) -> None:
    """The model file holds these tensors, exactly."""
    with Model.load(path) as model:
        for name, values in tensors.items():
            assert np.array_equal(model.tensors[name], values), name


@pytest.fixture(scope="module")
def nano() -> dict[str, Array]:
    return expected("slmt-net", NANO)


@pytest.fixture
def files(tmp_path: Path, nano: dict[str, Array]) -> tuple[str, str, str]:
    """Edge-MAE, generator, and where the model goes."""
    buffers: dict[str, Array] = {
        "layers1.0.blocks.0.attn.relative_position_index": np.zeros((16, 16), np.int64),
        "layers2.0.blocks.1.attn_mask": np.zeros((4, 16, 16), np.float32),
    }
    checkpoints.write(tmp_path / "MAE.pth", part(nano, "E."))
    checkpoints.write(tmp_path / "G.pth", part(nano, "G.") | buffers)
    return str(tmp_path / "MAE.pth"), str(tmp_path / "G.pth"), str(tmp_path / "out.h5")


def test_an_edge_mae_and_a_generator_become_a_model_of_slmt_net(
    files: tuple[str, str, str], nano: dict[str, Array], capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert.main([*HEADS, "--data", "BraTS", "--training", "150 epochs", "--card", "name=x", *files]) == 0
    hold(Path(files[2]), nano)
    with Model.load(files[2]) as model:
        assert {name: model.options[name] for name in NANO} == NANO
        assert (model.card["data"], model.card["training"], model.card["name"]) == ("BraTS", "150 epochs", "x")
        digest = hashlib.sha256(Path(files[0]).read_bytes()).hexdigest()
        assert model.card["converted_from"].splitlines()[0] == f"MAE.pth sha256 {digest}"
        assert model.card["converted_from"].splitlines()[1].startswith("G.pth sha256 ")
    assert "assumed" not in capsys.readouterr().out


def test_heads_that_no_shape_tells_are_said_to_be_assumed(
    files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert.main(["--option", "num_heads=4", "--option", "decoder_heads=4", *files]) == 0
    assert "assumed" not in capsys.readouterr().out
    assert convert.main(list(files)) == 1  # 16 heads do not divide a width of 8
    assert "num_heads" in capsys.readouterr().err


def test_a_fine_tuned_encoder_gets_a_fresh_decoder(
    files: tuple[str, str, str], nano: dict[str, Array], capsys: pytest.CaptureFixture[str]
) -> None:
    decoder = ("E.decoder", "E.mask", "E.rec", "E.edge", "E.operator")
    kept = {name: values for name, values in nano.items() if not name.startswith(decoder)}
    checkpoints.write(Path(files[0]), part(kept, "E."))
    assert convert.main(["--option", "num_heads=2", *files]) == 0
    hold(Path(files[2]), kept)
    said = capsys.readouterr().out
    assert "fresh values for" in said and "E.decoder_embed.weight" in said and "decoder_heads=8" in said


def test_an_edge_mae_alone_gets_a_fresh_generator(files: tuple[str, str, str], nano: dict[str, Array]) -> None:
    heads = [f"--option=generator_heads_{s}={2**s}" for s in range(4)]
    assert convert.main(["--edge-mae", *HEADS, *heads, files[0], files[2]]) == 0
    hold(Path(files[2]), {name: values for name, values in nano.items() if name.startswith("E.")})


def test_every_tensor_that_does_not_fit_is_named_and_nothing_is_written(
    files: tuple[str, str, str], nano: dict[str, Array], capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = part(nano, "G.")
    del wrong["norm_up.weight"], wrong["fusion.1.conv1.bias"]
    wrong |= {
        "norm_up.bias": np.zeros(9, np.float32),
        "absolute_pos_embed": np.zeros((1, 4, 8), np.float32),
        "norm2.weight": np.full(128, 1e300),
        "norm2.bias": np.zeros(128, np.int64),
    }
    checkpoints.write(Path(files[1]), wrong)
    Path(files[2]).write_bytes(b"the old file")
    assert convert.main([*HEADS, *files]) == 1
    said = capsys.readouterr().err
    for line in (
        "6 tensors do not fit",
        "missing G.norm_up.weight [8]",
        "missing G.fusion.1.conv1.bias [1]",
        "unexpected G.absolute_pos_embed [1, 4, 8]",
        "G.norm_up.bias is [9], expected [8]",
        "G.norm2.weight has elements that are not finite",
        "G.norm2.bias has elements of type int64",
    ):
        assert line in said
    assert Path(files[2]).read_bytes() == b"the old file"
    assert sorted(path.name for path in Path(files[2]).parent.iterdir()) == ["G.pth", "MAE.pth", "out.h5"]


def test_swapped_checkpoints_are_told_by_what_is_missing(
    files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert.main([files[1], files[0], files[2]]) == 1
    said = capsys.readouterr().err
    assert "not the tensors of an Edge-MAE" in said and "missing pos_embed" in said


def test_a_checkpoint_is_never_taken_for_the_output(
    files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path(files[1]).read_bytes()
    assert convert.main(["--edge-mae", files[0], files[1]]) == 1
    assert "overwritten" in capsys.readouterr().err
    assert Path(files[1]).read_bytes() == before


def test_half_precision_is_widened(tmp_path: Path, nano: dict[str, Array]) -> None:
    half = {name: values.astype(np.float16) for name, values in nano.items()}
    checkpoints.write(tmp_path / "E.pth", part(half, "E."))
    checkpoints.write(tmp_path / "G.pth", part(half, "G."))
    assert convert.main([*HEADS, *(str(tmp_path / name) for name in ("E.pth", "G.pth", "out.h5"))]) == 0
    hold(tmp_path / "out.h5", {name: values.astype(np.float32) for name, values in half.items()})


def test_unread_tensors_of_the_reference_are_kept_when_present(
    files: tuple[str, str, str], nano: dict[str, Array]
) -> None:
    unread = {"linear.weight": np.ones((8, 512), np.float32), "norm1.weight": np.full(128, 2, np.float32)}
    checkpoints.write(Path(files[1]), part(nano, "G.") | unread)
    assert convert.main([*HEADS, *files]) == 0
    hold(Path(files[2]), {f"G.{name}": values for name, values in unread.items()})


@pytest.mark.parametrize("ndims", [2, 3])
def test_a_generator_of_seq2seq_becomes_a_model(tmp_path: Path, ndims: int) -> None:
    options = SEQ2SEQ | {"ndims": ndims}
    tensors = expected("seq2seq", options)
    checkpoints.write(tmp_path / "g.pth", tensors)
    names = [str(tmp_path / name) for name in ("g.pth", "out.h5")]
    assert convert.main(["--seq2seq", "--contrasts", "t1,t2", "--preprocess", "slice_first=3", *names]) == 0
    hold(tmp_path / "out.h5", tensors)
    with Model.load(names[1]) as model:
        assert {name: model.options[name] for name in options} == options
        assert model.contrasts == ["t1", "t2"]
        preprocess = model.preprocess
    assert (preprocess.scaling, preprocess.crop_size, preprocess.slice_first) == ("twice-p99", 192, 3)


# ---- VGG19 ----

VGG_WIDTHS = (1, 1, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8, 8)
VGG_PLACES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)


def vgg19(width: int) -> dict[str, Array]:
    """All of torchvision's names."""
    tensors: dict[str, Array] = {}
    before = 3
    for place, factor in zip(VGG_PLACES, VGG_WIDTHS, strict=True):
        out = factor * width
        tensors[f"features.{place}.weight"] = np.full((out, before, 3, 3), place, np.float32)
        tensors[f"features.{place}.bias"] = np.full(out, -place, np.float32)
        before = out
    return tensors | {f"classifier.{n}.weight": np.zeros((2, 2), np.float32) for n in (0, 3, 6)}


def test_vgg19_is_understood_up_to_its_thirteenth_convolution() -> None:
    reference = _reference.vgg19(vgg19(4))
    assert (reference.method, reference.options) == ("vgg19", {"width": 4})
    assert len(reference.tensors) == 26
    assert list(reference.tensors)[-2:] == ["features.28.weight", "features.28.bias"]


def test_vgg_of_another_depth_is_refused() -> None:
    with pytest.raises(_reference.ConversionError, match="missing features.28.weight"):
        _reference.vgg19({name: values for name, values in vgg19(4).items() if ".28." not in name})


def test_vgg19_becomes_a_model(tmp_path: Path) -> None:
    checkpoints.write(tmp_path / "vgg.pth", vgg19(4))
    assert convert.main(["--vgg19", str(tmp_path / "vgg.pth"), str(tmp_path / "out.h5")]) == 0
    hold(tmp_path / "out.h5", _reference.vgg19(vgg19(4)).tensors)


# ---- U-Net ----

SMALL_UNET = {"slices": 3, "width": 2, "depth": 3}


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("upsampling", ["transposed", "linear"])
def test_a_unet_becomes_a_model_whose_options_its_shapes_tell(
    norm: str, upsampling: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    choices = {
        "norm": ["instance", "batch", "none"].index(norm),
        "upsampling": ["transposed", "linear"].index(upsampling),
    }
    tensors = expected("unet", SMALL_UNET | choices)
    counters: dict[str, Array] = {"enc1.bn1.num_batches_tracked": np.zeros(1, np.int64)} if norm == "batch" else {}
    checkpoints.write(tmp_path / "net.pth", tensors | counters)
    reference = _reference.unet(tensors)
    assert reference.options == SMALL_UNET | choices
    assert convert.main(["--unet", str(tmp_path / "net.pth"), str(tmp_path / "out.h5")]) == 0
    hold(tmp_path / "out.h5", tensors)
    assert "image_size=256, residual=" in capsys.readouterr().out


def test_what_is_no_unet_is_refused() -> None:
    with pytest.raises(_reference.ConversionError, match="missing enc1.conv1.weight"):
        _reference.unet(vgg19(4))


# ---- networks that label pixels ----

SMALL_LABELS: dict[str, dict[str, float]] = {
    "unet-seg": {"channels": 2, "width": 2, "axes": 3},
    "attn-unet": {"channels": 2, "width": 2, "axes": 3, "deep": 1},
    "vnet": {"channels": 2, "width": 4, "kernel": 5, "axes": 2, "down_convs_1": 1, "up_convs_0": 2},
    "fcn8s": {"channels": 3, "width": 2, "fc": 5},
    "segnet": {"channels": 1, "width": 2},
    "segnet-basic": {"channels": 1, "width": 2},
    "fpn": {"channels": 1, "width": 2, "bottleneck": 1, "layers_2": 3, "pyramid": 6, "branch": 8},
    "pspnet": {"channels": 1, "width": 2, "layers_0": 1, "hidden": 3, "auxiliary": 5},
    "deeplabv3p": {"channels": 1, "width": 2, "atrous": 6, "low": 3, "one_conv": 1, "separable": 1},
    "hrnet-s": {"channels": 1, "width": 2, "stem": 6, "first": 3, "first_blocks": 2, "modules_1": 2, "blocks": 1},
    "pcd-unet": {"channels": 3, "width": 2},
    "linknet": {"channels": 1, "width": 4, "layers_2": 3},
    "deeplabv3": {"channels": 1, "width": 2, "atrous": 6, "layers_3": 1},
}


@pytest.mark.parametrize("method", SMALL_LABELS)
def test_a_network_that_labels_becomes_a_model_whose_options_its_shapes_tell(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = SMALL_LABELS[method] | {"classes": "0,1,2"}
    tensors = expected(method, options)  # type: ignore[arg-type]
    counters: dict[str, Array] = {"enc1.bn1.num_batches_tracked": np.zeros(1, np.int64)}
    checkpoints.write(tmp_path / "net.pth", tensors | counters)
    told = labels(method, tensors).options
    assert {name: told[name] for name in options} == options
    files = [str(tmp_path / "net.pth"), str(tmp_path / "out.h5")]
    assert convert.main(["--network", method, *files]) == 0
    hold(tmp_path / "out.h5", tensors)
    assert "classes=0,1,2" in capsys.readouterr().out
    assert convert.main(["--network", method, "--classes", "0,1=lesion,4", *files]) == 0
    with Model.load(files[1]) as model:
        assert model.options["classes"] == "0,1=lesion,4"
    assert convert.main(["--network", method, "--classes", "0,1", *files]) == 1
    assert "expected" in capsys.readouterr().err


def test_torchvisions_backbone_gets_a_fresh_head(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = expected("pspnet", SMALL_LABELS["pspnet"])
    backbone = part({name: values for name, values in whole.items() if name.startswith("backbone.")}, "backbone.")
    classifier: dict[str, Array] = {"fc.weight": np.zeros((10, 16), np.float32), "fc.bias": np.zeros(10, np.float32)}
    checkpoints.write(tmp_path / "resnet.pth", backbone | classifier)
    arguments = ["--network", "pspnet", "--classes", "0,1,2", str(tmp_path / "resnet.pth"), str(tmp_path / "out.h5")]
    assert convert.main(arguments) == 0
    assert "fresh values for" in capsys.readouterr().out
    hold(tmp_path / "out.h5", {name: values for name, values in whole.items() if name.startswith("backbone.")})


def test_what_is_no_network_of_this_name_is_refused() -> None:
    with pytest.raises(_reference.ConversionError, match="missing score_fr"):
        labels("fcn8s", vgg19(4))


# ---- the command ----


@pytest.mark.parametrize(
    "arguments",
    [[], ["a.pth"], ["a.pth", "out.h5"], ["--vgg19", "a", "b", "c"], ["--option", "x", "a", "b", "c"],
     ["--option", "x=y", "a", "b", "c"], ["--vgg19", "--seq2seq", "a", "b"]],
)  # fmt: skip
def test_a_wrong_command_line_is_told_with_the_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        convert.main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize("arguments", [["--preprocess", "nonsense=1"], ["--preprocess", "crop_x=1.5"]])
def test_wrong_preprocessing_is_told(
    arguments: list[str], files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert.main([*HEADS, *arguments, *files]) == 1
    assert arguments[1].partition("=")[0] in capsys.readouterr().err
    assert not Path(files[2]).exists()


def test_a_folder_that_is_not_there_is_told(files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert convert.main([*HEADS, *files[:2], str(Path(files[2]).parent / "absent" / "out.h5")]) == 1
    assert "absent" in capsys.readouterr().err
