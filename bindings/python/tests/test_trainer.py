# SPDX-License-Identifier: Apache-2.0
"""Training sets are written and read, and networks are trained on them; stopped runs go on as if they had not been."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import slmt
from conftest import small_preprocess
from samples import Array
from small import SEQ2SEQ, SIDE, head


@pytest.fixture
def dataset(training_set: Path, context: slmt.Context) -> Iterator[slmt.Dataset]:
    with slmt.Dataset(training_set, context=context) as made:
        yield made


# ---- sets ----


def test_a_set_has_what_was_added(dataset: slmt.Dataset) -> None:
    assert dataset.contrasts == ("t1", "t2", "flair") and dataset.subjects == ("s0", "s1", "s2", "s3")
    assert [dataset.split(name) for name in dataset.subjects] == ["train", "train", "train", "test"]
    assert dataset.preprocess == small_preprocess()
    assert (dataset.slice_count("s1", "t1"), dataset.slice_count("s1", "flair")) == (6, 0)
    slices = dataset.slices("s0", "t1")
    assert slices.shape == (6, SIDE, SIDE) and slices.min() == 0 and slices.max() == 1
    for call in (
        lambda: dataset.slices("s1", "flair"),
        lambda: dataset.split("s9"),
        lambda: dataset.slices("s0", "pd"),
    ):
        with pytest.raises(slmt.NotFoundError):
            call()


def test_a_mask_is_cut_as_the_volumes_were(dataset: slmt.Dataset) -> None:
    whole = head(0, 0).to_nibabel()
    data = np.asarray(whole.dataobj) > 0
    mask = slmt.Volume(data.astype(np.float32), whole.affine)
    cut = dataset.cut_labels(mask, 6)
    side = dataset.preprocess.crop_size
    assert cut.shape == (6, side, side) and cut.dtype == np.int32 and set(np.unique(cut)) == {0, 1}
    with pytest.raises(slmt.ArgumentError, match="gives 6 slices, expected 5"):
        dataset.cut_labels(mask, 5)


FIELDS = (
    slmt.Field("photo", "image", np.uint8, ("row", "column", "band"), (None, None, 3)),
    slmt.Field("mask", "labels", np.uint8, ("row", "column"), (None, None), {0: "background", 7: "left lung"}),
    slmt.Field("box", "boxes", np.float32, ("box", "corner"), (None, 4)),
    slmt.Field("what", "classes", np.int32, ("box",), (None,), {-1: "crowd", 3: "person"}),
    slmt.Field("code", "vector", np.float16, ("value",), (5,)),
)


def write_records(path: Path) -> dict[str, Array]:
    random = np.random.default_rng(1)
    arrays: dict[str, Array] = {
        "photo": random.integers(0, 256, (7, 4, 3), np.uint8),
        "mask": random.choice(np.array([0, 7], np.uint8), (7, 4)),
        "box": random.random((2, 4), np.float32),
        "what": np.array([3, -1], np.int32),
        "code": random.random(5, np.float32).astype(np.float16),
    }
    with slmt.RecordWriter(path, FIELDS) as writer:
        writer.add("a", arrays, group="ward.2")
        with writer.record("b", split="validation"):
            writer.append("box", np.empty((0, 4)))
            writer.append("what", np.empty(0, np.int32))
            for row in arrays["photo"]:
                writer.append("photo", row[None])
        with pytest.raises(ZeroDivisionError), writer.record("c"):
            writer.append("photo", arrays["photo"])
            raise ZeroDivisionError
        with pytest.raises(slmt.ArgumentError, match="axis row of photo has extent 7"):
            writer.add("c", {"photo": arrays["photo"], "mask": arrays["mask"][1:]})
        with pytest.raises(slmt.ArgumentError, match="none of the field's classes"):
            writer.add("c", {"what": [2]})
        with pytest.raises(slmt.NotFoundError, match="no field depth"):
            writer.add("c", {"depth": [2]})
        with pytest.raises(TypeError, match="box holds complex"):
            writer.add("c", {"box": np.zeros((1, 4), complex)})
    return arrays


def test_records_of_any_fields_come_back(tmp_path: Path) -> None:
    arrays = write_records(tmp_path / "set.h5")
    with slmt.Dataset(tmp_path / "set.h5") as made:
        assert made.fields == FIELDS and made.source == "" and made.contrasts == ()
        assert made.records == (slmt.Record("a", "ward.2", "train"), slmt.Record("b", "b", "validation"))
        for name, array in arrays.items():
            read = made.read("a", name)
            assert read.dtype == array.dtype and made.shape("a", name) == array.shape
            assert np.array_equal(read, array)
        assert made.shape("b", "box") == (0, 4) and made.read("b", "what").shape == (0,)
        assert np.array_equal(made.read("b", "photo", 2, 3), arrays["photo"][2:5])
        out = np.empty((2, 4), np.float32)
        assert made.read("a", "box", out=out) is out and np.array_equal(out, arrays["box"])
        with pytest.raises(slmt.NotFoundError, match="record b has no mask"):
            made.read("b", "mask")
        with pytest.raises(slmt.ArgumentError, match="rows 6 to 7"):
            made.read("a", "photo", 6, 2)
        with pytest.raises(slmt.StateError, match="not made from MR volumes"):
            _ = made.preprocess


def test_label_maps_lie_beside_contrasts(tmp_path: Path) -> None:
    labels = np.zeros((SIDE, SIDE, 8), np.float32)
    labels[3:5] = 4
    with slmt.DatasetWriter(tmp_path / "set.h5", ["t1"], small_preprocess(), labels=["tumour"]) as writer:
        writer.add("a", {"t1": head(0, 0), "tumour": slmt.Volume(labels, np.diag([1.0, 1.0, 3.0, 1.0]))})
    with slmt.Dataset(tmp_path / "set.h5") as made:
        assert made.source == "mr" and made.contrasts == ("t1",)
        assert made.fields[1].kind == "labels" and made.fields[1].classes == {0: "0", 4: "4"}
        assert sorted(np.unique(made.read("a", "tumour"))) == [0, 4]


def test_a_set_whose_writing_fails_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "set.h5"
    with pytest.raises(ZeroDivisionError), slmt.DatasetWriter(path, ["t1"], small_preprocess()) as writer:
        writer.add("a", {"t1": head(0, 0)})
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_set_does_not_outlive_the_program(tmp_path: Path) -> None:
    script = """
