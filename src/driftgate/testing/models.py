"""Models that misbehave on purpose, for tests of the whole pipeline: `python:driftgate.testing.models:NAME`.

Each factory returns a small layer and its inputs. "At work" means in the forward pass, outside of any compiler.

    healthy                     does what it should
    hangs                       never returns from its work
    hangs_deaf                  the factory hangs in native code, deaf to every signal that can be ignored
    raises                      an exception at work
    raises_in_factory           an exception, with terminal codes in its message, instead of a model
    segfaults                   reads address 0 at work
    exits                       `os._exit(0)` at work
    grows                       takes 20 MB more every 10 ms at work
    grows_while_traced          behaves at work; what traces it follows a loop without end that keeps tensors
    leaves_children             the factory leaves processes behind: a plain one, one with a session of its own, one forked twice
    floods                      100 MB on standard output at work
    closes_descriptors          closes every file descriptor at work
    prints_terminal_codes       colours, a window title and a bell from the factory
    returns_nan                 not a number, in every element
    changes_defaults            the factory sets float64 and seven threads as torch's defaults
    shows_defaults              its output tells which defaults its factory found: bytes of a float, number of threads
    returns_text                a string where tensors should be
    mutates_its_inputs          adds to its input in place
    waits_for_a_file            at work, waits until the file named by DRIFTGATE_TEST_GATE is there: to hold a run still
    counts_itself               each call of the factory appends a line to the file named by DRIFTGATE_TEST_COUNT
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

GATE = "DRIFTGATE_TEST_GATE"
COUNT = "DRIFTGATE_TEST_COUNT"
STRAY = "876543"
"""Seconds that the children of `leaves_children` sleep: how to find them in a list of processes."""

Made = tuple[nn.Module, dict[str, Tensor]]
_BLOCK = 20_000_000
_LINE = b"0123456789abcdef" * 4096


class Layer(nn.Module):
    """A linear layer; `act` is called first in each forward pass that is real work, not tracing."""

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(4, 4, dtype=torch.float32)
        self.act = act

    def forward(self, x: Tensor) -> Any:
        if not torch.compiler.is_compiling():
            self.act()
        return self.linear(x)


def _made(module: nn.Module) -> Made:
    return module, {"x": torch.linspace(-1, 1, 8, dtype=torch.float32).reshape(2, 4)}


def healthy() -> Made:
    """Does what it should."""
    return _made(Layer())


def hangs() -> Made:
    """Never returns from its work."""
    return _made(Layer(_sleep_for_ever))


def hangs_deaf() -> Made:
    """Ignores every signal that can be ignored, and holds the interpreter's lock in native code."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    while True:
        ctypes.PyDLL(None).pause()


def raises() -> Made:
    """An exception at work."""

    def act() -> NoReturn:
        raise ArithmeticError("the forward pass has had enough")

    return _made(Layer(act))


def raises_in_factory() -> Made:
    """An exception with a message that nobody should print as it is."""
    raise LookupError("no such \x1b[31mweights\x1b[0m\x1b]0;owned\x07")


def segfaults() -> Made:
    """Reads address 0 at work."""
    return _made(Layer(lambda: ctypes.string_at(0)))


def exits() -> Made:
    """`os._exit(0)` at work: the status of success, and no result."""
    return _made(Layer(lambda: os._exit(0)))


def grows() -> Made:
    """Takes 20 MB more every 10 ms at work."""

    def act() -> NoReturn:
        kept = []
        while True:
            kept.append(b"x" * _BLOCK)
            time.sleep(0.01)

    return _made(Layer(act))


class Endless(Layer):
    """A loop without end, for whoever traces it."""

    def forward(self, x: Tensor) -> Any:
        kept = []
        while torch.compiler.is_compiling():
            x = x + 1
            kept.append(x)
        return self.linear(x)


def grows_while_traced() -> Made:
    """Behaves at work; its trace grows for ever."""
    return _made(Endless())


def leaves_children() -> Made:
    """Leaves three processes that would outlive it and hold its output open."""
    _child(_doze)
    _child(_doze, session=True)
    os.waitpid(_child(lambda: _child(_doze, session=True)), 0)
    return _made(Layer())


def floods() -> Made:
    """100 MB on standard output at work."""

    def act() -> None:
        for _ in range(100_000_000 // len(_LINE)):
            os.write(1, _LINE)

    return _made(Layer(act))


def closes_descriptors() -> Made:
    """Closes every file descriptor at work, standard output included."""
    return _made(Layer(lambda: os.closerange(0, 4096)))


def prints_terminal_codes() -> Made:
    """Colours, a window title, a bell, and a line that overwrites another, from the factory."""
    print("\x1b[2J\x1b[31mred\x1b[0m \x1b]0;owned\x07 bell\x07\n50 %\r100 %")
    return _made(Layer())


class NotANumber(Layer):
    """Divides zero by zero."""

    def forward(self, x: Tensor) -> Any:
        return self.linear(x) * 0 / 0


def returns_nan() -> Made:
    """Not a number, in every element."""
    return _made(NotANumber())


def changes_defaults() -> Made:
    """Sets float64 and seven threads as torch's defaults."""
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(7)
    return _made(Layer())


class Shift(nn.Module):
    """Adds what its factory found."""

    found: Tensor

    def __init__(self, *found: float) -> None:
        super().__init__()
        self.register_buffer("found", torch.tensor(found, dtype=torch.float32))

    def forward(self, x: Tensor) -> Any:
        return x * 0 + self.found


def shows_defaults() -> tuple[nn.Module, dict[str, Tensor]]:
    """Its output is [bytes of a default float, number of threads]."""
    return Shift(torch.get_default_dtype().itemsize, torch.get_num_threads()), {"x": torch.zeros(2)}


class Talker(Layer):
    """Words where tensors should be."""

    def forward(self, x: Tensor) -> Any:
        super().forward(x)
        return "forty-two"


def returns_text() -> Made:
    """A string where tensors should be."""
    return _made(Talker())


class Mutator(Layer):
    """Adds to its input in place."""

    def forward(self, x: Tensor) -> Any:
        x.add_(1)
        return self.linear(x)


def mutates_its_inputs() -> Made:
    """Adds one to its input at each call: whoever feeds it the same tensor again sees another result."""
    return _made(Mutator())


def waits_for_a_file() -> Made:
    """At work, waits until the file named by DRIFTGATE_TEST_GATE is there."""
    gate = Path(os.environ[GATE])

    def act() -> None:
        while not gate.exists():
            time.sleep(0.02)

    return _made(Layer(act))


def counts_itself() -> Made:
    """Appends a line to the file named by DRIFTGATE_TEST_COUNT: who computes in which process."""
    with Path(os.environ[COUNT]).open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    return healthy()


def _sleep_for_ever() -> NoReturn:
    while True:
        time.sleep(1_000_000)


def _doze() -> NoReturn:
    """Another program, so that it can be told from its parent by its command line."""
    os.execvp("sleep", ["sleep", STRAY])


def _child(act: Callable[[], object], *, session: bool = False) -> int:
    """Fork; the child acts and exits. Returns its id."""
    pid = os.fork()
    if pid == 0:
        try:
            if session:
                os.setsid()
            act()
        finally:
            sys.stderr.flush()
            os._exit(0)
    return pid
