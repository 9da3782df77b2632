"""Warm-ups, one that does and others that do not."""

# a stage takes a job and a bench, whether it needs them or not

from __future__ import annotations

import os
import signal
import threading
import time

from driftgate.testing.misbehave.common import FOREVER


def warm() -> None:
    """A warm-up that loads nothing."""


def warm_and_leave_a_thread() -> None:
    """A warm-up after which forking would be unsafe."""
    threading.Thread(target=time.sleep, args=(FOREVER,), daemon=True, name="left-behind").start()


def warm_and_fail() -> None:
    """A warm-up that does not get far."""
    raise ImportError("no module named 'torch'")


def warm_and_die() -> None:
    """A warm-up that crashes."""
    print("about to crash", flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
