"""Becomes the guardian of one worker: forked from the warmed server, or `python -m driftgate.executors.guarded HANDLE`."""

from __future__ import annotations

import os
import sys

from driftgate.executors.worker import work
from driftgate.machine.isolation.family import kill_descendants
from driftgate.machine.isolation.guardian import Guardian, Order
from driftgate.machine.isolation.line import Line


def guard(handle: int) -> None:
    """Take one order from the line with this file descriptor, see it through, and report."""
    line = Line.of(handle)
    message = line.receive()
    if message is None:
        return
    try:
        Guardian(Order.model_validate(message["order"]), line, work).run()
    except OSError as error:  # no process, pipe or memory to be had: the machine's trouble, not the model's
        kill_descendants()
        line.send({"broken": str(error)})


if __name__ == "__main__":
    guard(int(sys.argv[1]))
    os._exit(0)  # there is nothing to tidy up, and the parent waits
