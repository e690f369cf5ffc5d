# SPDX-License-Identifier: Apache-2.0
"""Synthesis of arrays and volumes; progress, cancelling, ctrl-C, threads."""

import importlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import slmt
from conftest import small_preprocess
from samples import Array
from small import SEQ2SEQ, SIDE, head

nibabel: Any = importlib.import_module("nibabel")  # which is typed in part


@pytest.fixture
def session(model: slmt.Model) -> Iterator[slmt.Session]:
    with model.session() as made:
        yield made


@pytest.fixture
def any_to_any(context: slmt.Context) -> slmt.Model:
    model = slmt.Model.create("seq2seq", SEQ2SEQ, seed=1, context=context)
    model.contrasts = ["t1", "t2", "flair"]
    model.preprocess = replace(small_preprocess(), scaling="twice-p99")
    return model


# ---- arrays ----


def test_slices_stand_alone(session: slmt.Session, slices: Array) -> None:
    together = session.synthesize(slices)
    assert together.shape == slices.shape
    for one, wanted in zip(slices, together, strict=True):
        assert np.array_equal(session.synthesize(one), wanted)
    assert not np.array_equal(together[0], together[1])


@pytest.mark.parametrize("shape", [(SIDE,), (2, SIDE, SIDE + 1), (SIDE + 1, SIDE), (1, 1, SIDE, SIDE), (0, SIDE, SIDE)])
def test_slices_of_another_shape_are_refused(shape: tuple[int, ...], session: slmt.Session) -> None:
    with pytest.raises(slmt.ArgumentError):
        session.synthesize(np.zeros(shape, np.float32))


def test_an_input_that_is_not_finite_is_told(session: slmt.Session, slices: Array) -> None:
    slices[1, 2, 3] = np.nan
    with pytest.raises(slmt.NonFiniteError):
        session.synthesize(slices)


def test_a_task_by_name_does_the_same(session: slmt.Session, slices: Array) -> None:
    wanted = session.synthesize(slices)
    out = {"target": np.empty_like(slices)}
    assert session.run({"source": slices}, out=out)["target"] is out["target"]
    assert np.array_equal(out["target"], wanted)
    assert session.shape("source") == (1, SIDE, SIDE)


def test_wrong_names_are_told(session: slmt.Session, model: slmt.Model, slices: Array) -> None:
    for call in (
        lambda: session.run({"src": slices}),
        lambda: session.run({"source": slices}, out={"absent": slices}),
        lambda: model.session("absent"),
        lambda: model.session(absent=1),
        lambda: session.set("absent", [1]),
        lambda: model.session(to="t2"),
    ):
        with pytest.raises(slmt.NotFoundError):
            call()
    with pytest.raises(slmt.StateError):
        model.session("pretrain")


def test_memory_is_told_before_it_is_taken(model: slmt.Model, context: slmt.Context) -> None:
    wanted = slmt.Session.memory(model, batch=4)
    before = context.live_bytes
    with model.session(batch=4):
        assert context.live_bytes - before == wanted
    assert wanted > slmt.Session.memory(model)
    assert slmt.Session.device_memory(model) == context.device_bytes == 0  # the cpu's is the host's


# ---- volumes ----


def test_a_volume_becomes_a_volume_on_the_same_grid(session: slmt.Session, model: slmt.Model) -> None:
    source = head(0, 0)
    made = session.synthesize_volume(source)
    assert made.shape == source.shape and np.array_equal(made.affine, source.affine)
    assert not made.voxels[:, :, [0, 7]].any() and made.voxels[:, :, 1:7].any()  # slices 1 to 6
    seen = model.normalize(source)
    assert seen.voxels.max() <= 1 and not np.array_equal(seen.voxels, made.voxels)


def test_a_nibabel_image_becomes_a_nibabel_image(session: slmt.Session) -> None:
    source = head(0, 0)
    image = source.to_nibabel()
    image = type(image)(image.dataobj.astype(np.int16), image.affine, image.header)
    image.set_data_dtype(np.int16)
    image.header["descrip"] = b"scanner 7"
    made = session.synthesize_volume(image)
    source = slmt.Volume.from_nibabel(image)
    assert isinstance(made, nibabel.Nifti1Image)
    assert b"synthetic MR, not for diagnosis" in made.header["descrip"].tobytes()
    assert made.get_data_dtype() == np.float32
    assert np.array_equal(made.affine, image.affine) and made.header.get_xyzt_units() == image.header.get_xyzt_units()
    assert np.array_equal(made.get_fdata(), session.synthesize_volume(source).voxels)


# ---- any sequence from any other ----


