# SPDX-License-Identifier: Apache-2.0
"""Training: step by step, or over a training set. Its checkpoint holds everything needed to go on."""

import ctypes
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from slmt import _api
from slmt._arrays import ArrayIn, Shape, Tensors
from slmt._call import Call, bar
from slmt._context import Context, context_or_default
from slmt._dataset import Dataset
from slmt._errors import check
from slmt._handle import Handle
from slmt._methods import Task, Value, coded, task_of, text
from slmt._model import Model
from slmt._paths import encoded
from slmt._session import port_shape, taken_for


@dataclass(frozen=True)
class Losses:
    """What a step reports."""

    total: float  # the task's last number: with one graph what was minimised, before the update
    learning_rate: float
    parts: Mapping[str, float]  # the task's other numbers by name


@dataclass(frozen=True)
class TrainingState:
    """Where training is."""

    step: int  # steps done
    steps_in_epoch: int  # of the set last run; 0 before
    total_steps: int  # of the whole run on that set; 0 before
    seed: int = 0  # of the trainer


@dataclass(frozen=True)
class RunInfo:
    """What a run over a training set would be."""

    is_other_set: bool  # the trainer has learned from a set with other contents; moved and renamed sets are the same
    samples: int  # of an epoch, such as slices or pairs of them, that the set has
    samples_used: int  # those that the setting data_rate leaves: the first ones
    subjects: int  # training subjects with such samples
    subjects_used: int
    steps_in_epoch: int
    total_steps: int  # of all epochs
    checkpoint_bytes: int  # tensors in a file of save(), which is a little larger


OnStep = Callable[[TrainingState, Losses], object]
"""Called after each step. False ends the run, between steps: Cancelled."""


def _memory(query: Callable[..., int], model: Model, task: str, settings: Mapping[str, Value]) -> int:
    numbers, count = coded(settings, task_of(model.method, task).settings), ctypes.c_uint64()
    check(query(model._pointer, task.encode(), numbers, len(numbers), count))
    return count.value


