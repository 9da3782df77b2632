"""Calls that dynamo does not trace: builtins, C functions, what a person has switched off."""

import copy
import datetime
import gc
import hashlib
import inspect
import logging
import os
import pickle
import random
import re
import threading
import time
import warnings
import weakref

import numpy as np
import torch
from torch import Tensor

from breaks.corpus import Model, case

log = logging.getLogger("corpus")


@case(events=1, places=1)
class Print(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        print("hello")  # GB0059
        return x * 2


@case(events=2, places=2)
class PrintTwice(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        print("one")  # GB0059
        x = x * 2
        print("two")  # GB0059
        return x - 1


@case(events=2, places=1, said=1)
class PrintTwiceOnOneLine(Model):
    """Two events on one line are one place; the graph between them has no operation."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        print("one"), print("two")  # GB0059 x2
        return x * 2


@case(events=1, places=1, said=0)
class PrintATensor(Model):
    def forward(self, x: Tensor) -> Tensor:
        print(x)  # GB0059
        return x * 2


@case(events=1, places=1)
class GraphBreakOnPurpose(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        torch._dynamo.graph_break()  # GB0025
        return x * 2


@torch.compiler.disable
def kept_out(x: Tensor) -> Tensor:
    return x + 1


@case(events=1, places=1)
class CallOfADisabledFunction(Model):
    def forward(self, x: Tensor) -> Tensor:
        return kept_out(x * 2) + 1  # GB0098


@case(events=1, places=1)
class CallOfTheOperatingSystem(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        here = os.getcwd()  # GB0007
        return x * len(here)


@case(events=1, places=1)
class CallOfTheClock(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        time.sleep(0)  # GB0007
        return x * 2


@case(events=1, places=1)
class LogAMessage(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        log.warning("hello")  # GB0291
        return x * 2


@case(events=1, places=1)
class WarnOfSomething(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        warnings.warn("hello", stacklevel=1)  # GB0007
        return x * 2


@case(events=1, places=1)
class CopyATensorDeeply(Model):
    def forward(self, x: Tensor) -> Tensor:
        y = copy.deepcopy(x * 2)  # GB4198
        return y + 1


@case(events=1, places=1)
class PickleATensor(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        blob = pickle.dumps(x)  # GB0007
        return x * len(blob)


@case(events=1, places=1)
class SaveATensor(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        torch.save(x, os.devnull)  # GB0007
        return x * 2


@case(events=1, places=1)
class TextOfATensor(Model):
    def forward(self, x: Tensor) -> Tensor:
        text = repr(x * 2)  # GB0569
        return x + len(text)


@case(events=1, places=1)
class SeedInsideTheModel(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        torch.manual_seed(0)  # GB0007
        return x * 2


@case(events=1, places=1)
class ShuffleAList(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        factors = [2, 2]
        random.shuffle(factors)  # GB0007
        return x * factors[0]


@case(events=1, places=1)
class MethodOfAnObjectInC(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        now = datetime.datetime.now(datetime.UTC)  # GB0156
        return x * now.year


@case(events=2, places=2, said=1)
class TwoCallsOnOneLine(Model):
    """Two places: one line, but two reasons. Between them nothing is computed, so explain reads 1."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        digest = hashlib.sha256(b"").hexdigest()  # GB0007, GB0156
        return x * len(digest)


@case(events=2, places=2, skipped=1, said=0)
class OpenAFile(Model):
    """Cut at `open`; what it returns is no context manager that dynamo knows, so the rest is given up."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        with open(os.devnull) as file:  # GB0059, GB0142
            text = file.read()
        return x + len(text)


@case(events=1, places=1, skipped=1, said=-1)
class EnterALock(Model):
    """Entering a context manager cannot be resumed, and before it there is one operation only: the function is given up."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        with self.lock:  # GB0142
            x = x * 2
        return x - 1


@case(events=1, places=1)
class DefineAClass(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1

        class Local:  # GB8977
            factor = 2

        return x * Local.factor


@case(events=1, places=1)
class NamesOfTheModule(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        names = globals()  # GB0059
        return x * len(names)


@case(events=1, places=1)
class PythonsOwnStack(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        frame = inspect.currentframe()  # GB0007
        return x * bool(frame)


@case(events=1, places=1)
class CollectGarbage(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        gc.collect()  # GB0007
        return x * 2


@case(events=0, places=0)
class WhatIsTracedAllTheSame(Model):
    """No break: formatting, regular expressions, weak references, numpy's arithmetic."""

    def forward(self, x: Tensor) -> Tensor:
        found = re.match("a+", "aaa")
        me = weakref.ref(self)
        y = torch.from_numpy(np.abs(x.numpy()))
        return y * len(f"{x.shape}") if found and me() is self else y