def test_a_sequence_is_chosen_by_its_name(any_to_any: slmt.Model, slices: Array) -> None:
    made = {}
    for name in any_to_any.contrasts:
        with any_to_any.session(to=name) as session:
            assert session.settings["height"] == SIDE
            made[name] = session.synthesize(slices)
            assert session.synthesize_volume(head(0, 0)).voxels.any()
    with any_to_any.session() as session:
        session.set("sequence", [2])
        assert np.array_equal(session.synthesize(slices), made["flair"])
    assert not np.array_equal(made["t1"], made["flair"])
    with pytest.raises(slmt.NotFoundError, match="t1, t2, flair"):
        any_to_any.session(to="pd")


def test_a_sequence_that_nobody_chose_is_missed(any_to_any: slmt.Model, slices: Array) -> None:
    with any_to_any.session() as session, pytest.raises(slmt.StateError):
        session.synthesize(slices)


def test_several_inputs_run_by_name(any_to_any: slmt.Model) -> None:
    with any_to_any.session(batch=2) as session:
        source = np.random.default_rng(0).uniform(-1, 1, (3, *session.shape("source")[1:]))
        made = session.run({"source": source, "sequence": [1]})
    assert made["target"].shape == source.shape and np.abs(made["target"]).max() < 1


# ---- progress, cancelling, ctrl-C ----


def test_progress_is_told(session: slmt.Session, slices: Array) -> None:
    seen: list[tuple[int, int]] = []
    session.synthesize(slices, progress=lambda stage, done, total: seen.append((done, total)))
    assert seen == [(n, 5) for n in range(1, 6)]


def test_progress_can_be_a_bar(session: slmt.Session, slices: Array, capsys: pytest.CaptureFixture[str]) -> None:
    session.synthesize(slices, progress=True)
    assert "5/5" in capsys.readouterr().err


def test_a_false_from_progress_cancels(session: slmt.Session, slices: Array) -> None:
    wanted = session.synthesize(slices)
    with pytest.raises(slmt.Cancelled):
        session.synthesize(slices, progress=lambda stage, done, total: done < 2)
    assert np.array_equal(session.synthesize(slices), wanted)


def test_an_exception_in_progress_goes_on_after_the_call(session: slmt.Session, slices: Array) -> None:
    calls = []

    def fail(stage: str, done: int, total: int) -> None:
        calls.append(done)
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        session.synthesize(slices, progress=fail)
    assert calls == [1]


def test_cancel_ends_the_next_call(session: slmt.Session, slices: Array) -> None:
    session.cancel()
    with pytest.raises(slmt.Cancelled):
        session.synthesize(slices)
    session.synthesize(slices)


def test_ctrl_c_ends_the_call_and_the_session_goes_on(session: slmt.Session, slices: Array) -> None:
    handler = signal.getsignal(signal.SIGINT)
    seen: list[int] = []

    def interrupt(stage: str, done: int, total: int) -> None:
        seen.append(done)
        if done == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        session.synthesize(slices, progress=interrupt)
    assert seen[1] == 2 and len(seen) < 5 and signal.getsignal(signal.SIGINT) is handler
    assert session.synthesize(slices).shape == slices.shape


def test_ctrl_c_ends_a_call_that_tells_no_progress(session: slmt.Session) -> None:
    many = np.zeros((20000, SIDE, SIDE), np.float32)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        session.synthesize(many)


def test_a_handler_of_the_programs_own_is_called_and_outputs_are_not_taken_for_done(
    session: slmt.Session, slices: Array
) -> None:
    caught: list[int] = []
    old = signal.signal(signal.SIGINT, lambda number, frame: caught.append(number))
    try:
        with pytest.raises(slmt.Cancelled):
            session.synthesize(slices, progress=lambda stage, done, total: os.kill(os.getpid(), signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, old)
    assert signal.SIGINT in caught


# ---- threads ----


def test_a_callback_cannot_use_its_own_session(session: slmt.Session, slices: Array) -> None:
    with pytest.raises(slmt.StateError, match="in a call"):
        session.synthesize(slices, progress=lambda stage, done, total: session.synthesize(slices))
    with pytest.raises(slmt.StateError, match="in a call"):
        session.synthesize(slices, progress=lambda stage, done, total: session.close())


def test_threads_take_turns_on_a_session(session: slmt.Session, slices: Array) -> None:
    wanted = session.synthesize(slices)
    made: list[Array] = []
    threads = [threading.Thread(target=lambda: made.append(session.synthesize(slices))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4 and all(np.array_equal(one, wanted) for one in made)


def test_two_sessions_of_a_model_run_at_once(model: slmt.Model, slices: Array) -> None:
    """Each waits in its first callback until the other is in one: that ends only if both calls run."""
    both = threading.Barrier(2, timeout=60)
    made: list[Array] = []

    def run() -> None:
        def meet(stage: str, done: int, total: int) -> None:
            if done == 1:
                both.wait()

        with model.session() as session:
            made.append(session.synthesize(slices, progress=meet))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 2 and np.array_equal(made[0], made[1])
