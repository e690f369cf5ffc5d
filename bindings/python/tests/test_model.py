# SPDX-License-Identifier: Apache-2.0
"""Models: made, saved, loaded, changed; and what is raised where that fails."""

import io
import logging
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import slmt
from samples import Array
from slmt._methods import coded
from small import NANO


def equal(a: slmt.Model, b: slmt.Model) -> bool:
    return all(np.array_equal(a.tensors[name], b.tensors[name]) for name in a.tensors)


def test_a_saved_model_comes_back_from_a_name_bytes_and_a_file(model: slmt.Model, tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    model.card["data"] = "heads of ellipses"
    model.save(path)
    for source in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        with slmt.Model.load(source) as loaded:
            assert (loaded.method, loaded.options) == ("slmt-net", NANO)
            assert (loaded.card["data"], loaded.preprocess) == ("heads of ellipses", model.preprocess)
            assert equal(loaded, model)


def test_a_list_is_given_as_a_sequence_or_by_its_elements() -> None:
    sizes = {"channels": 1, "lstm_width": 4, "residual_blocks": 1, "bank": 2, "code_length": 2}
    model = slmt.Model.create("seq2seq", {"widths": (2, 3, 4), **sizes})
    assert [model.options[f"widths_{index}"] for index in range(3)] == [2, 3, 4]
    with pytest.raises(slmt.NotFoundError, match="widths_3"):
        slmt.Model.create("seq2seq", {"widths": (2, 3, 4, 5)})
    with pytest.raises(slmt.ArgumentError, match="base or small or tiny"):
        slmt.Model.create(preset="huge")


def test_a_preset_can_be_changed_by_options() -> None:
    model = slmt.Model.create(preset="tiny", options={"depth": 1, "decoder_depth": 1})
    assert (model.options["image_size"], model.options["embed_dim"], model.options["depth"]) == (128, 32, 1)
    assert model.options["generator_heads_3"] == slmt.Model.create(preset="tiny").options["generator_heads_3"]


def test_tensors_are_a_mapping_that_can_be_written(model: slmt.Model) -> None:
    name = "G.norm_up.weight"
    assert name in model.tensors and "absent" not in model.tensors and len(list(model.tensors)) == len(model.tensors)
    values = np.arange(8, dtype=np.float64)
    model.tensors[name] = values
    assert np.array_equal(model.tensors[name], values) and model.tensors[name].dtype == np.float32
    with pytest.raises(slmt.ArgumentError, match=r"is \[9\], expected \[8\]"):
        model.tensors[name] = np.zeros(9)
    with pytest.raises(slmt.NonFiniteError):
        model.tensors[name] = np.full(8, np.nan)
    assert model.tensors.get("absent") is None
    with pytest.raises(KeyError, match="^the model has no tensor absent$"):
        model.tensors["absent"]


def test_16_bits_halve_a_models_memory_and_are_told(tmp_path: Path, model: slmt.Model) -> None:
    model.save(tmp_path / "model.h5")
    half = slmt.Model.load(tmp_path / "model.h5", context=slmt.Context(weights="bf16"))
    assert {info.weights for info in half.tensors.info().values()} == {"full", "bf16"}
    assert {info.weights for info in model.tensors.info().values()} == {"full"}


def test_the_arithmetic_is_chosen_by_name() -> None:
    for name in ("auto", "float32"):
        with slmt.Context(arithmetic=name, threads=1) as context:
            assert "bfloat16" not in repr(context)
    with pytest.raises(slmt.ArgumentError, match="expected auto or float32 or bf16"):
        slmt.Context(arithmetic="half")  # type: ignore[arg-type]
    try:
        context = slmt.Context(arithmetic="bf16", threads=1)
    except slmt.Error as error:
        assert "bfloat16 arithmetic needs" in str(error)
    else:
        assert "bfloat16 arithmetic" in repr(context)


def test_card_and_preprocessing_can_be_changed(model: slmt.Model) -> None:
    model.card["name"] = "grün"
    assert model.card["name"] == "grün"
    assert "name" in list(model.card) and list(model.card) == sorted(model.card)
    del model.card["name"]
    assert model.card["name"] == ""
    model.preprocess = replace(model.preprocess, target_resize="nearest", scaling="twice-p99", low_percentile=0.5)
    assert model.preprocess == replace(
        model.preprocess, target_resize="nearest", scaling="twice-p99", low_percentile=0.5
    )
    with pytest.raises(slmt.ArgumentError, match="target_resize"):
        model.preprocess = replace(model.preprocess, target_resize="cubic")


def test_defaults_of_preprocessing_are_the_librarys() -> None:
    from slmt import _api

    struct = _api.slmt_preprocess()
    _api.slmt_preprocess_init(struct)
    mine = slmt.Preprocess()._struct()
    assert bytes(mine) == bytes(struct)


# ---- failures ----


def test_a_missing_file_is_a_file_not_found_error_too(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        slmt.Model.load(tmp_path / "absent.h5")
    assert isinstance(caught.value, slmt.NoSuchFileError)
    assert (caught.value.status, caught.value.name) == (301, "SLMT_ERR_NOT_FOUND")
    assert caught.value.filename == str(tmp_path / "absent.h5")
    assert str(caught.value).startswith(str(tmp_path / "absent.h5"))


def test_damaged_and_foreign_files_are_told_apart(tmp_path: Path, model: slmt.Model) -> None:
    model.save(tmp_path / "model.h5")
    data = bytearray((tmp_path / "model.h5").read_bytes())
    data[-100] ^= 1
    with pytest.raises(slmt.CorruptError):
        slmt.Model.load(bytes(data))
    with pytest.raises(slmt.FormatError):
        slmt.Model.load(b"no checkpoint" * 100)


def test_a_file_whose_reading_fails_tells_why() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise TimeoutError("the server is gone")

    with pytest.raises(TimeoutError, match="the server is gone"):
        slmt.Model.load(Broken())


def test_memory_beyond_the_limit_is_a_memory_error() -> None:
    with slmt.Context(max_bytes=1 << 20) as context, pytest.raises(MemoryError) as caught:
        slmt.Model.create(preset="base", context=context)
    assert isinstance(caught.value, slmt.LimitError)


@pytest.mark.parametrize(
    ("method", "options", "problem"),
    [
        ("absent", {}, slmt.NotFoundError),
        ("slmt-net", {"absent": 1}, slmt.NotFoundError),
        ("slmt-net", {"depth": 0}, ValueError),
        ("slmt-net", {"depth": "many"}, slmt.ArgumentError),
    ],
)
def test_wrong_options_are_told(method: str, options: dict[str, int | str], problem: type[Exception]) -> None:
    with pytest.raises(problem):
        slmt.Model.create(method, options)


def test_a_closed_model_refuses_and_its_sessions_go_on(model: slmt.Model, slices: Array) -> None:
    session = model.session()
    model.close()
    model.close()
    assert model.closed and repr(model) == "<slmt.Model, closed>"
    with pytest.raises(slmt.StateError, match="closed"):
        model.method  # noqa: B018
    assert session.synthesize(slices).shape == slices.shape


def test_errors_survive_another_process() -> None:
    with pytest.raises(slmt.NoSuchFileError) as caught:
        slmt.Volume.read("/absent.nii")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), copy.status, str(copy)) == (slmt.NoSuchFileError, 301, str(caught.value))


