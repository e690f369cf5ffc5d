# SPDX-License-Identifier: Apache-2.0
"""What methods there are, described so that a program can use one it has never heard of; and what the library is."""

import ctypes
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np

from slmt import _api
from slmt._arrays import TYPES
from slmt._errors import ArgumentError, NotFoundError, check

Value = Union[int, float, str]


@dataclass(frozen=True)
class Number:
    """An option of a method, or a setting of a task."""

    name: str
    help: str  # what it is, with its unit
    kind: str  # "whole", "real", "choice" or "text"
    choices: tuple[str, ...]  # () for other kinds
    initial: Value  # where none is given
    low: float
    high: float
    role: str = ""  # what it is for in any method: "batch", "side", "height", "width", "depth", "contrasts", "crops"
    pattern: str = ""  # what the whole of a text matches, an extended regular expression of POSIX

    def code(self, value: Value) -> float:
        """A value as the library has it: of a choice its index; of a text 0, which goes by "NAME=TEXT"."""
        if self.kind == "text":
            return 0.0
        if not isinstance(value, str):
            return float(value)
        if value not in self.choices:
            raise ArgumentError(f"{self.name} is '{value}', expected {' or '.join(self.choices) or 'a number'}")
        return float(self.choices.index(value))

    def value(self, code: float) -> Value:
        """What the library has, as a whole number, a real number or a choice's name."""
        return _value(self.kind, self.choices, code)


def _value(kind: str, choices: tuple[str, ...], code: float) -> Value:
    return code if kind == "real" else int(code) if kind == "whole" else choices[int(code)]


@dataclass(frozen=True)
class Port:
    """An input or an output of a task."""

    name: str
    help: str  # what it holds, with its range
    dtype: np.dtype[Any]  # float32 or int32
    axes: str  # names of the axes, outermost first: "batch,height,width"
    role: str = ""  # what it is for in any method: "source", "target", "source_contrast", "target_contrast"
    batched: bool = False  # whether the first axis counts samples, and may have any length


@dataclass(frozen=True)
class Metric:
    """A figure by which a task is judged."""

    name: str
    title: str
    unit: str  # "dB"; "" if it has none
    help: str  # its definition
    higher_is_better: bool
    decimals: int  # digits after the point that a table shows
    by_class: bool  # whether there is a value for each class of a label map


@dataclass(frozen=True)
class Task:
    name: str
    help: str
    trains: bool  # for a Trainer; else for a Session
    settings: Mapping[str, Number]
    inputs: Mapping[str, Port]
    outputs: Mapping[str, Port]  # of a task that trains: losses, the last is what is minimised
    metrics: Mapping[str, Metric]  # the most telling one first
    second_model: str = ""  # what Trainer.attach() calls the model that it also learns from: "teacher"; "": none

    def input_for(self, role: str) -> Port | None:
        """The input that has a role."""
        return next((port for port in self.inputs.values() if port.role == role), None)


@dataclass(frozen=True)
class Method:
    name: str
    title: str
    source: str  # the paper
    options: Mapping[str, Number]
    tasks: Mapping[str, Task]
    presets: tuple[str, ...]  # sets of options, see Model.create()


@dataclass(frozen=True)
class Build:
    """How the library that is loaded was built, and what it uses on this machine."""

    version: str
    abi: int
    commit: str
    compiler: str
    backends: str
    matrix: str  # libraries for matrix products
    cpu_level: str


def text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


def _all(count: int, kind: Any, function: Callable[..., int], *where: bytes) -> Iterator[Any]:
    for index in range(count):
        info = kind(struct_size=ctypes.sizeof(kind))
        check(function(*where, index, ctypes.byref(info)))
        yield info


_ROLES = {
    getattr(_api, name): name[len("SLMT_ROLE_") :].lower() if name != "SLMT_ROLE_NONE" else ""
    for name in dir(_api)
    if name.startswith("SLMT_ROLE_")
}

_KINDS = {
    _api.SLMT_NUMBER_WHOLE: "whole",
    _api.SLMT_NUMBER_REAL: "real",
    _api.SLMT_NUMBER_CHOICE: "choice",
    _api.SLMT_NUMBER_LIST: "whole",  # of each element
    _api.SLMT_NUMBER_TEXT: "text",
}