class Trainer(Handle):
    """Trains a model: "pretrain" and "finetune" of slmt-net, "train" of seq2seq, any task that trains.

    settings: by name, see methods(); those not named have their initial values, the papers'. seed: drives order,
    augmentation and whatever else is random; a run depends on it and the step alone.

    The steps change the model: nothing else uses it meanwhile. One call at a time: other threads wait for it, while
    Python goes on in them. cancel() may be called from any thread."""

    def __init__(self, model: Model, task: str, *, seed: int = 0, **settings: Value) -> None:
        described = task_of(model.method, task)
        pointer = ctypes.POINTER(_api.slmt_trainer)()
        numbers = coded(settings, described.settings)
        check(_api.slmt_trainer_create(model._pointer, task.encode(), numbers, len(numbers), seed, pointer))
        self._take(pointer)

    def _take(self, pointer: Any) -> None:
        super().__init__(pointer, _api.slmt_trainer_free)
        self._task = task_of(self.model.method, text(_api.slmt_trainer_task(pointer)))

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, context: Context | None = None) -> "Trainer":
        """Goes on where the trainer that save() wrote stopped: the run equals one that never stopped, bit for bit."""
        pointer = ctypes.POINTER(_api.slmt_trainer)()
        check(_api.slmt_trainer_load(context_or_default(context)._pointer, encoded(path), pointer), path)
        trainer = cls.__new__(cls)
        trainer._take(pointer)
        return trainer

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes model and training state in one checkpoint, whole or not at all. Model.load() reads its model."""
        with self._alone():
            check(_api.slmt_trainer_save(self._pointer, encoded(path)), path)

    @staticmethod
    def memory(model: Model, task: str, **settings: Value) -> int:
        """Bytes that such a trainer would hold."""
        return _memory(_api.slmt_trainer_memory, model, task, settings)

    @staticmethod
    def device_memory(model: Model, task: str, **settings: Value) -> int:
        """How many of these bytes are memory of a device, such as a graphics card."""
        return _memory(_api.slmt_trainer_device_memory, model, task, settings)

    @property
    def model(self) -> Model:
        """The model that is trained."""
        return Model._of(_api.slmt_model_retain(_api.slmt_trainer_model(self._pointer)))

    @property
    def task(self) -> Task:
        """What the trainer runs: its inputs with their axes, and the losses."""
        return self._task

    @property
    def settings(self) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for name, number in self._task.settings.items():
            if number.kind == "text":
                values[name] = text(_api.slmt_trainer_setting_text(self._pointer, name.encode()))
                continue
            value = ctypes.c_double()
            check(_api.slmt_trainer_setting(self._pointer, name.encode(), value))
            values[name] = number.value(value.value)
        return values

    @property
    def state(self) -> TrainingState:
        state = _api.slmt_training_state(struct_size=ctypes.sizeof(_api.slmt_training_state))
        check(_api.slmt_trainer_get_state(self._pointer, state))
        return _state(state)

    def shape(self, name: str) -> Shape:
        """The shape of an input of step()."""
        return port_shape(_api.slmt_trainer_shape, self._pointer, name)

    def step(self, inputs: Mapping[str, ArrayIn], rate: float) -> Losses:
        """One step on arrays by name, with as many samples as the setting `batch` says, at learning rate `rate`.

        A step that fails or is cancelled leaves the weights as they were."""
        arrays = Tensors(taken_for(self._task, inputs))
        with self._alone(), Call() as call:
            call.check(_api.slmt_trainer_step(self._pointer, arrays.array, arrays.count, rate))
            return self._losses()

    def attach(self, name: str, model: Model) -> None:
        """Attaches a second model to a task that reads one, such as a teacher; the trainer does not change it.

        A checkpoint does not hold it: it is attached again after load()."""
        with self._alone():
            check(_api.slmt_trainer_attach(self._pointer, name.encode(), model._pointer))

    def describe_run(self, dataset: Dataset, *, source: str | None = None, target: str | None = None) -> RunInfo:
        """What run() with these arguments would be; raises what it would raise before its first step."""
        info = _api.slmt_run_info(struct_size=ctypes.sizeof(_api.slmt_run_info))
        with self._alone(), dataset._alone():
            check(
                _api.slmt_trainer_describe_run(self._pointer, dataset._pointer, _name(source), _name(target), info)
            )
        return RunInfo(
            bool(info.is_other_set),
            info.samples,
            info.samples_used,
            info.records,
            info.records_used,
            info.steps_in_epoch,
            info.total_steps,
            info.checkpoint_bytes,
        )

    def time_step(self) -> float:
        """Seconds that a step takes, measured on zeros; weights and state stay. The optimiser's few per cent are missing."""
        seconds = ctypes.c_double()
        with self._alone():
            check(_api.slmt_trainer_time_step(self._pointer, seconds))
        return seconds.value

    def run(
        self,
        dataset: Dataset,
        *,
        source: str | None = None,
        target: str | None = None,
        max_steps: int = 0,
        on_step: OnStep | None = None,
        progress: bool = False,
    ) -> Losses | None:
        """Trains on a set's training subjects, from where the trainer is to the end of its schedule, or `max_steps`.

        source, target: contrasts of tasks that are told theirs: fine-tuning both, pre-training `source` or all of the
        set. progress: a bar of tqdm. Ctrl-C ends the run after the step, so that it can be saved or go on. Returns the
        last step's losses.

        After the first step the model takes over the set's preprocessing, and its card the contrasts; its fields "data"
        and "training" are the caller's to fill."""
        with (
            self._alone(),
            dataset._alone(),
            Call() as call,
            self._stepping(call, on_step, progress) as (callback, last),
        ):
            call.check(
                _api.slmt_trainer_run(
                    self._pointer, dataset._pointer, _name(source), _name(target), max_steps, callback, None
                )
            )
        return last[0] if last else None

    @contextmanager
    def _stepping(self, call: Call, on_step: OnStep | None, progress: bool) -> Iterator[tuple[Any, list[Losses]]]:
        """The C callback, and where it puts the last losses."""
        last: list[Losses] = []

        def stepped(update: Any, state: TrainingState, losses: Losses) -> object:
            last[:] = [losses]
            if update is not None:
                update(self._task.name, state.step, state.total_steps, f"loss {losses.total:.4g}")
            return on_step(state, losses) if on_step else None

        def callback_with(update: Any) -> Any:
            def called(user: int | None, trainer: Any, state: Any) -> int:
                return call.ask(lambda: stepped(update, _state(state[0]), self._losses()))

            return _api.slmt_step_fn(called)

        if progress:
            with bar() as update:
                yield callback_with(update), last
        else:
            yield callback_with(None), last

    def _losses(self) -> Losses:
        """The values of the last step; the caller holds the trainer."""
        values, value = {}, ctypes.c_double()
        for index in range(_api.slmt_trainer_value_count(self._pointer)):
            name = _api.slmt_trainer_value_name(self._pointer, index)
            check(_api.slmt_trainer_value(self._pointer, name, value))
            values[text(name)] = value.value
        learning_rate = values.pop("learning_rate")
        total = values.pop(list(values)[-1]) if values else 0.0
        return Losses(total, learning_rate, values)

    def cancel(self) -> None:
        """Ends the running step or run with Cancelled, from any thread: the step is dropped whole."""
        _api.slmt_trainer_cancel(self._pointer)

    def __repr__(self) -> str:
        return "<slmt.Trainer, closed>" if self.closed else f"<slmt.Trainer {self._task.name}, step {self.state.step}>"


def _state(state: Any) -> TrainingState:
    return TrainingState(state.step, state.steps_in_epoch, state.total_steps, state.seed)


def _name(name: str | None) -> bytes | None:
    return None if name is None else name.encode()
