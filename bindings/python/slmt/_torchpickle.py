# SPDX-License-Identifier: Apache-2.0
"""Reads the pickles inside PyTorch checkpoints without importing or calling anything that they name.

A pickle is a program for a small stack machine. This is that machine with the instructions that tensors and plain
containers need, and no other. A global is a Name; "calling" one asks `call`, which knows a few names and what they
mean here. State that an object wants to be given (BUILD) is dropped. So the worst that a hostile pickle can do is
to be refused. It is no unpickler for anything else."""

import pickletools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO


class TorchFileError(ValueError):
    """The file is no PyTorch checkpoint, is damaged, or holds what is not read. The text says which."""


@dataclass(frozen=True)
class Name:
    """A global that a pickle names. Nothing is imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Inert:
    """Stands where an object was that no tensor needs, such as the options of a training run."""


Call = Callable[[Name, tuple[Any, ...]], object]
Persistent = Callable[[object], object]


def read(file: BinaryIO, call: Call, persistent: Persistent) -> object:
    """The object of one pickle, which begins where `file` stands; after it `file` stands behind the pickle.

    `file` must hand out no more than it has when it is asked for more, as io.BytesIO does."""
    machine = _Machine(call, persistent)
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                return machine.pop()
            machine.step(opcode.name, argument)
    except TorchFileError:
        raise
    except (ValueError, IndexError) as error:  # what pickletools raises, and a stack that ran empty
        raise TorchFileError(f"damaged pickle: {error}") from error
    raise TorchFileError("damaged pickle: no end")


_PUSH = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE "
    "SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8".split()
)
_CONSTANT = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], object]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLE_OF = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NOTHING = frozenset(("PROTO", "FRAME"))
_KEY = (str, int, float, bytes, type(None))  # a tuple of tuples of ... takes for ever to hash


class _Machine:
    def __init__(self, call: Call, persistent: Persistent) -> None:
        self._call = call
        self._persistent = persistent
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []  # the stacks below each mark
        self._memo: dict[int, object] = {}

    def pop(self) -> Any:
        return self._stack.pop()

    def step(self, name: str, argument: Any) -> None:
        if name in _PUSH:
            self._stack.append(argument)
        elif name in _CONSTANT:
            self._stack.append(_CONSTANT[name])
        elif name in _EMPTY:
            self._stack.append(_EMPTY[name]())
        elif name in _TUPLE_OF:
            self._stack.append(tuple(self._take(_TUPLE_OF[name])))
        elif name not in _NOTHING:
            instruction = getattr(self, "_do_" + name.lower(), None)
            if instruction is None:
                raise TorchFileError(f"the pickle uses {name}, which tensors have no need of")
            instruction(argument)

    def _take(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise IndexError("too little on the stack")
        taken = self._stack[-count:]
        del self._stack[-count:]
        return taken

    def _to_mark(self) -> list[Any]:
        above, self._stack = self._stack, self._marked.pop()
        return above

    # ---- the stack and the memo ----

    def _do_mark(self, _: Any) -> None:
        self._marked.append(self._stack)
        self._stack = []

    def _do_pop(self, _: Any) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._to_mark()

    def _do_pop_mark(self, _: Any) -> None:
        self._to_mark()

    def _do_dup(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def _do_put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    _do_binput = _do_long_binput = _do_put

    def _do_memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _do_get(self, index: int) -> None:
        if index not in self._memo:
            raise TorchFileError(f"damaged pickle: nothing was stored as {index}")
        self._stack.append(self._memo[index])

    _do_binget = _do_long_binget = _do_get

    # ---- containers ----

    def _do_tuple(self, _: Any) -> None:
        items = self._to_mark()
        self._stack.append(tuple(items))

    def _do_list(self, _: Any) -> None:
        items = self._to_mark()
        self._stack.append(items)

    def _do_dict(self, _: Any) -> None:
        items = self._to_mark()
        self._stack.append({})
        self._set_items(items)

    def _do_append(self, _: Any) -> None:
        self._extend(self._take(1))

    def _do_appends(self, _: Any) -> None:
        self._extend(self._to_mark())

    def _do_setitem(self, _: Any) -> None:
        self._set_items(self._take(2))

    def _do_setitems(self, _: Any) -> None:
        self._set_items(self._to_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Inert):
            raise TorchFileError("damaged pickle: items for what is no list")

    def _set_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, dict):
            target.update(pairs(zip(items[::2], items[1::2], strict=True)))
        elif not isinstance(target, Inert):
            raise TorchFileError("damaged pickle: items for what is no dictionary")

    # ---- names and what is made of them ----

    def _do_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(Name(module, name))

    def _do_stack_global(self, _: Any) -> None:
        module, name = self._take(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise TorchFileError("damaged pickle: a global whose name is no text")
        self._stack.append(Name(module, name))

    def _do_reduce(self, _: Any) -> None:
        function, arguments = self._take(2)
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise TorchFileError("damaged pickle: a call of what is no function")
        self._stack.append(self._call(function, arguments))

    _do_newobj = _do_reduce

    def _do_build(self, _: Any) -> None:
        self._take(1)
        if not self._stack:
            raise IndexError("too little on the stack")

    def _do_binpersid(self, _: Any) -> None:
        self._stack.append(self._persistent(self.pop()))


def pairs(items: Iterable[object]) -> dict[Any, object]:
    """A dictionary of (key, value) pairs, whose keys are checked to be plain."""
    made: dict[Any, object] = {}
    for item in items:
        if not isinstance(item, (tuple, list)) or len(item) != 2 or not isinstance(item[0], _KEY):
            raise TorchFileError("the pickle has a dictionary whose keys are neither texts nor numbers")
        made[item[0]] = item[1]
    return made