def _numbers(infos: Iterator[Any]) -> dict[str, Number]:
    """By name; the elements of a list are numbers of their own, NAME_0, NAME_1 and so on."""
    numbers = {}
    for info in infos:
        kind = _KINDS[info.kind]
        role, help_ = _ROLES.get(info.role, ""), text(info.help)
        if kind == "text":
            name, form = text(info.name), text(info.pattern)
            numbers[name] = Number(name, help_, kind, (), text(info.list), 0, 0, role, form)
            continue
        choices = tuple(text(info.choices).split("|")) if kind == "choice" else ()
        initial = [float(x) for x in text(info.list).split(",")] if info.count else [info.initial]
        for index, one in enumerate(initial):
            name = f"{text(info.name)}_{index}" if info.count else text(info.name)
            value = _value(kind, choices, one)
            numbers[name] = Number(name, help_, kind, choices, value, info.low, info.high, role)
    return numbers


def _ports(infos: Iterator[Any]) -> dict[str, Port]:
    return {
        text(info.name): Port(
            text(info.name),
            text(info.help),
            np.dtype(TYPES[info.type]),
            text(info.axes),
            _ROLES.get(info.role, ""),
            bool(info.batched),
        )
        for info in infos
    }


def _metrics(infos: Iterator[Any]) -> dict[str, Metric]:
    return {
        text(info.name): Metric(
            text(info.name),
            text(info.title),
            text(info.unit),
            text(info.help),
            info.direction == _api.SLMT_METRIC_HIGHER,
            info.decimals,
            bool(info.by_class),
        )
        for info in infos
    }


def _task(method: bytes, info: Any) -> Task:
    where = method, info.name
    return Task(
        text(info.name),
        text(info.help),
        bool(info.trains),
        _numbers(_all(info.settings, _api.slmt_number_info, _api.slmt_task_setting, *where)),
        _ports(_all(info.inputs, _api.slmt_port_info, _api.slmt_task_input, *where)),
        _ports(_all(info.outputs, _api.slmt_port_info, _api.slmt_task_output, *where)),
        _metrics(_all(info.metrics, _api.slmt_metric_info, _api.slmt_task_metric, *where)),
        text(info.second_model),
    )


def methods() -> dict[str, Method]:
    """All methods by name. Any thread."""
    found = {}
    for info in _all(_api.slmt_method_count(), _api.slmt_method_info, _api.slmt_method_describe):
        tasks = _all(info.tasks, _api.slmt_task_info, _api.slmt_method_task, info.name)
        found[text(info.name)] = Method(
            text(info.name),
            text(info.title),
            text(info.source),
            _numbers(_all(info.options, _api.slmt_number_info, _api.slmt_method_option, info.name)),
            {text(task.name): _task(info.name, task) for task in tasks},
            tuple(name for name in text(info.presets).split("|") if name),
        )
    return found


def task_of(method: str, name: str) -> Task:
    tasks = methods()[method].tasks
    if name not in tasks:
        raise NotFoundError(f"{method} has no task {name}; it has {', '.join(tasks)}")
    return tasks[name]


def coded(values: Mapping[str, Value | Sequence[Value]], known: Mapping[str, Number]) -> Any:
    """Numbers by name as slmt_number[]; a sequence is a list's elements. The library says what is wrong."""
    flat: dict[str, Value] = {}
    for name, value in values.items():
        if isinstance(value, (str, int, float)):
            flat[name] = value
        else:
            flat.update({f"{name}_{index}": one for index, one in enumerate(value)})
    array = (_api.slmt_number * len(flat))()
    for number, (name, one) in zip(array, flat.items(), strict=True):
        is_text = name in known and known[name].kind == "text"
        number.name = f"{name}={one}".encode() if is_text else name.encode()
        number.value = known[name].code(one) if name in known else 0.0
    return array


def build() -> Build:
    """Describes the library that is loaded. Any thread."""
    info = _api.slmt_build_info(struct_size=ctypes.sizeof(_api.slmt_build_info))
    check(_api.slmt_build_describe(ctypes.byref(info)))
    return Build(
        text(info.version), info.abi, text(info.commit), text(info.compiler), text(info.backends), text(info.matrix),
        text(info.cpu_level),
    )  # fmt: skip