import os, numpy, slmt
small = slmt.Preprocess(crop_size=32, image_size=32, slice_first=0, slice_count=0)
writer = slmt.DatasetWriter("set.h5", ["t1"], small)
writer.add("a", {"t1": slmt.Volume(numpy.arange(32 * 32 * 8).reshape(32, 32, 8))})
print(len(os.listdir()))
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "1" and list(tmp_path.iterdir()) == []


def test_a_subject_that_cannot_be_used_is_told_and_others_can_be_added(tmp_path: Path) -> None:
    with slmt.DatasetWriter(tmp_path / "set.h5", ["t1", "t2"], small_preprocess()) as writer:
        with pytest.raises(slmt.ArgumentError, match="constant"):
            writer.add("a", {"t1": slmt.Volume(np.ones((SIDE, SIDE, 8)))})
        with pytest.raises(slmt.NotFoundError, match="pd"):
            writer.add("b", {"pd": head(0, 0)})
        writer.add("c", {"t2": head(0, 1).to_nibabel()}, split="test")
    assert slmt.Dataset(tmp_path / "set.h5").subjects == ("c",)


def test_a_subject_has_any_name_of_a_file_and_a_person(tmp_path: Path) -> None:
    names = ("Patient 01", "M\u00fcller", "\u540d\u524d", "a+b (2)", "x" * 255)
    with slmt.DatasetWriter(tmp_path / "set.h5", ["t1"], small_preprocess()) as writer:
        for name in names:
            writer.add(name, {"t1": head(0, 0)}, group="one person")
        for name in ("", "..", "a/b", "a\nb", "x" * 256):
            with pytest.raises(slmt.ArgumentError, match="name of a subject must be"):
                writer.add(name, {"t1": head(0, 0)})
    dataset = slmt.Dataset(tmp_path / "set.h5")
    assert dataset.subjects == names
    assert {record.group for record in dataset.records} == {"one person"}
    assert dataset.slices(names[1], "t1").shape[0] == 6