def test_every_status_has_its_exception() -> None:
    from slmt import _api, _errors

    statuses = {value for name, value in vars(_api).items() if name.startswith("SLMT_ERR_")}
    assert statuses == set(_errors._CLASSES)


# ---- contexts and descriptions ----


def test_the_librarys_log_goes_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(slmt.UnsupportedError):
        slmt.Context(arithmetic="bf16", matrix="openblas")
    assert [(record.name, record.levelno) for record in caplog.records] == [("slmt", logging.ERROR)]
    assert "bfloat16 arithmetic needs matrix=auto or matrix=onednn" in caplog.text
    caplog.clear()
    with pytest.raises(slmt.UnsupportedError):
        slmt.Context(arithmetic="bf16", matrix="openblas", logger=logging.getLogger("mine"))
    assert [record.name for record in caplog.records] == ["mine"]


def test_a_context_says_what_it_computes_with() -> None:
    assert "reference" in repr(slmt.Context(backend="reference"))
    with pytest.raises(slmt.NotFoundError, match="slmt/libslmt_cuda.so"):
        slmt.Context(backend="cuda")
    with pytest.raises(slmt.NotFoundError, match="there is no /no/such/folder"):
        slmt.Context(backend="cuda", backend_path="/no/such/folder")
    with pytest.raises(slmt.UnsupportedError, match="there is no option fast"):
        slmt.Context(backend="reference", backend_options="fast")
    with pytest.raises(slmt.UnsupportedError, match="tf32"):
        slmt.Context(arithmetic="tf32")
    with pytest.raises(ValueError, match="cpu or reference or cuda"):
        slmt.Context(backend="gpu")  # type: ignore[arg-type]
    assert slmt.build().version == slmt.__version__