# ---- steps ----


def test_steps_lower_the_loss(model: slmt.Model, slices: Array) -> None:
    with slmt.Trainer(model, "finetune", batch=5) as trainer:
        assert trainer.shape("source") == (5, SIDE, SIDE)
        losses = [trainer.step({"source": slices, "target": 1 - slices}, rate=1e-2) for _ in range(20)]
        assert trainer.state.step == 20
    assert losses[-1].parts["l1"] < 0.9 * losses[0].parts["l1"]
    assert losses[0].total == pytest.approx(1e4 * losses[0].parts["l1"] + losses[0].parts["consistency"])
    assert losses[0].learning_rate == 1e-2


def test_a_step_that_fails_leaves_the_weights(model: slmt.Model, slices: Array) -> None:
    name = "G.norm_up.weight"
    before = model.tensors[name]
    with slmt.Trainer(model, "finetune", batch=5) as trainer:
        with pytest.raises(slmt.NonFiniteError):
            trainer.step({"source": slices, "target": np.full_like(slices, np.inf)}, rate=1)
        with pytest.raises(slmt.ArgumentError):
            trainer.step({"source": slices}, rate=1)
        assert np.array_equal(model.tensors[name], before)
        trainer.step({"source": slices, "target": slices}, rate=1e-2)
        assert not np.array_equal(model.tensors[name], before)
        assert np.array_equal(trainer.model.tensors[name], model.tensors[name])


def test_settings_are_read_back_and_wrong_ones_told(model: slmt.Model) -> None:
    with slmt.Trainer(model, "pretrain", batch=4, patch_weight="easy-then-hard") as trainer:
        assert (trainer.settings["batch"], trainer.settings["patch_weight"]) == (4, "easy-then-hard")
    with pytest.raises(slmt.ArgumentError, match="hard or easy-then-hard"):
        slmt.Trainer(model, "pretrain", patch_weight="soft")
    with pytest.raises(slmt.NotFoundError):
        slmt.Trainer(model, "pretrain", absent=1)
    with pytest.raises(slmt.StateError):
        slmt.Trainer(model, "synthesize")


def test_memory_is_told_before_it_is_taken(model: slmt.Model, context: slmt.Context) -> None:
    wanted = slmt.Trainer.memory(model, "pretrain", batch=2)
    before = context.live_bytes
    with slmt.Trainer(model, "pretrain", batch=2):
        assert context.live_bytes - before == wanted


# ---- runs ----


def test_pretraining_then_finetuning_then_synthesis(model: slmt.Model, dataset: slmt.Dataset) -> None:
    seen: list[tuple[int, int]] = []
    with slmt.Trainer(model, "pretrain", batch=8, epochs=2) as trainer:
        last = trainer.run(dataset, on_step=lambda state, losses: seen.append((state.step, state.total_steps)))
    total = 2 * (48 // 8)
    assert seen == [(step + 1, total) for step in range(total)]
    assert last is not None and set(last.parts) == {"reconstruction", "edge"}
    with slmt.Trainer(model, "finetune", batch=4, epochs=1, data_rate=1) as trainer:
        last = trainer.run(dataset, source="t1", target="t2")
        assert last is not None and last.parts["l1"] > 0 and trainer.state.step == 18 // 4
    assert (model.card["source_contrast"], model.preprocess) == ("t1", dataset.preprocess)
    with model.session(to="t2") as session:
        made = session.synthesize(dataset.slices("s3", "t1"))
    assert slmt.compare(made[0], dataset.slices("s3", "t2")[0]).psnr > 0


def test_seq2seq_trains_on_a_set_whose_subjects_lack_sequences(context: slmt.Context, dataset: slmt.Dataset) -> None:
    model = slmt.Model.create("seq2seq", SEQ2SEQ, context=context)
    with slmt.Trainer(model, "train", batch=1, height=SIDE, width=SIDE) as trainer:
        last = trainer.run(dataset, max_steps=2)
        assert last is not None and {"reconstruction", "cycle"} <= set(last.parts)
    assert model.contrasts == ["t1", "t2", "flair"]


def run_in(dataset: slmt.Dataset, trainer: slmt.Trainer, steps: int = 0) -> None:
    trainer.run(dataset, source="t1", target="t2", max_steps=steps)


def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(
    model: slmt.Model, dataset: slmt.Dataset, context: slmt.Context, tmp_path: Path
) -> None:
    model.save(tmp_path / "start.h5")
    whole, parts = (slmt.Model.load(tmp_path / "start.h5", context=context) for _ in range(2))
    with slmt.Trainer(whole, "finetune", batch=4, epochs=2, seed=5) as trainer:
        run_in(dataset, trainer)
        trainer.save(tmp_path / "whole.h5")
    with slmt.Trainer(parts, "finetune", batch=4, epochs=2, seed=5) as trainer:
        run_in(dataset, trainer, 3)
        trainer.save(tmp_path / "parts.h5")
    with slmt.Trainer.load(tmp_path / "parts.h5", context=context) as trainer:
        assert (trainer.state.step, trainer.task.name) == (3, "finetune")
        run_in(dataset, trainer)
        trainer.save(tmp_path / "parts.h5")
    assert (tmp_path / "parts.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    with pytest.raises(slmt.StateError):
        slmt.Trainer.load(tmp_path / "start.h5")


def test_a_run_is_described_and_timed_before_it_begins(model: slmt.Model, dataset: slmt.Dataset) -> None:
    with slmt.Trainer(model, "finetune", batch=2, epochs=3, data_rate=0.5) as trainer:
        info = trainer.describe_run(dataset, source="t1", target="t2")
        assert (info.samples, info.samples_used, info.subjects, info.subjects_used) == (18, 9, 3, 2)
        assert (info.steps_in_epoch, info.total_steps, info.is_other_set) == (4, 12, False)
        assert info.checkpoint_bytes > 0 and trainer.time_step() > 0
        assert trainer.state.step == 0
        with pytest.raises(slmt.NotFoundError):
            trainer.describe_run(dataset, source="t1", target="pd")


def test_a_run_on_another_set_is_warned_of(model: slmt.Model, dataset: slmt.Dataset, tmp_path: Path) -> None:
    with slmt.DatasetWriter(tmp_path / "other.h5", ["t1", "t2"], small_preprocess()) as writer:
        for name in ("a", "b", "c"):
            writer.add(name, {"t1": head(0, 0), "t2": head(0, 1)})
    with slmt.Trainer(model, "finetune", batch=2) as trainer:
        trainer.run(dataset, source="t1", target="t2", max_steps=1)
        with slmt.Dataset(tmp_path / "other.h5") as other:
            assert trainer.describe_run(other, source="t1", target="t2").is_other_set
            with pytest.warns(slmt.Warning, match="another training set"):
                trainer.run(other, source="t1", target="t2", max_steps=1)


def test_ctrl_c_ends_a_run_after_the_step_and_it_can_go_on(model: slmt.Model, dataset: slmt.Dataset) -> None:
    steps: list[int] = []

    def interrupt(state: slmt.TrainingState, losses: slmt.Losses) -> None:
        steps.append(state.step)
        if state.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with slmt.Trainer(model, "pretrain", batch=8, epochs=1) as trainer:
        with pytest.raises(KeyboardInterrupt):
            trainer.run(dataset, on_step=interrupt)
        assert trainer.state.step == len(steps) < 6
        trainer.run(dataset)
        assert trainer.state.step == 6


def test_an_exception_or_a_false_in_on_step_ends_the_run(model: slmt.Model, dataset: slmt.Dataset) -> None:
    with slmt.Trainer(model, "pretrain", batch=8, epochs=1) as trainer:
        with pytest.raises(slmt.Cancelled):
            trainer.run(dataset, on_step=lambda state, losses: state.step < 2)
        with pytest.raises(ZeroDivisionError):
            trainer.run(dataset, on_step=lambda state, losses: 1 // 0)
        with pytest.raises(slmt.StateError, match="in a call"):
            trainer.run(dataset, on_step=lambda state, losses: dataset.slices("s0", "t1"))
        assert trainer.state.step == 4


def test_a_run_can_show_a_bar(model: slmt.Model, dataset: slmt.Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    with slmt.Trainer(model, "pretrain", batch=8, epochs=1) as trainer:
        trainer.run(dataset, progress=True)
    said = capsys.readouterr().err
    assert "pretrain" in said and "6/6" in said and "loss" in said


# ---- figures ----


def test_equal_images_agree_wholly(slices: Array) -> None:
    metrics = slmt.compare(slices[0], slices[0])
    assert (metrics.psnr, metrics.ssim, metrics.nmse, metrics.mae) == (100, 1, 0, 0)
    assert slmt.compare(slices[0], np.zeros_like(slices[0])).mae == pytest.approx(float(slices[0].mean()), rel=1e-5)
    with pytest.raises(slmt.ArgumentError, match="prediction"):
        slmt.compare(slices[0, 1:], slices[0])


def test_a_volume_is_compared_by_the_definition_that_is_named(slices: Array) -> None:
    truth = np.stack([slices[0], slices[1], np.zeros_like(slices[0])])
    made = np.clip(truth + np.float32(0.1) * (truth > 0) + np.float32(0.01), 0, 1)
    squares, energy = (made.astype(float) - truth) ** 2, truth.astype(float) ** 2
    volume = slmt.compare_volume(made, truth)
    assert (volume.slices, volume.with_signal, volume.pixels) == (3, 2, truth.size)
    assert volume.psnr == pytest.approx(-10 * np.log10(squares.mean()))
    assert volume.nmse == pytest.approx(squares.sum() / energy.sum()) and np.isnan(volume.nmse_spectral)
    ratios = squares[:2].sum((1, 2)) / energy[:2].sum((1, 2))
    assert slmt.compare_volume(made, truth, definition="slice").nmse == pytest.approx(ratios.mean())
    assert slmt.compare_volume(made, truth, definition="paper").nmse == pytest.approx(ratios.sum() / 3)
    assert np.isnan(slmt.compare(made[2], truth[2]).nmse)


def test_a_mask_says_which_pixels_count(slices: Array) -> None:
    truth, made = slices[:2], np.clip(slices[:2] + np.float32(0.2), 0, 1)
    mask = truth > 0.3
    squares = ((made.astype(float) - truth) ** 2)[mask]
    assert slmt.compare_volume(made, truth, mask).psnr == pytest.approx(-10 * np.log10(squares.mean()))
    assert slmt.compare(made[0], truth[0], mask[0]).pixels == mask[0].sum()
    with pytest.raises(slmt.ArgumentError, match="mask has shape"):
        slmt.compare(made[0], truth[0], mask)


def test_a_ranking_is_that_of_its_formula() -> None:
    psnr = np.array([[0, 20, 30], [22, 0, 28], [18, 21, 0]], float)
    pairs = [(s, t) for s in range(3) for t in range(3) if s != t]
    ranking = slmt.rank_sequences([slmt.PairScore(s, t, psnr=psnr[s, t]) for s, t in pairs], 3)
    scores = np.array([psnr[pair] for pair in pairs])
    z = (psnr - scores.mean()) / (scores.std() + 1e-9) * (1 - np.eye(3))
    assert np.allclose(ranking.agreement, z)
    assert np.allclose(ranking.totipotency, z.sum(1) / 3) and np.allclose(ranking.differentiation, -z.sum(0) / 3)


def test_a_map_is_the_mean_error(slices: Array) -> None:
    made = slmt.differentiation_map([slices[0], slices[1]], slices[2])
    assert np.allclose(made, (abs(slices[0] - slices[2]) + abs(slices[1] - slices[2])) / 2, atol=1e-6)
    with pytest.raises(slmt.ArgumentError):
        slmt.differentiation_map([], slices[2])