def test_methods_describe_themselves() -> None:
    found = slmt.methods()
    assert {"slmt-net", "seq2seq"} <= set(found)
    task = found["slmt-net"].tasks["pretrain"]
    assert task.trains and list(task.outputs)[-1] == "total" and task.inputs["images"].axes == "batch,height,width"
    weight = task.settings["patch_weight"]
    assert (weight.kind, weight.initial) == ("choice", weight.choices[0])
    assert found["seq2seq"].tasks["synthesize"].inputs["sequence"].dtype == np.int32


def test_numbers_and_ports_tell_their_roles() -> None:
    known = slmt.methods()
    assert known["slmt-net"].options["image_size"].role == "side" and known["slmt-net"].options["depth"].role == ""
    train = known["seq2seq"].tasks["train"]
    assert [train.settings[name].role for name in ("batch", "height", "crops")] == ["batch", "height", "crops"]
    choice = train.input_for("target_contrast")
    assert choice is not None and choice.name == "target_sequence" and not choice.batched
    assert train.inputs["source"].batched and not train.outputs["total"].batched
    assert known["vgg19"].tasks["distance"].input_for("source") is None


def test_a_task_tells_the_metrics_that_judge_it() -> None:
    metrics = slmt.methods()["slmt-net"].tasks["synthesize"].metrics
    assert list(metrics) == ["psnr", "ssim", "ssim_range_2", "nmse", "nmse_spectral", "mae"]
    assert metrics["psnr"].unit == "dB" and metrics["psnr"].higher_is_better and not metrics["mae"].higher_is_better
    assert slmt.methods()["vgg19"].tasks["distance"].metrics == {}


def test_the_contrasts_of_a_model_have_names_that_its_file_keeps(tmp_path: Path) -> None:
    with slmt.Model.create("seq2seq", {"widths": (2, 2, 2), "lstm_width": 2, "code_length": 2}) as model:
        assert model.contrasts == []
        model.contrasts = ["t1", "t1 ce"]
        with pytest.raises(slmt.ArgumentError, match="tells 2 apart"):
            model.contrasts = ["a", "b", "c"]
        model.save(tmp_path / "model.h5")
    with slmt.Model.load(tmp_path / "model.h5") as model:
        assert model.contrasts == ["t1", "t1 ce"]


def test_a_text_is_given_behind_its_name() -> None:
    number = slmt.Number("classes", "names", "text", (), "liver", 0, 0, "", "[a-z,]+")
    given = coded({"classes": "heart,lung", "side": 3}, {"classes": number})
    assert [(n.name, n.value) for n in given] == [(b"classes=heart,lung", 0.0), (b"side", 0.0)]
